/**
 * Pure core. Tasks as a part of the head: requests about them, and what each step does for them.
 * Nothing of it is a fact: the clients that made them own them, so what is said of tasks leaves at
 * once and waits for no log.
 */
import { SystemError } from "../../../runtime/errors.ts";
import type { ApiRequest } from "../../../runtime/messages.ts";
import { explainTask } from "../task-views/explain.ts";
import { listTasks, summaryOfTasks } from "../task-views/views.ts";
import type { Caller, HeadState, Step } from "../events.ts";
import { wellWorkers } from "../step.ts";
import { endClaims, spread } from "./claims.ts";
import { endLate } from "./deadlines.ts";
import { dispatch } from "./dispatch.ts";
import { sendEnds } from "./ends.ts";
import { growable } from "./lanes.ts";
import { confirmMany, remindWorker, sendOrders } from "./orders.ts";
import { endLeaving, endSilentTaskOwners } from "./owners.ts";
import { cancelTasks, heardOfEnds, submitTasks } from "./requests.ts";
import { drainWorker, isGathering, settleAsked } from "./workers.ts";

type TaskOp = "task-submit" | "task-cancel" | "task-ends" | "drain";
type ViewOp = "list" | "explain" | "summary";
/** The requests that are answered here. */
export type TaskRequest = Extract<ApiRequest, { op: TaskOp | ViewOp }>;

const OPS: ReadonlySet<string> = new Set<TaskOp>([
  "task-submit",
  "task-cancel",
  "task-ends",
  "drain",
]);

export function isTaskRequest(request: ApiRequest): request is TaskRequest {
  if (OPS.has(request.op)) return true;
  return "what" in request && (request.what === "tasks" || request.what === "task");
}

export function answerTasks(
  state: HeadState,
  step: Step,
  caller: Caller,
  request: TaskRequest,
  nowMs: number,
): void {
  switch (request.op) {
    case "task-submit":
      return submitTasks(state, step, caller, request, nowMs);
    case "task-cancel":
      return cancelTasks(state, step, caller, request, nowMs);
    case "task-ends":
      return heardOfEnds(state, step, caller, request);
    case "drain":
      return drain(state, step, caller, request);
    case "summary":
      step.effects.push({ type: "reply", free: true, caller, value: summaryOfTasks(state) });
      return;
    case "list":
      return listTasks(state, step, caller, request);
    case "explain":
      return explainTask(state, step, caller, request.name, nowMs);
    default:
      request satisfies never;
  }
}

function drain(
  state: HeadState,
  step: Step,
  caller: Caller,
  { worker, on }: Extract<ApiRequest, { op: "drain" }>,
): void {
  if (!state.workers.has(worker) && !state.tasks.draining.has(worker)) {
    const error = new SystemError("NO_CAPACITY", `no worker ${worker} is there`).toData();
    step.effects.push({ type: "refuse", free: true, caller, error });
    return;
  }
  drainWorker(state, worker, on);
  step.effects.push({ type: "reply", free: true, caller, value: null });
}

/** What this step does for tasks, behind all that came in it. */
export function advanceTasks(state: HeadState, step: Step, isTick: boolean, nowMs: number): void {
  const { tasks } = state;
  const isMoreLate = endLate(tasks, nowMs);
  const isMore = endLeaving(tasks) || settle(state, nowMs) || isMoreLate;
  if (isTick) {
    endSilentTaskOwners(state, nowMs);
    // Shards and actors may have left room, and what waits may claim some by now.
    growable(tasks);
    if (tasks.stuck.size === 0) spread(state, wellWorkers(state));
  }
  endClaims(tasks);
  dispatch(state, nowMs);
  for (const worker of tasks.speaking) {
    sendOrders(state, step, worker, nowMs);
    confirmMany(state, step, worker);
  }
  tasks.speaking.clear();
  if (isTick) {
    for (const worker of tasks.workers.values()) remindWorker(state, step, worker, nowMs);
    for (const owner of tasks.owners.values()) if (owner.ends.length > 0) tasks.ending.add(owner);
  }
  for (const owner of tasks.ending) if (!owner.gone) sendEnds(state, step, owner, nowMs);
  tasks.ending.clear();
  if (isMore) step.effects.push({ type: "more" });
}

/** A new leader asks workers first what they hold. */
function settle(state: HeadState, nowMs: number): boolean {
  return !isGathering(state, nowMs) && settleAsked(state, nowMs);
}
