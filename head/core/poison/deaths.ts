/**
 * Pure core. What executors died of in the midst of a batch. Memory: its batches are halved.
 * Anything else: the shard is tried on another worker, where there is one, and a batch that kills
 * there too is suspected. First deaths are known to one leader alone; the next one sees two again.
 */
import { type ErrorData, SystemError } from "../../../runtime/errors.ts";
import {
  EXECUTOR_RESTART_MAX_MS,
  HALVINGS_MAX,
  JOB_CRASH_WAIT_MS,
  SHARD_DEATHS_MAX,
} from "../../../runtime/limits.ts";
import type { BatchPlace } from "../../../runtime/messages.ts";
import type { Death, HeadState, Step } from "../events.ts";
import type { DatasetJob } from "../facts.ts";
import { loopsIn, place, record, rewind, shardTask, type Unplaced } from "../step.ts";
import { trialOf } from "./trial.ts";

/** A shard of a job. */
export interface ShardAt {
  readonly input: number;
  readonly shard: number;
}

/** What a failed attempt says of its batch. */
export interface BatchFailure {
  readonly worker: string;
  readonly error: ErrorData;
  readonly batch: BatchPlace;
}

/** Deaths of one batch that make it suspected: one may be chance. */
const SUSPECT_DEATHS = 2;
/** What an executor died of, as people and side files read it. */
const REASON_MAX = 200;

/** Whether a failure is a death in a batch, or want of memory for one. */
export function isOfBatch({ code }: ErrorData): boolean {
  return code === "ACTOR_DIED" || code === "BATCH_TIMEOUT" || code === "OUT_OF_MEMORY";
}

/**
 * Takes note of a failure in a batch; the shard isn't in flight any more.
 * @returns why the job can't go on, or null.
 */
export function takeBatchFailure(
  state: HeadState,
  step: Step,
  job: DatasetJob,
  { input, shard }: ShardAt,
  { worker, error, batch }: BatchFailure,
): SystemError | null {
  const { id: jobId } = job;
  const { first, records } = batch;
  const { halvings } = trialOf(job, input, shard);
  if (error.code === "OUT_OF_MEMORY" && records > 1 && halvings < HALVINGS_MAX) {
    const fact = { type: "shard.halved", jobId, input, shard, halvings: halvings + 1 } as const;
    record(state, step, fact);
    rewind(state, jobId, input, shard);
    return null;
  }
  const task = shardTask(jobId, input, shard);
  const deaths = [...(state.deaths.get(task) ?? []), { worker, first, records }];
  state.deaths.set(task, deaths);
  if (isSuspected(state, deaths, batch)) {
    state.deaths.delete(task);
    const reason = reasonOf(error);
    record(state, step, { type: "shard.suspected", jobId, input, shard, first, records, reason });
    return null;
  }
  if (deaths.length < SHARD_DEATHS_MAX) return null;
  const what = `${deaths.length} executors died of a shard, in batches that differ: ${error.what}`;
  return new SystemError("SHARD_FAILED", what, { task });
}

/** Two deaths of it; on two workers where there are two. */
function isSuspected(state: HeadState, deaths: readonly Death[], batch: BatchPlace): boolean {
  const same = deaths.filter((it) => it.first === batch.first && it.records === batch.records);
  if (same.length < SUSPECT_DEATHS) return false;
  const workers = new Set(same.map(({ worker }) => worker));
  return workers.size > 1 || !hasOthers(state, workers);
}

/** Whether there are workers beyond these that make shards. */
function hasOthers(state: HeadState, workers: ReadonlySet<string>): boolean {
  for (const [name, worker] of state.workers) {
    if (!workers.has(name) && worker.slots > 0 && !loopsIn(worker)) return true;
  }
  return false;
}

/** What an error says an executor died of: the same words for the same cause, on any machine. */
export function reasonOf({ code, what }: ErrorData): string {
  if (code === "OUT_OF_MEMORY") return "out-of-memory";
  if (code === "BATCH_TIMEOUT") return "timeout";
  return what.replace(/^the executor ended: /, "").slice(0, REASON_MAX);
}

/** An executor died of a job while it loaded, read or wrote: the next ones would at once, too. */
export function diedOutside(state: HeadState, jobId: string): void {
  const count = (state.crashes.get(jobId)?.count ?? 0) + 1;
  const waitMs = count < 2 ? 0 : JOB_CRASH_WAIT_MS * 2 ** Math.min(count - 2, 10);
  const dueMs = state.lastMs + Math.min(waitMs, EXECUTOR_RESTART_MAX_MS);
  state.crashes.set(jobId, { count, dueMs });
}

/** Whether a job is to wait before it takes another executor. */
export function mustWait(state: HeadState, jobId: string): boolean {
  return (state.crashes.get(jobId)?.dueMs ?? 0) > state.lastMs;
}

/** Whether a shard isn't placed with all others: it has killed, or is searched. */
export function isHeld(state: HeadState, job: DatasetJob, input: number, shard: number): boolean {
  if (job.trials === undefined && state.deaths.size === 0) return false;
  if (trialOf(job, input, shard).suspect !== null) return true;
  return state.deaths.has(shardTask(job.id, input, shard));
}

/** Places shards that have killed: where they haven't yet, even when that means to wait. */
export function placeAgain(
  state: HeadState,
  step: Step,
  job: DatasetJob,
  mayPlace: () => boolean,
  workOf: (input: number, shard: number) => Unplaced,
): void {
  for (const [task, deaths] of state.deaths) {
    const [, jobId, inputText, shardText] = task.split("/");
    if (jobId !== job.id || state.flights.has(task)) continue;
    const [input, shard] = [Number(inputText), Number(shardText)];
    if (job.inputs[input]?.receipts.has(shard) === true) {
      state.deaths.delete(task);
      continue;
    }
    const killed = new Set(deaths.map(({ worker }) => worker));
    if (!mayPlace()) return;
    const avoided = hasOthers(state, killed) ? killed : undefined;
    place(state, step, task, workOf(input, shard), { avoided });
  }
}

/** A job is over. */
export function forgetDeaths(state: HeadState, jobId: string): void {
  const start = `shard/${jobId}/`;
  for (const task of state.deaths.keys()) if (task.startsWith(start)) state.deaths.delete(task);
  state.crashes.delete(jobId);
  for (const task of state.excluding) if (task.startsWith(start)) state.excluding.delete(task);
}
