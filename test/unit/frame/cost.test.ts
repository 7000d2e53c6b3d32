/**
 * What decoding costs is counted alike on both sides: what a sender packs, no receiver refuses. How
 * long the costliest frames take is measured in test/integration/frame.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SystemError } from "../../../runtime/errors.ts";
import { FrameBatcher } from "../../../runtime/frame/batcher.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { FRAME_ITEMS_MAX, FRAME_VALUES_MAX } from "../../../runtime/limits.ts";
import { FIELDS, INLINE_REF, REF } from "./fixtures.ts";

/** What an item may be made of, as JavaScript. */
const VALUES: Record<string, (i: number) => unknown> = {
  numbers: (i) => i,
  floats: (i) => i + 0.5,
  texts: (i) => `t${i}`,
  nothing: () => undefined,
  arrays: () => [],
  nested: (i) => [[[i]]],
  records: (i) => ({ id: i, name: `n${i}`, ok: true }),
  "records that all differ": (i) => ({ [`k${i}`]: 1 }),
  "records by number": (i) => ({ [i * 1_000]: 1 }),
  "dense records": (i) => Object.fromEntries(Array.from({ length: 20 }, (_, k) => [k, i])),
  dates: (i) => new Date(i * 1_000),
  "old dates": (i) => new Date(-i),
  bigints: (i) => BigInt(i),
  refs: () => REF,
  "refs with their objects": () => INLINE_REF,
  errors: (i) => new SystemError("INTERNAL", "x", { record: i, [`at${i}`]: i }),
  blobs: () => Uint8Array.of(1),
  prototypes: () => JSON.parse('{"__proto__":{"a":1}}') as unknown,
};

/** The most values that the sender takes in one frame. */
function mostOf(make: (i: number) => unknown): number {
  const all = Array.from({ length: FRAME_VALUES_MAX }, (_, i) => make(i));
  let [low, high] = [0, all.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    try {
      encodeFrame(FIELDS, all.slice(0, middle));
      low = middle;
    } catch (thrown) {
      expect(thrown).toMatchObject({ code: "FRAME_TOO_LARGE" });
      high = middle - 1;
    }
  }
  return low;
}

describe("the cost", () => {
  it.each(Object.entries(VALUES))(
    "lets through at the receiver what the sender packs: %s",
    (_n, make) => {
      const n = mostOf(make);
      expect(n).toBeGreaterThan(500);
      const values = Array.from({ length: n }, (_, i) => make(i));
      const { value } = decodeFrame(encodeFrame(FIELDS, values));
      expect(value).toHaveLength(n);
    },
  );

  it("is the same at both ends, for any mixture, over items that were taken back", () => {
    const names = fc.array(fc.constantFrom(...Object.keys(VALUES)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(names, fc.nat(1_000), (mixture, salt) => {
        const frames: unknown[][] = [];
        const batcher = new FrameBatcher({
          prefix: () => FIELDS,
          send: (frame) => frames.push(decodeFrame(frame).value as unknown[]),
          schedule: () => {},
        });
        const chunk = (i: number): unknown =>
          Array.from({ length: 400 }, (_, k) => {
            const name = mixture[(i + k) % mixture.length] ?? "numbers";
            return VALUES[name]?.(i * 400 + k + salt);
          });
        for (let i = 0; i < 60; i++) batcher.add(chunk(i));
        batcher.flush();
        expect(frames.flat()).toHaveLength(60);
      }),
      { numRuns: 12 },
    );
  });

  it("leaves room for what is legal: a full frame of calls, and lists of records", () => {
    const call = (i: number): unknown => [
      ...[0, i, "0123456789abcdef-1", "embed"],
      [{ reads: ["ACGT", "ACGT"], k: 4, options: { strand: "both", model: "kmer" } }, i, null],
    ];
    const calls = Array.from({ length: FRAME_ITEMS_MAX }, (_, i) => call(i));
    expect(decodeFrame(encodeFrame(FIELDS, calls)).value).toStrictEqual(calls);
    const views = Array.from({ length: 500 }, (_, i) =>
      Object.fromEntries(
        Array.from({ length: 25 }, (_, k) => [`field${k}`, k % 5 < 2 ? `${i} ${k}` : k]),
      ),
    );
    expect(decodeFrame(encodeFrame(FIELDS, views)).value).toStrictEqual(views);
    const numbers = Array.from({ length: FRAME_VALUES_MAX - 3 }, (_, i) => i % 200);
    expect(decodeFrame(encodeFrame(FIELDS, numbers)).value).toStrictEqual(numbers);
  });
});
