/**
 * Frames: prefix, header (MessagePack of [blob lengths, value]), blobs at multiples of 8 bytes.
 * A frame that carries no value is a bare prefix.
 */
import assert from "node:assert/strict";
import { SystemError } from "../errors.ts";
import { FRAME_BYTES_MAX } from "../limits.ts";
import { aligned } from "./blobs.ts";
import { Packer } from "./pack.ts";
import { PREFIX_BYTES, type Prefix, type PrefixFields, readPrefix, writePrefix } from "./prefix.ts";
import { scanHeader } from "./scan.ts";
import { type BlobTable, Unpacker } from "./unpack.ts";

/** A frame's value stands in the header's array, one level down. */
export const VALUE_DEPTH = 2;
/** Values of the header besides the frame's own: its array and the blob lengths' array. */
export const HEADER_VALUES = 2;
/** Where the value starts when there are no blobs: after an array of two and an empty list. */
export const VALUE_START = PREFIX_BYTES + 2;

const packer = new Packer({ limit: FRAME_BYTES_MAX });
const lengthsPacker = new Packer({ limit: FRAME_BYTES_MAX });
const unpacker = new Unpacker();

/** What a received frame holds. */
export interface Frame {
  readonly prefix: Prefix;
  readonly value: unknown;
}

/**
 * One frame with one value, in memory of its own. `undefined` makes a bare prefix of 40 bytes.
 *
 * @throws {SystemError} NOT_SERIALIZABLE naming the path, FRAME_TOO_LARGE over FRAME_BYTES_MAX.
 */
export function encodeFrame(fields: PrefixFields, value: unknown): Uint8Array {
  packer.reset(VALUE_START, HEADER_VALUES);
  if (value === undefined) packer.position = PREFIX_BYTES;
  else packer.write(value, VALUE_DEPTH);
  return sealFrame(packer, fields);
}

/** The frame around what a packer holds from VALUE_START on, within the packer's limit. */
export function sealFrame(packed: Packer, fields: PrefixFields): Uint8Array {
  const blobs = packed.blobs.views;
  const length = packed.blobs.frameBytes(packed.position);
  const frame = Buffer.allocUnsafe(length);
  if (packed.position === PREFIX_BYTES) {
    writePrefix(frame, fields, { length, headerLength: 0 });
    return frame;
  }
  const lengths = packBlobLengths(blobs);
  const valueBytes = packed.position - VALUE_START;
  const headerLength = 1 + lengths.length + valueBytes;
  writePrefix(frame, fields, { length, headerLength });
  frame[PREFIX_BYTES] = 0x92;
  frame.set(lengths, PREFIX_BYTES + 1);
  let at = PREFIX_BYTES + headerLength;
  packed.buffer.copy(frame, at - valueBytes, VALUE_START, packed.position);
  for (const blob of blobs) {
    const start = aligned(at);
    frame.fill(0, at, start);
    frame.set(blob, start);
    at = start + blob.length;
  }
  assert.equal(at, length, "a frame's length was foretold wrong");
  return frame;
}

/**
 * Prefix and value of one whole frame, scanned before it is decoded. Typed arrays in it are views
 * of `bytes` where their address allows; plain objects have Object.prototype, errors are
 * SystemErrors.
 *
 * @throws {SystemError} FRAME_VERSION, FRAME_TOO_LARGE, FRAME_INVALID; never anything else.
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  const prefix = readPrefix(bytes);
  return { prefix, value: decodeValue(bytes, prefix) };
}

/**
 * The value of a frame whose prefix was read; undefined for a bare one.
 *
 * @throws {SystemError} FRAME_TOO_LARGE, FRAME_INVALID; never anything else.
 */
export function decodeValue(bytes: Uint8Array, prefix: Prefix): unknown {
  if (prefix.headerLength === 0) {
    if (prefix.length !== PREFIX_BYTES) throw invalid("bytes after a bare prefix");
    return undefined;
  }
  const headerEnd = PREFIX_BYTES + prefix.headerLength;
  const { cost, keys } = scanHeader(bytes, PREFIX_BYTES, headerEnd);
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  unpacker.open(buffer, PREFIX_BYTES);
  unpacker.expect(cost, keys);
  try {
    if (unpacker.arrayLength() !== 2) throw invalid("not a pair");
    const blobs = readBlobTable(headerEnd, prefix.length);
    unpacker.useBlobs(blobs);
    const value = unpacker.read();
    if (unpacker.blobsRead !== blobs.lengths.length) throw invalid("a blob that nothing names");
    return value;
  } finally {
    unpacker.close();
  }
}

/** Lays the blobs out behind the header; they must end where the frame ends. */
function readBlobTable(headerEnd: number, length: number): BlobTable {
  const count = unpacker.arrayLength();
  const offsets: number[] = [];
  const lengths: number[] = [];
  let at = headerEnd;
  for (let i = 0; i < count; i++) {
    const bytes = unpacker.read();
    // Also refuses NaN, fractions and negatives: only a whole number within the frame fits.
    if (typeof bytes !== "number" || !Number.isInteger(bytes) || bytes < 0 || bytes > length) {
      throw invalid("a blob length out of range");
    }
    const start = aligned(at);
    offsets.push(start);
    lengths.push(bytes);
    at = start + bytes;
    if (at > length) throw invalid("a blob passes the end");
  }
  if (at !== length) throw invalid("bytes after the last blob");
  return { offsets, lengths };
}

const NO_LENGTHS = Uint8Array.of(0x90);

/** MessagePack of the blobs' lengths. */
function packBlobLengths(blobs: readonly Uint8Array[]): Uint8Array {
  if (blobs.length === 0) return NO_LENGTHS;
  lengthsPacker.reset(0, 0);
  lengthsPacker.write(
    blobs.map((blob) => blob.length),
    VALUE_DEPTH,
  );
  return lengthsPacker.buffer.subarray(0, lengthsPacker.position);
}

function invalid(what: string): SystemError {
  return new SystemError("FRAME_INVALID", `broken frame: ${what}`);
}
