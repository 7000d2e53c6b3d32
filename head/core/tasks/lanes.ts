/**
 * Pure core. Lanes: what one worker does of one shape. A lane keeps resources for its slots, and
 * each slot is given enough to do for as long as news take to travel: 1/depth of a slot is one
 * task's weight, with the depth of its group by measured service time. Lower priorities don't take
 * a higher one's place: the worker begins those first.
 */
import { TASK_AHEAD_MS, TASK_DEPTH_MAX, TASK_DEPTH_MIN } from "../../../runtime/tasks/limits.ts";
import { giveBack, type Grant } from "../placement/room.ts";
import type { HeadState } from "../events.ts";
import { ASSIGNED, emptyList, REVOKED, STARTED } from "../task-store/columns.ts";
import { seriesOfRow } from "../task-store/registry.ts";
import type {
  GroupView,
  JobView,
  Lane,
  ShapeQueue,
  TasksState,
  TaskWorker,
} from "../task-store/types.ts";

/** The worker's lane of a shape; one with GPUs is a lane to itself. */
export function laneOf(
  tasks: TasksState,
  worker: TaskWorker,
  shape: ShapeQueue,
  gpus: readonly number[],
): Lane {
  for (const lane of shape.lanes) {
    if (lane.worker !== worker) continue;
    if (gpus.length === 0 || String(lane.gpus) === String(gpus)) return lane;
  }
  const index = tasks.freeLanes.pop() ?? tasks.lanes.length;
  const lane: Lane = {
    index,
    worker,
    shape,
    grants: [],
    gpus,
    given: emptyList(),
    loads: new Map(),
  };
  tasks.lanes[index] = lane;
  shape.lanes.add(lane);
  worker.lanes.add(lane);
  return lane;
}

/** The lane of a row that was given to one. */
export function laneOfRow(tasks: TasksState, row: number): Lane | undefined {
  const state = tasks.columns.stateOf(row);
  if (state !== ASSIGNED && state !== STARTED) return undefined;
  return tasks.lanes[tasks.columns.laneOf(row)];
}

/** A lane has one slot more. */
export function grow(lane: Lane, grant: Grant): void {
  lane.grants.push(grant);
  lane.worker.cpu += grant.resources.cpu;
  lane.shape.open.add(lane);
}

/** How many more of a group a lane may take. */
export function roomIn({ grants, loads }: Lane, { group, depth }: GroupView): number {
  const slots = grants.length;
  let above = 0;
  let all = 0;
  for (const [priority, load] of loads) {
    all += load;
    if (priority >= group.priority) above += load;
  }
  // Weights are fractions: what is lost of their sums isn't a task.
  return Math.floor(Math.min(slots - above, 2 * slots - all) * depth + 0.01);
}

/** Slots' worth of a lane, of all priorities. */
export function loadOf({ loads }: Lane): number {
  let sum = 0;
  for (const load of loads.values()) sum += load;
  return sum;
}

/** A row, in no list now, is a lane's. */
export function give(tasks: TasksState, lane: Lane, row: number, nowMs: number, state: number) {
  const { columns } = tasks;
  const { group, job } = seriesOfRow(tasks, row);
  const weight = Math.fround(1 / group.depth);
  columns.give(row, lane.index, weight);
  columns.enter(row, state, nowMs);
  columns.append(lane.given, row);
  group.counts.given += 1;
  addLoad(lane, group.group.priority, weight);
  addShare(lane.shape, job, weight);
}

/** A row isn't its lane's any more. */
export function loosen(tasks: TasksState, row: number): void {
  const { columns } = tasks;
  const lane = laneOfRow(tasks, row);
  if (lane === undefined) return;
  const { group, job } = seriesOfRow(tasks, row);
  const weight = columns.weightOf(row);
  columns.unlink(lane.given, row);
  columns.unflag(row, REVOKED);
  group.counts.given -= 1;
  if (lane.given.length === 0) lane.loads.clear();
  else addLoad(lane, group.group.priority, -weight);
  addShare(lane.shape, job, -weight);
  lane.shape.open.add(lane);
  tasks.loosened.add(lane);
  if (lane.shape.waiting > 0) tasks.ready.add(lane.shape);
}

function addLoad({ loads }: Lane, priority: number, weight: number): void {
  const load = (loads.get(priority) ?? 0) + weight;
  // Weights are at least 1/TASK_DEPTH_MAX: less is what sums of fractions lose.
  if (load < NOTHING) loads.delete(priority);
  else loads.set(priority, load);
}

const NOTHING = 1 / (4 * TASK_DEPTH_MAX);

function addShare(shape: ShapeQueue, job: JobView, weight: number): void {
  const load = (job.loads.get(shape) ?? 0) + weight;
  if (load < NOTHING) job.loads.delete(shape);
  else job.loads.set(shape, load);
  if (job.loads.size === 0) job.share = 0;
  else job.share += weight * shape.cost;
}

/** The cluster has other resources: shares are counted anew. */
export function countShares(tasks: TasksState): void {
  for (const job of tasks.jobs.values()) {
    job.share = 0;
    for (const [shape, load] of job.loads) job.share += load * shape.cost;
  }
}

/** What lanes keep and have no task for goes back to their workers. */
export function giveBackSurplus(state: HeadState): void {
  const { tasks } = state;
  for (const lane of tasks.loosened) {
    const room = state.workers.get(lane.worker.name)?.room;
    while (lane.grants.length > lane.given.length) {
      const grant = lane.grants.pop();
      if (grant === undefined) break;
      lane.worker.cpu -= grant.resources.cpu;
      if (room !== undefined) giveBack(room, grant);
      growable(tasks);
    }
    if (lane.grants.length === 0 && lane.given.length === 0) closeLane(tasks, lane);
  }
  tasks.loosened.clear();
}

/** Some worker has more room than before. */
export function growable(tasks: TasksState): void {
  tasks.news += 1;
  for (const shape of tasks.stuck) tasks.ready.add(shape);
  tasks.stuck.clear();
}

/** A lane without rows is no more. */
export function closeLane(tasks: TasksState, lane: Lane): void {
  const { shape, worker, index } = lane;
  shape.lanes.delete(lane);
  shape.open.delete(lane);
  worker.lanes.delete(lane);
  tasks.lanes[index] = undefined;
  tasks.freeLanes.push(index);
}

/** Weight of what was measured last in the running mean. */
const MEASURE_WEIGHT = 0.3;

/** Some of a group took so long each, in microseconds. */
export function measure(group: GroupView, serviceUs: number): void {
  const { serviceUs: before } = group;
  group.serviceUs = before === 0 ? serviceUs : before + MEASURE_WEIGHT * (serviceUs - before);
  const wanted = Math.ceil((1_000 * TASK_AHEAD_MS) / Math.max(1, group.serviceUs));
  group.depth = Math.min(TASK_DEPTH_MAX, Math.max(TASK_DEPTH_MIN, wanted));
}
