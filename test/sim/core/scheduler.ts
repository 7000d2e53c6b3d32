/**
 * The one order of everything in a simulation: a heap of events in virtual time. One event is one
 * turn of one process: it runs, then all promise jobs that it gave are done, then the next one
 * comes. Nothing else runs: no timer, no I/O, no other turn.
 */
import type { Random } from "./random.ts";
import type { Trace } from "./trace.ts";

interface Event {
  readonly atMs: number;
  readonly order: number;
  /** Undefined once it was taken back. */
  run: (() => void) | undefined;
}

/**
 * Does all promise jobs there are, and those that they give: what Node does between two callbacks.
 * It works from a callback alone, not from within a promise job.
 */
const drain = Reflect.get(process, "_tickCallback") as () => void;

export class Scheduler {
  readonly random: Random;
  readonly trace: Trace;
  readonly #heap: Event[] = [];
  #nowMs = 0;
  #order = 0;

  constructor(random: Random, trace: Trace) {
    this.random = random;
    this.trace = trace;
  }

  /** Milliseconds of true time since the beginning; no process sees it. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Runs at that time, behind all that is due then already; the result takes it back. */
  at(atMs: number, run: () => void): () => void {
    const event = { atMs: Math.max(atMs, this.#nowMs), order: this.#order, run } as Event;
    this.#order += 1;
    this.#push(event);
    return () => {
      event.run = undefined;
    };
  }

  after(ms: number, run: () => void): () => void {
    return this.at(this.#nowMs + ms, run);
  }

  /** Runs the next event that is due by then; false when there is none. */
  step(untilMs: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) return false;
      this.#pop();
      const { run } = next;
      if (run === undefined) continue;
      this.#nowMs = next.atMs;
      run();
      drain();
      return true;
    }
  }

  /** Lets what no event gave have its promise jobs. */
  settle(): void {
    drain();
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as Event;
      if (!isBefore(event, parent)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    const size = heap.length;
    if (size === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= size) break;
      const right = below + 1;
      if (right < size && isBefore(heap[right] as Event, heap[below] as Event)) below = right;
      const child = heap[below] as Event;
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
