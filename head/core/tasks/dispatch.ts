/**
 * Pure core. Which task goes where. Only the head of each shape's queue is looked at: the highest
 * priority first, of equal ones the job with the smallest share of the cluster, of a job the one
 * that came first. New slots come before longer queues at slots that there are; what goes next and
 * finds no room stands aside, and the next shape has its turn.
 *
 * Estimate: a pass looks at the shapes that something changed for, once a run of tasks; a task that
 * is given costs ~0.3 us of list and column work.
 */
import { TASK_SLOTS_MAX } from "../../../runtime/tasks/limits.ts";
import { isNothing } from "../../../runtime/resources/resources.ts";
import type { HeadState, WorkerView } from "../events.ts";
import { placeOn } from "../placement/placement.ts";
import { fitsEver } from "../placement/room.ts";
import { wellWorkers } from "../step.ts";
import { ASSIGNED } from "../task-store/columns.ts";
import { clearFor, cpuOfTasks, mayTake } from "./claims.ts";
import { countShares, give, giveBackSurplus, grow, laneOf, loadOf, roomIn } from "./lanes.ts";
import { depart } from "./orders.ts";
import { dequeue, type Head, headOf, isBefore } from "./queues.ts";
import { seriesOfRow } from "../task-store/registry.ts";
import type { GroupView, Lane, ShapeQueue, TasksState, TaskWorker } from "../task-store/types.ts";

/** Gives out what can be given. */
export function dispatch(state: HeadState, nowMs: number): void {
  const { tasks } = state;
  giveBackSurplus(state);
  state.tasksWait = tasks.stuck.size > 0;
  if (tasks.ready.size === 0) return;
  const well = wellWorkers(state);
  const turns = new Turns(tasks.ready);
  for (let first = turns.take(); first !== undefined; first = turns.take()) {
    const isGiven = place(state, well, first, turns.next(), nowMs);
    if (isGiven && first.shape.waiting > 0) turns.add(first.shape);
    if (isGiven) continue;
    tasks.stuck.add(first.shape);
    clearFor(state, well, first, nowMs);
  }
  tasks.ready.clear();
  state.tasksWait = tasks.stuck.size > 0;
}

/**
 * Shapes by whose turn it is: a heap. What a pass gives out makes shares larger and levels lower:
 * a turn only comes later than it was put in for, and is looked at again when it comes.
 */
class Turns {
  readonly #heap: Head[] = [];

  constructor(shapes: Iterable<ShapeQueue>) {
    for (const shape of shapes) this.add(shape);
  }

  add(shape: ShapeQueue): void {
    const head = headOf(shape);
    if (head === undefined) return;
    const heap = this.#heap;
    let at = heap.length;
    heap.push(head);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || !isBefore(head, parent)) break;
      heap[at] = parent;
      heap[up] = head;
      at = up;
    }
  }

  /** The one that goes next, taken out. */
  take(): Head | undefined {
    for (let first = this.#pop(); first !== undefined; first = this.#pop()) {
      const now = headOf(first.shape);
      const next = this.#heap[0];
      if (now === undefined) continue;
      if (next === undefined || !isBefore(next, now)) return now;
      this.add(now.shape);
    }
    return undefined;
  }

  /** The one that would go behind the one that was taken, as far as is known. */
  next(): Head | undefined {
    return this.#heap[0];
  }

  #pop(): Head | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let least = at;
      let best = last;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        const one = heap[child];
        if (one !== undefined && isBefore(one, best)) [least, best] = [child, one];
      }
      heap[at] = best;
      if (least === at) return first;
      at = least;
    }
  }
}

/** The queue that would go behind a shape's first one: another job's there, or another shape's. */
function secondOf(first: Head, other: Head | undefined): Head | undefined {
  let second = other;
  for (const [job, list] of first.level.queues) {
    if (job === first.job) continue;
    const head = { ...first, job, list };
    if (second === undefined || isBefore(head, second)) second = head;
  }
  return second;
}

/** Whether some of a queue's first tasks were given to a lane. */
function place(
  state: HeadState,
  well: ReadonlyMap<string, WorkerView>,
  head: Head,
  other: Head | undefined,
  nowMs: number,
): boolean {
  const { tasks } = state;
  const { shape, list, level } = head;
  const { group } = seriesOfRow(tasks, list.first);
  const near = nearOf(tasks, list.first);
  const grown = newSlot(state, well, shape, level.priority, near);
  // Nobody idles: then it may as well wait where its objects are.
  const close = near === undefined ? undefined : openLaneAt(state, shape, group, near);
  const first = grown ?? close;
  if (first !== undefined) {
    giveSome(tasks, head, first, 1, nowMs);
    return true;
  }
  const { lane, slots } = leastLoaded(state, shape, group);
  if (lane === undefined) return false;
  // All lanes get as much a slot, and no job more than makes the next one the smallest.
  const even = Math.ceil((list.length * lane.grants.length) / slots);
  const most = Math.min(roomIn(lane, group), even, fairRun(head, secondOf(head, other), group));
  giveSome(tasks, head, lane, most, nowMs);
  return true;
}

/** The worker that has what a task reads, by name. */
function nearOf(tasks: TasksState, row: number): string | undefined {
  const near = tasks.columns.nearOf(row);
  return near === 0 ? undefined : tasks.places[near - 1];
}

function openLaneAt(
  state: HeadState,
  shape: ShapeQueue,
  group: GroupView,
  name: string,
): Lane | undefined {
  for (const lane of shape.open) {
    if (lane.worker.name !== name || roomIn(lane, group) < 1) continue;
    if (mayTake(state, lane.worker, shape, group.group.priority)) return lane;
  }
  return undefined;
}

/** How many tasks of a job may go before another one has the smaller share. */
function fairRun(head: Head, second: Head | undefined, { depth }: GroupView): number {
  if (second === undefined || second.level.priority < head.level.priority) return Infinity;
  const each = head.shape.cost / depth;
  if (each === 0) return Infinity;
  return Math.floor(Math.max(0, second.job.share - head.job.share) / each) + 1;
}

/** Room for one more slot, where the task's objects are if there is some. */
function newSlot(
  state: HeadState,
  well: ReadonlyMap<string, WorkerView>,
  shape: ShapeQueue,
  priority: number,
  near: string | undefined,
): Lane | undefined {
  const { tasks } = state;
  if (shape.fullAt === tasks.news) return undefined;
  const wishes = {
    ...(near === undefined ? {} : { near: (name: string) => (name === near ? 1 : 0) }),
    places: (name: string) => slotsLeft(state, shape, priority, tasks.workers.get(name)),
  };
  const placed = placeOn(well, shape.shape, wishes);
  const worker = placed && tasks.workers.get(placed.name);
  if (placed === undefined || worker === undefined) {
    shape.fullAt = tasks.news;
    return undefined;
  }
  const lane = laneOf(tasks, worker, shape, placed.grant.gpus);
  grow(lane, placed.grant);
  return lane;
}

/** How many slots of a shape a worker may have besides those that it has. */
function slotsLeft(
  state: HeadState,
  shape: ShapeQueue,
  priority: number,
  worker: TaskWorker | undefined,
): number {
  const view = state.workers.get(worker?.name ?? "");
  if (worker === undefined || view === undefined || !worker.announced) return 0;
  if (!mayTake(state, worker, shape, priority)) return 0;
  const { resources } = shape.shape;
  if (state.shardsWait && worker.cpu + resources.cpu > cpuOfTasks(view)) return 0;
  let slots = 0;
  for (const lane of shape.lanes) if (lane.worker === worker) slots += lane.grants.length;
  // What takes nothing of a worker would have no end.
  const most = isNothing(resources) ? Math.max(1, view.slots) * FREE_PER_SLOT : TASK_SLOTS_MAX;
  return most - slots;
}

/** Slots of a shape that takes nothing, for each processor of a worker. */
const FREE_PER_SLOT = 4;

/** The open lane with the least to do, and the slots of all that are open. */
function leastLoaded(
  state: HeadState,
  shape: ShapeQueue,
  group: GroupView,
): { readonly lane: Lane | undefined; readonly slots: number } {
  let best: Lane | undefined;
  let bestLoad = Infinity;
  let slots = 0;
  for (const lane of shape.open) {
    if (roomIn(lane, group) < 1) {
      shape.open.delete(lane);
      continue;
    }
    if (!mayTake(state, lane.worker, shape, group.group.priority)) continue;
    slots += lane.grants.length;
    const load = loadOf(lane) / lane.grants.length;
    if (load < bestLoad) [best, bestLoad] = [lane, load];
  }
  return { lane: best, slots };
}

/** Gives a lane the first `most` of a queue, as far as they are of one group. */
function giveSome(
  tasks: TasksState,
  { list }: Head,
  lane: Lane,
  most: number,
  nowMs: number,
): void {
  const { columns } = tasks;
  const { group } = seriesOfRow(tasks, list.first);
  for (let n = 0; n < most && list.length > 0; n += 1) {
    const row = list.first;
    const series = seriesOfRow(tasks, row);
    if (series.group !== group) break;
    dequeue(tasks, row);
    columns.setAttempt(row, (columns.attemptOf(row) + 1) & 0xff);
    give(tasks, lane, row, nowMs, ASSIGNED);
    depart(tasks, lane, series, row);
  }
}

/** Workers came, went or changed: what fits, and what a share is, is looked at anew. */
export function clusterChanged(state: HeadState): void {
  const { tasks } = state;
  for (const shape of tasks.shapes.values()) {
    lookAtShape(state, shape);
    if (!shape.fits || shape.waiting === 0) {
      tasks.ready.delete(shape);
      tasks.stuck.delete(shape);
      continue;
    }
    tasks.ready.add(shape);
  }
  tasks.news += 1;
  countShares(tasks);
}

/** Whether a shape fits an empty worker, and what part of the cluster one of it takes. */
export function lookAtShape({ workers }: HeadState, shape: ShapeQueue): void {
  const { cpu, gpu, memory, custom } = shape.shape.resources;
  const total = { cpu: 0, gpu: 0, memory: 0, custom: new Map<string, number>() };
  shape.fits = false;
  for (const { room } of workers.values()) {
    shape.fits ||= fitsEver(room, shape.shape);
    total.cpu += room.total.cpu;
    total.gpu += room.total.gpu;
    total.memory += room.total.memory;
    for (const [name, units] of Object.entries(room.total.custom)) {
      total.custom.set(name, (total.custom.get(name) ?? 0) + units);
    }
  }
  const parts = [cpu / total.cpu, gpu / total.gpu, memory / total.memory];
  for (const [name, units] of Object.entries(custom)) {
    parts.push(units / (total.custom.get(name) ?? 0));
  }
  shape.cost = Math.max(0, ...parts.filter(Number.isFinite));
}
