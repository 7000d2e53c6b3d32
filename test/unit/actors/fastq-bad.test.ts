/** Records that break the format, put aside or passed over: the others are all there, once. */
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Aside, batchesOf, pickReads } from "../../../actors/fastq/batch.ts";
import { fastqSource } from "../../../actors/fastq/source.ts";
import type { BadRecord, InputSpec, JsonObject } from "../../../runtime/dataset/types.ts";
import {
  batchOf,
  failureOf,
  identify,
  planOf,
  readingInPieces,
  type Read,
  readsOf,
  readShardOf,
  temporaryFolder,
} from "./support.ts";

const { write } = temporaryFolder();

/** Ways to break a record of four lines; the next one's begin is still to be found. */
const BREAKS: Readonly<Record<string, (lines: readonly string[]) => string[]>> = {
  quality: ([name = "", bases = "", plus = "", quality = ""]) => [
    ...[name, bases, plus],
    `${quality.slice(1)}\u0001`,
  ],
  base: ([name = "", bases = "", ...rest]) => [name, `${bases.slice(1)}!`, ...rest],
  short: ([name = "", bases = "", plus = "", quality = ""]) => [
    ...[name, bases, plus],
    quality.slice(1),
  ],
  long: ([name = "", bases = "", plus = "", quality = ""]) => [name, bases, plus, `${quality}I`],
  "no name": ([, ...rest]) => rest,
  "no bases": ([name = "", , ...rest]) => [name, ...rest],
  "no plus": ([name = "", bases = ""]) => [name, bases],
  "no quality": ([name = "", bases = "", plus = ""]) => [name, bases, plus],
  "other title": ([name = "", bases = "", , quality = ""]) => [name, bases, "+other", quality],
  junk: (lines) => [...lines.slice(0, 1), "", "\u0000\u00ff junk"],
};

const record = fc
  .record({
    size: fc.integer({ min: 6, max: 12 }),
    quality: fc.constantFrom("@", "I", "+"),
    broken: fc.option(fc.constantFrom(...Object.keys(BREAKS)), { freq: 3 }),
  })
  .map(({ size, quality, broken }) => {
    const lines = (name: string) => [
      `@${name}`,
      "ACGTACGTACGT".slice(0, size),
      "+",
      quality.repeat(size),
    ];
    return { bases: "ACGTACGTACGT".slice(0, size), quality, lines, broken };
  });
/**
 * What begins with `@` before a record without its name is a record's begin for anybody, and its
 * bases are the quality that the one before it lacks.
 */
const records = fc.array(record, { minLength: 1, maxLength: 20 }).filter((all) =>
  all.every((it, i) => {
    const before = all[i - 1];
    return it.broken !== "no name" || (before?.quality !== "@" && before?.broken !== "no quality");
  }),
);
type Records = typeof records extends fc.Arbitrary<infer T> ? T : never;

function textsOf(sample: Records, newline = "\n"): readonly string[] {
  return sample.map(({ lines, broken }, i) => {
    const kept = broken === null ? lines(`r${i}`) : (BREAKS[broken]?.(lines(`r${i}`)) ?? []);
    return kept.map((line) => line + newline).join("");
  });
}

/** All that a reading gives of a text that comes in pieces of `chunk` bytes. */
async function readingOf(text: Buffer, chunk: number) {
  const reading = readingInPieces(text, [chunk], { policy: "quarantine" });
  const aside = new Aside("quarantine");
  const reads: Read[] = [];
  const all = { batchSize: 3, recordsMax: Number.MAX_SAFE_INTEGER, format: "fastq" } as const;
  for await (const batch of batchesOf(reading, all, aside)) reads.push(...readsOf(batch));
  return { reads, bad: aside.outcome().bad ?? [] };
}

const goodOf = (sample: Records): readonly Read[] =>
  sample.flatMap(({ bases, broken }, i) => (broken === null ? [[`r${i}`, bases] as const] : []));

describe("a bad record", () => {
  test("takes no other with it, and every byte is in a record or put aside", async () => {
    await fc.assert(
      fc.asyncProperty(records, fc.integer({ min: 1, max: 300 }), async (sample, chunk) => {
        const texts = textsOf(sample);
        const { reads, bad } = await readingOf(Buffer.from(texts.join(""), "latin1"), chunk);
        expect(reads).toEqual(goodOf(sample));
        const broken = texts.filter((_, i) => sample[i]?.broken !== null).join("");
        const aside = bad.map(({ bytes }) => Buffer.from(bytes).toString("latin1")).join("");
        expect(aside).toBe(broken);
        for (const { byteOffset = -1, bytes, length } of bad) {
          const there = texts.join("").slice(byteOffset, byteOffset + length);
          expect(Buffer.from(bytes).toString("latin1")).toBe(there);
        }
      }),
      { numRuns: 300, endOnFailure: true },
    );
  });

  test("is put aside by itself, though its neighbour is bad too", async () => {
    const text = "@a\nACGT\n+\nIII\n@b\nACGT\n+\nII\u0001I\n@c\nACGT\n+\nIIII\n";
    const { reads, bad } = await readingOf(Buffer.from(text), 7);
    expect(reads).toEqual([["c", "ACGT"]]);
    const seen = bad.map(({ record, byteOffset, code }) => ({ record, byteOffset, code }));
    expect(seen).toEqual([
      { record: 1, byteOffset: 0, code: "FASTQ_LENGTHS_DIFFER" },
      { record: 2, byteOffset: 14, code: "FASTQ_BAD_RECORD" },
    ]);
  });
});

/** A file of shards of 4 records at most, with bad ones, and the reads that are good. */
const BAD = new Map([
  [2, "@r2\nAC!T\n+\nIIII\n"],
  [5, "@r5\nACGT\n+\nIII\n"],
  [7, "junk\n"],
  [11, "@r11\nACGT\n+\nII"],
]);
const LINES = Array.from({ length: 12 }, (_, i) => BAD.get(i) ?? `@r${i}\nACGT\n+\nIIII\n`);
const TEXT = LINES.join("");
const GOOD = LINES.flatMap((_, i): Read[] => (BAD.has(i) ? [] : [[`r${i}`, "ACGT"]]));

/** Each range by a reader, and what was bad in all of them. */
async function readRanges(
  input: InputSpec,
  ranges: readonly JsonObject[],
  policy: "quarantine" | "skip",
) {
  const reader = await fastqSource.open({});
  const reads: Read[] = [];
  const bad: BadRecord[] = [];
  const counts = { records: 0, quarantined: 0, skipped: 0 };
  for (const range of ranges) {
    const { outcome, ...part } = await readShardOf(reader, input, range, 3, policy);
    reads.push(...part.reads);
    bad.push(...(outcome.bad ?? []));
    for (const key of ["records", "quarantined", "skipped"] as const) counts[key] += outcome[key];
  }
  await reader.close();
  return { reads, bad, counts };
}

const placeOf = (index: number) => ({
  record: index + 1,
  byteOffset: LINES.slice(0, index).join("").length,
});

describe("a file with bad records", () => {
  test("is read in ranges and by records, each bad one where it stands in the file", async () => {
    const plain = await identify(write("bad.fq", TEXT));
    const zipped = await identify(write("bad.fq.gz", gzipSync(TEXT)));
    const byBytes = [
      { begin: 0, end: placeOf(4).byteOffset },
      { begin: placeOf(4).byteOffset, end: TEXT.length },
    ];
    const byRecords = [0, 4, 8].map((firstRecord) => ({ firstRecord, records: 4 }));
    for (const [input, ranges] of [
      [plain, byBytes],
      [zipped, byRecords],
    ] as const) {
      const { reads, bad, counts } = await readRanges(input, ranges, "quarantine");
      expect(reads).toEqual(GOOD);
      expect(counts).toEqual({ records: 12, quarantined: 4, skipped: 0 });
      expect(bad.map(({ record, byteOffset }) => ({ record, byteOffset }))).toEqual(
        [...BAD.keys()].map(placeOf),
      );
      const skipped = await readRanges(input, ranges, "skip");
      expect(skipped).toEqual({
        reads: GOOD,
        bad: [],
        counts: { records: 12, quarantined: 0, skipped: 4 },
      });
    }
  });

  test("fails without a policy, and by damage of its gzip under any", async () => {
    const input = await identify(write("strict.fq", TEXT));
    const reader = await fastqSource.open({});
    const whole = { begin: 0, end: TEXT.length };
    const error = await failureOf(readShardOf(reader, input, whole));
    expect(error).toMatchObject({ code: "FASTQ_BAD_RECORD", where: { record: 3 } });
    const bytes = gzipSync(TEXT);
    const cut = await identify(write("cut.fq.gz", bytes.subarray(0, bytes.length - 12)));
    const records = { firstRecord: 0, records: 100 };
    const damage = await failureOf(readShardOf(reader, cut, records, 3, "quarantine"));
    expect(damage.code).toBe("GZIP_CORRUPT");
    await reader.close();
  });

  test("is planned with a bad first record; one of another format isn't", async () => {
    const input = await identify(write("first.fq.gz", gzipSync(`@bad\nAC\n+\nI\n${TEXT}`)));
    await expect(planOf(input)).rejects.toThrow("FASTQ_LENGTHS_DIFFER");
    const plan = await fastqSource.plan({ inputs: [input.uri] }, [input], "skip");
    expect(plan.inputs[0]?.kind).toBe("rule");
  });

  test("gives good records as they stand, by their positions", async () => {
    const plain = await identify(write("raw.fq", TEXT));
    const zipped = await identify(write("raw.fq.gz", gzipSync(TEXT)));
    const byBytes = { begin: placeOf(1).byteOffset, end: TEXT.length };
    const byRecords = { firstRecord: 1, records: 20 };
    for (const [input, range] of [
      [plain, byBytes],
      [zipped, byRecords],
    ] as const) {
      const reader = await fastqSource.open({});
      const which = { input, inputIndex: 0, shardIndex: 0, decisions: {}, batchSize: 3 };
      const request = { ...which, range, onBadRecord: "quarantine" as const };
      const raws = (await reader.raw?.(request, [0, 2, 6])) ?? [];
      // Good ones from r1 on: r1, r3, r4, r6, r8, r9, r10.
      expect(raws.map(({ record, byteOffset }) => ({ record, byteOffset }))).toEqual(
        [1, 4, 10].map(placeOf),
      );
      expect(raws.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(
        [1, 4, 10].map((index) => LINES[index]),
      );
      await reader.close();
    }
  });
});

test("reads are picked out of a batch", () => {
  const batch = batchOf(["A", "", "CCC", "GG"]);
  const picked = pickReads(batch, [0, 2, 3]);
  expect(readsOf(picked)).toEqual([
    ["r0", "A"],
    ["r2", "CCC"],
    ["r3", "GG"],
  ]);
  expect(Buffer.from(picked.qualities).toString()).toBe("IIIIII");
  expect(pickReads(batch, [])).toMatchObject({ records: 0, ids: [] });
});
