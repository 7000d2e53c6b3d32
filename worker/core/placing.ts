/**
 * Pure core. Which executor an assignment goes to, and how many executors there are.
 *
 * Invariants: at most `slots` executors run shards, each with at most SHARDS_PER_EXECUTOR; drivers
 * and actors with hosting `process` have an executor to themselves; a shared one holds at most
 * ACTORS_PER_EXECUTOR_MAX actors of one program; an executor serves one program for life.
 */
import {
  ACTORS_PER_EXECUTOR_MAX,
  HOSTED_PER_WORKER_MAX,
  HOSTS_REFUSED_FROM,
  SHARDS_PER_EXECUTOR,
  SHARED_IDLE_MS,
} from "../../runtime/limits.ts";
import type { Assignment } from "../../runtime/messages.ts";
import {
  type ExecutorView,
  hold,
  needsOwn,
  newExecutor,
  programKey,
  type WorkerEffect,
  type WorkerState,
} from "./state.ts";

/** How many more drivers and actors a worker takes; counted once for a command. */
export interface Room {
  own: number;
  shared: number;
}

/** Drivers and actors are bounded, living ones included; shards are bounded by the head. */
export function roomOf(state: WorkerState): Room {
  let living = 0;
  for (const { role } of state.executors.values()) if (role === "own") living += 1;
  let [own, shared] = [0, 0];
  for (const assignment of state.queue.values()) {
    if (needsOwn(assignment)) own += 1;
    else if (assignment.work.kind === "host") shared += 1;
  }
  for (const executors of state.shared.values()) {
    for (const { tasks } of executors) shared += tasks.size;
  }
  return { own: HOSTED_PER_WORKER_MAX - living - own, shared: HOSTS_REFUSED_FROM - shared };
}

/** Takes a place of the room for an assignment, if there is one. */
export function takeRoom(room: Room, assignment: Assignment): boolean {
  if (!needsOwn(assignment) && assignment.work.kind !== "host") return true;
  const kind = needsOwn(assignment) ? "own" : "shared";
  room[kind] -= 1;
  return room[kind] >= 0;
}

/**
 * Gives what waits to executors that can take it.
 * @returns how many executors more it would take.
 */
export function assignQueue(state: WorkerState, effects: WorkerEffect[]): number {
  let missing = 0;
  /** Programs and kinds of which nothing more can be placed now. */
  const stuck = new Set<string>();
  for (const assignment of state.queue.values()) {
    const need = needOf(assignment);
    if (stuck.has(need)) {
      if (need === OWN) missing += 1;
      continue;
    }
    const executor = executorFor(state, effects, assignment);
    if (executor === undefined) {
      stuck.add(need);
      if (waitsForAnother(state, assignment, missing)) missing += 1;
      continue;
    }
    hold(state, executor, assignment);
    effects.push({ type: "run", key: executor.key, assignment });
  }
  return missing;
}

/** Whether one more executor would take it: shards wait for theirs, and shared ones are bounded. */
function waitsForAnother(state: WorkerState, assignment: Assignment, missing: number): boolean {
  if (needsOwn(assignment)) return true;
  return assignment.work.kind === "host" && sharedCount(state) + missing < HOSTED_PER_WORKER_MAX;
}

const OWN = "own";

function needOf(assignment: Assignment): string {
  if (needsOwn(assignment)) return OWN;
  const kind = assignment.work.kind === "host" ? "shared" : "shards";
  return `${kind} ${programKey(assignment)}`;
}

function executorFor(
  state: WorkerState,
  effects: WorkerEffect[],
  assignment: Assignment,
): ExecutorView | undefined {
  const program = programKey(assignment);
  if (needsOwn(assignment)) return claimIdle(state, "own", program);
  if (assignment.work.kind === "host") return sharedFor(state, program);
  return shardsFor(state, effects, program);
}

/** The emptiest one that isn't busy; another one while all are full, or busy and few. */
function sharedFor(state: WorkerState, program: string): ExecutorView | undefined {
  const all = state.shared.get(program) ?? new Set<ExecutorView>();
  const withRoom = [...all].filter((it) => sizeOf(it) < ACTORS_PER_EXECUTOR_MAX);
  const free = emptiest(withRoom.filter((it) => !it.busy));
  if (free !== undefined) return free;
  if (withRoom.length > 0 && all.size >= state.slots) return emptiest(withRoom);
  if (sharedCount(state) >= HOSTED_PER_WORKER_MAX) return emptiest(withRoom);
  const fresh = claimIdle(state, "shared", program);
  if (fresh === undefined) return emptiest(withRoom);
  state.shared.set(program, all.add(fresh));
  return fresh;
}

function sizeOf({ tasks, actors }: ExecutorView): number {
  return tasks.size + actors.size;
}

function emptiest(executors: readonly ExecutorView[]): ExecutorView | undefined {
  let best = executors[0];
  for (const it of executors) if (best !== undefined && sizeOf(it) < sizeOf(best)) best = it;
  return best;
}

function sharedCount(state: WorkerState): number {
  let count = 0;
  for (const executors of state.shared.values()) count += executors.size;
  return count;
}

function shardsFor(
  state: WorkerState,
  effects: WorkerEffect[],
  program: string,
): ExecutorView | undefined {
  const shards = [...state.executors.values()].filter(({ role }) => role === "shards");
  const fitting = shards.filter((it) => it.program === program);
  const free = fitting.filter(({ tasks }) => tasks.size < SHARDS_PER_EXECUTOR);
  const least = free.sort((a, b) => a.tasks.size - b.tasks.size)[0];
  if (least !== undefined && least.tasks.size === 0) return least;
  if (shards.length < state.slots) return claimIdle(state, "shards", program) ?? least;
  if (least !== undefined) return least;
  const unused = shards.find((it) => it.program !== program && it.tasks.size === 0);
  if (unused === undefined) return undefined;
  unused.role = "ending";
  effects.push({ type: "kill", key: unused.key });
  return claimIdle(state, "shards", program);
}

function claimIdle(
  state: WorkerState,
  role: "shards" | "own" | "shared",
  program: string,
): ExecutorView | undefined {
  for (const executor of state.executors.values()) {
    if (executor.role !== "idle" || executor.process === null) continue;
    executor.role = role;
    executor.program = program;
    return executor;
  }
  return undefined;
}

/** Starts executors: one for each shard slot, one for each that waits for one, and spares. */
export function keepWarm(
  state: WorkerState,
  effects: WorkerEffect[],
  missing: number,
  nowMs: number,
): void {
  if (nowMs < state.startDueMs) return;
  let [idle, shards] = [0, 0];
  for (const { role } of state.executors.values()) {
    if (role === "idle") idle += 1;
    else if (role === "shards") shards += 1;
  }
  const wanted = state.slots - shards + Math.max(state.spares, missing);
  for (let more = wanted - idle; more > 0; more -= 1) {
    const key = state.nextKey;
    state.nextKey += 1;
    state.executors.set(key, newExecutor(key));
    effects.push({ type: "start", key });
  }
}

/** Ends shared executors that have had nothing for a while. */
export function endEmpty(state: WorkerState, effects: WorkerEffect[], nowMs: number): void {
  for (const [program, executors] of state.shared) {
    for (const executor of executors) {
      if (sizeOf(executor) > 0) executor.emptySinceMs = Number.POSITIVE_INFINITY;
      else if (executor.emptySinceMs > nowMs) executor.emptySinceMs = nowMs;
      else if (nowMs - executor.emptySinceMs >= SHARED_IDLE_MS) {
        executor.role = "ending";
        executors.delete(executor);
        effects.push({ type: "kill", key: executor.key });
      }
    }
    if (executors.size === 0) state.shared.delete(program);
  }
}
