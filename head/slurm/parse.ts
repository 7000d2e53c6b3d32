/**
 * What Slurm's commands print, as our types: the only place that knows their text. A job is read
 * from `scontrol --oneliner show job` rather than from JSON: the text has kept its form for years,
 * holds one job instead of the whole queue, and its ExitCode is already `code:signal` (JSON gives
 * the raw wait status in 22.05 and an object later).
 */
import * as v from "valibot";
import { SystemError } from "../../runtime/errors.ts";
import { SLURM_STATES, type SlurmJob, type SlurmState } from "./slurm.ts";

/** States and flags that `scontrol` prints besides ours, and what a watcher takes them for. */
const FOLDED: Readonly<Record<string, SlurmState>> = {
  CONFIGURING: "RUNNING",
  RESIZING: "RUNNING",
  SIGNALING: "RUNNING",
  POWER_UP_NODE: "RUNNING",
  STAGE_OUT: "COMPLETING",
  STOPPED: "SUSPENDED",
  REQUEUED: "PENDING",
  REQUEUE_FED: "PENDING",
  REQUEUE_HOLD: "PENDING",
  RESV_DEL_HOLD: "PENDING",
  SPECIAL_EXIT: "PENDING",
  REVOKED: "CANCELLED",
  LAUNCH_FAILED: "FAILED",
  RECONFIG_FAIL: "FAILED",
};

const digits = v.pipe(v.string(), v.regex(/^\d{1,10}$/));
const jobFields = v.object({
  JobId: digits,
  JobName: v.string(),
  JobState: v.pipe(
    v.string(),
    v.transform((text) => FOLDED[text] ?? text),
    v.picklist(SLURM_STATES),
  ),
  Reason: v.string(),
  ExitCode: v.pipe(
    v.string(),
    v.regex(/^\d{1,3}:\d{1,3}$/),
    v.transform((text) => text.split(":").map(Number)),
    v.tuple([v.number(), v.number()]),
  ),
  Restarts: v.optional(v.pipe(v.string(), v.regex(/^\d{1,9}$/), v.transform(Number)), "0"),
  Comment: v.optional(v.string(), ""),
});

/**
 * The job of one line of `scontrol --oneliner show job <id>`. The first field of a name counts:
 * values with spaces (a foreign job's name or comment) can only come after ours.
 * @throws {SystemError} SLURM_FAILED when the line isn't one.
 */
export function parseJob(line: string, clusterName: string): SlurmJob {
  const fields: Record<string, string> = {};
  for (const word of line.trim().split(/\s+/)) {
    const equals = word.indexOf("=");
    if (equals > 0) fields[word.slice(0, equals)] ??= word.slice(equals + 1);
  }
  const parsed = v.safeParse(jobFields, fields);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    const text = line.trim().slice(0, 200);
    throw new SystemError("SLURM_FAILED", `can't read a job: ${issue.message} in "${text}"`);
  }
  const { JobId, JobName, JobState, Reason, ExitCode, Restarts, Comment } = parsed.output;
  return {
    clusterName,
    id: JobId,
    name: JobName,
    state: JobState,
    held: JobState === "PENDING" && Reason.startsWith("JobHeld"),
    exitCode: ExitCode[0],
    signal: ExitCode[1],
    reason: Reason,
    restarts: Restarts,
    comment: Comment,
  };
}

/** The id in `sbatch --parsable`'s answer `<id>` or `<id>;<cluster>`; undefined if it isn't one. */
export function parseSubmitted(stdout: string): string | undefined {
  return /^(\d{1,10})(?:;[^\n]*)?\n?$/.exec(stdout)?.[1];
}

/** The ids of lines `<id>|<name>` whose name is exactly that one. */
export function parseIds(stdout: string, name: string): readonly string[] {
  return stdout
    .split("\n")
    .map((line) => line.split("|"))
    .filter(([id, jobName]) => jobName === name && /^\d{1,10}$/.test(id ?? ""))
    .map(([id = ""]) => id);
}

/** Whether memory is among what a Slurm gives out, by its `scontrol show config`. */
export function parseCountsMemory(config: string): boolean {
  return /^SelectTypeParameters\s*=.*memory/im.test(config);
}

/** ClusterName of `scontrol show config`. @throws {SystemError} SLURM_FAILED without one. */
export function parseClusterName(stdout: string): string {
  const name = /^ClusterName\s*=\s*(\S+)$/m.exec(stdout)?.[1];
  if (name === undefined) throw new SystemError("SLURM_FAILED", "Slurm names no cluster");
  return name;
}

/**
 * What a failed `sbatch` means. Only Slurm's own refusal says that there is no job: a lost or late
 * answer leaves that open, whatever the exit code.
 */
export function isRefusal(stderr: string): boolean {
  const reason = /Batch job submission failed: (.*)/.exec(stderr)?.[1];
  if (reason !== undefined) return !COMMUNICATION.test(reason);
  return /sbatch: (error: )?(Invalid|Unable to open file|unrecognized option|invalid)/.test(stderr);
}

const COMMUNICATION = new RegExp(
  "timed out|unable to contact|zero bytes|transport|connect|communicat|temporarily|protocol" +
    "|message|receive|try again|i/o error",
  "i",
);
