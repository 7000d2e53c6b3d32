/** FASTQ, strict: what is read, what is refused, and that every refusal says where. */
import { appendFileSync, chmodSync, mkdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { fastqSource } from "../../../actors/fastq/source.ts";
import { BATCH_BYTES_MAX, RECORD_BYTES_MAX } from "../../../runtime/limits.ts";
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
const GOOD = "@a x\nACGT\n+\nIIII\n@b\nGG\n+\n!~\n";
const READS: readonly Read[] = [
  ["a", "ACGT"],
  ["b", "GG"],
];

describe("strict FASTQ reads", () => {
  test.each<[string, string, readonly Read[]]>([
    ["names up to the first blank", GOOD, READS],
    ["names that end at a tab", "@a\tx\nA\n+\nI\n", [["a", "A"]]],
    ["CRLF", GOOD.replaceAll("\n", "\r\n"), READS],
    ["a file without its last line end", GOOD.slice(0, -1), READS],
    ["a CRLF file without its last line end", GOOD.replaceAll("\n", "\r\n").slice(0, -2), READS],
    ["a CRLF file cut within its last line end", GOOD.replaceAll("\n", "\r\n").slice(0, -1), READS],
    ["empty lines at the end", `${GOOD}\n\r\n\n`, READS],
    ["a read without bases", `@e\n\n+\n\n${GOOD}`, [["e", ""], ...READS]],
    ["a read without bases at the end", `${GOOD}@e\n\n+\n`, [...READS, ["e", ""]]],
    ["the name after +", GOOD.replace("+\nIIII", "+a x\nIIII"), READS],
    ["the name after + in CRLF", "@a x\r\nA\r\n+a x\r\nI\r\n", [["a", "A"]]],
    [
      "qualities that look like records",
      "@a\nACG\n+\n@+@\n@b\nAC\n+\n+@\n",
      [
        ["a", "ACG"],
        ["b", "AC"],
      ],
    ],
    [
      "IUPAC, lower case and U as they are",
      "@a\nacgtnRYKMSWBDHVu.-*\n+\n" + "I".repeat(19) + "\n",
      [["a", "acgtnRYKMSWBDHVu.-*"]],
    ],
    ["names that aren't ASCII", "@Rückwärts→ x\nA\n+\nI\n", [["Rückwärts→", "A"]]],
  ])("%s", async (name, text, expected) => {
    const path = write(`valid-${name.replaceAll(/\W/g, "")}.fq`, text);
    expect(await readAll(path)).toEqual(expected);
    expect(await readAll(path, 1)).toEqual(expected);
  });
});

describe("strict FASTQ refuses", () => {
  const where = (byteOffset: number, record: number) => ({ byteOffset, record });
  test.each<[string, string, string, object]>([
    ["a last record cut in its name", `${GOOD}@c`, "FASTQ_TRUNCATED", where(28, 3)],
    ["a last record cut in its sequence", `${GOOD}@c\nAC`, "FASTQ_TRUNCATED", where(28, 3)],
    ["a last record cut after its sequence", `${GOOD}@c\nAC\n`, "FASTQ_TRUNCATED", where(28, 3)],
    ["a last record cut at its +", `${GOOD}@c\nAC\n+`, "FASTQ_TRUNCATED", where(28, 3)],
    ["a last record cut before its quality", `${GOOD}@c\nAC\n+\n`, "FASTQ_TRUNCATED", where(28, 3)],
    ["a last record cut in its quality", `${GOOD}@c\nAC\n+\nI`, "FASTQ_TRUNCATED", where(28, 3)],
    [
      "a quality that is too short",
      `${GOOD}@c\nACG\n+\nII\n`,
      "FASTQ_LENGTHS_DIFFER",
      where(28, 3),
    ],
    [
      "a quality that is too long",
      `${GOOD}@c\nAC\n+\nIII\n@d\nA\n+\nI\n`,
      "FASTQ_LENGTHS_DIFFER",
      where(28, 3),
    ],
    [
      "a short quality before more",
      `@c\nACGTACGT\n+\nII\n${GOOD}`,
      "FASTQ_LENGTHS_DIFFER",
      where(0, 1),
    ],
    ["another name after +", `${GOOD}@c\nA\n+d\nI\n`, "FASTQ_BAD_RECORD", where(33, 3)],
    ["a record that doesn't begin with @", `${GOOD}c\nA\n+\nI\n`, "FASTQ_BAD_RECORD", where(28, 3)],
    ["an empty line between records", `@c\nA\n+\nI\n\n${GOOD}`, "FASTQ_BAD_RECORD", where(9, 2)],
    ["a blank in a sequence", `${GOOD}@c\nA C\n+\nIII\n`, "FASTQ_BAD_RECORD", where(32, 3)],
    ["a digit in a sequence", `${GOOD}@c\nA1C\n+\nIII\n`, "FASTQ_BAD_RECORD", where(32, 3)],
    ["a blank in a quality", `${GOOD}@c\nACG\n+\nI I\n`, "FASTQ_BAD_RECORD", where(38, 3)],
    ["a DEL in a quality", `${GOOD}@c\nACG\n+\nII\x7f\n`, "FASTQ_BAD_RECORD", where(39, 3)],
    ["a byte over 127 in a quality", `${GOOD}@c\nAC\n+\nÄ\n`, "FASTQ_BAD_RECORD", where(36, 3)],
  ])("%s", async (name, text, code, place) => {
    const path = write(`bad-${name.replaceAll(/\W/g, "")}.fq`, text);
    const error = await failureOf(readAll(path));
    expect({ code: error.code, where: error.where }).toEqual({
      code,
      where: { uri: path, ...place },
    });
    expect(error.exit).toBe(3);
  });

  test("a record over its bound, without holding it whole", async () => {
    const long = Buffer.alloc(RECORD_BYTES_MAX + 2_000_000, "A");
    const path = write("long.fq", Buffer.concat([Buffer.from(`${GOOD}@long\n`), long]));
    const error = await failureOf(readAll(path));
    expect({ code: error.code, where: error.where }).toEqual({
      code: "FASTQ_LINE_TOO_LONG",
      where: { uri: path, byteOffset: 28, record: 3 },
    });
  });
});

test("a tail of line ends over that bound is refused, not collected", async () => {
  const tail = Buffer.alloc(RECORD_BYTES_MAX + 2_000_000, "\n");
  const path = write("tail.fq", Buffer.concat([Buffer.from(GOOD), tail]));
  const { code, where } = await failureOf(readAll(path));
  expect([code, where.record]).toEqual(["FASTQ_BAD_RECORD", 3]);
});

test("a whole record over its bound is refused too", async () => {
  const half = "A".repeat(RECORD_BYTES_MAX / 2);
  const path = write("whole.fq", `${GOOD}@r\n${half}\n+\n${half}\n`);
  const { code, where } = await failureOf(readAll(path));
  expect({ code, where }).toEqual({
    code: "FASTQ_LINE_TOO_LONG",
    where: { uri: path, byteOffset: 28, record: 3 },
  });
});

describe("a plan refuses", () => {
  test.each<[string, string | Buffer, string]>([
    ["an empty file", "", "INPUT_EMPTY"],
    ["a file of line ends", "\n\r\n\n", "INPUT_EMPTY"],
    ["a byte order mark alone", "\uFEFF", "INPUT_EMPTY"],
    ["damaged Zstandard", Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3]), "ZSTD_CORRUPT"],
    ["SAM", "@HD\tVN:1.6\n@SQ\tSN:a\n", "FASTQ_NOT_FASTQ"],
    ["bzip2", "BZh91AY&SY", "FASTQ_NOT_FASTQ"],
    ["BAM", gzipSync("BAM\u0001...."), "FASTQ_NOT_FASTQ"],
    ["gzip within gzip", gzipSync(gzipSync(GOOD)), "FASTQ_NOT_FASTQ"],
    ["UTF-16", Buffer.from(`\uFEFF${GOOD}`, "utf16le"), "FASTQ_NOT_FASTQ"],
    ["a line end before the first record", `\n${GOOD}`, "FASTQ_NOT_FASTQ"],
  ])("%s", async (name, data, code) => {
    const input = await identify(write(`plan-${name.replaceAll(/\W/g, "")}.fq`, data));
    expect((await failureOf(planOf(input))).code).toBe(code);
  });
});

describe("an input's identity", () => {
  test("is its size and time, and its sample the stem of its name", async () => {
    const path = write("My sample.1.FASTQ.gz", GOOD);
    utimesSync(path, 1_700_000_000, 1_700_000_000);
    expect(await identify(path)).toEqual({
      uri: path,
      sample: "My sample.1",
      etag: "28-1700000000000000000",
      bytes: 28,
    });
  });

  test.each([
    ["that isn't there", join(folder, "none.fq"), "INPUT_NOT_FOUND"],
    ["under a file", join(folder, "x.fq", "none.fq"), "INPUT_NOT_FOUND"],
    ["that is a folder", folder, "INPUT_UNREADABLE"],
    ["that is a device", "/dev/null", "INPUT_UNREADABLE"],
    ["by a relative path", "x.fq", "USAGE"],
  ])("is refused for one %s", async (_, path, code) => {
    write("x.fq", GOOD);
    const error = await failureOf(identify(path));
    expect({ code: error.code, uri: error.where.uri }).toEqual({ code, uri: path });
  });

  test.skipIf(process.getuid?.() === 0)("is refused without permission to read", async () => {
    const path = write("secret.fq", GOOD);
    chmodSync(path, 0o000);
    expect((await failureOf(identify(path))).code).toBe("INPUT_UNREADABLE");
  });

  test("is refused without inputs", async () => {
    expect((await failureOf(fastqSource.identify({ inputs: [] }))).code).toBe("USAGE");
  });
});

describe("a changed input", () => {
  test.each(["changed.fq", "changed.fq.gz"])("isn't read: %s", async (name) => {
    const path = write(name, name.endsWith("gz") ? gzipSync(GOOD) : GOOD);
    const input = await identify(path);
    const plan = await planOf(input);
    const range = plan.kind === "ranges" ? plan.ranges[0] : { firstRecord: 0, records: 9 };
    appendFileSync(path, GOOD);
    const reader = await fastqSource.open({});
    const error = await failureOf(readShardOf(reader, input, range ?? {}));
    await reader.close();
    expect({ code: error.code, uri: error.where.uri }).toEqual({
      code: "INPUT_CHANGED",
      uri: path,
    });
  });

  test.each(["plain.fq", "zipped.fq.gz"])(
    "is told even when it changes between two batches: %s",
    async (name) => {
      const path = write(name, name.endsWith("gz") ? gzipSync(GOOD) : GOOD);
      const input = await identify(path);
      const reader = await fastqSource.open({});
      const byBytes = { begin: 0, end: input.bytes };
      const range = name.endsWith("gz") ? { firstRecord: 0, records: 5 } : byBytes;
      const request = { input, inputIndex: 0, shardIndex: 0, decisions: {}, batchSize: 1, range };
      const batches = reader.read(request);
      expect((await batches.next()).done).toBe(false);
      utimesSync(path, 1, 1);
      expect((await batches.next()).done).toBe(false);
      expect((await failureOf(batches.next())).code).toBe("INPUT_CHANGED");
      await reader.close();
    },
  );

  test("is planned as what it was identified as", async () => {
    mkdirSync(join(folder, "sub"), { recursive: true });
    const path = write("sub/plan-changed.fq", GOOD);
    const input = await identify(path);
    appendFileSync(path, GOOD);
    expect((await failureOf(planOf(input))).code).toBe("INPUT_CHANGED");
  });
});

describe("batches", () => {
  test("hold batchSize records, the last one the rest", async () => {
    const reads = Array.from({ length: 10 }, (_, i): Read => [`r${i}`, "ACGT".slice(0, i % 5)]);
    const input = await identify(write("batches.fq", fastq(reads)));
    const reader = await fastqSource.open({});
    const range = { begin: 0, end: input.bytes };
    const { batches, outcome } = await readShardOf(reader, input, range, 4);
    expect(batches).toEqual([4, 4, 2]);
    expect(outcome).toEqual({ records: 10, quarantined: 0, skipped: 0 });
  });

  test("end early at their bound of bytes, so that long reads don't fill memory", async () => {
    const bases = "ACGTACGT".repeat(BATCH_BYTES_MAX / 16);
    const reads = Array.from({ length: 5 }, (_, i): Read => [`r${i}`, bases]);
    const input = await identify(write("long-reads.fq", fastq(reads)));
    const reader = await fastqSource.open({});
    const range = { begin: 0, end: input.bytes };
    const { batches } = await readShardOf(reader, input, range, 1000);
    expect(batches).toEqual([2, 2, 1]);
  });
});
