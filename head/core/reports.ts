/**
 * Pure core. What a worker says: which attempts it holds and which ended how. A report is whole, so
 * a lost one costs time only. An outcome is taken from any attempt: shards are pure functions.
 * Long because all that comes of work comes in here.
 */
import { type ErrorData, ERRORS, SystemError } from "../../runtime/errors.ts";
import { canonicalJson } from "../../runtime/ids.ts";
import { COMMAND_SEEN_MS, SHARD_ATTEMPTS_MAX } from "../../runtime/limits.ts";
import type { BatchPlace, Done, Outcome, Report } from "../../runtime/messages.ts";
import { answerKillers, hostTask, takeEnded, takeHosted } from "./actors/lives.ts";
import { hasNamed, heardLast, proveReplaced } from "./actors/unproven.ts";
import { adoptStart, loseLives, loseStart, settleActors, takeActors } from "./actors/workers.ts";
import { NO_RESOURCES, type Resources, UNITS } from "../../runtime/resources/resources.ts";
import { endDataset, planTask, planWork, shardWork } from "./datasets.ts";
import type { Flight, HeadState, Step, WorkerView } from "./events.ts";
import type { DatasetJob } from "./facts.ts";
import { takeMerged } from "./merge/merge.ts";
import { takeObjectJobs } from "./objects/jobs.ts";
import { shapeOf, syncSeats } from "./placement/holding.ts";
import { changeRoom, hold, newRoom } from "./placement/room.ts";
import { diedOutside, isOfBatch, type ShardAt, takeBatchFailure } from "./poison/deaths.ts";
import { probeWork, takeProbed } from "./poison/search.ts";
import { clusterChanged } from "./tasks/dispatch.ts";
import { endGoneExecutors } from "./tasks/owners.ts";
import { absentTaskWorker, loseTaskWorker } from "./tasks/workers.ts";
import { driveTask, driveWork, endProgram } from "./programs.ts";
import { lookAgain, looked } from "./resume/standing.ts";
import {
  allLoop,
  beginFlight,
  cancelAt,
  endFlight,
  outboxOf,
  record,
  rewind,
  type Unplaced,
} from "./step.ts";

/** How the tasks of actors begin. */
const HOST = hostTask("");
const DRIVE = driveTask("");

export function takeReport(
  state: HeadState,
  step: Step,
  name: string,
  report: Report,
  nowMs: number,
): void {
  const worker = viewOf(state, step, name, report, nowMs);
  worker.seen = seenOf(state, report);
  const load = worker.load;
  for (const done of report.done) {
    outboxOf(state, step, name).ack.push({ task: done.task, attempt: done.attempt });
    takeDone(state, step, name, done, nowMs);
  }
  if (worker.load < load) notePace(worker, load, report.done, nowMs);
  takeEnded(state, step, name, report.ended, nowMs);
  takeActors(state, step, name, report, nowMs);
  dropLost(state, step, name, report, nowMs);
  if (seenOf(state, report) < worker.sequence && nowMs - worker.commandedMs > COMMAND_SEEN_MS) {
    // The last command didn't arrive, and no other would show it: an empty one does.
    outboxOf(state, step, name);
  }
  adoptHeld(state, step, name, report, nowMs);
  settleActors(state, step, name, report, nowMs);
  takeObjectJobs(state, step, name, report, nowMs);
  endGoneExecutors(state, name, report.processes, nowMs);
  // Whatever the command says, it confirms this report: that renews the lease of named lives.
  if (hasNamed(state, name, worker)) outboxOf(state, step, name);
}

/** How long a slot takes for a shard, from how many were made since the last was. */
function notePace(
  worker: WorkerView,
  loadBefore: number,
  done: readonly Done[],
  nowMs: number,
): void {
  const { slots, load, shardMs, pacedMs } = worker;
  worker.pacedMs = nowMs;
  const made = done.filter(({ outcome }) => outcome.kind === "committed").length;
  if (made === 0) return;
  const shards = Math.min(made, loadBefore - load);
  const tookMs = Math.max(1, ((nowMs - pacedMs) * Math.min(slots, loadBefore)) / shards);
  worker.shardMs = shardMs === 0 ? tookMs : shardMs + PACE_WEIGHT * (tookMs - shardMs);
}

/** Of the last report, in a running mean: a dozen forget what was before. */
const PACE_WEIGHT = 0.2;

/** The worker as this leader sees it; a new incarnation holds nothing of the old one's. */
function viewOf(
  state: HeadState,
  step: Step,
  name: string,
  report: Report,
  nowMs: number,
): WorkerView {
  const { process, number, host, slots, hosting, sharing, trouble = null } = report;
  const known = state.workers.get(name);
  if (known?.process === process) {
    known.lastSeenMs = nowMs;
    known.heard = Math.max(known.heard, number);
    known.isAbsent = false;
    changeView(state, known, report);
    known.hosting = hosting;
    known.sharing = sharing;
    known.trouble = trouble;
    return known;
  }
  const starts = known?.host === host ? startsOf(state, known) : [];
  for (const { assignment } of starts) endFlight(state, assignment.task);
  if (known !== undefined) {
    const what = `its worker ${name} was started anew`;
    dropWorker(state, step, name, { what, proven: known.host === host }, nowMs);
  }
  const view: WorkerView = {
    process,
    host,
    slots,
    room: newRoom(resourcesOf(report), report.labels ?? {}),
    isTold: false,
    shardShare: slots,
    shardSlots: slots,
    seats: 0,
    shardsHold: NO_RESOURCES,
    lastSeenMs: nowMs,
    isAbsent: false,
    sequence: Math.max(0, ...starts.map(({ sequence }) => sequence)),
    commandedMs: nowMs,
    seen: 0,
    heard: number,
    tasks: new Set(),
    load: 0,
    shardMs: 0,
    pacedMs: nowMs,
    hosted: 0,
    opening: 0,
    hosting,
    sharing,
    lives: new Set(),
    livesOwn: 0,
    named: 0,
    ends: new Map(),
    endsToldMs: nowMs,
    unknownSinceMs: null,
    refusedUntilMs: 0,
    trouble,
  };
  state.workers.set(name, view);
  clusterChanged(state);
  // The command may have reached the new process: what it says next tells.
  for (const flight of starts) {
    beginFlight(state, flight);
    holdAgain(state, view, flight);
  }
  proveReplaced(state, step, name, report, nowMs);
  return view;
}

/** What it has may change while it runs: what it holds stays held. */
function changeView(state: HeadState, view: WorkerView, report: Report): void {
  const total = resourcesOf(report);
  const wanted = report.labels ?? {};
  const { room } = view;
  const isSame = canonicalJson([total, wanted]) === canonicalJson([room.total, room.labels]);
  if (!isSame) {
    changeRoom(room, total, wanted);
    clusterChanged(state);
  }
  if (view.slots === report.slots) return;
  view.slots = report.slots;
  syncSeats(view);
}

/** What a worker has: one that doesn't say has a processor a slot. */
function resourcesOf({ resources, slots }: Report): Resources {
  return resources ?? { ...NO_RESOURCES, cpu: slots * UNITS };
}

/** An actor that starts holds what it held of the worker's process before. */
function holdAgain(state: HeadState, { room }: WorkerView, { assignment }: Flight): void {
  const { work } = assignment;
  if (work.kind !== "host") return;
  const grant = state.actors.entries.get(work.record.actorId)?.grant ?? null;
  if (grant !== null) hold(room, grant);
}

/** Actors that a worker is to start. */
function startsOf(state: HeadState, { tasks }: WorkerView): Flight[] {
  const flights = [...tasks].flatMap((task) => state.flights.get(task) ?? []);
  return flights.filter(({ assignment }) => assignment.work.kind === "host");
}

/** A worker is gone, or silent for too long: what it did is lost, what lived there given up. */
export function dropWorker(
  state: HeadState,
  step: Step,
  name: string,
  why: { readonly what: string; readonly proven: boolean },
  nowMs: number,
): void {
  const worker = state.workers.get(name);
  if (worker === undefined) return;
  for (const task of [...worker.tasks]) loseFlight(state, step, task, why, nowMs);
  loseLives(state, step, worker, why, nowMs);
  for (const ending of worker.ends.values()) answerKillers(state, step, ending);
  heardLast(state, name, worker);
  state.workers.delete(name);
  loseTaskWorker(state, name, why.what, nowMs);
}

/**
 * A worker doesn't hear any more, long before its silence tells: its work is given to others. What
 * can't be given to others stays, for the worker may be back: drivers, and what lives there. Calls
 * find its process by other ways, and a lease isn't shortened.
 */
export function loseWork(state: HeadState, step: Step, name: string, nowMs: number): void {
  const worker = state.workers.get(name);
  if (worker === undefined) return;
  worker.isAbsent = true;
  absentTaskWorker(state, name, nowMs);
  const why = { what: `its worker ${name} is gone from the bus`, proven: false };
  for (const task of [...worker.tasks]) {
    const stays = task.startsWith(HOST) || task.startsWith(DRIVE);
    if (!stays) loseFlight(state, step, task, why, nowMs);
  }
}

/** Flights that the worker should know of, by the commands it has seen, and doesn't. */
function dropLost(state: HeadState, step: Step, name: string, report: Report, nowMs: number): void {
  const tasks = state.workers.get(name)?.tasks;
  if (tasks === undefined || tasks.size === 0) return;
  const held = new Set(report.held.map(({ task, attempt }) => `${task}#${attempt}`));
  const seen = seenOf(state, report);
  const why = { what: `its worker ${name} knows nothing of it`, proven: true };
  for (const task of [...tasks]) {
    const flight = state.flights.get(task);
    if (flight === undefined || flight.sequence > seen) continue;
    if (!held.has(`${task}#${flight.attempt}`)) loseFlight(state, step, task, why, nowMs);
  }
}

/** The last command of this leader that the worker has seen. */
function seenOf(state: HeadState, { seen }: Report): number {
  return seen.epoch === state.durable.epoch.number ? seen.sequence : 0;
}

/** A flight ended without an outcome: a shard is looked at again, an actor starts elsewhere. */
function loseFlight(
  state: HeadState,
  step: Step,
  task: string,
  why: { readonly what: string; readonly proven: boolean },
  nowMs: number,
): void {
  const work = state.flights.get(task)?.assignment.work;
  if (work?.kind === "host") {
    loseStart(state, step, work.record.actorId, why, nowMs);
    return;
  }
  endFlight(state, task);
  if (work?.kind === "shard") rewind(state, work.jobId, work.input, work.shard);
  if (work?.kind === "verify") lookAgain(state, work.jobId, work.ranges);
}

/**
 * Attempts the worker holds that this leader knows nothing of: an earlier leader gave them. What is
 * still wanted and nobody else does goes on; all else is cancelled.
 */
function adoptHeld(
  state: HeadState,
  step: Step,
  name: string,
  report: Report,
  nowMs: number,
): void {
  for (const { task, attempt, gpus, resources = NO_RESOURCES } of report.held) {
    const flight = state.flights.get(task);
    if (flight?.worker === name && flight.attempt === attempt) continue;
    if (task.startsWith(HOST)) {
      const life = { actorId: task.slice(HOST.length), incarnation: attempt };
      adoptStart(state, step, name, { ...life, grant: { resources, gpus: gpus ?? [] } }, nowMs);
      continue;
    }
    const wanted = flight === undefined ? wantedWork(state, task) : undefined;
    // Another attempt of that name may be due soon: it isn't the one that is held.
    state.attempts.set(task, Math.max(state.attempts.get(task) ?? 0, attempt + 1));
    if (wanted === undefined) {
      cancelAt(state, step, name, task);
      continue;
    }
    const flown = { worker: name, attempt, sequence: 0 };
    const shape = gpus === undefined ? undefined : shapeOf(state, wanted.work);
    if (gpus === undefined || shape === undefined) {
      beginFlight(state, { ...flown, assignment: { ...wanted, task, attempt } });
      continue;
    }
    const grant = { resources: shape.resources, gpus };
    beginFlight(state, { ...flown, grant, assignment: { ...wanted, task, attempt, gpus } });
  }
}

/** The work that a task's name stands for, unless it is done or its job has ended. */
function wantedWork(state: HeadState, task: string): Unplaced | undefined {
  const [kind = "", id = "", inputText = "", shardText = ""] = task.split("/");
  const program = state.durable.programs.get(id);
  if (kind === "drive") return program?.state.kind === "running" ? driveWork(program) : undefined;
  const job = state.durable.datasets.get(id);
  if (kind === "plan") return job?.state.kind === "planning" ? planWork(state, job) : undefined;
  if (job?.state.kind !== "running") return undefined;
  // What stands is looked at by each leader itself, once it knows what does.
  const [input, shard] = [Number(inputText), Number(shardText)];
  if (kind === "probe") return probeWork(state, job, { input, shard }, rangeOf(task));
  if (kind !== "shard") return undefined;
  const progress = job.inputs[input];
  if (progress === undefined || progress.receipts.has(shard)) return undefined;
  if (progress.shards !== null && shard >= progress.shards) return undefined;
  return shardWork(state, job, input, shard);
}

function takeDone(state: HeadState, step: Step, worker: string, done: Done, nowMs: number): void {
  if (done.task.startsWith(HOST)) {
    const life = { actorId: done.task.slice(HOST.length), incarnation: done.attempt };
    takeHosted(state, step, worker, life, done.outcome, nowMs);
    return;
  }
  const flight = state.flights.get(done.task);
  const isCurrent = flight?.worker === worker && flight.attempt === done.attempt;
  if (isCurrent) endFlight(state, done.task);
  // A report says it until it is acknowledged, and an attempt that was given up says nothing new.
  if (done.outcome.kind === "failed" && !isCurrent && !done.task.startsWith("drive/")) return;
  const [kind = "", id = "", input = "", shard = ""] = done.task.split("/");
  if (kind === "drive") takeDriven(state, step, id, done.outcome);
  else if (kind === "probe") {
    const at = { input: Number(input), shard: Number(shard) };
    // What it says counts once: the next probe of a search may have the same name.
    if (isCurrent) takeTried(state, step, id, at, done);
  } else if (kind === "merge") takeMerge(state, step, id, Number(input), isCurrent, done);
  else if (kind === "verify") takeLooked(state, step, id, isCurrent ? flight : undefined, done);
  else {
    const at = { input: Number(input), shard: Number(shard) };
    takeDatasetOutcome(state, step, worker, id, at, done);
  }
}

/** The records that a probe's name ends with. */
function rangeOf(task: string): BatchPlace {
  const [first = Number.NaN, records = Number.NaN] = task.split("/").slice(-2).map(Number);
  return { first, records };
}

/** Whether an executor lived through a probe. */
function takeTried(
  state: HeadState,
  step: Step,
  jobId: string,
  at: ShardAt,
  { task, outcome }: Done,
): void {
  const job = state.durable.datasets.get(jobId);
  if (job?.state.kind !== "running") return;
  const ended = takeProbed(state, step, job, { ...at, ...rangeOf(task) }, outcome);
  if (ended === "failed") {
    if (outcome.kind === "failed") takeFailure(state, step, job, task, outcome.error);
  } else if (ended !== null) endDataset(state, step, jobId, ended);
}

/** What an executor found standing: receipts as of any shard, and files that nobody can take. */
function takeLooked(
  state: HeadState,
  step: Step,
  jobId: string,
  flight: Flight | undefined,
  { task, outcome }: Done,
): void {
  const job = state.durable.datasets.get(jobId);
  if (job?.state.kind !== "running") return;
  const work = flight?.assignment.work;
  const ranges = work?.kind === "verify" ? work.ranges : [];
  if (outcome.kind === "failed") {
    lookAgain(state, jobId, ranges);
    takeFailure(state, step, job, task, outcome.error);
  } else if (outcome.kind === "verified") {
    looked(state, jobId, ranges, outcome);
    for (const { input, shard, receipt, end } of outcome.found) {
      takeReceipt(state, step, job, input, shard, { kind: "committed", receipt, end });
    }
  }
}

/** A sample's files are made, or have another attempt. */
function takeMerge(
  state: HeadState,
  step: Step,
  jobId: string,
  unit: number,
  isCurrent: boolean,
  { task, outcome }: Done,
): void {
  const job = state.durable.datasets.get(jobId);
  if (job?.state.kind !== "running" || !isCurrent) return;
  if (outcome.kind === "merged") {
    takeMerged(state, jobId, unit, outcome.reports);
    state.crashes.delete(jobId);
  } else if (outcome.kind === "failed") {
    if (isOfBatch(outcome.error)) diedOutside(state, jobId);
    takeFailure(state, step, job, task, outcome.error);
  }
}

function takeDriven(state: HeadState, step: Step, jobId: string, outcome: Outcome): void {
  if (state.durable.programs.get(jobId)?.state.kind !== "running") return;
  if (outcome.kind === "returned") {
    record(state, step, { type: "program.returned", jobId, value: outcome.value ?? null });
  } else if (outcome.kind === "failed") {
    endProgram(state, step, jobId, outcome.error);
  }
}

function takeDatasetOutcome(
  state: HeadState,
  step: Step,
  worker: string,
  jobId: string,
  at: ShardAt,
  { task, outcome }: Done,
): void {
  const job = state.durable.datasets.get(jobId);
  if (job === undefined) return;
  const { input, shard } = at;
  switch (outcome.kind) {
    case "planned":
      takePlan(state, step, job, outcome);
      return;
    case "committed":
      if (outcome.outdone === true) {
        state.outdone.set(jobId, (state.outdone.get(jobId) ?? 0) + 1);
      }
      takeReceipt(state, step, job, input, shard, outcome);
      return;
    case "past-end":
      takeEnd(state, step, job, input, outcome.end);
      return;
    case "failed":
      takeFailedAttempt(state, step, worker, job, at, { task, outcome });
      rewind(state, jobId, input, shard);
      return;
    default:
      return;
  }
}

/** A death in a batch is the batch's until it is known to be chance; all else is the attempt's. */
function takeFailedAttempt(
  state: HeadState,
  step: Step,
  worker: string,
  job: DatasetJob,
  at: ShardAt,
  { task, outcome }: { readonly task: string; readonly outcome: OutcomeOf<"failed"> },
): void {
  const { error, batch } = outcome;
  if (batch === undefined || !isOfBatch(error) || job.state.kind !== "running") {
    if (isOfBatch(error)) diedOutside(state, job.id);
    takeFailure(state, step, job, task, error);
    return;
  }
  const ended = takeBatchFailure(state, step, job, at, { worker, error, batch });
  if (ended !== null) endDataset(state, step, job.id, ended.toData());
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
  // The number stands in the task's name, which a worker says.
  if (!Number.isSafeInteger(shard) || shard < 0) return;
  if (progress.shards !== null && shard >= progress.shards) return;
  const known = progress.receipts.get(shard);
  if (known === undefined) {
    record(state, step, { type: "shard.committed", jobId: job.id, input, shard, receipt });
    state.crashes.delete(job.id);
    state.arrived.get(job.id)?.add(receipt.file);
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
  const progress = job.inputs[input];
  if (job.state.kind !== "running" || progress === undefined) return;
  const { shards, receipts } = progress;
  const beyond = [...receipts.keys()].some((shard) => shard >= end.shards);
  if (beyond || (shards !== null && shards !== end.shards)) {
    const where = { uri: job.spec.source.inputs[input]?.uri ?? "" };
    const error = new SystemError("DETERMINISM_ALARM", "an input has two ends", where);
    endDataset(state, step, job.id, error.toData());
  } else if (shards === null) {
    record(state, step, { type: "input.ended", jobId: job.id, input, ...end });
  }
}

function nameOf(job: DatasetJob, task: string): string {
  if (task === planTask(job.id)) return "the plan";
  return task.startsWith("merge/") ? "the merge of what its shards counted" : "a shard";
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
  state.reasons.set(task, error);
  // Only this head cancels: a command for an attempt that went before it.
  const isLost = ERRORS[error.code].retry === "never" && error.code !== "CANCELLED";
  const isStuck = error.code === "CRASH_LOOP" && allLoop(state);
  if (isLost || isStuck) {
    endDataset(state, step, job.id, error);
  } else if (failures >= SHARD_ATTEMPTS_MAX) {
    const what = `${nameOf(job, task)} failed ${failures} times: `;
    const where = { ...error.where, task };
    const failed = new SystemError("SHARD_FAILED", `${what}${error.what}`, where);
    endDataset(state, step, job.id, failed.toData());
  }
}
