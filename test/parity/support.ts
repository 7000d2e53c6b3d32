/**
 * Runs of the real solver and of its Python reference. Both must be there: a missing one is a
 * failed test, never a skipped one. Every run has a deadline, after which its process group is
 * killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import * as v from "valibot";
import { crc32c } from "../../runtime/storage/crc32c.ts";
import { sha256Hex } from "../../runtime/ids.ts";
import {
  MANIFEST_FILE,
  type Manifest,
  manifestBytes,
  SUCCESS_FILE,
} from "../../solver/manifest.ts";

const ROOT = resolve(import.meta.dirname, "..", "..");
const CACHE = resolve(ROOT, process.env["LIGASE_CACHE"] || ".cache");

export const ORACLE = join(import.meta.dirname, "oracle.py");
/** The built solver: LIGASE_SOLVER, else where the set-up builds it. */
export const SOLVER = process.env["LIGASE_SOLVER"] || join(ROOT, "solver", "build", "mpi_dna_seq");
/** The solver's own tests, built beside it. */
export const SOLVER_TESTS = join(dirname(SOLVER), "solver_tests");
/** A Python with pyarrow, numpy, scipy, xarray: LIGASE_PYTHON, else the set-up's. */
export const PYTHON = process.env["LIGASE_PYTHON"] || join(CACHE, "python", "bin", "python");

/** Milliseconds for one run of the solver or the reference; the longest takes ~10 s. */
const RUN_MS = 90_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** Starts a program in a process group of its own. */
export function start(file: string, args: readonly string[], options: RunOptions = {}): Running {
  if (file.startsWith("/") && !existsSync(file))
    throw new Error(`${file} isn't there: set up first`);
  const env = { ...process.env, ...MPI_ENVIRONMENT, ...options.env };
  const stdio = ["ignore", "pipe", "pipe"] as const;
  const child = spawn(file, args, {
    cwd: options.cwd ?? ROOT,
    env,
    detached: true,
    stdio: [...stdio],
  });
  return { child, ended: endOf(child) };
}

/** OpenMPI as a container's root, ranks that wait give up their core, no start over ssh. */
const MPI_ENVIRONMENT = {
  OMPI_ALLOW_RUN_AS_ROOT: "1",
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1",
  OMPI_MCA_rmaps_base_oversubscribe: "1",
  OMPI_MCA_mpi_yield_when_idle: "1",
  OMPI_MCA_plm_rsh_agent: "/bin/false",
};

async function endOf(child: ChildProcess): Promise<Ended> {
  const text = { stdout: "", stderr: "" };
  child.stdout?.on("data", (data: Buffer) => (text.stdout += data.toString()));
  child.stderr?.on("data", (data: Buffer) => (text.stderr += data.toString()));
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  }, RUN_MS);
  try {
    return await new Promise((done, failed) => {
      child.once("error", failed);
      child.once("close", (code, signal) => {
        if (late) failed(new Error(`no end after ${RUN_MS} ms: ${text.stderr}`));
        else done({ code, signal, ...text });
      });
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Arguments of mpirun before the solver's name. */
export function ranksOf(ranks: number): string[] {
  return ["-n", String(ranks)];
}

/** The solver on r ranks, to its end. */
export async function runSolver(
  ranks: number,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  return await start("mpirun", [...ranksOf(ranks), SOLVER, ...args], options).ended;
}

/** The solver as one process without a launcher. */
export async function runAlone(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return await start(SOLVER, args, options).ended;
}

/** What the reference printed. @throws {Error} with its text when it disagrees. */
export async function oracle(...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await start(PYTHON, [ORACLE, ...args]).ended;
  if (code !== 0) throw new Error(`oracle ${args[0]}: ${stderr}`);
  return stdout === "" ? null : JSON.parse(stdout);
}

/** The run facts: the last line of stdout, behind what was said of the progress. */
export function factsOf(ended: Ended): unknown {
  return JSON.parse(ended.stdout.trimEnd().split("\n").at(-1) ?? "");
}

const errorLine = v.object({
  error: v.strictObject({
    code: v.string(),
    what: v.string(),
    where: v.record(v.string(), v.union([v.string(), v.number()])),
  }),
});
export type SolverFailure = v.InferOutput<typeof errorLine>["error"];

/** The error lines among what the solver and its launcher wrote to stderr. */
export function failures(stderr: string): SolverFailure[] {
  const lines = stderr.split("\n").filter((line) => line.startsWith('{"error"'));
  return lines.map((line) => v.parse(errorLine, JSON.parse(line)).error);
}

const madeSets = v.record(
  v.string(),
  v.object({
    dimensions: v.number(),
    shards: v.array(
      v.object({ file: v.string(), input: v.number(), rowGroups: v.array(v.number()) }),
    ),
  }),
);

/** Sets of shards in folders below `folder`, sealed as the head would. */
export async function makeSets(folder: string): Promise<void> {
  const made = v.parse(madeSets, await oracle("sets", folder));
  for (const [name, { dimensions, shards }] of Object.entries(made)) {
    seal(join(folder, name), dimensions, shards);
  }
}

/** Writes manifest.json and _SUCCESS for the shards in `folder`. */
function seal(
  folder: string,
  dimensions: number,
  shards: readonly { file: string; input: number; rowGroups: readonly number[] }[],
): void {
  let rows = 0;
  const listed = shards.map(({ file, input, rowGroups }) => {
    const data = readFileSync(join(folder, file));
    const own = rowGroups.reduce((sum, n) => sum + n, 0);
    rows += own;
    return {
      ...{ file, input, rows: own, firstRow: rows - own, bytes: data.length },
      ...{ crc32c: crc32c(data), sha256: sha256Hex(data), rowGroups: [...rowGroups] },
    };
  });
  const reads = { in: rows, passed: rows, filtered: 0, quarantined: 0, skipped: 0 };
  const inputs = Math.max(...shards.map(({ input }) => input)) + 1;
  const manifest: Manifest = {
    ...{ schema: 1, jobId: "0".repeat(64), rows, dimensions, metric: "l2" },
    encoder: { name: "oracle", sha256: "0".repeat(64), provider: "cpu" },
    inputs: Array.from({ length: inputs }, (_, i) => ({
      ...{ uri: `/reads/${i}.fq`, sample: `${i}` },
      reads: { in: 0, passed: 0, filtered: 0, quarantined: 0, skipped: 0 },
    })),
    ...{ reads, filteredReasons: {}, shards: listed },
  };
  writeFileSync(join(folder, MANIFEST_FILE), manifestBytes(manifest));
  writeFileSync(join(folder, SUCCESS_FILE), "");
}

/** sha256 of a file. */
export function digest(path: string): string {
  if (!existsSync(path)) throw new Error(`no ${basename(path)}`);
  return sha256Hex(readFileSync(path));
}
