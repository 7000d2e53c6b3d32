/**
 * BGZF: gzip members of at most 64 KiB that say their own size, so that each inflates alone and a
 * file can be read from any block on. Groups of blocks inflate at the same time, on the threads of
 * the pool, and come out in order.
 */
import { gunzipSync } from "node:zlib";
import { nativeStatus, type RawBlocks } from "./addon.ts";
import { checkBytes, checkCount } from "./checks.ts";
import { GZIP_FAULTS, GzipError, kindOf } from "./gzip.ts";

const HEADER = 12;
const TRAILER = 8;
/** The empty block that a BGZF file ends with. */
const END_BLOCK_BYTES = 28;

/** The bytes of whole blocks, inflated. */
export interface BlocksInflated {
  readonly bytes: Uint8Array;
  /** Compressed bytes of the blocks; what is behind them is the begin of a block that is cut. */
  readonly consumed: number;
}

/**
 * What the whole blocks in `bytes` hold.
 * @param bytes - begins with a block.
 * @param groups - how many parts inflate at the same time; 1..64.
 * @throws {GzipError} header, data, checksum; its offset counts from `bytes`.
 */
export async function inflateBlocks(
  bytes: Uint8Array,
  groups = 1,
  force?: "typescript",
): Promise<readonly BlocksInflated[]> {
  checkBytes("bytes", bytes);
  checkCount("groups", groups, 1, 64);
  const native = force === "typescript" ? undefined : nativeStatus().addon?.inflateBlocks;
  const inflate = native ?? inflatePlain;
  const cuts = cutsOf(bytes, groups);
  const parts = cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end));
  const inflated = await Promise.all(parts.map((part) => inflate(part)));
  return inflated.map(({ bytes: out, consumed, fault }, i) => {
    if (fault !== 0) throw new GzipError(kindOf(fault), (cuts[i] ?? 0) + consumed);
    return { bytes: out, consumed };
  });
}

/**
 * Bytes of the block that begins at `at`; 0: no BGZF block begins there; undefined: more bytes are
 * needed to tell.
 */
export function blockSize(bytes: Uint8Array, at: number): number | undefined {
  if (bytes.length - at < HEADER) return undefined;
  const isGzip = bytes[at] === 0x1f && bytes[at + 1] === 0x8b && bytes[at + 2] === 8;
  if (!isGzip || bytes[at + 3] !== 4) return 0;
  const end = at + HEADER + two(bytes, at + 10);
  if (end > bytes.length) return undefined;
  for (let field = at + HEADER; field + 4 <= end; field += 4 + two(bytes, field + 2)) {
    const isSize = bytes[field] === 66 && bytes[field + 1] === 67 && two(bytes, field + 2) === 2;
    if (!isSize || field + 6 > end) continue;
    const size = two(bytes, field + 4) + 1;
    return size < end - at + TRAILER + 1 ? 0 : size;
  }
  return 0;
}

/** Whether a file that ends with these bytes has BGZF's end block; without, it may be cut. */
export function hasEndBlock(tail: Uint8Array): boolean {
  const at = tail.length - END_BLOCK_BYTES;
  if (at < 0 || blockSize(tail, at) !== END_BLOCK_BYTES) return false;
  return tail.subarray(-4).every((byte) => byte === 0);
}

/** Offsets that part the bytes at block starts into at most `groups` parts of like size. */
function cutsOf(bytes: Uint8Array, groups: number): readonly number[] {
  const cuts = [0];
  let at = 0;
  while (at < bytes.length && cuts.length < groups) {
    const size = blockSize(bytes, at);
    if (size === undefined || size === 0 || at + size > bytes.length) break;
    at += size;
    if (at >= (bytes.length * cuts.length) / groups && at < bytes.length) cuts.push(at);
  }
  return [...cuts, bytes.length];
}

async function inflatePlain(bytes: Uint8Array): Promise<RawBlocks> {
  const parts: Buffer[] = [];
  let at = 0;
  let fault = 0;
  while (at < bytes.length && fault === 0) {
    const size = blockSize(bytes, at);
    if (size === 0) fault = GZIP_FAULTS.header;
    if (size === 0 || size === undefined || at + size > bytes.length) break;
    const block = inflateBlock(bytes.subarray(at, at + size));
    if (typeof block === "number") fault = block;
    else {
      parts.push(block);
      at += size;
    }
  }
  return { bytes: Buffer.concat(parts), consumed: at, fault };
}

/** A block's bytes, or the number of what is wrong with it. */
function inflateBlock(block: Uint8Array): Buffer | number {
  const length = new DataView(block.buffer, block.byteOffset).getUint32(block.length - 4, true);
  if (length > 64 * 1024) return GZIP_FAULTS.checksum;
  try {
    return gunzipSync(block, { maxOutputLength: 64 * 1024 + 1 });
  } catch (thrown) {
    const text = thrown instanceof Error ? thrown.message : "";
    return /incorrect (data|length) check/.test(text) ? GZIP_FAULTS.checksum : GZIP_FAULTS.data;
  }
}

function two(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}
