/**
 * Pure core. What a worker says: which attempts it holds and which ended how. A report is whole, so
 * a lost one costs time only. An outcome is taken from any attempt: shards are pure functions.
 */
import { type ErrorData, ERRORS, SystemError } from "../runtime/errors.ts";
import { SHARD_ATTEMPTS_MAX } from "../runtime/limits.ts";
import type { Done, Outcome, Report } from "../runtime/messages.ts";
import { endDataset, planTask, rewind } from "./datasets.ts";
import type { HeadState, Step, WorkerView } from "./events.ts";
import type { DatasetJob } from "./facts.ts";
import { driveTask, endProgram } from "./programs.ts";
import { endFlight, outboxOf, record } from "./step.ts";

export function takeReport(
  state: HeadState,
  step: Step,
  name: string,
  report: Report,
  nowMs: number,
): void {
  const worker = viewOf(state, name, report, nowMs);
  for (const done of report.done) {
    outboxOf(state, step, name).ack.push({ task: done.task, attempt: done.attempt });
    takeDone(state, step, done);
  }
  dropLost(state, name, worker, report);
  refuseUnknown(state, step, name, report);
}

/** The worker as this leader sees it; a new incarnation holds nothing of the old one's. */
function viewOf(state: HeadState, name: string, report: Report, nowMs: number): WorkerView {
  const known = state.workers.get(name);
  if (known?.process === report.process) {
    known.lastSeenMs = nowMs;
    known.slots = report.slots;
    return known;
  }
  for (const [task, flight] of [...state.flights]) {
    if (flight.worker === name) loseFlight(state, task);
  }
  const view: WorkerView = {
    process: report.process,
    slots: report.slots,
    lastSeenMs: nowMs,
    sequence: 0,
    load: 0,
    hosted: 0,
  };
  state.workers.set(name, view);
  return view;
}

/** Flights that the worker should know of, by the commands it has seen, and doesn't. */
function dropLost(state: HeadState, name: string, worker: WorkerView, report: Report): void {
  const held = new Set(report.held.map(({ task, attempt }) => `${task}#${attempt}`));
  const seen = report.seen.epoch === state.durable.epoch.number ? report.seen.sequence : 0;
  for (const [task, flight] of [...state.flights]) {
    if (flight.worker !== name || flight.sequence > Math.min(seen, worker.sequence)) continue;
    if (!held.has(`${task}#${flight.attempt}`)) loseFlight(state, task);
  }
}

/** A flight ended without an outcome: a shard is looked at again. */
export function loseFlight(state: HeadState, task: string): void {
  const flight = endFlight(state, task);
  if (flight?.assignment.work.kind !== "shard") return;
  const { jobId, input, shard } = flight.assignment.work;
  rewind(state, jobId, input, shard);
}

/**
 * Attempts the worker holds that this leader knows nothing of: an earlier leader gave them. A
 * program's driver is taken over; all else is cancelled and, where still wanted, placed anew.
 */
function refuseUnknown(state: HeadState, step: Step, name: string, report: Report): void {
  for (const { task, attempt } of report.held) {
    const flight = state.flights.get(task);
    if (flight?.worker === name && flight.attempt === attempt) continue;
    if (!adoptDriver(state, name, task, attempt)) outboxOf(state, step, name).cancel.push(task);
  }
}

function adoptDriver(state: HeadState, worker: string, task: string, attempt: number): boolean {
  const job = state.durable.programs.get(task.slice(driveTask("").length));
  if (!task.startsWith(driveTask("")) || job?.state.kind !== "running") return false;
  if (state.flights.has(task)) return false;
  const work = { kind: "drive" as const, argv: [...job.argv] };
  const assignment = { task, attempt, program: job.program, work };
  state.flights.set(task, { worker, attempt, sequence: 0, assignment });
  const view = state.workers.get(worker);
  if (view !== undefined) view.hosted += 1;
  return true;
}

function takeDone(state: HeadState, step: Step, done: Done): void {
  const flight = state.flights.get(done.task);
  if (flight?.attempt === done.attempt) endFlight(state, done.task);
  const [kind = "", id = "", input = "", shard = ""] = done.task.split("/");
  if (kind === "drive") takeDriven(state, step, id, done.outcome);
  else if (kind === "host") takeHosted(state, step, done.task, done.outcome);
  else takeDatasetOutcome(state, step, id, Number(input), Number(shard), done);
}

function takeDriven(state: HeadState, step: Step, jobId: string, outcome: Outcome): void {
  if (state.durable.programs.get(jobId)?.state.kind !== "running") return;
  if (outcome.kind === "returned") {
    record(state, step, { type: "program.returned", jobId, value: outcome.value ?? null });
  } else if (outcome.kind === "failed") {
    endProgram(state, step, jobId, outcome.error);
  }
}

function takeHosted(state: HeadState, step: Step, task: string, outcome: Outcome): void {
  const spawn = state.spawns.get(task);
  if (spawn === undefined) return;
  state.spawns.delete(task);
  const { caller } = spawn;
  if (outcome.kind === "hosted") {
    step.effects.push({ type: "reply", caller, value: outcome.address });
  } else if (outcome.kind === "failed") {
    step.effects.push({ type: "refuse", caller, error: outcome.error });
  }
}

function takeDatasetOutcome(
  state: HeadState,
  step: Step,
  jobId: string,
  input: number,
  shard: number,
  { task, outcome }: Done,
): void {
  const job = state.durable.datasets.get(jobId);
  if (job === undefined) return;
  switch (outcome.kind) {
    case "planned":
      takePlan(state, step, job, outcome);
      return;
    case "committed":
      takeReceipt(state, step, job, input, shard, outcome);
      return;
    case "past-end":
      takeEnd(state, step, job, input, outcome.end);
      return;
    case "failed":
      takeFailure(state, step, job, task, outcome.error);
      rewind(state, jobId, input, shard);
      return;
    default:
      return;
  }
}

type OutcomeOf<Kind extends Outcome["kind"]> = Extract<Outcome, { kind: Kind }>;

function takePlan(
  state: HeadState,
  step: Step,
  job: DatasetJob,
  { planSha256, shards }: OutcomeOf<"planned">,
): void {
  if (job.state.kind !== "planning") return;
  if (shards.length !== job.spec.source.inputs.length) {
    const error = new SystemError("INTERNAL", "the plan has another number of inputs");
    endDataset(state, step, job.id, error.toData());
    return;
  }
  record(state, step, { type: "dataset.planned", jobId: job.id, planSha256, shards });
}

function takeReceipt(
  state: HeadState,
  step: Step,
  job: DatasetJob,
  input: number,
  shard: number,
  { receipt, end }: OutcomeOf<"committed">,
): void {
  const progress = job.inputs[input];
  if (job.state.kind !== "running" || progress === undefined) return;
  const known = progress.receipts.get(shard);
  if (known === undefined) {
    record(state, step, { type: "shard.committed", jobId: job.id, input, shard, receipt });
  } else if (known.sha256 !== receipt.sha256) {
    const where = { uri: receipt.file };
    const error = new SystemError("DETERMINISM_ALARM", "a shard has two digests", where);
    endDataset(state, step, job.id, error.toData());
    return;
  }
  if (end !== null) takeEnd(state, step, job, input, end);
}

function takeEnd(
  state: HeadState,
  step: Step,
  job: DatasetJob,
  input: number,
  end: { readonly records: number; readonly shards: number },
): void {
  if (job.state.kind !== "running" || job.inputs[input]?.shards !== null) return;
  record(state, step, { type: "input.ended", jobId: job.id, input, ...end });
}

/** What can't get better ends the job; the rest has another attempt, a bounded number of times. */
function takeFailure(
  state: HeadState,
  step: Step,
  job: DatasetJob,
  task: string,
  error: ErrorData,
): void {
  const failures = (state.failures.get(task) ?? 0) + 1;
  state.failures.set(task, failures);
  if (error.code === "CANCELLED") return;
  if (ERRORS[error.code].retry === "never") {
    endDataset(state, step, job.id, error);
  } else if (failures >= SHARD_ATTEMPTS_MAX) {
    const what = `${task === planTask(job.id) ? "the plan" : "a shard"} failed ${failures} times: `;
    const where = { ...error.where, task };
    const failed = new SystemError("SHARD_FAILED", `${what}${error.what}`, where);
    endDataset(state, step, job.id, failed.toData());
  }
}
