/** Draws: exact arithmetic against the engine's own functions, moments, shares. */
import { describe, expect, test } from "vitest";
import { Random } from "../../../actors/simulate/draws.ts";
import {
  apportion,
  below,
  errorOfQuality,
  exponential,
  gaussian,
  naturalLog,
  Shares,
} from "../../../actors/simulate/draws.ts";

const N = 200_000;
/** Standard errors that a right sampler leaves once in 2 million tries. */
const SIGMAS = 5;

describe("arithmetic that is the same everywhere", () => {
  test("gives logarithms to 14 digits", () => {
    for (let x = 1e-12; x < 1e12; x *= 1.37) {
      const error = Math.abs(naturalLog(x) - Math.log(x));
      expect(error).toBeLessThan(1e-14 * Math.max(1, Math.abs(Math.log(x))));
    }
  });

  test("gives powers of e to 13 digits", () => {
    for (let x = -700; x < 700; x += 0.73)
      expect(Math.abs(exponential(x) / Math.exp(x) - 1)).toBeLessThan(1e-13);
  });

  test("gives the error of a quality", () => {
    for (let quality = 0; quality <= 93; quality++)
      expect(errorOfQuality(quality)).toBeCloseTo(10 ** (-quality / 10), 12);
  });

  test("gives these very numbers, for ever", () => {
    const random = new Random(3);
    expect([gaussian(random), gaussian(random), exponential(1.5), naturalLog(3)]).toEqual([
      -0.969_918_895_163_005_6, 0.739_230_633_613_520_4, 4.481_689_070_338_065,
      1.098_612_288_668_109_6,
    ]);
  });
});

describe("draws", () => {
  test("of the normal distribution have its moments", () => {
    const random = new Random(1);
    const sums = [0, 0, 0, 0];
    for (let i = 0; i < N; i++) {
      const draw = gaussian(random);
      for (let power = 0; power < 4; power++)
        sums[power] = (sums[power] as number) + draw ** (power + 1);
    }
    const [mean = 0, square = 0, cube = 0, fourth = 0] = sums.map((sum) => sum / N);
    // Variances of the four means: 1, 2, 15, 96 over N.
    expect(Math.abs(mean)).toBeLessThan(SIGMAS * Math.sqrt(1 / N));
    expect(Math.abs(square - 1)).toBeLessThan(SIGMAS * Math.sqrt(2 / N));
    expect(Math.abs(cube)).toBeLessThan(SIGMAS * Math.sqrt(15 / N));
    expect(Math.abs(fourth - 3)).toBeLessThan(SIGMAS * Math.sqrt(96 / N));
  });

  test("below a limit reach every number and never the limit", () => {
    const random = new Random(2);
    const seen = new Set(Array.from({ length: 1_000 }, () => below(random, 7)));
    expect([...seen].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    const most = Array.from({ length: 1_000 }, () => below(random, 2 ** 30));
    expect(Math.max(...most)).toBeLessThan(2 ** 30);
    expect(Math.max(...most)).toBeGreaterThan(0.99 * 2 ** 30);
  });

  test("by shares come with them, and a weight of 0 never", () => {
    const random = new Random(4);
    const weights = [3, 0, 1, 6, 0];
    const shares = new Shares(weights);
    const counts = weights.map(() => 0);
    for (let i = 0; i < N; i++) {
      const index = shares.pick(random);
      counts[index] = (counts[index] as number) + 1;
    }
    for (const [index, weight] of weights.entries()) {
      const p = weight / 10;
      const bound = SIGMAS * Math.sqrt(N * p * (1 - p));
      expect(Math.abs((counts[index] as number) - N * p)).toBeLessThanOrEqual(bound);
    }
  });

  test("are apportioned to the last one", () => {
    expect(apportion(10, [1, 1, 1])).toEqual([4, 3, 3]);
    expect(apportion(7, [0.5, 0.25, 0.25])).toEqual([3, 2, 2]);
    expect(apportion(0, [1, 2])).toEqual([0, 0]);
    expect(apportion(5, [0, 1])).toEqual([0, 5]);
  });
});
