/**
 * The caller's end of a stream: an async generator whose items come from an actor's, at most
 * STREAM_WINDOW_ITEMS of them ahead of what was consumed.
 */
import { SystemError } from "../../errors.ts";
import { STREAM_WINDOW_ITEMS } from "../../limits.ts";
import { Fifo } from "../queues.ts";

/** What a stream asks of the call behind it. */
export interface StreamPort {
  /** Sends the call. @throws {SystemError} when it can't be made at all. */
  start(stream: RemoteStream): void;
  /** So many more items were consumed. */
  grant(items: number): void;
  /** Nobody wants the rest. */
  cancel(): void;
  /** Runs something when the current turn has ended. */
  soon(callback: () => void): void;
}

interface Waiter {
  readonly resolve: (result: IteratorResult<unknown, void>) => void;
  readonly reject: (error: unknown) => void;
}

const DONE = { value: undefined, done: true } as const;

/**
 * The call is made at the first `next`, as a local generator starts then.
 *
 * Invariants: somebody waits only while nothing is buffered; 0 <= ahead <= STREAM_WINDOW_ITEMS,
 * where ahead = items that came and weren't granted again.
 */
export class RemoteStream implements AsyncGenerator<unknown, void, void> {
  readonly #port: StreamPort;
  readonly #items = new Fifo<unknown>();
  readonly #waiters = new Fifo<Waiter>();
  #started = false;
  #ended = false;
  /** What the next caller hears, once, when the items are consumed. */
  #error: SystemError | undefined;
  #ahead = 0;
  #consumed = 0;
  #grantSoon = false;

  constructor(port: StreamPort) {
    this.#port = port;
  }

  async next(): Promise<IteratorResult<unknown, void>> {
    if (!this.#started && !this.#ended) {
      this.#started = true;
      try {
        this.#port.start(this);
      } catch (thrown) {
        this.#ended = true;
        throw thrown;
      }
    }
    if (this.#items.length > 0) {
      const value = this.#items.take();
      this.#consume();
      return { value, done: false };
    }
    if (this.#error !== undefined) {
      const error = this.#error;
      this.#error = undefined;
      throw error;
    }
    if (this.#ended) return DONE;
    const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<unknown, void>>();
    this.#waiters.push({ resolve, reject });
    return promise;
  }

  /** Ends it: the actor's generator is returned from, where it stands. */
  async return(): Promise<IteratorResult<unknown, void>> {
    const wasUnderWay = this.#started && !this.#ended;
    this.#end(undefined, true);
    if (wasUnderWay) this.#port.cancel();
    return DONE;
  }

  /** Ends it as `return` does; what was thrown doesn't cross. */
  async throw(error: unknown): Promise<IteratorResult<unknown, void>> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** An item came. @throws {SystemError} FRAME_INVALID when none was asked for. */
  take(value: unknown): void {
    this.#ahead++;
    if (this.#ahead > STREAM_WINDOW_ITEMS) {
      throw new SystemError("FRAME_INVALID", "a stream goes beyond its window");
    }
    const waiter = this.#waiters.take();
    if (waiter === undefined) {
      this.#items.push(value);
      return;
    }
    this.#consume();
    waiter.resolve({ value, done: false });
  }

  /** All items came. */
  finish(): void {
    this.#end(undefined, false);
  }

  /** @param atOnce - also what came and wasn't consumed is dropped. */
  fail(error: SystemError, atOnce: boolean): void {
    this.#end(error, atOnce);
  }

  #end(error: SystemError | undefined, atOnce: boolean): void {
    if (this.#ended) {
      if (atOnce) this.#items.takeAll();
      return;
    }
    this.#ended = true;
    if (atOnce) this.#items.takeAll();
    const first = error === undefined ? undefined : this.#waiters.take();
    if (first === undefined) this.#error = error;
    else first.reject(error);
    for (const waiter of this.#waiters.takeAll()) waiter.resolve(DONE);
  }

  /** Grants go out by half windows, or when nothing is left here: the host may wait for bytes. */
  #consume(): void {
    this.#consumed++;
    if (this.#consumed >= STREAM_WINDOW_ITEMS / 2) this.#grant();
    else if (this.#items.length === 0 && !this.#grantSoon) {
      this.#grantSoon = true;
      this.#port.soon(() => {
        this.#grantSoon = false;
        if (this.#items.length === 0) this.#grant();
      });
    }
  }

  #grant(): void {
    const items = this.#consumed;
    if (items === 0 || this.#ended) return;
    this.#consumed = 0;
    this.#ahead -= items;
    this.#port.grant(items);
  }
}
