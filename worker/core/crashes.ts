/**
 * Pure core. Executors that die before they are ready: the next ones are started later and later,
 * the head hears of it, and work that has nobody to run it is handed back.
 */
import { SystemError } from "../../runtime/errors.ts";
import {
  EXECUTOR_CRASHES_MAX,
  EXECUTOR_RESTART_MAX_MS,
  EXECUTOR_RESTART_MS,
} from "../../runtime/limits.ts";
import type { Report } from "../../runtime/messages.ts";
import { returnWaiting } from "./tasks/state.ts";
import { fail, release, type WorkerState } from "./state.ts";

/** An executor died before it was ready. Those that were started with it count once. */
export function crashedAtStart(state: WorkerState, reason: string, nowMs: number): void {
  if (nowMs < state.startDueMs) return;
  const waitMs = EXECUTOR_RESTART_MS * 2 ** Math.min(state.crashes, 10);
  state.crashes += 1;
  state.crashReason = reason;
  state.startDueMs = nowMs + Math.min(waitMs, EXECUTOR_RESTART_MAX_MS);
}

/** An executor is ready: they start again. */
export function startedWell(state: WorkerState): void {
  state.crashes = 0;
  state.crashReason = "";
}

/** What a report says of it; one death may be chance. */
export function troubleOf({ crashes, crashReason }: WorkerState): Report["trouble"] {
  return crashes < 2 ? undefined : { crashes, reason: crashReason };
}

/**
 * Hands back what waits for an executor that won't come; actors wait, since each would cost a life.
 * @returns whether there was any.
 */
export function handBack(state: WorkerState): boolean {
  if (state.crashes < EXECUTOR_CRASHES_MAX) return false;
  const hopeless = [...state.queue.values()].filter(({ work }) => work.kind !== "host");
  for (const { role, process } of state.executors.values()) {
    if (process !== null && (role === "idle" || role === "shards" || role === "tasks"))
      return false;
  }
  returnWaiting(state.work);
  const what = `${state.crashes} executors in a row died at their start: ${state.crashReason}`;
  for (const assignment of hopeless) {
    release(state, assignment.task);
    fail(state, assignment, new SystemError("CRASH_LOOP", what));
  }
  return hopeless.length > 0;
}
