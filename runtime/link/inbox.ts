/**
 * The receiving half of a link: which frame is due, and the frames that came ahead of it.
 *
 * Invariant: frames held are all after `due`; their bytes stay under the bound.
 */
import { LINK_UNACKED_BYTES_MAX } from "../limits.ts";
import { distance, next } from "./sequence.ts";

/** What a frame ahead costs besides its bytes: two objects and a place in a map. */
const FRAME_OVERHEAD_BYTES = 256;

/** `full`: dropped, since the frames ahead have no room; it will be sent again. */
export type Placement = "due" | "duplicate" | "ahead" | "full";

export class Inbox {
  readonly #ahead = new Map<number, Uint8Array>();
  #bytes = 0;
  #due: number;

  /** @param first - number of the first frame; 1 but for a test of the wrap. */
  constructor(first = 1) {
    this.#due = first;
  }

  /** Number of the next frame in order. */
  get due(): number {
    return this.#due;
  }

  /** Number of the last frame received in order: the cumulative ack. */
  get last(): number {
    return (this.#due - 1) >>> 0;
  }

  /** Whether frames wait for one that is missing. */
  get hasGap(): boolean {
    return this.#ahead.size > 0;
  }

  /** Where a frame belongs; one that is ahead is kept, in memory of its own. */
  place(sequence: number, frame: Uint8Array): Placement {
    const ahead = distance(sequence, this.#due);
    if (ahead === 0) return "due";
    if (ahead < 0 || this.#ahead.has(sequence)) return "duplicate";
    const bytes = frame.length + FRAME_OVERHEAD_BYTES;
    if (this.#bytes + bytes > LINK_UNACKED_BYTES_MAX) return "full";
    this.#bytes += bytes;
    // A view would keep the whole chunk that it came in.
    this.#ahead.set(sequence, Uint8Array.from(frame));
    return "ahead";
  }

  /** The due frame was taken; its place is the next one's. */
  advance(): void {
    this.#due = next(this.#due);
  }

  /** The frame that is due, if it came ahead of its time; it is held no longer. */
  pull(): Uint8Array | undefined {
    if (this.#ahead.size === 0) return undefined;
    const frame = this.#ahead.get(this.#due);
    if (frame === undefined) return undefined;
    this.#ahead.delete(this.#due);
    this.#bytes -= frame.length + FRAME_OVERHEAD_BYTES;
    return frame;
  }

  clear(): void {
    this.#ahead.clear();
    this.#bytes = 0;
  }
}
