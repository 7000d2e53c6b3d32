/**
 * Pure core of the head: `decide(state, event, nowMs) -> { facts, effects }`. No I/O, clock or
 * randomness. Facts are applied as they are made; every effect leaves after the step's facts, and
 * all before them, are durable.
 */
import { SystemError } from "../../runtime/errors.ts";
import { canonicalJson, sha256Hex } from "../../runtime/ids.ts";
import { HEAD_LATE_MS, WORKER_SILENCE_MS } from "../../runtime/limits.ts";
import type { ApiRequest } from "../../runtime/messages.ts";
import { advanceActors, forgiveActors, restoreActors } from "./actors/actors.ts";
import { answerActors } from "./actors/requests.ts";
import { emptyActors } from "./actors/types.ts";
import { advanceDatasets, endDataset, excluded, sealed } from "./datasets.ts";
import type { Caller, Effect, HeadConfig, HeadEvent, HeadState, Step } from "./events.ts";
import { type DurableState, type Fact, stateSnapshot } from "./facts.ts";
import { emptyTasks } from "./task-store/types.ts";
import { forgiveTaskOwners, taskOwnerSeen } from "./tasks/owners.ts";
import { takeTaskReport } from "./tasks/reports.ts";
import { advanceTasks, answerTasks, isTaskRequest } from "./tasks/tasks.ts";
import { forgiveObjectJobs, lookAtObjectJobs } from "./objects/jobs.ts";
import { advancePrograms, endProgram } from "./programs.ts";
import { dropWorker, loseWork, takeReport } from "./reports.ts";
import { submitDataset, takeClaim } from "./resume/submit.ts";
import { viewOfJob } from "./resume/view.ts";
import { openJobs, record } from "./step.ts";
import { askSolve, cancelSolve } from "./solve-requests.ts";
import { advanceSolves, reopenSolves, requestSolves, slurmAnswered } from "./solves.ts";
import { statusOf } from "./status.ts";

/** Requests that may be a reason for a job to go on. */
const JOB_OPS: ReadonlySet<ApiRequest["op"]> = new Set([
  "submit-program",
  "submit-dataset",
  "solve",
  "solve-cancel",
  "cancel",
]);

export function newHeadState(durable: DurableState, config: HeadConfig, nowMs: number): HeadState {
  const state: HeadState = {
    durable,
    config,
    sinceMs: nowMs,
    lastMs: nowMs,
    commands: 0,
    workers: new Map(),
    flights: new Map(),
    tasksOf: new Map(),
    attempts: new Map(),
    failures: new Map(),
    reasons: new Map(),
    claims: new Map(),
    sealing: new Set(),
    merges: new Map(),
    deaths: new Map(),
    crashes: new Map(),
    outdone: new Map(),
    excluding: new Set(),
    standing: new Map(),
    arrived: new Map(),
    lookers: new Map(),
    open: openJobs(durable),
    shardsWait: false,
    tasksWait: false,
    actors: emptyActors(),
    tasks: emptyTasks(),
    objectJobs: new Map(),
    slurm: new Map(),
    fresh: new Set(),
    cursors: new Map(),
  };
  restoreActors(state, nowMs);
  return state;
}

/** What one decision gives; the facts are applied to `state.durable` already. */
export interface Decision {
  readonly facts: readonly Fact[];
  readonly effects: readonly Effect[];
}

/** One event's consequences. */
export function decide(state: HeadState, event: HeadEvent, nowMs: number): Decision {
  return decideAll(state, [event], nowMs);
}

/**
 * The consequences of events that came together: as if one after the other, but what a worker is
 * told of all of them is one command.
 */
export function decideAll(state: HeadState, events: readonly HeadEvent[], nowMs: number): Decision {
  const step: Step = { facts: [], effects: [], outboxes: new Map() };
  forgiveOwnSleep(state, nowMs);
  for (const event of events) take(state, step, event, nowMs);
  const isTick = events.some(({ type }) => type === "tick");
  if (isTick) {
    dropSilentWorkers(state, step, nowMs);
    lookAtObjectJobs(state, nowMs);
  }
  if (!events.every(isAboutActors)) {
    advancePrograms(state, step, nowMs);
    advanceDatasets(state, step, nowMs);
    advanceSolves(state, step, nowMs);
  }
  advanceActors(state, step, isTick, nowMs);
  advanceTasks(state, step, isTick, nowMs);
  flushOutboxes(state, step, nowMs);
  return { facts: step.facts, effects: step.effects };
}

/** Whether an event can't be a reason for any job to go on. */
function isAboutActors(event: HeadEvent): boolean {
  if (event.type === "task-report" || event.type === "more") return true;
  return event.type === "api" && !JOB_OPS.has(event.request.op);
}

function take(state: HeadState, step: Step, event: HeadEvent, nowMs: number): void {
  switch (event.type) {
    case "api":
      answer(state, step, event.caller, event.request, nowMs);
      return;
    case "report":
      takeReport(state, step, event.worker, event.report, nowMs);
      return;
    case "absent":
      loseWork(state, step, event.worker, nowMs);
      return;
    case "task-report":
      takeTaskReport(state, step, event.worker, event.report, nowMs);
      return;
    case "tick":
    case "more":
      return;
    case "claimed":
      takeClaim(state, step, event, nowMs);
      return;
    case "excluded":
      excluded(state, step, event);
      return;
    case "sealed":
      sealed(state, step, event.jobId, event.manifestSha256, nowMs);
      requestSolves(state, step, event.jobId, nowMs);
      reopenSolves(state, step, event.jobId, nowMs);
      return;
    case "seal-failed":
      state.sealing.delete(event.jobId);
      endDataset(state, step, event.jobId, event.error);
      return;
    case "slurm":
      slurmAnswered(state, step, event.solveId, event.result, nowMs);
      return;
    default:
      event satisfies never;
  }
}

function answer(
  state: HeadState,
  step: Step,
  caller: Caller,
  request: ApiRequest,
  nowMs: number,
): void {
  switch (request.op) {
    case "submit-program":
      submitProgram(state, step, caller, request, nowMs);
      return;
    case "submit-dataset":
      submitDataset(state, step, caller, request, nowMs);
      return;
    case "solve":
      askSolve(state, step, caller, request, nowMs);
      return;
    case "solve-cancel":
      cancelSolve(state, step, caller, request.solveId, nowMs);
      return;
    case "status":
      step.effects.push({ type: "reply", caller, value: statusOf(state) });
      return;
    case "job":
      answerJob(state, step, caller, request.jobId);
      return;
    case "result":
      answerResult(state, step, caller, request.jobId);
      return;
    case "cancel":
      cancelJob(state, step, caller, request.jobId);
      return;
    case "digest":
      step.effects.push({ type: "reply", caller, value: digestOf(state.durable) });
      return;
    default:
      taskOwnerSeen(state.tasks, caller, nowMs);
      if (isTaskRequest(request)) answerTasks(state, step, caller, request, nowMs);
      else answerActors(state, step, caller, request, nowMs);
  }
}

type RequestOf<Op extends ApiRequest["op"]> = Extract<ApiRequest, { op: Op }>;

/** A program's job is a new one each time; its id names the request and how often such came. */
function submitProgram(
  state: HeadState,
  step: Step,
  caller: Caller,
  request: RequestOf<"submit-program">,
  nowMs: number,
): void {
  const { program, argv } = request;
  const key = { program, argv, caller: `${caller.identity}/${caller.process}/${caller.id}` };
  const jobId = sha256Hex(canonicalJson(key));
  if (!state.durable.programs.has(jobId)) {
    record(state, step, { type: "program.submitted", jobId, program, argv, atMs: nowMs });
    state.fresh.add(jobId);
  }
  step.effects.push({ type: "reply", caller, value: { jobId } });
}

/** How many facts were applied, and the sha256 of what they made. */
export function digestOf(durable: DurableState): { facts: number; sha256: string } {
  const snapshot = canonicalJson(stateSnapshot(durable));
  return { facts: durable.facts, sha256: sha256Hex(snapshot) };
}

function answerJob(state: HeadState, step: Step, caller: Caller, jobId: string): void {
  const value = viewOfJob(state, jobId);
  if (value !== undefined) step.effects.push({ type: "reply", caller, value });
  else {
    const error = new SystemError("JOB_NOT_FOUND", "no such job", { job: jobId }).toData();
    step.effects.push({ type: "refuse", caller, error });
  }
}

function answerResult(state: HeadState, step: Step, caller: Caller, jobId: string): void {
  const job = state.durable.programs.get(jobId);
  if (job?.state.kind === "returned") {
    step.effects.push({ type: "reply", caller, value: job.state.value });
    return;
  }
  const error = new SystemError("JOB_NOT_FOUND", "no such program has returned", { job: jobId });
  step.effects.push({ type: "refuse", caller, error: error.toData() });
}

function cancelJob(state: HeadState, step: Step, caller: Caller, jobId: string): void {
  const error = new SystemError("CANCELLED", "the job was cancelled", { job: jobId }).toData();
  if (state.durable.programs.has(jobId)) endProgram(state, step, jobId, error);
  else if (state.durable.datasets.has(jobId)) endDataset(state, step, jobId, error);
  else {
    const missing = new SystemError("JOB_NOT_FOUND", "no such job", { job: jobId }).toData();
    step.effects.push({ type: "refuse", caller, error: missing });
    return;
  }
  step.effects.push({ type: "reply", caller, value: { jobId } });
}

/** While a head slept or was stalled it heard nobody: that time is no worker's silence. */
function forgiveOwnSleep(state: HeadState, nowMs: number): void {
  const sleptMs = nowMs - state.lastMs;
  state.lastMs = nowMs;
  if (sleptMs <= HEAD_LATE_MS) return;
  state.sinceMs += sleptMs;
  for (const worker of state.workers.values()) worker.lastSeenMs += sleptMs;
  forgiveActors(state, sleptMs);
  forgiveTaskOwners(state.tasks, sleptMs);
  forgiveObjectJobs(state, sleptMs);
}

function dropSilentWorkers(state: HeadState, step: Step, nowMs: number): void {
  for (const [name, worker] of state.workers) {
    const silentMs = nowMs - worker.lastSeenMs;
    if (silentMs <= WORKER_SILENCE_MS) continue;
    const what = `its worker ${name} was silent for ${(silentMs / 1_000).toFixed(1)} s`;
    dropWorker(state, step, name, { what, proven: false }, nowMs);
  }
}

function flushOutboxes(state: HeadState, step: Step, nowMs: number): void {
  for (const [worker, outbox] of step.outboxes) {
    const view = state.workers.get(worker);
    if (view !== undefined) view.commandedMs = nowMs;
    step.effects.push({ type: "command", worker, heard: view?.heard ?? 0, ...outbox });
  }
}
