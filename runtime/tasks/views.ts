/** What the head answers about tasks: entries of `list tasks`, `summary tasks`, `explain task`. */
import * as v from "valibot";
import { count, text } from "../bus/message-parts.ts";
import { labelSelector, resources } from "../resources/resources.ts";

/** A task that isn't over. */
export const taskView = v.object({
  /** Its owner's process and its number there. */
  taskId: text,
  /** As `task()` names its function. */
  task: text,
  /**
   * asked: a new leader asks the workers for it; given: a worker has it and may have begun;
   * running: its worker said so; cancelling: until its worker has let it go.
   */
  state: v.picklist(["waiting", "asked", "given", "running", "cancelling"]),
  job: text,
  /** identity/process */
  owner: text,
  worker: v.nullable(text),
  resources,
  labels: labelSelector,
  priority: v.number(),
  /** Attempts that may have begun and are over. */
  retries: count,
  maxRetries: count,
  /** When it entered its state, ms since 1970. */
  sinceMs: v.number(),
});
export type TaskView = v.InferOutput<typeof taskView>;

/**
 * A page of them. It may have no entries and yet a next page, for one request looks at a bounded
 * number of tasks; `total` is null where only a filter's would have to be counted.
 */
export const taskPage = v.object({
  entries: v.array(taskView),
  next: v.nullable(text),
  total: v.nullable(count),
});
export type TaskPage = v.InferOutput<typeof taskPage>;

const taskCounts = v.object({
  task: text,
  waiting: count,
  /** With a worker. */
  given: count,
  done: count,
  /** Their function threw. */
  threw: count,
  failed: count,
  cancelled: count,
  retried: count,
});
export type TaskCountsView = v.InferOutput<typeof taskCounts>;

/** Tasks by name: what they are at, and how they ended under this leader. */
export const taskSummary = v.object({ tasks: v.array(taskCounts) });
export type TaskSummary = v.InferOutput<typeof taskSummary>;

/** Why a task is where and how it is, in sentences, the most important first. */
export const taskExplanation = v.object({ view: taskView, reasons: v.array(v.string()) });
export type TaskExplanation = v.InferOutput<typeof taskExplanation>;
