/**
 * One attempt of a solve as a slurm job: its name and its request, which `attempt.sh` carries out.
 * The attempt's folder is the head's, the output's folder the user's.
 */
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { SystemError } from "../../runtime/errors.ts";
import { short12 } from "../../runtime/ids.ts";
import {
  SOLVE_BEAT_MS,
  SOLVE_FENCE_MS,
  SOLVE_LEASE_MS,
  SOLVE_STALL_MS,
} from "../../runtime/limits.ts";
import { makeFolder } from "../../runtime/storage/local.ts";
import { checkValue, type SubmitRequest } from "./slurm.ts";

/** Milliseconds, as the wrapper takes them; see `attempt.sh`. */
export interface WrapperTimes {
  readonly fenceMs: number;
  readonly beatMs: number;
  readonly leaseMs: number;
  readonly stallMs: number;
}

/** Those of limits.ts. */
export const WRAPPER_TIMES: WrapperTimes = {
  fenceMs: SOLVE_FENCE_MS,
  beatMs: SOLVE_BEAT_MS,
  leaseMs: SOLVE_LEASE_MS,
  stallMs: SOLVE_STALL_MS,
};

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
  readonly times?: WrapperTimes;
}

/** The slurm job's name: `ligase-<solve12>-<attempt>`. */
export function attemptName(solveId: string, attempt: number): string {
  return checkValue("job name", `ligase-${short12(solveId)}-${attempt}`);
}

/** Where the solver writes before its result is published: hidden, beside the output. */
export function scratchPath(attempt: SolveAttempt): string {
  const hidden = `.${basename(attempt.output)}.${attemptName(attempt.solveId, attempt.attempt)}`;
  return join(dirname(attempt.output), hidden);
}

/**
 * What `submitHeld` takes for that attempt.
 * @param token - what the attempt's folder calls itself: another state's may have the name.
 * @throws {SystemError} USAGE for a relative path.
 */
export function submitRequest(attempt: SolveAttempt, token: string): SubmitRequest {
  for (const path of [attempt.folder, attempt.output, attempt.solver]) {
    if (!path.startsWith("/")) throw new SystemError("USAGE", `${path} isn't an absolute path`);
  }
  const name = attemptName(attempt.solveId, attempt.attempt);
  const { fenceMs, beatMs, leaseMs, stallMs } = attempt.times ?? WRAPPER_TIMES;
  return {
    name,
    comment: commentOf(attempt, token),
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
      [fenceMs, beatMs, leaseMs, stallMs].join(","),
      attempt.solver,
      ...attempt.solverArguments,
    ],
  };
}

/** The slurm job's comment. */
export function commentOf(
  { solveId, attempt }: Pick<SolveAttempt, "solveId" | "attempt">,
  token: string,
): string {
  return checkValue("comment", `solve=${short12(solveId)}.attempt=${attempt}.token=${token}`);
}

/** Makes the folders that the wrapper writes to. @throws {SystemError} OUTPUT_UNWRITABLE. */
export async function prepareAttempt(attempt: SolveAttempt): Promise<void> {
  for (const folder of [attempt.folder, dirname(attempt.output)]) {
    await makeFolder(folder);
  }
}
