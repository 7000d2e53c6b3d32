/**
 * Pure core. What a leader orders about tasks, taken in the order of its numbers: a copy or what
 * follows a gap isn't taken, and comes again.
 */
import {
  TASK_ABORTED,
  TASK_RETURNED,
  type TaskBlock,
  type TaskNames,
  type TaskOrder,
} from "../../../runtime/tasks/wire.ts";
import type { WorkerEffect } from "../state.ts";
import { end, heldAs, type HeldTask, leave, queueOf, type TasksState, wait } from "./state.ts";

/** Milliseconds that a task which was cancelled by force has to end by its signal. */
const FORCE_MS = 250;

/** Takes an order of the present leader. */
export function takeOrder(
  state: TasksState,
  effects: WorkerEffect[],
  order: TaskOrder,
  nowMs: number,
): void {
  hear(state, order.heard);
  if (order.announce === true) announceTasks(state);
  if (order.number === 0) return;
  // Said again, the head learns what is missing.
  state.isReportDue = true;
  if (order.number !== state.seen + 1) return;
  state.seen = order.number;
  for (const block of order.tasks) accept(state, block, nowMs);
  for (const names of order.revoke) revoke(state, effects, names);
  for (const names of order.abort) abort(state, effects, names, nowMs);
}

/** All that is held is to be told from the first page on. */
export function announceTasks(state: TasksState): void {
  state.announce = [...state.held.values()].flatMap((ofOwner) => [...ofOwner.values()]);
  state.announceTotal = state.announce.length;
  state.isReportDue = true;
}

/** A leader has events up to this one. */
function hear(state: TasksState, heard: number): void {
  const count = heard - state.eventsFrom + 1;
  if (count <= 0 || count > state.events.length) return;
  state.events = state.events.slice(count);
  state.eventsFrom += count;
  state.nextToSay = Math.max(state.nextToSay, state.eventsFrom);
}

function accept(state: TasksState, block: TaskBlock, nowMs: number): void {
  const owner = ownerOf(block);
  const queue = queueOf(state, block);
  const deadlineAtMs = block.deadlineMs === null ? Infinity : nowMs + block.deadlineMs;
  const of = { block, owner, queue, deadlineAtMs };
  let ofOwner = state.held.get(owner);
  if (ofOwner === undefined) state.held.set(owner, (ofOwner = new Map<number, HeldTask>()));
  for (let index = 0; index < block.numbers.length; index++) {
    const number = block.numbers[index] ?? 0;
    const attempt = block.attempts[index] ?? 0;
    const known = ofOwner.get(number);
    // Assigned anew, an earlier assignment of it is nobody's any more.
    if (known?.attempt === attempt) continue;
    if (known !== undefined) leave(known);
    const flags = { recalled: false, aborted: false, forced: false };
    const task = { of, index, number, attempt, executor: null, position: 0, ...flags };
    ofOwner.set(number, task);
    wait(task);
  }
}

function revoke(state: TasksState, effects: WorkerEffect[], names: TaskNames): void {
  const asked = new Map<number, number[]>();
  for (const task of tasksOf(state, names)) {
    if (task.executor === null) {
      end(state, task, { state: TASK_RETURNED });
      continue;
    }
    task.recalled = true;
    const { key } = task.executor.view;
    asked.set(key, [...(asked.get(key) ?? []), task.position]);
  }
  for (const [key, positions] of asked) {
    effects.push({ type: "recall-tasks", key, positions: Uint32Array.from(positions) });
  }
}

function abort(
  state: TasksState,
  effects: WorkerEffect[],
  names: TaskOrder["abort"][number],
  nowMs: number,
): void {
  for (const task of tasksOf(state, names)) {
    const { executor, position } = task;
    if (executor === null) {
      end(state, task, { state: TASK_ABORTED });
      continue;
    }
    if (!task.aborted) effects.push({ type: "abort-task", key: executor.view.key, position });
    task.aborted = true;
    if (!names.force) continue;
    task.forced = true;
    executor.killDueMs = Math.min(executor.killDueMs, nowMs + FORCE_MS);
  }
}

/**
 * Ends executors at which a task that was cancelled by force still runs. One that hasn't begun is
 * looked at again: a function that keeps the process from hearing may go before it. Of one that ran
 * and whose owner hasn't its result yet, nothing is left to end, unless all there is so.
 */
export function killForced(state: TasksState, effects: WorkerEffect[], nowMs: number): void {
  for (const executor of state.executors.values()) {
    if (executor.killDueMs > nowMs) continue;
    const tasks = [...executor.tasks.values()];
    const isWaiting = tasks.some(({ forced }) => forced);
    executor.killDueMs = isWaiting ? nowMs + FORCE_MS : Infinity;
    const begun = tasks.filter(({ position }) => position <= executor.begun);
    const runs = begun.some(({ forced, position }) => forced && position === executor.begun);
    const areAll = begun.some(({ forced }) => forced) && begun.every(({ aborted }) => aborted);
    if (!runs && !areAll) continue;
    executor.killDueMs = Infinity;
    effects.push({ type: "kill", key: executor.view.key });
  }
}

function* tasksOf(state: TasksState, names: TaskNames): Generator<HeldTask> {
  const owner = ownerOf(names);
  for (let i = 0; i < names.numbers.length; i++) {
    const task = heldAs(state, owner, names.numbers[i] ?? 0, names.attempts[i] ?? 0);
    if (task !== undefined) yield task;
  }
}

function ownerOf({ owner }: { readonly owner: { identity: string; process: string } }): string {
  return `${owner.identity}/${owner.process}`;
}
