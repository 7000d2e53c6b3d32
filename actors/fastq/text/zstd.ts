/**
 * What a Zstandard file holds, as a text: frames of any number, skippable ones passed over. Node's
 * decoder ends with a frame, so each one has a decoder of its own.
 */
import { createZstdDecompress } from "node:zlib";
import { READ_CHUNK_BYTES } from "../../../runtime/limits.ts";
import type { OpenedInput } from "./opened.ts";
import { PlainText } from "./plain.ts";
import type { TextSource } from "./window.ts";

const MAGIC_BYTES = 4;
const SKIPPABLE_HEADER = 8;

export class ZstdText implements TextSource {
  readonly #compressed: Pushback;
  readonly #pieces: AsyncGenerator<Uint8Array, void>;

  constructor(file: Pick<OpenedInput, "sequence">, begin: number, end: number) {
    this.#compressed = new Pushback(new PlainText(file, begin, end));
    this.#pieces = inflateZstd(this.#compressed);
  }

  /** @throws {Error} of the decoder. */
  async next(): Promise<Uint8Array> {
    const { value, done } = await this.#pieces.next();
    return done === true ? new Uint8Array(0) : value;
  }

  async close(): Promise<void> {
    await this.#pieces.return();
    await this.#compressed.close();
  }
}

/** Bytes of which some can be given back. */
class Pushback {
  readonly #source: PlainText;
  #back: Buffer = Buffer.alloc(0);

  constructor(source: PlainText) {
    this.#source = source;
  }

  /** The next bytes, the caller's own; none at the end. */
  async next(): Promise<Buffer> {
    const back = this.#back;
    if (back.length === 0) return Buffer.from(await this.#source.next());
    this.#back = Buffer.alloc(0);
    return back;
  }

  /** @param bytes - come before all that follows. */
  giveBack(bytes: Buffer): void {
    this.#back = this.#back.length === 0 ? bytes : Buffer.concat([bytes, this.#back]);
  }

  /** The next `count` bytes, fewer at the end; they stay. */
  async peek(count: number): Promise<Buffer> {
    let found = await this.next();
    while (found.length > 0 && found.length < count) {
      const more = await this.next();
      if (more.length === 0) break;
      found = Buffer.concat([found, more]);
    }
    this.giveBack(found);
    return found.subarray(0, count);
  }

  async pass(count: number): Promise<void> {
    for (let left = count; left > 0; ) {
      const bytes = await this.next();
      if (bytes.length === 0) throw damaged("the file ends inside a skippable frame");
      this.giveBack(bytes.subarray(Math.min(left, bytes.length)));
      left -= Math.min(left, bytes.length);
    }
  }

  close(): Promise<void> {
    return this.#source.close();
  }
}

async function* inflateZstd(compressed: Pushback): AsyncGenerator<Uint8Array, void> {
  for (;;) {
    const head = await compressed.peek(SKIPPABLE_HEADER);
    if (head.length === 0) return;
    if (head.length < MAGIC_BYTES) throw damaged("the file ends inside a frame");
    const magic = head.readUInt32LE(0);
    if (magic >>> 4 === 0x184d2a5) {
      if (head.length < SKIPPABLE_HEADER) throw damaged("the file ends inside a frame");
      await compressed.pass(SKIPPABLE_HEADER + head.readUInt32LE(MAGIC_BYTES));
    } else if (magic === 0xfd2fb528) {
      yield* inflateFrame(compressed);
    } else {
      throw damaged("bytes that are no Zstandard frame follow the last one");
    }
  }
}

/** One frame, or several where a piece ends with one; what is behind them is given back. */
async function* inflateFrame(compressed: Pushback): AsyncGenerator<Uint8Array, void> {
  const decoder = createZstdDecompress({ chunkSize: READ_CHUNK_BYTES / 2 });
  const ended = Promise.withResolvers<void>();
  // What was given last, which alone can reach behind a frame, and all bytes up to its end.
  let last: Buffer = Buffer.alloc(0);
  let given = 0;
  let hasEnded = (): boolean => false;
  const feed = async (): Promise<void> => {
    while (!hasEnded()) {
      const bytes = await compressed.next();
      if (bytes.length === 0) decoder.end();
      if (bytes.length === 0) return;
      last = bytes;
      given += bytes.length;
      const taken = new Promise<void>((resolve) => decoder.write(bytes, () => resolve()));
      // A frame's end amid a piece leaves its rest, and may never be told of.
      await Promise.race([taken, ended.promise]);
      if (decoder.bytesWritten < given) return;
    }
  };
  const feeding = feed().catch((error: unknown) => void decoder.destroy(error as Error));
  try {
    for await (const bytes of decoder) yield bytes as Buffer;
  } finally {
    hasEnded = () => true;
    ended.resolve();
    await feeding;
    decoder.destroy();
  }
  const behind = given - decoder.bytesWritten;
  if (behind > 0) compressed.giveBack(last.subarray(last.length - behind));
}

function damaged(what: string): Error {
  return Object.assign(new Error(what), { code: "ZSTD_damaged" });
}
