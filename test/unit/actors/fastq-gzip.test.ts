/** Gzip'd FASTQ: one stream, any number of members, read once, and never silently cut. */
import { readdirSync, readlinkSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { planRecords } from "../../../actors/fastq/plan.ts";
import { fastqSource } from "../../../actors/fastq/source.ts";
import { INPUT_CURSORS_MAX } from "../../../runtime/limits.ts";
import {
  failureOf,
  fastq,
  identify,
  planOf,
  type Read,
  readAll,
  readShardOf,
  temporaryFolder,
} from "./support.ts";

const { folder, write } = temporaryFolder();
const READS = Array.from({ length: 3_000 }, (_, i): Read => [`r${i}`, sequence(i)]);
const TEXT = Buffer.from(fastq(READS));

/** Bases that don't compress to nothing. */
function sequence(seed: number): string {
  let state = seed + 1;
  return Array.from({ length: 100 + (seed % 50) }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return "ACGT"[state >>> 30];
  }).join("");
}

/** The text as `members` gzip members, cut anywhere. */
function members(count: number, text = TEXT): Buffer {
  const size = Math.ceil(text.length / count);
  const parts = Array.from({ length: count }, (_, i) => text.subarray(i * size, (i + 1) * size));
  return Buffer.concat(parts.map((part) => gzipSync(part)));
}

describe("gzip is read", () => {
  test.each([
    ["one member", members(1)],
    ["three members, cut within records", members(3)],
    ["many small members, as BGZF has them", members(200)],
    ["an empty member at the end, as BGZF has it", Buffer.concat([members(2), gzipSync("")])],
    ["padding with zeros", Buffer.concat([members(2), Buffer.alloc(512)])],
    ["an empty member at the front", Buffer.concat([gzipSync(""), members(1)])],
  ])("as %s, whatever its name", async (name, data) => {
    const path = write(`${name.replaceAll(/\W/g, "")}.fq`, data);
    expect(await readAll(path)).toEqual(READS);
  });

  test("by numbers of records that add up to the file's end", async () => {
    const input = await identify(write("shards.fq.gz", members(2)));
    const reader = await fastqSource.open({});
    const parts = [];
    for (let first = 0; first <= 4_000; first += 1_000) {
      parts.push(await readShardOf(reader, input, { firstRecord: first, records: 1_000 }, 300));
    }
    await reader.close();
    expect(parts.flatMap((part) => part.reads)).toEqual(READS);
    expect(parts.map((part) => part.batches)).toEqual([
      ...Array.from({ length: 3 }, () => [300, 300, 300, 100]),
      [],
      [],
    ]);
    expect(parts.map(({ outcome }) => [outcome.records, outcome.endOfInput])).toEqual([
      [1_000, undefined],
      [1_000, undefined],
      [1_000, 3_000],
      [0, 3_000],
      [0, 3_000],
    ]);
  });

  test("in any order of shards, by one reader or by new ones", async () => {
    const input = await identify(write("order.fq.gz", members(2)));
    const shared = await fastqSource.open({});
    for (const shard of [3, 0, 5, 5, 1, 2, 4]) {
      const range = { firstRecord: shard * 500, records: 500 };
      const fresh = await fastqSource.open({});
      const parts = [
        await readShardOf(shared, input, range),
        await readShardOf(fresh, input, range),
      ];
      await fresh.close();
      const expected = READS.slice(shard * 500, (shard + 1) * 500);
      expect(parts.map((part) => part.reads)).toEqual([expected, expected]);
    }
    await shared.close();
  });

  test("after a consumer left a shard in the middle", async () => {
    const input = await identify(write("left.fq.gz", members(1)));
    const reader = await fastqSource.open({});
    const range = { firstRecord: 0, records: 1_000 };
    const request = { input, inputIndex: 0, shardIndex: 0, decisions: {}, batchSize: 10, range };
    const batches = reader.read(request);
    await batches.next();
    await batches.return({ records: 0, quarantined: 0, skipped: 0 });
    const again = await readShardOf(reader, input, range);
    await reader.close();
    expect(again.reads).toEqual(READS.slice(0, 1_000));
  });

  test("after an error, from its beginning again", async () => {
    const broken = `${fastq(READS)}@x\nACG\n+\nI\n${fastq(READS)}`;
    const input = await identify(write("again.fq.gz", gzipSync(broken)));
    const reader = await fastqSource.open({});
    const first = readShardOf(reader, input, { firstRecord: 2_900, records: 200 });
    expect((await failureOf(first)).where.record).toBe(3_001);
    const later = await readShardOf(reader, input, { firstRecord: 5_000, records: 100 });
    await reader.close();
    expect(later.reads).toEqual(READS.slice(1_999, 2_099));
  });

  test("from more inputs in turn than a reader keeps open", async () => {
    const names = Array.from({ length: INPUT_CURSORS_MAX + 3 }, (_, i) => `many${i}.gz`);
    const inputs = await Promise.all(names.map((name) => identify(write(name, members(1)))));
    const reader = await fastqSource.open({});
    for (const first of [0, 1_500]) {
      for (const input of inputs) {
        const part = await readShardOf(reader, input, { firstRecord: first, records: 1_500 });
        expect(part.reads).toEqual(READS.slice(first, first + 1_500));
      }
      expect(openFiles(folder)).toBe(INPUT_CURSORS_MAX);
    }
    await reader.close();
    expect(openFiles(folder)).toBe(0);
  });

  test("with a plan from the mean size of its first records", async () => {
    const input = await identify(write("plan.fq.gz", members(3)));
    const mean = Buffer.byteLength(fastq(READS.slice(0, 1_000))) / 1_000;
    expect(await planRecords(input, {}, 1_000_000)).toBe(Math.round(1_000_000 / mean));
    expect((await planOf(input)).kind).toBe("rule");
  });
});

describe("gzip is refused", () => {
  const whole = members(1);
  const flipped = (at: number): Buffer => {
    const data = Buffer.from(whole);
    data[at] = (data[at] ?? 0) ^ 0x10;
    return data;
  };
  const second = Buffer.from(whole);
  second[0] = 0;
  test.each([
    ["cut in its middle", whole.subarray(0, whole.length >> 1)],
    ["cut in its checksum", whole.subarray(0, whole.length - 5)],
    ["cut in its header", whole.subarray(0, 5)],
    ["cut in a later member", members(3).subarray(0, -100)],
    ["damaged in its middle", flipped(whole.length >> 1)],
    ["damaged in its checksum", flipped(whole.length - 6)],
    ["damaged in its length", flipped(whole.length - 2)],
    ["followed by a member whose first byte is damaged", Buffer.concat([whole, second])],
    ["followed by text", Buffer.concat([whole, TEXT.subarray(0, 500)])],
  ])("when %s", async (name, data) => {
    const path = write(`${name.replaceAll(/\W/g, "")}.gz`, data);
    const error = await failureOf(readAll(path));
    expect({ code: error.code, uri: error.where.uri }).toEqual({ code: "GZIP_CORRUPT", uri: path });
    expect(error.where.record).toBeGreaterThanOrEqual(1);
    expect(error.where.record).toBeLessThanOrEqual(READS.length + 1);
  });

  test("when cut, by the record it got to", async () => {
    // Stored, not compressed: what was read before the cut is known.
    const stored = gzipSync(TEXT, { level: 0 }).subarray(0, 200_000);
    const error = await failureOf(readAll(write("stored.gz", stored)));
    const before = TEXT.subarray(0, 200_000).toString("latin1").split("\n@").length;
    expect(error.code).toBe("GZIP_CORRUPT");
    expect(Math.abs((error.where.record ?? 0) - before)).toBeLessThanOrEqual(1_000);
  });

  test.each([
    [
      "a broken record in it, by its number in the file",
      `${fastq(READS)}@x\nACG\n+\nI\n`,
      "FASTQ_LENGTHS_DIFFER",
      { record: 3_001, byteOffset: TEXT.length },
    ],
    [
      "its last record is cut",
      `${fastq(READS)}@x\nAC`,
      "FASTQ_TRUNCATED",
      { record: 3_001, byteOffset: TEXT.length },
    ],
    ["it holds something else", "x\nACGT\n", "FASTQ_NOT_FASTQ", { record: 1, byteOffset: 0 }],
    ["it holds nothing", "", "INPUT_EMPTY", {}],
    ["it holds line ends alone", "\n\n", "INPUT_EMPTY", {}],
  ])("when there is %s", async (name, text, code, place) => {
    const path = write(`${name.replaceAll(/\W/g, "")}.gz`, gzipSync(text));
    const error = await failureOf(readAll(path));
    expect({ code: error.code, where: error.where }).toEqual({
      code,
      where: { uri: path, ...place },
    });
  });
});

/** Files below a folder that this process holds open. */
function openFiles(folder: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(folder);
    } catch {
      return false;
    }
  }).length;
}
