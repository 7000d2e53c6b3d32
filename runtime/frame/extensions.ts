/** The bytes of a Date (MessagePack's timestamp) and of an ObjectRef, both ways. */
import type { ProcessId } from "../ids.ts";
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

/** Writes a ref; the position after it. */
export function writeObjectRef(buffer: Buffer, at: number, ref: ObjectRef): number {
  buffer[at] = wire.EXT8;
  buffer[at + 1] = wire.OBJECT_REF_BYTES;
  buffer[at + 2] = wire.EXT_OBJECT_REF;
  buffer.write(ref.id, at + 3, "hex");
  writeU32(buffer, at + 19, ref.bytes % U32);
  writeU32(buffer, at + 23, Math.floor(ref.bytes / U32));
  writeProcess(buffer, at + 27, ref.owner);
  return at + 35;
}

/** The ref whose 32 bytes start at `at`; undefined when its size is no exact number. */
export function readObjectRef(buffer: Buffer, at: number): ObjectRef | undefined {
  const bytes = readU32(buffer, at + 16) + readU32(buffer, at + 20) * U32;
  if (!Number.isSafeInteger(bytes)) return undefined;
  const owner: ProcessId = readProcess(buffer, at + 24);
  return new ObjectRef({ id: buffer.toString("hex", at, at + 16), bytes, owner });
}
