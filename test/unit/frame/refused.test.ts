import { describe, expect, it } from "vitest";
import type { SystemError } from "../../../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { FRAME_DEPTH_MAX } from "../../../runtime/limits.ts";
import { FIELDS, systemErrorOf } from "./fixtures.ts";

function roundTrip(value: unknown): unknown {
  return decodeFrame(encodeFrame(FIELDS, value)).value;
}

function refusal(value: unknown): SystemError {
  return systemErrorOf(() => encodeFrame(FIELDS, value));
}

/** A value whose innermost array is at level `depth` of the header. */
function nested(depth: number): unknown {
  let value: unknown = [];
  for (let i = 2; i < depth; i++) value = [value];
  return value;
}

describe("values that don't cross", () => {
  class Point {
    x = 1;
  }
  class Listed extends Array<number> {}
  class Bytes extends Uint8Array {}
  const circle: Record<string, unknown> = {};
  circle.self = circle;

  it.each<[string, unknown, string]>([
    ["a Map", new Map([[1, 2]]), "Map"],
    ["a Set", new Set([1]), "Set"],
    ["a function", () => 1, "function"],
    ["a symbol", Symbol("s"), "symbol"],
    ["a class instance", new Point(), "Point"],
    ["a subclass of Array", Listed.of(1), "Array"],
    ["a subclass of Uint8Array", Bytes.of(1), "Bytes"],
    ["a regular expression", /a/, "RegExp"],
    ["a URL", new URL("http://localhost/"), "URL"],
    ["a plain Error", new Error("x"), "Error"],
    ["a Promise", Promise.resolve(), "Promise"],
    ["a DataView", new DataView(new ArrayBuffer(8)), "DataView"],
    ["shared memory", new SharedArrayBuffer(8), "SharedArrayBuffer"],
    ["a boxed number", Object(1), "Number"],
    ["an invalid Date", new Date(Number.NaN), "invalid Date"],
    ["a bigint over 64 bits", 2n ** 64n, "64 bits"],
    ["a bigint under -2^63", -(2n ** 63n) - 1n, "64 bits"],
    ["half a surrogate pair", "\ud800", "surrogate"],
    ["half a pair in a long string", `${"x".repeat(40)}\udc00`, "surrogate"],
    ["half a pair in a very long string", `${"x".repeat(400)}\udc00`, "surrogate"],
    // biome-ignore lint: the hole is what this is about.
    ["an array with a hole", [1, , 2], "hole"],
    ["a circle", circle, "circle"],
    [
      "a proxy that throws",
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error("trap");
          },
        },
      ),
      "read",
    ],
    [
      "a getter that throws",
      {
        get bad() {
          throw new Error("own");
        },
      },
      "read",
    ],
    ["a fake Uint8Array", Object.create(Uint8Array.prototype), "Uint8Array"],
    ["a fake Date", Object.create(Date.prototype), "read"],
  ])("%s is refused with its path", (_name, value, why) => {
    const error = refusal({ args: [0, { "a b": value }] });
    expect(error.code).toBe("NOT_SERIALIZABLE");
    expect(error.what).toContain('$.args[1]["a b"]');
    expect(error.what).toContain(why);
    // Nothing is left of a value that was refused.
    expect(roundTrip([1])).toStrictEqual([1]);
  });

  it("an array whose memory was given away is refused, not sent as empty", () => {
    const array = new Uint8Array(8);
    structuredClone(array, { transfer: [array.buffer] });
    expect(refusal([array]).what).toContain("$[0]");
    const buffer = new ArrayBuffer(8);
    structuredClone(buffer, { transfer: [buffer] });
    expect(refusal([buffer]).code).toBe("NOT_SERIALIZABLE");
  });

  it("a key with half a surrogate pair is refused", () => {
    expect(refusal({ "\ud800": 1 }).code).toBe("NOT_SERIALIZABLE");
  });

  it("a getter that sends a frame itself is refused, not mixed in", () => {
    const sends = {
      get nested() {
        return encodeFrame(FIELDS, 1);
      },
    };
    expect(refusal(sends).code).toBe("NOT_SERIALIZABLE");
    expect(roundTrip("next")).toBe("next");

    let inner: unknown;
    const swallows = {
      before: "x".repeat(100),
      get nested() {
        try {
          encodeFrame(FIELDS, 1);
        } catch (thrown) {
          inner = thrown;
        }
        return 2;
      },
    };
    expect(roundTrip(swallows)).toStrictEqual({ before: "x".repeat(100), nested: 2 });
    expect((inner as SystemError).code).toBe("NOT_SERIALIZABLE");
  });

  it("one level over the depth bound is refused, the bound itself not", () => {
    expect(roundTrip(nested(FRAME_DEPTH_MAX))).toStrictEqual(nested(FRAME_DEPTH_MAX));
    expect(refusal(nested(FRAME_DEPTH_MAX + 1)).code).toBe("NOT_SERIALIZABLE");
  });
});
