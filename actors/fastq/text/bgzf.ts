/**
 * Part of a BGZF file, as a text: from a place in one block to a place in another. Blocks inflate
 * alone, so nothing before the first one is read.
 */
import { blockSize, hasEndBlock } from "../../native/bgzf.ts";
import { GzipError, inflateGzip } from "../../native/gzip.ts";
import type { OpenedInput } from "./opened.ts";
import { GzipText } from "./gzip.ts";
import type { TextSource } from "./window.ts";

/** Bytes of a block at most; it says its size in 16 bits. */
export const BLOCK_BYTES_MAX = 64 * 1024;
const END_BLOCK_BYTES = 28;

/** A place in the text of a BGZF file. */
export interface BlockPlace {
  /** Offset in the file of the block. */
  readonly block: number;
  /** Bytes of the block's text before the place. */
  readonly skip: number;
}

/** From a place up to another; at the file's end: its size, 0. */
export interface BlockRange extends BlockPlace {
  readonly endBlock: number;
  readonly endSkip: number;
}

export class BgzfText implements TextSource {
  readonly #file: OpenedInput;
  readonly #size: number;
  readonly #range: BlockRange;
  readonly #blocks: GzipText | undefined;
  #skip: number;
  #state: "blocks" | "last" | "ended";
  #warnings: Readonly<Record<string, number>> = {};

  /** @param size - bytes of the file. */
  constructor(file: OpenedInput, size: number, range: BlockRange) {
    this.#file = file;
    this.#size = size;
    this.#range = range;
    this.#skip = range.skip;
    const { block, endBlock } = range;
    this.#blocks = block < endBlock ? new GzipText(file, block, endBlock) : undefined;
    this.#state = this.#blocks === undefined ? "last" : "blocks";
  }

  /** @throws {GzipError} also where the range's end is no block's. */
  async next(): Promise<Uint8Array> {
    while (this.#state !== "ended") {
      const piece = await this.#piece();
      const skipped = Math.min(this.#skip, piece.length);
      this.#skip -= skipped;
      if (piece.length > skipped) return piece.subarray(skipped);
    }
    return new Uint8Array(0);
  }

  warnings(): Readonly<Record<string, number>> {
    return this.#warnings;
  }

  async close(): Promise<void> {
    await this.#blocks?.close();
  }

  async #piece(): Promise<Uint8Array> {
    const { endBlock, endSkip } = this.#range;
    const isLast = endBlock === this.#size;
    if (this.#state === "blocks") {
      const piece = await this.#blocks?.next();
      if (piece !== undefined && piece.length > 0) return piece;
      this.#state = "last";
      if (isLast) this.#warnings = await this.#checkEnd();
    }
    this.#state = "ended";
    if (isLast || endSkip === 0) return new Uint8Array(0);
    const text = await textOfBlock(this.#file, this.#size, endBlock);
    return text.subarray(0, endSkip);
  }

  async #checkEnd(): Promise<Readonly<Record<string, number>>> {
    const tail = Buffer.alloc(Math.min(END_BLOCK_BYTES, this.#size));
    await this.#file.readAt(tail, this.#size - tail.length);
    const found = this.#blocks?.warnings() ?? {};
    return hasEndBlock(tail) || "trailingZeros" in found
      ? found
      : { endBlocksMissing: 1, ...found };
  }
}

/** What one block holds. @throws {GzipError} when none begins there. */
export async function textOfBlock(
  file: Pick<OpenedInput, "readAt">,
  size: number,
  block: number,
): Promise<Uint8Array> {
  const bytes = Buffer.alloc(Math.min(BLOCK_BYTES_MAX, size - block));
  await file.readAt(bytes, block);
  const length = blockSize(bytes, 0) ?? 0;
  if (length === 0) throw new GzipError("header", block);
  if (length > bytes.length) throw new GzipError("cut", block);
  return inflateAll(bytes.subarray(0, length));
}

/** The text of whole blocks. */
export async function inflateAll(blocks: Uint8Array): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const { bytes } of inflateGzip([blocks])) parts.push(bytes);
  return Buffer.concat(parts);
}
