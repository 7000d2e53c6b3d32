/**
 * Pure core. Which executor an assignment goes to, and how many executors there are.
 *
 * Invariants: at most `slots` executors run shards, each with at most SHARDS_PER_EXECUTOR; drivers
 * and actors with hosting `process` have an executor to themselves; a shared one holds at most
 * ACTORS_PER_EXECUTOR_MAX actors of one program; an executor serves one program, and one set of
 * GPUs, for life. What has a grant waits for no slot: the head has counted it.
 */
import {
  ACTORS_PER_EXECUTOR_MAX,
  HOSTED_PER_WORKER_MAX,
  HOSTS_REFUSED_FROM,
  SHARDS_PER_EXECUTOR,
  SHARED_IDLE_MS,
} from "../../runtime/limits.ts";
import type { ActorOptions, Assignment } from "../../runtime/messages.ts";
import {
  fits,
  isNothing,
  minus,
  NO_RESOURCES,
  type Resources,
} from "../../runtime/resources/resources.ts";
import { THREADS_MAX } from "../../runtime/tasks/limits.ts";
import {
  type ExecutorView,
  hold,
  isGranted,
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
  /**
   * What actors here and on their way leave of its resources. A head counts it too; but a command
   * of long ago, or of a head that had given this worker up, may come beside what is here now.
   */
  left: Resources;
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
  const left = leftOf(state);
  return { own: HOSTED_PER_WORKER_MAX - living - own, shared: HOSTS_REFUSED_FROM - shared, left };
}

function leftOf(state: WorkerState): Resources {
  let left = state.resources;
  for (const { record } of state.lives.values()) left = minus(left, needIn(record.options));
  for (const [task, executor] of state.tasks) {
    const assignment = executor === null ? state.queue.get(task) : executor.tasks.get(task);
    if (assignment !== undefined) left = minus(left, needOfHost(assignment));
  }
  return left;
}

function needIn({ resources = NO_RESOURCES }: ActorOptions): Resources {
  return resources;
}

function needOfHost({ work }: Assignment): Resources {
  return work.kind === "host" ? needIn(work.record.options) : NO_RESOURCES;
}

/** Takes a place of the room for an assignment, if there is one. */
export function takeRoom(room: Room, assignment: Assignment): boolean {
  if (!needsOwn(assignment) && assignment.work.kind !== "host") return true;
  const kind = needsOwn(assignment) ? "own" : "shared";
  const need = needOfHost(assignment);
  if (!isNothing(need)) {
    if (!fits(need, room.left)) return false;
    room.left = minus(room.left, need);
  }
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
      if (need === OWN || isGranted(assignment)) missing += 1;
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
  // Threads are started where they are looked for.
  if (inThread(assignment)) return false;
  if (needsOwn(assignment) || isGranted(assignment)) return true;
  return assignment.work.kind === "host" && sharedCount(state) + missing < HOSTED_PER_WORKER_MAX;
}

const OWN = "own";

function needOf(assignment: Assignment): string {
  if (inThread(assignment)) return `thread ${programKey(assignment)}`;
  if (needsOwn(assignment)) return OWN;
  if (isGranted(assignment)) return `granted ${programKey(assignment)} ${gpusOf(assignment)}`;
  const kind = assignment.work.kind === "host" ? "shared" : "shards";
  return `${kind} ${programKey(assignment)}`;
}

function executorFor(
  state: WorkerState,
  effects: WorkerEffect[],
  assignment: Assignment,
): ExecutorView | undefined {
  const program = programKey(assignment);
  if (needsOwn(assignment)) return ownFor(state, effects, assignment);
  if (isGranted(assignment)) return grantedFor(state, effects, assignment);
  if (assignment.work.kind === "host") return sharedFor(state, program);
  return shardsFor(state, effects, program);
}

/** Whether an actor is to live in a thread. */
function inThread({ work }: Assignment): boolean {
  return work.kind === "host" && work.record.options.hosting === "thread";
}

/** A thread that waits for an actor of this program; none means that some are being started. */
function claimThread(
  state: WorkerState,
  effects: WorkerEffect[],
  program: string,
): ExecutorView | undefined {
  let isStarting = false;
  for (const executor of state.executors.values()) {
    if (executor.role !== "thread" || executor.program !== program) continue;
    if (executor.process === null) isStarting = true;
    else {
      executor.role = "own";
      executor.emptySinceMs = Number.POSITIVE_INFINITY;
      return executor;
    }
  }
  if (!isStarting) startThreads(state, effects, { program, role: "thread", most: THREADS_MAX });
  return undefined;
}

/**
 * Starts a process of threads for a program, one for each of the worker's slots.
 * @returns the executors that they will be.
 */
export function startThreads(
  state: WorkerState,
  effects: WorkerEffect[],
  what: { readonly program: string; readonly role: "thread" | "tasks"; readonly most: number },
): ExecutorView[] {
  const { program, role, most } = what;
  const views: ExecutorView[] = [];
  for (let n = Math.min(state.slots, most, THREADS_MAX); n > 0; n -= 1) {
    const view: ExecutorView = { ...newExecutor(state.nextKey), role, program };
    state.nextKey += 1;
    state.executors.set(view.key, view);
    views.push(view);
  }
  const keys = views.map(({ key }) => key);
  if (keys.length > 0) effects.push({ type: "start-threads", keys });
  return views;
}

/** Which GPUs an assignment may use, as a text. */
function gpusOf({ gpus = [] }: Assignment): string {
  return gpus.join(",");
}

function ownFor(
  state: WorkerState,
  effects: WorkerEffect[],
  assignment: Assignment,
): ExecutorView | undefined {
  const program = programKey(assignment);
  const executor = inThread(assignment)
    ? claimThread(state, effects, program)
    : claimIdle(state, "own", program);
  if (executor === undefined) return undefined;
  executor.gpus = assignment.gpus ?? [];
  endIdleOn(state, effects, executor);
  return executor;
}

/** One that has made such shards before, on the same GPUs, or a fresh one. */
function grantedFor(
  state: WorkerState,
  effects: WorkerEffect[],
  assignment: Assignment,
): ExecutorView | undefined {
  const program = programKey(assignment);
  const gpus = gpusOf(assignment);
  for (const executor of state.executors.values()) {
    const { role, tasks } = executor;
    if (role !== "granted" || tasks.size > 0 || executor.program !== program) continue;
    if (executor.gpus.join(",") === gpus) return executor;
  }
  const executor = claimIdle(state, "granted", program);
  if (executor === undefined) return undefined;
  executor.gpus = assignment.gpus ?? [];
  endIdleOn(state, effects, executor);
  return executor;
}

/** Ends executors that have nothing to do and may still hold memory of the same GPUs. */
function endIdleOn(state: WorkerState, effects: WorkerEffect[], { key, gpus }: ExecutorView): void {
  if (gpus.length === 0) return;
  for (const other of state.executors.values()) {
    if (other.key === key || other.role !== "granted" || other.tasks.size > 0) continue;
    if (!other.gpus.some((gpu) => gpus.includes(gpu))) continue;
    other.role = "ending";
    effects.push({ type: "kill", key: other.key });
  }
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
  role: "shards" | "granted" | "own" | "shared",
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

/** Starts executors: one for each slot, one for each piece of work that waits, and spares. */
export function keepWarm(
  state: WorkerState,
  effects: WorkerEffect[],
  missing: number,
  nowMs: number,
): void {
  if (nowMs < state.startDueMs) return;
  let [idle, working] = [0, 0];
  for (const { role } of state.executors.values()) {
    if (role === "idle") idle += 1;
    else if (role === "shards" || role === "tasks") working += 1;
  }
  const wanted = Math.max(0, state.slots - working) + Math.max(state.spares, missing);
  for (let more = wanted - idle; more > 0; more -= 1) {
    const key = state.nextKey;
    state.nextKey += 1;
    state.executors.set(key, newExecutor(key));
    effects.push({ type: "start", key });
  }
}

/** Ends shared and granted executors that have had nothing for a while. */
export function endEmpty(state: WorkerState, effects: WorkerEffect[], nowMs: number): void {
  for (const [program, executors] of state.shared) {
    for (const executor of executors) {
      if (endIfEmpty(executor, effects, nowMs)) executors.delete(executor);
    }
    if (executors.size === 0) state.shared.delete(program);
  }
  for (const executor of state.executors.values()) {
    const isWaiting = executor.role === "thread" && executor.process !== null;
    if (executor.role === "granted" || isWaiting) endIfEmpty(executor, effects, nowMs);
  }
}

function endIfEmpty(executor: ExecutorView, effects: WorkerEffect[], nowMs: number): boolean {
  if (sizeOf(executor) > 0) executor.emptySinceMs = Number.POSITIVE_INFINITY;
  else if (executor.emptySinceMs > nowMs) executor.emptySinceMs = nowMs;
  else if (nowMs - executor.emptySinceMs >= SHARED_IDLE_MS) {
    executor.role = "ending";
    effects.push({ type: "kill", key: executor.key });
    return true;
  }
  return false;
}
