/**
 * What an agent and its executor say to each other about tasks. A task in an executor is named by
 * its position: the agent's own count of tasks given to that executor, from 1. An executor begins
 * tasks in this order.
 */
import * as v from "valibot";
import { TASKS_PER_FRAME_MAX } from "./limits.ts";
import { count, errorData, owner, text } from "../bus/message-parts.ts";
import { gpuIndices } from "../resources/resources.ts";
import { taskGroup } from "./wire.ts";

const positions = v.pipe(
  v.instance(Uint32Array<ArrayBufferLike>),
  v.check((list) => list.length > 0 && list.length <= TASKS_PER_FRAME_MAX),
);

/** Agent to executor: tasks to run behind all that it has. */
export const taskWork = v.object({
  op: v.literal("tasks"),
  /** Position of the first one. */
  from: v.pipe(count, v.minValue(1)),
  owner,
  job: text,
  group: taskGroup,
  gpus: gpuIndices,
  /** Milliseconds that are left of them; null = any time. */
  deadlineMs: v.nullable(v.number()),
  numbers: v.instance(Uint32Array<ArrayBufferLike>),
  ends: v.instance(Uint32Array<ArrayBufferLike>),
  args: v.instance(Uint8Array<ArrayBufferLike>),
});
export type TaskWork = v.InferOutput<typeof taskWork>;

/** Give back what hasn't begun; each is answered, as returned or as started. */
export const taskRecall = v.object({ op: v.literal("task-recall"), positions });

/** It was cancelled: it doesn't begin, or its signal is aborted. */
export const taskAbort = v.object({ op: v.literal("task-abort"), position: count });

/** Executor to agent: what became of tasks, by the states of wire.ts. */
export const taskSaid = v.pipe(
  v.object({
    op: v.literal("task-said"),
    positions,
    states: v.instance(Uint8Array<ArrayBufferLike>),
    /** Of those that ran to their end: how many, and their microseconds together. */
    ran: count,
    us: v.pipe(v.number(), v.finite(), v.minValue(0)),
    errors: v.array(v.object({ index: count, error: errorData })),
  }),
  v.check((said) => said.states.length === said.positions.length),
);
export type TaskSaid = v.InferOutput<typeof taskSaid>;
