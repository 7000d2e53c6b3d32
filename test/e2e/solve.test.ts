/** `ligase solve`: phase 2 by itself on a set that stands, watched, looked at, and ended. */
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readLog } from "../../head/daemon/log.ts";
import { sha256Hex, short12 } from "../../runtime/ids.ts";
import { memoryOfRank } from "../../solver/memory.ts";
import { BAD_CHECKPOINT, solve } from "../../solver/solve.ts";
import { SOLVER } from "../parity/support.ts";
import { nothingLeft, partsOf } from "./processes.ts";
import {
  cleanUp,
  type Ended,
  errorOf,
  makeInputs,
  manifestOf,
  namesIn,
  newPlace,
  type Place,
  resultOf,
  run,
  start,
  type Started,
  until,
} from "./support.ts";

const RANKS = 2;

/** A set that stands, and what `ligase run` made of it. */
let kept: Place;
let made: string;
let manifest: string;
let expected: string;
let place: Place;
let state: string;
let output: string;

beforeAll(async () => {
  kept = await newPlace();
  made = kept.path("out");
  const inputs = await makeInputs(kept, { files: 2, reads: 200 });
  const more = ["--output", made, "--slurm", "private", "--ranks", "1"];
  const { netcdf } = resultOf(await run(kept, ["--input", ...inputs, ...more]));
  manifest = join(made, "embeddings", "manifest.json");
  expected = await digestOf(netcdf ?? "");
}, 240_000);
beforeEach(async () => {
  place = await newPlace();
  state = place.path("state");
  output = place.path("x", "y.nc");
});
afterEach(() => cleanUp(kept));
afterAll(() => cleanUp());

const digestOf = async (path: string): Promise<string> => sha256Hex(await readFile(path));
const ligase = (...args: readonly string[]): Started => start(place, ["solve", ...args]);
const solveRun = (args: readonly string[] = [], env: Record<string, string> = {}): Started => {
  const where = ["--state", state, "--output", output, "--slurm", "private", "--json"];
  const all = ["solve", "run", manifest, "--ranks", String(RANKS), ...where, ...args];
  return start(place, all, { env });
};
const facts = async () => (await readLog(state)).facts;
const lineOf = ({ stdout }: Ended): unknown =>
  JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");

/** A solver that says how far it is, then waits at a gate. */
async function speakingSolver() {
  const [script, gate] = [place.path("gated-solver"), place.path("gate")];
  const said = JSON.stringify({ progress: { phase: "knn", fraction: 0.42, seconds: 1 } });
  const wait = `while [ ! -e '${gate}' ]; do sleep 0.05; done`;
  await writeFile(script, `#!/bin/sh\necho '${said}'\n${wait}\nexec '${SOLVER}' "$@"\n`);
  await chmod(script, 0o755);
  const open = (): Promise<void> => writeFile(gate, "");
  return { env: { LIGASE_SOLVER: script }, open };
}

/** A solve whose ranks stand at the gate, as its cluster shows it. */
async function atGate(env: Record<string, string>) {
  const started = solveRun([], env);
  await until("ranks at the gate", () => partsOf(place, "rank").length >= RANKS, 60);
  const solveId = await until("the solve is shown", async () => {
    const ended = await ligase("list", "--state", state, "--json").ended;
    const { solves } = lineOf(ended) as { solves: { id: string; at: { progress: unknown } }[] };
    return solves[0]?.at?.progress ? solves[0].id : undefined;
  });
  return { started, solveId };
}

describe("a solve of a set that stands", () => {
  test("makes the bytes that the run made, on other ranks, and is found done", async () => {
    const ended = await solveRun().ended;
    const result = lineOf(ended) as { solveId: string; netcdf: string };
    expect(ended.code, ended.stderr).toBe(0);
    expect(result).toMatchObject({ manifest, netcdf: output, slurm: { state: "COMPLETED" } });
    expect(await digestOf(output)).toBe(expected);
    expect(ended.stdout).toMatch(/^asked for +2 ranks, \d+ MiB each \(estimated\)/m);
    // Its checkpoint went with its result.
    expect(namesIn(join(state, "solves", short12(result.solveId)))).toEqual(["0"]);
    const again = await solveRun().ended;
    expect(lineOf(again)).toMatchObject({ solveId: result.solveId, netcdf: output });
    expect((await facts()).filter(({ type }) => type === "solve.attempted")).toHaveLength(1);
    await nothingLeft(place);
    // No cluster runs any more: its log tells.
    const list = await ligase("list", "--state", state).ended;
    expect(list.stdout).toMatch(
      new RegExp(`^${short12(result.solveId)}  succeeded .*${output}$`, "m"),
    );
    const show = await ligase("show", result.solveId.slice(0, 8), "--state", state).ended;
    expect(show.stdout).toMatch(new RegExp(`^output +${output}$`, "m"));
    const logs = await ligase("logs", result.solveId, "--state", state).ended;
    expect(logs.stdout).toContain('"rows":');
  }, 120_000);

  test("that isn't sealed, or with an option of ours, is refused before any start", async () => {
    const missing = await ligase("run", place.path("nothing"), "--json").ended;
    expect([errorOf(missing).code, missing.code]).toEqual(["INPUT_NOT_FOUND", 3]);
    await writeFile(place.path("manifest.json"), "{}");
    const broken = await ligase("run", place.folder, "--json").ended;
    expect([errorOf(broken).code, broken.code]).toEqual(["INPUT_UNREADABLE", 3]);
    const held = await solveRun(["--sbatch-arg=--hold"]).ended;
    expect([errorOf(held).code, held.code]).toEqual(["USAGE", 2]);
    const [sample] = await makeInputs(place, { files: 1, reads: 2 });
    const args = ["--input", sample ?? "", "--output", place.path("o"), "--mem", "lots"];
    const bad = await run(place, args);
    expect([errorOf(bad).code, bad.code]).toEqual(["USAGE", 2]);
    expect([namesIn(state), namesIn(place.path("o"))]).toEqual([[], []]);
  });

  test("over the memory that Slurm grants is OVER_BUDGET, by the estimate's formula", async () => {
    const ended = await solveRun(["--mem", "100M"]).ended;
    const error = errorOf(ended);
    expect([error.code, ended.code]).toEqual(["SOLVE_FAILED", 6]);
    expect(error.what).toContain("OVER_BUDGET");
    const { spec } = solve({ ranks: RANKS });
    expect(error.where["neededBytes"]).toBe(memoryOfRank(await manifestOf(made), spec));
    expect(error.where["exitCode"]).toBe(77);
    await nothingLeft(place);
  });
});

describe("a solve that runs", () => {
  test("shows its progress to its command and to others, and its words as they come", async () => {
    const { env, open } = await speakingSolver();
    const { started, solveId } = await atGate(env);
    await until("its command shows it", () => started.stderr().includes(": knn  42 %"));
    const show = await ligase("show", solveId, "--state", state).ended;
    expect(show.stdout).toMatch(/^at +knn 42 %$/m);
    const follower = ligase("logs", solveId, "-f", "--state", state);
    await open();
    expect((await started.ended).code).toBe(0);
    const { stdout } = await follower.ended;
    expect(stdout).toContain('"fraction":0.42');
    expect(await digestOf(output)).toBe(expected);
  });

  test("that is cancelled ends with its slurm job, and goes on when asked for again", async () => {
    const { env, open } = await speakingSolver();
    const { started, solveId } = await atGate(env);
    const cancelled = await ligase("cancel", solveId.slice(0, 12), "--state", state).ended;
    expect([cancelled.code, cancelled.stdout]).toEqual([
      0,
      `${short12(solveId)} SOLVE_CANCELLED\n`,
    ]);
    const ended = await started.ended;
    expect([errorOf(ended).code, ended.code]).toEqual(["SOLVE_CANCELLED", 6]);
    await nothingLeft(place);
    await open();
    const again = await solveRun(["--cpus-per-task", "1"], env).ended;
    expect(again.code, again.stderr).toBe(0);
    expect(await digestOf(output)).toBe(expected);
    const types = (await facts()).map(({ type }) => type);
    expect(types).toContain("solve.respecified");
  });

  test("whose checkpoint is damaged begins anew, at the cost of one retry", async () => {
    const { env, open } = await speakingSolver();
    const { started, solveId } = await atGate(env);
    const work = join(state, "solves", short12(solveId), "work");
    await mkdir(work, { recursive: true });
    await writeFile(join(work, "neighbors.checkpoint"), "x".repeat(8_192));
    await open();
    const ended = await started.ended;
    expect(ended.code, ended.stderr).toBe(0);
    expect(await digestOf(output)).toBe(expected);
    const ends = (await facts()).flatMap((fact) => (fact.type === "solve.ended" ? [fact.end] : []));
    expect(ends.map(({ exitCode }) => exitCode)).toEqual([BAD_CHECKPOINT, 0]);
    expect(namesIn(work)).toEqual([]);
  });
});
