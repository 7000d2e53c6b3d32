/**
 * Text that comes in pieces, and the part of it that is still needed: what was read and isn't yet a
 * record. It owns one buffer, which grows only where a batch of records is longer than a piece.
 *
 * Invariant: `0 <= begin <= end <= buffer.length`; buffer[begin, end) is the text from `offset` on.
 */
import type { RestartPoint } from "../../native/gzip.ts";
import { giveBuffer, takeBuffer } from "./buffers.ts";

/** A text, inflated where it is compressed. */
export interface TextSource {
  /** The next bytes, valid until the next call; none at the end. */
  next(): Promise<Uint8Array>;
  /** The last place at or before this offset from which the text can be read again; gzip only. */
  restart?(offset: number): RestartPoint | undefined;
  /** What was met so far that must be said; complete at the text's end. */
  warnings?(): Readonly<Record<string, number>>;
  close(): Promise<void>;
}

export class TextWindow {
  readonly #source: TextSource;
  #buffer: Buffer = Buffer.alloc(0);
  #begin = 0;
  #end = 0;
  #offset: number;
  #atEnd = false;

  /** @param offset - of the source's first byte in the file's text. */
  constructor(source: TextSource, offset = 0) {
    this.#source = source;
    this.#offset = offset;
  }

  /** All that was read and not passed; valid until the next `more`. */
  get text(): Buffer {
    return this.#buffer.subarray(this.#begin, this.#end);
  }

  /** Of the text's first byte, in the file's text. */
  get offset(): number {
    return this.#offset;
  }

  /** Whether nothing follows `text`. */
  get atEnd(): boolean {
    return this.#atEnd;
  }

  /** Passes over bytes of the text; <= text.length. */
  advance(bytes: number): void {
    this.#begin += bytes;
    this.#offset += bytes;
  }

  /** Reads on; @returns false when the text had ended before. */
  async more(): Promise<boolean> {
    if (this.#atEnd) return false;
    const piece = await this.#source.next();
    this.#atEnd = piece.length === 0;
    this.#makeRoom(piece.length);
    this.#buffer.set(piece, this.#end);
    this.#end += piece.length;
    return true;
  }

  /** Lets go of the text. */
  release(): void {
    giveBuffer(this.#buffer);
    this.#buffer = Buffer.alloc(0);
    this.#begin = this.#end = 0;
  }

  /** Moves the rest to the front, of a larger buffer where it fills more than half of this one. */
  #makeRoom(bytes: number): void {
    if (this.#end + bytes <= this.#buffer.length) return;
    const rest = this.#end - this.#begin;
    const isRoomy = rest <= this.#buffer.length / 2 && rest + bytes <= this.#buffer.length;
    const target = isRoomy
      ? this.#buffer
      : takeBuffer(2 ** Math.ceil(Math.log2(2 * (rest + bytes))));
    this.#buffer.copy(target, 0, this.#begin, this.#end);
    if (target !== this.#buffer) giveBuffer(this.#buffer);
    this.#buffer = target;
    this.#begin = 0;
    this.#end = rest;
  }
}
