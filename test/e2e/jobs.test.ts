/** `ligase job`: what there is, on a cluster that runs and from the log that one left. */
import { appendFile, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { JobEntry } from "../../head/cli/jobs/list.ts";
import type { SetReport } from "../../head/cli/jobs/check-set.ts";
import type { JobView } from "../../runtime/client/jobs/status.ts";
import { thaw } from "./processes.ts";
import {
  cleanUp,
  digestsOf,
  type Ended,
  errorOf,
  makeInputs,
  namesIn,
  newPlace,
  type Place,
  resultOf,
  run,
  start,
} from "./support.ts";
import { frozenRun, makeReads, SHARDS } from "../fault/support.ts";

let shared: Place;
let output: string;
let inputs: readonly string[];
beforeAll(async () => {
  shared = await newPlace();
  inputs = await makeInputs(shared, { files: 2, reads: 100 });
  output = shared.path("out");
  const args = ["--no-solve", "--executors", "1", "--input", ...inputs, "--output", output];
  resultOf(await run(shared, args));
}, 240_000);
afterEach(() => cleanUp(shared));
afterAll(() => cleanUp());

/** `ligase job ...` to its end. */
function job(place: Place, ...args: readonly string[]): Promise<Ended> {
  return start(place, ["job", ...args]).ended;
}

function jsonOf(ended: Ended): unknown {
  expect([ended.code, ended.stderr]).toEqual([0, ""]);
  return JSON.parse(ended.stdout);
}

async function jobsOf(place: Place, ...flags: readonly string[]): Promise<readonly JobEntry[]> {
  const ended = await job(place, "list", "--json", ...flags);
  return (jsonOf(ended) as { jobs: JobEntry[] }).jobs;
}

describe("a run that is over", () => {
  test("is listed from its log, which stays as it is", async () => {
    const log = () => namesIn(join(output, ".ligase", "log"));
    const before = log();
    const jobs = await jobsOf(shared, "--output", output);
    expect(jobs.map(({ kind, state }) => [kind, state])).toEqual([
      ["program", "returned"],
      ["dataset", "sealed"],
    ]);
    expect(jobs[1]).toMatchObject({
      shards: { done: 2, total: 2 },
      uri: join(output, "embeddings"),
      error: null,
    });
    const { stdout } = await job(shared, "list", "--state", join(output, ".ligase"));
    expect(stdout).toContain(`${jobs[1]?.id.slice(0, 12)}  dataset  sealed    2/2`);
    expect(log()).toEqual(before);
  });

  test("is shown by a beginning of its id, the latest without one", async () => {
    const [, dataset] = await jobsOf(shared, "--output", output);
    const id = dataset?.id ?? "";
    for (const named of [[id.slice(0, 12)], [id], []]) {
      const ended = await job(shared, "status", ...named, "--json", "--output", output);
      const view = jsonOf(ended) as Extract<JobView, { kind: "dataset" }>;
      expect(view).toMatchObject({ id, state: { kind: "sealed" }, failures: [], waits: [] });
      expect(view.inputs.map(({ uri, shards }) => [uri, shards])).toEqual(
        inputs.map((uri) => [uri, { done: 1, total: 1 }]),
      );
    }
    const { stdout } = await job(shared, "status", id.slice(0, 6), "--output", output);
    expect(stdout).toContain(`job      ${id}\n`);
    expect(stdout).toContain(inputs[1] ?? "");
  });

  test.each([
    ["no job", ["status", "0000"], "JOB_NOT_FOUND", 2],
    ["an empty id", ["status", ""], "JOB_NOT_FOUND", 2],
    ["a full id that nobody knows", ["status", "0".repeat(64)], "JOB_NOT_FOUND", 2],
    ["a cancel of no job", ["cancel", "0000"], "JOB_NOT_FOUND", 2],
  ])("%s is an error with its code", async (_what, args, code, exit) => {
    const ended = await job(shared, ...args, "--json", "--output", output);
    expect([errorOf(ended).code, ended.code]).toEqual([code, exit]);
  });

  test("where nothing is there is no cluster, no run and no set", async () => {
    const nowhere = shared.path("nowhere");
    const listed = await job(shared, "list", "--json", "--output", nowhere);
    expect([errorOf(listed).code, listed.code]).toEqual(["CLUSTER_NOT_FOUND", 4]);
    const resumed = await job(shared, "resume", "--json", "--output", nowhere);
    expect([errorOf(resumed).code, resumed.code]).toEqual(["JOB_NOT_FOUND", 2]);
    const verified = await job(shared, "verify", "--json", nowhere);
    expect([errorOf(verified).code, verified.code]).toEqual(["INPUT_NOT_FOUND", 3]);
    expect(namesIn(nowhere)).toEqual([]);
  });
});

describe("a set", () => {
  test("is checked byte for byte, and what is damaged is named", async () => {
    const place = await newPlace();
    const folder = place.path("out");
    resultOf(await run(place, ["--no-solve", "--input", ...inputs, "--output", folder]));
    const embeddings = join(folder, "embeddings");
    const [first = "", second = ""] = namesIn(embeddings).filter((name) =>
      name.endsWith(".parquet"),
    );
    for (const named of [folder, embeddings, join(embeddings, "manifest.json")]) {
      expect(jsonOf(await job(place, "verify", "--json", named))).toMatchObject({
        ...{ shards: 2, damaged: [] },
      });
    }
    const bytes = await readFile(join(embeddings, first));
    bytes[2_000] = (bytes[2_000] ?? 0) ^ 1;
    await writeFile(join(embeddings, first), bytes);
    await rename(join(embeddings, second), place.path("moved"));
    const ended = await job(place, "verify", "--json", folder);
    expect(ended.code).toBe(5);
    const { damaged } = JSON.parse(ended.stdout) as SetReport;
    expect(damaged.map(({ file }) => file)).toEqual([first, first, second]);
    expect(damaged.at(-1)?.what).toBe("missing");
  });
});

describe("resume", () => {
  test("asks for the same again, by the log or by the claim, and refuses other input", async () => {
    const place = await newPlace();
    const [input = ""] = await makeInputs(place, { files: 1, reads: 100 });
    const folder = place.path("out");
    const args = ["--slurm", "private", "--ranks", "1", "--input", input, "--output", folder];
    const first = resultOf(await run(place, args));
    const digests = await digestsOf(folder);
    expect(resultOf(await job(place, "resume", "--json", "--output", folder))).toMatchObject({
      ...{ jobId: first.jobId, netcdf: first.netcdf },
      seconds: { phase1: 0, solve: 0 },
    });
    await rm(join(folder, ".ligase"), { recursive: true });
    const again = await job(place, "resume", "--json", "--output", folder);
    expect(resultOf(again).jobId).toBe(first.jobId);
    expect(again.stderr).toContain("no log tells of a run");
    expect(await digestsOf(folder)).toEqual(digests);
    await appendFile(input, await readFile(input));
    const refused = await job(place, "resume", "--json", "--output", folder);
    expect([errorOf(refused).code, refused.code]).toEqual(["INPUT_CHANGED", 3]);
    expect(errorOf(refused).what).toContain(`input ${input} changed: `);
  });
});

describe("a run that goes on", () => {
  test("is shown, cancelled with all that it made standing, and gone on with", async () => {
    const place = await newPlace();
    const reads = await makeReads(place);
    const { started, executor, output: folder } = await frozenRun(place, reads, { committed: 2 });
    const [program, dataset] = await jobsOf(place, "--output", folder);
    expect([program?.state, dataset?.state]).toEqual(["running", "running"]);
    const id = dataset?.id.slice(0, 12) ?? "";
    const shown = jsonOf(await job(place, "status", id, "--json", "--output", folder)) as JobView;
    expect(shown.waits).toEqual([expect.stringMatching(/^\d+ of its tasks, which workers have$/)]);
    const cancelled = await job(place, "cancel", id, "--json", "--output", folder);
    expect(jsonOf(cancelled)).toMatchObject({ id: dataset?.id, state: "CANCELLED" });
    thaw(executor);
    const ended = await started.ended;
    expect([errorOf(ended).code, ended.code]).toEqual(["CANCELLED", 130]);
    const left = await jobsOf(place, "--output", folder);
    expect(left.find(({ kind }) => kind === "dataset")).toMatchObject({ state: "CANCELLED" });
    expect(resultOf(await job(place, "resume", "--json", "--output", folder)).shards).toBe(SHARDS);
  });
});
