/** Pairs: mates in step, in two files or one, and the first read without its mate is named. */
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { ReadBatch } from "../../../actors/fastq/batch.ts";
import { planInput } from "../../../actors/fastq/plan.ts";
import { fastqSource } from "../../../actors/fastq/source.ts";
import type { InputSpec, ReadOutcome } from "../../../runtime/dataset/types.ts";
import { failureOf, temporaryFolder } from "../actors/support.ts";
import { rangeOf } from "./shards.ts";

const { write } = temporaryFolder();

/** One read as text. */
const read = (name: string, bases: string): string =>
  `@${name}\n${bases}\n+\n${"I".repeat(bases.length)}\n`;
const PAIRS = 500;
const numbers = Array.from({ length: PAIRS }, (_, i) => i);
const ONE = numbers.map((i) => read(`f${i} 1:N:0`, "A".repeat(1 + (i % 40))));
const TWO = numbers.map((i) => read(`f${i} 2:N:0`, "C".repeat(1 + (i % 7))));

async function inputOf(
  one: string | Uint8Array,
  two: string | Uint8Array | undefined,
): Promise<InputSpec> {
  const uri = write("one.fq", one);
  const pair = two === undefined ? { interleaved: true } : { mate: write("two.fq", two) };
  const [input] = await fastqSource.identify({ inputs: [{ uri, ...pair, sample: "s" }] });
  if (input === undefined) throw new Error("no input");
  return input;
}

/** Pairs as `id: bases 1, bases 2`, from shards by readers of their own. */
async function pairsOf(
  input: InputSpec,
  shardBytes = 4_000,
  policy?: "quarantine" | "skip",
  batchSize = 7,
) {
  const plan = await planInput(input, policy, shardBytes);
  const pairs: string[] = [];
  const outcomes: ReadOutcome[] = [];
  for (let shard = 0; outcomes.at(-1)?.endOfInput === undefined; shard++) {
    const which = { input, inputIndex: 0, shardIndex: shard, decisions: {}, batchSize };
    const range = rangeOf(plan, shard) ?? {};
    const reader = await fastqSource.open({});
    const batches = reader.read({ ...which, range, ...(policy && { onBadRecord: policy }) });
    for (;;) {
      const next = await batches.next();
      if (next.done === true) {
        outcomes.push(next.value);
        break;
      }
      pairs.push(...textsOf(next.value as ReadBatch));
    }
    await reader.close();
  }
  return { pairs, outcomes };
}

function textsOf(batch: ReadBatch): readonly string[] {
  const { mate } = batch;
  if (mate === undefined) throw new Error("no mate");
  expect(mate.records).toBe(batch.records);
  expect(mate.qualities.length).toBe(mate.bases.length);
  const basesOf = ({ bases, offsets }: typeof mate, i: number): string =>
    Buffer.from(bases.subarray(offsets[i], offsets[i + 1])).toString();
  return batch.ids.map((id, i) => `${id}: ${basesOf(batch, i)}, ${basesOf(mate, i)}`);
}

const EXPECTED = numbers.map(
  (i) => `f${i}: ${"A".repeat(1 + (i % 40))}, ${"C".repeat(1 + (i % 7))}`,
);
const interleaved = (one: readonly string[], two: readonly string[]): string =>
  one.map((text, i) => text + (two[i] ?? "")).join("");

describe("pairs are read in step", () => {
  test.each<[string, string | Uint8Array, string | Uint8Array | undefined]>([
    ["from two plain files", ONE.join(""), TWO.join("")],
    ["from a gzip file and a plain one", gzipSync(ONE.join("")), TWO.join("")],
    ["from one file, by turns", interleaved(ONE, TWO), undefined],
    ["from one gzip file, by turns", gzipSync(interleaved(ONE, TWO)), undefined],
  ])("%s", async (_, one, two) => {
    const { pairs, outcomes } = await pairsOf(await inputOf(one, two));
    expect(pairs).toEqual(EXPECTED);
    expect(outcomes.length).toBeGreaterThan(5);
    expect(outcomes.reduce((sum, { records }) => sum + records, 0)).toBe(PAIRS);
    expect(outcomes.at(-1)?.endOfInput).toBe(PAIRS);
  });

  test("with names that end in /1 and /2", async () => {
    const one = ["x/1", "y/1 z", "z"].map((name) => read(name, "A")).join("");
    const two = ["x/2", "y/2", "z 2"].map((name) => read(name, "C")).join("");
    const { pairs } = await pairsOf(await inputOf(one, two));
    expect(pairs).toEqual(["x/1: A, C", "y/1: A, C", "z: A, C"]);
  });
});

describe("a read without its mate is named, with both places", () => {
  const without = (texts: readonly string[], index: number): string =>
    texts.filter((_, i) => i !== index).join("");
  const offsetOf = (texts: readonly string[], index: number): number =>
    texts.slice(0, index).join("").length;

  test("whose mate is missing from the second file", async () => {
    const input = await inputOf(ONE.join(""), without(TWO, 321));
    const error = await failureOf(pairsOf(input));
    const place = { record: 322, byteOffset: offsetOf(ONE, 321) };
    expect({ code: error.code, where: error.where }).toEqual({
      code: "PAIRS_DIFFER",
      where: { uri: input.uri, ...place },
    });
    expect(error.what).toContain("read f321 has no mate");
    expect(error.what).toContain(`two.fq at its place (record 322, byte ${offsetOf(TWO, 321)})`);
  });

  test("whose mate is missing from the first file", async () => {
    const input = await inputOf(without(ONE, 44), TWO.join(""));
    const error = await failureOf(pairsOf(input));
    expect(error.where).toEqual({
      ...{ uri: input.mate?.uri, record: 45, byteOffset: offsetOf(TWO, 44) },
    });
    expect(error.what).toContain("read f44 has no mate");
  });

  test.each([
    ["first", ONE.slice(0, -1), TWO, "f499"],
    ["second", ONE, TWO.slice(0, -3), "f497"],
  ])("where the %s file ends too early", async (_, one, two, id) => {
    const error = await failureOf(pairsOf(await inputOf(one.join(""), two.join(""))));
    expect(error.code).toBe("PAIRS_DIFFER");
    expect(error.what).toContain(`read ${id} has no mate`);
    expect(error.what).toContain("ends after");
  });

  test("where one file by turns lacks a read, or ends with half a pair", async () => {
    const all = interleaved(ONE, TWO);
    const amid = all.replace(TWO[100] ?? "", "");
    const error = await failureOf(pairsOf(await inputOf(amid, undefined)));
    expect(error.what).toContain("f100");
    expect(error.where.record).toBeGreaterThanOrEqual(201);
    const half = all.slice(0, all.length - (TWO.at(-1)?.length ?? 0));
    const cut = await failureOf(pairsOf(await inputOf(half, undefined)));
    expect(cut.what).toContain("f499 has no mate");
  });

  test("with any policy for bad records", async () => {
    const input = await inputOf(ONE.join(""), without(TWO, 3));
    expect((await failureOf(pairsOf(input, 4_000, "skip"))).code).toBe("PAIRS_DIFFER");
  });
});

describe("of a pair with a bad read", () => {
  const bad = (texts: readonly string[], indexes: readonly number[]): string[] =>
    texts.map((text, i) => (indexes.includes(i) ? text.replace(/^(.*\n)./, "$1!") : text));
  const one = bad(ONE, [0, 7, 120]);
  const two = bad(TWO, [7, 300, 499]);
  const good = EXPECTED.filter((_, i) => ![0, 7, 120, 300, 499].includes(i));

  test.each([
    ["two files", one.join(""), two.join("")],
    ["one file by turns", interleaved(one, two), undefined],
  ])("both are put aside: %s", async (_, first, second) => {
    const input = await inputOf(first, second);
    const { pairs, outcomes } = await pairsOf(input, 4_000, "quarantine");
    expect(pairs).toEqual(good);
    const aside = outcomes.flatMap((outcome) => outcome.bad ?? []);
    expect(aside.map(({ record }) => record)).toEqual([1, 8, 121, 301, 500]);
    const texts = aside.map(({ bytes }) => Buffer.from(bytes).toString());
    expect(texts).toEqual([0, 7, 120, 300, 499].map((i) => `${one[i]}${two[i]}`));
    expect(aside[3]?.what).toContain("read 2 of the pair: sequence character 0x21");
    const counts = outcomes.map(({ records, quarantined }) => [records, quarantined]);
    expect(counts.reduce((sum, [records = 0]) => sum + records, 0)).toBe(PAIRS);
    const skipped = await pairsOf(input, 4_000, "skip");
    expect(skipped.pairs).toEqual(good);
    expect(skipped.outcomes.reduce((sum, it) => sum + it.skipped, 0)).toBe(5);
  });

  test("good ones come out as they stand, by their positions", async () => {
    const input = await inputOf(one.join(""), two.join(""));
    const reader = await fastqSource.open({});
    const range = { firstRecord: 1, records: 200, containers: ["plain", "plain"] };
    const which = { input, inputIndex: 0, shardIndex: 0, decisions: {}, batchSize: 7, range };
    const raws = await reader.raw?.({ ...which, onBadRecord: "quarantine" }, [0, 6, 7]);
    await reader.close();
    // Good ones from f1 on: f1 .. f6, f8, f9.
    expect(raws?.map(({ record }) => record)).toEqual([2, 9, 10]);
    expect(raws?.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(
      [1, 8, 9].map((i) => `${one[i]}${two[i]}`),
    );
  });
});
