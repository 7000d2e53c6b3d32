/**
 * Pure core. Making room for what waits. A task of a higher priority, or one of its own priority
 * that waited long and whose job has less, claims one worker: what is less urgent there is asked
 * back if it hasn't begun, and nothing more of it goes there until the task fits. Unstarted tasks
 * are also asked back where another worker idles, and from workers that are drained.
 */
import { TASK_BEHIND_MS, TASK_CLAIM_MS } from "../../../runtime/tasks/limits.ts";
import { fits, minus, NO_RESOURCES, plus, UNITS } from "../../../runtime/resources/resources.ts";
import type { HeadState, WorkerView } from "../events.ts";
import { fitsEver, fitsNow } from "../placement/room.ts";
import { ASSIGNED, CANCELLED, NONE, REVOKED } from "../task-store/columns.ts";
import { growable } from "./lanes.ts";
import { departing, nameOf } from "./orders.ts";
import type { Head } from "./queues.ts";
import { seriesOfRow } from "../task-store/registry.ts";
import type { Lane, ShapeQueue, TasksState, TaskWorker } from "../task-store/types.ts";

/** Units of processors that tasks may have while shards wait for the others. */
export function cpuOfTasks({ room, shardShare }: WorkerView): number {
  return room.total.cpu - shardShare * UNITS;
}

/** Whether a worker may be given tasks of a shape and priority. */
export function mayTake(
  state: HeadState,
  worker: TaskWorker,
  shape: ShapeQueue,
  priority: number,
): boolean {
  const view = state.workers.get(worker.name);
  if (view === undefined || view.isAbsent || !worker.announced) return false;
  if (state.tasks.draining.has(worker.name)) return false;
  if (state.shardsWait && worker.cpu > cpuOfTasks(view)) return false;
  const { claim } = worker;
  return claim === undefined || claim.shape === shape || priority > claim.priority;
}

/** What goes next and finds no room may claim a worker. */
export function clearFor(
  state: HeadState,
  well: ReadonlyMap<string, WorkerView>,
  { shape, level, job, list }: Head,
  nowMs: number,
): void {
  const { tasks } = state;
  for (const { claim } of tasks.claimed) if (claim?.shape === shape) return;
  const { priority } = level;
  const waitedMs = nowMs - tasks.columns.sinceMsOf(list.first);
  const isLess = (lane: Lane): boolean => {
    const first = topPriority(lane);
    if (first < priority) return true;
    if (first > priority || lane.shape === shape || waitedMs < TASK_CLAIM_MS) return false;
    const series = seriesOfRow(tasks, lane.given.first);
    return series.job.share > job.share + shape.cost;
  };
  let best: TaskWorker | undefined;
  let fewest = Infinity;
  for (const [name, view] of well) {
    const worker = tasks.workers.get(name);
    if (worker === undefined || worker.claim !== undefined || !fitsEver(view.room, shape.shape)) {
      continue;
    }
    if (!mayTake(state, worker, shape, priority)) continue;
    const slots = slotsToClear(worker, view, shape, isLess);
    if (slots > 0 && slots < fewest) [best, fewest] = [worker, slots];
  }
  if (best === undefined) return;
  best.claim = { shape, priority };
  tasks.claimed.add(best);
  for (const lane of best.lanes) if (isLess(lane)) revokeLane(tasks, lane);
}

function topPriority({ loads }: Lane): number {
  return Math.max(Number.NEGATIVE_INFINITY, ...loads.keys());
}

/** How many slots a worker would have to give up; 0 = that wouldn't do, or isn't needed. */
function slotsToClear(
  worker: TaskWorker,
  { room }: WorkerView,
  { shape }: ShapeQueue,
  isLess: (lane: Lane) => boolean,
): number {
  if (fitsNow(room, shape.resources)) return 0;
  let freed = NO_RESOURCES;
  let slots = 0;
  for (const lane of worker.lanes) {
    if (!isLess(lane)) continue;
    for (const grant of lane.grants) {
      freed = plus(freed, grant.resources);
      slots += 1;
      if (fits(minus(shape.resources, freed), room.free)) return slots;
    }
  }
  return 0;
}

/** Claims end when what claimed doesn't wait any more, or nothing is left to make room. */
export function endClaims(tasks: TasksState): void {
  const { claimed, ready } = tasks;
  for (const worker of claimed) {
    const { claim, lanes } = worker;
    const [level] = claim?.shape.levels ?? [];
    if (claim !== undefined && level !== undefined && level.priority >= claim.priority) {
      const isOther = (lane: Lane): boolean =>
        lane.shape !== claim.shape && topPriority(lane) <= claim.priority;
      if (claim.shape.fits && [...lanes].some(isOther)) continue;
    }
    worker.claim = undefined;
    claimed.delete(worker);
    for (const { shape } of lanes) if (shape.waiting > 0) ready.add(shape);
    growable(tasks);
  }
}

/** Asks back all of a lane that isn't known to have begun. */
export function revokeLane(tasks: TasksState, lane: Lane, most = Infinity): number {
  const { columns } = tasks;
  let n = 0;
  for (let row = lane.given.last; row !== NONE && n < most; row = columns.previousOf(row)) {
    if (columns.stateOf(row) !== ASSIGNED || columns.has(row, REVOKED | CANCELLED)) continue;
    columns.flag(row, REVOKED);
    departing(tasks, lane.worker).revoke.push(nameOf(tasks, row));
    n += 1;
  }
  return n;
}

/**
 * Where nothing of a shape waits here and a slot idles, tasks that wait behind others elsewhere are
 * asked back: as many as there are idle slots, from where most wait for longest.
 */
export function spread(state: HeadState, well: ReadonlyMap<string, WorkerView>): void {
  for (const shape of state.tasks.shapes.values()) {
    if (shape.lanes.size === 0 || shape.waiting > 0) continue;
    const behind = mostBehind(state, shape);
    if (behind === undefined) continue;
    const idle = idleSlots(state, well, shape, behind);
    if (idle > 0) revokeLane(state.tasks, behind, Math.min(idle, surplusOf(behind)));
  }
}

/** How many of a lane wait behind others. */
function surplusOf({ given, grants }: Lane): number {
  return given.length - grants.length;
}

/** The lane in which tasks wait for longest, if that is long. */
function mostBehind({ tasks, lastMs }: HeadState, shape: ShapeQueue): Lane | undefined {
  let worst: Lane | undefined;
  let worstMs = TASK_BEHIND_MS;
  for (const lane of shape.lanes) {
    const surplus = surplusOf(lane);
    if (surplus <= 0) continue;
    const { serviceUs } = seriesOfRow(tasks, lane.given.last).group;
    const sinceMs = lastMs - tasks.columns.sinceMsOf(lane.given.last);
    // What was never measured has run for as long as others wait for it.
    const behindMs = serviceUs === 0 ? sinceMs : (surplus * serviceUs) / 1_000 / lane.grants.length;
    if (behindMs > worstMs && sinceMs > TASK_BEHIND_MS) [worst, worstMs] = [lane, behindMs];
  }
  return worst;
}

function idleSlots(
  state: HeadState,
  well: ReadonlyMap<string, WorkerView>,
  shape: ShapeQueue,
  behind: Lane,
): number {
  const { tasks } = state;
  const { priority } = seriesOfRow(tasks, behind.given.last).group.group;
  let idle = 0;
  for (const [name, { room }] of well) {
    const worker = tasks.workers.get(name);
    if (worker === undefined || !mayTake(state, worker, shape, priority)) continue;
    if (fitsEver(room, shape.shape) && fitsNow(room, shape.shape.resources)) idle += 1;
  }
  return idle;
}
