/** Genomes: their composition against their chains, the fit against real data, strains, shares. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Random } from "../../../actors/simulate/draws.ts";
import { type ChainSpec, chainOf, kmerShares, walk } from "../../../actors/simulate/chain.ts";
import { makeCommunity, type Strain } from "../../../actors/simulate/community.ts";
import { type TableName, TABLES } from "../../../actors/simulate/tables.ts";
import { DATA } from "../actors/support.ts";
import { fit, GENOMES, otherStrand, readGenome } from "./fit.ts";
import { digestOf, smallCommunity } from "./support.ts";

const NAMES = Object.keys(TABLES) as TableName[];
const K = 4;
const FOLDER = join(DATA, "sourmash");
const REAL = existsSync(join(FOLDER, GENOMES[0].file));
const GOLDEN = "935eda4b3880a0911fba8dc3f9ab7de5456c55f76bed6f1e4127fb5b51e0fade";
/** Letters to count 4-mers of. */
const LENGTH = 1_000_000;

/** Counts of the 4-mers of `bases`; letters over 3 break one. */
function counts(bases: Uint8Array): Float64Array {
  const found = new Float64Array(4 ** K);
  let kmer = 0;
  let known = 0;
  for (const base of bases) {
    known = base > 3 ? 0 : known + 1;
    kmer = (kmer * 4 + (base & 3)) % 4 ** K;
    if (known >= K) found[kmer] = (found[kmer] as number) + 1;
  }
  return found;
}

/** Largest distance of counts from what shares lead to, in standard deviations. */
function worst(found: Float64Array, shares: Float64Array): number {
  const total = found.reduce((sum, count) => sum + count, 0);
  // A k-mer that overlaps itself comes in runs: the variance of AAAA's count is under three times
  // the binomial one where an A follows four with probability <= 0.5.
  return found.reduce((most, count, kmer) => {
    const expected = total * (shares[kmer] as number);
    return Math.max(most, Math.abs(count - expected) / Math.sqrt(3 * expected));
  }, 0);
}

function walked(spec: ChainSpec, seed: number): Uint8Array {
  const bases = new Uint8Array(LENGTH);
  walk(new Random(seed), chainOf(spec), bases);
  return bases;
}

describe("a chain", () => {
  test.each(NAMES)("%s gives the 4-mers of its long run, and no other's", (name) => {
    const found = counts(walked(name, 11));
    expect(worst(found, kmerShares(chainOf(name), K))).toBeLessThan(5);
    for (const other of NAMES) {
      // Two strains of one species have all but one chain.
      if (other.slice(0, 5) === name.slice(0, 5)) continue;
      expect(worst(found, kmerShares(chainOf(other), K))).toBeGreaterThan(40);
    }
  });

  test("blended stands between its two", () => {
    const shares = (percent: number) =>
      kmerShares(chainOf({ of: "escherichia", with: "akkermansia", percent }), K);
    expect(shares(0)).toEqual(kmerShares(chainOf("escherichia"), K));
    expect(shares(100)).toEqual(kmerShares(chainOf("akkermansia"), K));
    const [from, middle, to] = [shares(0), shares(50), shares(100)];
    const distance = (a: Float64Array, b: Float64Array) =>
      a.reduce((sum, share, i) => sum + Math.abs(share - (b[i] as number)), 0);
    expect(distance(from, middle)).toBeLessThan(0.8 * distance(from, to));
    expect(distance(middle, to)).toBeLessThan(0.8 * distance(from, to));
    expect(
      worst(counts(walked({ of: "escherichia", with: "akkermansia", percent: 50 }, 3)), middle),
    ).toBeLessThan(5);
  });

  test("refuses a blend of over 100 percent", () => {
    expect(() => chainOf({ of: "escherichia", with: "akkermansia", percent: 101 })).toThrow(
      /percent/,
    );
  });

  test.skipIf(!REAL).each(GENOMES)("of $name is what the fit gives", ({ name, file }) => {
    const { title, bases, thresholds } = fit(join(FOLDER, file));
    expect(TABLES[name]).toEqual({ source: title, bases, thresholds });
  });

  test.skipIf(!REAL).each(GENOMES.slice(1))("of $name has the real 4-mers", ({ name, file }) => {
    const { bases } = readGenome(join(FOLDER, file));
    const forward = counts(bases);
    const both = counts(otherStrand(bases)).map((count, kmer) => count + (forward[kmer] as number));
    const total = both.reduce((sum, count) => sum + count, 0);
    const shares = kmerShares(chainOf(name), K);
    const off = shares.reduce((sum, share, kmer) => {
      return sum + Math.abs(share - (both[kmer] as number) / total);
    }, 0);
    // Weights of 8 bits are off by up to 1/512 each; half the sum is the share that is elsewhere.
    expect(off / 2).toBeLessThan(0.005);
  });
});

describe("a community", () => {
  test("has the same bases for the same seed, for ever", () => {
    const digest = (seed: number) =>
      digestOf(
        smallCommunity({ seed })
          .strains.map(({ bases }) => Buffer.from(bases).toString("latin1"))
          .join(),
      );
    expect(digest(7)).toBe(GOLDEN);
    expect(digest(8)).not.toBe(GOLDEN);
  });

  test("has strains that differ in as many bases as they say, and no more", () => {
    const length = 400_000;
    const [first, second] = makeCommunity({
      seed: 1,
      genomes: [{ name: "a", chain: "akkermansia", length, strains: 2, snpRate: 0.02 }],
    }).strains as [Strain, Strain];
    const differing = second.bases.filter((base, i) => base !== first.bases[i]).length;
    expect(second.snps).toBe(differing);
    expect(Math.abs(differing - 0.02 * length)).toBeLessThan(5 * Math.sqrt(0.02 * length));
  });

  test("shares segments between genomes, and nothing else", () => {
    const conserved = { families: 2, copies: 3, length: 2_000, identity: 0.9 };
    const { strains } = smallCommunity({ conserved });
    const [eco, akk] = strains as [Strain, Strain];
    const families = eco.conserved.map(({ family }) => family).toSorted((a, b) => a - b);
    expect(families).toEqual([0, 0, 0, 1, 1, 1]);
    for (const here of eco.conserved) {
      for (const there of akk.conserved) {
        const common = identity(eco, here.start, akk, there.start, 2_000);
        // Two copies agree where neither changed, 0.81, or both to the same: 0.01 / 3.
        if (here.family === there.family) expect(Math.abs(common - 0.813)).toBeLessThan(0.05);
        else expect(common).toBeLessThan(0.4);
      }
    }
  });

  test("has islands of another composition", () => {
    const gc = (share: number) => {
      const [strain] = makeCommunity({
        ...{ seed: 1, conserved: null },
        genomes: [
          {
            ...{ name: "a", chain: "shewanella185", length: 200_000 },
            islands: { chain: "akkermansia", share, length: 5_000 },
          },
        ],
      }).strains;
      return (strain?.bases.filter((base) => base === 1 || base === 2).length ?? 0) / 200_000;
    };
    expect(gc(0)).toBeLessThan(0.49);
    expect(gc(0.5)).toBeGreaterThan(0.505);
  });

  test("shares its fragments as it is told", () => {
    const shares = (more: Parameters<typeof smallCommunity>[0]) =>
      smallCommunity(more).strains.map(({ share }) => share);
    expect(shares({})).toEqual([1 / 3, 1 / 3, 1 / 3]);
    expect(shares({ abundance: { kind: "given", weights: [6, 3, 1] } })).toEqual([0.6, 0.3, 0.1]);
  });

  test("has logarithms of shares as wide as sigma", () => {
    const genomes = Array.from({ length: 400 }, (_, i) => ({
      ...{ name: `g${i}`, chain: "escherichia" as const, length: 1_000 },
    }));
    const abundance = { kind: "log-normal", sigma: 1.5 } as const;
    const { strains } = makeCommunity({ seed: 9, genomes, abundance, conserved: null });
    const logs = strains.map(({ share }) => Math.log(share));
    const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
    const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (logs.length - 1);
    // The standard error of a standard deviation is sigma / sqrt(2 n).
    expect(Math.abs(Math.sqrt(variance) - 1.5)).toBeLessThan((5 * 1.5) / Math.sqrt(800));
  });

  test.each<[string, Parameters<typeof smallCommunity>[0], RegExp]>([
    ["no genome", { genomes: [] }, /number of genomes/],
    ["a seed of 33 bits", { seed: 2 ** 31 }, /seed/],
    ["a short genome", { genomes: [{ name: "a", chain: "akkermansia", length: 10 }] }, /bases/],
    ["a tab", { genomes: [{ name: "a\t", chain: "akkermansia", length: 9_000 }] }, /short word/],
    ["a weight too few", { abundance: { kind: "given", weights: [1, 1] } }, /weights/],
    ["no weight", { abundance: { kind: "given", weights: [0, 0, 0] } }, /sum of weights/],
    ["NaN", { abundance: { kind: "log-normal", sigma: Number.NaN } }, /sigma/],
    [
      "more conserved than genome",
      { conserved: { families: 10, copies: 10, length: 1_000, identity: 0.9 } },
      /conserved bases/,
    ],
  ])("refuses %s", (_, more, what) => {
    expect(() => smallCommunity(more)).toThrow(what);
  });
});

function identity(a: Strain, from: number, b: Strain, at: number, length: number): number {
  let same = 0;
  for (let i = 0; i < length; i++) if (a.bases[from + i] === b.bases[at + i]) same++;
  return same / length;
}
