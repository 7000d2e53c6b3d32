/**
 * Which reports a leader may confirm. A confirmation lets named actors live on, so that it counts
 * those reports alone that came before the last proof that this head leads began: a leader that was
 * cut off and replaced confirms nothing that its successor doesn't know to be older than itself.
 */

/** A report, by the process that sent it and its number. */
interface Heard {
  readonly process: string;
  readonly number: number;
}

export class LeaseFence {
  /** The last report that came, by worker. */
  readonly #heard = new Map<string, Heard>();
  /** The last one that came before the last proof began. */
  readonly #covered = new Map<string, Heard>();

  /** A report came. */
  hear(worker: string, { process, number }: Heard): void {
    const known = this.#heard.get(worker);
    if (known?.process === process && known.number >= number) return;
    this.#heard.set(worker, { process, number });
  }

  /** A proof begins; what this returns is called when it has succeeded. */
  begin(): () => void {
    const heard = [...this.#heard];
    return () => {
      for (const [worker, one] of heard)
        if (this.#heard.has(worker)) this.#covered.set(worker, one);
    };
  }

  /** The number that a command to a worker may confirm; 0 is none. */
  covered(worker: string): number {
    const covered = this.#covered.get(worker);
    return covered?.process === this.#heard.get(worker)?.process ? (covered?.number ?? 0) : 0;
  }

  /** Whether a report of it came that isn't covered. */
  isBehind(worker: string): boolean {
    return this.covered(worker) !== (this.#heard.get(worker)?.number ?? 0);
  }

  /** Forgets all but these workers; one that is heard again is known again. */
  keep(workers: { has(worker: string): boolean }): void {
    for (const worker of this.#heard.keys()) {
      if (workers.has(worker)) continue;
      this.#heard.delete(worker);
      this.#covered.delete(worker);
    }
  }
}
