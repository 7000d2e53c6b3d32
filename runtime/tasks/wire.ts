/**
 * What processes say to each other about tasks: owner to head, head to worker, worker to head, head
 * to owner. Many tasks share a message, as columns; their arguments are bytes that only the owner
 * and the executor read.
 *
 * A task is named by its owner's process and a number; an owner's numbers rise by 1 and are never
 * used twice. The bus may lose or double any message, so each direction has its own cure:
 * - `task-submit` and `task-cancel` are repeated until answered, and harmless to repeat;
 * - a task order carries a number that rises by 1 for each worker's process under one leader: the
 *   worker takes them in order, says the last one it took, and gets again what follows that;
 * - a worker's task events are numbered through its process's life, from 1, and said again from
 *   the first that isn't `heard`;
 * - ends that the head decides are numbered for each owner under one leader, from 1, and said again
 *   from the first that the owner hasn't acknowledged.
 */
import * as v from "valibot";
import { TASK_ENDS_MAX, TASK_EVENTS_MAX, TASK_RETRIES_MAX, TASKS_PER_FRAME_MAX } from "./limits.ts";
import {
  className,
  count,
  epoch,
  errorData,
  identity,
  owner,
  processId,
  program,
  text,
} from "../bus/message-parts.ts";
import { gpuIndices, labelSelector, resources } from "../resources/resources.ts";

/** Numbers of tasks: one or more, strictly rising. */
const numbers = v.pipe(
  v.instance(Uint32Array<ArrayBufferLike>),
  v.check((list) => list.length > 0 && list.length <= TASKS_PER_FRAME_MAX && rises(list)),
);

/** Numbers of tasks in any order. */
const someNumbers = v.pipe(
  v.instance(Uint32Array<ArrayBufferLike>),
  v.check((list) => list.length > 0 && list.length <= TASKS_PER_FRAME_MAX),
);

const bytes = v.instance(Uint8Array<ArrayBufferLike>);

function rises(list: Uint32Array): boolean {
  for (let i = 1; i < list.length; i++) if ((list[i - 1] ?? 0) >= (list[i] ?? 0)) return false;
  return true;
}

/** Whether `ends` cuts `args` into one piece for each of n tasks: the last one ends all. */
function cuts(n: number, ends: Uint32Array, args: Uint8Array): boolean {
  if (ends.length !== n || (ends[n - 1] ?? 0) !== args.length) return false;
  for (let i = 1; i < n; i++) if ((ends[i - 1] ?? 0) > (ends[i] ?? 0)) return false;
  return true;
}

/** All that tasks of one `submit` or `map` have in common; every field is said. */
export const taskGroup = v.object({
  program,
  /** As `task()` names it. */
  task: className,
  resources,
  labels: labelSelector,
  /** Higher first. */
  priority: v.pipe(v.number(), v.safeInteger(), v.minValue(-1_000_000), v.maxValue(1_000_000)),
  /** Attempts after the first one that may have begun. */
  maxRetries: v.pipe(count, v.maxValue(TASK_RETRIES_MAX)),
  /** Whether an error that the function throws is worth a retry. */
  retryErrors: v.boolean(),
  /** Whether running it again for the same arguments gives the same: its object can be remade. */
  pure: v.boolean(),
  /** `object`: the value is put where it was made, and its ref is the result. */
  result: v.picklist(["value", "object"]),
  /** Id of a lost object, which is made again: the result gets it. */
  object: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/))),
  /** It says that it is safe in threads, beside others of its program in one process. */
  threads: v.optional(v.boolean()),
});
export type TaskGroup = v.InferOutput<typeof taskGroup>;

/**
 * Tasks for the head's queue, answered with null once they are there. Refused as a whole:
 * OVERLOADED (the head holds TASKS_QUEUED_MAX: later), LEADER_CHANGED (another head leads than
 * the one meant: say all open tasks again, with the epoch of this answer), FRAME_INVALID.
 */
export const taskSubmit = v.pipe(
  v.object({
    op: v.literal("task-submit"),
    /**
     * Number of the leader's epoch that is meant, as answers carry it; 0 = not known yet. A copy of
     * an old request that reaches a new leader late does nothing there.
     */
    epoch: count,
    /** Whose share of the cluster they take: a program's job id, else the owner's process. */
    job: text,
    group: taskGroup,
    /** Milliseconds that are left of them; null = any time. */
    deadlineMs: v.nullable(v.pipe(v.number(), v.finite(), v.minValue(0))),
    numbers,
    /** Where each task's arguments end in `args`. */
    ends: v.instance(Uint32Array<ArrayBufferLike>),
    /** Of all tasks, one behind the other; at most TASK_ARGS_BYTES_MAX each. */
    args: bytes,
    /** Tasks that an earlier leader may have known: they may have run, or run now. */
    again: v.boolean(),
    /** Where the largest object of a task's arguments is; tasks without one aren't named. */
    near: v.pipe(
      v.array(v.object({ index: count, worker: identity, bytes: count })),
      v.maxLength(TASKS_PER_FRAME_MAX),
    ),
  }),
  v.check((said) => cuts(said.numbers.length, said.ends, said.args), "ends don't fit args"),
);
export type TaskSubmit = v.InferOutput<typeof taskSubmit>;

/**
 * Ends tasks of the caller's: answered with null at once. A task that wasn't submitted yet ends
 * when it is. Each ends with CANCELLED, or with its result if that was quicker.
 *
 * @param force - ends the executor of one that runs and doesn't stop by its signal.
 */
export const taskCancel = v.object({
  op: v.literal("task-cancel"),
  epoch: count,
  numbers: someNumbers,
  force: v.boolean(),
});

/**
 * The owner has all ends up to this one of this epoch and life. Said also to learn who leads, and
 * what it knows: answered with `{open}`, how many tasks of the owner are here or ended without its
 * having heard so. 0 for an owner that has some which were taken: they are lost (it was silent for
 * too long), and have to be said again.
 */
export const taskEndsHeard = v.object({
  op: v.literal("task-ends"),
  epoch: count,
  life: count,
  upTo: count,
  /** It has an outcome of all its tasks with lower numbers. */
  below: count,
});

/**
 * Head to owner, as an answer to nothing: tasks that ended without a result. `from` is the number
 * of the first one; `which` names each one's error in `errors`.
 */
export const taskEnds = v.pipe(
  v.object({
    kind: v.literal("task-ends"),
    epoch: count,
    /**
     * Which of the owner's lives at this leader, rising: one that it took for gone and hears of
     * again has its ends numbered anew.
     */
    life: count,
    from: v.pipe(count, v.minValue(1)),
    numbers: v.pipe(
      v.instance(Uint32Array<ArrayBufferLike>),
      v.check((list) => list.length <= TASK_ENDS_MAX),
    ),
    which: v.instance(Uint16Array<ArrayBufferLike>),
    errors: v.array(errorData),
  }),
  v.check(
    ({ numbers: list, which, errors }) =>
      which.length === list.length && which.every((index) => index < errors.length),
  ),
);
export type TaskEnds = v.InferOutput<typeof taskEnds>;

/**
 * Tasks of one group of one owner for one lane of a worker: a lane is a shape (the group's
 * resources and labels) and GPUs, and has as many slots as the head keeps resources for.
 */
export const taskBlock = v.pipe(
  v.object({
    owner,
    job: text,
    group: taskGroup,
    /** Which GPUs of the worker are the lane's; none of a shape without GPUs. */
    gpus: gpuIndices,
    /** How many of the lane may run at once, as of now. */
    slots: v.pipe(count, v.minValue(1)),
    deadlineMs: v.nullable(v.number()),
    numbers: someNumbers,
    /** Which assignment of each task this is, modulo 256: all that is said of it says so. */
    attempts: bytes,
    ends: v.instance(Uint32Array<ArrayBufferLike>),
    args: bytes,
  }),
  v.check(
    (block) =>
      block.attempts.length === block.numbers.length &&
      cuts(block.numbers.length, block.ends, block.args),
  ),
);
export type TaskBlock = v.InferOutput<typeof taskBlock>;

/** Assignments of one owner's tasks. */
const taskNames = v.object({ owner, numbers: someNumbers, attempts: bytes });
export type TaskNames = v.InferOutput<typeof taskNames>;

/**
 * Head to worker, on the subject of commands. Taken in this order: tasks, revoke, abort.
 */
export const taskOrder = v.object({
  kind: v.literal("tasks"),
  epoch,
  /** The worker's process that is meant: another one takes nothing of it. */
  process: processId,
  /** Of this order, from 1; 0 of one that carries nothing but `heard`. */
  number: count,
  /** The last task event of this process that this leader has. */
  heard: count,
  /** Say all tasks held again, from the first page. */
  announce: v.optional(v.boolean()),
  tasks: v.array(taskBlock),
  /** Give back what hasn't begun: each is answered with TASK_RETURNED or TASK_STARTED. */
  revoke: v.array(taskNames),
  /** End what was cancelled; each is answered with its end, TASK_ABORTED unless it was quicker. */
  abort: v.array(v.object({ ...taskNames.entries, force: v.boolean() })),
});
export type TaskOrder = v.InferOutput<typeof taskOrder>;

/** It runs. Said as the answer to a revocation, and of tasks that run for long. */
export const TASK_STARTED = 0;
/** Its owner has its value. */
export const TASK_DONE = 1;
/** Its owner has the error that the function threw. */
export const TASK_THREW = 2;
/** It failed, and its owner hasn't been told: an error in `errors` says how. May be retried. */
export const TASK_FAILED = 3;
/** Its executor died while it ran; an error in `errors` says how. */
export const TASK_DIED = 4;
/** It never began here and won't: revoked, or its executor died before. */
export const TASK_RETURNED = 5;
/** It was ended because it was cancelled. */
export const TASK_ABORTED = 6;

/** What became of assignments of one group of one owner; events are numbered in this order. */
export const taskEvents = v.pipe(
  v.object({
    owner,
    numbers: someNumbers,
    attempts: bytes,
    /** TASK_STARTED..TASK_ABORTED each. */
    states: bytes,
    /** Mean microseconds that those of them took which ran to their end; 0 = none did. */
    serviceUs: v.pipe(v.number(), v.finite(), v.minValue(0)),
    errors: v.array(v.object({ index: count, error: errorData })),
  }),
  v.check(
    ({ numbers: list, attempts, states }) =>
      attempts.length === list.length &&
      states.length === list.length &&
      states.every((state) => state <= TASK_ABORTED),
  ),
);
export type TaskEvents = v.InferOutput<typeof taskEvents>;

/** Tasks that a worker holds, for a leader that doesn't know of them. */
export const taskHeld = v.pipe(
  v.object({
    owner,
    job: text,
    group: taskGroup,
    gpus: gpuIndices,
    deadlineMs: v.nullable(v.number()),
    numbers: someNumbers,
    attempts: bytes,
    /** 1 = it has begun. */
    started: bytes,
  }),
  v.check(
    ({ numbers: list, attempts, started }) =>
      attempts.length === list.length && started.length === list.length,
  ),
);
export type TaskHeld = v.InferOutput<typeof taskHeld>;

/** Worker to head, on the subject of events, beside its reports. */
export const taskReport = v.pipe(
  v.object({
    kind: v.literal("tasks"),
    process: processId,
    /** The leader that `seen` and `announced` are about. */
    epoch: count,
    /** The last order of that leader that was taken; 0 before the first. */
    seen: count,
    /** Number of the first event below, or of the next one to come. */
    from: v.pipe(count, v.minValue(1)),
    events: v.array(taskEvents),
    /** To a new leader, a page a report. Ended ones that it hasn't heard of are events. */
    held: v.array(taskHeld),
    /**
     * These are tasks [heldFrom, heldTo) of what is announced: a page that was lost shows, and then
     * all is announced again.
     */
    heldFrom: count,
    heldTo: count,
    /** Whether that leader has been told all of them. */
    announced: v.boolean(),
  }),
  v.check((report) => {
    let sum = 0;
    for (const block of report.events) sum += block.numbers.length;
    return sum <= TASK_EVENTS_MAX;
  }),
);
export type TaskReport = v.InferOutput<typeof taskReport>;

/** What people call a task by: its owner's process and its number. */
export function taskId(process: string, number: number): string {
  return `${process}-${number}`;
}

/** The process and number in a task's id; undefined when it is none. */
export function parseTaskId(id: string): { process: string; number: number } | undefined {
  const [, process, digits] = /^([0-9a-f]{16})-(\d{1,10})$/.exec(id) ?? [];
  if (process === undefined || digits === undefined) return undefined;
  return { process, number: Number(digits) };
}
