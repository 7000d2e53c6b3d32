/** Bytes of a file as they are, as a text: one piece is read while the last one is looked at. */
import { READ_CHUNK_BYTES } from "../../../runtime/limits.ts";
import type { Fill, OpenedInput } from "./opened.ts";
import { giveBuffer, takeBuffer } from "./buffers.ts";
import type { TextSource } from "./window.ts";

export class PlainText implements TextSource {
  readonly #fill: Fill;
  /** One is being filled while the other is looked at. */
  readonly #buffers: readonly [Buffer, Buffer];
  #turn = 0;
  #isClosed = false;
  #reading: Promise<Uint8Array> | undefined;

  /** Bytes [begin, end) of a file. */
  constructor(file: Pick<OpenedInput, "sequence">, begin: number, end: number) {
    this.#fill = file.sequence(begin, end);
    const size = Math.max(1, Math.min(READ_CHUNK_BYTES, end - begin));
    this.#buffers = [takeBuffer(size), takeBuffer(size)];
  }

  async next(): Promise<Uint8Array> {
    const piece = await (this.#reading ?? this.#read());
    this.#reading = piece.length > 0 ? this.#read() : Promise.resolve(piece);
    // Who closes it before doesn't hear of the error.
    this.#reading.catch(() => undefined);
    return piece;
  }

  async close(): Promise<void> {
    await this.#reading?.catch(() => undefined);
    if (!this.#isClosed) this.#buffers.forEach(giveBuffer);
    this.#isClosed = true;
  }

  async #read(): Promise<Uint8Array> {
    this.#turn = 1 - this.#turn;
    const buffer = this.#buffers[this.#turn] as Buffer;
    return buffer.subarray(0, await this.#fill(buffer));
  }
}

/** The same as an iterable of pieces, for an inflater that copies each. */
export async function* piecesOf(source: TextSource): AsyncGenerator<Uint8Array, void> {
  for (let piece = await source.next(); piece.length > 0; piece = await source.next()) yield piece;
}
