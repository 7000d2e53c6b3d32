/** Time as an argument: links, heads and agents take it, so that a simulator can be it. */
import { DEADLINE_MS_MAX } from "./limits.ts";

export interface Clock {
  /** Milliseconds; never goes back. */
  now(): number;
  /** Calls back once, after at least `ms`; the result takes it back. */
  after(ms: number, callback: () => void): () => void;
  /** Calls back once, when the current turn of the event loop has ended. */
  soon(callback: () => void): void;
}

/**
 * The process's own clock. Its timers don't keep the process alive: whoever waits for something has
 * a socket or a bus open.
 */
export const processClock: Clock = {
  now: () => performance.now(),
  after: (ms, callback) => {
    // A timer of more would call back at once.
    const timer = setTimeout(callback, Math.min(ms, DEADLINE_MS_MAX)).unref();
    return () => clearTimeout(timer);
  },
  soon: (callback) => void setImmediate(callback),
};

/** Calls back every `ms`, first after one of them; the result ends it. */
export function every(clock: Clock, ms: number, callback: () => void): () => void {
  let cancel = clock.after(ms, again);
  function again(): void {
    cancel = clock.after(ms, again);
    callback();
  }
  return () => cancel();
}
