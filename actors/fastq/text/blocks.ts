/** Where a BGZF file can be entered: a block that records begin in. */
import { SystemError } from "../../../runtime/errors.ts";
import { READ_CHUNK_BYTES, RECORD_BYTES_MAX } from "../../../runtime/limits.ts";
import { BGZF_CHAIN_BYTES } from "../../limits.ts";
import { blockSize } from "../../native/bgzf.ts";
import type { Format } from "../../native/faults.ts";
import { INCOMPLETE, lookForRecord } from "../starts.ts";
import { type BlockPlace, inflateAll } from "./bgzf.ts";
import { isDamage } from "./gzip.ts";
import type { OpenedInput } from "./opened.ts";

/** Compressed bytes for one of text, in the file's first blocks. */
export async function ratioOf(file: OpenedInput, size: number): Promise<number> {
  const head = Buffer.alloc(Math.min(READ_CHUNK_BYTES, size));
  await file.readAt(head, 0);
  const blocks = blocksOf(head, 0);
  const text = blocks.reduce((sum, { text: bytes }) => sum + bytes, 0);
  const compressed = blocks.reduce((sum, { bytes }) => sum + bytes, 0);
  return text === 0 ? 1 : compressed / text;
}

interface Block {
  readonly at: number;
  readonly bytes: number;
  /** Bytes of its text, as it says itself. */
  readonly text: number;
}

/** The whole blocks that follow each other from `begin` on. */
function blocksOf(bytes: Buffer, begin: number): readonly Block[] {
  const blocks: Block[] = [];
  for (let at = begin; ; ) {
    const size = blockSize(bytes, at) ?? 0;
    if (size === 0 || at + size > bytes.length) return blocks;
    blocks.push({ at, bytes: size, text: bytes.readUInt32LE(at + size - 4) });
    at += size;
  }
}

/** The first record start behind a block that begins in [from, limit), or undefined. */
export async function findBlockStart(
  file: OpenedInput,
  size: number,
  from: number,
  limit: number,
  format: Format,
): Promise<BlockPlace | undefined> {
  for (let wanted = 2 * BGZF_CHAIN_BYTES; ; wanted *= 2) {
    const bytes = Buffer.allocUnsafe(Math.min(wanted, size - from));
    await file.readAt(bytes, from);
    const atEnd = from + bytes.length === size;
    const begin = lookForBlock(bytes, atEnd);
    if (begin === undefined || from + begin >= limit) return undefined;
    const blocks = blocksOf(bytes, begin);
    const last = blocks.at(-1);
    const text = await inflatedOf(
      bytes.subarray(begin, last === undefined ? begin : last.at + last.bytes),
    );
    if (text === undefined) return undefined;
    const found = lookForRecord(text, atEnd, format);
    if (found === undefined) return undefined;
    if (found !== INCOMPLETE) {
      const place = placeIn(blocks, found);
      return from + place.block < limit ? { ...place, block: from + place.block } : undefined;
    }
    if (atEnd || text.length > 2 * RECORD_BYTES_MAX) return undefined;
  }
}

/** Undefined for damaged blocks: who reads them tells of it. */
async function inflatedOf(blocks: Uint8Array): Promise<Buffer | undefined> {
  try {
    const text = blocks.length === 0 ? new Uint8Array(0) : await inflateAll(blocks);
    return Buffer.from(text.buffer, text.byteOffset, text.length);
  } catch (thrown) {
    if (isDamage(thrown)) return undefined;
    throw thrown;
  }
}

/**
 * Offset of the first block. Compressed data may look like the begin of one, or hold one as it is:
 * blocks must follow each other for longer than any block can be.
 */
function lookForBlock(bytes: Buffer, atEnd: boolean): number | undefined {
  const magic = Buffer.from([0x1f, 0x8b, 8, 4]);
  for (let at = bytes.indexOf(magic); at >= 0; at = bytes.indexOf(magic, at + 1)) {
    const last = blocksOf(bytes, at).at(-1);
    const end = last === undefined ? at : last.at + last.bytes;
    if (end - at >= BGZF_CHAIN_BYTES || (atEnd && end === bytes.length)) return at;
  }
  return undefined;
}

function placeIn(blocks: readonly Block[], offset: number): BlockPlace {
  let left = offset;
  for (const { at, text } of blocks) {
    if (left < text) return { block: at, skip: left };
    left -= text;
  }
  throw new SystemError("INTERNAL", "a record start lies behind all blocks");
}
