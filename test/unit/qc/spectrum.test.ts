/** k-mer spectra in numbers, and sketches as sourmash writes them (sourmash.json: 4.9.4). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { KmerTable, type Sequences, Sketch } from "../../../actors/native/kmers.ts";
import { addSketches, sourmashJson, spectrumSummary } from "../../../actors/qc/spectrum.ts";
import { generator } from "../native/simulated.ts";

const VECTOR = JSON.parse(
  readFileSync(join(import.meta.dirname, "sourmash.json"), "utf8"),
) as Record<"sequence" | "filename" | "name" | "signature", string> & { scaled: number };

function sequencesOf(texts: readonly string[]): Sequences {
  const ends = [0];
  for (const text of texts) ends.push((ends.at(-1) ?? 0) + text.length);
  return { bases: Buffer.from(texts.join("")), ends: Int32Array.from(ends) };
}

async function sketchOf(k: number, texts: readonly string[]) {
  const sketch = new Sketch(k, VECTOR.scaled);
  await sketch.add(sequencesOf(texts));
  const { name, filename } = VECTOR;
  return { name, filename, k, maxHash: sketch.maxHash, hashes: sketch.hashes() };
}

describe("a sketch", () => {
  test("is written as sourmash writes it, digit by digit", async () => {
    const sketches = await Promise.all([21, 31].map((k) => sketchOf(k, [VECTOR.sequence])));
    expect(sourmashJson(sketches).trim()).toBe(VECTOR.signature);
  });

  test("of two parts adds up to that of both", async () => {
    const { sequence } = VECTOR;
    const parts = [sequence.slice(0, 500), sequence.slice(300)];
    const [one, other] = await Promise.all(parts.map((part) => sketchOf(21, [part])));
    if (one === undefined || other === undefined) throw new Error("no sketch");
    const both = await sketchOf(21, parts);
    expect(addSketches(one.hashes, other.hashes)).toEqual(both.hashes);
    expect(addSketches(other.hashes, one.hashes)).toEqual(both.hashes);
  });
});

describe("a spectrum", () => {
  const random = generator(4);
  const letters = (n: number): string =>
    Array.from({ length: n }, () => "ACGT"[random(4)]).join("");
  const genome = letters(4000);
  /** Reads of 100 bases, each base of which is wrong once in 300. */
  const reads = Array.from({ length: 1200 }, () => {
    const begin = random(genome.length - 100);
    return Array.from(genome.slice(begin, begin + 100), (base) =>
      random(300) === 0 ? letters(1) : base,
    ).join("");
  });

  test("of a genome at 24-fold coverage has its valley, peak and length", async () => {
    const table = new KmerTable(21);
    await table.add(sequencesOf(reads));
    const found = spectrumSummary(21, table.counts());
    expect(found).toMatchObject({ k: 21, windows: 1200 * 80, sampledOneOf: 1 });
    expect(found.histogram[0]).toBe(found.unique);
    expect(found.histogram.reduce((sum, n) => sum + n, 0)).toBe(found.distinct);
    expect(found.peak?.valley).toBeGreaterThan(2);
    expect(found.peak?.valley).toBeLessThan(16);
    expect(found.peak?.coverage).toBeGreaterThan(17);
    expect(found.peak?.coverage).toBeLessThan(30);
    expect(Math.abs((found.peak?.genomeSize ?? 0) / genome.length - 1)).toBeLessThan(0.2);
    expect(found.peak?.errors).toBeGreaterThan(found.distinct - 4500);
  });

  test("that only falls has no peak", async () => {
    const table = new KmerTable(21);
    await table.add(sequencesOf([letters(3000)]));
    expect(spectrumSummary(21, table.counts()).peak).toBeUndefined();
    const none = spectrumSummary(21, new KmerTable(21).counts());
    expect(none).toMatchObject({ distinct: 0, unique: 0, histogram: [] });
  });

  test("of a sample is scaled up and says so", async () => {
    const table = new KmerTable(21, 500);
    await table.add(sequencesOf([genome]));
    const found = spectrumSummary(21, table.counts());
    expect(found.sampledOneOf).toBe(8);
    expect(Math.abs(found.distinct / 3980 - 1)).toBeLessThan(0.15);
    expect(found.windows).toBe(3980);
  });
});
