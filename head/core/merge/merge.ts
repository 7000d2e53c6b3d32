/**
 * Pure core. What the source counted in all shards of a complete dataset is merged in executors, a
 * task a sample and one for all, before the seal. Nothing of it is a fact: the files are a pure
 * function of plan and summaries, so a new leader has them made again, and they are the same.
 */
import type { ReportFile } from "../../../runtime/messages.ts";
import type { HeadState, MergeProgress, MergeUnit, Step } from "../events.ts";
import type { DatasetJob } from "../facts.ts";
import { mustWait } from "../poison/deaths.ts";
import { jobFolder, place, type Unplaced } from "../step.ts";

function mergeTask(jobId: string, unit: number): string {
  return `merge/${jobId}/${unit}`;
}

/**
 * Places what can be merged now.
 * @returns all files once they are made, samples in the inputs' order; none where no shard has a
 * summary; null before.
 */
export function advanceMerge(
  state: HeadState,
  step: Step,
  job: DatasetJob,
): readonly ReportFile[] | null {
  const progress = state.merges.get(job.id) ?? { units: unitsOf(job), made: new Map() };
  state.merges.set(job.id, progress);
  const { units, made } = progress;
  if (made.size === units.length) return units.flatMap((_, unit) => made.get(unit) ?? []);
  if (mustWait(state, job.id)) return null;
  for (const unit of dueOf(progress)) {
    const task = mergeTask(job.id, unit);
    if (state.flights.has(task)) continue;
    if (!place(state, step, task, mergeWork(state, job, units[unit] ?? null))) break;
  }
  return null;
}

/** An executor has made a unit's files. */
export function takeMerged(
  state: HeadState,
  jobId: string,
  unit: number,
  reports: readonly ReportFile[],
): void {
  const progress = state.merges.get(jobId);
  if (progress !== undefined && unit < progress.units.length) progress.made.set(unit, reports);
}

/** The samples that aren't made, or what is of all of them. */
function dueOf({ units, made }: MergeProgress): number[] {
  const samples = units.length - 1;
  if (made.size === samples) return [samples];
  return Array.from({ length: samples }, (_, unit) => unit).filter((unit) => !made.has(unit));
}

/** One for each sample of which something was counted, in the inputs' order, and one for all. */
function unitsOf({ spec, inputs }: DatasetJob): MergeUnit[] {
  const units = new Map<string, NonNullable<MergeUnit>>();
  for (const [input, { sample }] of spec.source.inputs.entries()) {
    const { receipts } = inputs[input] ?? { receipts: new Map() };
    if (receipts.get(0)?.summary === undefined) continue;
    const unit = units.get(sample) ?? [];
    unit.push({ input, shards: receipts.size });
    units.set(sample, unit);
  }
  return units.size === 0 ? [] : [...units.values(), null];
}

function mergeWork(state: HeadState, job: DatasetJob, inputs: MergeUnit): Unplaced {
  const { id: jobId, planSha256, spec } = job;
  const where = { jobId, jobFolder: jobFolder(state, jobId), planSha256: planSha256 ?? "" };
  return { program: spec.program, work: { kind: "merge", ...where, inputs } };
}
