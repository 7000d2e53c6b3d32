/** A clock that moves only when it is told to: seconds of a link's life in a moment, repeatable. */
import type { Clock } from "../../../runtime/clock.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  soon(callback: () => void): void {
    this.after(0, callback);
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Runs the next timer; false when there is none up to `limit`. */
  step(limit = Number.POSITIVE_INFINITY): boolean {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      const isSooner =
        next === undefined ||
        timer.at < next.at ||
        (timer.at === next.at && timer.order < next.order);
      if (isSooner) next = timer;
    }
    if (next === undefined || next.at > limit) return false;
    this.#timers.delete(next);
    this.#now = Math.max(this.#now, next.at);
    next.callback();
    return true;
  }

  /** Lets time pass; all that falls due runs in its order. */
  advance(ms: number): void {
    const end = this.#now + ms;
    while (this.step(end));
    this.#now = end;
  }

  /** Time passes while this process sleeps: nothing runs until it is over. */
  sleep(ms: number): void {
    this.#now += ms;
  }
}
