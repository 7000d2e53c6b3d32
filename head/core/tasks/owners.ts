/**
 * Pure core. Whose tasks they are, and whether it is still there: an executor by what its worker
 * says, a client's process by its requests. An owner's end cancels and forgets its tasks, a bounded
 * number in one step.
 */
import { CLIENT_SILENCE_MS } from "../../../runtime/limits.ts";
import { TASK_SLICE } from "../../../runtime/tasks/limits.ts";
import type { Owner } from "../../../runtime/messages.ts";
import type { HeadState } from "../events.ts";
import { forgetOwner, taskOwnerKey } from "../task-store/registry.ts";
import type { TasksState } from "../task-store/types.ts";
import { cancelRow } from "./requests.ts";

/** A process gave a sign of life. */
export function taskOwnerSeen({ owners }: TasksState, who: Owner, nowMs: number): void {
  if (owners.size === 0) return;
  const owner = owners.get(taskOwnerKey(who));
  if (owner !== undefined) owner.lastSeenMs = nowMs;
}

/** A process is over: its tasks end, and nobody is told. */
export function endTaskOwner({ tasks }: HeadState, who: Owner): void {
  const owner = tasks.owners.get(taskOwnerKey(who));
  if (owner === undefined || owner.gone) return;
  owner.gone = true;
  owner.ends = [];
  if (owner.open === 0) forgetOwner(tasks, owner);
  else tasks.leaving.set(owner, owner.numbers.rows());
}

/** Owners among a worker's executors that it doesn't run any more. */
export function endGoneExecutors(
  state: HeadState,
  worker: string,
  processes: readonly string[],
  nowMs: number,
): void {
  for (const owner of state.tasks.owners.values()) {
    if (owner.identity !== worker) continue;
    if (processes.includes(owner.process)) owner.lastSeenMs = nowMs;
    else endTaskOwner(state, owner);
  }
}

/** Owners that have been silent for too long. */
export function endSilentTaskOwners(state: HeadState, nowMs: number): void {
  for (const owner of state.tasks.owners.values()) {
    if (nowMs - owner.lastSeenMs > CLIENT_SILENCE_MS) endTaskOwner(state, owner);
  }
}

/** While a head slept it heard nobody. */
export function forgiveTaskOwners({ owners }: TasksState, sleptMs: number): void {
  for (const owner of owners.values()) owner.lastSeenMs += sleptMs;
}

/** Ends tasks of owners that are gone. @returns whether there are more. */
export function endLeaving(tasks: TasksState): boolean {
  let left = TASK_SLICE;
  for (const [owner, rows] of tasks.leaving) {
    while (left > 0) {
      const next = rows.next();
      if (next.done === true) {
        tasks.leaving.delete(owner);
        break;
      }
      left -= 1;
      cancelRow(tasks, next.value, true);
    }
    if (left === 0) return tasks.leaving.size > 0;
  }
  return false;
}
