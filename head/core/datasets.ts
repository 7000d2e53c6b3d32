/**
 * Pure core. Dataset jobs: plan, claim of the output, shards, seal. A shard is done when its
 * receipt is a fact; a dataset is sealed when every shard of every input is, and its manifest
 * stands.
 */
import { type ErrorData, SystemError } from "../../runtime/errors.ts";
import { QUEUE_BLIND } from "../../runtime/limits.ts";
import type { ReportFile } from "../../runtime/messages.ts";
import { ONE_CPU } from "../../runtime/resources/resources.ts";
import type { HeadEvent, HeadState, Step } from "./events.ts";
import type { DatasetJob, InputProgress } from "./facts.ts";
import { advanceMerge } from "./merge/merge.ts";
import { forgetDeaths, isHeld, mustWait, placeAgain } from "./poison/deaths.ts";
import { placeNeeding, shapesOfWaiting } from "./placement/actors.ts";
import { limitShards } from "./placement/holding.ts";
import { fitsEver } from "./placement/room.ts";
import { advanceSearches, attemptOf } from "./poison/search.ts";
import { askClaim, damageOf, isTaken, placeVerify } from "./resume/standing.ts";
import { manifestOf } from "./seal.ts";
import {
  cancelFlights,
  jobFolder,
  place,
  record,
  rewind,
  shardTask,
  type Unplaced,
} from "./step.ts";

export function planTask(jobId: string): string {
  return `plan/${jobId}`;
}

/** Places what can be placed now; asks for the claim, and for the seal once all is committed. */
export function advanceDatasets(state: HeadState, step: Step, nowMs: number): void {
  placeNeeding(state, step, nowMs);
  limitShards(state, shapesOfWaiting(state), nowMs);
  state.shardsWait = false;
  // A job that is to have some shards under way, and hasn't, goes before others.
  for (const jobId of state.open.datasets) {
    const job = state.durable.datasets.get(jobId);
    const least = job?.demand?.concurrency?.min ?? 0;
    if (job?.state.kind === "running" && least > 0) advanceShards(state, step, job, least);
  }
  for (const jobId of state.open.datasets) {
    const job = state.durable.datasets.get(jobId);
    const most = job?.demand?.concurrency?.max;
    if (job?.state.kind === "planning") placePlan(state, step, job);
    else if (job?.state.kind === "running") advanceShards(state, step, job, most);
  }
}

function placePlan(state: HeadState, step: Step, job: DatasetJob): void {
  const task = planTask(job.id);
  if (!state.flights.has(task) && !mustWait(state, job.id))
    place(state, step, task, planWork(state, job));
}

/** What an executor needs to make a job's plan. */
export function planWork(state: HeadState, job: DatasetJob): Unplaced {
  const folder = jobFolder(state, job.id);
  return { program: job.spec.program, work: { kind: "plan", jobFolder: folder, spec: job.spec } };
}

/** @param most - shards of it that may be under way. */
function advanceShards(
  state: HeadState,
  step: Step,
  job: DatasetJob,
  most = Number.POSITIVE_INFINITY,
): void {
  const claim = state.claims.get(job.id);
  if (claim === undefined) {
    state.claims.set(job.id, "asked");
    askClaim(state, step, job);
  }
  if (claim !== "ours" || state.sealing.has(job.id)) return;
  const damage = damageOf(state, job);
  if (damage !== undefined) endDataset(state, step, job.id, damage.toData());
  else if (job.inputs.every(isComplete)) advanceSeal(state, step, job);
  else if (placeVerify(state, step, job)) advanceOpen(state, step, job, most);
}

/** Searches first: a shard that they end is placed in the same step. */
function advanceOpen(state: HeadState, step: Step, job: DatasetJob, most: number): void {
  const { failed, settled } = advanceSearches(state, step, job);
  for (const { input, shard } of settled) rewind(state, job.id, input, shard);
  if (failed !== null) {
    endDataset(state, step, job.id, failed.toData());
    return;
  }
  if (mustWait(state, job.id)) return;
  const mayPlace = (): boolean => isUnder(state, job, most);
  placeAgain(state, step, job, mayPlace, (input, shard) => shardWork(state, job, input, shard));
  placeShards(state, step, job, mayPlace);
}

function isComplete(input: InputProgress): boolean {
  return input.shards !== null && input.receipts.size === input.shards;
}

/** What was counted in the shards is merged before. */
function advanceSeal(state: HeadState, step: Step, job: DatasetJob): void {
  const reports = advanceMerge(state, step, job);
  if (reports !== null) startSeal(state, step, job, reports);
}

function startSeal(
  state: HeadState,
  step: Step,
  job: DatasetJob,
  reports: readonly ReportFile[],
): void {
  const manifest = manifestOf(job, reports);
  if (manifest instanceof SystemError) {
    endDataset(state, step, job.id, manifest.toData());
    return;
  }
  state.sealing.add(job.id);
  step.effects.push({ type: "seal", jobId: job.id, uri: job.spec.sink.uri, manifest });
}

/** Whether fewer of a job's shards than this are under way. */
function isUnder({ tasksOf }: HeadState, { id }: DatasetJob, most: number): boolean {
  const tasks = tasksOf.get(id) ?? new Set();
  if (tasks.size < most) return true;
  let shards = 0;
  for (const task of tasks) if (task.startsWith(SHARD)) shards += 1;
  return shards < most;
}

/** How the tasks of shards begin. */
const SHARD = "shard/";

function placeShards(state: HeadState, step: Step, job: DatasetJob, mayPlace: () => boolean): void {
  const share = shareOf(state, job);
  const cursors = state.cursors.get(job.id) ?? job.inputs.map(() => 0);
  state.cursors.set(job.id, cursors);
  for (const [index, input] of job.inputs.entries()) {
    for (;;) {
      const shard = nextShard(state, job, index, input, cursors[index] ?? 0);
      cursors[index] = shard;
      if (input.shards !== null && shard >= input.shards) break;
      if (!mayPlace()) return;
      const task = shardTask(job.id, index, shard);
      if (!place(state, step, task, shardWork(state, job, index, shard), { share })) {
        state.shardsWait ||= isWaiting(state, job);
        return;
      }
      cursors[index] = shard + 1;
    }
  }
}

function nextShard(
  state: HeadState,
  job: DatasetJob,
  index: number,
  input: InputProgress,
  from: number,
): number {
  let shard = from;
  while (
    (input.shards === null || shard < input.shards) &&
    (input.receipts.has(shard) ||
      state.flights.has(shardTask(job.id, index, shard)) ||
      isTaken(state, job.id, index, shard) ||
      isHeld(state, job, index, shard))
  ) {
    shard += 1;
  }
  return shard;
}

/** Whether a job has nothing, or less than it could, of what others have. */
function isWaiting(state: HeadState, { demand }: DatasetJob): boolean {
  const shape = demand?.shape ?? ONE_CPU;
  for (const { room, isAbsent } of state.workers.values()) {
    if (!isAbsent && fitsEver(room, shape)) return true;
  }
  return false;
}

/**
 * What a slot's equal part of the job is now: work ahead doesn't make others wait at the end. Of an
 * input whose end isn't known little is taken ahead: it may be nothing.
 */
function shareOf({ workers }: HeadState, { inputs }: DatasetJob): number {
  let [left, slots] = [0, 0];
  for (const { shards, receipts } of inputs) {
    if (shards === null) return QUEUE_BLIND;
    left += shards - receipts.size;
  }
  for (const worker of workers.values()) slots += worker.slots;
  return left / Math.max(1, slots);
}

/** What an executor needs to make a shard. */
export function shardWork(
  state: HeadState,
  job: DatasetJob,
  input: number,
  shard: number,
): Unplaced {
  return {
    program: job.spec.program,
    work: { kind: "shard", ...attemptOf(state, job, input, shard) },
  };
}

/** An exclusion stands: its shard is made without these records. */
export function excluded(
  state: HeadState,
  step: Step,
  { jobId, input, shard, exclusion, error }: Extract<HeadEvent, { type: "excluded" }>,
): void {
  state.excluding.delete(shardTask(jobId, input, shard));
  const job = state.durable.datasets.get(jobId);
  if (job?.state.kind !== "running") return;
  if (error !== null) endDataset(state, step, jobId, error);
  if (exclusion === null) return;
  record(state, step, { type: "shard.excluded", jobId, input, shard, ...exclusion });
  rewind(state, jobId, input, shard);
}

export function sealed(
  state: HeadState,
  step: Step,
  jobId: string,
  manifestSha256: string,
  nowMs: number,
): void {
  state.sealing.delete(jobId);
  const job = state.durable.datasets.get(jobId);
  // Opened again amid its seal, it may have lost a receipt: then it is sealed once more.
  if (job?.state.kind !== "running" || !job.inputs.every(isComplete)) return;
  record(state, step, { type: "dataset.sealed", jobId, manifestSha256, atMs: nowMs });
  state.merges.delete(jobId);
  forgetDeaths(state, jobId);
}

/** Ends a dataset with an error; one that is sealed or failed stays as it is. */
export function endDataset(state: HeadState, step: Step, jobId: string, error: ErrorData): void {
  const job = state.durable.datasets.get(jobId);
  if (job?.state.kind !== "planning" && job?.state.kind !== "running") return;
  record(state, step, { type: "dataset.failed", jobId, error });
  state.merges.delete(jobId);
  state.standing.delete(jobId);
  forgetDeaths(state, jobId);
  cancelFlights(state, step, jobId);
}
