/** The sample: the same bytes for a seed, reads of all genomes, nothing left on a fault. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  ensureSample,
  sampleChunks,
  sampleCommunity,
  writeSample,
} from "../../../actors/sample.ts";
import { Random } from "../../../actors/simulate/draws.ts";
import { failureOf, temporaryFolder } from "./support.ts";

const OPTIONS = { seed: 1, reads: 400, length: 1_000 };
const GOLDEN_NUMBERS = [4_205_554_114, 1_161_288_903, 1_326_360_075];
const GOLDEN_DIGEST = "50e7f472370664a5aadbc0aa2c630d5cd4b33dfc2ac1dc1939daa0ef5f8ccb20";
const { folder } = temporaryFolder();

describe("random numbers", () => {
  test("are those of sfc32 from this seed, for ever", () => {
    const random = new Random(42);
    expect([random.next(), random.next(), random.next()]).toEqual(GOLDEN_NUMBERS);
  });
});

describe("the sample", () => {
  test("has the same bytes for the same seed, for ever", () => {
    expect(digest(OPTIONS)).toBe(GOLDEN_DIGEST);
    expect(digest({ ...OPTIONS, seed: 2 })).not.toBe(GOLDEN_DIGEST);
  });

  test("is written as a file", async () => {
    const path = join(folder, "sample.fastq");
    await writeSample(path, OPTIONS);
    const written = createHash("sha256").update(readFileSync(path)).digest("hex");
    expect(written).toBe(GOLDEN_DIGEST);
  });

  test("leaves no part of itself on a full disk", async () => {
    const path = join(folder, "full.fastq");
    symlinkSync("/dev/full", `${path}.${process.pid}.tmp`);
    const failure = await failureOf(ensureSample(path));
    expect([failure.code, failure.what]).toEqual([
      "OUTPUT_UNWRITABLE",
      expect.stringContaining("ENOSPC"),
    ]);
    expect(readdirSync(folder).filter((name) => name.startsWith("full."))).toEqual([]);
  });

  test("has reads of all genomes, each of its whole length and named by its truth", () => {
    const text = Buffer.concat([...sampleChunks(OPTIONS)].map((chunk) => Buffer.from(chunk)));
    const lines = text.toString("latin1").split("\n");
    const found = new Map<string, number>();
    for (let i = 0; i < OPTIONS.reads; i++) {
      const name = /^@sim_(\d+) genome=(g\d) strain=\2\.0$/.exec(lines[4 * i] ?? "");
      expect(name?.[1]).toBe(String(i));
      expect(lines[4 * i + 1]).toMatch(/^[ACGT]{1000}$/);
      expect(lines[4 * i + 3]?.length).toBe(OPTIONS.length);
      found.set(name?.[2] ?? "", (found.get(name?.[2] ?? "") ?? 0) + 1);
    }
    expect([...found.keys()].sort()).toEqual(["g0", "g1", "g2", "g3"]);
    // 100 each on average, sd 8.7.
    for (const count of found.values()) expect(Math.abs(count - 100)).toBeLessThan(50);
  });

  test("has genomes of different composition, none of which chance would give", () => {
    const profiles = sampleCommunity(OPTIONS).strains.map(({ bases }) => dimersOf(bases));
    for (const [i, one] of profiles.entries()) {
      // Independent bases of even shares would give 1/16 everywhere.
      expect(distance(one, new Float64Array(16).fill(1 / 16))).toBeGreaterThan(0.1);
      for (const other of profiles.slice(0, i)) expect(distance(one, other)).toBeGreaterThan(0.02);
    }
  });

  test.each([
    { ...OPTIONS, reads: 0 },
    { ...OPTIONS, length: 10 },
    { ...OPTIONS, seed: 0.5 },
  ])("refuses options out of bounds: %o", async (options) => {
    expect((await failureOf(writeSample(join(folder, "never.fq"), options))).code).toBe("USAGE");
  });
});

function digest(options: typeof OPTIONS): string {
  const hash = createHash("sha256");
  for (const chunk of sampleChunks(options)) hash.update(chunk);
  return hash.digest("hex");
}

function dimersOf(bases: Uint8Array): Float64Array {
  const shares = new Float64Array(16);
  for (let i = 1; i < bases.length; i++) {
    const dimer = 4 * (bases[i - 1] ?? 0) + (bases[i] ?? 0);
    shares[dimer] = (shares[dimer] ?? 0) + 1 / (bases.length - 1);
  }
  return shares;
}

/** Sum of differences. */
function distance(one: Float64Array, other: Float64Array): number {
  return one.reduce((sum, share, i) => sum + Math.abs(share - (other[i] ?? 0)), 0);
}
