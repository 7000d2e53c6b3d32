/** Time as links see it: an argument, so that a simulator or a test can be it. */

export interface LinkClock {
  /** Milliseconds; never goes back. */
  now(): number;
  /** Calls back once, after at least `ms`; the result takes it back. */
  after(ms: number, callback: () => void): () => void;
  /** Calls back once, when the current turn of the event loop has ended. */
  soon(callback: () => void): void;
}

/**
 * The process's own clock. Its timers don't keep the process alive: whoever waits for something on
 * a link has a socket or a bus open.
 */
export const processClock: LinkClock = {
  now: () => performance.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms).unref();
    return () => clearTimeout(timer);
  },
  soon: (callback) => void setImmediate(callback),
};
