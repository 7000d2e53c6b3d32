/** The header of an object's file: what was put comes back, and no other bytes are believed. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  arrayOf,
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  headerOf,
  type ObjectArray,
} from "../../../runtime/objects/header.ts";

const ID = "0123456789abcdef0123456789abcdef";
const TYPES = [
  ...[Int8Array, Uint8ClampedArray, Uint16Array, Int16Array, Float16Array, Uint32Array],
  ...[Int32Array, Float32Array, Float64Array, BigUint64Array, BigInt64Array, Uint8Array],
] as const;

function fileOf(array: ObjectArray, shape?: readonly number[]): Uint8Array<ArrayBuffer> {
  const header = headerOf(ID, array, shape === undefined ? {} : { shape });
  const file = new Uint8Array(HEADER_BYTES + array.byteLength);
  file.set(encodeHeader(header));
  file.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), HEADER_BYTES);
  return file;
}

test("each kind of array and shape comes back as it was put", () => {
  const arrays = fc
    .tuple(fc.constantFrom(...TYPES), fc.array(fc.nat(4), { maxLength: 8 }))
    .map(([type, shape]) => ({ shape, array: new type(shape.reduce((a, b) => a * b, 1)) }));
  fc.assert(
    fc.property(arrays, fc.nat(255), ({ array, shape }, byte) => {
      new Uint8Array(array.buffer).fill(byte);
      const file = fileOf(array, shape);
      const header = decodeHeader(file, file.length);
      expect(header.shape).toEqual(shape);
      expect(header.id).toBe(ID);
      const back = arrayOf(header, file.buffer);
      expect(back.constructor).toBe(array.constructor);
      expect(back).toEqual(array);
      expect(back.byteOffset % 64).toBe(0);
    }),
  );
});

test("any changed byte of a header is seen", () => {
  const file = fileOf(new Float32Array(24), [2, 3, 4]);
  fc.assert(
    fc.property(fc.nat(HEADER_BYTES - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = file.slice();
      changed[at] = (changed[at] ?? 0) ^ flip;
      expect(() => decodeHeader(changed, changed.length)).toThrow(/OBJECT_INVALID/);
    }),
  );
});

test("random bytes and cut files are refused, never misread", () => {
  const file = fileOf(new Int32Array(8));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(() => decodeHeader(bytes, bytes.length)).toThrow(/OBJECT_INVALID/);
    }),
  );
  for (let size = 0; size < file.length; size += 1) {
    expect(() => decodeHeader(file.subarray(0, size), size)).toThrow(/OBJECT_INVALID/);
  }
});

test.each([
  ["a shape of other size", { shape: [3] }],
  ["a negative length", { shape: [-2, -1] }],
  ["nine dimensions", { shape: [2, 1, 1, 1, 1, 1, 1, 1, 1] }],
  ["a length that is no integer", { shape: [0.5, 4] }],
  ["another kind", { kind: "float32" as const }],
])("%s is the caller's mistake", (_, how) => {
  expect(() => headerOf(ID, new Int32Array(2), how)).toThrow(/USAGE/);
});

test("what is no array is refused", () => {
  const view = new DataView(new ArrayBuffer(8)) as unknown as ObjectArray;
  expect(() => headerOf(ID, view)).toThrow(/USAGE/);
});
