/**
 * The port to Slurm, as the head sees it; `commands.ts` carries it out, the simulator replaces it.
 * At most one released job per attempt: a job is made held, its id is recorded, then it is
 * released, and a submission of unknown outcome is looked for by name, never repeated blindly.
 */
import { SystemError } from "../../runtime/errors.ts";

/** Which slurm job is meant. Ids recur and clusters come and go, so all three must match. */
export interface SlurmJobRef {
  readonly clusterName: string;
  /** Decimal digits. */
  readonly id: string;
  readonly name: string;
}

/** Slurm's states, its transient flags folded into the state that a watcher sees. */
export const SLURM_STATES = [
  "PENDING",
  "RUNNING",
  "SUSPENDED",
  "COMPLETING",
  "COMPLETED",
  "CANCELLED",
  "FAILED",
  "TIMEOUT",
  "NODE_FAIL",
  "PREEMPTED",
  "BOOT_FAIL",
  "DEADLINE",
  "OUT_OF_MEMORY",
] as const;
export type SlurmState = (typeof SLURM_STATES)[number];

export interface SlurmJob extends SlurmJobRef {
  readonly state: SlurmState;
  /** True while it waits for a release, by its user or an administrator. */
  readonly held: boolean;
  /** Exit code of the batch script; 0 until it ended. */
  readonly exitCode: number;
  /** Signal that ended the batch script; 0 = none. */
  readonly signal: number;
  /** Slurm's word for why: `None`, `JobHeldUser`, `TimeLimit`, `NonZeroExitCode`, ... */
  readonly reason: string;
  /** How often Slurm put it back into the queue after it had started. */
  readonly restarts: number;
  /** As it was submitted with, unless the site changed it; empty when there is none. */
  readonly comment: string;
}

export interface SubmitRequest {
  /** `ligase-<solve12>-<attempt>`; unique per attempt, see `checkValue`. */
  readonly name: string;
  readonly comment: string;
  /** r, MPI ranks. Bounds: >= 1. */
  readonly ranks: number;
  readonly timeLimitMinutes: number;
  /** Further options of sbatch, `--name=value` each; ours come behind them and win. */
  readonly options?: readonly string[];
  /** Absolute path of the batch script. */
  readonly script: string;
  /** Its arguments, handed over byte for byte; no shell sees them. */
  readonly scriptArguments: readonly string[];
}

export type SubmitOutcome =
  | { readonly kind: "submitted"; readonly job: SlurmJobRef }
  /** Timed out, killed or garbled: Slurm may hold the job. Search by name before anything else. */
  | { readonly kind: "unknown"; readonly why: string }
  /** Slurm said no: there is no job. */
  | { readonly kind: "refused"; readonly why: string };

export interface Slurm {
  readonly clusterName: string;
  readonly launcher: "srun-pmix";
  /** Whether it gives memory out: elsewhere, asking for some does nothing, or is refused. */
  readonly countsMemory: boolean;
  /** Submits a job that stays held. @throws {SystemError} USAGE for a value outside the grammar. */
  submitHeld(request: SubmitRequest): Promise<SubmitOutcome>;
  /** This user's jobs of that name, ended ones included while Slurm remembers them (300 s). */
  find(name: string): Promise<readonly SlurmJob[]>;
  /** Lets a held job start. @throws {SystemError} SLURM_FAILED when it isn't there or has ended. */
  release(job: SlurmJobRef): Promise<void>;
  /** Ends a job; resolves when Slurm took the order, or has no such job any more. */
  cancel(job: SlurmJobRef): Promise<void>;
  /** The job now; undefined when Slurm no longer knows it, or knows another one by that id. */
  poll(job: SlurmJobRef): Promise<SlurmJob | undefined>;
}

/** Whether the job has come to its end; COMPLETING is not yet one. */
export function isEnded(state: SlurmState): boolean {
  switch (state) {
    case "PENDING":
    case "RUNNING":
    case "SUSPENDED":
    case "COMPLETING":
      return false;
    case "COMPLETED":
    case "CANCELLED":
    case "FAILED":
    case "TIMEOUT":
    case "NODE_FAIL":
    case "PREEMPTED":
    case "BOOT_FAIL":
    case "DEADLINE":
    case "OUT_OF_MEMORY":
      return true;
    default:
      return state satisfies never;
  }
}

const VALUE = /^[A-Za-z0-9][A-Za-z0-9._=-]{0,127}$/;

/**
 * The value itself, once it may stand in a Slurm option: no option, no list, no shell and no
 * format can be smuggled in with it.
 * @throws {SystemError} USAGE.
 */
export function checkValue(what: string, value: string): string {
  if (VALUE.test(value)) return value;
  throw new SystemError("USAGE", `${what} ${JSON.stringify(value)} can't go to Slurm`);
}
