/** The project's own sample from FASTQ to NetCDF, once, and all that a finished run promises. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encoderOf } from "../../actors/index.ts";
import { crc32c } from "../../runtime/storage/crc32c.ts";
import { sha256Hex } from "../../runtime/ids.ts";
import { nothingLeft, type Part, partsOf, processesOf } from "./processes.ts";
import { check } from "./python.ts";
import {
  cleanUp,
  type Ended,
  factsOf,
  manifestOf,
  namesIn,
  newPlace,
  patience,
  type Place,
  resultOf,
  ROOT,
  startRun,
} from "./support.ts";

const READS = 20_000;
const MINUTES = 60_000;
/** The parts of an embedded cluster with a private Slurm. */
const ALL: readonly Part[] = ["supervisor", "nats", "head", "agent", "executor", "slurmctld"];

let place: Place;
let output: string;
let first: Ended;
/** Parts that were seen, and folders in those of the run for its sockets. */
let seen: ReadonlySet<string>;

beforeAll(async () => {
  place = await newPlace();
  output = place.path("ligase-runs", "sample");
  [first, seen] = await watched(() => [...runningParts(), ...runtimeFolders()]);
}, 5 * MINUTES);
afterAll(() => cleanUp());

/** A run as `npm start` makes it, typed in the place's folder, and what was seen meanwhile. */
async function watched(look: () => readonly string[]): Promise<[Ended, ReadonlySet<string>]> {
  const env = { npm_lifecycle_event: "start", INIT_CWD: place.folder };
  const started = startRun(place, ["--slurm", "private"], { cwd: ROOT, env });
  const seen = new Set<string>();
  const timer = setInterval(() => look().forEach((name) => seen.add(name)), 200);
  return [await started.ended.finally(() => clearInterval(timer)), seen];
}

function runningParts(): readonly string[] {
  return ALL.filter((part) => partsOf(place, part).length > 0);
}

function runtimeFolders(): readonly string[] {
  return namesIn(place.temporary).flatMap((name) => namesIn(join(place.temporary, name)));
}

describe("the sample", () => {
  test("its result has the documented form", () => {
    const { name, sha256 } = encoderOf("kmer");
    expect(resultOf(first)).toEqual({
      schema: 1,
      jobId: expect.stringMatching(/^[0-9a-f]{64}$/),
      reads: { in: READS, passed: READS, filtered: 0, quarantined: 0, skipped: 0 },
      rows: READS,
      shards: 5,
      dimensions: 136,
      encoder: { name, sha256, provider: "cpu" },
      seconds: {
        start: expect.any(Number),
        phase1: expect.any(Number),
        solve: expect.any(Number),
        total: expect.any(Number),
      },
      manifest: join(output, "embeddings", "manifest.json"),
      netcdf: join(output, "results", "sample_sim.nc"),
      slurm: { slurmJobId: "1", state: "COMPLETED", exitCode: 0, launcher: "srun-pmix" },
      filteredReasons: {},
      quarantine: [],
      reports: [],
      native: expect.stringMatching(/^native addon, /),
      warnings: [],
    });
    const { start, phase1, solve, total } = resultOf(first).seconds;
    expect(Math.min(start, phase1, solve)).toBeGreaterThan(0);
    expect(start + phase1 + solve).toBeLessThan(total + 0.5);
  });

  test("it leaves its files, and no others", async () => {
    const { shards, jobId } = await manifestOf(output);
    const parts = shards.map(({ file }) => file);
    const beside = ["_SUCCESS", "_job.json", "manifest.json"];
    expect(namesIn(join(output, "embeddings"))).toEqual([...beside, ...parts].sort());
    const results = ["run.json", "sample_sim.nc", "sample_sim.nc.run.json"];
    expect(namesIn(join(output, "results"))).toEqual(results);
    expect(namesIn(output)).toEqual([".ligase", "embeddings", "results", "sample.fastq"]);
    expect(JSON.parse(readFileSync(join(output, "results", "run.json"), "utf8"))).toEqual(
      resultOf(first),
    );
    expect(parts).toEqual(
      parts.map((_, i) => `part-00000-${String(i).padStart(6, "0")}-${jobId.slice(0, 12)}.parquet`),
    );
  });

  test("standard output is the table and the JSON, progress goes to standard error", () => {
    const lines = first.stdout.trimEnd().split("\n");
    const names = lines.slice(0, -1).map((line) => line.split(" ")[0]);
    const table = ["job", "reads", "embeddings", "encoder", "manifest", "netcdf", "slurm"];
    expect(names).toEqual([...table, "seconds"]);
    expect(first.stdout).toContain(`${READS} x 136 float32 in 5 shards`);
    expect(first.stderr).toMatch(/^embedding: .*^solving: /ms);
    expect(first.stderr).not.toMatch(/^\{|Warning|Error/m);
  });

  test("every part was a process of its own, and none is left", async () => {
    expect([...seen]).toEqual(expect.arrayContaining([...ALL, "slurm"]));
    await nothingLeft(place);
    // ONNX Runtime too would leave files there, if it were let.
    expect(namesIn(place.temporary)).toEqual([]);
  });

  test("every shard is as the manifest says", async () => {
    const manifest = await manifestOf(output);
    for (const { file, bytes, crc32c: sum, sha256 } of manifest.shards) {
      const data = readFileSync(join(output, "embeddings", file));
      expect([data.length, crc32c(data), sha256Hex(data)]).toEqual([bytes, sum, sha256]);
    }
    const seal = readFileSync(join(output, "embeddings", "_SUCCESS"), "utf8").trim();
    expect(seal).toBe(sha256Hex(readFileSync(join(output, "embeddings", "manifest.json"))));
  });

  test("pyarrow reads every shard: finite float32 [136], a row for each read", async () => {
    const found = await check(place, "shards", join(output, "embeddings"));
    expect(found).toEqual({ shards: 5, rows: READS, ids: READS });
  });

  test(
    "numpy and scipy find the same neighbours, heat, modes and clusters in the NetCDF",
    async () => {
      const netcdf = join(output, "results", "sample_sim.nc");
      const found = await check(place, "result", netcdf, join(output, "embeddings"));
      expect(found).toMatchObject({ k: 15, times: [1, 10, 100, 1000], modes: 16 });
      // A few reads of one place, without an error in either, are one node.
      const { nodes } = found as { nodes: number };
      expect(nodes > 0.99 * READS && nodes < READS, `${nodes} nodes`).toBe(true);
    },
    3 * MINUTES,
  );

  test("the neighbours of a read are of its own genome", async () => {
    const netcdf = join(output, "results", "sample_sim.nc");
    const found = await check(place, "genomes", netcdf, join(output, "sample.fastq"));
    expect(found).toMatchObject({ genomes: 4 });
    // By chance it were 0.25; segments that all share can't be told apart: 0.96 measured.
    expect((found as { same: number }).same).toBeGreaterThan(0.9);
  });

  test("run again, it says that it was finished and does nothing", async () => {
    const before = await standing();
    const [second, folders] = await watched(runtimeFolders);
    expect(second.stdout).toContain("this job was finished already");
    const { seconds, ...result } = resultOf(second);
    expect({ ...result, seconds: resultOf(first).seconds }).toEqual(resultOf(first));
    expect([seconds.phase1, seconds.solve]).toEqual([0, 0]);
    expect(await standing()).toEqual(before);
    expect([...folders]).toContain("nats.conf");
    expect([...folders]).not.toContain("slurm");
    expect(second.seconds).toBeLessThan(3 * patience());
    expect(processesOf(place)).toEqual([]);
  });
});

/** When every result was written, and the facts that a run which does nothing doesn't add to. */
async function standing(): Promise<unknown> {
  const files = ["embeddings", "results"].flatMap((folder) =>
    namesIn(join(output, folder)).map((name) => join(output, folder, name)),
  );
  const written = files.map((file) => [file, statSync(file).mtimeMs] as const);
  const facts = await factsOf(output);
  return {
    written: written.filter(([file]) => !file.endsWith("/run.json")),
    facts: facts.filter(({ type }) => !/^(epoch|program\.)/.test(type)),
  };
}
