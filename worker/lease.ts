/**
 * The lease of named actors: without a head that leads they end before another life of them may
 * begin elsewhere. Times are of the clock that goes on while the machine sleeps.
 */
import { uptime } from "node:os";
import { NAMED_LEASE_MS } from "../runtime/limits.ts";

/** Milliseconds since the machine's boot, its sleep included: equal for all its processes. */
export function bootMs(): number {
  return uptime() * 1_000;
}

export class Lease {
  readonly #now: () => number;
  readonly #onOver: () => void;
  #heardMs = Number.NEGATIVE_INFINITY;
  #isWaiting = false;

  /** @param onOver - called whenever the lease has run out, from a timer. */
  constructor(onOver: () => void, now: () => number = bootMs) {
    this.#onOver = onOver;
    this.#now = now;
  }

  /** A head led at that time. */
  renew(heardMs: number): void {
    this.#heardMs = Math.max(this.#heardMs, heardMs);
    if (!this.#isWaiting) this.#wait();
  }

  /** Milliseconds that are left; 0 when it is over. Reads the clock: ask once per turn. */
  leftMs(): number {
    return Math.max(0, this.#heardMs + NAMED_LEASE_MS - this.#now());
  }

  isOver(): boolean {
    return this.leftMs() === 0;
  }

  #wait(): void {
    this.#isWaiting = true;
    // One millisecond more: a timer may come a little early.
    setTimeout(() => {
      this.#isWaiting = false;
      if (this.isOver()) this.#onOver();
      else this.#wait();
    }, this.leftMs() + 1);
  }
}
