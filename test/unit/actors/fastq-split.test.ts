/**
 * However a file is cut, into shards or into reads from disk, its records are those of one pass.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BatchBuilder } from "../../../actors/fastq/batch.ts";
import { openInput } from "../../../actors/fastq/input.ts";
import { planRanges } from "../../../actors/fastq/plain.ts";
import { RecordFault } from "../../../actors/fastq/record.ts";
import { fastqSource } from "../../../actors/fastq/source.ts";
import { RecordWindow } from "../../../actors/fastq/window.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { identify, type Read, readsOf, readShardOf, temporaryFolder } from "./support.ts";

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
        const window = windowOf(Buffer.from(textOf(sample)), [7]);
        const skipped = await window.skip(skip);
        expect(skipped).toBe(Math.min(skip, sample.records.length));
        const builder = new BatchBuilder(100);
        await window.read(builder, 100);
        const rest = sample.records.slice(skip).map(({ id, bases }): Read => [id, bases]);
        expect(readsOf(builder.take())).toEqual(rest);
        expect(await window.ended()).toBe(true);
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

function windowOf(bytes: Buffer, sizes: readonly number[]): RecordWindow {
  let position = 0;
  let call = 0;
  return new RecordWindow(
    async (into) => {
      const wanted = Math.min(into.length, sizes[call++ % sizes.length] ?? 1);
      const read = bytes.copy(into, 0, position, Math.min(bytes.length, position + wanted));
      position += read;
      return read;
    },
    true,
    64,
  );
}

async function parseInPieces(bytes: Buffer, sizes: readonly number[]) {
  const window = windowOf(bytes, sizes);
  const builder = new BatchBuilder(1_000);
  try {
    await window.read(builder, 1_000);
    return { reads: readsOf(builder.take()), bytes: window.bytes };
  } catch (thrown) {
    if (!(thrown instanceof RecordFault)) throw thrown;
    const { code, message, offset } = thrown;
    return { reads: readsOf(builder.take()), code, message, offset, records: window.records };
  }
}
