/**
 * A method's generator at the host: how far it may run ahead of its consumer, and how it ends.
 * A generator parked at `yield` holds no turn; each step of it takes one.
 */
import { SystemError } from "../../errors.ts";
import { STREAM_WINDOW_BYTES } from "../../limits.ts";
import { Fifo } from "../queues.ts";

/** What a generator's `next` or `return` gives, now or later. */
export type Step = IteratorResult<unknown> | Promise<IteratorResult<unknown>>;

/**
 * Invariants: items out <= window; bytes = their sum; a step is under way only while not parked.
 */
export class Outflow {
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>;
  readonly #window: number;
  /** Bytes of the items that were sent and aren't consumed. */
  readonly #sizes = new Fifo<number>();
  #bytes = 0;
  /** A step is under way. */
  isStepping = false;
  /** None is, and none is queued. */
  isParked = false;
  /** It is to return. */
  isClosing = false;
  /** It was told to. */
  isClosed = false;

  constructor(iterator: Iterator<unknown> | AsyncIterator<unknown>, window: number) {
    this.#iterator = iterator;
    this.#window = window;
  }

  /** Whether another item may be made. */
  get mayGo(): boolean {
    return this.#sizes.length < this.#window && this.#bytes < STREAM_WINDOW_BYTES;
  }

  /** The next step: to the next `yield`, or through its `finally` to its end. */
  step(): Step {
    if (!this.isClosing) return this.#iterator.next() as Step;
    this.isClosed = true;
    return (this.#iterator.return?.() as Step | undefined) ?? { done: true, value: undefined };
  }

  /** An item left. */
  sent(bytes: number): void {
    this.#sizes.push(bytes);
    this.#bytes += bytes;
  }

  /** The consumer has done with so many. @throws {SystemError} FRAME_INVALID for more than left. */
  granted(items: number): void {
    if (items > this.#sizes.length) {
      throw new SystemError("FRAME_INVALID", "a grant for items that never left");
    }
    for (let i = 0; i < items; i++) this.#bytes -= this.#sizes.take() ?? 0;
  }
}
