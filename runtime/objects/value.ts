/**
 * Any value that crosses, as an object's payload: one frame whose typed arrays are its blobs, so
 * that who gets it has views of shared memory in it and nothing was copied.
 */
import { SystemError } from "../errors.ts";
import { decodeValue, encodeParts } from "../frame/codec.ts";
import { PREFIX_BYTES, readHeaderLength } from "../frame/prefix.ts";
import { OBJECT_VALUE_BYTES_MAX } from "./limits.ts";

/** A payload in parts, each at its offset; what lies between is 0. */
export interface Parts {
  readonly bytes: number;
  readonly parts: readonly (readonly [offset: number, bytes: Uint8Array])[];
}

/**
 * The parts of a value; its arrays are views of the caller's memory.
 * @throws {SystemError} NOT_SERIALIZABLE naming the path; FRAME_TOO_LARGE.
 */
export function partsOfValue(value: unknown): Parts {
  return encodeParts(value, OBJECT_VALUE_BYTES_MAX);
}

/** The value of a payload. @throws {SystemError} OBJECT_INVALID. */
export function valueOfPayload(payload: Uint8Array): unknown {
  try {
    if (payload.length <= PREFIX_BYTES) throw new SystemError("FRAME_INVALID", "no value");
    const headerLength = readHeaderLength(payload);
    if (headerLength === 0 || PREFIX_BYTES + headerLength > payload.length) {
      throw new SystemError("FRAME_INVALID", "a header of another length");
    }
    return decodeValue(payload, { headerLength, length: payload.length });
  } catch (thrown) {
    throw new SystemError("OBJECT_INVALID", "an object's value is damaged", {}, thrown);
  }
}
