/**
 * Pure core. What owners ask of their tasks: submit, cancel, what became of them. Every request may
 * come twice, or late from another leader's days: a number is taken once, and only by the leader
 * that was meant.
 */
import { SystemError } from "../../../runtime/errors.ts";
import {
  TASK_ARGS_BYTES_MAX,
  TASK_PAGES_MAX,
  TASKS_BYTES_MAX,
  TASKS_QUEUED_MAX,
} from "../../../runtime/tasks/limits.ts";
import type { ApiRequest } from "../../../runtime/messages.ts";
import type { TaskSubmit } from "../../../runtime/tasks/wire.ts";
import type { Caller, HeadState, Step } from "../events.ts";
import { ASKED, BLANK, CANCELLED, FORCED, WAITING } from "../task-store/columns.ts";
import {
  addPiece,
  addRow,
  closePiece,
  groupsAreFull,
  pieceLength,
  placeNumber,
  seriesOf,
  seriesOfRow,
  taskOwnerKey,
  taskOwnerOf,
} from "../task-store/registry.ts";
import type { Piece, Series, TasksState } from "../task-store/types.ts";
import { pushDue } from "./deadlines.ts";
import { lookAtShape } from "./dispatch.ts";
import { cancelledError, endUntold, heardEnds, markOver, markOverBelow, tellEnd } from "./ends.ts";
import { departing, nameOf } from "./orders.ts";
import { laneOfRow } from "./lanes.ts";
import { ask, enqueue } from "./queues.ts";

type RequestOf<Op extends ApiRequest["op"]> = Extract<ApiRequest, { op: Op }>;

/** Tasks for the queue: all of them, or none and why. */
export function submitTasks(
  state: HeadState,
  step: Step,
  caller: Caller,
  request: TaskSubmit,
  nowMs: number,
): void {
  const fault = faultOf(state, caller, request);
  if (fault !== null) {
    step.effects.push({ type: "refuse", free: true, caller, error: fault.toData() });
    return;
  }
  const { tasks } = state;
  const owner = taskOwnerOf(tasks, caller, nowMs);
  const { deadlineMs, job, group } = request;
  const dueMs = deadlineMs === null ? null : nowMs + deadlineMs;
  const series = seriesOf(tasks, owner, { job, group, dueMs });
  if (series.group.open === 0) lookAtShape(state, series.group.shape);
  for (let at = 0; at < request.numbers.length; ) {
    const n = pieceLength(request.ends, at);
    takePiece(tasks, series, request, at, at + n, nowMs);
    at += n;
  }
  for (const { index, worker } of request.near) {
    const row = owner.numbers.rowOf(request.numbers[index] ?? 0);
    if (row >= 0) tasks.columns.setNear(row, placeNumber(tasks, worker));
  }
  step.effects.push({ type: "reply", free: true, caller, value: null });
}

function faultOf(
  { tasks, durable }: HeadState,
  caller: Caller,
  { epoch, numbers, ends, args }: TaskSubmit,
): SystemError | null {
  if (epoch !== durable.epoch.number) return otherLeader(durable.epoch.number);
  const over = (what: string): SystemError => new SystemError("OVERLOADED", what);
  const owner = tasks.owners.get(taskOwnerKey(caller));
  if (owner?.gone === true) return over("earlier tasks of this process are being ended");
  const n = numbers.length;
  if (tasks.columns.used + n > TASKS_QUEUED_MAX) {
    return over(`the head holds ${tasks.columns.used} tasks; at most ${TASKS_QUEUED_MAX}`);
  }
  if (tasks.bytes + args.length > TASKS_BYTES_MAX) {
    return over(`the head holds ${tasks.bytes} bytes of tasks; at most ${TASKS_BYTES_MAX}`);
  }
  const pages = owner?.numbers.missing(numbers) ?? n;
  if (tasks.pages + pages > TASK_PAGES_MAX || (owner?.numbers.pages ?? 0) > PAGES_KNOWN_MAX) {
    return over("too many tasks far behind the newest ones are still open");
  }
  if (groupsAreFull(tasks)) return over("too many kinds of tasks wait");
  for (let i = 0; i < n; i += 1) {
    const bytes = (ends[i] ?? 0) - (ends[i - 1] ?? 0);
    if (bytes <= TASK_ARGS_BYTES_MAX) continue;
    const what = `arguments of ${bytes} bytes; at most ${TASK_ARGS_BYTES_MAX}: put them as objects`;
    return new SystemError("FRAME_TOO_LARGE", what, { task: numbers[i] });
  }
  return null;
}

/** Pages of one owner, those that are over included: a thousand million numbers. */
const PAGES_KNOWN_MAX = 2 ** 20;

function otherLeader(number: number): SystemError {
  const what = `this leader's epoch is ${number}: say to it what is open`;
  return new SystemError("LEADER_CHANGED", what, { epoch: number });
}

/** Tasks [first, end) of a request, which share a buffer of their own. */
function takePiece(
  tasks: TasksState,
  series: Series,
  { numbers, ends, args, again }: TaskSubmit,
  first: number,
  end: number,
  nowMs: number,
): void {
  const base = ends[first - 1] ?? 0;
  const piece: Piece = {
    series,
    bytes: args.slice(base, ends[end - 1] ?? 0),
    numbers: series.dueMs === null ? null : numbers.slice(first, end),
    // One for the time in which rows come.
    open: 1,
  };
  const index = addPiece(tasks, piece);
  if (series.dueMs !== null) pushDue(tasks, { dueMs: series.dueMs, piece });
  for (let i = first; i < end; i += 1) {
    const start = (i === first ? base : (ends[i - 1] ?? 0)) - base;
    const at = { number: numbers[i] ?? 0, start, end: (ends[i] ?? 0) - base };
    takeTask(tasks, index, piece, at, again, nowMs);
  }
  closePiece(tasks, index);
}

function takeTask(
  tasks: TasksState,
  index: number,
  piece: Piece,
  at: { readonly number: number; readonly start: number; readonly end: number },
  again: boolean,
  nowMs: number,
): void {
  const { owner } = piece.series;
  const known = owner.numbers.get(at.number);
  switch (known.kind) {
    case "over":
      return;
    case "row":
      unblank(tasks, known.row, index, piece, at);
      return;
    case "unseen": {
      const row = addRow(tasks, index, at);
      if (again) ask(tasks, row, nowMs);
      else enqueue(tasks, row, nowMs);
      return;
    }
    default:
      known satisfies never;
  }
}

/**
 * A task that a worker held and nobody here had the arguments of. What worker and owner say of its
 * group and job is the same: both have it from the owner.
 */
function unblank(
  tasks: TasksState,
  row: number,
  index: number,
  piece: Piece,
  { start, end }: { readonly start: number; readonly end: number },
): void {
  const { columns } = tasks;
  const { job, group } = seriesOfRow(tasks, row);
  const { series } = piece;
  if (!columns.has(row, BLANK) || job !== series.job || group !== series.group) return;
  columns.unflag(row, BLANK);
  const before = columns.pieceOf(row);
  piece.open += 1;
  columns.place(row, index, start, end);
  closePiece(tasks, before);
}

/** Ends tasks; those that a worker has end when it has let them go. */
export function cancelTasks(
  state: HeadState,
  step: Step,
  caller: Caller,
  { epoch, numbers, force }: RequestOf<"task-cancel">,
  nowMs: number,
): void {
  const { tasks } = state;
  const fault = cancelFault(state, caller, epoch, numbers);
  if (fault !== null) {
    step.effects.push({ type: "refuse", free: true, caller, error: fault.toData() });
    return;
  }
  const owner = taskOwnerOf(tasks, caller, nowMs);
  for (const number of numbers) {
    const known = owner.numbers.get(number);
    if (known.kind === "row") cancelRow(tasks, known.row, force);
    else if (known.kind === "unseen") {
      // When it comes it is over.
      markOver(tasks, owner, number);
      tellEnd(tasks, owner, number, cancelledError());
    }
  }
  step.effects.push({ type: "reply", free: true, caller, value: null });
}

function cancelFault(
  { tasks, durable }: HeadState,
  caller: Caller,
  epoch: number,
  numbers: Uint32Array,
): SystemError | null {
  if (epoch !== durable.epoch.number) return otherLeader(durable.epoch.number);
  const owner = tasks.owners.get(taskOwnerKey(caller));
  // What it will say again of its tasks comes later than this.
  if (owner?.gone === true) {
    return new SystemError("OVERLOADED", "earlier tasks of this process are being ended");
  }
  const pages = owner?.numbers.missing(numbers) ?? numbers.length;
  if (tasks.pages + pages <= TASK_PAGES_MAX) return null;
  return new SystemError("OVERLOADED", "too many tasks far behind the newest ones are still open");
}

/** Ends a task, at its worker if it has one. */
export function cancelRow(tasks: TasksState, row: number, force: boolean): void {
  const { columns } = tasks;
  const state = columns.stateOf(row);
  if (state === WAITING || state === ASKED) {
    endUntold(tasks, row, cancelledError());
    return;
  }
  if (columns.has(row, CANCELLED) && (!force || columns.has(row, FORCED))) return;
  columns.flag(row, force ? CANCELLED | FORCED : CANCELLED);
  const lane = laneOfRow(tasks, row);
  if (lane !== undefined) departing(tasks, lane.worker).abort.push(nameOf(tasks, row, force));
}

/** What the owner has heard, and how much of its tasks there is here. */
export function heardOfEnds(
  state: HeadState,
  step: Step,
  caller: Caller,
  { epoch, life, upTo, below }: RequestOf<"task-ends">,
): void {
  const owner = state.tasks.owners.get(taskOwnerKey(caller));
  const isOfEpoch = epoch === state.durable.epoch.number;
  if (owner !== undefined && isOfEpoch) {
    markOverBelow(state.tasks, owner, below);
    if (life === owner.life) heardEnds(owner, upTo);
  }
  const open = owner === undefined || owner.gone ? 0 : owner.open + owner.ends.length;
  step.effects.push({ type: "reply", free: true, caller, value: { open } });
}
