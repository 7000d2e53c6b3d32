/** How text may be stored, and what of it is said aloud: the records are always the same. */
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  failureOf,
  fastq,
  identify,
  type Read,
  readAll,
  temporaryFolder,
} from "../actors/support.ts";
import { bgzfOf } from "./bgzf.ts";
import { inShards, warningsOf } from "./shards.ts";

const { write } = temporaryFolder();
const MARK = "\uFEFF";

/** Reads of random bases, so that nothing deflates to nothing. */
function readsOf(count: number, length = 60): readonly Read[] {
  let state = 7;
  const next = (): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0);
  return Array.from({ length: count }, (_, i): Read => {
    const bases = Array.from({ length }, () => "ACGT"[next() >>> 30]).join("");
    return [`r${i}`, bases];
  });
}

describe("a BGZF file", () => {
  const READS = readsOf(3_000);
  const TEXT = Buffer.from(fastq(READS));

  test("is read in ranges of blocks, each by itself", async () => {
    const input = await identify(write("many.fq.bgz", bgzfOf(TEXT, 4_000)));
    const { plan, reads, outcomes } = await inShards(input, 40_000);
    expect(plan.kind === "ranges" && plan.ranges.length).toBeGreaterThan(3);
    expect(reads).toEqual(READS);
    expect(warningsOf(outcomes)).toEqual({});
  });

  test("gives the records of one pass, however its blocks and its shards are cut", async () => {
    const line = fc.constantFrom("@", "+", "A", "!", "~");
    const record = fc
      .array(line, { maxLength: 40 })
      .map((quality) => [quality.map(() => "C").join(""), quality.join("")] as const);
    const sample = fc.record({
      records: fc.array(record, { minLength: 60, maxLength: 120 }),
      dos: fc.boolean(),
      blockBytes: fc.integer({ min: 5, max: 900 }),
      shardBytes: fc.integer({ min: 300, max: 3_000 }),
    });
    await fc.assert(
      fc.asyncProperty(sample, async ({ records, dos, blockBytes, shardBytes }) => {
        const end = dos ? "\r\n" : "\n";
        const texts = records.map(([bases, quality], i) =>
          [`@r${i}`, bases, "+", quality, ""].join(end),
        );
        const input = await identify(
          write("split.bgz", bgzfOf(Buffer.from(texts.join("")), blockBytes)),
        );
        const { reads } = await inShards(input, shardBytes);
        expect(reads).toEqual(records.map(([bases], i) => [`r${i}`, bases]));
      }),
      { numRuns: 25, endOnFailure: true },
    );
  });

  test("says an error's place in its text, from any range", async () => {
    const bad = `${TEXT.toString()}@bad\nACGT\n+\nIII\n${TEXT.toString()}`;
    const input = await identify(write("bad.bgz", bgzfOf(Buffer.from(bad), 4_000)));
    const error = await failureOf(inShards(input, 40_000));
    expect({ code: error.code, where: error.where }).toEqual({
      code: "FASTQ_LENGTHS_DIFFER",
      where: { uri: input.uri, record: 3_001, byteOffset: TEXT.length },
    });
  });

  test("without its end block is read, and that is said once", async () => {
    const whole = bgzfOf(TEXT, 4_000);
    const input = await identify(write("endless.bgz", whole.subarray(0, whole.length - 28)));
    const { reads, outcomes } = await inShards(input, 40_000);
    expect(reads).toEqual(READS);
    expect(warningsOf(outcomes)).toEqual({ endBlocksMissing: 1 });
  });

  test("that goes on with other gzip members is read as well", async () => {
    const half = TEXT.length >> 1;
    const mixed = [bgzfOf(TEXT.subarray(0, half), 4_000), gzipSync(TEXT.subarray(half))];
    const input = await identify(write("mixed.bgz", Buffer.concat(mixed)));
    expect((await inShards(input, 40_000)).reads).toEqual(READS);
  });

  test.each([1, 29, 40, 1_000, 4_500, 60_000])(
    "is refused when its last %i bytes are missing, unless a block ends there",
    async (bytes) => {
      const whole = bgzfOf(TEXT, 4_000);
      const input = await identify(write("cut.bgz", whole.subarray(0, whole.length - bytes)));
      const error = await failureOf(inShards(input, 40_000));
      expect(error.code).toBe("GZIP_CORRUPT");
    },
  );

  test("isn't cut where bytes in a block look like blocks", async () => {
    // Names may hold any bytes: those of a whole BGZF file, stored as they are.
    const inner = bgzfOf(Buffer.from("x".repeat(50_000)), 300).toString("latin1");
    const name = inner.replaceAll(/[\n\r]/g, "-");
    const text = Buffer.concat(
      readsOf(60).map(([id, bases]) =>
        Buffer.from(`@${id} ${name}\n${bases}\n+\n${"I".repeat(bases.length)}\n`, "latin1"),
      ),
    );
    const input = await identify(write("nested.bgz", bgzfOf(text, 50_000, 0)));
    const { reads } = await inShards(input, 70_000);
    expect(reads).toEqual(readsOf(60));
  });
});

describe("a Zstandard file", () => {
  const READS = readsOf(2_000);
  const TEXT = Buffer.from(fastq(READS));
  const SKIPPABLE = Buffer.from([0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  const half = TEXT.length >> 1;
  const frames = [zstdCompressSync(TEXT.subarray(0, half)), zstdCompressSync(TEXT.subarray(half))];

  test.each([
    ["one frame", zstdCompressSync(TEXT)],
    ["several frames", Buffer.concat(frames)],
    ["skippable frames between them", Buffer.concat([SKIPPABLE, ...frames, SKIPPABLE])],
  ])("of %s is read, also in shards", async (name, data) => {
    const input = await identify(write(`${name.replaceAll(/\W/g, "")}.zst`, data));
    expect((await inShards(input, 30_000)).reads).toEqual(READS);
  });

  test.each([
    ["cut", frames[0]?.subarray(0, -9) ?? Buffer.alloc(0)],
    ["cut between a frame's begin and its end", Buffer.concat(frames).subarray(0, -100)],
    ["cut in a skippable frame", Buffer.concat([...frames, SKIPPABLE.subarray(0, 9)])],
    ["followed by text", Buffer.concat([...frames, Buffer.from("text")])],
    ["damaged", Buffer.concat([frames[0] ?? Buffer.alloc(0), Buffer.alloc(2_000, 0xff)])],
  ])("that is %s is refused", async (name, data) => {
    const input = await identify(write(`bad${name.replaceAll(/\W/g, "")}.zst`, data));
    const error = await failureOf(inShards(input, 30_000));
    expect(error.code).toBe("ZSTD_CORRUPT");
    expect(error.where.record).toBeGreaterThanOrEqual(1);
  });
});

describe("what isn't wrong enough to refuse is counted once", () => {
  const READS = readsOf(300);
  const TEXT = fastq(READS);
  test.each<[string, string | Buffer, Record<string, number>]>([
    ["a byte order mark", `${MARK}${TEXT}`, { byteOrderMarks: 1 }],
    ["one in gzip", gzipSync(`${MARK}${TEXT}`), { byteOrderMarks: 1 }],
    ["one in BGZF", bgzfOf(Buffer.from(`${MARK}${TEXT}`), 2_000), { byteOrderMarks: 1 }],
    [
      "zero bytes behind gzip",
      Buffer.concat([gzipSync(TEXT), Buffer.alloc(9)]),
      { trailingZeros: 1 },
    ],
    ["a file without any of it", TEXT, {}],
  ])("%s", async (name, data, warnings) => {
    const input = await identify(write(`warn${name.replaceAll(/\W/g, "")}.fq`, data));
    const found = await inShards(input, 5_000);
    expect(found.reads).toEqual(READS);
    expect(found.outcomes.length).toBeGreaterThan(3);
    expect(warningsOf(found.outcomes)).toEqual(warnings);
  });

  test("an error behind a byte order mark is placed in the file as it is", async () => {
    const path = write("mark-bad.fq", `${MARK}@a\nA\n+\nI\n@b\nAC\n+\nI\n`);
    const error = await failureOf(readAll(path));
    expect(error.where).toEqual({ uri: path, record: 2, byteOffset: 12 });
  });

  test("ids that a shard has more than once", async () => {
    const twice = [...READS, ...READS.slice(0, 5), ...READS.slice(0, 2)];
    const input = await identify(write("twice.fq", fastq(twice)));
    const { outcomes } = await inShards(input, 2 ** 20);
    expect(outcomes.map(({ warnings }) => warnings)).toEqual([{ duplicateIds: 7 }]);
  });
});
