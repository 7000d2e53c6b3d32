/**
 * Pure core of the worker: which executor runs what. `decide(state, event, nowMs) -> { effects }`;
 * a worker has no durable facts: all it knows it announces, whole, in every report.
 *
 * Invariants: an assignment stands in exactly one place (queue, an executor, done); an executor
 * that runs shards holds at most SHARDS_PER_EXECUTOR, of which the first is under way once what was
 * cancelled before it has ended; at most `slots` executors run shards; drivers and actors have an
 * executor to themselves.
 */
import { SystemError } from "../runtime/errors.ts";
import {
  EXECUTOR_RESTART_MS,
  HEARTBEAT_INTERVAL_MS,
  HOSTED_PER_WORKER_MAX,
  REPORT_DONE_MAX,
  SHARDS_PER_EXECUTOR,
} from "../runtime/limits.ts";
import type { Assignment, Command, Done, Epoch, Report } from "../runtime/messages.ts";

export interface ExecutorView {
  readonly key: number;
  /** `own`: a driver or an actor lives there. `ending`: it was killed, to make room. */
  role: "idle" | "shards" | "own" | "ending";
  /** What it has loaded, as `programKey` says; null while idle. */
  program: string | null;
  ready: boolean;
  /** In the order given; the first is under way. */
  tasks: Assignment[];
  /** Actor that lives there once it was hosted. */
  hosts: string | null;
}

export interface WorkerState {
  readonly slots: number;
  readonly process: string;
  readonly host: string;
  epoch: Epoch;
  /** Commands seen of the present leader. */
  sequence: number;
  readonly executors: Map<number, ExecutorView>;
  queue: Assignment[];
  /** Finished and not acknowledged, by `task#attempt`. */
  readonly done: Map<string, Done>;
  nextKey: number;
  /** No executor is started before; moves on when one dies before it was ready. */
  startDueMs: number;
  reportDueMs: number;
}

export type WorkerEvent =
  | { readonly type: "leader"; readonly epoch: Epoch }
  | { readonly type: "command"; readonly command: Command }
  | { readonly type: "ready"; readonly key: number }
  | { readonly type: "done"; readonly key: number; readonly done: Done }
  | { readonly type: "exited"; readonly key: number; readonly reason: string }
  | { readonly type: "tick" };

export type WorkerEffect =
  | { readonly type: "start"; readonly key: number }
  | { readonly type: "run"; readonly key: number; readonly assignment: Assignment }
  | { readonly type: "cancel"; readonly key: number; readonly task: string }
  | { readonly type: "kill"; readonly key: number }
  | { readonly type: "report"; readonly report: Report };

export function newWorkerState(slots: number, process: string, host: string): WorkerState {
  return {
    slots,
    process,
    host,
    epoch: { number: 0, leader: "" },
    sequence: 0,
    executors: new Map(),
    queue: [],
    done: new Map(),
    nextKey: 0,
    startDueMs: 0,
    reportDueMs: 0,
  };
}

/** One event's consequences; the state is changed in place. */
export function decide(
  state: WorkerState,
  event: WorkerEvent,
  nowMs: number,
): { readonly facts: readonly never[]; readonly effects: readonly WorkerEffect[] } {
  const effects: WorkerEffect[] = [];
  const urgent = take(state, effects, event, nowMs);
  assignQueue(state, effects);
  keepWarm(state, effects, nowMs);
  if (urgent || nowMs >= state.reportDueMs) {
    state.reportDueMs = nowMs + HEARTBEAT_INTERVAL_MS;
    if (state.epoch.number > 0) effects.push({ type: "report", report: reportOf(state) });
  }
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
      return follow(state, event.epoch);
    case "command":
      return obey(state, effects, event.command);
    case "ready": {
      const executor = state.executors.get(event.key);
      if (executor !== undefined) executor.ready = true;
      return false;
    }
    case "done":
      return finish(state, effects, event.key, event.done);
    case "exited":
      return bury(state, event.key, event.reason, nowMs);
    case "tick":
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
  return true;
}

function obey(state: WorkerState, effects: WorkerEffect[], command: Command): boolean {
  const { epoch } = command;
  const isNew = follow(state, epoch);
  if (epoch.number !== state.epoch.number || epoch.leader !== state.epoch.leader) return false;
  state.sequence = Math.max(state.sequence, command.sequence);
  for (const acknowledged of command.ack) state.done.delete(keyOf(acknowledged));
  for (const task of command.cancel) cancel(state, effects, task);
  for (const assignment of command.assign) {
    if (isHeld(state, assignment.task)) continue;
    if (hasRoom(state, assignment)) state.queue.push(assignment);
    else fail(state, assignment, new SystemError("NO_CAPACITY", "this worker hosts no more"));
  }
  return isNew;
}

/** Drivers and actors are bounded, living ones included; shards are bounded by the head. */
function hasRoom(state: WorkerState, { work }: Assignment): boolean {
  if (!needsOwn(work)) return true;
  const living = [...state.executors.values()].filter(({ role }) => role === "own").length;
  const waiting = state.queue.filter((assignment) => needsOwn(assignment.work)).length;
  return living + waiting < HOSTED_PER_WORKER_MAX;
}

function needsOwn({ kind }: Assignment["work"]): boolean {
  return kind === "drive" || kind === "host";
}

function isHeld(state: WorkerState, task: string): boolean {
  return heldAssignments(state).some((held) => held.task === task);
}

function cancel(state: WorkerState, effects: WorkerEffect[], task: string): void {
  state.queue = state.queue.filter((assignment) => assignment.task !== task);
  for (const executor of state.executors.values()) {
    const { key } = executor;
    if (!executor.tasks.some((assignment) => assignment.task === task)) continue;
    if (executor.role === "own") effects.push({ type: "kill", key });
    else effects.push({ type: "cancel", key, task });
    executor.tasks = executor.tasks.filter((assignment) => assignment.task !== task);
  }
}

function finish(state: WorkerState, effects: WorkerEffect[], key: number, done: Done): boolean {
  const executor = state.executors.get(key);
  if (executor === undefined) return false;
  const before = executor.tasks.length;
  executor.tasks = executor.tasks.filter((assignment) => !isSame(assignment, done));
  if (executor.tasks.length === before) return false;
  state.done.set(keyOf(done), done);
  if (done.outcome.kind === "hosted") executor.hosts = done.task;
  // What a driver's main or a failed constructor left behind isn't used again.
  else if (executor.role === "own") effects.push({ type: "kill", key });
  return true;
}

/** An executor is gone: what it was at failed, what waited behind it starts elsewhere. */
function bury(state: WorkerState, key: number, reason: string, nowMs: number): boolean {
  const executor = state.executors.get(key);
  if (executor === undefined) return false;
  state.executors.delete(key);
  if (!executor.ready) state.startDueMs = nowMs + EXECUTOR_RESTART_MS;
  const [running, ...waiting] = executor.tasks;
  state.queue.unshift(...waiting);
  if (running === undefined) return false;
  fail(state, running, new SystemError("ACTOR_DIED", `the executor ended: ${reason}`));
  return true;
}

function fail(state: WorkerState, { task, attempt }: Assignment, error: SystemError): void {
  const outcome = { kind: "failed" as const, error: error.toData() };
  const done = { task, attempt, outcome };
  state.done.set(keyOf(done), done);
}

interface Attempt {
  readonly task: string;
  readonly attempt: number;
}

function keyOf({ task, attempt }: Attempt): string {
  return `${task}#${attempt}`;
}

function isSame(a: Attempt, b: Attempt): boolean {
  return a.task === b.task && a.attempt === b.attempt;
}

function assignQueue(state: WorkerState, effects: WorkerEffect[]): void {
  const waiting: Assignment[] = [];
  for (const assignment of state.queue) {
    const executor = executorFor(state, effects, assignment);
    if (executor === undefined) {
      waiting.push(assignment);
      continue;
    }
    executor.tasks.push(assignment);
    effects.push({ type: "run", key: executor.key, assignment });
  }
  state.queue = waiting;
}

function executorFor(
  state: WorkerState,
  effects: WorkerEffect[],
  assignment: Assignment,
): ExecutorView | undefined {
  const program = programKey(assignment);
  if (needsOwn(assignment.work)) return claimIdle(state, "own", program);
  const shards = [...state.executors.values()].filter(({ role }) => role === "shards");
  const fitting = shards.filter((it) => it.program === program);
  const free = fitting.filter(({ tasks }) => tasks.length < SHARDS_PER_EXECUTOR);
  const least = free.sort((a, b) => a.tasks.length - b.tasks.length)[0];
  if (least !== undefined && least.tasks.length === 0) return least;
  if (shards.length < state.slots) return claimIdle(state, "shards", program) ?? least;
  if (least !== undefined) return least;
  const unused = shards.find((it) => it.program !== program && it.tasks.length === 0);
  if (unused === undefined) return undefined;
  unused.role = "ending";
  effects.push({ type: "kill", key: unused.key });
  return claimIdle(state, "shards", program);
}

function programKey({ program }: Assignment): string {
  return `${program.sha256} ${program.url}`;
}

function claimIdle(
  state: WorkerState,
  role: "shards" | "own",
  program: string,
): ExecutorView | undefined {
  const idle = [...state.executors.values()].find((it) => it.ready && it.role === "idle");
  if (idle === undefined) return undefined;
  idle.role = role;
  idle.program = program;
  return idle;
}

/** Starts executors: one for each shard slot, one for each that waits for its own, and a spare. */
function keepWarm(state: WorkerState, effects: WorkerEffect[], nowMs: number): void {
  if (nowMs < state.startDueMs) return;
  const all = [...state.executors.values()];
  const idle = all.filter(({ role }) => role === "idle").length;
  const shards = all.filter(({ role }) => role === "shards").length;
  const own = state.queue.filter(({ work }) => needsOwn(work));
  const wanted = state.slots - shards + Math.max(1, own.length);
  for (let missing = wanted - idle; missing > 0; missing -= 1) {
    const key = state.nextKey;
    state.nextKey += 1;
    state.executors.set(key, newExecutor(key));
    effects.push({ type: "start", key });
  }
}

function newExecutor(key: number): ExecutorView {
  return { key, role: "idle", program: null, ready: false, tasks: [], hosts: null };
}

function heldAssignments(state: WorkerState): Assignment[] {
  return [...state.queue, ...[...state.executors.values()].flatMap(({ tasks }) => tasks)];
}

function reportOf(state: WorkerState): Report {
  const { process, host, slots, epoch, sequence } = state;
  const done = [...state.done.values()];
  // What doesn't fit this report is held by this worker until the next one: it isn't lost.
  const held = [...heldAssignments(state), ...done.slice(REPORT_DONE_MAX)];
  const hosts = [...state.executors.values()].filter((executor) => executor.hosts !== null);
  return {
    process,
    host,
    slots,
    hosting: hosts.length,
    seen: { epoch: epoch.number, sequence },
    held: held.map(({ task, attempt }) => ({ task, attempt })),
    done: done.slice(0, REPORT_DONE_MAX),
  };
}
