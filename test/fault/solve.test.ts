/** Kills while the solver runs: one clear error or one result, and no slurm job runs twice. */
import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cpuSecondsOf, kill, nothingLeft, partOf, partsOf } from "../e2e/processes.ts";
import { isAlive } from "../../runtime/processes.ts";
import {
  cleanUp,
  environment,
  errorOf,
  factsNamed,
  makeInputs,
  namesIn,
  newPlace,
  type Place,
  resultOf,
  run,
  startRun,
  until,
} from "../e2e/support.ts";
import { atGate, attemptsOf, type Gate, makeGate, netcdfDigest, shardTimes } from "./support.ts";

const RANKS = 2;
/** The file by which a solve goes on. */
const CHECKPOINT = "neighbors.checkpoint";

let expected: string;
let place: Place;
let gate: Gate;
let output: string;
let args: string[];

beforeAll(async () => {
  await prepare();
  expected = await netcdfDigest(resultOf(await run(place, args)).netcdf);
  await cleanUp();
}, 240_000);
beforeEach(prepare);
afterEach(() => cleanUp());
afterAll(() => cleanUp());

async function prepare(): Promise<void> {
  place = await newPlace();
  gate = await makeGate(place);
  output = place.path("out");
  const inputs = await makeInputs(place, { files: 2, reads: 200 });
  const more = ["--slurm", "private", "--ranks", String(RANKS)];
  args = ["--input", ...inputs, "--output", output, ...more];
}

/** A run whose ranks stand at the gate. */
async function atSolve() {
  const started = startRun(place, args, { env: gate.env });
  await atGate(place, RANKS);
  return started;
}

/** The next run makes the result that an undisturbed one does, and no shard again. */
async function expectSolved(attempts: number): Promise<void> {
  const times = await shardTimes(output);
  await gate.open();
  const ended = await run(place, args, { env: gate.env });
  report(`solved after ${ended.seconds.toFixed(1)} s`);
  expect(await netcdfDigest(resultOf(ended).netcdf)).toBe(expected);
  expect(await shardTimes(output)).toEqual(times);
  expect(await attemptsOf(output)).toBe(attempts);
  await nothingLeft(place);
  expect(namesIn(place.temporary)).toEqual([]);
}

function report(line: string): void {
  process.stdout.write(`  ${expect.getState().currentTestName}: ${line}\n`);
}

/** What stands in the folder of results: nothing while none is whole. */
const results = () => namesIn(join(output, "results")).filter((name) => !name.startsWith("."));

describe("the command or its supervisor is killed", () => {
  test("SIGKILL of the command while the solver runs leaves no process", async () => {
    const started = await atSolve();
    const sinceMs = performance.now();
    started.child.kill("SIGKILL");
    report(`nothing left after ${(await nothingLeft(place, sinceMs)).toFixed(1)} s`);
    expect([namesIn(place.temporary), results()]).toEqual([[], []]);
    await expectSolved(2);
  });

  test("SIGKILL of the supervisor: the next run ends the ranks that outlive it", async () => {
    const started = await atSolve();
    await kill(await partOf(place, "supervisor"));
    expect(errorOf(await started.ended).code).toBe("CLUSTER_FAILED");
    expect(results()).toEqual([]);
    await expectSolved(2);
  });
});

describe("a part is killed", () => {
  test("SIGKILL of the head: its successor finds the slurm job and submits no other", async () => {
    const started = await atSolve();
    const head = await partOf(place, "head");
    await kill(head);
    await until("a new head", () => partsOf(place, "head").some(({ pid }) => pid !== head.pid));
    await until("a new epoch", async () => (await factsNamed(output, "epoch")).length === 2);
    await gate.open();
    expect(await netcdfDigest(resultOf(await started.ended).netcdf)).toBe(expected);
    expect(await attemptsOf(output)).toBe(1);
    await nothingLeft(place);
  });

  test("SIGKILL of slurmctld: another Slurm is started, nothing runs twice", async () => {
    const started = await atSolve();
    const ranks = partsOf(place, "rank");
    await kill(await partOf(place, "slurmctld"));
    const sinceMs = performance.now();
    await until("a second attempt", async () => (await attemptsOf(output)) === 2, 60);
    report(`another attempt after ${((performance.now() - sinceMs) / 1_000).toFixed(1)} s`);
    await gate.open();
    expect(await netcdfDigest(resultOf(await started.ended).netcdf)).toBe(expected);
    expect(ranks.some(isAlive)).toBe(false);
    await nothingLeft(place);
    expect(namesIn(place.temporary)).toEqual([]);
  });

  test("SIGKILL of a rank is SOLVE_FAILED, exit code 6, without a result", async () => {
    const inputs = await makeInputs(place, { files: 1, reads: 6_000 });
    args = ["--input", ...inputs, "--output", output, "--slurm", "private"];
    const started = startRun(place, args);
    const rank = await until("a rank computes", () => {
      return partsOf(place, "rank").find(({ pid }) => cpuSecondsOf(pid) > 0.2);
    });
    await kill(rank);
    const ended = await started.ended;
    expect([errorOf(ended).code, ended.code]).toEqual(["SOLVE_FAILED", 6]);
    // srun tells the highest code: the other rank's, which it then terminates, or the killed one's.
    expect(errorOf(ended).what).toMatch(/signal (9|15)$/);
    expect(results()).toEqual([]);
    await nothingLeft(place);
    expect(namesIn(place.temporary)).toEqual([]);
    expect(resultOf(await run(place, args)).slurm?.state).toBe("COMPLETED");
  });

  test("SIGKILL of a rank that knows all neighbours: the next run goes on from there", async () => {
    const inputs = await makeInputs(place, { files: 1, reads: 6_000 });
    const slow = ["--cpus-per-task", "1", "--state", place.path("state")];
    args = ["--input", ...inputs, "--output", output, "--slurm", "private", ...slow];
    const started = startRun(place, args);
    const solves = place.path("state", "solves");
    await until(
      "a checkpoint stands",
      () => namesIn(join(solves, namesIn(solves)[0] ?? "-", "work")).includes(CHECKPOINT),
      60,
    );
    await kill(await partOf(place, "rank"));
    expect(errorOf(await started.ended).code).toBe("SOLVE_FAILED");
    const { netcdf } = resultOf(await run(place, args));
    const said = await readFile(`${netcdf}.run.json`, "utf8");
    expect(JSON.parse(said)).toMatchObject({ restored: true });
    // It went with the result.
    expect(namesIn(join(solves, namesIn(solves)[0] ?? "-"))).toEqual(["0", "1"]);
    await nothingLeft(place);
  });

  test("a slurm job that is cancelled from outside is SOLVE_CANCELLED, exit code 6", async () => {
    const started = await atSolve();
    const [submitted] = await factsNamed(output, "solve.submitted");
    const [runtime = ""] = namesIn(place.temporary).filter((name) => name.startsWith("lg-"));
    const conf = join(place.temporary, runtime, "slurm", "slurm.conf");
    const env = environment(place, { SLURM_CONF: conf });
    execFileSync("scancel", [submitted?.slurmJobId ?? ""], { env, timeout: 20_000 });
    const ended = await started.ended;
    expect([errorOf(ended).code, ended.code]).toEqual(["SOLVE_CANCELLED", 6]);
    expect(results()).toEqual([]);
    await expectSolved(2);
  });
});

describe("a set that can't be solved", () => {
  test("reads that are all equal make one node: TOO_FEW_NODES, exit code 6", async () => {
    const path = place.path("equal.fastq");
    const record = `@read\n${"ACGTTGCAAC".repeat(30)}\n+\n${"I".repeat(300)}\n`;
    await writeFile(path, record.repeat(2));
    const ended = await run(place, ["--input", path, "--output", output, "--slurm", "private"]);
    expect([errorOf(ended).code, ended.code]).toEqual(["SOLVE_FAILED", 6]);
    expect(errorOf(ended).what).toContain("TOO_FEW_NODES");
    expect(results()).toEqual([]);
    await nothingLeft(place);
  });
});
