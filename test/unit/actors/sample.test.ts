/** The simulated sample: the same bytes for a seed, and reads that are what their names say. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ensureSample } from "../../../actors/sample/file.ts";
import { makeGenomes } from "../../../actors/sample/genome.ts";
import { Random } from "../../../actors/sample/random.ts";
import { sampleChunks, writeSample } from "../../../actors/sample/simulate.ts";
import { failureOf, temporaryFolder } from "./support.ts";

const OPTIONS = { seed: 1, reads: 400, length: 1_000 };
const GOLDEN_NUMBERS = [4_205_554_114, 1_161_288_903, 1_326_360_075];
const GOLDEN_DIGEST = "6c2897b6e962d06bca6c149c0a7d0afc298bde4a22ad4f38aa2b57d7c4a8702d";
const { folder } = temporaryFolder();

interface Simulated {
  readonly name: RegExpExecArray;
  readonly bases: string;
  readonly qualities: readonly number[];
}

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

  test("has reads from all genomes, both strands and their whole length", () => {
    const reads = parse();
    expect(reads.length).toBe(OPTIONS.reads);
    expect(new Set(reads.map(({ name }) => name[2]))).toEqual(new Set(["g0", "g1", "g2", "g3"]));
    const reverse = reads.filter(({ name }) => name[4] === "-").length;
    expect(reverse / reads.length).toBeGreaterThan(0.4);
    expect(reverse / reads.length).toBeLessThan(0.6);
  });

  test("has the errors that its qualities say, against the genomes in its names", () => {
    const genomes = new Map(makeGenomes(OPTIONS.seed, 500_000).map((g) => [g.name, g.bases]));
    let errors = 0;
    let expected = 0;
    for (const { name, bases, qualities } of parse()) {
      const truth = truthOf(genomes.get(name[2] ?? ""), Number(name[3]), name[4] === "-");
      for (let i = 0; i < bases.length; i++) errors += bases[i] === truth[i] ? 0 : 1;
      expected += qualities.reduce((sum, quality) => sum + 10 ** (-quality / 10), 0);
    }
    expect(expected).toBeGreaterThan(400);
    expect(Math.abs(errors - expected)).toBeLessThan(5 * Math.sqrt(expected));
  });

  test("has qualities that decline along a read", () => {
    const reads = parse();
    const mean = (begin: number, end: number): number =>
      reads.reduce((sum, { qualities }) => sum + average(qualities.slice(begin, end)), 0) /
      reads.length;
    expect(mean(0, 100)).toBeGreaterThan(mean(450, 550) + 2);
    expect(mean(450, 550)).toBeGreaterThan(mean(900, 1_000) + 5);
  });

  test("has genomes of their own composition, with segments that all share", () => {
    const genomes = makeGenomes(OPTIONS.seed, 100_000);
    const shares = genomes.map(
      ({ bases }) => bases.filter((b) => b === 1 || b === 2).length / bases.length,
    );
    for (let i = 1; i < shares.length; i++) {
      expect((shares[i] ?? 0) - (shares[i - 1] ?? 0)).toBeGreaterThan(0.04);
    }
    const [first, second] = genomes.map(({ bases }) => Buffer.from(bases));
    if (first === undefined || second === undefined) throw new Error("no genomes");
    let shared = 0;
    for (let at = 0; at + 40 <= first.length; at += 40) {
      if (second.includes(first.subarray(at, at + 40))) shared += 40;
    }
    expect(shared / first.length).toBeGreaterThan(0.06);
    expect(shared / first.length).toBeLessThan(0.1);
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

function parse(): readonly Simulated[] {
  const text = Buffer.concat([...sampleChunks(OPTIONS)].map((chunk) => Buffer.from(chunk)));
  const lines = text.toString("latin1").split("\n");
  return Array.from({ length: OPTIONS.reads }, (_, i) => {
    const name = /^@sim_(\d+) genome=(g\d) pos=(\d+) strand=([+-])$/.exec(lines[4 * i] ?? "");
    if (name?.[1] !== String(i)) throw new Error(`read ${i} is named ${lines[4 * i]}`);
    const bases = lines[4 * i + 1] ?? "";
    const qualities = [...Buffer.from(lines[4 * i + 3] ?? "")].map((byte) => byte - 33);
    expect([bases.length, qualities.length]).toEqual([OPTIONS.length, OPTIONS.length]);
    return { name, bases, qualities };
  });
}

function truthOf(genome: Uint8Array | undefined, position: number, reverse: boolean): string {
  const bases = [...(genome ?? []).slice(position, position + OPTIONS.length)];
  const read = reverse ? bases.reverse().map((base) => 3 - base) : bases;
  return read.map((base) => "ACGT"[base]).join("");
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
