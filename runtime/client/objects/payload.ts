/** What is put, as bytes and what they are; and back. */
import { SystemError } from "../../errors.ts";
import type { ObjectKind, OpenObject, PutArray } from "../../objects/index.ts";
import {
  arrayOf,
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  headerOf,
} from "../../objects/header.ts";
import { OBJECT_BYTES_MAX } from "../../objects/limits.ts";
import { type Parts, partsOfValue, valueOfPayload } from "../../objects/value.ts";

/** An object that isn't sealed yet; its parts are views of the caller's memory. */
export interface Payload {
  readonly kind: ObjectKind;
  readonly shape: readonly number[];
  readonly parts: Parts;
}

/** Any id: what a header is checked with before there is one. */
const NO_ID = "0".repeat(32);

/**
 * @throws {SystemError} USAGE for a detached array, a kind or shape that doesn't fit;
 * NOT_SERIALIZABLE naming the path in a value.
 */
export function payloadOf(
  value: unknown,
  how: { readonly kind?: ObjectKind; readonly shape?: readonly number[] },
): Payload {
  const array = arrayFrom(value);
  if (array === undefined || how.kind === "value") {
    if ((how.kind !== undefined && how.kind !== "value") || how.shape !== undefined) {
      throw new SystemError("USAGE", "kind and shape are of bytes and typed arrays");
    }
    const parts = partsOfValue(value);
    return { kind: "value", shape: [parts.bytes], parts };
  }
  const { kind, shape, bytes } = headerOf(NO_ID, array, how);
  const part = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return { kind, shape, parts: { bytes, parts: [[0, part]] } };
}

/** What is put as it is; undefined for any other value. @throws {SystemError} USAGE. */
function arrayFrom(value: unknown): PutArray | undefined {
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
    checkAttached(value);
    return new Uint8Array(value);
  }
  if (!ArrayBuffer.isView(value) || value instanceof DataView) return undefined;
  checkAttached(value.buffer);
  if (value.byteLength > OBJECT_BYTES_MAX) {
    throw new SystemError("USAGE", `an object has at most ${OBJECT_BYTES_MAX} bytes`);
  }
  return value as PutArray;
}

/** An array whose memory was transferred away would be put as an empty one. */
function checkAttached(buffer: ArrayBufferLike): void {
  if (buffer instanceof ArrayBuffer && buffer.detached) {
    throw new SystemError("USAGE", "the array is detached: its memory is another's");
  }
}

/** A whole small object, as its file would be. */
export function imageOf(id: string, { kind, shape, parts }: Payload): Uint8Array {
  const image = new Uint8Array(HEADER_BYTES + parts.bytes);
  image.set(encodeHeader({ id, kind, shape, bytes: parts.bytes }));
  for (const [offset, bytes] of parts.parts) image.set(bytes, HEADER_BYTES + offset);
  return image;
}

/** The object of an image, as a copy. @throws {SystemError} OBJECT_INVALID. */
export function openImage(id: string, image: Uint8Array): OpenObject {
  const header = decodeHeader(image, image.length);
  if (header.id !== id) throw new SystemError("OBJECT_INVALID", "a ref with another object in it");
  const copy = new Uint8Array(image);
  return { header, array: arrayOf(header, copy.buffer), release: () => undefined };
}

/** What was put: the array, or the value. @throws {SystemError} OBJECT_INVALID. */
export function valueOf({ header, array }: OpenObject): unknown {
  if (header.kind !== "value") return array;
  return valueOfPayload(array as Uint8Array);
}
