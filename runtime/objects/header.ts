/**
 * What an object's file begins with: the object's id, what kind of array it is, its shape and size,
 * and a check over these. 128 bytes, so that the payload behind it is aligned for every kind.
 * A file is believed in nothing that this header doesn't check.
 */
import { crc32cUpdate } from "../storage/crc32c.ts";
import { SystemError } from "../errors.ts";
import { OBJECT_BYTES_MAX, OBJECT_DIMENSIONS_MAX } from "./limits.ts";

export const HEADER_BYTES = 128;

const MAGIC = 0x424f474c;
const VERSION = 1;
/** Offsets: magic u32, version, kind and dimensions u8, id [16], bytes f64, shape f64 [8]. */
const AT = { version: 4, kind: 5, dimensions: 6, id: 8, bytes: 24, shape: 32, crc: 124 } as const;

/** The arrays that an object may be, in the order of their numbers in a header: append only. */
const ARRAYS = {
  bytes: Uint8Array,
  arrow: Uint8Array,
  uint8: Uint8Array,
  uint8clamped: Uint8ClampedArray,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  float16: Float16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
  uint64: BigUint64Array,
  int64: BigInt64Array,
  value: Uint8Array,
} as const;

/**
 * `bytes` and `arrow` (an Arrow IPC stream or file) come back as Uint8Array; `value` is any value
 * that crosses, as a frame (`value.ts`).
 */
export type ObjectKind = keyof typeof ARRAYS;
/** What can be put. */
export type PutArray = ArrayOver<ArrayBufferLike>;
/** What a view is. */
export type ObjectArray = ArrayOver<ArrayBuffer>;

type ArrayOver<Buffer extends ArrayBufferLike> =
  | Uint8Array<Buffer>
  | Uint8ClampedArray<Buffer>
  | Int8Array<Buffer>
  | Uint16Array<Buffer>
  | Int16Array<Buffer>
  | Float16Array<Buffer>
  | Uint32Array<Buffer>
  | Int32Array<Buffer>
  | Float32Array<Buffer>
  | Float64Array<Buffer>
  | BigUint64Array<Buffer>
  | BigInt64Array<Buffer>;

const KINDS = Object.keys(ARRAYS) as ObjectKind[];

export interface ObjectHeader {
  /** 32 hex digits. */
  readonly id: string;
  readonly kind: ObjectKind;
  /** Row-major; the product is the number of elements. At most 8 dimensions; [] is one element. */
  readonly shape: readonly number[];
  /** Of the payload. */
  readonly bytes: number;
}

/** The kind that an array is put as when nothing else is said; a Buffer is bytes. */
export function kindOf(array: PutArray): ObjectKind {
  if (array instanceof Uint8Array) return "bytes";
  const found = KINDS.find((kind) => array instanceof ARRAYS[kind]);
  if (found === undefined) throw new SystemError("USAGE", "an object is bytes or a typed array");
  return found;
}

/**
 * The header of an array.
 * @throws {SystemError} USAGE when kind or shape don't fit it, or it is too large.
 */
export function headerOf(
  id: string,
  array: PutArray,
  how: { readonly kind?: ObjectKind; readonly shape?: readonly number[] } = {},
): ObjectHeader {
  const kind = how.kind ?? kindOf(array);
  if (!Object.hasOwn(ARRAYS, kind) || !(array instanceof ARRAYS[kind])) {
    throw new SystemError("USAGE", `this array can't be put as ${kind}`);
  }
  const header = { id, kind, shape: [...(how.shape ?? [array.length])], bytes: array.byteLength };
  const fault = faultOf(header);
  if (fault !== undefined) throw new SystemError("USAGE", `an object's ${fault}`);
  return header;
}

/** 128 bytes. */
export function encodeHeader(header: ObjectHeader): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint8(AT.version, VERSION);
  view.setUint8(AT.kind, KINDS.indexOf(header.kind));
  view.setUint8(AT.dimensions, header.shape.length);
  bytes.set(Buffer.from(header.id, "hex"), AT.id);
  view.setFloat64(AT.bytes, header.bytes, true);
  for (const [index, length] of header.shape.entries()) {
    view.setFloat64(AT.shape + 8 * index, length, true);
  }
  view.setInt32(AT.crc, crc32cUpdate(0, bytes.subarray(0, AT.crc)), true);
  return bytes;
}

/**
 * What a file holds.
 * @param file - its bytes, or the first 128 of them. @param size - of the whole file.
 * @throws {SystemError} OBJECT_INVALID with what is wrong.
 */
export function decodeHeader(file: Uint8Array, size: number): ObjectHeader {
  const refuse = (what: string): never => {
    throw new SystemError("OBJECT_INVALID", `an object's ${what}`);
  };
  if (file.length < HEADER_BYTES) return refuse(`file of ${file.length} bytes`);
  const view = new DataView(file.buffer, file.byteOffset, HEADER_BYTES);
  if (view.getUint32(0, true) !== MAGIC) return refuse("file is none");
  if (view.getInt32(AT.crc, true) !== crc32cUpdate(0, file.subarray(0, AT.crc))) {
    return refuse("header is damaged");
  }
  const version = view.getUint8(AT.version);
  if (version !== VERSION) return refuse(`format is ${version}, not ${VERSION}`);
  const dimensions = view.getUint8(AT.dimensions);
  const kind = KINDS[view.getUint8(AT.kind)];
  if (kind === undefined) return refuse("kind is unknown");
  if (dimensions > OBJECT_DIMENSIONS_MAX) return refuse(`shape of ${dimensions} dimensions`);
  const header: ObjectHeader = {
    id: Buffer.from(file.subarray(AT.id, AT.id + 16)).toString("hex"),
    kind,
    shape: Array.from({ length: dimensions }, (_, i) => view.getFloat64(AT.shape + 8 * i, true)),
    bytes: view.getFloat64(AT.bytes, true),
  };
  const fault = faultOf(header);
  if (fault !== undefined) return refuse(fault);
  if (HEADER_BYTES + header.bytes > size) return refuse(`file is cut off at ${size} bytes`);
  return header;
}

/** The payload as the array it was put as, over the file's own memory. */
export function arrayOf(header: ObjectHeader, file: ArrayBuffer): ObjectArray {
  const type = ARRAYS[header.kind];
  return new type(file, HEADER_BYTES, header.bytes / type.BYTES_PER_ELEMENT);
}

/** What is wrong with a header, as words, or nothing. */
function faultOf({ id, kind, shape, bytes }: ObjectHeader): string | undefined {
  if (!/^[0-9a-f]{32}$/.test(id)) return "id isn't 32 hex digits";
  if (!isCount(bytes) || bytes > OBJECT_BYTES_MAX) return `size of ${bytes} bytes`;
  if (shape.length > OBJECT_DIMENSIONS_MAX) return `shape of ${shape.length} dimensions`;
  if (!shape.every(isCount)) return "shape holds what is no length";
  // Lengths are exact integers; a product that isn't one equals no size.
  const elements = shape.reduce((product, length) => product * length, 1);
  if (elements * ARRAYS[kind].BYTES_PER_ELEMENT !== bytes) {
    return `shape [${shape.join(", ")}] of ${kind} isn't ${bytes} bytes`;
  }
  return undefined;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0);
}
