/**
 * Typed arrays and ArrayBuffers travel as raw bytes behind the header, each at a multiple of 8
 * from the frame's start, so that the receiver can view instead of parse them.
 */

type TypedArrayConstructor = {
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): NodeJS.TypedArray;
  readonly prototype: object;
  readonly BYTES_PER_ELEMENT: number;
};

/** A blob's kind on the wire is its place in this list: append only. */
const KINDS: readonly TypedArrayConstructor[] = [
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  Float16Array,
];
const KIND_ARRAY_BUFFER = 255;

/** Blobs start at multiples of this from the frame's start: the widest element. */
export const BLOB_ALIGNMENT = 8;

/** The next multiple of 8. */
export function aligned(offset: number): number {
  return (offset + (BLOB_ALIGNMENT - 1)) & ~(BLOB_ALIGNMENT - 1);
}

/**
 * The blobs of a frame in the making, in the order in which its header names them, and the bytes
 * that they will take.
 */
export class BlobList {
  /** Views of the caller's memory until somebody copies them. */
  views: Uint8Array[] = [];
  #paddedBytes = 0;
  #lengthsBytes = 0;
  #lastPadding = 0;

  add(view: Uint8Array): void {
    const n = view.length;
    this.views.push(view);
    this.#lastPadding = aligned(n) - n;
    this.#paddedBytes += aligned(n);
    this.#lengthsBytes += n < 0x80 ? 1 : n < 0x100 ? 2 : n < 0x10000 ? 3 : 5;
  }

  /** Keeps the first `n`. */
  truncate(n: number): void {
    if (this.views.length === n) return;
    const kept = this.views.slice(0, n);
    this.views = [];
    this.#paddedBytes = 0;
    this.#lengthsBytes = 0;
    this.#lastPadding = 0;
    for (const view of kept) this.add(view);
  }

  /** Bytes of a frame with these blobs whose header would end at `headerEnd` if it had none. */
  frameBytes(headerEnd: number): number {
    const n = this.views.length;
    if (n === 0) return headerEnd;
    const countBytes = n < 16 ? 1 : n < 0x10000 ? 3 : 5;
    // An empty list takes one byte of the header as it is.
    const start = aligned(headerEnd - 1 + countBytes + this.#lengthsBytes);
    return start + this.#paddedBytes - this.#lastPadding;
  }
}

const kindOfPrototype = new Map<object, number>([
  [ArrayBuffer.prototype, KIND_ARRAY_BUFFER],
  // A Buffer arrives as what it is underneath.
  [Buffer.prototype, 0],
  ...KINDS.map((kind, index): [object, number] => [kind.prototype, index]),
]);

/** The kind of a value that travels as a blob, or -1. Subclasses other than Buffer don't. */
export function blobKindOf(value: object, prototype: object): number {
  const kind = kindOfPrototype.get(prototype);
  if (kind === undefined) return -1;
  const real =
    kind === KIND_ARRAY_BUFFER ? value instanceof ArrayBuffer : ArrayBuffer.isView(value);
  return real ? kind : -1;
}

/** A view of the bytes of a value with a blob kind. @throws {TypeError} for a detached buffer. */
export function bytesOf(value: object): Uint8Array {
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  return new Uint8Array(value as ArrayBuffer);
}

/**
 * The value of a received blob: a view of the payload where its address allows, else a copy. An
 * ArrayBuffer is always a copy. Undefined when the kind is unknown or the size isn't whole
 * elements.
 *
 * @param bytes - the frame. Bounds: offset + length <= bytes.length.
 */
export function blobFrom(
  bytes: Uint8Array,
  blob: { readonly kind: number; readonly offset: number; readonly length: number },
): NodeJS.TypedArray | ArrayBuffer | undefined {
  const { kind, offset, length } = blob;
  if (kind === KIND_ARRAY_BUFFER) return copyOf(bytes, offset, length);
  const type = KINDS[kind];
  if (type === undefined || length % type.BYTES_PER_ELEMENT !== 0) return undefined;
  const elements = length / type.BYTES_PER_ELEMENT;
  const address = bytes.byteOffset + offset;
  if (address % type.BYTES_PER_ELEMENT === 0) return new type(bytes.buffer, address, elements);
  return new type(copyOf(bytes, offset, length), 0, elements);
}

function copyOf(bytes: Uint8Array, offset: number, length: number): ArrayBuffer {
  const copy = new Uint8Array(length);
  copy.set(bytes.subarray(offset, offset + length));
  return copy.buffer;
}
