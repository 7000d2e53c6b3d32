/**
 * Pure core. The few moves that every part of the head's core makes: record a fact, open a worker's
 * outbox, begin and end a flight. Flights and loads change together here and nowhere else.
 */
import {
  EXECUTOR_CRASHES_MAX,
  HOSTED_PER_WORKER_MAX,
  QUEUE_AHEAD_MAX,
  QUEUE_COVER_MS,
  SHARDS_PER_EXECUTOR,
  SHARED_PER_WORKER_MAX,
} from "../../runtime/limits.ts";
import type { Assignment } from "../../runtime/messages.ts";
import { apply } from "./apply.ts";
import type { Flight, HeadState, OpenJobs, Outbox, Step, WorkerView } from "./events.ts";
import type { DurableState, Fact } from "./facts.ts";
import {
  changeHeld,
  grantFor,
  isAtOnce,
  seatsLeft,
  shapeOf,
  takesShards,
} from "./placement/holding.ts";
import { bestOf } from "./placement/placement.ts";
import type { Grant } from "./placement/room.ts";
import { trialKey } from "./poison/trial.ts";

/** The folder of a job's own files in the state. */
export function jobFolder(state: HeadState, jobId: string): string {
  return `${state.config.stateFolder}/jobs/${jobId.slice(0, 12)}`;
}

/** Records a fact: part of the step, and applied at once. */
export function record(state: HeadState, step: Step, fact: Fact): void {
  apply(state.durable, fact);
  step.facts.push(fact);
  trackOpen(state.open, fact);
}

/** What is open after one more fact. */
export function trackOpen(open: OpenJobs, fact: Fact): void {
  const { programs, datasets, solves, searches } = open;
  switch (fact.type) {
    case "program.submitted":
      programs.add(fact.jobId);
      return;
    case "program.returned":
    case "program.failed":
      programs.delete(fact.jobId);
      return;
    case "dataset.submitted":
    case "dataset.reopened":
      datasets.add(fact.jobId);
      return;
    case "dataset.sealed":
    case "dataset.failed":
      datasets.delete(fact.jobId);
      searches.delete(fact.jobId);
      return;
    case "shard.suspected":
      trackSearch(open, fact.jobId, trialKey(fact.input, fact.shard));
      return;
    case "shard.acquitted":
    case "shard.excluded":
      untrackSearch(open, fact.jobId, trialKey(fact.input, fact.shard));
      return;
    case "solve.requested":
    case "solve.asked":
    case "solve.reopened":
      solves.add(fact.solveId);
      return;
    case "solve.succeeded":
    case "solve.failed":
      solves.delete(fact.solveId);
      return;
    default:
  }
}

function trackSearch({ searches }: OpenJobs, jobId: string, key: string): void {
  const known = searches.get(jobId);
  if (known === undefined) searches.set(jobId, new Set([key]));
  else known.add(key);
}

function untrackSearch({ searches }: OpenJobs, jobId: string, key: string): void {
  const known = searches.get(jobId);
  known?.delete(key);
  if (known?.size === 0) searches.delete(jobId);
}

/** What is open in a state that was replayed. */
export function openJobs(durable: DurableState): OpenJobs {
  const ids = <T extends { readonly id: string }>(jobs: Iterable<T>, isOpen: (job: T) => boolean) =>
    new Set([...jobs].filter(isOpen).map(({ id }) => id));
  const open: OpenJobs = {
    programs: ids(durable.programs.values(), ({ state }) => state.kind === "running"),
    datasets: ids(
      durable.datasets.values(),
      ({ state }) => state.kind === "planning" || state.kind === "running",
    ),
    solves: ids(
      durable.solves.values(),
      ({ state }) => state.kind !== "succeeded" && state.kind !== "failed",
    ),
    searches: new Map(),
  };
  for (const jobId of open.datasets) {
    for (const [key, { suspect }] of durable.datasets.get(jobId)?.trials ?? []) {
      if (suspect !== null) trackSearch(open, jobId, key);
    }
  }
  return open;
}

/** What leaves for a worker at the end of this step; opening it numbers the command. */
export function outboxOf(state: HeadState, step: Step, worker: string): Outbox {
  const open = step.outboxes.get(worker);
  if (open !== undefined) return open;
  const view = state.workers.get(worker);
  state.commands += 1;
  if (view !== undefined) view.sequence = state.commands;
  const outbox: Outbox = {
    sequence: state.commands,
    assign: [],
    cancel: [],
    ack: [],
    end: [],
    endSeen: [],
    logs: [],
    announce: false,
  };
  step.outboxes.set(worker, outbox);
  return outbox;
}

/** What work takes of a worker: a place in an executor's queue, an executor, a share of one. */
export type Need = "queue" | "process" | "shared";

const QUEUED: ReadonlySet<string> = new Set(["plan", "shard", "verify", "merge"]);

export function needOf(assignment: Pick<Assignment, "work" | "gpus">): Need {
  const { work } = assignment;
  if (isAtOnce(assignment)) return "process";
  if (QUEUED.has(work.kind)) return "queue";
  return work.kind === "host" && work.record.options.hosting === "shared" ? "shared" : "process";
}

/**
 * The worker with the most room for this work, or undefined: it waits, and blocks nothing else.
 * One whose executors don't start gets nothing while another's do.
 */
export function roomiest(
  state: HeadState,
  room: (worker: WorkerView, name: string) => number,
): string | undefined {
  const isWell = !allLoop(state);
  let best: string | undefined;
  let bestRoom = 0;
  for (const [name, worker] of state.workers) {
    if (isWell && loopsIn(worker)) continue;
    const free = room(worker, name);
    if (free > bestRoom) [best, bestRoom] = [name, free];
  }
  return best;
}

/** Whether executors die there as often as they are started. */
export function loopsIn({ trouble }: WorkerView): boolean {
  return trouble !== null && trouble.crashes >= EXECUTOR_CRASHES_MAX;
}

/** Whether that is so of every worker that makes shards. */
export function allLoop({ workers }: HeadState): boolean {
  for (const worker of workers.values()) if (worker.slots > 0 && !loopsIn(worker)) return false;
  return true;
}

/**
 * The highest load of a worker: one flight runs in each slot, one waits, and short ones wait beside
 * them for QUEUE_COVER_MS of its work, so that it isn't idle while a lost head is replaced.
 */
export function queueMax({ slots, shardMs }: Pick<WorkerView, "slots" | "shardMs">): number {
  const least = slots * SHARDS_PER_EXECUTOR;
  if (shardMs === 0) return least;
  const cover = slots * (1 + Math.ceil(QUEUE_COVER_MS / shardMs));
  return Math.max(least, Math.min(cover, QUEUE_AHEAD_MAX));
}

/** How many more of such work a worker takes. */
export function roomOf(worker: WorkerView, need: Need, share = Number.POSITIVE_INFINITY): number {
  const { slots, load, hosted, opening, hosting, sharing, lives, livesOwn } = worker;
  if (worker.isAbsent) return 0;
  switch (need) {
    case "queue": {
      const seats = seatsLeft(worker);
      // Others hold some of its processors: nothing waits there that couldn't begin.
      if (seats < slots) return seats - load;
      const least = slots * SHARDS_PER_EXECUTOR;
      return Math.min(queueMax(worker), Math.max(least, Math.ceil(share * slots))) - load;
    }
    case "process":
      return HOSTED_PER_WORKER_MAX - hosted - Math.max(hosting, livesOwn);
    case "shared":
      return SHARED_PER_WORKER_MAX - opening - Math.max(sharing, lives.size - livesOwn);
    default:
      return need satisfies never;
  }
}

const NOBODY: ReadonlySet<string> = new Set();

/** Work before it is an attempt. */
export type Unplaced = Omit<Assignment, "task" | "attempt">;

/**
 * Sends work to a worker as a new attempt, if one has room.
 * @param limits - `avoided` workers don't get it; `share`: how many of what is left, under way or
 * not, one slot may have, so that no worker waits for others at the end.
 */
export function place(
  state: HeadState,
  step: Step,
  task: string,
  unplaced: Unplaced,
  limits: { readonly avoided?: ReadonlySet<string> | undefined; readonly share?: number } = {},
): boolean {
  const { avoided = NOBODY, share } = limits;
  const attempt = state.attempts.get(task) ?? 0;
  const found = findPlace(state, unplaced, (view, name, need) =>
    avoided.has(name) ? 0 : roomOf(view, need, share),
  );
  if (found === undefined) return false;
  const { worker, grant } = found;
  const assignment: Assignment = {
    ...{ ...unplaced, task, attempt },
    ...(grant === undefined ? {} : { gpus: [...grant.gpus] }),
  };
  state.attempts.set(task, attempt + 1);
  outboxOf(state, step, worker).assign.push(assignment);
  const sequence = state.workers.get(worker)?.sequence ?? 0;
  const flight = { worker, attempt, sequence, assignment };
  beginFlight(state, grant === undefined ? flight : { ...flight, grant });
  return true;
}

/** The worker that has room for work and what it takes, and what that is; nothing is taken yet. */
function findPlace(
  state: HeadState,
  { work }: Unplaced,
  room: (view: WorkerView, name: string, need: Need) => number,
): { readonly worker: string; readonly grant?: Grant } | undefined {
  const shape = shapeOf(state, work);
  if (shape === undefined) {
    const need = needOf({ work });
    const worker = roomiest(state, (view, name) => room(view, name, need));
    return worker === undefined ? undefined : { worker };
  }
  const places = (name: string): number => {
    const view = state.workers.get(name);
    return view === undefined || !takesShards(view) ? 0 : room(view, name, "process");
  };
  const worker = bestOf(wellWorkers(state), shape, { places });
  const view = state.workers.get(worker ?? "");
  const grant = view && grantFor(view, shape.resources);
  return worker === undefined || grant === undefined ? undefined : { worker, grant };
}

/** Workers that told all they hold, and whose executors start unless nobody's do. */
export function wellWorkers(state: HeadState): ReadonlyMap<string, WorkerView> {
  const isWell = !allLoop(state);
  const well = new Map<string, WorkerView>();
  for (const [name, view] of state.workers) {
    if (view.isTold && !view.isAbsent && !(isWell && loopsIn(view))) well.set(name, view);
  }
  return well;
}

export function beginFlight(state: HeadState, flight: Flight): void {
  const { task } = flight.assignment;
  endFlight(state, task);
  state.flights.set(task, flight);
  const job = jobOf(task);
  const tasks = state.tasksOf.get(job);
  if (tasks === undefined) state.tasksOf.set(job, new Set([task]));
  else tasks.add(task);
  changeLoad(state, flight, 1);
}

/** The flight that ended, or undefined when there was none. */
export function endFlight(state: HeadState, task: string): Flight | undefined {
  const flight = state.flights.get(task);
  if (flight === undefined) return undefined;
  state.flights.delete(task);
  const tasks = state.tasksOf.get(jobOf(task));
  tasks?.delete(task);
  if (tasks?.size === 0) state.tasksOf.delete(jobOf(task));
  changeLoad(state, flight, -1);
  return flight;
}

/** The job's id in a task's name, or the actor's. */
function jobOf(task: string): string {
  return task.split("/", 2)[1] ?? "";
}

function changeLoad(state: HeadState, flight: Flight, by: 1 | -1): void {
  const { worker: name, assignment } = flight;
  const worker = state.workers.get(name);
  if (worker === undefined) return;
  if (by === 1) worker.tasks.add(assignment.task);
  else worker.tasks.delete(assignment.task);
  const need = needOf(assignment);
  if (need === "queue") {
    if (worker.load === 0) worker.pacedMs = state.lastMs;
    worker.load += by;
  } else if (need === "process") worker.hosted += by;
  else worker.opening += by;
  const { work } = assignment;
  if (work.kind === "host" && work.record.options.name !== null) worker.named += by;
  changeHeld(worker, flight.grant, by);
}

/** Tells a worker to stop an attempt. */
export function cancelAt(state: HeadState, step: Step, worker: string, task: string): void {
  const { cancel } = outboxOf(state, step, worker);
  if (!cancel.includes(task)) cancel.push(task);
}

export function shardTask(jobId: string, input: number, shard: number): string {
  return `shard/${jobId}/${input}/${shard}`;
}

/** A shard has no flight any more and no receipt yet: it is looked at again. */
export function rewind(state: HeadState, jobId: string, input: number, shard: number): void {
  const cursors = state.cursors.get(jobId);
  if (cursors !== undefined) cursors[input] = Math.min(cursors[input] ?? 0, shard);
}

/** Ends every flight of a job and tells their workers to stop. */
export function cancelFlights(state: HeadState, step: Step, jobId: string): void {
  for (const task of [...(state.tasksOf.get(jobId) ?? [])]) {
    const flight = endFlight(state, task);
    if (flight === undefined || !state.workers.has(flight.worker)) continue;
    cancelAt(state, step, flight.worker, task);
  }
}
