/**
 * Frames: prefix, header (MessagePack of [blob lengths, value]), blobs at multiples of 8 bytes.
 * A frame that carries no value is a bare prefix.
 */
import assert from "node:assert/strict";
import { SystemError } from "../errors.ts";
import { PROCESS_NONE } from "../ids.ts";
import { FRAME_BYTES_MAX } from "../limits.ts";
import { aligned } from "./blobs.ts";
import { Packer } from "./pack.ts";
import {
  LANE_CONTROL,
  PREFIX_BYTES,
  type Prefix,
  type PrefixFields,
  readPrefix,
  writePrefix,
} from "./prefix.ts";
import { scanHeader } from "./scan.ts";
import { type BlobTable, Unpacker } from "./unpack.ts";

/** A frame's value stands in the header's array, one level down. */
export const VALUE_DEPTH = 2;
/** Values of the header besides the frame's own: its array and the blob lengths' array. */
export const HEADER_VALUES = 2;
/** Where the value starts when there are no blobs: after an array of two and an empty list. */
export const VALUE_START = PREFIX_BYTES + 2;

/** Bytes of a value by itself: it travels in a frame, with what says what it is. */
export const VALUE_BYTES_MAX = FRAME_BYTES_MAX - 4 * 1024;
/** Its header's length. */
const VALUE_PREFIX_BYTES = 4;

const NOBODY: PrefixFields = {
  lane: LANE_CONTROL,
  flags: 0,
  destination: PROCESS_NONE,
  source: PROCESS_NONE,
  link: 0,
  sequence: 0,
  ack: 0,
};

const packer = new Packer({ limit: FRAME_BYTES_MAX });
const valuePacker = new Packer({ limit: VALUE_BYTES_MAX });
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
  const length = packed.blobs.frameBytes(packed.position);
  const frame = Buffer.allocUnsafe(length);
  if (packed.position === PREFIX_BYTES) {
    writePrefix(frame, fields, { length, headerLength: 0 });
    return frame;
  }
  const headerEnd = seal(packed, frame, PREFIX_BYTES);
  writePrefix(frame, fields, { length, headerLength: headerEnd - PREFIX_BYTES });
  return frame;
}

/**
 * A value as bytes by themselves, outside of any frame: header length u32, header, blobs. The same
 * values cross, under the same bounds.
 *
 * @throws {SystemError} NOT_SERIALIZABLE naming the path, FRAME_TOO_LARGE over VALUE_BYTES_MAX.
 */
export function encodeValue(value: unknown, names: readonly string[] = []): Uint8Array {
  valuePacker.names = names;
  valuePacker.reset(VALUE_PREFIX_BYTES + 2, HEADER_VALUES);
  valuePacker.write(value, VALUE_DEPTH);
  const bytes = Buffer.allocUnsafe(valuePacker.blobs.frameBytes(valuePacker.position));
  const headerEnd = seal(valuePacker, bytes, VALUE_PREFIX_BYTES);
  bytes.writeUInt32LE(headerEnd - VALUE_PREFIX_BYTES, 0);
  return bytes;
}

/** What `encodeValue` was given. @throws {SystemError} FRAME_INVALID; never anything else. */
export function decodeEncoded(bytes: Uint8Array): unknown {
  if (bytes.length <= VALUE_PREFIX_BYTES) throw invalid("a value is cut off");
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const headerEnd = VALUE_PREFIX_BYTES + buffer.readUInt32LE(0);
  if (headerEnd > bytes.length) throw invalid("a value is cut off");
  return open(buffer, VALUE_PREFIX_BYTES, headerEnd);
}

/** Writes header and blobs from `start` on; where the header ends. */
function seal(packed: Packer, bytes: Buffer, start: number): number {
  const blobs = packed.blobs.views;
  const lengths = packBlobLengths(blobs);
  bytes[start] = 0x92;
  bytes.set(lengths, start + 1);
  const valueAt = start + 1 + lengths.length;
  // The value was packed behind room for an empty list of lengths.
  packed.buffer.copy(bytes, valueAt, start + 2, packed.position);
  const headerEnd = valueAt + packed.position - (start + 2);
  let at = headerEnd;
  for (const blob of blobs) {
    const blobAt = aligned(at);
    bytes.fill(0, at, blobAt);
    bytes.set(blob, blobAt);
    at = blobAt + blob.length;
  }
  assert.equal(at, bytes.length, "a frame's length was foretold wrong");
  return headerEnd;
}

/**
 * A value as the parts of a frame from nobody to nobody, for who writes it elsewhere than into a
 * frame's memory: its typed arrays aren't copied. `undefined` is a value like any other.
 *
 * @param limit - bytes of the whole.
 * @throws {SystemError} as `encodeFrame`.
 */
export function encodeParts(
  value: unknown,
  limit: number,
): { bytes: number; parts: (readonly [number, Uint8Array])[] } {
  const packed = new Packer({ limit });
  packed.reset(VALUE_START, HEADER_VALUES);
  packed.write(value, VALUE_DEPTH);
  const blobs = packed.blobs.views;
  const length = packed.blobs.frameBytes(packed.position);
  const lengths = packBlobLengths(blobs);
  const valueBytes = packed.buffer.subarray(VALUE_START, packed.position);
  const headerLength = 1 + lengths.length + valueBytes.length;
  const head = Buffer.alloc(PREFIX_BYTES + headerLength);
  writePrefix(head, NOBODY, { length, headerLength });
  head[PREFIX_BYTES] = 0x92;
  head.set(lengths, PREFIX_BYTES + 1);
  head.set(valueBytes, PREFIX_BYTES + 1 + lengths.length);
  const parts: (readonly [number, Uint8Array])[] = [[0, head]];
  let at = head.length;
  for (const blob of blobs) {
    const start = aligned(at);
    if (blob.length > 0) parts.push([start, blob]);
    at = start + blob.length;
  }
  assert.equal(at, length, "a frame's length was foretold wrong");
  return { bytes: length, parts };
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
export function decodeValue(
  bytes: Uint8Array,
  prefix: Pick<Prefix, "headerLength" | "length">,
): unknown {
  if (prefix.headerLength === 0) {
    if (prefix.length !== PREFIX_BYTES) throw invalid("bytes after a bare prefix");
    return undefined;
  }
  const headerEnd = PREFIX_BYTES + prefix.headerLength;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return open(buffer, PREFIX_BYTES, headerEnd);
}

/** The value of a header and the blobs behind it, which end where the bytes end. */
function open(buffer: Buffer, start: number, headerEnd: number): unknown {
  const { cost, keys } = scanHeader(buffer, start, headerEnd);
  unpacker.open(buffer, start);
  unpacker.expect(cost, keys);
  try {
    if (unpacker.arrayLength() !== 2) throw invalid("not a pair");
    const blobs = readBlobTable(headerEnd, buffer.length);
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
