/** An exclusion's file: made once; what another leader made counts. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { sealOutput } from "../../../head/daemon/output/output.ts";
import { writeExclusion } from "../../../head/daemon/output/exclusions.ts";
import { sha256Hex } from "../../../runtime/ids.ts";
import { folderStorage } from "../../../runtime/storage/folder.ts";
import type { Manifest } from "../../../solver/manifest.ts";

const JOB = "ab".repeat(32);
const EXCLUSION = { number: 1, records: [{ position: 7, reason: "SIGSEGV" }] };

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "lge-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

function effectOf(uri: string, position = 7) {
  const exclusion = { number: 1, records: [{ position, reason: "SIGSEGV" }] };
  return { type: "exclude", jobId: JOB, input: 0, shard: 3, uri, exclusion } as const;
}

test("it stands with what was found; asked for again it is the same", async () => {
  const uri = join(await folder(), "exclusions", "0-3-1");
  const made = await writeExclusion(folderStorage, effectOf(uri));
  const at = { jobId: JOB, input: 0, shard: 3 };
  expect(made).toEqual({ type: "excluded", ...at, exclusion: EXCLUSION, error: null });
  expect(await writeExclusion(folderStorage, effectOf(uri))).toEqual(made);
  expect(JSON.parse(await readFile(uri, "utf8"))).toEqual({ schema: 1, ...EXCLUSION });
});

test("what stands counts, not what a later leader found", async () => {
  const uri = join(await folder(), "0-3-1");
  await writeExclusion(folderStorage, effectOf(uri));
  const other = await writeExclusion(folderStorage, effectOf(uri, 9));
  expect(other).toMatchObject({ exclusion: EXCLUSION, error: null });
});

test("a damaged one is an error, and so is storage that fails", async () => {
  const uri = join(await folder(), "0-3-1");
  await writeFile(uri, "{");
  const damaged = await writeExclusion(folderStorage, effectOf(uri));
  expect(damaged).toMatchObject({ exclusion: null, error: { code: "STORAGE_FAILED" } });
  const beyond = await writeExclusion(folderStorage, effectOf(join(uri, "no", "folder")));
  expect(beyond).toMatchObject({ exclusion: null, error: { where: { uri: expect.anything() } } });
});

test("the seal takes away side files that no shard names, and nobody else's", async () => {
  const uri = await folder();
  const names = [0, 1].map(
    (number) => `quarantine-00000-000000-${JOB.slice(0, 12)}-${number}.jsonl`,
  );
  const foreign = `quarantine-00000-000000-${"c".repeat(12)}-0.jsonl`;
  for (const name of [...names, foreign]) await writeFile(join(uri, name), name);
  const reads = { in: 2, passed: 1, filtered: 0, quarantined: 1, skipped: 0 };
  const [, listed = ""] = names;
  const digest = { bytes: listed.length, sha256: sha256Hex(listed) };
  const part = { crc32c: "0".repeat(8), sha256: "0".repeat(64), bytes: 1, rowGroups: [1] };
  const manifest: Manifest = {
    schema: 1,
    jobId: JOB,
    rows: 1,
    dimensions: 2,
    metric: "l2",
    encoder: { name: "e", sha256: "0".repeat(64), provider: "cpu" },
    inputs: [{ uri: "/in", sample: "in", reads }],
    reads,
    filteredReasons: {},
    shards: [{ file: "part-0.parquet", input: 0, rows: 1, firstRow: 0, ...part }],
    quarantine: [{ file: listed, input: 0, records: 1, ...digest }],
  };
  await sealOutput(uri, manifest, folderStorage);
  const left = (await folderStorage.list(uri)).filter((name) => name.startsWith("quarantine"));
  expect(left).toEqual([listed, foreign].sort());
  const wrong = { ...manifest, quarantine: [] };
  await expect(sealOutput(await folder(), wrong, folderStorage)).rejects.toThrow("quarantined");
});
