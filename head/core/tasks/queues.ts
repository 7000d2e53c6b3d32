/**
 * Pure core. Where tasks wait: by shape, priority and job. Putting in and taking out cost the same
 * however many wait; what fits nowhere stands in a queue that nobody looks into.
 */
import { ASKED, emptyList, type RowList, WAITING } from "../task-store/columns.ts";
import { seriesOfRow } from "../task-store/registry.ts";
import type { JobView, Level, ShapeQueue, TasksState } from "../task-store/types.ts";

/** The queue that goes next of a shape. */
export interface Head {
  readonly shape: ShapeQueue;
  readonly level: Level;
  readonly job: JobView;
  readonly list: RowList;
}

/** @param front - before all others of its job: it had its turn before. */
export function enqueue(tasks: TasksState, row: number, nowMs: number, front = false): void {
  const { columns } = tasks;
  const { group, job } = seriesOfRow(tasks, row);
  const { shape } = group;
  const level = levelOf(shape, group.group.priority);
  let list = level.queues.get(job);
  if (list === undefined) {
    list = emptyList();
    level.queues.set(job, list);
  }
  if (front) columns.prepend(list, row);
  else columns.append(list, row);
  columns.enter(row, WAITING, nowMs);
  level.waiting += 1;
  shape.waiting += 1;
  group.counts.waiting += 1;
  if (shape.fits) tasks.ready.add(shape);
}

/** Takes a waiting row out of its queue. */
export function dequeue(tasks: TasksState, row: number): void {
  const { columns } = tasks;
  const { group, job } = seriesOfRow(tasks, row);
  const { shape } = group;
  const level = levelOf(shape, group.group.priority);
  const list = level.queues.get(job);
  if (list === undefined) throw new RangeError(`task row ${row} is in no queue`);
  columns.unlink(list, row);
  group.counts.waiting -= 1;
  shape.waiting -= 1;
  level.waiting -= 1;
  if (list.length === 0) level.queues.delete(job);
  if (level.waiting === 0) shape.levels.splice(shape.levels.indexOf(level), 1);
  if (shape.waiting > 0) return;
  tasks.ready.delete(shape);
  tasks.stuck.delete(shape);
}

/** It waits for workers to say whether they hold it. */
export function ask(tasks: TasksState, row: number, nowMs: number): void {
  tasks.columns.enter(row, ASKED, nowMs);
  tasks.columns.append(tasks.asked, row);
  seriesOfRow(tasks, row).group.counts.waiting += 1;
}

/** It waits for that no more. */
export function unask(tasks: TasksState, row: number): void {
  seriesOfRow(tasks, row).group.counts.waiting -= 1;
  tasks.columns.unlink(tasks.asked, row);
}

function levelOf(shape: ShapeQueue, priority: number): Level {
  const { levels } = shape;
  let at = 0;
  for (const level of levels) {
    if (level.priority === priority) return level;
    if (level.priority < priority) break;
    at += 1;
  }
  const made: Level = { priority, queues: new Map(), waiting: 0 };
  shape.priority ??= priority;
  shape.isMixed ||= priority !== shape.priority;
  // A lane that is full for lower priorities isn't for a higher one.
  if (shape.isMixed) for (const lane of shape.lanes) shape.open.add(lane);
  levels.splice(at, 0, made);
  return made;
}

/** The queue of a shape that goes next: of the highest priority the job with the least share. */
export function headOf(shape: ShapeQueue): Head | undefined {
  const [level] = shape.levels;
  if (level === undefined) return undefined;
  let best: Head | undefined;
  for (const [job, list] of level.queues) {
    if (best === undefined || job.share < best.job.share) best = { shape, level, job, list };
  }
  return best;
}

/** Whether `a` goes before `b`. */
export function isBefore(a: Head, b: Head): boolean {
  if (a.level.priority !== b.level.priority) return a.level.priority > b.level.priority;
  return a.job.share < b.job.share;
}
