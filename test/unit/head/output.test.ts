/** What the head writes beside shards: the claim once and for ever, the manifest, then _SUCCESS. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { claimOutput as claim, sealOutput } from "../../../head/daemon/output/output.ts";
import { sha256Hex } from "../../../runtime/ids.ts";
import type { Manifest } from "../../../solver/manifest.ts";
import { specOf } from "./support.ts";

const JOB = "1".repeat(64);
const OTHER = "2".repeat(64);
const READS = { in: 2, passed: 2, filtered: 0, quarantined: 0, skipped: 0 };
const MANIFEST: Manifest = {
  schema: 1,
  jobId: JOB,
  rows: 2,
  dimensions: 3,
  metric: "l2",
  encoder: { name: "kmer", sha256: "d".repeat(64), provider: "cpu" },
  inputs: [{ uri: "/in/0.fq", sample: "s", reads: READS }],
  reads: READS,
  filteredReasons: {},
  shards: [
    {
      ...{ file: "part-0.parquet", input: 0, rows: 2, firstRow: 0, bytes: 9 },
      ...{ crc32c: "0".repeat(8), sha256: "e".repeat(64), rowGroups: [2] },
    },
  ],
};

/** Claims a folder for a job; what the job is made of is another test's. Names that stand there. */
async function claimOutput(uri: string, jobId: string): Promise<readonly string[]> {
  const spec = { ...specOf("one"), sink: { kind: "parquet" as const, uri } };
  return (await claim({ jobId, spec, earlier: [] })).map(({ name }) => name);
}

async function output(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lgo-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, "embeddings");
}

describe("the claim", () => {
  test("makes the folder, and is the same job's for ever", async () => {
    const uri = await output();
    expect(await claimOutput(uri, JOB)).toEqual([]);
    expect(await claimOutput(uri, JOB)).toEqual(["_job.json"]);
    const said = await readFile(join(uri, "_job.json"), "utf8");
    expect(JSON.parse(said)).toMatchObject({ schema: 1, jobId: JOB });
    await writeFile(join(uri, "part-0.parquet"), "ours");
    expect(await claimOutput(uri, JOB)).toEqual(["_job.json", "part-0.parquet"]);
  });

  test("of a release that wrote the id alone is the job's as well", async () => {
    const uri = await output();
    await mkdir(uri);
    await writeFile(join(uri, "_job.json"), `{"jobId":"${JOB}"}\n`);
    await claimOutput(uri, JOB);
    await expect(claimOutput(uri, OTHER)).rejects.toMatchObject({ code: "OUTPUT_OF_ANOTHER_JOB" });
  });

  test("is refused in a folder of another job", async () => {
    const uri = await output();
    await claimOutput(uri, OTHER);
    await expect(claimOutput(uri, JOB)).rejects.toMatchObject({
      code: "OUTPUT_OF_ANOTHER_JOB",
      where: { uri },
    });
  });

  test("is refused in a folder with files of no job, and leaves none there", async () => {
    const uri = await output();
    await mkdir(uri, { recursive: true });
    await writeFile(join(uri, "holiday.jpg"), "");
    await expect(claimOutput(uri, JOB)).rejects.toMatchObject({ code: "OUTPUT_OF_ANOTHER_JOB" });
    expect(await readdir(uri)).toEqual(["holiday.jpg"]);
  });

  test("doesn't mind hidden files, such as its own state", async () => {
    const uri = await output();
    await mkdir(join(uri, ".ligase"), { recursive: true });
    await claimOutput(uri, JOB);
    expect((await readdir(uri)).sort()).toEqual([".ligase", "_job.json"]);
  });

  test("of two jobs at once is one job's", async () => {
    const uri = await output();
    const tries = await Promise.allSettled([claimOutput(uri, JOB), claimOutput(uri, OTHER)]);
    expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const reason = tries.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    expect(reason).toMatchObject([{ code: "OUTPUT_OF_ANOTHER_JOB" }]);
  });

  test("of a folder that can't be is refused with its path", async () => {
    const uri = await output();
    await writeFile(uri, "a file in the way");
    await expect(claimOutput(uri, JOB)).rejects.toMatchObject({ code: "OUTPUT_UNWRITABLE" });
    const below = join(uri, "deeper");
    await expect(claimOutput(below, JOB)).rejects.toMatchObject({ code: "OUTPUT_UNWRITABLE" });
  });
});

describe("the seal", () => {
  test("writes the manifest and its sha256 as _SUCCESS, the same each time", async () => {
    const uri = await output();
    const sha256 = await sealOutput(uri, MANIFEST);
    expect(sha256).toBe(sha256Hex(await readFile(join(uri, "manifest.json"))));
    expect(await readFile(join(uri, "_SUCCESS"), "utf8")).toBe(`${sha256}\n`);
    expect(await sealOutput(uri, MANIFEST)).toBe(sha256);
  });

  test("goes on where a head was killed between the two", async () => {
    const uri = await output();
    const sha256 = await sealOutput(uri, MANIFEST);
    await rm(join(uri, "_SUCCESS"));
    expect(await sealOutput(uri, MANIFEST)).toBe(sha256);
    expect(await readdir(uri)).toContain("_SUCCESS");
  });

  test("never puts _SUCCESS beside another manifest, nor takes another's _SUCCESS", async () => {
    const uri = await output();
    await mkdir(uri);
    await writeFile(join(uri, "manifest.json"), "{}");
    await expect(sealOutput(uri, MANIFEST)).rejects.toMatchObject({
      code: "OUTPUT_OF_ANOTHER_JOB",
    });
    expect(await readdir(uri)).toEqual(["manifest.json"]);
    await rm(join(uri, "manifest.json"));
    await writeFile(join(uri, "_SUCCESS"), "");
    await expect(sealOutput(uri, MANIFEST)).rejects.toMatchObject({
      code: "OUTPUT_OF_ANOTHER_JOB",
    });
  });

  test("of reads that don't add up writes nothing", async () => {
    const uri = await output();
    const off = { ...MANIFEST, reads: { ...READS, in: 3 } };
    await expect(sealOutput(uri, off)).rejects.toThrow("reads don't add up");
    await expect(readdir(uri)).rejects.toThrow("ENOENT");
  });

  test("sweeps temp files of dead attempts, and nothing else", async () => {
    const uri = await output();
    await mkdir(uri);
    const kept = [".hidden", ".part-1.txt", "part-0.parquet"];
    for (const name of [...kept, ".part-00000-000000-a.parquet.0123456789ab.tmp"]) {
      await writeFile(join(uri, name), "");
    }
    await sealOutput(uri, MANIFEST);
    expect(await readdir(uri)).toEqual([...kept, "_SUCCESS", "manifest.json"].sort());
  });
});
