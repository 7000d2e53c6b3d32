/**
 * Pure core. Which executor gets which tasks, how many ahead of the one it runs, and what becomes
 * of them when it says so or dies.
 */
import type { SystemError } from "../../../runtime/errors.ts";
import {
  EXECUTOR_TASKS_AHEAD,
  LANE_TURN_MS,
  TASK_EXECUTOR_IDLE_MS,
  TASK_EXECUTORS_MAX,
} from "../../../runtime/tasks/limits.ts";
import type { TaskSaid } from "../../../runtime/tasks/orders.ts";
import {
  TASK_ABORTED,
  TASK_DIED,
  TASK_DONE,
  TASK_RETURNED,
  TASK_STARTED,
  TASK_THREW,
} from "../../../runtime/tasks/wire.ts";
import { startThreads } from "../placing.ts";
import type { WorkerEffect, WorkerState } from "../state.ts";
import {
  end,
  type HeldTask,
  type Lane,
  leave,
  newTaskExecutor,
  next,
  type TaskExecutor,
  type TaskQueue,
  type TasksState,
  wait,
} from "./state.ts";

/** Work that an executor is given ahead, in microseconds: it lasts until more can come. */
const AHEAD_US = 4_000;
/** Tasks over this are given one at a time: the way to the executor is nothing beside them. */
const LONG_US = 20_000;

/** How many tasks an executor may have of a queue. */
export function depthOf({ serviceUs }: TaskQueue): number {
  if (serviceUs === 0 || serviceUs >= LONG_US) return serviceUs === 0 ? 2 : 1;
  return Math.min(EXECUTOR_TASKS_AHEAD, Math.max(2, Math.ceil(AHEAD_US / serviceUs)));
}

/**
 * Gives what waits to executors that may have it.
 * @returns how many executors more it would take.
 */
export function feedTasks(state: WorkerState, effects: WorkerEffect[], nowMs: number): number {
  let missing = 0;
  const { queues } = state.work;
  const behind = queuesBehind(state.work);
  for (const [key, queue] of queues) {
    if (queue.length === 0 && queue.given === 0) queues.delete(key);
    else missing += queue.length === 0 ? spread(state, effects, queue, nowMs) : 0;
    if (queue.length === 0) continue;
    const { lane } = queue;
    const others = queue.given === 0 ? 0 : (behind?.get(lane) ?? 0);
    while (queue.length > 0 && lane.executors.size + others < lane.slots) {
      const executor = claim(state, effects, queue, nowMs);
      if (executor === undefined) {
        missing += Math.min(queue.length, lane.slots - lane.executors.size);
        break;
      }
      executor.queue = queue;
      executor.boundMs = nowMs;
      lane.executors.add(executor);
      // What got a slot last is the last to get the next one.
      if (behind !== undefined && queues.delete(key)) queues.set(key, queue);
      give(state.work, effects, executor, nowMs);
    }
    const isContested = lane.executors.size + others > lane.slots;
    for (const executor of lane.executors) {
      if (executor.queue !== queue) continue;
      // Its turn is over: its slot is the other program's when it has done what it has.
      if (isContested && nowMs - executor.boundMs > LANE_TURN_MS) continue;
      give(state.work, effects, executor, nowMs);
    }
  }
  return missing;
}

/** Of each lane, how many programs wait there of which no executor has a task. */
function queuesBehind({ queues }: TasksState): Map<Lane, number> | undefined {
  if (queues.size < 2) return undefined;
  const behind = new Map<Lane, number>();
  for (const { lane, length, given } of queues.values()) {
    if (length > 0 && given === 0) behind.set(lane, (behind.get(lane) ?? 0) + 1);
  }
  return behind;
}

/** An executor without tasks takes no slot. */
function unbind(executor: TaskExecutor, nowMs: number): void {
  executor.queue?.lane.executors.delete(executor);
  executor.queue = null;
  executor.idleSinceMs = nowMs;
  executor.killDueMs = Infinity;
}

/** Tasks up to its depth, those that came together in one order. */
function give(
  state: TasksState,
  effects: WorkerEffect[],
  executor: TaskExecutor,
  nowMs: number,
): void {
  const { queue } = executor;
  if (queue === null) return;
  if (executor.tasks.size === 0) executor.heardMs = nowMs;
  // It is at something long: what came behind it would wait for that.
  else if (nowMs - executor.heardMs > LONG_US / 1_000) return;
  let run: HeldTask[] = [];
  const { key } = executor.view;
  // Its share: the last of them end together.
  const share = Math.ceil((queue.length + queue.given) / queue.lane.slots);
  for (let room = Math.min(share, depthOf(queue)) - executor.tasks.size; room > 0; room -= 1) {
    const task = next(state, queue);
    if (task === undefined) break;
    const last = run.at(-1);
    if (last !== undefined && (last.of !== task.of || last.index + 1 !== task.index)) {
      effects.push({ type: "give-tasks", key, tasks: run });
      run = [];
    }
    task.executor = executor;
    task.position = executor.nextPosition;
    executor.nextPosition += 1;
    executor.tasks.set(task.position, task);
    queue.given += 1;
    run.push(task);
  }
  if (run.length > 0) effects.push({ type: "give-tasks", key, tasks: run });
}

/** An executor that has no task: of this program, or one that has none yet. */
function claim(
  state: WorkerState,
  effects: WorkerEffect[],
  queue: TaskQueue,
  nowMs: number,
): TaskExecutor | undefined {
  const { executors } = state.work;
  let other: TaskExecutor | undefined;
  for (const executor of executors.values()) {
    if (executor.queue !== null || executor.view.role !== "tasks") continue;
    if (executor.view.process === null) continue;
    if (executor.view.program === queue.program) return executor;
    if (other === undefined || executor.idleSinceMs < other.idleSinceMs) other = executor;
  }
  if (queue.threads) {
    startMore(state, effects, queue, nowMs);
    return undefined;
  }
  for (const view of state.executors.values()) {
    if (view.role !== "idle" || view.process === null) continue;
    if (executors.size >= TASK_EXECUTORS_MAX) break;
    view.role = "tasks";
    view.program = queue.program;
    const executor = newTaskExecutor(view, nowMs);
    executors.set(view.key, executor);
    return executor;
  }
  // One that serves a program of which nothing waits makes room.
  const isEnding = [...executors.values()].some(({ view }) => view.role === "ending");
  if (other !== undefined && executors.size >= state.slots && !isEnding) retire(effects, other);
  return undefined;
}

/** Threads of one process for a program; one process at a time. */
function startMore(
  state: WorkerState,
  effects: WorkerEffect[],
  { program, lane }: TaskQueue,
  nowMs: number,
): void {
  const { executors } = state.work;
  const ofProgram = [...executors.values()].filter(({ view }) => view.program === program);
  const isStarting = ofProgram.some(({ view }) => view.process === null);
  if (isStarting || ofProgram.length >= lane.slots || nowMs < state.startDueMs) return;
  const most = TASK_EXECUTORS_MAX - executors.size;
  for (const view of startThreads(state, effects, { program, role: "tasks", most })) {
    executors.set(view.key, newTaskExecutor(view, nowMs));
  }
}

function retire(effects: WorkerEffect[], { view }: TaskExecutor): void {
  view.role = "ending";
  effects.push({ type: "kill", key: view.key });
}

/** Executors of tasks beyond one a slot don't stay without any. */
export function endIdle(state: WorkerState, effects: WorkerEffect[], nowMs: number): void {
  let idle = 0;
  for (const executor of state.work.executors.values()) {
    if (executor.queue !== null || executor.view.role !== "tasks") continue;
    if (executor.view.process === null) continue;
    idle += 1;
    if (idle <= state.slots || nowMs - executor.idleSinceMs < TASK_EXECUTOR_IDLE_MS) continue;
    retire(effects, executor);
  }
}

/**
 * Nothing waits, and a slot is free: an executor that has several gives the later half back.
 * @returns how many executors more it would take.
 */
function spread(
  state: WorkerState,
  effects: WorkerEffect[],
  queue: TaskQueue,
  nowMs: number,
): number {
  const { lane, serviceUs } = queue;
  if (lane.executors.size >= lane.slots) return 0;
  let fullest: TaskExecutor | undefined;
  for (const executor of lane.executors) {
    if (executor.queue !== queue || executor.isAsked) continue;
    if (executor.tasks.size > (fullest?.tasks.size ?? 1)) fullest = executor;
  }
  if (fullest === undefined) return 0;
  // What is done before it could be elsewhere stays.
  const isShort = serviceUs > 0 && fullest.tasks.size * serviceUs < AHEAD_US;
  if (isShort && nowMs - fullest.heardMs < LONG_US / 1_000) return 0;
  if (claim(state, effects, queue, nowMs) === undefined) return 1;
  const all = [...fullest.tasks.keys()];
  const positions = Uint32Array.from(all.slice(Math.ceil(all.length / 2)));
  fullest.isAsked = true;
  effects.push({ type: "recall-tasks", key: fullest.view.key, positions });
  return 0;
}

/** What an executor says of its tasks. */
export function takeSaid(state: WorkerState, key: number, said: TaskSaid, nowMs: number): void {
  const executor = state.work.executors.get(key);
  if (executor === undefined) return;
  const { queue } = executor;
  executor.heardMs = nowMs;
  if (queue !== null && said.ran > 0) {
    const mean = said.us / said.ran;
    queue.serviceUs = queue.serviceUs === 0 ? mean : (3 * queue.serviceUs + mean) / 4;
  }
  const serviceUs = said.ran === 0 ? 0 : said.us / said.ran;
  const errors = new Map(said.errors.map(({ index, error }) => [index, error]));
  for (let i = 0; i < said.positions.length; i++) {
    const task = executor.tasks.get(said.positions[i] ?? 0);
    const how = said.states[i];
    // The answer to what it was asked, also of a task that is over by now.
    if (how === TASK_STARTED || how === TASK_RETURNED) executor.isAsked = false;
    if (task === undefined || how === undefined) continue;
    settle(state.work, task, how, { serviceUs, error: errors.get(i) ?? null });
  }
  if (executor.tasks.size === 0) unbind(executor, nowMs);
}

function settle(
  state: TasksState,
  task: HeldTask,
  how: number,
  more: { readonly serviceUs: number; readonly error: HeldError },
): void {
  if (how === TASK_STARTED) {
    if (task.recalled) say(state, task, TASK_STARTED);
    task.recalled = false;
  } else if (how === TASK_RETURNED) {
    if (task.aborted) end(state, task, { state: TASK_ABORTED });
    else if (task.recalled) end(state, task, { state: TASK_RETURNED });
    else {
      leave(task);
      wait(task);
    }
  } else {
    const ran = how === TASK_DONE || how === TASK_THREW;
    end(state, task, { state: how, ...more, serviceUs: ran ? more.serviceUs : 0 });
  }
}

type HeldError = ReturnType<SystemError["toData"]> | null;

/** An event of a task that goes on. */
function say(state: TasksState, { of, number, attempt }: HeldTask, how: number): void {
  state.events.push({ of, number, attempt, state: how, serviceUs: 0, error: null });
}

/**
 * An executor died. What it had begun is lost with it, results that their owner hadn't got among
 * them; what it hadn't begun waits again, before all others.
 *
 * @param begun - the position up to which it had begun.
 */
export function buryTasks(
  state: WorkerState,
  key: number,
  error: SystemError,
  begun: number,
): boolean {
  const executor = state.work.executors.get(key);
  if (executor === undefined) return false;
  state.work.executors.delete(key);
  executor.queue?.lane.executors.delete(executor);
  const all = [...executor.tasks.values()];
  for (const task of all) {
    if (task.position > begun) continue;
    const aborted = task.aborted ? { state: TASK_ABORTED } : undefined;
    end(state.work, task, aborted ?? { state: TASK_DIED, error: error.toData() });
  }
  for (const task of all.reverse()) {
    if (task.position <= begun) continue;
    if (task.aborted) end(state.work, task, { state: TASK_ABORTED });
    else if (task.recalled) end(state.work, task, { state: TASK_RETURNED });
    else {
      leave(task);
      wait(task, true);
    }
  }
  return all.length > 0;
}

/** Says of a task that it runs, once, when it is seen at the same position twice. */
export function noteBegun(state: WorkerState, key: number, begun: number): void {
  const executor = state.work.executors.get(key);
  if (executor !== undefined) executor.begun = begun;
  const task = executor?.tasks.get(begun);
  if (executor === undefined || task === undefined) return;
  if (executor.seenAt === begun && executor.saidLong !== begun) {
    executor.saidLong = begun;
    say(state.work, task, TASK_STARTED);
  }
  executor.seenAt = begun;
}
