/**
 * What a run says of input that it can't use: one error with code, file and record, exit code 3.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ErrorCode } from "../../runtime/errors.ts";
import { nothingLeft } from "./processes.ts";
import {
  cleanUp,
  errorOf,
  makeInputs,
  namesIn,
  newPlace,
  type Place,
  resultOf,
  run,
} from "./support.ts";

let place: Place;
beforeEach(async () => {
  place = await newPlace();
});
afterEach(() => cleanUp());

const BASES = "ACGTTGCAAC".repeat(30);

/** `count` valid records whose bases differ from each other. */
function records(count: number, bases = BASES): string {
  const record = (i: number) => {
    const own = bases.slice(i % 50) + bases.slice(0, i % 50);
    return `@read_${i}\n${own}\n+\n${"I".repeat(own.length)}\n`;
  };
  return Array.from({ length: count }, (_, i) => record(i)).join("");
}

function damaged(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  const middle = Math.floor(bytes.length / 2);
  for (let i = middle; i < middle + 8; i += 1) changed[i] = (changed[i] ?? 0) ^ 0xff;
  return changed;
}

const simulated = async (): Promise<Buffer> => {
  const [path = ""] = await makeInputs(place, { files: 1, reads: 500 });
  return gzipSync(await readFile(path));
};

interface Case {
  readonly what: string;
  readonly code: ErrorCode;
  readonly content: () => Promise<Buffer> | Buffer | string;
  /** Fields of `where` beside the file. */
  readonly where?: Readonly<Record<string, unknown>>;
}

const CASES: readonly Case[] = [
  { what: "an empty file", code: "INPUT_EMPTY", content: () => "" },
  {
    what: "a last record that is cut off",
    code: "FASTQ_TRUNCATED",
    content: () => records(10).slice(0, -(BASES.length + 3)),
    where: { record: 10 },
  },
  {
    what: "a quality shorter than its sequence",
    code: "FASTQ_LENGTHS_DIFFER",
    content: () => `${records(6)}@bad\n${BASES}\n+\nIII\n${records(3)}`,
    where: { record: 7 },
  },
  { what: "text that is no FASTQ", code: "FASTQ_NOT_FASTQ", content: () => "no reads here\n" },
  {
    what: "a damaged gzip file",
    code: "GZIP_CORRUPT",
    content: async () => damaged(await simulated()),
    where: { record: expect.any(Number) },
  },
  {
    what: "a gzip file that is cut off",
    code: "GZIP_CORRUPT",
    content: async () => (await simulated()).subarray(0, -1_000),
    where: { record: expect.any(Number) },
  },
  {
    what: "reads that are all too short to embed",
    code: "NO_ROWS",
    content: () => records(20, BASES.slice(0, 30)),
  },
];

describe("bad input", () => {
  test.each(CASES)("$what is $code", async ({ code, content, where = {} }) => {
    const path = place.path("reads.fastq");
    await writeFile(path, await content());
    await refused(path, code, { uri: path, ...where });
  });

  test("no such file is INPUT_NOT_FOUND", async () => {
    const path = place.path("nowhere.fastq");
    await refused(path, "INPUT_NOT_FOUND", { uri: path });
  });

  test("a folder is INPUT_UNREADABLE", async () => {
    const path = place.path("reads.fastq");
    await mkdir(path);
    await refused(path, "INPUT_UNREADABLE", { uri: path });
  });

  test("the error is of the file that is bad, and a mended one makes another job", async () => {
    const [good, bad] = [place.path("good.fastq"), place.path("bad.fastq")];
    await writeFile(good, records(40));
    await writeFile(bad, `${records(2)}@bad\n${BASES}\n-\n${BASES}\n`);
    const options = ["--no-solve", "--input", good, bad, "--output", place.path("out")];
    const first = await run(place, options);
    expect(errorOf(first)).toMatchObject({
      code: "FASTQ_BAD_RECORD",
      where: { uri: bad, record: 3 },
    });
    await writeFile(bad, records(3));
    const again = await run(place, options);
    expect([errorOf(again).code, again.code]).toEqual(["OUTPUT_OF_ANOTHER_JOB", 4]);
    const fresh = resultOf(await run(place, [...options, "--fresh"]));
    expect([fresh.reads.passed, fresh.manifest]).toEqual([
      43,
      place.path("out-2", "embeddings", "manifest.json"),
    ]);
  });
});

/** A run on one bad file: one clear error, exit code 3, and nothing that looks like a result. */
async function refused(path: string, code: ErrorCode, where: object): Promise<void> {
  const output = place.path("out");
  const ended = await run(place, ["--no-solve", "--input", path, "--output", output]);
  const error = errorOf(ended);
  expect(error).toMatchObject({ code, where });
  expect(ended.code).toBe(3);
  const said = ended.stderr.split("\n").filter((line) => line.startsWith("ligase: "));
  expect(said).toEqual([expect.stringContaining(`${code}: ${error.what}`)]);
  expect(said[0]).toContain(basename(path));
  expect(ended.stdout.trim().split("\n").length).toBe(1);
  const left = namesIn(join(output, "embeddings")).filter((name) => name !== "_job.json");
  expect(left.filter((name) => !name.endsWith(".parquet"))).toEqual([]);
  if (code !== "NO_ROWS") expect(left).toEqual([]);
  expect(namesIn(join(output, "results"))).toEqual([]);
  await nothingLeft(place);
  expect(namesIn(place.temporary)).toEqual([]);
}
