/** Arrays of whole numbers come back as they were, from few bytes; cut bytes are no array. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Packer, Unpacker } from "../../../actors/qc/shards/pack.ts";

const RUNS = 300;
const count = fc.oneof(fc.constant(0), fc.nat(300), fc.maxSafeNat());

describe("packed arrays", () => {
  test("of counts come back", () => {
    fc.assert(
      fc.property(fc.array(fc.array(count)), (arrays) => {
        const packer = new Packer();
        for (const values of arrays) packer.counts(Float64Array.from(values));
        const unpacker = new Unpacker(packer.bytes());
        const back = arrays.map((values) => [...unpacker.counts(values.length)]);
        expect(back).toEqual(arrays);
        expect(unpacker.isDone).toBe(true);
      }),
      { numRuns: RUNS },
    );
  });

  test("of keys that rise come back, as numbers and of 64 bits", () => {
    const wide = fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.bigInt(0n, 2n ** 33n));
    fc.assert(
      fc.property(fc.uniqueArray(fc.maxSafeNat()), fc.uniqueArray(wide), (narrow, keys) => {
        const numbers = Float64Array.from(narrow).sort();
        const bigs = BigUint64Array.from(keys).sort();
        const packer = new Packer();
        packer.rising(numbers);
        packer.rising(bigs);
        const unpacker = new Unpacker(packer.bytes());
        expect(unpacker.rising(numbers.length)).toEqual(numbers);
        expect(unpacker.wideRising(bigs.length)).toEqual(bigs);
        expect(unpacker.isDone).toBe(true);
      }),
      { numRuns: RUNS },
    );
  });

  test("that are mostly zeros take a few bytes", () => {
    const values = new Float64Array(1_000_000);
    values[700_000] = 3;
    const packer = new Packer();
    packer.counts(values);
    expect(packer.bytes().length).toBeLessThan(12);
  });

  test("that are cut, or whose runs are too long, are refused", () => {
    const packer = new Packer();
    packer.counts(Float64Array.of(300, 0, 0, 5));
    const bytes = packer.bytes();
    expect(() => new Unpacker(bytes.subarray(0, -1)).counts(4)).toThrow(RangeError);
    expect(() => new Unpacker(bytes).counts(2)).toThrow("a run of zeros is too long");
  });
});
