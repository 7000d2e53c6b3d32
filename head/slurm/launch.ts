/**
 * One attempt of a solve, step by step: at most one slurm job of it is ever released, and at most
 * one runs the solver, whatever times out, dies, lags or acts twice. ARCHITECTURE.md has the rule.
 * A step answers at once and may be repeated: whoever calls it looks again later. A Slurm that
 * doesn't answer throws SLURM_FAILED, which says nothing of the job.
 */
import type { Clock } from "../../runtime/clock.ts";
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import { SLURM_CANCEL_MS, SLURM_SEARCH_MS, SLURM_SUBMITS_MAX } from "../../runtime/limits.ts";
import { type AttemptOutcome, attemptOutcome, CANCELLED_BY_US, readExit } from "./attempt/ends.ts";
import { readStart, settle, type Silence, takeStart } from "./attempt/fence.ts";
import type { AttemptFiles } from "./attempt/files.ts";
import type { SolverProgress } from "./attempt/left.ts";
import {
  isEnded,
  type Slurm,
  type SlurmJob,
  type SlurmJobRef,
  type SubmitRequest,
} from "./slurm.ts";
import { hopelessReason } from "./attempt/words.ts";

/** What a leader remembers of an attempt; a new one begins without it. */
export interface AttemptMemory {
  /** A submission without a clear answer: since when it is searched by name, and how many such. */
  search?: { sinceMs: number; tries: number; why: string };
  silence?: Silence;
  /** Whether its slurm job was seen free: it was released; somebody else holds it since. */
  seenFree?: boolean;
  /** When Slurm was last asked to cancel it. */
  cancelledMs?: number;
}

/** An attempt as its leader holds it. */
export interface HeldAttempt {
  readonly slurm: Slurm;
  readonly files: AttemptFiles;
  readonly name: string;
  /** What its slurm jobs say; another state's jobs of this name say something else. */
  readonly comment: string;
  readonly memory: AttemptMemory;
  readonly clock: Clock;
}

/** Where an attempt is: Slurm's word for its job, and the solver's last one for what it does. */
export interface AttemptPlace {
  readonly slurmState: string;
  readonly reason: string;
  readonly progress: SolverProgress | null;
}

export type StepAnswer =
  | { readonly kind: "submitted"; readonly job: SlurmJobRef }
  /** Not yet known, or not yet over: the same step again, later. */
  | { readonly kind: "waiting"; readonly why: string }
  | { readonly kind: "running"; readonly at: AttemptPlace }
  | { readonly kind: "ended"; readonly outcome: AttemptOutcome }
  /** There is no attempt of it, and never will be. */
  | { readonly kind: "refused"; readonly error: SystemError };

/**
 * The one slurm job of the attempt, held: found by its name, or submitted. A submission without a
 * clear answer is searched for before there is another; further held copies are cancelled.
 * @param isNew - whether nobody before this leader may have submitted it.
 * @throws {SystemError} SLURM_FAILED when Slurm doesn't answer.
 */
export async function submitStep(
  held: HeldAttempt,
  request: SubmitRequest,
  isNew: boolean,
): Promise<StepAnswer> {
  const { slurm, memory, clock } = held;
  const known = await adopt(held).catch((thrown: unknown) => {
    // What was asked of a Slurm that is silent may come to pass when it speaks again.
    if (memory.search !== undefined) memory.search.sinceMs = clock.now();
    throw thrown;
  });
  if (known !== undefined) return submitted(known);
  if (!isNew) memory.search ??= { sinceMs: clock.now(), tries: 0, why: "an earlier head's sbatch" };
  const { search } = memory;
  if (search !== undefined) {
    const restMs = search.sinceMs + SLURM_SEARCH_MS - clock.now();
    if (restMs > 0) return { kind: "waiting", why: `searching for its slurm job: ${search.why}` };
    if (search.tries >= SLURM_SUBMITS_MAX) return await refuse(held, "SLURM_FAILED", search.why);
  }
  const outcome = await slurm.submitHeld(request);
  if (outcome.kind === "submitted") return submitted(outcome.job);
  if (outcome.kind === "refused") {
    const anyway = await adopt(held);
    if (anyway !== undefined) return submitted(anyway);
    return await refuse(held, "SLURM_REFUSED", outcome.why);
  }
  const { why } = outcome;
  memory.search = { sinceMs: clock.now(), tries: (search?.tries ?? 0) + 1, why };
  return { kind: "waiting", why: `searching for its slurm job: ${why}` };
}

function submitted({ clusterName, id, name }: SlurmJobRef): StepAnswer {
  return { kind: "submitted", job: { clusterName, id, name } };
}

/** No copy that Slurm may still hold can run: the attempt's start is taken. */
async function refuse(
  held: HeldAttempt,
  code: "SLURM_FAILED" | "SLURM_REFUSED",
  why: string,
): Promise<StepAnswer> {
  await takeStart(held.files, why);
  return { kind: "refused", error: new SystemError(code, why) };
}

/**
 * Releases the job whose id is durable, then looks at it. The name `released` is the fence: whoever
 * else's id stands there, no other is released.
 */
export async function releaseStep(held: HeldAttempt, ref: SlurmJobRef): Promise<StepAnswer> {
  const { slurm, files } = held;
  const start = await readStart(files);
  if (start.kind === "none") {
    const ours = `${ref.clusterName} ${ref.id}`;
    const released = (await files.create("released", `${ours}\n`)).trim();
    if (released !== ours) return await giveUp(held, `released as ${released}`, undefined);
  }
  const job = await poll(held, ref);
  if (job !== undefined && !isEnded(job.state)) await cancelCopies(held, job.id);
  if (start.kind !== "never" && job?.held === true && job.reason !== "JobHeldAdmin") {
    await slurm.release(ref);
  }
  return await lookStep(held, ref);
}

/**
 * How the attempt ended, or what it is at. What nobody waits for any more is cancelled; what can
 * never start is given up; a release that got lost is repeated.
 */
export async function lookStep(held: HeldAttempt, ref: SlurmJobRef): Promise<StepAnswer> {
  const { slurm, files, memory } = held;
  if (ref.clusterName !== slurm.clusterName)
    return await giveUp(held, "its Slurm is gone", undefined);
  let job: SlurmJob | undefined;
  try {
    job = await poll(held, ref);
  } catch (thrown) {
    // A result that stands needs no word of Slurm.
    const exit = await readExit(files);
    if (exit?.exitCode !== 0) throw thrown;
    return { kind: "ended", outcome: await attemptOutcome(undefined, files) };
  }
  if (job === undefined) return await giveUp(held, "forgotten by Slurm", undefined);
  if (isEnded(job.state)) {
    const answer = await giveUp(held, job.state, job);
    // Copies that came late; they couldn't run any more.
    if (answer.kind === "ended") await cancelCopies(held, job.id).catch(() => undefined);
    return answer;
  }
  if (await isUnwanted(held, job)) await cancelAgain(held, ref);
  else if (job.held && job.reason !== "JobHeldAdmin" && memory.seenFree !== true) {
    const released = await files.read("released");
    if (released?.trim() === `${ref.clusterName} ${ref.id}`) await slurm.release(ref);
  }
  if (!job.held) memory.seenFree = true;
  // A node that is slow to clean up doesn't keep a result from being one.
  if (job.state === "COMPLETING" && (await readExit(files))?.exitCode === 0) {
    return { kind: "ended", outcome: await attemptOutcome(job, files) };
  }
  const progress = (await files.progress()) ?? null;
  return { kind: "running", at: { slurmState: job.state, reason: job.reason, progress } };
}

/**
 * Ends the attempt: its start is taken, or its wrapper told to stop, and Slurm asked. Without an id
 * (it isn't known yet) every copy goes, and that is its end.
 */
export async function cancelStep(
  held: HeldAttempt,
  ref: SlurmJobRef | undefined,
): Promise<StepAnswer> {
  const { slurm, files } = held;
  const start = await takeStart(files, CANCELLED_BY_US);
  if (start.kind === "begun") await files.create("ended", `${CANCELLED_BY_US}\n`);
  if (ref === undefined) {
    await cancelCopies(held, "");
    return { kind: "ended", outcome: await attemptOutcome(undefined, files) };
  }
  if (ref.clusterName === slurm.clusterName) await cancelAgain(held, ref);
  return await lookStep(held, ref);
}

/** The attempt's end, once nothing of it can run any more. */
async function giveUp(
  held: HeldAttempt,
  why: string,
  job: SlurmJob | undefined,
): Promise<StepAnswer> {
  const { files, memory, clock } = held;
  const settled = await settle(files, why, memory.silence, clock.now());
  if (settled.over) return { kind: "ended", outcome: await attemptOutcome(job, files) };
  memory.silence = settled.silence;
  return { kind: "waiting", why: `${why}: its wrapper may still run; waiting for it to be silent` };
}

/** Whether a job that hasn't ended should: nobody waits for it, or it can't run its solver. */
async function isUnwanted({ files }: HeldAttempt, job: SlurmJob): Promise<boolean> {
  const start = await readStart(files);
  if (start.kind === "never" || (await files.read("ended")) !== undefined) return true;
  if (job.state !== "PENDING") return false;
  if (start.kind === "begun") {
    // It ran before: put back into the queue, it would only find that it was started.
    if (job.restarts > 0) await files.create("ended", "REQUEUED\n");
    return job.restarts > 0;
  }
  if (hopelessReason(job.reason) === undefined) return false;
  return (await takeStart(files, job.reason)).kind === "never";
}

/** Asks Slurm to end the job, unless it was asked a moment ago. */
async function cancelAgain({ slurm, memory, clock }: HeldAttempt, ref: SlurmJobRef): Promise<void> {
  const now = clock.now();
  if (memory.cancelledMs !== undefined && now - memory.cancelledMs < SLURM_CANCEL_MS) return;
  await slurm.cancel(ref);
  memory.cancelledMs = now;
}

/** This state's job of that id, or undefined. */
async function poll(held: HeldAttempt, ref: SlurmJobRef): Promise<SlurmJob | undefined> {
  const job = await held.slurm.poll(ref);
  return job !== undefined && isOurs(held, job) ? job : undefined;
}

/**
 * The job of the attempt that may still be released: the oldest held one, so that every leader
 * takes the same. What ended never ran: no copy was released before its id was durable.
 */
async function adopt(held: HeldAttempt): Promise<SlurmJobRef | undefined> {
  const jobs = (await living(held)).sort(
    (a, b) => Number(b.held) - Number(a.held) || Number(a.id) - Number(b.id),
  );
  const [first] = jobs;
  if (first !== undefined) await cancelCopies(held, first.id, jobs);
  return first;
}

/** Cancels the held copies of an attempt but for one, and for what was released meanwhile. */
async function cancelCopies(
  held: HeldAttempt,
  keptId: string,
  known?: readonly SlurmJob[],
): Promise<void> {
  for (const { id } of known ?? (await living(held))) {
    if (id === keptId) continue;
    const released = (await held.files.read("released"))?.trim();
    const ref = { clusterName: held.slurm.clusterName, id, name: held.name };
    if (released === `${ref.clusterName} ${id}`) continue;
    const now = await poll(held, ref);
    if (now?.held === true) await held.slurm.cancel(ref);
  }
}

async function living(held: HeldAttempt): Promise<SlurmJob[]> {
  const jobs = await held.slurm.find(held.name);
  return jobs.filter((job) => isOurs(held, job) && !isEnded(job.state));
}

/** A comment that somebody changed says nothing; one of another state says that it isn't ours. */
function isOurs({ comment }: HeldAttempt, job: SlurmJob): boolean {
  return job.comment === comment || !/^solve=.*\.token=/.test(job.comment);
}

/** What a Slurm that doesn't answer said. */
export function silenceOf(thrown: unknown): string {
  return toSystemError(thrown, "SLURM_FAILED").what;
}
