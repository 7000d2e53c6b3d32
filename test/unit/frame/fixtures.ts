/** Frames and values that the frame tests share. */
import fc from "fast-check";
import { SystemError } from "../../../runtime/errors.ts";
import { ObjectRef } from "../../../runtime/frame/object-ref.ts";
import {
  LANE_DATA,
  PREFIX_BYTES,
  type PrefixFields,
  writePrefix,
} from "../../../runtime/frame/prefix.ts";
import type { Identity, ProcessId } from "../../../runtime/ids.ts";

export const FIELDS: PrefixFields = {
  lane: LANE_DATA,
  flags: 0,
  destination: "0123456789abcdef" as ProcessId,
  source: "fedcba9876543210" as ProcessId,
  link: 7,
  sequence: 0xfffffffe,
  ack: 41,
};

export const REF = new ObjectRef({
  id: "00112233445566778899aabbccddeeff",
  bytes: 2 ** 40 + 3,
  job: "a1b2c3d4e5f60718" as ProcessId,
  node: "w-0a1b2c3d4e5f" as Identity,
});

/** One that carries its object. */
export const INLINE_REF = new ObjectRef({
  id: "ffeeddccbbaa99887766554433221100",
  bytes: 5,
  job: "a1b2c3d4e5f60718" as ProcessId,
  node: null,
  inline: Uint8Array.from({ length: 133 }, (_, index) => index),
});

/** A frame with any header and any bytes behind it, right in its lengths. */
export function frameWith(header: Uint8Array, rest: Uint8Array = new Uint8Array(0)): Uint8Array {
  const length = PREFIX_BYTES + header.length + rest.length;
  const frame = new Uint8Array(length);
  writePrefix(frame, FIELDS, { length, headerLength: header.length });
  frame.set(header, PREFIX_BYTES);
  frame.set(rest, PREFIX_BYTES + header.length);
  return frame;
}

/** A frame without blobs whose value is these bytes. */
export function frameWithValue(...value: number[]): Uint8Array {
  return frameWith(Uint8Array.from([0x92, 0x90].concat(value)));
}

/** What a function throws. @throws {Error} when it throws nothing, or no SystemError. */
export function systemErrorOf(run: () => unknown): SystemError {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof SystemError) return thrown;
    throw thrown;
  }
  throw new Error("nothing was thrown");
}

/** Any string that has a UTF-8. */
const text = fc.string({ unit: "binary" }).filter((string) => string.isWellFormed());
const key = fc.oneof(text, fc.constantFrom("__proto__", "constructor", "toString", "length", "0"));

const typedArray = fc.oneof(
  fc.uint8Array(),
  fc.int8Array(),
  fc.uint8ClampedArray(),
  fc.int16Array(),
  fc.uint16Array(),
  fc.int32Array(),
  fc.uint32Array(),
  fc.float32Array(),
  fc.float64Array(),
  fc.bigInt64Array(),
  fc.bigUint64Array(),
  fc.uint8Array().map((bytes) => bytes.slice().buffer),
);

const systemError = fc
  .tuple(fc.constantFrom("INTERNAL", "ACTOR_DIED", "APPLICATION"), text, fc.nat())
  .map(([code, what, record]) => new SystemError(code, what, { uri: what, record }));

/** Any value that crosses. */
export const { value: anyValue } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", maxDepth: 6, withCrossShrink: true },
    fc.constantFrom(null, undefined, true, false, -0, Number.NaN, Infinity, -Infinity),
    fc.constantFrom(REF, INLINE_REF),
    fc.double(),
    fc.integer(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    text,
    fc.string({ minLength: 20, maxLength: 400 }).filter((string) => string.isWellFormed()),
    fc.date({ noInvalidDate: true }),
    typedArray,
    systemError,
    fc.array(tie("value")),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 20 }).map(Object.fromEntries),
  ),
}));
