/** `ligase run` over reads that break the format: put aside or passed over, counted everywhere. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseManifest } from "../../solver/manifest.ts";
import { cleanUp, errorOf, newPlace, type Place, resultOf, run, start } from "./support.ts";

let place: Place;
let input: string;
const BROKEN = "@broken\nACGTNNN\n+\nIIII\n";
/** Reads before the broken one, and after it. */
const [BEFORE, AFTER] = [700, 900];

beforeAll(async () => {
  place = await newPlace();
  input = place.path("reads.fq");
  const read = (_: unknown, i: number) => `@r${i}\n${"ACGTTGCA".repeat(8)}\n+\n${"I".repeat(64)}\n`;
  const [before, after] = [BEFORE, AFTER].map((length) => Array.from({ length }, read).join(""));
  await writeFile(input, `${before}${BROKEN}${after}`);
});
afterAll(() => cleanUp());

test("a broken read is put aside and the run goes on; without a policy it ends it", async () => {
  const output = place.path("out");
  const args = ["--no-solve", "--input", input, "--output"];
  const ended = await run(place, [...args, output, "--on-bad-record", "quarantine"]);
  const result = resultOf(ended);
  const reads = { in: BEFORE + AFTER + 1, passed: BEFORE + AFTER, filtered: 0 };
  expect(result.reads).toEqual({ ...reads, quarantined: 1, skipped: 0 });
  const manifest = parseManifest(await readFile(result.manifest));
  const [side] = manifest.quarantine ?? [];
  expect(result.quarantine).toEqual([join(output, "embeddings", side?.file ?? "")]);
  const row = JSON.parse(await readFile(result.quarantine[0] ?? "", "utf8")) as unknown;
  expect(row).toMatchObject({
    record: BEFORE + 1,
    code: "FASTQ_LENGTHS_DIFFER",
    text: BROKEN,
    bytes: BROKEN.length,
  });
  // The side file is part of the set: it is checked with it, and made again where it is gone.
  const path = join(output, "embeddings", side?.file ?? "");
  const bytes = await readFile(path);
  await rm(path);
  const verified = await start(place, ["job", "verify", "--json", output]).ended;
  expect([verified.code, JSON.parse(verified.stdout)]).toMatchObject([
    5,
    { damaged: [{ file: side?.file, what: "missing" }] },
  ]);
  resultOf(await run(place, [...args, output, "--on-bad-record", "quarantine"]));
  expect(await readFile(path)).toEqual(bytes);
  const strict = errorOf(await run(place, [...args, place.path("strict")]));
  expect(strict).toMatchObject({ code: "FASTQ_LENGTHS_DIFFER", where: { record: BEFORE + 1 } });
}, 90_000);
