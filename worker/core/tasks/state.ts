/**
 * Pure core. The tasks of one worker: what the head has given it, which executor has what, and what
 * the head hasn't heard yet.
 *
 * Invariants: a task stands in `held` from its order to its last event, and is in exactly one
 * place: its queue or one executor; an executor has tasks of one lane at a time, and a lane at most
 * `slots` executors; an executor serves one program, with the same GPUs, for life. Events are
 * numbered through the process's life and kept until a leader has heard them.
 */
import { Fifo } from "../../../runtime/actor/queues.ts";
import type { ErrorData } from "../../../runtime/errors.ts";
import { shapeKey } from "../../../runtime/resources/resources.ts";
import { TASK_ABORTED, TASK_RETURNED, type TaskBlock } from "../../../runtime/tasks/wire.ts";
import type { ExecutorView } from "../state.ts";

/** Tasks that came together, and share all but numbers and arguments. */
export interface HeldBlock {
  readonly block: TaskBlock;
  /** `identity/process`. */
  readonly owner: string;
  readonly queue: TaskQueue;
  /** On the worker's clock; Infinity without a deadline. */
  readonly deadlineAtMs: number;
}

export interface HeldTask {
  readonly of: HeldBlock;
  /** Its place in the block. */
  readonly index: number;
  readonly number: number;
  readonly attempt: number;
  /** The executor that has it. */
  executor: TaskExecutor | null;
  /** Its position there. */
  position: number;
  /** The head wants it back, or has cancelled it: that is its next event's business. */
  recalled: boolean;
  aborted: boolean;
  /** And its executor is to be ended if it goes on. */
  forced: boolean;
}

/** Tasks of one shape and GPUs: so many of them may run at once. */
export interface Lane {
  slots: number;
  /** Executors that have tasks of it. */
  readonly executors: Set<TaskExecutor>;
}

/** Tasks of one lane and program that wait for an executor. */
export interface TaskQueue {
  readonly lane: Lane;
  /** What an executor that takes them serves for life. */
  readonly program: string;
  /** Whether it is a thread. */
  readonly threads: boolean;
  /** By priority, highest first. */
  readonly waiting: { readonly priority: number; readonly tasks: Fifo<HeldTask> }[];
  /** How many wait, and how many of this queue are with executors. */
  length: number;
  given: number;
  /** Mean microseconds that one takes, as measured last; 0 = not known. */
  serviceUs: number;
}

/** What an executor of tasks has. */
export interface TaskExecutor {
  readonly view: ExecutorView;
  /** Of the tasks that it has, if any. */
  queue: TaskQueue | null;
  /** By position, in order; all but the first few wait there. */
  readonly tasks: Map<number, HeldTask>;
  nextPosition: number;
  /** It was asked to give tasks back, for another executor, and hasn't answered. */
  isAsked: boolean;
  /** When it last began on tasks or said something of them. */
  heardMs: number;
  /** Since when it has nothing, and since when it has tasks of its queue. */
  idleSinceMs: number;
  boundMs: number;
  /** When it is looked whether a task that was cancelled by force still runs. */
  killDueMs: number;
  /** The position up to which it is known to have begun. */
  begun: number;
  /** Position that was last seen to have begun, since when, and whether that was said. */
  seenAt: number;
  saidLong: number;
}

/** What became of a task, to be told. */
export interface TaskEvent {
  readonly of: HeldBlock;
  readonly number: number;
  readonly attempt: number;
  readonly state: number;
  readonly serviceUs: number;
  readonly error: ErrorData | null;
}

export interface TasksState {
  readonly lanes: Map<string, Lane>;
  readonly queues: Map<string, TaskQueue>;
  /** By executor's key. */
  readonly executors: Map<number, TaskExecutor>;
  /** By owner, by number. */
  readonly held: Map<string, Map<number, HeldTask>>;
  /** Events that no leader has said it heard; the first has the number `eventsFrom`. */
  events: TaskEvent[];
  eventsFrom: number;
  /** Number of the next event to say for the first time to this leader. */
  nextToSay: number;
  saidAtMs: number;
  /** The last order of this leader that was taken. */
  seen: number;
  /** Held tasks that this leader is still to be told, by page. */
  announce: HeldTask[];
  /** How many that were when the announcement began. */
  announceTotal: number;
  /** Something is to be said though there is no event. */
  isReportDue: boolean;
}

export function newTasksState(): TasksState {
  return {
    lanes: new Map(),
    queues: new Map(),
    executors: new Map(),
    held: new Map(),
    events: [],
    eventsFrom: 1,
    nextToSay: 1,
    saidAtMs: 0,
    seen: 0,
    announce: [],
    announceTotal: 0,
    isReportDue: false,
  };
}

export function newTaskExecutor(view: ExecutorView, nowMs: number): TaskExecutor {
  return {
    view,
    queue: null,
    tasks: new Map(),
    nextPosition: 1,
    isAsked: false,
    heardMs: nowMs,
    idleSinceMs: nowMs,
    boundMs: nowMs,
    killDueMs: Number.POSITIVE_INFINITY,
    begun: 0,
    seenAt: 0,
    saidLong: 0,
  };
}

/** The queue that a block's tasks wait in. */
export function queueOf(state: TasksState, { group, gpus, slots }: TaskBlock): TaskQueue {
  const { resources, labels, program, threads = false } = group;
  const laneKey = `${shapeKey({ resources, labels })} ${gpus.join(",")}`;
  let lane = state.lanes.get(laneKey);
  if (lane === undefined) state.lanes.set(laneKey, (lane = { slots, executors: new Set() }));
  lane.slots = slots;
  const served = servedKey(program, gpus, threads);
  const key = `${served} ${laneKey}`;
  let queue = state.queues.get(key);
  if (queue === undefined) {
    const empty = { waiting: [], length: 0, given: 0, serviceUs: 0 };
    state.queues.set(key, (queue = { lane, program: served, threads, ...empty }));
  }
  return queue;
}

/** What an executor serves for life: the same for all tasks that it may run. */
function servedKey(
  program: { readonly url: string; readonly sha256: string },
  gpus: readonly number[],
  threads: boolean,
): string {
  return `${program.sha256} ${program.url} gpus=${gpus.join(",")}${threads ? " threads" : ""}`;
}

/** A task waits: behind those of its priority, or before them all. */
export function wait(task: HeldTask, isFirst = false): void {
  const { queue, block } = task.of;
  const { priority } = block.group;
  const { waiting } = queue;
  task.executor = null;
  queue.length += 1;
  let at = waiting.findIndex((one) => one.priority <= priority);
  if (at === -1) at = waiting.length;
  if (waiting[at]?.priority !== priority) {
    waiting.splice(at, 0, { priority, tasks: new Fifo<HeldTask>() });
  }
  const line = waiting[at]?.tasks;
  if (isFirst) line?.prepend([task]);
  else line?.push(task);
}

/** The next task that waits and is still held there. */
export function next(state: TasksState, queue: TaskQueue): HeldTask | undefined {
  for (;;) {
    const [line] = queue.waiting;
    if (line === undefined) return undefined;
    const task = line.tasks.take();
    if (task === undefined) {
      queue.waiting.shift();
      continue;
    }
    // One that was revoked meanwhile isn't held any more, or is another assignment.
    if (heldAs(state, task.of.owner, task.number, task.attempt) !== task) continue;
    queue.length -= 1;
    return task;
  }
}

export function heldAs(
  state: TasksState,
  owner: string,
  number: number,
  attempt: number,
): HeldTask | undefined {
  const task = state.held.get(owner)?.get(number);
  return task?.attempt === attempt ? task : undefined;
}

/** A task is over here: its last event says how. */
export function end(
  state: TasksState,
  task: HeldTask,
  how: { readonly state: number; readonly serviceUs?: number; readonly error?: ErrorData | null },
): void {
  const { of, number, attempt } = task;
  const ofOwner = state.held.get(of.owner);
  if (ofOwner?.get(number) === task) {
    ofOwner.delete(number);
    if (ofOwner.size === 0) state.held.delete(of.owner);
  }
  leave(task);
  const { serviceUs = 0, error = null } = how;
  state.events.push({ of, number, attempt, state: how.state, serviceUs, error });
}

/** Gives back what waits for an executor that won't come. */
export function returnWaiting(state: TasksState): void {
  for (const queue of state.queues.values()) {
    for (let task = next(state, queue); task !== undefined; task = next(state, queue)) {
      queue.length += 1;
      end(state, task, { state: task.aborted ? TASK_ABORTED : TASK_RETURNED });
    }
  }
}

/** A task isn't where it was any more. */
export function leave(task: HeldTask): void {
  const { executor } = task;
  if (executor === null) {
    // Its place in the line is skipped when its turn comes.
    task.of.queue.length -= 1;
    return;
  }
  executor.tasks.delete(task.position);
  task.of.queue.given -= 1;
  task.executor = null;
}
