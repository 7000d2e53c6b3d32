/**
 * Pure core. Whose objects workers hold, and whether that process is still there: an executor by
 * what its worker says, a client's by its requests. A worker that names one that is gone is told
 * so, with each of its reports, until it names it no more.
 */
import { CLIENT_SILENCE_MS, OBJECT_JOB_KEPT_MS } from "../../../runtime/limits.ts";
import type { Owner, Report } from "../../../runtime/messages.ts";
import type { HeadState, Step } from "../events.ts";
import { outboxOf } from "../step.ts";

/** A process that has objects somewhere. */
export interface ObjectJob {
  /** Who speaks as it: a client, or the worker whose executor it is. The first one heard. */
  identity: string | undefined;
  lastSeenMs: number;
  /** When a worker last named it. */
  namedMs: number;
  isGone: boolean;
}

/** A process gave a sign of life. */
export function objectJobSeen(state: HeadState, who: Owner, nowMs: number): void {
  const job = state.objectJobs.get(who.process);
  if (job === undefined) return;
  job.identity ??= who.identity;
  if (job.identity === who.identity) job.lastSeenMs = nowMs;
}

/** A process says that it ends. */
export function objectJobLeft(state: HeadState, who: Owner): void {
  const job = state.objectJobs.get(who.process);
  if (job !== undefined && (job.identity ?? who.identity) === who.identity) job.isGone = true;
}

/** What a worker's report says of processes and of the objects that it holds. */
export function takeObjectJobs(
  state: HeadState,
  step: Step,
  worker: string,
  { processes, objectJobs = [] }: Report,
  nowMs: number,
): void {
  if (objectJobs.length === 0 && state.objectJobs.size === 0) return;
  for (const process of objectJobs) {
    const known = state.objectJobs.get(process);
    if (known !== undefined) known.namedMs = nowMs;
    else {
      const job = { identity: undefined, lastSeenMs: nowMs, namedMs: nowMs, isGone: false };
      state.objectJobs.set(process, job);
    }
  }
  const running = new Set<string>(processes);
  for (const [process, job] of state.objectJobs) {
    if (running.has(process)) objectJobSeen(state, { identity: worker, process }, nowMs);
    else if (job.identity === worker) job.isGone = true;
  }
  for (const process of objectJobs) {
    if (state.objectJobs.get(process)?.isGone !== true) continue;
    const outbox = outboxOf(state, step, worker);
    outbox.endJobs ??= [];
    outbox.endJobs.push(process);
  }
}

/** Looks who is silent for too long, and forgets whom nobody names any more. */
export function lookAtObjectJobs(state: HeadState, nowMs: number): void {
  for (const [process, job] of state.objectJobs) {
    if (nowMs - job.lastSeenMs > CLIENT_SILENCE_MS) job.isGone = true;
    if (nowMs - job.namedMs > OBJECT_JOB_KEPT_MS) state.objectJobs.delete(process);
  }
}

/** While a head slept it heard nobody. */
export function forgiveObjectJobs({ objectJobs }: HeadState, sleptMs: number): void {
  for (const job of objectJobs.values()) {
    job.lastSeenMs += sleptMs;
    job.namedMs += sleptMs;
  }
}
