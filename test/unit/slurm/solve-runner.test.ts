/** The steps of a solve as they reach Slurm: its checkpoint's folder, its set, its resources. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { SolveRunner, type SolveTarget } from "../../../head/daemon/solve-runner.ts";
import { sha256Hex } from "../../../runtime/ids.ts";
import { BAD_CHECKPOINT, solve } from "../../../solver/solve.ts";
import { controlWith, fakeSlurm, type Fakes, jobLine } from "./fakes.ts";

const SOLVE = "0123456789abcdef".repeat(4);
const NAME = "ligase-0123456789ab-0";
const POLL = { op: "poll", attempt: 0, name: NAME, slurmJobId: "7", clusterName: "fake1" } as const;

let fakes: Fakes;
let runner: SolveRunner;
let target: SolveTarget;
let work: string;
let stateFolder: string;
let now: number;

function newRunner(): SolveRunner {
  const access = { confPath: "/fake.conf", clusterName: "fake1", launcher: "srun-pmix" };
  return new SolveRunner({
    ...{ stateFolder, mark: "00112233445566ff", setActive: () => undefined },
    access: async () => access,
    clock: { now: () => now, after: () => () => undefined, soon: () => undefined },
  });
}

beforeEach(async () => {
  fakes = fakeSlurm();
  vi.stubEnv("PATH", fakes.env["PATH"]);
  onTestFinished(() => void vi.unstubAllEnvs());
  fakes.set("sbatch", "echo 7");
  fakes.set("squeue", "exit 0");
  stateFolder = join(fakes.folder, "state");
  now = 0;
  runner = newRunner();
  const manifest = join(fakes.folder, "manifest.json");
  writeFileSync(manifest, "{}");
  const spec = solve({ ranks: 2, modules: ["mpi"] }).spec;
  target = { solveId: SOLVE, spec, manifest, manifestSha256: sha256Hex("{}") };
  work = join(stateFolder, "solves", "0123456789ab", "work");
  await runner.run(target, { op: "ready" });
});

const submit = (attempt: number, of = target) =>
  runner.run(of, { op: "submit", attempt, name: `ligase-0123456789ab-${attempt}` });

describe("a submission", () => {
  test("gives every attempt the solve's own checkpoint, and says what it asks for", async () => {
    const said = "2 ranks, memory as the site sets it, at most 60 min";
    expect(await submit(0)).toEqual({ kind: "submitted", slurmJobId: "7", resources: said });
    await submit(1);
    const calls = fakes.calls("sbatch");
    expect(calls).toHaveLength(2);
    for (const [attempt, call] of calls.entries()) {
      expect(call.slice(-3)).toEqual(["--work", work, "--restart"]);
      expect(call).toContain(join(work, "..", String(attempt)));
      expect(call).toContain("mpi");
    }
  });

  test("of a set that isn't what it was when it was asked for never reaches Slurm", async () => {
    writeFileSync(target.manifest, "{ }");
    const changed = { kind: "failed", error: { code: "SOLVE_FAILED" } };
    expect(await submit(0)).toMatchObject(changed);
    const gone = { ...target, manifest: join(fakes.folder, "nothing.json") };
    expect(await submit(0, gone)).toMatchObject(changed);
    expect(fakes.calls("sbatch")).toEqual([]);
    // The set of a dataset was sealed by this log's head: no hash is asked for.
    const { solveId, spec, manifest } = target;
    expect(await submit(0, { solveId, spec, manifest })).toMatchObject({ kind: "submitted" });
  });
});

describe("a checkpoint", () => {
  const endWith = (exit: string, state = "FAILED") => {
    mkdirSync(work, { recursive: true });
    mkdirSync(join(work, "..", "0"), { recursive: true });
    fakes.set("scontrol", controlWith(`echo '${jobLine({ id: "7", name: NAME, state, exit })}'`));
    return runner.run(target, POLL);
  };

  test("goes when the solver says that it is of no use, before that is told", async () => {
    const ended = await endWith(`${BAD_CHECKPOINT}:0`);
    expect(ended).toMatchObject({ kind: "ended", end: { exitCode: BAD_CHECKPOINT } });
    expect(existsSync(work)).toBe(false);
  });

  test("goes with the result", async () => {
    mkdirSync(join(work, "..", "0"), { recursive: true });
    writeFileSync(join(work, "..", "0", "exit.json"), '{"exitCode":0,"signal":null}');
    expect(await endWith("0:0", "COMPLETED")).toMatchObject({ kind: "ended", error: null });
    expect(existsSync(work)).toBe(false);
  });

  test.each([
    ["0:9", "NODE_FAIL"],
    ["0:0", "TIMEOUT"],
    ["77:0", "FAILED"],
  ])("stays after an exit of %s as %s", async (exit, state) => {
    expect(await endWith(exit, state)).toMatchObject({ kind: "ended" });
    expect(existsSync(work)).toBe(true);
  });
});

test("a cancel reaches the job of its cluster alone, a silent Slurm is asked again", async () => {
  await submit(0);
  fakes.set("scancel", "exit 0");
  const line = jobLine({ id: "7", name: NAME, state: "RUNNING" });
  fakes.set("scontrol", controlWith(`echo '${line}'`));
  const cancel = { op: "cancel", attempt: 0, slurmJobId: "7", clusterName: "fake1" } as const;
  // It never began, and never will: another cluster's job needs no word from this one.
  const elsewhere = await runner.run(target, { ...cancel, clusterName: "fake2" });
  expect(elsewhere).toMatchObject({ kind: "ended", end: { state: "CANCELLED" } });
  expect(fakes.calls("scancel")).toEqual([]);
  expect(await runner.run(target, cancel)).toMatchObject({ kind: "running" });
  expect(fakes.calls("scancel")).toEqual([["7"]]);
  now += 60_000;
  fakes.set("scancel", "echo 'scancel: error: Unable to contact slurm controller' >&2; exit 1");
  expect(await runner.run(target, cancel)).toMatchObject({ kind: "unreachable" });
});

test("a folder that isn't there says nothing of its attempt", async () => {
  const line = jobLine({ id: "7", name: NAME, state: "NODE_FAIL" });
  fakes.set("scontrol", controlWith(`echo '${line}'`));
  expect(await runner.run(target, POLL)).toMatchObject({ kind: "unreachable" });
});

test("an sbatch without a clear answer is waited for; a later head searches first", async () => {
  fakes.set("sbatch", "echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1");
  expect(await submit(0)).toMatchObject({ kind: "waiting" });
  fakes.set("sbatch", "echo 8");
  runner = newRunner();
  await runner.run(target, { op: "ready" });
  expect(await submit(0)).toMatchObject({ kind: "waiting" });
  now += 60_000;
  expect(await submit(0)).toMatchObject({ kind: "submitted", slurmJobId: "8" });
  // One token for all that is submitted of an attempt, whoever does.
  const comments = fakes
    .calls("sbatch")
    .map((call) => call.find((one) => one.startsWith("--comment=")));
  expect(new Set(comments).size).toBe(1);
});
