/**
 * Simulated reads are what their truth says: errors by quality, inserts, shares, duplicates,
 * adapters, dark cycles, N, forms of text. Bounds are SIGMAS standard errors of the named law: a
 * right simulator would break one in 2 million seeds, and the seed is fixed.
 */
import { describe, expect, test } from "vitest";
import { QUALITY_MODELS } from "../../../actors/simulate/quality.ts";
import { BAD_KINDS } from "../../../actors/simulate/text.ts";
import { fragmentOf, reads, recordsOf, reverseComplement, smallCommunity } from "./support.ts";

const SIGMAS = 5;
const COMMUNITY = smallCommunity();
const PAIRS = { layout: "paired", length: 100, insert: { mean: 300, sd: 40 } } as const;
const GOLDEN_PAIRS = "83234747aaa1b73748ec36e4029b07a156643366cf0e3713b56493a2610fa31d";
const GOLDEN_LONG = "f3dae56d9b59818e4aa5c24014912557b02ccda1cc753900895d1465f86a7648";
const ADAPTER = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA";

describe("the text", () => {
  const everything = {
    ...{ ...PAIRS, reads: 3_000, duplicates: 0.2, colours: "two" as const, dark: 0.05 },
    ...{ quality: QUALITY_MODELS.binned, noCalls: { share: 0.05, longest: 9 } },
    ...{ names: { style: "casava" as const, labels: true }, insert: { mean: 120, sd: 40 } },
  } as const;

  test("is the same for the same seed, for ever", () => {
    expect(reads(COMMUNITY, everything).digest).toBe(GOLDEN_PAIRS);
    expect(reads(COMMUNITY, { ...everything, seed: 6 }).digest).not.toBe(GOLDEN_PAIRS);
    const long = { quality: QUALITY_MODELS.long, length: { min: 50, max: 5_000 }, reads: 100 };
    expect(reads(COMMUNITY, long).digest).toBe(GOLDEN_LONG);
  });

  test("has the same fragments with other qualities", () => {
    const where = (quality: keyof typeof QUALITY_MODELS) =>
      reads(COMMUNITY, { ...PAIRS, quality: QUALITY_MODELS[quality] }).truth.map(
        ({ strain, start, size, strand }) => [strain, start, size, strand],
      );
    expect(where("long")).toEqual(where("perfect"));
  });

  test("has other line ends, letters, offsets and layouts of the same reads", () => {
    const plain = reads(COMMUNITY, PAIRS);
    const of = (more: object) => reads(COMMUNITY, { ...PAIRS, ...more });
    expect(of({ lineEnd: "\r\n" }).first.replaceAll("\r\n", "\n")).toBe(plain.first);
    const [old] = recordsOf(of({ phred: 64 }).first);
    const [record] = recordsOf(plain.first);
    const moved = Array.from(record?.quality ?? "", (it) => it.charCodeAt(0) + 31);
    expect(Array.from(old?.quality ?? "", (it) => it.charCodeAt(0))).toEqual(moved);
    const rna = recordsOf(of({ letters: "acgu" }).first).map(({ bases }) => bases);
    const dna = recordsOf(plain.first).map(({ bases }) => bases);
    expect(rna).toEqual(dna.map((it) => it.toLowerCase().replaceAll("t", "u")));
    const [first, second] = [recordsOf(plain.first), recordsOf(plain.second)];
    const both = first.flatMap((it, i) => [it, second[i]]);
    expect(recordsOf(of({ layout: "interleaved" }).first)).toEqual(both);
    const wrapped = of({ lineWidth: 30 }).first.split("\n").slice(0, 10);
    expect(wrapped.map((line) => line.length).slice(1)).toEqual([
      30, 30, 30, 10, 1, 30, 30, 30, 10,
    ]);
    expect(wrapped.slice(1, 5).join("")).toBe(record?.bases);
  });

  test("names mates in each style", () => {
    const names = (style: "plain" | "slash" | "casava") => {
      const { first, second } = reads(COMMUNITY, { ...PAIRS, reads: 2, names: { style } });
      return [recordsOf(first)[1]?.name, recordsOf(second)[1]?.name];
    };
    expect(names("plain")).toEqual(["sim_1", "sim_1"]);
    expect(names("slash")).toEqual(["sim_1/1", "sim_1/2"]);
    const casava = "NB551000:1:HSIMBGXX:1:1101:1001:1000";
    expect(names("casava")).toEqual([`${casava} 1:N:0:ATCACG`, `${casava} 2:N:0:ATCACG`]);
    const labels = { style: "plain", labels: true } as const;
    const [record] = recordsOf(reads(COMMUNITY, { reads: 1, names: labels }).first);
    expect(record?.name).toMatch(/^sim_0 genome=(eco|akk) strain=(eco|akk)\.\d$/);
  });

  test("counts what it made", () => {
    const { summary, truth, first, second } = reads(COMMUNITY, everything);
    expect([summary.records, summary.bases]).toEqual([6_000, 600_000]);
    expect(recordsOf(first).length + recordsOf(second).length).toBe(6_000);
    const sum = (column: string) => truth.reduce((all, row) => all + Number(row[column]), 0);
    expect(summary.errors).toBe(sum("errors_1") + sum("errors_2"));
    expect(summary.duplicates).toBe(truth.filter(({ copy_of: of }) => of !== "-1").length);
    for (const { name, count } of summary.strains)
      expect(count).toBe(truth.filter(({ strain }) => strain === name).length);
  });
});

describe("reads", () => {
  test("without errors are their fragments' ends", () => {
    const perfect = { ...PAIRS, quality: QUALITY_MODELS.perfect };
    const { first, second, truth } = reads(COMMUNITY, perfect);
    const mates = recordsOf(second);
    for (const [i, { bases }] of recordsOf(first).entries()) {
      const fragment = fragmentOf(COMMUNITY, truth[i]);
      expect(bases).toBe(fragment.slice(0, 100));
      expect(mates[i]?.bases).toBe(reverseComplement(fragment).slice(0, 100));
    }
    const reverse = truth.filter(({ strand }) => strand === "-").length;
    expect(Math.abs(reverse - 500)).toBeLessThan(SIGMAS * Math.sqrt(250));
  });

  test.each(["illumina", "binned", "long"] as const)("are as wrong as %s says", (model) => {
    const options = { reads: 4_000, length: 250, quality: QUALITY_MODELS[model] };
    const { first, truth } = reads(COMMUNITY, options);
    const bases = new Float64Array(94);
    const wrong = new Float64Array(94);
    const swaps = new Map<string, number>();
    for (const [i, record] of recordsOf(first).entries()) {
      const fragment = fragmentOf(COMMUNITY, truth[i]);
      let errors = 0;
      for (let place = 0; place < record.bases.length; place++) {
        const quality = record.quality.charCodeAt(place) - 33;
        bases[quality] = (bases[quality] as number) + 1;
        if (record.bases[place] === fragment[place]) continue;
        wrong[quality] = (wrong[quality] as number) + 1;
        errors++;
        const swap = `${fragment[place]}${record.bases[place]}`;
        swaps.set(swap, (swaps.get(swap) ?? 0) + 1);
      }
      expect(errors).toBe(Number(truth[i]?.["errors_1"]));
    }
    for (const [quality, n] of bases.entries()) {
      const p = 10 ** (-quality / 10);
      const bound = SIGMAS * Math.sqrt(n * p * (1 - p)) + 1;
      expect(Math.abs((wrong[quality] as number) - n * p)).toBeLessThanOrEqual(bound);
    }
    expect(bases.filter((n) => n > 5_000).length).toBeGreaterThan(model === "binned" ? 1 : 10);
    expect(swaps.size).toBe(12);
    // Each of a base's three errors comes equally often.
    for (const base of "ACGT") {
      const three = [...swaps].filter(([swap]) => swap[0] === base).map(([, count]) => count);
      const n = three.reduce((sum, count) => sum + count, 0);
      for (const count of three)
        expect(Math.abs(count - n / 3)).toBeLessThan(SIGMAS * Math.sqrt((n * 2) / 9));
    }
  });

  test("have the mean quality of each cycle", () => {
    const quality = { means: [35, 20], readSd: 2, baseSd: 2, min: 2, max: 60, errors: false };
    const { first } = reads(COMMUNITY, { reads: 4_000, quality });
    const records = recordsOf(first);
    for (const cycle of [0, 50, 99]) {
      const sum = records.reduce((all, it) => all + it.quality.charCodeAt(cycle) - 33, 0);
      const wanted = Math.round(35 - (15 * cycle) / 99);
      // Shift and noise have variances of 4 each, rounding 1/12 each.
      const error = Math.sqrt((4 + 4 + 2 / 12) / records.length);
      expect(Math.abs(sum / records.length - wanted)).toBeLessThan(SIGMAS * error);
    }
  });

  test("come from the strains by their shares", () => {
    const community = smallCommunity({ abundance: { kind: "given", weights: [0.7, 0.29, 0.01] } });
    const n = 20_000;
    const { summary } = reads(community, { reads: n, length: 10 });
    for (const [i, p] of [0.7, 0.29, 0.01].entries()) {
      const count = summary.strains[i]?.count ?? 0;
      expect(Math.abs(count - n * p)).toBeLessThan(SIGMAS * Math.sqrt(n * p * (1 - p)));
    }
  });

  test("have inserts of the normal law", () => {
    const n = 20_000;
    const { truth } = reads(COMMUNITY, { ...PAIRS, reads: n, length: 10 });
    const sizes = truth.map(({ size }) => Number(size)).toSorted((a, b) => a - b);
    const mean = sizes.reduce((sum, size) => sum + size, 0) / n;
    const variance = sizes.reduce((sum, size) => sum + (size - mean) ** 2, 0) / n;
    expect(Math.abs(mean - 300)).toBeLessThan((SIGMAS * 40) / Math.sqrt(n));
    expect(Math.abs(Math.sqrt(variance) - 40)).toBeLessThan((SIGMAS * 40) / Math.sqrt(2 * n));
    // Kolmogorov: 2.7 / sqrt(n) is passed once in 10^6; rounding moves half a base's density.
    const off = sizes.reduce((most, size, i) => {
      return Math.max(most, Math.abs((i + 0.5) / n - normal((size - 300) / 40)));
    }, 0);
    expect(off).toBeLessThan(2.7 / Math.sqrt(n) + 0.5 * (0.4 / 40));
  });

  test("start everywhere in a genome equally often", () => {
    const n = 20_000;
    const { truth } = reads(COMMUNITY, { reads: n, length: 50 });
    const bins = new Float64Array(20);
    for (const { start } of truth) {
      const bin = Math.floor((Number(start) * 20) / (60_000 - 49));
      bins[bin] = (bins[bin] as number) + 1;
    }
    for (const count of bins)
      expect(Math.abs(count - n / 20)).toBeLessThan(SIGMAS * Math.sqrt(n / 20));
  });
});

describe("a library", () => {
  test("has as many duplicates as asked for, of fragments that were before", () => {
    const n = 20_000;
    const perfect = { quality: QUALITY_MODELS.perfect, duplicates: 0.3 };
    const { first, truth, summary } = reads(COMMUNITY, { ...perfect, reads: n });
    expect(Math.abs(summary.duplicates - 0.3 * n)).toBeLessThan(SIGMAS * Math.sqrt(n * 0.21));
    const records = recordsOf(first);
    for (const [i, { copy_of: of }] of truth.entries()) {
      if (of === "-1") continue;
      expect(Number(of)).toBeLessThan(i);
      expect(truth[Number(of)]?.["copy_of"]).toBe("-1");
      expect(records[i]?.bases).toBe(records[Number(of)]?.bases);
    }
  });

  test.each(["two", "four"] as const)(
    "of short inserts reads adapters in %s colours",
    (colours) => {
      const options = { ...PAIRS, insert: { mean: 50, sd: 15 }, colours, length: 100 } as const;
      const { first, truth } = reads(COMMUNITY, { ...options, quality: QUALITY_MODELS.perfect });
      let adapters = 0;
      for (const [i, { bases }] of recordsOf(first).entries()) {
        const size = Math.min(100, Number(truth[i]?.["size"]));
        const tail = `${ADAPTER}${(colours === "two" ? "G" : "A").repeat(100)}`;
        expect(bases).toBe((fragmentOf(COMMUNITY, truth[i]).slice(0, 100) + tail).slice(0, 100));
        expect(Number(truth[i]?.["adapter_1"])).toBe(100 - size);
        if (size < 67) adapters++;
      }
      expect(adapters).toBeGreaterThan(700);
    },
  );

  test("of two colours has dark tails", () => {
    const n = 5_000;
    const options = { colours: "two", dark: 0.2, reads: n } as const;
    const { first, truth } = reads(COMMUNITY, options);
    const dark = truth.filter(({ dark_1: cycles }) => cycles !== "0").length;
    // One in 101 deaths comes behind the last cycle.
    const p = (0.2 * 100) / 101;
    expect(Math.abs(dark - n * p)).toBeLessThan(SIGMAS * Math.sqrt(n * p * (1 - p)));
    for (const [i, { bases, quality }] of recordsOf(first).entries()) {
      const cycles = Number(truth[i]?.["dark_1"]);
      expect(bases.slice(100 - cycles)).toBe("G".repeat(cycles));
      expect(quality.slice(100 - cycles)).toBe("J".repeat(cycles));
    }
    expect(() => reads(COMMUNITY, { dark: 0.2 })).toThrow(/dark/);
  });

  test("has runs of N of quality 2", () => {
    const n = 5_000;
    const { first } = reads(COMMUNITY, { noCalls: { share: 0.1, longest: 20 }, reads: n });
    const runs = recordsOf(first).filter(({ bases }) => bases.includes("N"));
    expect(Math.abs(runs.length - 0.1 * n)).toBeLessThan(SIGMAS * Math.sqrt(n * 0.09));
    for (const { bases, quality } of runs) {
      const [run = ""] = /N+/.exec(bases) ?? [];
      expect(bases.replace(run, "")).not.toContain("N");
      expect(run.length).toBeLessThanOrEqual(20);
      expect(quality.slice(bases.indexOf("N")).slice(0, run.length)).toBe("#".repeat(run.length));
    }
    expect(Math.max(...runs.map(({ bases }) => bases.split("N").length - 1))).toBeGreaterThan(15);
  });

  test("may have reads without bases", () => {
    const { first, summary } = reads(COMMUNITY, { reads: 2, length: 0 });
    expect(first).toBe("@sim_0\n\n+\n\n@sim_1\n\n+\n\n");
    expect([summary.records, summary.bases]).toEqual([2, 0]);
  });

  test.each<[string, Parameters<typeof reads>[1], RegExp]>([
    ["reads longer than a genome", { length: 60_001 }, /read, in bases/],
    ["qualities over ~", { phred: 64, quality: { ...QUALITY_MODELS.long, max: 63 } }, /quality/],
    ["qualities worse than a guess", { quality: { ...QUALITY_MODELS.long, min: 1 } }, /quality/],
    ["an insert without a size", { insert: { mean: Number.NaN, sd: 1 } }, /insert/],
    ["an adapter of N", { adapters: ["N", "A"] }, /adapter/],
    ["falling bins", { quality: { ...QUALITY_MODELS.long, bins: [12, 2] } }, /bin/],
    ["bad records without bases", { length: 1, bad: { kinds: BAD_KINDS, every: 2 } }, /broken/],
    ["bad records in wrapped text", { lineWidth: 9, bad: { kinds: BAD_KINDS, every: 2 } }, /four/],
  ])("refuses %s", (_, options, what) => {
    expect(() => reads(COMMUNITY, options)).toThrow(what);
  });
});

/** The normal distribution's share below z. Source: Abramowitz and Stegun 26.2.17, |e| < 1e-7. */
function normal(z: number): number {
  const t = 1 / (1 + 0.231_641_9 * Math.abs(z));
  const factors = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_53];
  const sum = factors.reduce((running, factor) => (running + factor) * t, 0);
  const above = (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * sum;
  return z > 0 ? 1 - above : above;
}
