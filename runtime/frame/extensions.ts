/** The bytes of a Date (MessagePack's timestamp) and of an ObjectRef, both ways. */
import type { Identity, ProcessId } from "../ids.ts";
import { ObjectRef } from "./object-ref.ts";
import { readProcess, readU32, writeProcess, writeU32 } from "./prefix.ts";
import * as wire from "./wire.ts";

const U32 = 2 ** 32;
/** Milliseconds that a Date holds at most, either side of 1970. */
const DATE_MAX_MS = 8.64e15;

/** Writes a timestamp in its shortest form; the position after it. At most 15 bytes. */
export function writeDate(buffer: Buffer, at: number, milliseconds: number): number {
  const seconds = Math.floor(milliseconds / 1000);
  const nanoseconds = (milliseconds - seconds * 1000) * 1e6;
  if (seconds >= 0 && seconds < 2 ** 34) {
    if (nanoseconds === 0 && seconds < U32) {
      buffer[at] = wire.FIXEXT4;
      buffer[at + 1] = wire.EXT_DATE;
      return buffer.writeUInt32BE(seconds, at + 2);
    }
    buffer[at] = wire.FIXEXT8;
    buffer[at + 1] = wire.EXT_DATE;
    buffer.writeUInt32BE(nanoseconds * 4 + Math.floor(seconds / U32), at + 2);
    return buffer.writeUInt32BE(seconds % U32, at + 6);
  }
  buffer[at] = wire.EXT8;
  buffer[at + 1] = 12;
  buffer[at + 2] = wire.EXT_DATE;
  buffer.writeUInt32BE(nanoseconds, at + 3);
  return buffer.writeBigInt64BE(BigInt(seconds), at + 7);
}

/** Milliseconds of a timestamp of 4, 8 or 12 bytes; undefined when a Date can't hold it. */
export function readDate(buffer: Buffer, at: number, bytes: number): number | undefined {
  let seconds: number;
  let nanoseconds = 0;
  if (bytes === 4) seconds = buffer.readUInt32BE(at);
  else if (bytes === 8) {
    const high = buffer.readUInt32BE(at);
    nanoseconds = Math.floor(high / 4);
    seconds = (high % 4) * U32 + buffer.readUInt32BE(at + 4);
  } else {
    nanoseconds = buffer.readUInt32BE(at);
    // Exact within a Date's range; what is beyond is refused below.
    seconds = buffer.readInt32BE(at + 4) * U32 + buffer.readUInt32BE(at + 8);
  }
  const milliseconds = seconds * 1000 + Math.floor(nanoseconds / 1e6);
  if (nanoseconds >= 1e9 || Math.abs(milliseconds) > DATE_MAX_MS) return undefined;
  return milliseconds;
}

/**
 * Writes a ref; the position after it.
 * @param blob - index of the blob that holds its object, or -1.
 */
export function writeObjectRef(buffer: Buffer, at: number, ref: ObjectRef, blob: number): number {
  buffer[at] = wire.EXT8;
  buffer[at + 1] = wire.OBJECT_REF_BYTES;
  buffer[at + 2] = wire.EXT_OBJECT_REF;
  const body = at + 3;
  buffer.write(ref.id, body, "hex");
  writeU32(buffer, body + 16, ref.bytes % U32);
  writeU32(buffer, body + 20, Math.floor(ref.bytes / U32));
  writeProcess(buffer, body + 24, ref.job);
  if (ref.node === null) buffer.fill(0, body + 32, body + 39);
  else {
    buffer[body + 32] = ref.node.charCodeAt(0);
    buffer.write(ref.node.slice(2), body + 33, "hex");
  }
  buffer[body + 39] = blob < 0 ? 0 : 1;
  buffer.writeUInt16LE(Math.max(blob, 0), body + 40);
  return body + wire.OBJECT_REF_BYTES;
}

/** Index of the blob that a ref's object travels as, or -1; undefined for what says neither. */
export function blobOfRef(buffer: Buffer, at: number): number | undefined {
  const index = buffer.readUInt16LE(at + 40);
  if (buffer[at + 39] === 1) return index;
  return buffer[at + 39] === 0 && index === 0 ? -1 : undefined;
}

/**
 * The ref whose bytes start at `at`; undefined when its size is no exact number or it is nowhere.
 * @param inline - the object itself.
 */
export function readObjectRef(
  buffer: Buffer,
  at: number,
  inline: Uint8Array | undefined,
): ObjectRef | undefined {
  const bytes = readU32(buffer, at + 16) + readU32(buffer, at + 20) * U32;
  const role = buffer[at + 32] as number;
  const isNode = role === 0x68 || role === 0x77 || role === 0x63;
  if (!Number.isSafeInteger(bytes) || isNode === (inline !== undefined)) return undefined;
  const tail = buffer.toString("hex", at + 33, at + 39);
  if (!isNode && (role !== 0 || tail !== "000000000000")) return undefined;
  const node = isNode ? (`${String.fromCharCode(role)}-${tail}` as Identity) : null;
  const job: ProcessId = readProcess(buffer, at + 24);
  return new ObjectRef({ id: buffer.toString("hex", at, at + 16), bytes, job, node, inline });
}
