/**
 * However a file is cut, into shards or into reads from disk, its records are those of one pass.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openInput } from "../../../actors/fastq/input.ts";
import { planRanges } from "../../../actors/fastq/plan.ts";
import { Aside, batchesOf } from "../../../actors/fastq/batch.ts";
import { RecordFault, type RecordReading } from "../../../actors/fastq/reading.ts";
import { fastqSource } from "../../../actors/fastq/source.ts";
import { SystemError } from "../../../runtime/errors.ts";
import {
  identify,
  type Read,
  readingInPieces,
  readsOf,
  readShardOf,
  temporaryFolder,
} from "./support.ts";

const { write } = temporaryFolder();

/** Qualities that look like names and separators as often as they can. */
const quality = fc.string({ unit: fc.constantFrom("@", "+", "A", "!", "~"), maxLength: 12 });
const record = quality.chain((text) =>
  fc.record({
    id: fc.stringMatching(/^[@+A-Za-z0-9]{1,6}$/),
    bases: fc.string({
      unit: fc.constantFrom("A", "C", "g", "N"),
      minLength: text.length,
      maxLength: text.length,
    }),
    quality: fc.constant(text),
    named: fc.boolean(),
  }),
);
const file = fc.record({
  records: fc.array(record, { minLength: 1, maxLength: 30 }),
  newline: fc.constantFrom("\n", "\r\n"),
  tail: fc.constantFrom("", "\n", "\r\n\n"),
  lastEnd: fc.boolean(),
});
type File = typeof file extends fc.Arbitrary<infer T> ? T : never;

function textOf({ records, newline, tail, lastEnd }: File): string {
  const lines = records.map(({ id, bases, quality: q, named }) =>
    [`@${id}`, bases, named ? `+${id}` : "+", q].join(newline),
  );
  return lines.join(newline) + (lastEnd ? newline + tail : "");
}

describe("a plain file in shards", () => {
  test("holds exactly the records of one pass, wherever it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(file, fc.integer({ min: 1, max: 200 }), async (sample, shardBytes) => {
        const expected = sample.records.map(({ id, bases }): Read => [id, bases]);
        const { reads, ranges, size } = await readInShards(textOf(sample), shardBytes);
        expect(reads).toEqual(expected);
        expect(ranges[0]?.begin).toBe(0);
        expect(ranges.at(-1)?.end).toBe(size);
        expect(ranges.slice(1).map(({ begin }) => begin)).toEqual(
          ranges.slice(0, -1).map(({ end }) => end),
        );
      }),
      { numRuns: 100, endOnFailure: true },
    );
  });

  test("is cut at every record when shards are small enough", async () => {
    const text = Array.from({ length: 50 }, (_, i) => `@r${i}\nACGT\n+\n@+@+\n`).join("");
    const { ranges } = await readInShards(text, 8);
    expect(ranges.length).toBe(50);
  });

  test("gives an error's place in the whole file", async () => {
    const good = Array.from({ length: 40 }, (_, i) => `@r${i}\nACGT\n+\n@+@+\n`).join("");
    const text = `${good}@bad\nACGT\n+\n@+\n${good}`;
    const thrown = await readInShards(text, 100).catch((error: unknown) => error);
    if (!(thrown instanceof SystemError)) throw new Error("no error");
    const { byteOffset, record: number } = thrown.where;
    expect(thrown.code).toBe("FASTQ_LENGTHS_DIFFER");
    expect({ byteOffset, number }).toEqual({ byteOffset: good.length, number: 41 });
  });

  test("doesn't hide an empty line between records at a cut", async () => {
    const good = "@r\nACGT\n+\n@+@+\n".repeat(5);
    for (let shardBytes = 1; shardBytes < 2 * good.length; shardBytes++) {
      const outcome = await outcomeOf(() => readInShards(`${good}\n${good}`, shardBytes));
      expect(outcome).toBe("FASTQ_BAD_RECORD");
    }
  });

  test("loses no record of a damaged file without an error", async () => {
    const damage = fc.record({
      at: fc.nat(),
      removed: fc.integer({ min: 0, max: 3 }),
      added: fc.constantFrom("", "", "\n", "@", "+\n", "A"),
    });
    const cut = fc.integer({ min: 1, max: 100 });
    await fc.assert(
      fc.asyncProperty(file, damage, cut, async (sample, { at, removed, added }, shardBytes) => {
        const text = textOf(sample);
        const place = at % text.length;
        const rest = text.slice(0, place) + added + text.slice(place + removed);
        const damaged = `@first\nA\n+\nI\n${rest}`;
        const whole = await outcomeOf(() => readInShards(damaged, damaged.length + 1));
        const parts = await outcomeOf(() => readInShards(damaged, shardBytes));
        if (typeof whole === "string") expect(typeof parts).toBe("string");
        else expect(parts).toEqual(whole);
      }),
      { numRuns: 100, endOnFailure: true },
    );
  });

  test("doesn't hide a lost quality line at a cut", async () => {
    const good = "@r\nACGT\n+\n@+@+\n".repeat(5);
    const text = `${good}@e\n\n+\n${good}`;
    for (let shardBytes = 1; shardBytes < text.length; shardBytes++) {
      expect(typeof (await outcomeOf(() => readInShards(text, shardBytes)))).toBe("string");
    }
  });
});

describe("a stream in pieces", () => {
  test("is parsed the same, errors included, however long the pieces are", async () => {
    const damage = fc.option(
      fc.record({ at: fc.nat(), byte: fc.constantFrom("", "\n", "@", "+", " ", "A") }),
    );
    const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(file, damage, pieces, async (sample, change, sizes) => {
        const text = textOf(sample);
        const at = (change?.at ?? 0) % text.length;
        const bytes = Buffer.from(
          change === null ? text : text.slice(0, at) + change.byte + text.slice(at + 1),
        );
        expect(await parseInPieces(bytes, sizes)).toEqual(
          await parseInPieces(bytes, [bytes.length]),
        );
      }),
      { numRuns: 200, endOnFailure: true },
    );
  });

  test("can be passed over by records", async () => {
    await fc.assert(
      fc.asyncProperty(file, fc.nat({ max: 40 }), async (sample, skip) => {
        const reading = readingInPieces(Buffer.from(textOf(sample)), [7]);
        await reading.skip(skip);
        expect(reading.records).toBe(Math.min(skip, sample.records.length));
        const rest = sample.records.slice(skip).map(({ id, bases }): Read => [id, bases]);
        expect(await allOf(reading)).toEqual(rest);
        expect(await reading.ended()).toBe(true);
      }),
      { numRuns: 100, endOnFailure: true },
    );
  });
});

async function readInShards(text: string, shardBytes: number) {
  const input = await identify(write("split.fq", text));
  const opened = await openInput(input);
  const ranges = await planRanges(opened, input.bytes, shardBytes);
  await opened.close();
  const reader = await fastqSource.open({});
  const reads: Read[] = [];
  for (const { begin, end } of ranges) {
    const part = await readShardOf(reader, input, { begin, end }, 7);
    expect(part.outcome.records).toBe(part.reads.length);
    reads.push(...part.reads);
  }
  await reader.close();
  return { reads, ranges, size: input.bytes };
}

async function outcomeOf(
  work: () => Promise<{ readonly reads: readonly Read[] }>,
): Promise<string | readonly Read[]> {
  try {
    return (await work()).reads;
  } catch (thrown) {
    if (thrown instanceof SystemError) return thrown.code;
    throw thrown;
  }
}

/** All reads from here on, also those before an error. */
async function allOf(reading: RecordReading, reads: Read[] = []): Promise<readonly Read[]> {
  const all = { batchSize: 100, recordsMax: Number.MAX_SAFE_INTEGER, format: "fastq" } as const;
  const batches = batchesOf(reading, all, new Aside(undefined));
  for await (const batch of batches) reads.push(...readsOf(batch));
  return reads;
}

async function parseInPieces(bytes: Buffer, sizes: readonly number[]) {
  const reading = readingInPieces(bytes, sizes);
  try {
    return { reads: await allOf(reading), bytes: reading.offset };
  } catch (thrown) {
    if (!(thrown instanceof RecordFault)) throw thrown;
    const { code, message, offset, index } = thrown;
    return { code, message, offset, index, records: reading.records };
  }
}
