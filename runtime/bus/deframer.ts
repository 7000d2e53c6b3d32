/** Whole frames from a stream's chunks; the prefix's own length delimits them. */
import { FRAME_LENGTH_BYTES, frameLengthOf } from "../frame/prefix.ts";

/**
 * Cuts a stream into frames.
 *
 * A frame that lies in one chunk is a view of it; one that spans chunks is copied once, into
 * memory of its own length. Who keeps a view keeps its chunk, at most 64 KiB. At most one frame
 * is held, and none whose length is over the bound.
 */
export class Deframer {
  readonly #onFrame: (frame: Uint8Array) => void;
  /** The start of a frame whose length hasn't come yet. */
  readonly #start = Buffer.alloc(FRAME_LENGTH_BYTES);
  /** The frame under way once its length is known. */
  #frame: Buffer | undefined;
  /** Bytes of the frame under way, in `#start` or `#frame`. */
  #filled = 0;

  /** @param onFrame - takes each whole frame, undecoded; what it throws passes through `push`. */
  constructor(onFrame: (frame: Uint8Array) => void) {
    this.#onFrame = onFrame;
  }

  /** Bytes of an unfinished frame: 0 between frames. */
  get partialBytes(): number {
    return this.#filled;
  }

  /** Takes the next chunk. @throws {SystemError} FRAME_VERSION, FRAME_TOO_LARGE, FRAME_INVALID. */
  push(chunk: Buffer): void {
    let at = this.#filled > 0 ? this.#resume(chunk) : 0;
    while (chunk.length - at >= FRAME_LENGTH_BYTES) {
      const length = frameLengthOf(chunk, at, chunk.length);
      if (chunk.length - at < length) {
        this.#begin(chunk.subarray(at), length);
        return;
      }
      this.#onFrame(chunk.subarray(at, at + length));
      at += length;
    }
    if (at === chunk.length) return;
    chunk.copy(this.#start, 0, at);
    this.#filled = chunk.length - at;
  }

  /** Goes on with the frame under way; the position in the chunk after what belonged to it. */
  #resume(chunk: Buffer): number {
    let at = 0;
    let frame = this.#frame;
    if (frame === undefined) {
      at = chunk.copy(this.#start, this.#filled);
      this.#filled += at;
      if (this.#filled < FRAME_LENGTH_BYTES) return at;
      frame = this.#begin(this.#start, frameLengthOf(this.#start, 0, FRAME_LENGTH_BYTES));
    }
    const copied = chunk.copy(frame, this.#filled, at);
    this.#filled += copied;
    if (this.#filled === frame.length) {
      this.#frame = undefined;
      this.#filled = 0;
      this.#onFrame(frame);
    }
    return at + copied;
  }

  #begin(start: Buffer, length: number): Buffer {
    const frame = Buffer.allocUnsafeSlow(length);
    this.#filled = start.copy(frame);
    this.#frame = frame;
    return frame;
  }
}
