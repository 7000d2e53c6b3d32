/**
 * Pure core. Deadlines of tasks that wait: a heap of pieces by time, the earliest first. Those that
 * run have theirs at their executor. Pieces of which nothing is open any more are swept when they
 * are the half of the heap.
 */
import { TASK_SLICE } from "../../../runtime/tasks/limits.ts";
import { ASKED, WAITING } from "../task-store/columns.ts";
import type { Due, TasksState } from "../task-store/types.ts";
import { endUntold, lateError } from "./ends.ts";

export function pushDue(tasks: TasksState, due: Due): void {
  if (tasks.due.length > 2 * tasks.dueOpen + SWEEP_FROM) sweep(tasks);
  tasks.dueOpen += 1;
  insert(tasks.due, due);
}

const SWEEP_FROM = 1_024;

function sweep({ due }: TasksState): void {
  const open = due.filter(({ piece }) => piece.open > 0);
  open.sort((a, b) => a.dueMs - b.dueMs);
  due.splice(0, due.length, ...open);
}

function insert(heap: Due[], due: Due): void {
  let at = heap.length;
  heap.push(due);
  while (at > 0) {
    const up = (at - 1) >> 1;
    const parent = heap[up];
    if (parent === undefined || parent.dueMs <= due.dueMs) break;
    heap[at] = parent;
    heap[up] = due;
    at = up;
  }
}

function takeFirst(heap: Due[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    let least = at;
    let leastDue = last;
    for (const child of [2 * at + 1, 2 * at + 2]) {
      const one = heap[child];
      if (one !== undefined && one.dueMs < leastDue.dueMs) [least, leastDue] = [child, one];
    }
    heap[at] = leastDue;
    if (least === at) return;
    at = least;
  }
}

/** Ends what waits and is late, about TASK_SLICE of them. @returns whether there may be more. */
export function endLate(tasks: TasksState, nowMs: number): boolean {
  const { due, columns } = tasks;
  let left = TASK_SLICE;
  for (let first = due[0]; first !== undefined && first.dueMs <= nowMs; first = due[0]) {
    if (left <= 0) return true;
    takeFirst(due);
    left -= first.piece.numbers?.length ?? 0;
    const { series, numbers } = first.piece;
    for (const number of numbers ?? []) {
      const row = series.owner.numbers.rowOf(number);
      if (row < 0) continue;
      const state = columns.stateOf(row);
      if (state === WAITING || state === ASKED) endUntold(tasks, row, lateError());
    }
  }
  return false;
}
