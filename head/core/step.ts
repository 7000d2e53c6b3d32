/**
 * Pure core. The few moves that every part of the head's core makes: record a fact, open a worker's
 * outbox, begin and end a flight. Flights and loads change together here and nowhere else.
 */
import { HOSTED_PER_WORKER_MAX, SHARDS_PER_EXECUTOR } from "../../runtime/limits.ts";
import type { Assignment } from "../../runtime/messages.ts";
import { apply } from "./apply.ts";
import type { Flight, HeadState, Outbox, Step, WorkerView } from "./events.ts";
import type { Fact } from "./facts.ts";

/** Records a fact: part of the step, and applied at once. */
export function record(state: HeadState, step: Step, fact: Fact): void {
  apply(state.durable, fact);
  step.facts.push(fact);
}

/** What leaves for a worker at the end of this step; opening it numbers the command. */
export function outboxOf(state: HeadState, step: Step, worker: string): Outbox {
  const open = step.outboxes.get(worker);
  if (open !== undefined) return open;
  const view = state.workers.get(worker);
  state.commands += 1;
  if (view !== undefined) view.sequence = state.commands;
  const outbox: Outbox = { assign: [], cancel: [], ack: [] };
  step.outboxes.set(worker, outbox);
  return outbox;
}

/** Whether an assignment takes a place in an executor's queue, or an executor of its own. */
function isQueued(assignment: Assignment): boolean {
  return assignment.work.kind === "plan" || assignment.work.kind === "shard";
}

/** The worker with the most room for this work, or undefined: it waits, and blocks nothing else. */
export function roomiest(state: HeadState, assignment: Assignment): string | undefined {
  let best: string | undefined;
  let bestRoom = 0;
  for (const [name, worker] of state.workers) {
    const room = roomOf(worker, isQueued(assignment));
    if (room > bestRoom) [best, bestRoom] = [name, room];
  }
  return best;
}

function roomOf(worker: WorkerView, queued: boolean): number {
  if (queued) return worker.slots * SHARDS_PER_EXECUTOR - worker.load;
  return HOSTED_PER_WORKER_MAX - worker.hosted - worker.hosting;
}

/** Work before it is an attempt. */
export type Unplaced = Omit<Assignment, "task" | "attempt">;

/** Sends work to a worker as a new attempt, if one has room. */
export function place(state: HeadState, step: Step, task: string, unplaced: Unplaced): boolean {
  const attempt = state.attempts.get(task) ?? 0;
  const assignment: Assignment = { ...unplaced, task, attempt };
  const worker = roomiest(state, assignment);
  if (worker === undefined) return false;
  state.attempts.set(task, attempt + 1);
  outboxOf(state, step, worker).assign.push(assignment);
  const sequence = state.workers.get(worker)?.sequence ?? 0;
  beginFlight(state, { worker, attempt, sequence, assignment });
  return true;
}

export function beginFlight(state: HeadState, flight: Flight): void {
  endFlight(state, flight.assignment.task);
  state.flights.set(flight.assignment.task, flight);
  changeLoad(state, flight, 1);
}

/** The flight that ended, or undefined when there was none. */
export function endFlight(state: HeadState, task: string): Flight | undefined {
  const flight = state.flights.get(task);
  if (flight === undefined) return undefined;
  state.flights.delete(task);
  changeLoad(state, flight, -1);
  return flight;
}

function changeLoad(state: HeadState, flight: Flight, by: 1 | -1): void {
  const worker = state.workers.get(flight.worker);
  if (worker === undefined) return;
  if (isQueued(flight.assignment)) worker.load += by;
  else worker.hosted += by;
}

/** Tells a worker to stop an attempt. */
export function cancelAt(state: HeadState, step: Step, worker: string, task: string): void {
  const { cancel } = outboxOf(state, step, worker);
  if (!cancel.includes(task)) cancel.push(task);
}

/** Ends every flight of a job and tells their workers to stop. */
export function cancelFlights(state: HeadState, step: Step, jobId: string): void {
  for (const [task, flight] of [...state.flights]) {
    if (!task.includes(jobId)) continue;
    endFlight(state, task);
    if (state.workers.has(flight.worker)) cancelAt(state, step, flight.worker, task);
  }
}
