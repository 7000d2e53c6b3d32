/**
 * Pure core. Searches for poison records: probes placed, their results made facts, and what is done
 * with a record that was found. A shard that is searched isn't placed; all others go on.
 */
import { type ErrorData, SystemError } from "../../../runtime/errors.ts";
import {
  ACQUITTALS_MAX,
  POISON_PROBES_MAX,
  POISON_RECORDS_MAX,
  PROBES_AT_ONCE_MAX,
} from "../../../runtime/limits.ts";
import type { BatchPlace, Exclusion, Outcome, Work } from "../../../runtime/messages.ts";
import { joinUri } from "../../../runtime/storage/uri.ts";
import type { HeadState, Step } from "../events.ts";
import type { DatasetJob } from "../facts.ts";
import { jobFolder, place, record, shardTask, type Unplaced } from "../step.ts";
import { isHopeless, nextProbe, type Suspect } from "./bisect.ts";
import { isOfBatch, reasonOf, type ShardAt } from "./deaths.ts";
import { type Trial, trialOf } from "./trial.ts";

/** How the tasks of probes begin. */
const PROBE = "probe/";

export function probeTask(jobId: string, { input, shard }: ShardAt, range: BatchPlace): string {
  return `${PROBE}${jobId}/${input}/${shard}/${range.first}/${range.records}`;
}

/** What every attempt of a shard is given: where it is, and what earlier ones taught. */
export function attemptOf(state: HeadState, job: DatasetJob, input: number, shard: number) {
  const { id: jobId, planSha256, batchTimeoutMs } = job;
  const { exclusion, halvings } = trialOf(job, input, shard);
  return {
    jobId,
    jobFolder: jobFolder(state, jobId),
    planSha256: planSha256 ?? "",
    input,
    shard,
    ...(exclusion === null ? {} : { exclusion }),
    ...(halvings === 0 ? {} : { halvings }),
    ...(batchTimeoutMs === undefined ? {} : { batchTimeoutMs }),
  };
}

/** What an executor needs for a probe, or undefined when nobody wants its result. */
export function probeWork(
  state: HeadState,
  job: DatasetJob,
  { input, shard }: ShardAt,
  { first, records }: BatchPlace,
): Unplaced | undefined {
  const wanted = wantedProbe(job, trialOf(job, input, shard));
  if (wanted === null || wanted.first !== first || wanted.records !== records) return undefined;
  const where = attemptOf(state, job, input, shard);
  const { run } = wanted;
  const work: Work = { kind: "probe", ...where, first, records, run };
  return { program: job.spec.program, work };
}

/**
 * The probe that a search waits for; without a policy the first record that is found ends it, once
 * it is seen that others don't kill.
 */
function wantedProbe(
  { spec }: DatasetJob,
  { suspect }: Trial,
): (BatchPlace & { readonly run: boolean }) | null {
  if (suspect === null) return null;
  const [poison] = suspect.found;
  const next = nextProbe(suspect);
  const isSure = suspect.lived || next === null;
  if (poison !== undefined && spec.onBadRecord === undefined && isSure) {
    return { first: poison.position, records: 1, run: false };
  }
  return next === null ? null : { ...next, run: true };
}

/** What came of a step of all searches of a job. */
export interface Searched {
  /** Why the job can't go on. */
  readonly failed: SystemError | null;
  /** Shards that are to be placed like any other again. */
  readonly settled: readonly ShardAt[];
}

const NOTHING: Searched = { failed: null, settled: [] };

/** Places probes; ends searches of which all records are settled. */
export function advanceSearches(state: HeadState, step: Step, job: DatasetJob): Searched {
  const searches = state.open.searches.get(job.id);
  if (searches === undefined) return NOTHING;
  const settled: ShardAt[] = [];
  for (const key of searches) {
    const [input = 0, shard = 0] = key.split("/").map(Number);
    const trial = trialOf(job, input, shard);
    if (trial.suspect === null || job.inputs[input]?.receipts.has(shard) === true) continue;
    const failed = advanceSearch(state, step, job, { input, shard }, trial, trial.suspect);
    if (failed !== null) return { failed, settled };
    if (trialOf(job, input, shard).suspect === null) settled.push({ input, shard });
  }
  return { failed: null, settled };
}

function advanceSearch(
  state: HeadState,
  step: Step,
  job: DatasetJob,
  at: ShardAt,
  trial: Trial,
  suspect: Suspect,
): SystemError | null {
  if (isHopeless(suspect)) {
    const what = "its executors die of whatever record they are given: it isn't the records";
    return failure(job, at, suspect, what);
  }
  const wanted = wantedProbe(job, trial);
  if (wanted !== null) {
    if (trial.probes >= POISON_PROBES_MAX) {
      const what = `${trial.probes} probes didn't tell which records end executors`;
      return failure(job, at, suspect, what);
    }
    placeProbe(state, step, job, at, wanted);
    return null;
  }
  if (suspect.found.length > 0) return exclude(state, step, job, at, trial, suspect);
  return acquit(state, step, job, at, trial, suspect);
}

function placeProbe(
  state: HeadState,
  step: Step,
  job: DatasetJob,
  at: ShardAt,
  range: BatchPlace,
): void {
  const task = probeTask(job.id, at, range);
  if (state.flights.has(task)) return;
  const tasks = [...(state.tasksOf.get(job.id) ?? [])];
  if (tasks.filter((it) => it.startsWith(PROBE)).length >= PROBES_AT_ONCE_MAX) return;
  const work = probeWork(state, job, at, range);
  if (work !== undefined) place(state, step, task, work);
}

/** Asks for the exclusion of all that was found, this time and before. */
function exclude(
  state: HeadState,
  step: Step,
  { id: jobId, ...job }: DatasetJob,
  { input, shard }: ShardAt,
  { exclusion: last }: Trial,
  suspect: Suspect,
): SystemError | null {
  const known = new Map((last?.records ?? []).map((it) => [it.position, it]));
  for (const poison of suspect.found) known.set(poison.position, poison);
  const records = [...known.values()].sort((a, b) => a.position - b.position);
  if (records.length > POISON_RECORDS_MAX) {
    const what = `over ${POISON_RECORDS_MAX} records end executors: no accident of a record`;
    return failure({ id: jobId, ...job }, { input, shard }, suspect, what);
  }
  const task = shardTask(jobId, input, shard);
  if (state.excluding.has(task)) return null;
  state.excluding.add(task);
  const exclusion: Exclusion = { number: (last?.number ?? 0) + 1, records };
  const uri = exclusionUri(jobFolder(state, jobId), { input, shard }, exclusion.number);
  step.effects.push({ type: "exclude", jobId, input, shard, uri, exclusion });
  return null;
}

/** Where a shard's exclusion stands. */
function exclusionUri(folder: string, { input, shard }: ShardAt, number: number): string {
  return joinUri(folder, "exclusions", `${input}-${shard}-${number}`);
}

/** No record kills by itself. Chance may have; a limit that is too low for a batch doesn't. */
function acquit(
  state: HeadState,
  step: Step,
  job: DatasetJob,
  { input, shard }: ShardAt,
  { acquittals }: Trial,
  suspect: Suspect,
): SystemError | null {
  if (suspect.reason === "timeout") {
    const what = "a batch is over its time limit, though no record of it is by itself: raise it";
    return failure(job, { input, shard }, suspect, what);
  }
  if (acquittals + 1 >= ACQUITTALS_MAX) {
    const what = `a batch ended its executors ${acquittals + 1} times, but no record of it does`;
    return failure(job, { input, shard }, suspect, what);
  }
  record(state, step, { type: "shard.acquitted", jobId: job.id, input, shard });
  return null;
}

function failure(
  { id, spec }: DatasetJob,
  { input, shard }: ShardAt,
  { first, end, reason }: Suspect,
  what: string,
): SystemError {
  const where = { uri: spec.source.inputs[input]?.uri ?? "", task: shardTask(id, input, shard) };
  const batch = `${what} (records ${first} to ${end - 1} of the shard, ${reason})`;
  return new SystemError("SHARD_FAILED", batch, where);
}

/**
 * Takes a probe's result.
 * @returns why the job ends, null, or `failed` for a failure that says nothing about the records.
 */
export function takeProbed(
  state: HeadState,
  step: Step,
  job: DatasetJob,
  at: ShardAt & BatchPlace,
  outcome: Outcome,
): ErrorData | "failed" | null {
  const { input, shard, first, records } = at;
  const trial = trialOf(job, input, shard);
  const wanted = wantedProbe(job, trial);
  const isDeath = outcome.kind === "failed" && outcome.batch !== undefined;
  if (outcome.kind === "failed" && !(isDeath && isOfBatch(outcome.error))) return "failed";
  if (wanted?.first !== first || wanted.records !== records) return null;
  if (!wanted.run) return outcome.kind === "probed" ? poisonError(job, trial, at, outcome) : null;
  const died = outcome.kind === "failed" ? reasonOf(outcome.error) : null;
  record(state, step, { type: "shard.probed", jobId: job.id, input, shard, first, records, died });
  return null;
}

/** Which record it is, and how to go on without it. */
function poisonError(
  { spec }: DatasetJob,
  { suspect }: Trial,
  { input, first }: ShardAt & BatchPlace,
  { places: [place] }: Extract<Outcome, { kind: "probed" }>,
): ErrorData {
  const what =
    `every executor that is given this record dies of it (${suspect?.found[0]?.reason ?? ""}); ` +
    "--on-bad-record quarantine (or skip) leaves it out: another job, so give it another --output";
  return new SystemError("POISON_RECORD", what, {
    uri: spec.source.inputs[input]?.uri ?? "",
    ...(place === undefined ? { position: first } : { record: place.record }),
    ...(place?.byteOffset === undefined ? {} : { byteOffset: place.byteOffset }),
  }).toData();
}
