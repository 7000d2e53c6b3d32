/** Summaries of shards: they add up to what one pass counts, in any order and grouping. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeSummary, encodeSummary } from "../../../actors/qc/codec.ts";
import { counterOptions, qcSettings } from "../../../actors/qc/options.ts";
import { addSeen, repeatsOf, type Seen, SeenCounter } from "../../../actors/qc/seen.ts";
import {
  addSummaries,
  emptySummary,
  SampleCounter,
  type SampleSummary,
  type SummaryShape,
} from "../../../actors/qc/summary.ts";
import { hasFastp } from "../native/fastp.ts";
import { generator, simulatePairs } from "../native/simulated.ts";
import { batchOf, sliced } from "./reads.ts";

const SHAPE: SummaryShape = { mates: 2, k: 11, sketchK: 21, scaled: 10 };
const OPTIONS = counterOptions(qcSettings("short", { correction: true, trim_poly_x: true }), {
  phred64: false,
  polyG: true,
  adapters: ["", ""],
});
const PAIRS = 60;
const simulated = simulatePairs(3, PAIRS, 60);
const [first, second] = [batchOf(simulated.first), batchOf(simulated.second)];

async function summaryOf(begin: number, end: number): Promise<SampleSummary> {
  const counter = new SampleCounter(SHAPE, OPTIONS);
  await counter.addPairs(sliced(first, begin, end), sliced(second, begin, end));
  return counter.summary({ byteOrderMarks: begin, endBlocksMissing: 1, trailingZeros: end });
}

describe("summaries of a sample's parts", () => {
  const cuts = fc.uniqueArray(fc.integer({ min: 0, max: PAIRS }), { maxLength: 4 });

  test("add up to the whole, in any order and grouping", async () => {
    const whole = await summaryOf(0, PAIRS);
    await fc.assert(
      fc.asyncProperty(cuts, fc.infiniteStream(fc.nat()), async (inner, choices) => {
        const places = [0, ...inner.sort((a, b) => a - b), PAIRS];
        const parts = await Promise.all(
          places.slice(1).map((end, i) => summaryOf(places[i] ?? 0, end)),
        );
        const sumOfWarnings = parts.reduce((sum, part) => sum + part.warnings.trailingZeros, 0);
        while (parts.length > 1) {
          const one = parts.splice(Number(choices.next().value) % parts.length, 1)[0];
          const other = parts.splice(Number(choices.next().value) % parts.length, 1)[0];
          if (one !== undefined && other !== undefined) parts.push(addSummaries(one, other));
        }
        const sum = parts[0] ?? emptySummary(SHAPE);
        expect({ ...sum, warnings: whole.warnings }).toEqual(whole);
        expect(sum.warnings.trailingZeros).toBe(sumOfWarnings);
      }),
      { numRuns: 15 },
    );
  });

  test("the empty one adds nothing, and unlike ones aren't added", async () => {
    const one = await summaryOf(0, 10);
    expect(addSummaries(one, emptySummary(SHAPE))).toEqual(one);
    expect(addSummaries(emptySummary(SHAPE), one)).toEqual(one);
    expect(() => addSummaries(one, emptySummary({ ...SHAPE, k: 12 }))).toThrow("unlike shape");
  });

  test("come back from their bytes as they were", async () => {
    const one = await summaryOf(0, 30);
    const bytes = encodeSummary(one);
    const moved = Buffer.concat([Buffer.from("."), bytes]).subarray(1);
    expect(decodeSummary(moved, "shard")).toEqual(one);
    expect(encodeSummary(decodeSummary(bytes, "shard")).equals(bytes)).toBe(true);
    expect(decodeSummary(encodeSummary(emptySummary(SHAPE)), "x")).toEqual(emptySummary(SHAPE));
  });

  test("that are cut or damaged are refused", async () => {
    const bytes = encodeSummary(await summaryOf(0, 5));
    const damaged = expect.objectContaining({ code: "SHARD_DAMAGED" });
    for (const cut of [0, 3, 7, 40, bytes.length - 8, bytes.length - 1]) {
      expect(() => decodeSummary(bytes.subarray(0, cut), "s"), `cut at ${cut}`).toThrow(damaged);
    }
    const longer = Buffer.concat([bytes, Buffer.alloc(8)]);
    expect(() => decodeSummary(longer, "s")).toThrow(damaged);
    const renamed = Buffer.from(bytes);
    renamed.write('"schema":2', bytes.indexOf('"schema":1'));
    expect(() => decodeSummary(renamed, "s")).toThrow(damaged);
  });
});

test("without k-mers the rest is counted as with them", async () => {
  const counter = new SampleCounter({ ...SHAPE, k: 0, sketchK: 0 }, OPTIONS);
  await counter.addPairs(first, second);
  const found = counter.summary();
  const whole = await summaryOf(0, PAIRS);
  expect(found.counts).toEqual(whole.counts);
  expect(found.reads).toEqual(whole.reads);
  expect([found.kmers.windows, found.sketch.keys.length]).toEqual([0, 0]);
  expect(whole.kmers.windows).toBeGreaterThan(0);
  expect(decodeSummary(encodeSummary(found), "x")).toEqual(found);
});

test("what is kept is every pair that passed, trimmed", async () => {
  const counter = new SampleCounter(SHAPE, OPTIONS);
  const kept = await counter.addPairs(first, second);
  const { counts } = counter.summary();
  expect(kept.passed.length).toBe(counts.after[0]?.reads);
  expect(kept.passed.length).toBeLessThan(PAIRS);
  for (const [i, mate] of kept.mates.entries()) {
    expect(mate.ends).toHaveLength(kept.passed.length + 1);
    expect(mate.bases).toHaveLength(counts.after[i]?.bases ?? -1);
    expect(mate.qualities).toHaveLength(mate.bases.length);
  }
  await expect(counter.add(first)).rejects.toThrow("single reads of a sample of pairs");
});

function seenOf(hashes: readonly number[], keysMax: number): Seen {
  const counter = new SeenCounter(keysMax);
  for (const hash of hashes) counter.add(hash);
  return counter.seen();
}

describe("what comes again", () => {
  const hash = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.maxSafeNat());

  test("is counted the same in parts and at once, sampled or not", () => {
    fc.assert(
      fc.property(fc.array(hash), fc.array(hash), fc.integer({ min: 1, max: 30 }), (a, b, max) => {
        const sum = addSeen(seenOf(a, max), seenOf(b, max), max);
        expect(sum).toEqual(seenOf([...a, ...b], max));
        expect(addSeen(seenOf(b, max), seenOf(a, max), max)).toEqual(sum);
        expect(sum.keys.length).toBeLessThanOrEqual(max);
      }),
    );
  });

  test("is counted exactly up to the bound, by sequence and not by place", () => {
    const random = generator(9);
    const reads = Array.from({ length: 3000 }, () => {
      const n = 20 + random(4);
      return "ACGTACCATGACGTTTGACAGGATTC".slice(random(3), n);
    });
    const text = reads.map((read, i) => `@${i}\n${read}\n+\n${"I".repeat(read.length)}\n`).join("");
    const counter = new SeenCounter(1_000_000);
    counter.addReads(batchOf(text));
    const distinct = new Set(reads).size;
    const found = repeatsOf(counter.seen());
    expect(found).toMatchObject({ distinct, sampledOneOf: 1, rate: (3000 - distinct) / 3000 });
  });

  test("of more is estimated, and says of how many one was counted", () => {
    const random = generator(10);
    const hashes = Array.from(
      { length: 20_000 },
      () => random(2 ** 21) * 2 ** 32 + random(2 ** 31),
    );
    const twice = [...hashes, ...hashes.slice(0, 10_000)];
    const { rate, distinct, sampledOneOf } = repeatsOf(seenOf(twice, 2_000));
    expect(sampledOneOf).toBe(16);
    expect(Math.abs(rate - 1 / 3)).toBeLessThan(0.03);
    expect(Math.abs(distinct - 20_000)).toBeLessThan(2_000);
  });

  // fastp clears a gigabyte for it; its answer to the same reads is below.
  const isLong = process.env["LIGASE_TEST_LONG"] === "1";
  const doubled = simulatePairs(77, 2000, 70);
  const texts = [doubled.first, doubled.second].map(
    (text) => text + text.slice(0, text.indexOf("@r900 ")),
  );

  test("is within 1e-4 of fastp's rate, single and of pairs", () => {
    const [one, other] = texts.map((text) => batchOf(text));
    if (one === undefined || other === undefined) throw new Error("no mates");
    const [single, pairs] = [new SeenCounter(1_000_000), new SeenCounter(1_000_000)];
    single.addReads(one);
    pairs.addReads(one, other);
    expect(Math.abs(repeatsOf(single.seen()).rate - FASTP_RATES.single)).toBeLessThan(1e-4);
    expect(Math.abs(repeatsOf(pairs.seen()).rate - FASTP_RATES.pairs)).toBeLessThan(1e-4);
  });

  test.runIf(hasFastp && isLong)("fastp's rates are as they stand here", () => {
    expect(fastpRate(texts.slice(0, 1))).toBeCloseTo(FASTP_RATES.single, 6);
    expect(fastpRate(texts)).toBeCloseTo(FASTP_RATES.pairs, 6);
  });
});

/** Made with fastp 0.23.2. */
const FASTP_RATES = { single: 0.326897, pairs: 0.310345 };

function fastpRate(texts: readonly string[]): number {
  const folder = mkdtempSync(join(tmpdir(), "ligase-fastp-"));
  try {
    const inputs = texts.flatMap((text, i) => {
      writeFileSync(join(folder, `${i}.fq`), text);
      return [i === 0 ? "-i" : "-I", join(folder, `${i}.fq`)];
    });
    const outputs = ["-j", join(folder, "out.json"), "-h", join(folder, "out.html")];
    execFileSync("fastp", ["-w", "1", ...inputs, ...outputs], { stdio: "pipe", timeout: 60_000 });
    const file = JSON.parse(readFileSync(join(folder, "out.json"), "utf8")) as {
      duplication: { rate: number };
    };
    return file.duplication.rate;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
