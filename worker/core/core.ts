/**
 * Pure core of the worker: which executor runs what. `decide(state, event, nowMs) -> { effects }`;
 * a worker has no durable facts: all it knows it announces in its reports, again and again until
 * the head has acknowledged it.
 */
import { SystemError } from "../../runtime/errors.ts";
import {
  END_GRACE_MS,
  HEARTBEAT_INTERVAL_MS,
  REPORT_DONE_MAX,
  REPORT_ENDED_MAX,
} from "../../runtime/limits.ts";
import type { Assignment, Command, Done, Epoch } from "../../runtime/messages.ts";
import type { TaskOrder } from "../../runtime/tasks/wire.ts";
import { crashedAtStart, handBack, startedWell } from "./crashes.ts";
import {
  beginLife,
  endLives,
  endStarting,
  executorDied,
  forgetEnded,
  endUnbegun,
  orderEnd,
  outputOf,
  rememberKey,
  takeEnded,
} from "./lives.ts";
import { assignQueue, endEmpty, keepWarm, type Room, roomOf, takeRoom } from "./placing.ts";
import { announceAll } from "./reports.ts";
import { buryTasks, endIdle, feedTasks, noteBegun, takeSaid } from "./tasks/feed.ts";
import { announceTasks, killForced, takeOrder } from "./tasks/orders.ts";
import { repeatEvents, taskReportIsDue, tellAll } from "./tasks/report.ts";
import {
  attemptKey,
  type ExecutorView,
  fail,
  release,
  type WorkerEffect,
  type WorkerEvent,
  type WorkerState,
} from "./state.ts";

/** One event's consequences; the state is changed in place. */
export function decide(
  state: WorkerState,
  event: WorkerEvent,
  nowMs: number,
): { readonly facts: readonly never[]; readonly effects: readonly WorkerEffect[] } {
  const effects: WorkerEffect[] = [];
  const told = take(state, effects, event, nowMs);
  const missing = assignQueue(state, effects) + feedTasks(state, effects, nowMs);
  const urgent = handBack(state) || told;
  keepWarm(state, effects, missing, nowMs);
  if (urgent || nowMs >= state.reportDueMs) {
    state.reportDueMs = nowMs + HEARTBEAT_INTERVAL_MS;
    if (state.epoch.number > 0) effects.push({ type: "report" });
  }
  if (taskReportIsDue(state)) effects.push({ type: "task-report" });
  return { facts: [], effects };
}

/** Whether the head should hear of it at once. */
function take(
  state: WorkerState,
  effects: WorkerEffect[],
  event: WorkerEvent,
  nowMs: number,
): boolean {
  switch (event.type) {
    case "leader":
      // A head that was replaced may still speak.
      if (event.epoch.number >= state.epoch.number) state.tail = Math.max(state.tail, event.tail);
      return follow(state, event.epoch);
    case "command":
      return obey(state, effects, event.command, nowMs);
    case "ready": {
      const executor = state.executors.get(event.key);
      if (executor === undefined) return false;
      executor.process = event.process;
      startedWell(state);
      return false;
    }
    case "done":
      return finish(state, effects, event.key, event.done);
    case "ended":
      return takeEnded(state, effects, event.key, event.ended);
    case "exited":
      return bury(state, event, nowMs);
    case "busy": {
      const executor = state.executors.get(event.key);
      if (executor !== undefined) executor.busy = event.busy;
      return false;
    }
    case "task-order":
      takeTaskOrder(state, effects, event.order, nowMs);
      return false;
    case "task-said":
      takeSaid(state, event.key, event.said, nowMs);
      return false;
    case "begun":
      noteBegun(state, event.key, event.begun);
      return false;
    case "lease-over":
      for (const { key, named } of state.executors.values()) {
        if (named > 0) effects.push({ type: "kill", key });
      }
      return false;
    case "tick":
      endEmpty(state, effects, nowMs);
      killDue(state, effects, nowMs);
      killForced(state.work, effects, nowMs);
      endIdle(state, effects, nowMs);
      repeatEvents(state, nowMs);
      return false;
    default:
      return event satisfies never;
  }
}

/** A higher epoch is followed; a lower one, or an equal one of another leader, isn't. */
function follow(state: WorkerState, epoch: Epoch): boolean {
  if (epoch.number <= state.epoch.number) return false;
  state.epoch = epoch;
  state.sequence = 0;
  announceAll(state);
  announceTasks(state.work);
  tellAll(state.work);
  return true;
}

/** Of the leader that is followed, or a later one, and for this process. */
function takeTaskOrder(
  state: WorkerState,
  effects: WorkerEffect[],
  order: TaskOrder,
  nowMs: number,
): void {
  if (order.process !== state.process) return;
  if (follow(state, order.epoch)) state.reportDueMs = nowMs;
  if (leads(state, order.epoch)) takeOrder(state.work, effects, order, nowMs);
}

function leads({ epoch }: WorkerState, { number, leader }: Epoch): boolean {
  return number === epoch.number && leader === epoch.leader;
}

function obey(
  state: WorkerState,
  effects: WorkerEffect[],
  command: Command,
  nowMs: number,
): boolean {
  let urgent = follow(state, command.epoch);
  if (!leads(state, command.epoch)) return false;
  state.sequence = Math.max(state.sequence, command.sequence);
  takeConfirmed(state, effects, command.heard);
  if (command.announce === true) announceAll(state);
  urgent ||= command.announce === true;
  urgent = acknowledge(state, command) || urgent;
  for (const task of command.cancel) cancel(state, effects, task);
  for (const life of command.end) {
    urgent = orderEnd(state, effects, life, nowMs + END_GRACE_MS) || urgent;
  }
  if (command.assign.length > 0) urgent = accept(state, effects, command.assign) || urgent;
  for (const wanted of command.logs) {
    effects.push({ type: "logs", key: outputOf(state, wanted.actorId), wanted });
  }
  return urgent;
}

/** Before what the command assigns: a life that it starts has its lease from this report on. */
function takeConfirmed(state: WorkerState, effects: WorkerEffect[], heard: number): void {
  if (heard === 0 || heard === state.heard) return;
  state.heard = heard;
  effects.push({ type: "confirmed", number: heard });
  for (const { key, named } of state.executors.values()) {
    if (named > 0) effects.push({ type: "lease", key });
  }
}

/** Whether there is more to say: what didn't fit the report that is acknowledged. */
function acknowledge(state: WorkerState, { ack, endSeen }: Command): boolean {
  const moreDone = ack.length > 0 && state.done.size > REPORT_DONE_MAX;
  const moreEnded = endSeen.length > 0 && state.ended.size > REPORT_ENDED_MAX;
  for (const attempt of ack) state.done.delete(attemptKey(attempt));
  forgetEnded(state, endSeen);
  return moreDone || moreEnded;
}

/** Whether one of them was refused. */
function accept(
  state: WorkerState,
  effects: WorkerEffect[],
  assignments: readonly Assignment[],
): boolean {
  const room: Room = roomOf(state);
  let refused = false;
  for (const assignment of assignments) {
    if (state.tasks.has(assignment.task) || livesAlready(state, effects, assignment)) continue;
    if (takeRoom(room, assignment)) {
      state.queue.set(assignment.task, assignment);
      state.tasks.set(assignment.task, null);
    } else {
      refused = true;
      fail(state, assignment, new SystemError("NO_CAPACITY", "this worker hosts no more"));
    }
  }
  return refused;
}

/** Whether that life is here; an older one of the same actor makes room for it. */
function livesAlready(
  state: WorkerState,
  effects: WorkerEffect[],
  { work, attempt }: Assignment,
): boolean {
  if (work.kind !== "host") return false;
  const { actorId } = work.record;
  const life = state.lives.get(actorId);
  if (life === undefined) return false;
  if (life.incarnation >= attempt) return true;
  orderEnd(state, effects, { actorId, incarnation: life.incarnation }, 0);
  return false;
}

/** Whoever was to end and hasn't doesn't react. */
function killDue(state: WorkerState, effects: WorkerEffect[], nowMs: number): void {
  for (const executor of state.executors.values()) {
    if (executor.killDueMs > nowMs) continue;
    executor.killDueMs = Number.POSITIVE_INFINITY;
    effects.push({ type: "kill", key: executor.key });
  }
}

function cancel(state: WorkerState, effects: WorkerEffect[], task: string): void {
  const executor = state.tasks.get(task);
  const assignment = release(state, task);
  if (executor == null || assignment === undefined) return;
  const { key, role } = executor;
  if (assignment.work.kind === "host") {
    const { actorId } = assignment.work.record;
    endStarting(effects, executor, { actorId, incarnation: assignment.attempt });
  } else if (role === "own") effects.push({ type: "kill", key });
  else if (role === "granted") {
    // It may be at its batch for long, and what it holds is another's from now on.
    executor.role = "ending";
    effects.push({ type: "kill", key });
  } else effects.push({ type: "cancel", key, task });
}

function finish(state: WorkerState, effects: WorkerEffect[], key: number, done: Done): boolean {
  const executor = state.executors.get(key);
  const held = executor?.tasks.get(done.task);
  if (executor === undefined || held?.attempt !== done.attempt) return false;
  release(state, done.task);
  const isUnbegun = done.outcome.kind !== "hosted" && endUnbegun(state, held);
  if (!isUnbegun) state.done.set(attemptKey(done), done);
  if (done.outcome.kind === "hosted") beginLife(state, executor, held, done.outcome.address);
  else if (held.work.kind === "host") rememberKey(state, held.work.record.actorId, key);
  if (executor.role === "own" && done.outcome.kind !== "hosted") {
    // What a driver's main or a failed constructor left behind isn't used again.
    effects.push({ type: "kill", key });
  }
  // While one report is full and not acknowledged, the next one would say the same.
  return state.done.size <= REPORT_DONE_MAX;
}

/** An executor is gone: what it was at failed, what waited behind it starts elsewhere. */
function bury(
  state: WorkerState,
  { key, reason, code, batch, begun = 0 }: Extract<WorkerEvent, { type: "exited" }>,
  nowMs: number,
): boolean {
  const executor = state.executors.get(key);
  if (executor === undefined) return false;
  const error = executorDied(reason, code);
  const lost = endLives(state, executor, error);
  buryTasks(state, key, error, begun);
  forgetExecutor(state, executor);
  if (executor.process === null) crashedAtStart(state, reason, nowMs);
  const [running, ...waiting] = executor.tasks.values();
  const isOver = (one: Assignment) => endUnbegun(state, one) && state.tasks.delete(one.task);
  requeue(
    state,
    waiting.filter((one) => !isOver(one)),
  );
  if (running === undefined) return lost;
  if (running.work.kind === "host") rememberKey(state, running.work.record.actorId, key);
  if (isOver(running)) return true;
  state.tasks.delete(running.task);
  const { task, attempt } = running;
  if (batch?.task === task && batch.attempt === attempt) {
    const { first, records } = batch;
    fail(state, running, error, { first, records });
  } else fail(state, running, error);
  return true;
}

function forgetExecutor(state: WorkerState, executor: ExecutorView): void {
  state.executors.delete(executor.key);
  for (const [program, executors] of state.shared) {
    executors.delete(executor);
    if (executors.size === 0) state.shared.delete(program);
  }
}

/** Before all that waits, in the order they had. */
function requeue(state: WorkerState, assignments: readonly Assignment[]): void {
  if (assignments.length === 0) return;
  const behind = [...state.queue];
  state.queue.clear();
  for (const assignment of assignments) {
    state.queue.set(assignment.task, assignment);
    state.tasks.set(assignment.task, null);
  }
  for (const [task, assignment] of behind) state.queue.set(task, assignment);
}
