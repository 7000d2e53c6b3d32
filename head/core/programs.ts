/**
 * Pure core. Program jobs: one driver each, started once. A driver that is lost is not started
 * again, because what its `main` did so far is unknown; the datasets it submitted go on without it.
 */
import { type ErrorData, SystemError } from "../../runtime/errors.ts";
import { REANNOUNCE_MS } from "../../runtime/limits.ts";
import type { HeadState, Step } from "./events.ts";
import type { ProgramJob } from "./facts.ts";
import { cancelFlights, place, record, type Unplaced } from "./step.ts";

export function driveTask(jobId: string): string {
  return `drive/${jobId}`;
}

/** Starts drivers that wait, ends programs whose driver is gone. */
export function advancePrograms(state: HeadState, step: Step, nowMs: number): void {
  for (const jobId of state.open.programs) {
    const job = state.durable.programs.get(jobId);
    if (job?.state.kind === "running") advanceProgram(state, step, job, nowMs);
  }
}

function advanceProgram(state: HeadState, step: Step, job: ProgramJob, nowMs: number): void {
  const task = driveTask(job.id);
  if (state.flights.has(task)) return;
  const started = (state.attempts.get(task) ?? 0) > 0;
  if (state.fresh.has(job.id) && !started) {
    place(state, step, task, driveWork(job));
    return;
  }
  // After a change of leader the worker that drives it says so within the announcement time.
  if (!started && nowMs - state.sinceMs < REANNOUNCE_MS) return;
  const lost = new SystemError("ACTOR_DIED", "the program's driver is gone", { job: job.id });
  endProgram(state, step, job.id, lost.toData());
}

/** What an executor needs to run a program's main. */
export function driveWork({ program, argv }: ProgramJob): Unplaced {
  return { program, work: { kind: "drive", argv: [...argv] } };
}

/** Ends a running program with an error; one that has ended stays as it is. */
export function endProgram(state: HeadState, step: Step, jobId: string, error: ErrorData): void {
  const job = state.durable.programs.get(jobId);
  if (job?.state.kind !== "running") return;
  record(state, step, { type: "program.failed", jobId, error });
  cancelFlights(state, step, jobId);
}
