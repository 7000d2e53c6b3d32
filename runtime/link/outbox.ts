/**
 * The sending half of a link: the frames that were handed to the carrier and aren't acknowledged.
 *
 * Invariant: they are consecutive; the oldest is number `oldest`, the next to leave `following`.
 */
import { distance, next } from "./sequence.ts";

/** Acknowledged slots that may stand before the first frame until the array is cut. */
const SLACK = 256;

export class Outbox {
  /** Bytes of the frames held. */
  bytes = 0;
  #frames: (Uint8Array | undefined)[] = [];
  #head = 0;
  #oldest: number;

  /** @param first - number of the first frame; 1 but for a test of the wrap. */
  constructor(first = 1) {
    this.#oldest = first;
  }

  /** Number of the oldest frame that can be sent again; of the next one when none is held. */
  get oldest(): number {
    return this.#oldest;
  }

  /** Number of the next frame to leave. */
  get following(): number {
    return (this.#oldest + this.size) >>> 0;
  }

  get size(): number {
    return this.#frames.length - this.#head;
  }

  /** Keeps a frame that leaves as number `following`. */
  push(frame: Uint8Array): void {
    this.#frames.push(frame);
    this.bytes += frame.length;
  }

  /** Forgets all frames up to `ack`. Undefined when that many never left; else how many it was. */
  acknowledge(ack: number): number | undefined {
    const count = distance(ack, this.#oldest) + 1;
    if (count <= 0) return 0;
    if (count > this.size) return undefined;
    for (let i = 0; i < count; i++) {
      this.bytes -= (this.#frames[this.#head] as Uint8Array).length;
      this.#frames[this.#head++] = undefined;
      this.#oldest = next(this.#oldest);
    }
    if (this.#head === this.#frames.length) {
      this.#frames.length = 0;
      this.#head = 0;
    } else if (this.#head > SLACK) {
      this.#frames = this.#frames.slice(this.#head);
      this.#head = 0;
    }
    return count;
  }

  /** The frames from a number on, oldest first, up to about `bytesMax`; none if it isn't held. */
  from(sequence: number, bytesMax: number): Uint8Array[] {
    const start = distance(sequence, this.#oldest);
    if (start < 0) return [];
    const frames: Uint8Array[] = [];
    let bytes = 0;
    for (let i = this.#head + start; i < this.#frames.length && bytes < bytesMax; i++) {
      const frame = this.#frames[i] as Uint8Array;
      frames.push(frame);
      bytes += frame.length;
    }
    return frames;
  }

  clear(): void {
    this.#oldest = this.following;
    this.#frames = [];
    this.#head = 0;
    this.bytes = 0;
  }
}
