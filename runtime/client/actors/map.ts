/**
 * Calls over a sequence: its items are taken as results leave, never further ahead, and results
 * come in the items' order or as they are there.
 *
 * Invariant: items taken - results given <= the bound of calls in flight, results that wait for
 * their turn included.
 */
import { SystemError, toSystemError } from "../../errors.ts";

export interface PoolMapOptions {
  /** Results in the order of the items (default), or as they come. */
  readonly ordered?: boolean;
  /**
   * Items that may be taken and not given back. Default: twice what the members run at once, and
   * as many short calls a member as POOL_AHEAD_MS of work.
   */
  readonly inFlight?: number;
  /** Ends it with CANCELLED, the calls under way too. */
  readonly signal?: AbortSignal;
  /** Milliseconds for each call, from when its item is taken. */
  readonly deadlineMs?: number;
  /** Times that a call which may have run is made again, on another member. */
  readonly retries?: number;
}

/** Names of the fields of PoolMapOptions. */
export const MAP_OPTIONS: readonly (keyof PoolMapOptions)[] = [
  ...(["ordered", "inFlight", "signal", "deadlineMs", "retries"] as const),
];

/** How one item went, when failures don't end the whole. */
export type Settled<Result> =
  | { readonly index: number; readonly value: Result; readonly error?: undefined }
  | { readonly index: number; readonly value?: undefined; readonly error: SystemError };

export interface MapPorts<Item, Result> {
  readonly call: (item: Item, signal: AbortSignal) => Promise<Result>;
  /** Items that may be taken and not given back, now. */
  readonly bound: () => number;
  readonly ordered: boolean;
  readonly signal: AbortSignal | undefined;
}

/** Results and failures with their index. @throws {SystemError} CANCELLED; what `items` throws. */
export async function* mapSettled<Item, Result>(
  items: Iterable<Item> | AsyncIterable<Item>,
  ports: MapPorts<Item, Result>,
): AsyncGenerator<Settled<Result>, void, void> {
  const run = new MapRun(items, ports);
  let ended = false;
  try {
    for (;;) {
      const next = await run.next();
      if (next === undefined) {
        ended = true;
        return;
      }
      yield next;
    }
  } finally {
    await run.stop(ended);
  }
}

class MapRun<Item, Result> {
  readonly #ports: MapPorts<Item, Result>;
  readonly #iterator: Iterator<Item> | AsyncIterator<Item>;
  readonly #abort = new AbortController();
  /** By index: done and not given yet. */
  readonly #done = new Map<number, Settled<Result>>();
  #taken = 0;
  #given = 0;
  #isTaking = false;
  #exhausted = false;
  #failure: SystemError | undefined;
  #wake: () => void = () => undefined;
  readonly #onAbort = (): void => this.#fail(cancelled(this.#ports.signal));

  constructor(items: Iterable<Item> | AsyncIterable<Item>, ports: MapPorts<Item, Result>) {
    this.#ports = ports;
    this.#iterator =
      Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
    ports.signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (ports.signal?.aborted === true) this.#onAbort();
  }

  /** The next result, or undefined after the last. */
  async next(): Promise<Settled<Result> | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (!this.#isTaking && !this.#exhausted) void this.#take();
      const ready = this.#ready();
      if (ready !== undefined) {
        this.#done.delete(ready.index);
        this.#given += 1;
        return ready;
      }
      if (this.#exhausted && this.#given === this.#taken) return undefined;
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
  }

  /** Ends the calls under way and the source, unless all came to its end. */
  async stop(ended: boolean): Promise<void> {
    this.#ports.signal?.removeEventListener("abort", this.#onAbort);
    if (ended) return;
    const wasExhausted = this.#exhausted;
    this.#exhausted = true;
    this.#abort.abort(new SystemError("CANCELLED", "nobody takes the results"));
    if (wasExhausted) return;
    const returned = Promise.resolve(this.#iterator.return?.());
    // A source that hangs in its next item can't be waited for once somebody wants an end.
    if (this.#isTaking || this.#ports.signal?.aborted === true) returned.catch(() => undefined);
    else await returned;
  }

  #ready(): Settled<Result> | undefined {
    if (this.#ports.ordered) return this.#done.get(this.#given);
    return this.#done.values().next().value;
  }

  /** Takes items while there is room; one at a time, as a source is owed. */
  async #take(): Promise<void> {
    this.#isTaking = true;
    try {
      while (!this.#exhausted && this.#taken - this.#given < this.#ports.bound()) {
        const { done, value } = await this.#iterator.next();
        if (this.#exhausted) break;
        if (done === true) this.#exhausted = true;
        else this.#start(value);
      }
    } catch (thrown) {
      this.#exhausted = true;
      this.#fail(toSystemError(thrown, "APPLICATION"));
    } finally {
      this.#isTaking = false;
      this.#wake();
    }
  }

  #start(item: Item): void {
    const index = this.#taken;
    this.#taken += 1;
    const settle = (settled: Settled<Result>): void => {
      this.#done.set(index, settled);
      this.#wake();
    };
    this.#ports.call(item, this.#abort.signal).then(
      (value) => settle({ index, value }),
      (thrown: unknown) => settle({ index, error: atIndex(toSystemError(thrown), index) }),
    );
  }

  #fail(error: SystemError): void {
    this.#failure ??= error;
    this.#wake();
  }
}

function atIndex(error: SystemError, index: number): SystemError {
  return new SystemError(error.code, error.what, { ...error.where, index }, error);
}

function cancelled(signal: AbortSignal | undefined): SystemError {
  return new SystemError("CANCELLED", String(signal?.reason), {}, signal?.reason);
}
