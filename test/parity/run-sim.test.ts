/** `sbatch run_sim.sh sample1.parquet` on a real private Slurm, as a person would type it. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startPrivateSlurm } from "../../head/slurm/private.ts";
import {
  JOB_WAIT,
  newMark,
  startTestSlurm,
  type TestSlurm,
  temporaryRoot,
} from "../integration/slurm/support.ts";
import { sweep } from "../../runtime/processes.ts";
import { digest, makeSets, runSolver, SOLVER } from "./support.ts";

const SCRIPT = resolve(import.meta.dirname, "..", "..", "solver", "run_sim.sh");
const run = promisify(execFile);

let slurm: TestSlurm;
/** Where the person stands; the name needs quotes in a shell. */
let place = "";

beforeAll(async () => {
  slurm = await startTestSlurm();
  place = join(slurm.root, "my data");
  mkdirSync(place);
  await makeSets(place);
  cpSync(join(place, "small"), join(place, "sample 1.parquet"), { recursive: true });
});
afterAll(() => slurm.close());

/** Submits from `place`; the job's end and its log. */
async function submit(words: readonly string[], env: NodeJS.ProcessEnv = slurm.env) {
  const options = { cwd: place, env, timeout: JOB_WAIT.timeout };
  const { stdout } = await run("sbatch", ["--parsable", ...words], options);
  const id = stdout.trim();
  const state = async () => {
    const shown = await run("scontrol", ["show", "job", id], options);
    return /JobState=(\S+)/.exec(shown.stdout)?.[1];
  };
  await expect.poll(state, JOB_WAIT).toMatch(/COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL/);
  const shown = await run("scontrol", ["show", "job", id], options);
  const exit = /ExitCode=(\d+):/.exec(shown.stdout)?.[1];
  const log = readFileSync(join(place, `mpi_dna_seq-${id}.out`), "utf8");
  return { state: await state(), exit: Number(exit), log };
}

/** The bytes that any solve of the small set must give. */
async function expected(): Promise<string> {
  const output = join(place, `reference-${newMark()}.nc`);
  const ended = await runSolver(1, ["--embeddings", join(place, "small"), "--output", output]);
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  return digest(output);
}

test("a folder with a space in its name is solved by its relative name", async () => {
  const env = { ...slurm.env, LIGASE_SOLVER: SOLVER };
  const ended = await submit([SCRIPT, "sample 1.parquet"], env);
  expect(ended, ended.log).toMatchObject({ state: "COMPLETED" });
  expect(digest(join(place, "sample 1_sim.nc"))).toBe(await expected());
});

test("the solver built beside the script is found, and options reach it", async () => {
  const beside = join(place, "the solver");
  mkdirSync(join(beside, "build"), { recursive: true });
  cpSync(SCRIPT, join(beside, "run_sim.sh"));
  symlinkSync(SOLVER, join(beside, "build", "mpi_dna_seq"));
  const env = { ...slurm.env };
  delete env["LIGASE_SOLVER"];
  const words = [join(beside, "run_sim.sh"), "small", "--k", "3", "--output", "k 3.nc"];
  const ended = await submit(["--ntasks=1", ...words], env);
  expect(ended, ended.log).toMatchObject({ state: "COMPLETED" });
  const facts: unknown = JSON.parse(readFileSync(join(place, "k 3.nc.run.json"), "utf8"));
  expect(facts).toMatchObject({ k: 3, ranks: 1 });
});

test("the solver's exit code is the job's", async () => {
  const env = { ...slurm.env, LIGASE_SOLVER: SOLVER };
  const ended = await submit([SCRIPT, "nowhere.parquet"], env);
  expect(ended).toMatchObject({ state: "FAILED", exit: 66 });
  expect(ended.log).toContain('{"error":{"code":"NO_INPUT"');
});

test("several nodes that are one machine give the same bytes", async () => {
  const root = await temporaryRoot();
  const mark = newMark();
  const options = { folder: join(root, "slurm"), cpus: 1, nodes: 2, mark };
  const started = await startPrivateSlurm(options);
  try {
    const env = { ...slurm.env, SLURM_CONF: started.confPath, LIGASE_SOLVER: SOLVER };
    const output = join(place, "two.nc");
    const words = ["--nodes=2", SCRIPT, "small", "--output", output];
    const ended = await submit(words, env);
    expect(ended, ended.log).toMatchObject({ state: "COMPLETED" });
    expect(digest(output)).toBe(await expected());
  } finally {
    await started.stop();
    await sweep({ mark, folder: root }, { graceMs: 0 });
    rmSync(root, { recursive: true, force: true });
  }
});
