/**
 * The encoder `kmer`: its tokens, how reads are put together, and what a row does not depend on.
 */
import { describe, expect, test } from "vitest";
import { KmerEmbedder, TOO_SHORT } from "../../../actors/embedder.ts";
import { composeRuns, paddedLength } from "../../../actors/kmer/batches.ts";
import { KMERS, tokenize } from "../../../actors/kmer/tokens.ts";
import { encoderOf } from "../../../actors/model.ts";
import { SESSION_ROWS_MAX, SESSION_TOKENS_MAX } from "../../../runtime/limits.ts";
import type { Table } from "../../../runtime/dataset/types.ts";
import { below, Random } from "../../../actors/simulate/draws.ts";
import { batchOf, failureOf } from "./support.ts";

const MODEL = encoderOf("kmer");

describe("tokens", () => {
  test("are canonical: a sequence's and its reverse complement's are the same, as a set", () => {
    const bases = randomBases(7, 500);
    expect(sorted(tokensOf(bases))).toEqual(sorted(tokensOf(reverseComplement(bases))));
  });

  test("are 136 different ones", () => {
    const tokens = new Set(tokensOf(randomBases(1, 20_000)));
    expect(tokens.size).toBe(KMERS);
    expect([Math.min(...tokens), Math.max(...tokens)]).toEqual([0, KMERS - 1]);
  });

  test.each([
    ["ACGTN", 1],
    ["ACGNACG", 0],
    ["ACGTNACGT", 2],
    ["ACG", 0],
    ["", 0],
    ["ACGTRACGT-ACGT", 3],
  ])("of %s are %i: a window with anything but a base gives none", (bases, count) => {
    expect(tokensOf(bases).length).toBe(count);
  });

  test("take lower case as upper case and U as T", () => {
    expect(tokensOf("acguuACGTT")).toEqual(tokensOf("ACGTTACGTT"));
  });

  test("of a palindrome count once an occurrence", () => {
    expect(tokensOf("ACGTACGT").filter((token) => token === tokensOf("ACGT")[0]).length).toBe(2);
  });
});

describe("runs", () => {
  const counts = Int32Array.from(
    { length: 5_000 },
    (_, i) => (i * i * 7_919) % (i % 7 === 0 ? 90_000 : 400),
  );

  test("hold every long enough read once, in order, within their bounds", () => {
    const runs = composeRuns(counts, 32);
    const reads = runs.flatMap((run) => run.reads);
    const expected = [...counts.keys()].filter((read) => (counts[read] ?? 0) >= 32);
    expect([...reads].sort((a, b) => a - b)).toEqual(expected);
    for (const { length, reads: members } of runs) {
      expect([...members].sort((a, b) => a - b)).toEqual(members);
      expect(members.length).toBeLessThanOrEqual(SESSION_ROWS_MAX);
      expect(members.length === 1 || members.length * length <= SESSION_TOKENS_MAX).toBe(true);
    }
  });

  test("are padded by less than an eighth, or 16", () => {
    for (let tokens = 1; tokens < 200_000; tokens += 13) {
      const padding = paddedLength(tokens) - tokens;
      expect(padding).toBeGreaterThanOrEqual(0);
      expect(padding).toBeLessThan(Math.max(16, tokens / 8 + 1));
    }
  });
});

describe("an embedding", () => {
  const embedder = new KmerEmbedder({ model: MODEL });

  test("is of 136 finite numbers with mean 0, a row a read, in order", async () => {
    const reads = [200, 36, 1_000, 150, 150].map((length, i) => randomBases(i, length));
    const table = await embedder.embed(batchOf(reads));
    expect(table.rows).toBe(5);
    expect(Object.keys(table.columns)).toEqual(["embedding", "read_id", "n_tokens"]);
    expect(idsOf(table)).toEqual(["r0", "r1", "r2", "r3", "r4"]);
    expect(countsOf(table)).toEqual([197, 33, 997, 147, 147]);
    for (const row of rowsOf(table)) {
      expect(row.every(Number.isFinite)).toBe(true);
      expect(Math.abs(row.reduce((sum, value) => sum + value, 0))).toBeLessThan(1e-4);
    }
  });

  test("is log(c + 0.5), centred, of the counts", async () => {
    const bases = randomBases(3, 400);
    const [row = []] = rowsOf(await embedder.embed(batchOf([bases])));
    const counts = new Array<number>(KMERS).fill(0);
    for (const token of tokensOf(bases)) counts[token] = (counts[token] ?? 0) + 1;
    const logs = counts.map((count) => Math.log(count + 0.5));
    const mean = logs.reduce((sum, value) => sum + value, 0) / KMERS;
    for (const [i, log] of logs.entries()) expect(row[i]).toBeCloseTo(log - mean, 5);
  });

  test("is the reverse complement's too, bit by bit", async () => {
    const bases = randomBases(5, 300);
    const table = await embedder.embed(batchOf([bases, reverseComplement(bases)]));
    const [forward, reverse] = rowsOf(table);
    expect(reverse).toEqual(forward);
  });

  test("doesn't depend on the reads beside it, bit by bit", async () => {
    const reads = Array.from({ length: 700 }, (_, i) => randomBases(i, 36 + ((i * 37) % 900)));
    const together = rowsOf(await embedder.embed(batchOf(reads)));
    for (const size of [1, 3, 64]) {
      const rows: number[][] = [];
      for (let begin = 0; begin < 128; begin += size) {
        rows.push(...rowsOf(await embedder.embed(batchOf(reads.slice(begin, begin + size)))));
      }
      expect(rows.slice(0, 128)).toEqual(together.slice(0, 128));
    }
  });

  test("is the same when batches are given at once", async () => {
    const batches = [1, 2, 3].map((seed) =>
      batchOf([randomBases(seed, 150), randomBases(seed, 90)]),
    );
    const apart = [];
    for (const batch of batches) apart.push(rowsOf(await embedder.embed(batch)));
    const atOnce = await Promise.all(batches.map((batch) => embedder.embed(batch)));
    expect(atOnce.map(rowsOf)).toEqual(apart);
  });

  test("of a read longer than a run's tokens is made alone", async () => {
    const bases = randomBases(9, SESSION_TOKENS_MAX + 5_000);
    const table = await embedder.embed(batchOf([bases, bases.slice(0, 50)]));
    expect(countsOf(table)).toEqual([bases.length - 3, 47]);
  });

  test("isn't made for reads under 32 valid 4-mers: they are counted", async () => {
    const reads = ["ACGT".repeat(8) + "ACG", "ACGT".repeat(8) + "AC", "", "N".repeat(100)];
    const table = await embedder.embed(batchOf(reads));
    expect(idsOf(table)).toEqual(["r0"]);
    expect(table.filtered).toEqual({ [TOO_SHORT]: 3 });
  });

  test("of no reads is a table of no rows with all columns", async () => {
    const table = await embedder.embed(batchOf([]));
    expect([table.rows, Object.keys(table.columns), table.filtered]).toEqual([
      0,
      ["embedding", "read_id", "n_tokens"],
      {},
    ]);
  });

  test("describes itself as the model says", () => {
    const { variant, ...rest } = embedder.describe();
    expect(rest).toEqual({ ...MODEL, provider: "cpu" });
    expect(variant).toMatch(/^cpu-[a-z0-9_]+-1t$/);
  });

  test("isn't made by a graph of another digest, or by an unknown encoder", async () => {
    const other = new KmerEmbedder({ model: { name: "kmer", sha256: "0".repeat(64) } });
    expect((await failureOf(other.ready())).code).toBe("MODEL_INVALID");
    expect((await failureOf(other.embed(batchOf(["ACGT".repeat(20)])))).code).toBe("MODEL_INVALID");
    expect(() => encoderOf("nothing")).toThrow(/USAGE/);
  });
});

function tokensOf(bases: string): number[] {
  const { values, counts } = tokenize(batchOf([bases]));
  return [...values.subarray(0, counts[0])];
}

function rowsOf(table: Table): number[][] {
  const { embedding } = table.columns;
  if (embedding?.kind !== "vector") throw new Error("no embedding");
  return Array.from({ length: table.rows }, (_, row) => [
    ...embedding.values.subarray(row * KMERS, (row + 1) * KMERS),
  ]);
}

function idsOf(table: Table): readonly string[] {
  const { read_id: ids } = table.columns;
  return ids?.kind === "utf8" ? ids.values : [];
}

function countsOf(table: Table): readonly number[] {
  const { n_tokens: counts } = table.columns;
  return counts?.kind === "int32" ? [...counts.values] : [];
}

function randomBases(seed: number, length: number): string {
  const random = new Random(seed);
  return Array.from({ length }, () => "ACGT"[below(random, 4)]).join("");
}

function reverseComplement(bases: string): string {
  const mates: Record<string, string> = { A: "T", C: "G", G: "C", T: "A" };
  return Array.from(bases)
    .reverse()
    .map((base) => mates[base])
    .join("");
}

function sorted(tokens: readonly number[]): readonly number[] {
  return [...tokens].sort((a, b) => a - b);
}
