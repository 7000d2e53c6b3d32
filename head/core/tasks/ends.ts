/**
 * Pure core. How tasks end: their owner has the result, or the head decides that there is none and
 * says so until the owner has acknowledged it. A task that ended has no row any more, and its
 * number is over for ever.
 */
import { type ErrorData, SystemError } from "../../../runtime/errors.ts";
import {
  TASK_ENDS_AGAIN_MS,
  TASK_ENDS_BYTES,
  TASK_ENDS_MAX,
} from "../../../runtime/tasks/limits.ts";
import type { TaskEnds } from "../../../runtime/tasks/wire.ts";
import type { HeadState, Step } from "../events.ts";
import { ASKED, LOOSE, WAITING } from "../task-store/columns.ts";
import { loosen } from "./lanes.ts";
import { dequeue, unask } from "./queues.ts";
import { dropRow, seriesOfRow } from "../task-store/registry.ts";
import type { TaskCounts, TaskOwner, TasksState } from "../task-store/types.ts";

type Ending = Extract<keyof TaskCounts, "done" | "threw" | "failed" | "cancelled">;

/** Takes a row out of its queue or lane. */
export function detach(tasks: TasksState, row: number): void {
  const state = tasks.columns.stateOf(row);
  if (state === WAITING) dequeue(tasks, row);
  else if (state === ASKED) unask(tasks, row);
  else if (state !== LOOSE) loosen(tasks, row);
}

/** The owner has what became of it. */
export function endTold(tasks: TasksState, row: number, how: "done" | "threw"): void {
  end(tasks, row, how);
}

/** The owner is told by this head. */
export function endUntold(tasks: TasksState, row: number, error: ErrorData): void {
  const { owner } = seriesOfRow(tasks, row);
  const number = tasks.columns.numberOf(row);
  end(tasks, row, error.code === "CANCELLED" ? "cancelled" : "failed");
  tellEnd(tasks, owner, number, error);
}

export function tellEnd(
  tasks: TasksState,
  owner: TaskOwner,
  number: number,
  error: ErrorData,
): void {
  if (owner.gone) return;
  owner.ends.push({ number, error });
  tasks.ending.add(owner);
}

function end(tasks: TasksState, row: number, how: Ending): void {
  const { owner, group } = seriesOfRow(tasks, row);
  detach(tasks, row);
  group.counts[how] += 1;
  markOver(tasks, owner, tasks.columns.numberOf(row));
  dropRow(tasks, row);
}

export function markOver(tasks: TasksState, owner: TaskOwner, number: number): void {
  const before = owner.numbers.openPages;
  owner.numbers.setOver(number);
  tasks.pages += owner.numbers.openPages - before;
}

/** The owner has an outcome of all its tasks below this number. */
export function markOverBelow(tasks: TasksState, owner: TaskOwner, number: number): void {
  const before = owner.numbers.openPages;
  owner.numbers.setOverBelow(number);
  tasks.pages += owner.numbers.openPages - before;
}

/** The owner has all up to this end. */
export function heardEnds(owner: TaskOwner, upTo: number): void {
  const n = Math.min(owner.ends.length, upTo - owner.endsFrom + 1);
  if (n <= 0) return;
  owner.ends = owner.ends.slice(n);
  owner.endsFrom += n;
}

/** Sends what is new, or all again that wasn't acknowledged for long. */
export function sendEnds(state: HeadState, step: Step, owner: TaskOwner, nowMs: number): void {
  const last = owner.endsFrom + owner.ends.length - 1;
  let from = Math.max(owner.endsFrom, owner.endsSent + 1);
  if (from > last) {
    if (owner.ends.length === 0 || nowMs - owner.endsSentMs < TASK_ENDS_AGAIN_MS) return;
    from = owner.endsFrom;
  }
  owner.endsSent = last;
  owner.endsSentMs = nowMs;
  const { identity, process } = owner;
  for (let at = from; at <= last; ) {
    const ends = endsFrom(owner, at, state.durable.epoch.number);
    step.effects.push({ type: "task-ends", to: { identity, process }, ends });
    at += ends.numbers.length;
  }
}

/** As many from one on as a message takes. */
function endsFrom(owner: TaskOwner, from: number, epoch: number): TaskEnds {
  const first = from - owner.endsFrom;
  const errors = new Map<ErrorData, number>();
  const which: number[] = [];
  const numbers: number[] = [];
  let bytes = 0;
  for (let i = first; i < owner.ends.length && numbers.length < TASK_ENDS_MAX; i += 1) {
    const end = owner.ends[i];
    if (end === undefined) break;
    let index = errors.get(end.error);
    if (index === undefined) {
      bytes += 4 * JSON.stringify(end.error).length;
      if (errors.size > 0 && bytes > TASK_ENDS_BYTES) break;
      index = errors.size;
      errors.set(end.error, index);
    }
    numbers.push(end.number);
    which.push(index);
  }
  return {
    kind: "task-ends",
    epoch,
    life: owner.life,
    from,
    numbers: Uint32Array.from(numbers),
    which: Uint16Array.from(which),
    errors: [...errors.keys()],
  };
}

const CANCELLED = new SystemError("CANCELLED", "the task was cancelled").toData();
const LATE = new SystemError("DEADLINE_EXCEEDED", "the task's deadline passed while it waited");

/** One for all, so that a million of them are one text. */
export function cancelledError(): ErrorData {
  return CANCELLED;
}

const LATE_DATA = LATE.toData();

export function lateError(): ErrorData {
  return LATE_DATA;
}
