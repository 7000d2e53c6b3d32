/**
 * Actors whose every step is seen from outside: each writes a line to a journal, by one append, so
 * that no kill takes it back. A line: milliseconds since 1970, pid, what was done.
 */
import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { actor, callContext, type Cluster } from "ligase";

export interface LifeOptions {
  /** File of the journal. */
  readonly journal: string;
  /** While this file exists, the constructor throws. */
  readonly refuse?: string;
  /** Milliseconds between two lines that say that this life still runs. */
  readonly tickMs?: number;
}

/** How long a method looks for its gate's file before it fails. */
const GATE_MS = 120_000;
const LOOK_MS = 5;

class Life {
  readonly #journal: string;
  #count = 0;
  #running = 0;
  #most = 0;
  #yielded = 0;
  readonly #kept: Buffer[] = [];

  constructor({ journal, refuse, tickMs }: LifeOptions) {
    this.#journal = journal;
    if (refuse !== undefined && existsSync(refuse)) throw new Error("refused to live");
    this.#write("born");
    if (tickMs !== undefined) setInterval(() => this.#write("tick"), tickMs);
  }

  pid(): number {
    return process.pid;
  }

  /** Adds to what this life counts. */
  add(n: number): number {
    this.#count += n;
    return this.#count;
  }

  square(n: number): number {
    this.#count += 1;
    return n * n;
  }

  async squareLater(n: number, ms: number): Promise<number> {
    await delay(ms);
    return n * n;
  }

  /** Writes a line; @returns how many this life has written by calls. */
  mark(label: string): number {
    this.#write(label);
    this.#count += 1;
    return this.#count;
  }

  /** Writes a line, then waits until a file is there. */
  async markThenWait(label: string, gate: string): Promise<number> {
    this.#write(label);
    await this.#gate(gate);
    return process.pid;
  }

  /** Waits until a file is there, with other calls if the actor's options let them. */
  async wait(gate: string): Promise<number> {
    await this.#gate(gate);
    return process.pid;
  }

  /** @returns the most calls of this method that ever ran at once. */
  async together(ms: number): Promise<number> {
    this.#running += 1;
    this.#most = Math.max(this.#most, this.#running);
    await delay(ms);
    this.#running -= 1;
    return this.#most;
  }

  /** 50 ms of work. */
  async busy(_item: number): Promise<number> {
    await delay(50);
    return process.pid;
  }

  /** Holds the process's only thread. */
  spin(ms: number): number {
    const end = performance.now() + ms;
    while (performance.now() < end);
    return process.pid;
  }

  /** Ends when its caller no longer wants it; the journal says so. */
  async untilAborted(label: string): Promise<never> {
    const { signal } = callContext();
    this.#write(`${label} waits`);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    this.#write(`${label} aborted`);
    throw new Error("aborted");
  }

  context(): { readonly remainingMs: number; readonly actorId: string } {
    const { remainingMs, actorId } = callContext();
    return { remainingMs, actorId };
  }

  /** 0 to `n` - 1; the journal tells its end. */
  async *numbers(n: number, label: string): AsyncGenerator<number> {
    try {
      for (let i = 0; i < n; i += 1) {
        this.#yielded += 1;
        yield i;
      }
    } finally {
      this.#write(`${label} returned`);
    }
  }

  /** `n` times that many bytes. */
  async *blocks(n: number, bytes: number): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < n; i += 1) {
      this.#yielded += 1;
      yield new Uint8Array(bytes).fill(i % 256);
    }
  }

  /** Waits for its caller's end between two items. */
  async *slowly(ms: number, label: string): AsyncGenerator<number> {
    const { signal } = callContext();
    try {
      for (let i = 0; !signal.aborted; i += 1) {
        yield i;
        await delay(ms, undefined, { signal });
      }
    } finally {
      this.#write(`${label} returned`);
    }
  }

  async *failsAfter(n: number): AsyncGenerator<number> {
    for (let i = 0; i < n; i += 1) yield i;
    throw new Error("no more");
  }

  /** Items that this life's generators made so far. */
  yielded(): number {
    return this.#yielded;
  }

  say(stream: "stdout" | "stderr", text: string): void {
    process[stream].write(`${text}\n`);
  }

  /** Takes memory and keeps it. */
  grow(megabytes: number): number {
    for (let i = 0; i < megabytes; i += 1) this.#kept.push(Buffer.alloc(1024 * 1024, 1));
    return this.#kept.length;
  }

  crash(): never {
    process.kill(process.pid, "SIGKILL");
    throw new Error("unreachable");
  }

  fail(what: string): string {
    if (what !== "") throw new Error(what);
    return what;
  }

  async #gate(path: string): Promise<void> {
    const end = performance.now() + GATE_MS;
    while (!existsSync(path)) {
      if (performance.now() > end) throw new Error(`no ${path}`);
      await delay(LOOK_MS);
    }
  }

  #write(what: string): void {
    appendFileSync(this.#journal, `${Date.now()} ${process.pid} ${what}\n`);
  }
}

export const LifeActor = actor("life", Life);

/** Another class, for names that one class has and the other asks for. */
class Other {
  pid(): number {
    return process.pid;
  }
}

export const OtherActor = actor("other", Other);

/** A driver that owns an actor and never ends: the journal tells both processes. */
export default async function main(cluster: Cluster, argv: readonly string[]): Promise<never> {
  const [journal = ""] = argv;
  const one = await cluster.spawn(LifeActor, [{ journal }], { name: "of-a-driver" });
  await one.mark("owned by a driver");
  appendFileSync(journal, `${Date.now()} ${process.pid} driver\n`);
  return await new Promise<never>(() => setInterval(() => undefined, 60_000));
}
