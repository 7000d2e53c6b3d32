/**
 * How an attempt ended, from Slurm's last word and what stands in its folder, and what that means
 * in words. Accounting (sacct) isn't asked: few sites let it answer in time, a private Slurm has
 * none.
 */
import * as v from "valibot";
import { type ErrorCode, SystemError, type Where } from "../../../runtime/errors.ts";
import { SOLVER_EXITS } from "../../../solver/solve.ts";
import type { SlurmJob } from "../slurm.ts";
import { hopelessReason } from "./words.ts";
import { readStart } from "./fence.ts";
import type { AttemptFiles } from "./files.ts";
import { parseJson } from "./left.ts";

/** How the solver ended, by the wrapper's word: `signal` is null unless one ended it. */
export interface ExitRecord {
  readonly exitCode: number;
  readonly signal: number | null;
}

/** Ends that Slurm has no word for. */
export const OWN_ENDS = [
  /** Neither Slurm nor the wrapper knows the end. */
  "LOST",
  /** Slurm started it, and put it back into the queue. */
  "REQUEUED",
  /** The solver made no step for SOLVE_STALL_MS. */
  "STALLED",
  /** The wrapper couldn't write its beats, or wasn't the released one. */
  "CUT_OFF",
  /** It could never have started. */
  "REFUSED",
  /** Its cluster was ended, and it with it. */
  "RECALLED",
] as const;
export type EndState = SlurmJob["state"] | (typeof OWN_ENDS)[number];

/** How an attempt ended; `error` is null when the result stands under its final name. */
export interface AttemptOutcome {
  readonly state: EndState;
  readonly exitCode: number | null;
  readonly reason: string;
  readonly error: SystemError | null;
}

/** Why a solve's attempt is given up, as `started` and `ended` say it. */
export const CANCELLED_BY_US = "cancelled";
export const CLUSTER_ENDED = "cluster ended";

/** The wrapper's own exit codes. */
const STARTED_BEFORE = 90;
const NOT_PUBLISHED = 91;
const NO_MODULE = 92;
const NOT_RELEASED = 93;
const GIVEN_UP = 94;
const STALLED = 95;
const NO_BEAT = 96;

const exitRecord = v.object({
  exitCode: v.pipe(v.number(), v.integer()),
  signal: v.nullable(v.pipe(v.number(), v.integer())),
});

/** The wrapper's exit.json, or undefined while (or for ever, when it was killed) there is none. */
export async function readExit(files: AttemptFiles): Promise<ExitRecord | undefined> {
  const parsed = v.safeParse(exitRecord, parseJson((await files.read("exit.json")) ?? ""));
  return parsed.success ? parsed.output : undefined;
}

/**
 * How an attempt that is over ended.
 *
 * @param job - as Slurm knows it; undefined when Slurm has forgotten it or is gone. Then only
 *   exit.json counts, and a signal in it means that the attempt went down with its Slurm.
 */
export async function attemptOutcome(
  job: SlurmJob | undefined,
  files: AttemptFiles,
): Promise<AttemptOutcome> {
  const exit = await readExit(files);
  // Slurm's own code alone is no success: the result stands when the wrapper says so.
  const told = job?.signal === 0 && job.exitCode !== 0 ? job.exitCode : null;
  const exitCode = exit?.exitCode ?? told;
  const reason = job?.reason ?? (exit === undefined ? "Forgotten" : "None");
  if (exit?.exitCode === 0) return { state: "COMPLETED", exitCode: 0, reason, error: null };
  const ended = { exitCode, reason };
  const givenUp = await whyGivenUp(files);
  if (givenUp === CANCELLED_BY_US) {
    const error = failure("CANCELLED", ended, files, "the solve was cancelled");
    return { state: "CANCELLED", ...ended, error };
  }
  if (givenUp === CLUSTER_ENDED) {
    const error = failure("RECALLED", ended, files, meaningOf("RECALLED", exitCode));
    return { state: "RECALLED", ...ended, error };
  }
  const hopeless = hopelessReason(givenUp ?? "");
  if (hopeless !== undefined) {
    const error = failure("REFUSED", { ...ended, reason: givenUp ?? "" }, files, hopeless);
    return { state: "REFUSED", ...ended, error };
  }
  const state = stateOf(job, exit);
  const said = state === "FAILED" ? await files.solverError() : undefined;
  const what = said === undefined ? meaningOf(state, exitCode) : `${said.code}: ${said.what}`;
  return { state, ...ended, error: failure(state, ended, files, what, said?.where) };
}

async function whyGivenUp(files: AttemptFiles): Promise<string | undefined> {
  const start = await readStart(files);
  if (start.kind === "never") return start.why;
  return (await files.read("ended"))?.trim();
}

function stateOf(job: SlurmJob | undefined, exit: ExitRecord | undefined): EndState {
  if (job === undefined && (exit === undefined || exit.signal !== null)) return "LOST";
  const again = job?.restarts !== undefined && job.restarts > 0;
  if (again || job?.exitCode === STARTED_BEFORE) return "REQUEUED";
  switch (exit?.exitCode ?? job?.exitCode) {
    case STALLED:
      return "STALLED";
    case NO_BEAT:
    case NOT_RELEASED:
      return "CUT_OFF";
    case GIVEN_UP:
      // Given up for what Slurm said of it, which it may have forgotten since.
      if (job === undefined) return "LOST";
      return job.state === "FAILED" ? "CUT_OFF" : job.state;
    default:
      // A script that ended well and left no word of it was cut off from its folder.
      if (job?.state === "COMPLETED") return exit === undefined ? "CUT_OFF" : "FAILED";
      return job?.state ?? "FAILED";
  }
}

function failure(
  state: EndState,
  { exitCode, reason }: { readonly exitCode: number | null; readonly reason: string },
  files: AttemptFiles,
  what: string,
  more: Where = {},
): SystemError {
  const ended = exitCode === null ? {} : { exitCode };
  const where = { uri: files.folder, slurmState: state, reason, ...ended, ...more };
  return new SystemError(codeOf(state), what, where);
}

function codeOf(state: EndState): ErrorCode {
  switch (state) {
    case "CANCELLED":
      return "SOLVE_CANCELLED";
    case "TIMEOUT":
    case "DEADLINE":
      return "SOLVE_TIMEOUT";
    case "OUT_OF_MEMORY":
      return "SOLVE_OUT_OF_MEMORY";
    case "REFUSED":
      return "SLURM_REFUSED";
    default:
      return WORTH_ANOTHER.has(state) ? "SOLVE_LOST" : "SOLVE_FAILED";
  }
}

/** Ends that say nothing of the solve itself: the machine or the scheduler took the job away. */
export const WORTH_ANOTHER: ReadonlySet<string> = new Set([
  ...["NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "LOST", "FORGOTTEN"],
  ...["REQUEUED", "STALLED", "CUT_OFF", "RECALLED"],
]);

const MEANINGS: Partial<Record<EndState, string>> = {
  CANCELLED: "its slurm job was cancelled by its user, an administrator or a cluster that ended",
  TIMEOUT: "the slurm job ran into its time limit: more --time; it goes on from its checkpoint",
  DEADLINE: "the slurm job can't end before its deadline",
  OUT_OF_MEMORY:
    "the slurm job used more memory than it had: more --mem, or more ranks of less each",
  NODE_FAIL: "a node of the slurm job failed",
  BOOT_FAIL: "a node of the slurm job didn't start",
  PREEMPTED: "a slurm job of higher priority took its place",
  LOST: "the slurm job vanished without a result",
  REQUEUED: "Slurm started the attempt a second time",
  STALLED: "a rank stood still: the solver made no step, and its ranks were ended",
  RECALLED: "its cluster was ended, and its slurm job with it",
  CUT_OFF: "the attempt's folder couldn't be reached from its node",
};

function meaningOf(state: EndState, exitCode: number | null): string {
  const meaning = MEANINGS[state];
  if (meaning !== undefined) return meaning;
  if (exitCode === NOT_PUBLISHED) {
    return "the result can't be put under its final name; where another one stands, take --fresh";
  }
  if (exitCode === NO_MODULE) return "a module can't be loaded: stderr.log has its words";
  if (exitCode === null) return `the slurm job ended as ${state}`;
  const signal = exitCode > 128 ? `, signal ${exitCode - 128}` : "";
  // Its own words may be lost where they can't be written, as on a full disk.
  const own = SOLVER_EXITS[exitCode]?.meaning;
  return `the solver ended with exit code ${exitCode}${own === undefined ? signal : `: ${own}`}`;
}
