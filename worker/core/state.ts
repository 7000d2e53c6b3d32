/**
 * Pure core. What a worker knows: its executors, what they are at, which actors live there.
 *
 * Invariants: a task stands in `tasks` from its assignment to its outcome, in exactly one place
 * (the queue or one executor); a life stands in `lives` from its `hosted` to its end, and in
 * `ended` from there until the head has seen it. Nothing here is searched actor by actor.
 */
import { type ErrorCode, SystemError } from "../../runtime/errors.ts";
import { SPARE_EXECUTORS } from "../../runtime/limits.ts";
import type {
  ActorAddress,
  ActorLife,
  ActorRecord,
  Assignment,
  BatchPlace,
  Command,
  Done,
  Epoch,
  Report,
} from "../../runtime/messages.ts";
import {
  type Labels,
  NO_RESOURCES,
  type Resources,
  UNITS,
} from "../../runtime/resources/resources.ts";
import type { TaskSaid } from "../../runtime/tasks/orders.ts";
import type { TaskOrder } from "../../runtime/tasks/wire.ts";
import { type HeldTask, newTasksState, type TasksState } from "./tasks/state.ts";

export interface ExecutorView {
  readonly key: number;
  /**
   * `thread`: one that waits for an actor. `tasks`: it runs plain functions, or waits for some.
   * `own`: a driver or an actor lives there. `granted`: shards that hold more of this worker than a
   * slot, one after the other. `ending`: it was killed, to make room.
   */
  role: "idle" | "thread" | "tasks" | "shards" | "granted" | "own" | "shared" | "ending";
  /** GPUs that it was started to use; it uses no others in its life. */
  gpus: readonly number[];
  /** What it has loaded, as `programKey` says; null while idle. */
  program: string | null;
  /** Known once it said hello: it can be given work. */
  process: string | null;
  /** By task, in the order given; the first is under way. */
  readonly tasks: Map<string, Assignment>;
  /** Actors alive there. */
  readonly actors: Set<string>;
  /** Of its tasks and actors, those that a lease holds. */
  named: number;
  /** It was measured to use most of a processor; for shared ones. */
  busy: boolean;
  /** Since when a shared or granted one has nothing. */
  emptySinceMs: number;
  /** When it is killed unless its actor has ended before. */
  killDueMs: number;
}

/** A living actor. */
export interface Life {
  readonly record: ActorRecord;
  readonly incarnation: number;
  readonly address: ActorAddress;
  /** GPUs that it may use. */
  readonly gpus: readonly number[];
  readonly key: number;
}

/** Which batch of which attempt an executor was at. */
export interface TaskBatch extends BatchPlace {
  readonly task: string;
  readonly attempt: number;
}

export interface WorkerState {
  readonly slots: number;
  /** What it has for work, and what it is called by; said in each report. */
  readonly resources: Resources;
  readonly labels: Labels;
  /** Executors kept ready beyond those for shards. */
  readonly spares: number;
  readonly process: string;
  readonly host: string;
  /** Of the next report. */
  number: number;
  /** Of the report that the last command confirmed. */
  heard: number;
  epoch: Epoch;
  /** The highest end of the log that a leader told of. */
  tail: number;
  /** Commands seen of the present leader. */
  sequence: number;
  readonly executors: Map<number, ExecutorView>;
  /** Shared executors by program. */
  readonly shared: Map<string, Set<ExecutorView>>;
  /** Assignments that wait for an executor, by task. */
  readonly queue: Map<string, Assignment>;
  /** Where each unfinished assignment is: an executor, or null for the queue. */
  readonly tasks: Map<string, ExecutorView | null>;
  readonly lives: Map<string, Life>;
  /** Living actors in shared executors. */
  sharing: number;
  /** Finished and not acknowledged, by `task#attempt`. */
  readonly done: Map<string, Done>;
  /** Ends that the head hasn't seen, by `actorId#incarnation`. */
  readonly ended: Map<string, Report["ended"][number]>;
  /** Why a life is being ended, until its executor is gone. */
  readonly ending: Map<string, string>;
  /** Whose output an actor's was, for those that ended; the oldest are forgotten. */
  readonly formerKeys: Map<string, number>;
  /** Actors to announce to this leader, and how many of them it was told. */
  announce: readonly string[];
  announced: number;
  nextKey: number;
  /** No executor is started before; moves on when one dies before it was ready. */
  startDueMs: number;
  /** Executors in a row that died before they were ready, and what the last one died of. */
  crashes: number;
  crashReason: string;
  reportDueMs: number;
  /** Tasks, which come by orders of their own. */
  readonly work: TasksState;
}

export type WorkerEvent =
  | { readonly type: "leader"; readonly epoch: Epoch; readonly tail: number }
  | { readonly type: "command"; readonly command: Command }
  | { readonly type: "ready"; readonly key: number; readonly process: string }
  | { readonly type: "done"; readonly key: number; readonly done: Done }
  /** An actor ended while its executor goes on. */
  | { readonly type: "ended"; readonly key: number; readonly ended: Report["ended"][number] }
  | {
      readonly type: "exited";
      readonly key: number;
      readonly reason: string;
      readonly code?: ErrorCode;
      /** The batch that it died of, and whose. */
      readonly batch?: TaskBatch;
      /** The position up to which it had begun tasks. */
      readonly begun?: number;
    }
  | { readonly type: "task-order"; readonly order: TaskOrder }
  | { readonly type: "task-said"; readonly key: number; readonly said: TaskSaid }
  /** An executor was seen to have begun tasks up to this position. */
  | { readonly type: "begun"; readonly key: number; readonly begun: number }
  /** A shared executor's measured use of a processor went over or under SHARED_BUSY_SHARE. */
  | { readonly type: "busy"; readonly key: number; readonly busy: boolean }
  /** The lease has long been over: an executor that still has a named actor doesn't react. */
  | { readonly type: "lease-over" }
  | { readonly type: "tick" };

export type WorkerEffect =
  | { readonly type: "start"; readonly key: number }
  | { readonly type: "run"; readonly key: number; readonly assignment: Assignment }
  | { readonly type: "cancel"; readonly key: number; readonly task: string }
  | { readonly type: "end"; readonly key: number; readonly life: ActorLife }
  | { readonly type: "kill"; readonly key: number }
  /** A leader has received this report: the lease counts from when it was sent. */
  | { readonly type: "confirmed"; readonly number: number }
  /** There are named actors whose lease has changed. */
  | { readonly type: "lease"; readonly key: number }
  /** Somebody wants an executor's output; of no executor (null), there is none. */
  | { readonly type: "logs"; readonly key: number | null; readonly wanted: Command["logs"][number] }
  /** Threads of one process that are executors. */
  | { readonly type: "start-threads"; readonly keys: readonly number[] }
  /** Tasks of one block, one behind the other. */
  | { readonly type: "give-tasks"; readonly key: number; readonly tasks: readonly HeldTask[] }
  | { readonly type: "recall-tasks"; readonly key: number; readonly positions: Uint32Array }
  | { readonly type: "abort-task"; readonly key: number; readonly position: number }
  /** A report of tasks is due: `taskReportOf` says what it says at the time. */
  | { readonly type: "task-report" }
  /** A report is due: `reportOf` says what it says at the time. */
  | { readonly type: "report" };

export function newWorkerState(options: {
  readonly slots: number;
  readonly process: string;
  readonly host: string;
  readonly spares?: number | undefined;
  /** Of its first report; 1 unless given. */
  readonly number?: number | undefined;
  /** A processor a slot unless given. */
  readonly resources?: Resources | undefined;
  readonly labels?: Labels | undefined;
}): WorkerState {
  const { slots, process, host, spares = SPARE_EXECUTORS, number = 1, labels = {} } = options;
  const { resources = { ...NO_RESOURCES, cpu: slots * UNITS } } = options;
  return {
    slots,
    resources,
    labels,
    spares,
    process,
    host,
    number,
    heard: 0,
    epoch: { number: 0, leader: "" },
    tail: 0,
    sequence: 0,
    executors: new Map(),
    shared: new Map(),
    queue: new Map(),
    tasks: new Map(),
    lives: new Map(),
    sharing: 0,
    done: new Map(),
    ended: new Map(),
    ending: new Map(),
    formerKeys: new Map(),
    announce: [],
    announced: 0,
    nextKey: 0,
    startDueMs: 0,
    crashes: 0,
    crashReason: "",
    reportDueMs: 0,
    work: newTasksState(),
  };
}

export function newExecutor(key: number): ExecutorView {
  return {
    key,
    role: "idle",
    gpus: [],
    program: null,
    process: null,
    tasks: new Map(),
    actors: new Set(),
    named: 0,
    busy: false,
    emptySinceMs: Number.POSITIVE_INFINITY,
    killDueMs: Number.POSITIVE_INFINITY,
  };
}

/** What an executor that has loaded this program is told by. */
export function programKey({ program }: Assignment): string {
  return `${program.sha256} ${program.url}`;
}

/**
 * Whether a driver, an actor to itself or a probe, which is to tell of its records and not of what
 * an executor did before: it takes an executor of its own.
 */
export function needsOwn({ work }: Assignment): boolean {
  if (work.kind === "probe") return true;
  return work.kind === "drive" || (work.kind === "host" && !isShared(work.record));
}

/** Whether it is a shard that has a grant: it runs at once, beside those that take slots. */
export function isGranted({ work, gpus }: Assignment): boolean {
  return gpus !== undefined && work.kind === "shard";
}

/** Whether an actor lives with others. */
export function isShared({ options }: ActorRecord): boolean {
  return options.hosting === "shared";
}

/** Whether its lease ends without a head. */
export function isNamed({ options }: ActorRecord): boolean {
  return options.name !== null;
}

export function attemptKey({ task, attempt }: { task: string; attempt: number }): string {
  return `${task}#${attempt}`;
}

export function lifeKey({ actorId, incarnation }: ActorLife): string {
  return `${actorId}#${incarnation}`;
}

/** An assignment is with an executor from now on. */
export function hold(state: WorkerState, executor: ExecutorView, assignment: Assignment): void {
  state.queue.delete(assignment.task);
  executor.tasks.set(assignment.task, assignment);
  state.tasks.set(assignment.task, executor);
  if (holdsName(assignment)) executor.named += 1;
  executor.emptySinceMs = Number.POSITIVE_INFINITY;
}

/** An assignment is nowhere any more. Undefined when it isn't held. */
export function release(state: WorkerState, task: string): Assignment | undefined {
  const executor = state.tasks.get(task);
  const assignment = executor?.tasks.get(task) ?? state.queue.get(task);
  state.tasks.delete(task);
  state.queue.delete(task);
  executor?.tasks.delete(task);
  if (executor != null && assignment !== undefined && holdsName(assignment)) executor.named -= 1;
  return assignment;
}

/** What came of an assignment that never ran, or whose executor is gone, with its batch. */
export function fail(
  state: WorkerState,
  { task, attempt }: Assignment,
  error: SystemError,
  batch?: BatchPlace,
): void {
  const place = batch === undefined ? {} : { batch };
  const outcome = { kind: "failed" as const, error: error.toData(), ...place };
  const done = { task, attempt, outcome };
  state.done.set(attemptKey(done), done);
}

function holdsName({ work }: Assignment): boolean {
  return work.kind === "host" && isNamed(work.record);
}
