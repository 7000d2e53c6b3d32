/**
 * Pure core. A dataset that is submitted: twice is one job; a failed one is opened again; a new
 * continuation is added. Of a sealed one it is looked first whether all of it still stands.
 */
import { type ErrorData, SystemError, toSystemError } from "../../../runtime/errors.ts";
import { canonicalJson, sha256Hex } from "../../../runtime/ids.ts";
import type { ApiRequest, Continuation, DatasetSpec } from "../../../runtime/messages.ts";
import { isS3 } from "../../../runtime/storage/uri.ts";
import { parseSolveSpec } from "../../../solver/solve.ts";
import { endDataset } from "../datasets.ts";
import type { Caller, HeadEvent, HeadState, Step } from "../events.ts";
import type { DatasetJob } from "../facts.ts";
import { reopenSolve, requestSolves } from "../solves.ts";
import { record } from "../step.ts";
import { askClaim, takeStanding } from "./standing.ts";

/** What is submitted. */
export type Submission = Pick<
  Extract<ApiRequest, { op: "submit-dataset" }>,
  "spec" | "continuation" | "batchTimeoutMs" | "demand"
>;

/** Takes a submission; a sealed job's is answered by `takeClaim`. */
export function submitDataset(
  state: HeadState,
  step: Step,
  caller: Caller,
  { spec, continuation, batchTimeoutMs, demand }: Submission,
  nowMs: number,
): void {
  const error = faultOf(spec, continuation);
  if (error !== null) {
    step.effects.push({ type: "refuse", caller, error });
    return;
  }
  const jobId = sha256Hex(canonicalJson(spec));
  const job = state.durable.datasets.get(jobId);
  if (job?.state.kind === "sealed") {
    waitForLook(state, step, job, { caller, continuation });
    return;
  }
  if (job === undefined) {
    record(state, step, { type: "dataset.submitted", jobId, spec, atMs: nowMs });
  } else if (job.state.kind === "failed" && job.state.error.code !== "DETERMINISM_ALARM") {
    reopen(state, step, jobId, nowMs);
  }
  if (batchTimeoutMs !== undefined && job?.batchTimeoutMs !== batchTimeoutMs) {
    record(state, step, { type: "dataset.limited", jobId, batchTimeoutMs });
  }
  if (demand !== undefined && canonicalJson(job?.demand ?? {}) !== canonicalJson(demand)) {
    record(state, step, { type: "dataset.demanded", jobId, demand });
  }
  admit(state, step, jobId, { caller, continuation }, nowMs);
}

/** A submission that waits for a look at what stands. */
export interface Looker {
  readonly caller: Caller;
  readonly continuation: Continuation | null;
}

function waitForLook(state: HeadState, step: Step, job: DatasetJob, looker: Looker): void {
  const waiting = state.lookers.get(job.id);
  if (waiting === undefined) {
    state.lookers.set(job.id, [looker]);
    askClaim(state, step, job);
  } else waiting.push(looker);
}

/** The claim was answered: the job goes on, or who asked about a sealed one is. */
export function takeClaim(
  state: HeadState,
  step: Step,
  { jobId, error, standing }: Extract<HeadEvent, { type: "claimed" }>,
  nowMs: number,
): void {
  const job = state.durable.datasets.get(jobId);
  const lookers = state.lookers.get(jobId) ?? [];
  // The second answer for a job that was opened again amid its claim: it may be of long ago.
  if (lookers.length === 0 && state.claims.get(jobId) !== "asked") return;
  state.lookers.delete(jobId);
  if (error !== null) {
    state.arrived.delete(jobId);
    endDataset(state, step, jobId, error);
    for (const { caller } of lookers) step.effects.push({ type: "refuse", caller, error });
    return;
  }
  if (job === undefined) return;
  state.claims.set(jobId, "ours");
  const misses = takeStanding(state, step, job, standing);
  if (job.state.kind === "sealed" && misses) reopen(state, step, jobId, nowMs);
  for (const looker of lookers) admit(state, step, jobId, looker, nowMs);
}

/** Its receipts stand, its shards get new attempts; who opens a sealed one knows what stands. */
function reopen(state: HeadState, step: Step, jobId: string, nowMs: number): void {
  const isSealed = state.durable.datasets.get(jobId)?.state.kind === "sealed";
  record(state, step, { type: "dataset.reopened", jobId, atMs: nowMs });
  if (!isSealed) state.claims.delete(jobId);
  state.cursors.delete(jobId);
  for (const key of [...state.failures.keys()]) {
    if (!key.includes(jobId)) continue;
    state.failures.delete(key);
    state.reasons.delete(key);
  }
}

function admit(
  state: HeadState,
  step: Step,
  jobId: string,
  { caller, continuation }: Looker,
  nowMs: number,
): void {
  const job = state.durable.datasets.get(jobId);
  const known = job?.continuations ?? [];
  const wanted = continuation === null ? null : canonicalJson(continuation);
  if (continuation !== null && !known.some((item) => canonicalJson(item) === wanted)) {
    record(state, step, { type: "continuation.added", jobId, continuation });
  }
  if (continuation !== null && job !== undefined) {
    requestSolves(state, step, jobId, nowMs);
    reopenSolve(state, step, jobId, continuation, nowMs);
  }
  step.effects.push({ type: "reply", caller, value: { jobId } });
}

/**
 * Why a dataset can't be submitted: a value that is no JSON, or a solve that no solver takes. What
 * is once a fact is never looked at again.
 */
function faultOf(spec: DatasetSpec, continuation: Continuation | null): ErrorData | null {
  try {
    canonicalJson(spec);
    if (continuation !== null) canonicalJson(continuation);
    if (continuation?.kind === "solve") parseSolveSpec(continuation.spec);
    if (continuation?.kind === "solve" && isS3(spec.sink.uri)) {
      const what = "phase 2 reads shards from a folder, not from S3";
      throw new SystemError("USAGE", what, { uri: spec.sink.uri });
    }
    return null;
  } catch (thrown) {
    return toSystemError(thrown, "USAGE").toData();
  }
}
