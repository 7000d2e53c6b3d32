/**
 * Pure core. Workers as far as tasks go: what a new leader is told they hold, what is lost with
 * them, draining. A task that was given to a lost worker may have begun there: another attempt
 * costs a retry, and without one its outcome is unknown.
 */
import { type ErrorData, SystemError } from "../../../runtime/errors.ts";
import { TASK_GATHER_MS, TASK_SLICE } from "../../../runtime/tasks/limits.ts";
import type { TaskHeld } from "../../../runtime/tasks/wire.ts";
import type { HeadState } from "../events.ts";
import { hold } from "../placement/room.ts";
import {
  ASKED,
  ASSIGNED,
  BLANK,
  CANCELLED,
  NONE,
  STARTED,
  WAITING,
} from "../task-store/columns.ts";
import {
  addPiece,
  addRow,
  closePiece,
  dropRow,
  seriesOf,
  seriesOfRow,
  taskOwnerOf,
} from "../task-store/registry.ts";
import type { Lane, Series, TaskOwner, TasksState, TaskWorker } from "../task-store/types.ts";
import { revokeLane } from "./claims.ts";
import { clusterChanged, lookAtShape } from "./dispatch.ts";
import { cancelledError, detach, endUntold, lateError } from "./ends.ts";
import { closeLane, give, grow, laneOf, laneOfRow } from "./lanes.ts";
import { departing } from "./orders.ts";
import { enqueue } from "./queues.ts";

/** The worker's incarnation as far as tasks go. */
export function taskWorkerOf(state: HeadState, name: string, process: string): TaskWorker {
  const { tasks } = state;
  const known = tasks.workers.get(name);
  if (known?.process === process) return known;
  const what = `its worker ${name} was started anew`;
  if (known !== undefined) loseTaskWorker(state, name, what, state.lastMs);
  const made: TaskWorker = {
    name,
    process,
    announced: false,
    heldTo: 0,
    announceOrder: 0,
    lanes: new Set(),
    cpu: 0,
    unseen: [],
    orders: 0,
    sentMs: 0,
    heard: null,
    told: 0,
    departing: undefined,
    claim: undefined,
  };
  tasks.workers.set(name, made);
  return made;
}

/** A worker is gone, with all that it held. */
export function loseTaskWorker(state: HeadState, name: string, what: string, nowMs: number): void {
  const { tasks } = state;
  const worker = tasks.workers.get(name);
  if (worker === undefined) return;
  const error = new SystemError("OUTCOME_UNKNOWN", `${what} while it held the task`).toData();
  for (const lane of worker.lanes) {
    while (lane.given.first !== NONE) loseRow(tasks, lane.given.first, error, nowMs);
    // Its room is gone with it.
    lane.grants.length = 0;
    tasks.loosened.delete(lane);
    closeLane(tasks, lane);
  }
  tasks.workers.delete(name);
  tasks.speaking.delete(worker);
  tasks.claimed.delete(worker);
  clusterChanged(state);
}

/**
 * A worker doesn't hear any more, long before its silence tells: what may have another attempt gets
 * it. The rest stays, for the worker may be back; it says then what it holds.
 */
export function absentTaskWorker(state: HeadState, name: string, nowMs: number): void {
  const { tasks } = state;
  const worker = tasks.workers.get(name);
  if (worker === undefined) return;
  worker.announced = false;
  departing(tasks, worker).announce = true;
  const what = `its worker ${name} is gone from the bus`;
  const error = new SystemError("OUTCOME_UNKNOWN", what).toData();
  for (const lane of worker.lanes) {
    for (let row = lane.given.first; row !== NONE; ) {
      const next = tasks.columns.nextOf(row);
      const { group } = seriesOfRow(tasks, row).group;
      const hasMore = tasks.columns.triesOf(row) < group.maxRetries;
      if (hasMore && !tasks.columns.has(row, BLANK)) loseRow(tasks, row, error, nowMs);
      row = next;
    }
  }
}

/** A row's attempt is over without an end of the task. */
export function loseRow(tasks: TasksState, row: number, error: ErrorData, nowMs: number): void {
  if (tasks.columns.has(row, CANCELLED)) endUntold(tasks, row, cancelledError());
  else retry(tasks, row, error, nowMs);
}

/** Another attempt of what has begun, if it may have one; else it ends. */
export function retry(tasks: TasksState, row: number, error: ErrorData, nowMs: number): void {
  const { columns } = tasks;
  const { group } = seriesOfRow(tasks, row);
  const tries = columns.triesOf(row) + 1;
  if (columns.has(row, BLANK)) forget(tasks, row);
  else if (tries > group.group.maxRetries) endUntold(tasks, row, error);
  else {
    columns.setTries(row, tries);
    group.counts.retried += 1;
    again(tasks, row, nowMs);
  }
}

/** It waits as if it had never been given away: before what came behind it if it was. */
export function again(tasks: TasksState, row: number, nowMs: number): void {
  if (tasks.columns.has(row, BLANK)) {
    forget(tasks, row);
    return;
  }
  const { dueMs } = seriesOfRow(tasks, row);
  if (dueMs !== null && dueMs <= nowMs) {
    endUntold(tasks, row, lateError());
    return;
  }
  const wasGiven = tasks.columns.stateOf(row) !== ASKED;
  detach(tasks, row);
  enqueue(tasks, row, nowMs, wasGiven);
}

/** Nobody here has its arguments: its owner has, and announces it. */
function forget(tasks: TasksState, row: number): void {
  const { owner } = seriesOfRow(tasks, row);
  const number = tasks.columns.numberOf(row);
  detach(tasks, row);
  if (owner.gone) owner.numbers.setOver(number);
  else owner.numbers.forget(number);
  dropRow(tasks, row);
}

/** A page of what a worker holds: this leader takes it over, but for what it knows better. */
export function takeHeld(
  state: HeadState,
  worker: TaskWorker,
  held: TaskHeld,
  nowMs: number,
): void {
  const { tasks } = state;
  const owner = taskOwnerOf(tasks, held.owner, nowMs);
  const dueMs = held.deadlineMs === null ? null : nowMs + held.deadlineMs;
  const { job, group } = held;
  const series = seriesOf(tasks, owner, { job, group, dueMs });
  lookAtShape(state, series.group.shape);
  const lane = laneOf(tasks, worker, series.group.shape, held.gpus);
  const bytes = new Uint8Array(0);
  const index = addPiece(tasks, { series, bytes, numbers: null, open: 1 });
  for (const [i, number] of held.numbers.entries()) {
    const attempt = held.attempts[i] ?? 0;
    const state = held.started[i] === 1 ? STARTED : ASSIGNED;
    const row = adopted(tasks, owner, index, number, lane, attempt);
    if (row === undefined) {
      departing(tasks, worker).abort.push({ owner, number, attempt, force: false });
    } else if (laneOfRow(tasks, row) === undefined) {
      detach(tasks, row);
      tasks.columns.setAttempt(row, attempt);
      give(tasks, lane, row, nowMs, state);
    }
  }
  closePiece(tasks, index);
  holdSlots(state, series, lane);
}

/** The row of what a worker holds; undefined when it is to hold it no more. */
function adopted(
  tasks: TasksState,
  owner: TaskOwner,
  index: number,
  number: number,
  lane: Lane,
  attempt: number,
): number | undefined {
  const known = owner.numbers.get(number);
  if (owner.gone) return undefined;
  if (known.kind === "unseen") {
    const row = addRow(tasks, index, { number, start: 0, end: 0 });
    tasks.columns.flag(row, BLANK);
    return row;
  }
  if (known.kind !== "row") return undefined;
  const { columns } = tasks;
  const state = columns.stateOf(known.row);
  if (state === WAITING || state === ASKED) return known.row;
  const isHere = laneOfRow(tasks, known.row)?.worker === lane.worker;
  return isHere && columns.attemptOf(known.row) === attempt ? known.row : undefined;
}

/** As many slots as have begun, or as there are of a worker that says nothing of it: at least 1. */
function holdSlots({ tasks, workers }: HeadState, { group }: Series, lane: Lane): void {
  const room = workers.get(lane.worker.name)?.room;
  if (room === undefined) return;
  let started = 0;
  for (let row = lane.given.first; row !== NONE; row = tasks.columns.nextOf(row)) {
    if (tasks.columns.stateOf(row) === STARTED) started += 1;
  }
  const slots = Math.min(lane.given.length, Math.max(1, started));
  while (lane.grants.length < slots) {
    const grant = { resources: group.shape.shape.resources, gpus: lane.gpus };
    hold(room, grant);
    grow(lane, grant);
  }
  tasks.loosened.add(lane);
}

/** All that a worker holds is known. */
export function announcedAll(state: HeadState, worker: TaskWorker): void {
  if (worker.announced) return;
  worker.announced = true;
  clusterChanged(state);
}

/** Whether this leader still asks what workers hold; it does for so long that all can answer. */
export function isGathering(state: HeadState, nowMs: number): boolean {
  return state.durable.epoch.number > 1 && nowMs - state.sinceMs < TASK_GATHER_MS;
}

/** What was announced and no worker holds. @returns whether there is more. */
export function settleAsked(state: HeadState, nowMs: number): boolean {
  const { tasks } = state;
  for (let n = 0; n < TASK_SLICE && tasks.asked.first !== NONE; n += 1) {
    loseRow(tasks, tasks.asked.first, HELD_NOWHERE, nowMs);
  }
  return tasks.asked.first !== NONE;
}

const HELD_NOWHERE = new SystemError(
  "OUTCOME_UNKNOWN",
  "the head was replaced, no worker holds the task, and it may not run twice",
).toData();

/** A worker gets nothing more, or does again; what it hasn't begun goes to others. */
export function drainWorker(state: HeadState, name: string, on: boolean): void {
  const { tasks } = state;
  if (!on) {
    if (tasks.draining.delete(name)) clusterChanged(state);
    return;
  }
  tasks.draining.add(name);
  for (const lane of tasks.workers.get(name)?.lanes ?? []) revokeLane(tasks, lane);
}
