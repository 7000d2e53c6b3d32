/**
 * The protocol that starts at most one slurm job per attempt, over the port. The head records the
 * intent before `submitOnce` and the id before `releaseOnce`; both may be repeated after a crash.
 */
import { setTimeout as delay } from "node:timers/promises";
import { SystemError } from "../../runtime/errors.ts";
import { SLURM_POLL_MS, SLURM_SEARCH_MS } from "../../runtime/limits.ts";
import { readProgress, type SolverProgress } from "./attempt/left.ts";
import { isEnded, type Slurm, type SlurmJobRef, type SubmitRequest } from "./slurm.ts";
import { type AttemptOutcome, attemptOutcome } from "./solve-attempt.ts";

export interface SubmitOptions {
  /** Milliseconds to search for a job whose submission got no clear answer. */
  readonly searchMs?: number;
}

/**
 * The one slurm job of that name: found, or submitted and held. Further held ones of the name, left
 * by an answer that came too late, are cancelled; they never ran.
 * @throws {SystemError} SLURM_FAILED when it was refused, or an unclear answer left no job.
 */
export async function submitOnce(
  slurm: Slurm,
  request: SubmitRequest,
  { searchMs = SLURM_SEARCH_MS }: SubmitOptions = {},
): Promise<SlurmJobRef> {
  const known = await adopt(slurm, request.name);
  if (known !== undefined) return known;
  const outcome = await slurm.submitHeld(request);
  if (outcome.kind === "submitted") return outcome.job;
  if (outcome.kind === "refused") throw new SystemError("SLURM_FAILED", outcome.why);
  const deadline = performance.now() + searchMs;
  while (performance.now() < deadline) {
    // A controller that can't answer now is the likely cause of the unclear answer: ask again.
    const found = await adopt(slurm, request.name).catch(() => undefined);
    if (found !== undefined) return found;
    await delay(SLURM_POLL_MS);
  }
  throw new SystemError("SLURM_FAILED", `no slurm job after an unclear answer: ${outcome.why}`);
}

/** Releases the job unless it already was. @throws {SystemError} SLURM_FAILED when it is gone. */
export async function releaseOnce(slurm: Slurm, ref: SlurmJobRef): Promise<void> {
  const job = await slurm.poll(ref);
  if (job === undefined) throw new SystemError("SLURM_FAILED", `slurm job ${ref.id} is gone`);
  if (job.held) await slurm.release(ref);
}

/** What is known of an attempt: how it ended, or what it is at. */
export type AttemptLook =
  | { readonly outcome: AttemptOutcome }
  | { readonly outcome?: undefined; readonly at: AttemptPlace };

/** Where an attempt is: Slurm's word for its job, and the solver's last one for what it does. */
export interface AttemptPlace {
  readonly slurmState: string;
  readonly reason: string;
  readonly progress: SolverProgress | null;
}

/** How the attempt ended, or what it is at; `folder` is the attempt's. */
export async function lookOnce(
  slurm: Slurm,
  ref: SlurmJobRef,
  folder: string,
): Promise<AttemptLook> {
  const job = await slurm.poll(ref);
  if (job === undefined || isEnded(job.state))
    return { outcome: await attemptOutcome(job, folder) };
  const progress = (await readProgress(folder)) ?? null;
  return { at: { slurmState: job.state, reason: job.reason, progress } };
}

/** How the attempt ended, or undefined while it goes on; `folder` is the attempt's. */
export async function pollOnce(
  slurm: Slurm,
  ref: SlurmJobRef,
  folder: string,
): Promise<AttemptOutcome | undefined> {
  return (await lookOnce(slurm, ref, folder)).outcome;
}

/** A released or ended job comes first: it is the one whose id was recorded. */
async function adopt(slurm: Slurm, name: string): Promise<SlurmJobRef | undefined> {
  const jobs = [...(await slurm.find(name))];
  jobs.sort((a, b) => Number(a.held) - Number(b.held) || Number(a.id) - Number(b.id));
  const [first, ...further] = jobs;
  for (const job of further) {
    if (job.held) await slurm.cancel(job);
  }
  if (first === undefined) return undefined;
  return { clusterName: first.clusterName, id: first.id, name: first.name };
}
