/**
 * Pure core. What rows share, made when the first of them comes and forgotten with the last:
 * owners, groups, shapes, jobs, series, pieces of frames.
 */
import { TASK_GROUPS_MAX, TASK_PIECE_BYTES } from "../../../runtime/tasks/limits.ts";
import type { Owner } from "../../../runtime/messages.ts";
import { shapeKey } from "../../../runtime/resources/resources.ts";
import type { TaskGroup } from "../../../runtime/tasks/wire.ts";
import { OwnerNumbers } from "./numbers.ts";
import type {
  GroupView,
  JobView,
  Piece,
  Series,
  ShapeQueue,
  TaskCounts,
  TaskOwner,
  TasksState,
} from "./types.ts";

export function taskOwnerKey({ identity, process }: Owner): string {
  return `${identity}/${process}`;
}

/** The owner, seen just now if it is new. */
export function taskOwnerOf(tasks: TasksState, who: Owner, nowMs: number): TaskOwner {
  const key = taskOwnerKey(who);
  const known = tasks.owners.get(key);
  if (known !== undefined) return known;
  tasks.lives += 1;
  const owner: TaskOwner = {
    key,
    life: tasks.lives,
    identity: who.identity,
    process: who.process,
    numbers: new OwnerNumbers(),
    series: new Map(),
    lastSeenMs: nowMs,
    gone: false,
    open: 0,
    ends: [],
    endsFrom: 1,
    endsSent: 0,
    endsSentMs: nowMs,
  };
  tasks.owners.set(key, owner);
  return owner;
}

/** Equal groups are one, so that what is measured of one owner's tasks serves another's. */
export function groupOf(tasks: TasksState, group: TaskGroup): GroupView {
  const key = JSON.stringify(group);
  const known = tasks.groups.get(key);
  if (known !== undefined) return known;
  if (tasks.groups.size >= TASK_GROUPS_MAX) forgetIdleGroups(tasks);
  const shape = shapeOf(tasks, group);
  shape.groups += 1;
  const counts = countsOf(tasks, group.task);
  const made: GroupView = { key, group, shape, counts, serviceUs: 0, depth: 2, open: 0 };
  tasks.groups.set(key, made);
  return made;
}

/** Whether there may be no more groups: every one has tasks. */
export function groupsAreFull(tasks: TasksState): boolean {
  if (tasks.groups.size < TASK_GROUPS_MAX) return false;
  forgetIdleGroups(tasks);
  return tasks.groups.size >= TASK_GROUPS_MAX;
}

/** What was measured of them is forgotten too. */
function forgetIdleGroups(tasks: TasksState): void {
  for (const [key, { open, shape }] of tasks.groups) {
    if (open > 0) continue;
    tasks.groups.delete(key);
    shape.groups -= 1;
    if (shape.groups === 0 && shape.lanes.size === 0) tasks.shapes.delete(shape.key);
  }
}

function shapeOf(tasks: TasksState, { resources, labels }: TaskGroup): ShapeQueue {
  const shape = { resources, labels };
  const key = shapeKey(shape);
  const known = tasks.shapes.get(key);
  if (known !== undefined) return known;
  const made: ShapeQueue = {
    key,
    shape,
    cost: 0,
    levels: [],
    waiting: 0,
    lanes: new Set(),
    open: new Set(),
    fullAt: -1,
    fits: true,
    groups: 0,
    priority: null,
    isMixed: false,
  };
  tasks.shapes.set(key, made);
  return made;
}

function countsOf(tasks: TasksState, task: string): TaskCounts {
  const known = tasks.counts.get(task);
  if (known !== undefined) return known;
  const made = { waiting: 0, given: 0, done: 0, threw: 0, failed: 0, cancelled: 0, retried: 0 };
  tasks.counts.set(task, made);
  return made;
}

/** What rows of an owner share; with a deadline it is their frame's own. */
export function seriesOf(
  tasks: TasksState,
  owner: TaskOwner,
  said: { readonly job: string; readonly group: TaskGroup; readonly dueMs: number | null },
): Series {
  const group = groupOf(tasks, said.group);
  const key = `${said.job} ${group.key}`;
  const known = said.dueMs === null ? owner.series.get(key) : undefined;
  // One of a job that had nothing for a while speaks of a view that was forgotten.
  if (known !== undefined && known.group === group && tasks.jobs.get(said.job) === known.job) {
    return known;
  }
  const series = { owner, job: jobOf(tasks, said.job), group, dueMs: said.dueMs };
  if (owner.series.size >= SERIES_KEPT_MAX) owner.series.clear();
  if (said.dueMs === null) owner.series.set(key, series);
  return series;
}

/** Series of one owner that are found again; more only share less. */
const SERIES_KEPT_MAX = 1_024;

function jobOf(tasks: TasksState, key: string): JobView {
  const known = tasks.jobs.get(key);
  if (known !== undefined) return known;
  const made: JobView = { key, loads: new Map(), share: 0, open: 0 };
  tasks.jobs.set(key, made);
  return made;
}

/** The number of a new piece. */
export function addPiece(tasks: TasksState, piece: Piece): number {
  tasks.bytes += piece.bytes.length;
  const index = tasks.freePieces.pop() ?? tasks.pieces.length;
  tasks.pieces[index] = piece;
  return index;
}

export function pieceOf(tasks: TasksState, row: number): Piece {
  const piece = tasks.pieces[tasks.columns.pieceOf(row)];
  if (piece === undefined) throw new RangeError(`task row ${row} has no piece`);
  return piece;
}

export function seriesOfRow(tasks: TasksState, row: number): Series {
  return pieceOf(tasks, row).series;
}

/** A row of a piece, counted. */
export function addRow(
  tasks: TasksState,
  index: number,
  { number, start, end }: { readonly number: number; readonly start: number; readonly end: number },
): number {
  const row = tasks.columns.add(number, index, start, end);
  const piece = pieceOf(tasks, row);
  const { owner, group, job } = piece.series;
  piece.open += 1;
  owner.open += 1;
  group.open += 1;
  job.open += 1;
  const before = owner.numbers.openPages;
  owner.numbers.setRow(number, row);
  tasks.pages += owner.numbers.openPages - before;
  return row;
}

/** A row is gone; it stands in no list. Its number is the caller's. */
export function dropRow(tasks: TasksState, row: number): void {
  const { columns } = tasks;
  const index = columns.pieceOf(row);
  const { series } = pieceOf(tasks, row);
  const { owner, group, job } = series;
  columns.remove(row);
  closePiece(tasks, index);
  owner.open -= 1;
  group.open -= 1;
  job.open -= 1;
  if (job.open === 0) tasks.jobs.delete(job.key);
  if (owner.gone && owner.open === 0) forgetOwner(tasks, owner);
}

/** An owner without rows is no more. */
export function forgetOwner(tasks: TasksState, owner: TaskOwner): void {
  tasks.pages -= owner.numbers.openPages;
  tasks.owners.delete(owner.key);
  tasks.leaving.delete(owner);
}

/** One row less is of a piece. */
export function closePiece(tasks: TasksState, index: number): void {
  const piece = tasks.pieces[index];
  if (piece === undefined) return;
  piece.open -= 1;
  if (piece.open > 0) return;
  tasks.pieces[index] = undefined;
  tasks.freePieces.push(index);
  tasks.bytes -= piece.bytes.length;
  if (piece.numbers !== null) tasks.dueOpen -= 1;
}

/** How many tasks from `first` on share a piece: a straggler keeps little of its frame. */
export function pieceLength(ends: Uint32Array, first: number): number {
  const start = ends[first - 1] ?? 0;
  let n = 1;
  while (first + n < ends.length && (ends[first + n] ?? 0) - start <= TASK_PIECE_BYTES) n += 1;
  return n;
}

/** The number of a worker's name, for columns. */
export function placeNumber(tasks: TasksState, worker: string): number {
  const known = tasks.placeOf.get(worker);
  if (known !== undefined) return known;
  tasks.places.push(worker);
  tasks.placeOf.set(worker, tasks.places.length);
  return tasks.places.length;
}
