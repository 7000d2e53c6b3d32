import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { SystemError } from "../../../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { PREFIX_BYTES } from "../../../runtime/frame/prefix.ts";
import { ERROR_TEXT_MAX, FRAME_BYTES_MAX, FRAME_VALUES_MAX } from "../../../runtime/limits.ts";
import { FIELDS, REF, systemErrorOf } from "./fixtures.ts";

function roundTrip(value: unknown): unknown {
  return decodeFrame(encodeFrame(FIELDS, value)).value;
}

function refusal(value: unknown): SystemError {
  return systemErrorOf(() => encodeFrame(FIELDS, value));
}

describe("values that cross", () => {
  it("keep the kind of every number", () => {
    const numbers = [
      0,
      1,
      127,
      128,
      255,
      256,
      65535,
      65536,
      2 ** 31,
      2 ** 32 - 1,
      2 ** 32,
      2 ** 53,
      -1,
      -32,
      -33,
      -128,
      -129,
      -32768,
      -32769,
      -(2 ** 31),
      -(2 ** 31) - 1,
      0.1,
      1e308,
      5e-324,
      -0,
      Number.NaN,
      Infinity,
      -Infinity,
    ];
    // toStrictEqual tells 0 from -0.
    expect(roundTrip(numbers)).toStrictEqual(numbers);
  });

  it("keep bigints bigint, however small", () => {
    const bigints = [0n, 1n, -1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n)];
    expect(roundTrip(bigints)).toStrictEqual(bigints);
  });

  it("keep strings of every length and alphabet", () => {
    const strings: string[] = [];
    for (const unit of ["a", "é", "€", "😀", "\0"]) {
      for (const n of [0, 1, 8, 15, 16, 17, 31, 32, 63, 64, 85, 86, 127, 255, 256, 300, 21_000]) {
        strings.push(unit.repeat(n), `${unit.repeat(n)}z`);
      }
    }
    for (const string of strings) expect(roundTrip(string)).toBe(string);
    // Once more: short ones come from the table of those seen.
    expect(roundTrip(strings.slice(0, 60))).toStrictEqual(strings.slice(0, 60));
  });

  it("keep undefined apart from null and from nothing", () => {
    const value = { a: undefined, b: null, list: [undefined, null] };
    expect(roundTrip(value)).toStrictEqual(value);
  });

  it("keep dates to the millisecond over their whole range", () => {
    const dates = [
      0,
      1,
      -1,
      999,
      -999,
      1e12,
      1e12 + 1,
      2 ** 32 * 1000,
      2 ** 34 * 1000,
      8.64e15,
      -8.64e15,
    ];
    for (const ms of dates) expect(roundTrip(new Date(ms))).toStrictEqual(new Date(ms));
  });

  it("keep objects of any size and key, as plain objects", () => {
    const many = Object.fromEntries(Array.from({ length: 2_000 }, (_, i) => [`key ${i}`, i]));
    expect(roundTrip(many)).toStrictEqual(many);
    const sixteen = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`k${i}`, { i }]));
    expect(roundTrip(sixteen)).toStrictEqual(sixteen);
    const bare = Object.assign(Object.create(null) as object, { a: 1 });
    expect(roundTrip(bare)).toStrictEqual({ a: 1 });
  });

  it("keep a field named __proto__ a field, and no prototype changes", () => {
    const value = JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}') as object;
    const back = roundTrip(value) as object;
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    expect(Object.keys(back)).toEqual(["__proto__", "constructor"]);
    expect(JSON.stringify(back)).toBe(JSON.stringify(value));
    expect("polluted" in back).toBe(false);
    expect("polluted" in {}).toBe(false);
  });

  it("leave inherited fields behind", () => {
    Object.defineProperty(Object.prototype, "inherited", {
      value: 1,
      enumerable: true,
      configurable: true,
      writable: true,
    });
    try {
      expect(Object.keys(roundTrip({ own: 1 }) as object)).toEqual(["own"]);
    } finally {
      Reflect.deleteProperty(Object.prototype, "inherited");
    }
  });

  it("keep typed arrays of every type, and their bytes", () => {
    const arrays = [
      Uint8Array.of(1, 255),
      Int8Array.of(-1),
      Uint8ClampedArray.of(7),
      Int16Array.of(-300, 2, 3),
      Uint16Array.of(65535),
      Int32Array.of(-(2 ** 31)),
      Uint32Array.of(2 ** 32 - 1),
      Float32Array.of(1.5, Number.NaN, -0),
      Float64Array.of(0.1),
      BigInt64Array.of(-1n),
      BigUint64Array.of(2n ** 64n - 1n),
      Float16Array.of(0.5),
      new Uint8Array(0),
      new Float64Array(0),
      Uint8Array.of(9, 8, 7).buffer,
    ];
    expect(roundTrip(arrays)).toStrictEqual(arrays);
    expect(roundTrip({ deep: [arrays] })).toStrictEqual({ deep: [arrays] });
  });

  it("send only the part of a buffer that a view shows", () => {
    const whole = Float32Array.of(1, 2, 3, 4);
    const part = roundTrip([whole.subarray(1, 3)]) as [Float32Array];
    expect(part).toStrictEqual([Float32Array.of(2, 3)]);
    const bytes = roundTrip(Buffer.from("abc")) as Uint8Array;
    expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
    expect(Buffer.from(bytes).toString()).toBe("abc");
  });

  it("keep refs and errors by code", () => {
    expect(roundTrip([REF])).toStrictEqual([REF]);
    const error = new SystemError("FASTQ_TRUNCATED", "cut off", { uri: "a.fq", record: 3 });
    const back = roundTrip({ error }) as { error: SystemError };
    expect(back.error).toBeInstanceOf(SystemError);
    expect(back.error.toData()).toStrictEqual(error.toData());
    expect(back.error.message).toBe(error.message);
  });

  it("never refuse an error for its own texts", () => {
    const long = "é".repeat(FRAME_BYTES_MAX);
    const error = new SystemError("APPLICATION", `\ud800${long}`, { uri: `${long}\udc00` });
    const back = roundTrip(error) as SystemError;
    expect(back.what).toBe(`\ufffd${long}`.slice(0, ERROR_TEXT_MAX));
    expect(back.where.uri).toBe(long.slice(0, ERROR_TEXT_MAX));
  });

  it("travel as MessagePack that msgpackr reads", () => {
    const { Unpackr } = createRequire(import.meta.url)("msgpackr") as typeof import("msgpackr");
    const value = {
      a: [1, -1, 1.5, "x".repeat(300), null, undefined],
      d: new Date(1e12 + 1),
      n: 2n ** 63n,
    };
    const header = Buffer.from(encodeFrame(FIELDS, value).subarray(PREFIX_BYTES));
    expect(new Unpackr({ useRecords: false }).unpack(header)).toStrictEqual([[], value]);
  });

  it("make no frame of their own when there are none: undefined is a bare prefix", () => {
    const frame = encodeFrame(FIELDS, undefined);
    expect(frame.length).toBe(PREFIX_BYTES);
    expect(decodeFrame(frame).value).toBe(undefined);
  });
});

describe("the frame's bounds", () => {
  it("hold at the sender what the receiver holds: values", () => {
    // Header, list of lengths and the array itself are three values.
    const most = new Array<number>(FRAME_VALUES_MAX - 3).fill(1);
    expect(roundTrip(most)).toStrictEqual(most);
    const error = refusal([...most, 1]);
    expect(error.code).toBe("FRAME_TOO_LARGE");
    expect(error.what).toContain("send it in parts");
    expect(refusal({ list: new Array<number>(2 ** 31) }).code).toBe("FRAME_TOO_LARGE");
  });

  it("hold at the sender what the receiver holds: bytes", () => {
    // Prefix, array, empty list, STR32 and its length.
    const most = "x".repeat(FRAME_BYTES_MAX - PREFIX_BYTES - 2 - 5);
    const frame = encodeFrame(FIELDS, most);
    expect(frame.length).toBe(FRAME_BYTES_MAX);
    expect(decodeFrame(frame).value).toBe(most);
    const error = refusal({ text: `${most}x` });
    expect(error.code).toBe("FRAME_TOO_LARGE");
    expect(error.what).toContain("send it in parts");
    expect(refusal("é".repeat(FRAME_BYTES_MAX / 2)).code).toBe("FRAME_TOO_LARGE");
    // By its length alone, before anything walks it: it has half a surrogate pair at the end.
    expect(refusal(`${"x".repeat(2 ** 28)}\ud800`).code).toBe("FRAME_TOO_LARGE");
  });

  it("hold for blobs to the byte", () => {
    // Prefix, array, list of one UINT32, blob's name: 40 + 1 + 6 + 6 bytes, aligned to 56.
    const most = new Uint8Array(FRAME_BYTES_MAX - 56).fill(7);
    const frame = encodeFrame(FIELDS, most);
    expect(frame.length).toBe(FRAME_BYTES_MAX);
    expect(decodeFrame(frame).value).toStrictEqual(most);
    expect(refusal(new Uint8Array(FRAME_BYTES_MAX - 55)).code).toBe("FRAME_TOO_LARGE");
    expect(refusal([most, most]).code).toBe("FRAME_TOO_LARGE");
    expect(refusal(new Uint8Array(2 ** 28)).code).toBe("FRAME_TOO_LARGE");
  });
});

describe("blobs", () => {
  it("lie at multiples of 8 from the frame's start, with zeros between", () => {
    for (let pad = 0; pad < 16; pad++) {
      const value = ["x".repeat(pad), Uint8Array.of(1), Float64Array.of(-1.5), Uint8Array.of(2)];
      const frame = encodeFrame(FIELDS, value);
      const at = frame.length - 8 - 8 - 1;
      expect(at % 8).toBe(0);
      expect(frame.subarray(at, at + 8)).toStrictEqual(Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]));
      expect(decodeFrame(frame).value).toStrictEqual(value);
    }
  });

  it("are views where the address allows and copies where not, and right in both", () => {
    const value = [Float64Array.of(1, 2), Float32Array.of(3), Int16Array.of(4), Uint8Array.of(5)];
    const frame = encodeFrame(FIELDS, value);
    for (let offset = 0; offset < 9; offset++) {
      const payload = new Uint8Array(frame.length + 16);
      payload.set(frame, offset);
      const received = payload.subarray(offset, offset + frame.length);
      const back = decodeFrame(received).value as typeof value;
      expect(back).toStrictEqual(value);
      const isView = back.map((array) => array.buffer === payload.buffer);
      expect(isView).toEqual([offset % 8 === 0, offset % 4 === 0, offset % 2 === 0, true]);
    }
  });

  it("of ArrayBuffers are copies, so that none shows the frame around it", () => {
    const back = roundTrip([Uint8Array.of(1, 2, 3).buffer]) as [ArrayBuffer];
    expect(back[0].byteLength).toBe(3);
  });
});
