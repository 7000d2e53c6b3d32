/**
 * Pure core. Dataset jobs: plan, claim of the output, shards, seal. A shard is done when its
 * receipt is a fact; a dataset is sealed when every shard of every input is, and its manifest
 * stands.
 */
import { type ErrorData, SystemError } from "../../runtime/errors.ts";
import type { HeadState, Step } from "./events.ts";
import type { DatasetJob, InputProgress } from "./facts.ts";
import { manifestOf } from "./seal.ts";
import { cancelFlights, place, record, type Unplaced } from "./step.ts";

export function planTask(jobId: string): string {
  return `plan/${jobId}`;
}

export function shardTask(jobId: string, input: number, shard: number): string {
  return `shard/${jobId}/${input}/${shard}`;
}

/** The folder of a job's own files in the state. */
export function jobFolder(state: HeadState, jobId: string): string {
  return `${state.config.stateFolder}/jobs/${jobId.slice(0, 12)}`;
}

/** Places what can be placed now; asks for the claim, and for the seal once all is committed. */
export function advanceDatasets(state: HeadState, step: Step, _nowMs: number): void {
  for (const jobId of state.open.datasets) {
    const job = state.durable.datasets.get(jobId);
    if (job?.state.kind === "planning") placePlan(state, step, job);
    else if (job?.state.kind === "running") advanceShards(state, step, job);
  }
}

function placePlan(state: HeadState, step: Step, job: DatasetJob): void {
  const task = planTask(job.id);
  if (!state.flights.has(task)) place(state, step, task, planWork(state, job));
}

/** What an executor needs to make a job's plan. */
export function planWork(state: HeadState, job: DatasetJob): Unplaced {
  const folder = jobFolder(state, job.id);
  return { program: job.spec.program, work: { kind: "plan", jobFolder: folder, spec: job.spec } };
}

function advanceShards(state: HeadState, step: Step, job: DatasetJob): void {
  const claim = state.claims.get(job.id);
  if (claim === undefined) {
    state.claims.set(job.id, "asked");
    step.effects.push({ type: "claim", jobId: job.id, uri: job.spec.sink.uri });
  }
  if (claim !== "ours" || state.sealing.has(job.id)) return;
  if (job.inputs.every(isComplete)) startSeal(state, step, job);
  else placeShards(state, step, job);
}

function isComplete(input: InputProgress): boolean {
  return input.shards !== null && input.receipts.size === input.shards;
}

function startSeal(state: HeadState, step: Step, job: DatasetJob): void {
  const manifest = manifestOf(job);
  if (manifest instanceof SystemError) {
    endDataset(state, step, job.id, manifest.toData());
    return;
  }
  state.sealing.add(job.id);
  step.effects.push({ type: "seal", jobId: job.id, uri: job.spec.sink.uri, manifest });
}

function placeShards(state: HeadState, step: Step, job: DatasetJob): void {
  const cursors = state.cursors.get(job.id) ?? job.inputs.map(() => 0);
  state.cursors.set(job.id, cursors);
  for (const [index, input] of job.inputs.entries()) {
    for (;;) {
      const shard = nextShard(state, job.id, index, input, cursors[index] ?? 0);
      cursors[index] = shard;
      if (input.shards !== null && shard >= input.shards) break;
      if (!placeShard(state, step, job, index, shard)) return;
      cursors[index] = shard + 1;
    }
  }
}

function nextShard(
  state: HeadState,
  jobId: string,
  index: number,
  input: InputProgress,
  from: number,
): number {
  let shard = from;
  while (
    (input.shards === null || shard < input.shards) &&
    (input.receipts.has(shard) || state.flights.has(shardTask(jobId, index, shard)))
  ) {
    shard += 1;
  }
  return shard;
}

function placeShard(
  state: HeadState,
  step: Step,
  job: DatasetJob,
  input: number,
  shard: number,
): boolean {
  return place(state, step, shardTask(job.id, input, shard), shardWork(state, job, input, shard));
}

/** What an executor needs to make a shard. */
export function shardWork(
  state: HeadState,
  job: DatasetJob,
  input: number,
  shard: number,
): Unplaced {
  const { id: jobId, planSha256 } = job;
  const where = { jobId, jobFolder: jobFolder(state, jobId), planSha256: planSha256 ?? "" };
  return { program: job.spec.program, work: { kind: "shard", ...where, input, shard } };
}

/** A shard has no flight any more and no receipt yet: it is looked at again. */
export function rewind(state: HeadState, jobId: string, input: number, shard: number): void {
  const cursors = state.cursors.get(jobId);
  if (cursors !== undefined) cursors[input] = Math.min(cursors[input] ?? 0, shard);
}

export function claimed(
  state: HeadState,
  step: Step,
  jobId: string,
  error: ErrorData | null,
): void {
  if (error === null) state.claims.set(jobId, "ours");
  else endDataset(state, step, jobId, error);
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
  if (job?.state.kind !== "running") return;
  record(state, step, { type: "dataset.sealed", jobId, manifestSha256, atMs: nowMs });
}

/** Ends a dataset with an error; one that is sealed or failed stays as it is. */
export function endDataset(state: HeadState, step: Step, jobId: string, error: ErrorData): void {
  const job = state.durable.datasets.get(jobId);
  if (job?.state.kind !== "planning" && job?.state.kind !== "running") return;
  record(state, step, { type: "dataset.failed", jobId, error });
  cancelFlights(state, step, jobId);
}
