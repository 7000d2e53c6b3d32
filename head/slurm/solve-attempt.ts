/**
 * One attempt of a solve as a slurm job: its name, its request, and what its wrapper
 * (`attempt.sh`) left behind. The attempt's folder is the head's, the output's folder the user's.
 */
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { type ErrorCode, SystemError, type Where } from "../../runtime/errors.ts";
import { short12 } from "../../runtime/ids.ts";
import { makeFolder } from "../../runtime/storage/local.ts";
import { SOLVER_EXITS } from "../../solver/solve.ts";
import { parseJson, readSolverError } from "./attempt/left.ts";
import { checkValue, type SlurmJob, type SubmitRequest } from "./slurm.ts";

export interface SolveAttempt {
  /** 64 hex digits. */
  readonly solveId: string;
  /** From 0 or 1 up; with the solve's id it names the slurm job. */
  readonly attempt: number;
  /** r, MPI ranks. */
  readonly ranks: number;
  readonly timeLimitMinutes: number;
  /** Further options of sbatch; see `resourcesOf`. */
  readonly options?: readonly string[];
  /** Environment modules that the wrapper loads. */
  readonly modules?: readonly string[];
  /** Absolute, this attempt's alone, seen by head and node. */
  readonly folder: string;
  /** Absolute path under which the result appears, once and whole. */
  readonly output: string;
  /** LIGASE_MARK of the ranks. */
  readonly mark: string;
  /** Absolute path of the solver. */
  readonly solver: string;
  /** Its arguments except `--output`, which the wrapper adds. */
  readonly solverArguments: readonly string[];
}

/** How the solver ended, by the wrapper's word: `signal` is null unless one ended it. */
export interface ExitRecord {
  readonly exitCode: number;
  readonly signal: number | null;
}

/** How an attempt ended; `error` is null when the result stands under its final name. */
export interface AttemptOutcome {
  /** Slurm's state, or LOST when neither Slurm nor the wrapper knows the end. */
  readonly state: SlurmJob["state"] | "LOST";
  readonly exitCode: number | null;
  readonly reason: string;
  readonly error: SystemError | null;
}

/** The wrapper's own exit codes. */
const STARTED_BEFORE = 90;
const NOT_PUBLISHED = 91;
const NO_MODULE = 92;

/** The slurm job's name: `ligase-<solve12>-<attempt>`. */
export function attemptName(solveId: string, attempt: number): string {
  return checkValue("job name", `ligase-${short12(solveId)}-${attempt}`);
}

/** Where the solver writes before its result is published: hidden, beside the output. */
export function scratchPath(attempt: SolveAttempt): string {
  const hidden = `.${basename(attempt.output)}.${attemptName(attempt.solveId, attempt.attempt)}`;
  return join(dirname(attempt.output), hidden);
}

/** What `submitHeld` takes for that attempt. @throws {SystemError} USAGE for a relative path. */
export function submitRequest(attempt: SolveAttempt): SubmitRequest {
  for (const path of [attempt.folder, attempt.output, attempt.solver]) {
    if (!path.startsWith("/")) throw new SystemError("USAGE", `${path} isn't an absolute path`);
  }
  const name = attemptName(attempt.solveId, attempt.attempt);
  return {
    name,
    comment: `solve=${short12(attempt.solveId)}.attempt=${attempt.attempt}`,
    ranks: attempt.ranks,
    timeLimitMinutes: attempt.timeLimitMinutes,
    options: attempt.options ?? [],
    script: fileURLToPath(new URL("attempt.sh", import.meta.url)),
    scriptArguments: [
      attempt.folder,
      checkValue("mark", attempt.mark),
      String(attempt.ranks),
      scratchPath(attempt),
      attempt.output,
      (attempt.modules ?? []).join(","),
      attempt.solver,
      ...attempt.solverArguments,
    ],
  };
}

/** Makes the folders that the wrapper writes to. @throws {SystemError} OUTPUT_UNWRITABLE. */
export async function prepareAttempt(attempt: SolveAttempt): Promise<void> {
  for (const folder of [attempt.folder, dirname(attempt.output)]) {
    await makeFolder(folder);
  }
}

const exitRecord = v.object({
  exitCode: v.pipe(v.number(), v.integer()),
  signal: v.nullable(v.pipe(v.number(), v.integer())),
});

/** The wrapper's exit.json, or undefined while (or for ever, when it was killed) there is none. */
export async function readExit(folder: string): Promise<ExitRecord | undefined> {
  const parsed = v.safeParse(exitRecord, parseJson(await readText(join(folder, "exit.json"))));
  return parsed.success ? parsed.output : undefined;
}

/**
 * How an attempt ended, from Slurm's last word and what the wrapper left.
 *
 * @param job - as Slurm knows it, ended; undefined when Slurm has forgotten it or is gone. Then
 *   only exit.json counts, and a signal in it means that the attempt went down with its Slurm.
 */
export async function attemptOutcome(
  job: SlurmJob | undefined,
  folder: string,
): Promise<AttemptOutcome> {
  const exit = await readExit(folder);
  if (job === undefined && (exit === undefined || exit.signal !== null)) {
    const error = new SystemError("SOLVE_FAILED", "the slurm job vanished without a result");
    return { state: "LOST", exitCode: exit?.exitCode ?? null, reason: "Forgotten", error };
  }
  const exitCode = exit?.exitCode ?? (job?.signal === 0 ? job.exitCode : null);
  const state = job?.state ?? (exitCode === 0 ? "COMPLETED" : "FAILED");
  const reason = job?.reason ?? "None";
  const succeeded = state === "COMPLETED" && exitCode === 0;
  const error = succeeded ? null : await failure(state, exitCode, reason, folder);
  return { state, exitCode, reason, error };
}

async function failure(
  state: SlurmJob["state"],
  exitCode: number | null,
  reason: string,
  folder: string,
): Promise<SystemError> {
  const ended = exitCode === null ? {} : { exitCode };
  const where: Where = { uri: folder, slurmState: state, reason, ...ended };
  if (codeOf(state) !== "SOLVE_FAILED") {
    return new SystemError(codeOf(state), `the slurm job ended as ${state}`, where);
  }
  const said = await readSolverError(folder);
  if (said !== undefined) {
    return new SystemError("SOLVE_FAILED", `${said.code}: ${said.what}`, {
      ...where,
      ...said.where,
    });
  }
  return new SystemError("SOLVE_FAILED", describeExit(exitCode, state), where);
}

function codeOf(state: SlurmJob["state"]): ErrorCode {
  if (state === "CANCELLED") return "SOLVE_CANCELLED";
  return state === "TIMEOUT" || state === "DEADLINE" ? "SOLVE_TIMEOUT" : "SOLVE_FAILED";
}

function describeExit(exitCode: number | null, state: string): string {
  if (exitCode === STARTED_BEFORE) return "Slurm started the attempt a second time";
  if (exitCode === NOT_PUBLISHED) {
    return "the result can't be put under its final name; where another one stands, take --fresh";
  }
  if (exitCode === NO_MODULE) return "a module can't be loaded: stderr.log has its words";
  if (state === "OUT_OF_MEMORY") {
    return "the slurm job used more memory than it had: more --mem, or more ranks of less each";
  }
  if (exitCode === null) return `the slurm job ended as ${state}`;
  const signal = exitCode > 128 ? `, signal ${exitCode - 128}` : "";
  // Its own words may be lost where they can't be written, as on a full disk.
  const meaning = SOLVER_EXITS[exitCode]?.meaning;
  const said = meaning === undefined ? signal : `: ${meaning}`;
  return `the solver ended with exit code ${exitCode}${said}`;
}

async function readText(path: string): Promise<string> {
  return await readFile(path, "utf8").catch(() => "");
}
