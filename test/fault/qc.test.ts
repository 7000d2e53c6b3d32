/**
 * Kills while reads are under quality control: side files and reports are those of an undisturbed
 * run, byte for byte, and every read is accounted for.
 */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { sha256Hex, short12 } from "../../runtime/ids.ts";
import { nothingLeft } from "../e2e/processes.ts";
import {
  cleanUp,
  factsNamed,
  manifestOf,
  namesIn,
  newPlace,
  type Place,
  resultOf,
  run,
} from "../e2e/support.ts";
import { frozenRun, makeReads, SHARDS } from "./support.ts";

const QC = ["--qc", "short"];

let shared: Place;
let place: Place;
let inputs: readonly string[];
let undisturbed: string;
let expected: ReadonlyMap<string, string>;

/** Digests of all files of quality control, by name; the job's id in a name says nothing. */
async function filesOf(output: string): Promise<ReadonlyMap<string, string>> {
  const folder = join(output, "embeddings");
  const { jobId } = await manifestOf(output);
  const names = namesIn(folder).filter((name) =>
    /\.(lqc|sig|html|fastp\.json|qc\.json)$/.test(name),
  );
  const files = names.map(async (name) => {
    const digest = sha256Hex(await readFile(join(folder, name)));
    return [name.replace(short12(jobId), "JOB"), digest] as const;
  });
  return new Map(await Promise.all(files));
}

beforeAll(async () => {
  shared = await newPlace();
  inputs = await makeReads(shared);
  undisturbed = shared.path("undisturbed");
  const args = ["--no-solve", ...QC, "--input", ...inputs, "--output", undisturbed];
  resultOf(await run(shared, args));
  expected = await filesOf(undisturbed);
}, 240_000);
beforeEach(async () => {
  place = await newPlace();
});
afterEach(() => cleanUp(shared));
afterAll(() => cleanUp());

/** All files stand as if nothing had happened, each named, and no read is missing. */
async function expectWhole(output: string): Promise<void> {
  expect(await filesOf(output)).toEqual(expected);
  const [manifest, wanted] = [await manifestOf(output), await manifestOf(undisturbed)];
  expect(manifest.reads).toEqual(wanted.reads);
  expect(manifest.filteredReasons).toEqual(wanted.filteredReasons);
  expect(manifest.summaries).toHaveLength(SHARDS);
  const named = [...(manifest.summaries ?? []), ...(manifest.reports ?? [])];
  expect(named).toHaveLength(expected.size);
  for (const { file, bytes, sha256 } of named) {
    const content = await readFile(join(output, "embeddings", file));
    expect([file, content.length, sha256Hex(content)]).toEqual([file, bytes, sha256]);
  }
}

test("killed in the midst of the shards: the next run ends it as if nothing had been", async () => {
  const { started, output, args } = await frozenRun(place, inputs, { committed: 3, more: QC });
  started.child.kill("SIGKILL");
  await nothingLeft(place);
  const before = await factsNamed(output, "shard.committed");
  resultOf(await run(place, args));
  const after = await factsNamed(output, "shard.committed");
  expect(after.slice(0, before.length)).toEqual(before);
  expect(after).toHaveLength(SHARDS);
  await expectWhole(output);
});

test("with its log lost and a side file gone, that shard alone is made again", async () => {
  const { started, output, args } = await frozenRun(place, inputs, { committed: 3, more: QC });
  started.child.kill("SIGKILL");
  await nothingLeft(place);
  await rm(join(output, ".ligase"), { recursive: true });
  const folder = join(output, "embeddings");
  const [side = ""] = namesIn(folder).filter((name) => name.endsWith(".lqc"));
  await rm(join(folder, side));
  resultOf(await run(place, args));
  expect(await factsNamed(output, "shard.committed")).toHaveLength(SHARDS);
  await expectWhole(output);
});
