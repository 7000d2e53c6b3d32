/**
 * Pure core. What workers are told of tasks: numbered orders, sent again until the worker says that
 * it has seen them. What one step has for a worker leaves together, as packed as a frame allows.
 */
import {
  TASK_HEARD_EVENTS,
  TASK_ORDER_AGAIN_MS,
  TASK_ORDER_BLOCKS_MAX,
  TASK_ORDER_BYTES,
  TASKS_PER_FRAME_MAX,
} from "../../../runtime/tasks/limits.ts";
import type { TaskBlock, TaskNames, TaskOrder } from "../../../runtime/tasks/wire.ts";
import type { HeadState, Step } from "../events.ts";
import { seriesOfRow } from "../task-store/registry.ts";
import type {
  Departing,
  Lane,
  Named,
  Series,
  TasksState,
  TaskWorker,
} from "../task-store/types.ts";

/** What leaves for a worker at the end of the step under way. */
export function departing(tasks: TasksState, worker: TaskWorker): Departing {
  tasks.speaking.add(worker);
  worker.departing ??= { tasks: [], revoke: [], abort: [], announce: false };
  return worker.departing;
}

/** A row's assignment by name. */
export function nameOf(tasks: TasksState, row: number, force = false): Named {
  const { columns } = tasks;
  const { owner } = seriesOfRow(tasks, row);
  return { owner, number: columns.numberOf(row), attempt: columns.attemptOf(row), force };
}

/** A row that its lane was given leaves for the worker. */
export function depart(tasks: TasksState, lane: Lane, series: Series, row: number): void {
  const { tasks: runs } = departing(tasks, lane.worker);
  const last = runs.at(-1);
  if (last?.lane === lane && last.series === series) last.rows.push(row);
  else runs.push({ lane, series, rows: [row] });
}

/** Sends what this step has for a worker. */
export function sendOrders(state: HeadState, step: Step, worker: TaskWorker, nowMs: number): void {
  const { departing: out } = worker;
  worker.departing = undefined;
  if (out === undefined) return;
  const { tasks } = state;
  let blocks: TaskBlock[] = [];
  let bytes = 0;
  let rows = 0;
  const leave = (): void => {
    if (blocks.length === 0) return;
    send(state, step, worker, { ...NOTHING, tasks: blocks }, nowMs);
    [blocks, bytes, rows] = [[], 0, 0];
  };
  for (const run of out.tasks) {
    const own = BLOCK_BYTES + TEXT_WEIGHT * run.series.group.key.length;
    for (let at = 0; at < run.rows.length; ) {
      const room = { bytes: TASK_ORDER_BYTES - bytes - own, rows: TASKS_PER_FRAME_MAX - rows };
      const n = fitting(tasks, run.rows, at, { ...room, isEmpty: blocks.length === 0 });
      if (n === 0 || blocks.length === TASK_ORDER_BLOCKS_MAX) {
        leave();
        continue;
      }
      const block = blockOf(tasks, run.lane, run.series, run.rows.slice(at, at + n), nowMs);
      blocks.push(block);
      bytes += block.args.length + n * ROW_BYTES + own;
      rows += n;
      at += n;
    }
  }
  leave();
  for (const part of parts(out.revoke)) {
    send(state, step, worker, { ...NOTHING, revoke: namesOf(part) }, nowMs);
  }
  for (const part of parts(out.abort)) {
    send(state, step, worker, { ...NOTHING, abort: namesOf(part) }, nowMs);
  }
  if (!out.announce) return;
  send(state, step, worker, { ...NOTHING, announce: true }, nowMs);
  worker.announceOrder = worker.orders;
  worker.heldTo = 0;
}

const NOTHING = { tasks: [], revoke: [], abort: [] };

/** About what a block's owner and other fields take, and a character of its group's text. */
const BLOCK_BYTES = 1_024;
const TEXT_WEIGHT = 2;
/** About what a row takes beside its arguments. */
const ROW_BYTES = 9;

/** How many of some rows fit an order; 0 when none does, but one always fits an empty one. */
function fitting(
  { columns }: TasksState,
  rows: readonly number[],
  from: number,
  room: { readonly bytes: number; readonly rows: number; readonly isEmpty: boolean },
): number {
  let left = room.bytes;
  let n = 0;
  for (let i = from; i < rows.length && n < room.rows; i += 1) {
    const row = rows[i] ?? 0;
    left -= columns.endOf(row) - columns.startOf(row) + ROW_BYTES;
    if (left < 0 && (n > 0 || !room.isEmpty)) break;
    n += 1;
  }
  return n;
}

function* parts(named: readonly Named[]): Generator<readonly Named[]> {
  for (let i = 0; i < named.length; i += NAMES_MAX) yield named.slice(i, i + NAMES_MAX);
}

/** Names in one order: of as many owners, if it comes to that, they fit a frame. */
const NAMES_MAX = 1_024;

function blockOf(
  { columns, pieces }: TasksState,
  lane: Lane,
  { owner, job, group, dueMs }: Series,
  rows: readonly number[],
  nowMs: number,
): TaskBlock {
  const numbers = new Uint32Array(rows.length);
  const attempts = new Uint8Array(rows.length);
  const ends = new Uint32Array(rows.length);
  let bytes = 0;
  for (const [i, row] of rows.entries()) {
    numbers[i] = columns.numberOf(row);
    attempts[i] = columns.attemptOf(row);
    bytes += columns.endOf(row) - columns.startOf(row);
    ends[i] = bytes;
  }
  const args = new Uint8Array(bytes);
  let at = 0;
  for (const row of rows) {
    const start = columns.startOf(row);
    const end = columns.endOf(row);
    if (end > start) {
      const piece = pieces[columns.pieceOf(row)];
      if (piece !== undefined) args.set(piece.bytes.subarray(start, end), at);
    }
    at += end - start;
  }
  return {
    owner: { identity: owner.identity, process: owner.process },
    job: job.key,
    group: group.group,
    gpus: [...lane.gpus],
    slots: Math.max(1, lane.grants.length),
    deadlineMs: dueMs === null ? null : Math.max(0, dueMs - nowMs),
    numbers,
    attempts,
    ends,
    args,
  };
}

type Names = TaskNames & { readonly force: boolean };

/** Assignments by owner, and by how hard they are to be ended. */
function namesOf(named: readonly Named[]): Names[] {
  const by = new Map<string, Named[]>();
  for (const one of named) {
    const key = `${one.owner.key} ${one.force}`;
    const known = by.get(key);
    if (known === undefined) by.set(key, [one]);
    else known.push(one);
  }
  return [...by.values()].flatMap((own) => {
    const [first] = own;
    if (first === undefined) return [];
    const { identity, process } = first.owner;
    return {
      owner: { identity, process },
      numbers: Uint32Array.from(own, ({ number }) => number),
      attempts: Uint8Array.from(own, ({ attempt }) => attempt),
      force: first.force,
    };
  });
}

type Body = Pick<TaskOrder, "tasks" | "revoke" | "abort" | "announce">;

function send(state: HeadState, step: Step, worker: TaskWorker, body: Body, nowMs: number): void {
  worker.orders += 1;
  const order = orderOf(state, worker, worker.orders, body);
  if (worker.unseen.length === 0) worker.sentMs = nowMs;
  worker.unseen.push(order);
  carry(step, worker, order);
}

function orderOf(state: HeadState, worker: TaskWorker, number: number, body: Body): TaskOrder {
  const { epoch } = state.durable;
  const { process, heard } = worker;
  return { kind: "tasks", epoch, process, number, heard: heard ?? 0, ...body };
}

function carry(step: Step, worker: TaskWorker, order: TaskOrder): void {
  worker.told = order.heard;
  step.effects.push({ type: "task-order", worker: worker.name, order });
}

/** The worker has taken all orders up to this one. */
export function seenOrders(worker: TaskWorker, seen: number, nowMs: number): void {
  const first = worker.unseen[0]?.number ?? Number.POSITIVE_INFINITY;
  if (seen < first) return;
  worker.unseen = worker.unseen.slice(seen - first + 1);
  worker.sentMs = nowMs;
}

/** Sends again what a worker should have seen by now, and confirms its events. */
export function remindWorker(
  state: HeadState,
  step: Step,
  worker: TaskWorker,
  nowMs: number,
): void {
  if (worker.unseen.length > 0 && nowMs - worker.sentMs > TASK_ORDER_AGAIN_MS) {
    worker.sentMs = nowMs;
    for (const order of worker.unseen) {
      carry(step, worker, { ...order, heard: worker.heard ?? 0 });
    }
  }
  if ((worker.heard ?? 0) > worker.told) confirm(state, step, worker);
}

/** Confirms events when so many wait for it that the next order may come late. */
export function confirmMany(state: HeadState, step: Step, worker: TaskWorker): void {
  if ((worker.heard ?? 0) - worker.told >= TASK_HEARD_EVENTS) confirm(state, step, worker);
}

function confirm(state: HeadState, step: Step, worker: TaskWorker): void {
  carry(step, worker, orderOf(state, worker, 0, NOTHING));
}
