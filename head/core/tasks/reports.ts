/**
 * Pure core. What a worker says of tasks: what it holds, and what became of assignments. Events are
 * numbered and taken once; what is said of an assignment that isn't a task's last one is news only
 * if its owner has the result: the first one wins, whichever attempt it is of.
 */
import { type ErrorData, ERRORS, SystemError } from "../../../runtime/errors.ts";
import {
  TASK_ABORTED,
  TASK_DIED,
  TASK_DONE,
  TASK_FAILED,
  TASK_RETURNED,
  TASK_STARTED,
  TASK_THREW,
  type TaskEvents,
  type TaskReport,
} from "../../../runtime/tasks/wire.ts";
import type { HeadState, Step } from "../events.ts";
import { CANCELLED, REVOKED, STARTED } from "../task-store/columns.ts";
import { seriesOfRow, taskOwnerKey, taskOwnerOf } from "../task-store/registry.ts";
import type { TaskOwner, TasksState, TaskWorker } from "../task-store/types.ts";
import { cancelledError, endTold, endUntold, markOver } from "./ends.ts";
import { laneOfRow, measure } from "./lanes.ts";
import { departing, nameOf, seenOrders } from "./orders.ts";
import { again, announcedAll, loseRow, retry, takeHeld, taskWorkerOf } from "./workers.ts";

export function takeTaskReport(
  state: HeadState,
  step: Step,
  name: string,
  report: TaskReport,
  nowMs: number,
): void {
  const view = state.workers.get(name);
  // Its first report says who it is; what it says of tasks it says again.
  if (view?.process !== report.process || report.epoch !== state.durable.epoch.number) return;
  view.lastSeenMs = nowMs;
  const worker = taskWorkerOf(state, name, report.process);
  seenOrders(worker, report.seen, nowMs);
  const isAll = takePage(state, worker, report, nowMs);
  takeEvents(state, worker, report, nowMs);
  if (isAll) announcedAll(state, worker);
  state.tasks.speaking.add(worker);
}

/**
 * A page of what the worker holds.
 * @returns whether all of it is known now; a page that is missing is asked for, with all others.
 */
function takePage(
  state: HeadState,
  worker: TaskWorker,
  { held, heldFrom, heldTo, announced, seen }: TaskReport,
  nowMs: number,
): boolean {
  if (seen < worker.announceOrder) return false;
  if (heldFrom > worker.heldTo) {
    departing(state.tasks, worker).announce = true;
    return false;
  }
  for (const one of held) takeHeld(state, worker, one, nowMs);
  worker.heldTo = Math.max(worker.heldTo, heldTo);
  return announced;
}

function takeEvents(
  state: HeadState,
  worker: TaskWorker,
  { from, events }: TaskReport,
  nowMs: number,
): void {
  const heard = (worker.heard ??= from - 1);
  // Some between were lost: they are said again.
  if (from > heard + 1) return;
  let number = from;
  for (const block of events) {
    const skip = Math.max(0, heard + 1 - number);
    number += block.numbers.length;
    if (skip >= block.numbers.length) continue;
    takeBlock(state, worker, block, skip, nowMs);
  }
  worker.heard = Math.max(heard, number - 1);
}

function takeBlock(
  { tasks }: HeadState,
  worker: TaskWorker,
  block: TaskEvents,
  first: number,
  nowMs: number,
): void {
  const owner = tasks.owners.get(taskOwnerKey(block.owner));
  let isMeasured = block.serviceUs === 0;
  const errors = new Map(block.errors.map(({ index, error }) => [index, error]));
  for (let i = first; i < block.numbers.length; i += 1) {
    const number = block.numbers[i] ?? 0;
    const event: Event = { state: block.states[i] ?? 0, attempt: block.attempts[i] ?? 0 };
    const row = owner?.numbers.rowOf(number) ?? -1;
    if (row < 0) {
      if (isTold(event)) overUnseen(tasks, owner ?? taskOwnerOf(tasks, block.owner, nowMs), number);
      continue;
    }
    if (!isMeasured) {
      isMeasured = true;
      measure(seriesOfRow(tasks, row).group, block.serviceUs);
    }
    takeEvent(tasks, worker, row, event, errors.get(i) ?? NOT_SAID, nowMs);
  }
}

interface Event {
  readonly state: number;
  readonly attempt: number;
}

const NOT_SAID = new SystemError("INTERNAL", "a worker said no reason").toData();

function isTold({ state }: Event): boolean {
  return state === TASK_DONE || state === TASK_THREW;
}

/** Its owner has its result, and may yet announce it to this leader. */
function overUnseen(tasks: TasksState, owner: TaskOwner, number: number): void {
  if (owner.numbers.get(number).kind !== "over") markOver(tasks, owner, number);
}

function takeEvent(
  tasks: TasksState,
  worker: TaskWorker,
  row: number,
  event: Event,
  error: ErrorData,
  nowMs: number,
): void {
  const { columns } = tasks;
  const lane = laneOfRow(tasks, row);
  const isLast = lane?.worker === worker && columns.attemptOf(row) === event.attempt;
  if (isTold(event)) {
    // Another attempt may be under way elsewhere: nobody needs it any more.
    if (lane !== undefined && !isLast) departing(tasks, lane.worker).abort.push(nameOf(tasks, row));
    endTold(tasks, row, event.state === TASK_DONE ? "done" : "threw");
    return;
  }
  if (!isLast) return;
  switch (event.state) {
    case TASK_STARTED:
      columns.unflag(row, REVOKED);
      if (columns.stateOf(row) !== STARTED) columns.enter(row, STARTED, nowMs);
      return;
    case TASK_FAILED:
      takeFailure(tasks, row, error, nowMs);
      return;
    case TASK_DIED:
      loseRow(tasks, row, error, nowMs);
      return;
    case TASK_RETURNED:
      if (columns.has(row, CANCELLED)) endUntold(tasks, row, cancelledError());
      else again(tasks, row, nowMs);
      return;
    case TASK_ABORTED:
      endUntold(tasks, row, error === NOT_SAID ? cancelledError() : error);
      return;
    default:
  }
}

/** It failed, and its owner doesn't know: what may get better has another attempt. */
function takeFailure(tasks: TasksState, row: number, error: ErrorData, nowMs: number): void {
  const { retryErrors } = seriesOfRow(tasks, row).group.group;
  const advice = ERRORS[error.code].retry;
  // What had no time left has none the next time.
  const isLate = error.code === "DEADLINE_EXCEEDED";
  const mayPass = error.code === "APPLICATION" ? retryErrors : advice !== "never" && !isLate;
  if (tasks.columns.has(row, CANCELLED)) endUntold(tasks, row, cancelledError());
  else if (mayPass) retry(tasks, row, error, nowMs);
  else endUntold(tasks, row, error);
}
