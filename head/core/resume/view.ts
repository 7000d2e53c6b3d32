/**
 * Pure core. All that is known of one job, as one value for one answer: its inputs one by one, what
 * failed and why, what it waits for. Bounded, whatever the job.
 */
import type { ErrorData } from "../../../runtime/errors.ts";
import { JOB_VIEW_TEXT_MAX } from "../../../runtime/limits.ts";
import type { HeadState } from "../events.ts";
import type { DatasetJob, ProgramJob } from "../facts.ts";
import { troubleOf } from "../poison/trouble.ts";
import { countReads, countReasons } from "../seal.ts";
import { datasetStatus, lacksOf, programStatus, solveStatus } from "../status.ts";

/** Failures, and solves, that one answer holds: the latest. */
const FAILURES_MAX = 20;
const SOLVES_MAX = 16;
/** UTF-16 units of a failure's text. */
const WHAT_MAX = 1_000;

/** In the shape of the client's `jobView`; undefined for a job that isn't known. */
export function viewOfJob(state: HeadState, jobId: string): object | undefined {
  const program = state.durable.programs.get(jobId);
  if (program !== undefined) return programView(state, program);
  const job = state.durable.datasets.get(jobId);
  return job === undefined ? undefined : datasetView(state, job);
}

function programView(state: HeadState, job: ProgramJob): object {
  const { url } = job.program;
  const waits = job.state.kind === "running" ? waitsOfTask(state, `drive/${job.id}`) : [];
  return { kind: "program", ...programStatus(job), url, argv: job.argv, waits };
}

function datasetView(state: HeadState, job: DatasetJob): object {
  const { spec, inputs, id } = job;
  const shown = inputsOf(job);
  const solves = job.solves.flatMap((solveId) => state.durable.solves.get(solveId) ?? []);
  return {
    kind: "dataset",
    ...datasetStatus(state, job),
    runtimeVersion: spec.runtimeVersion,
    program: spec.program,
    inputs: shown,
    inputsMore: spec.source.inputs.length - shown.length,
    filteredReasons: countReasons(inputs.flatMap(({ receipts }) => [...receipts.values()])),
    failures: failuresOf(state, id),
    trouble: troubleOf(state, job),
    waits: waitsOf(state, job),
    ofSolves: solves.slice(-SOLVES_MAX).map((solve) => solveStatus(state, solve)),
  };
}

function inputsOf({ spec, inputs }: DatasetJob): object[] {
  const shown: object[] = [];
  let length = 0;
  for (const [index, { uri, sample, bytes }] of spec.source.inputs.entries()) {
    const { shards = null, receipts = new Map() } = inputs[index] ?? {};
    const reads = countReads([...receipts.values()]);
    const input = { uri, sample, bytes, shards: { done: receipts.size, total: shards }, reads };
    length += JSON.stringify(input).length;
    if (length > JOB_VIEW_TEXT_MAX) break;
    shown.push(input);
  }
  return shown;
}

function failuresOf(state: HeadState, jobId: string): object[] {
  const failed = [...state.reasons].filter(([task]) => task.includes(jobId));
  return failed.slice(-FAILURES_MAX).map(([task, error]) => {
    return { task, times: state.failures.get(task) ?? 0, error: shortened(error) };
  });
}

function shortened({ code, what, where }: ErrorData): ErrorData {
  return { code, what: what.slice(0, WHAT_MAX), where };
}

/** What a job's end needs next, in words; empty once it is over. */
function waitsOf(state: HeadState, job: DatasetJob): string[] {
  if (job.state.kind === "planning") return waitsOfTask(state, `plan/${job.id}`);
  if (job.state.kind !== "running") return [];
  if (state.claims.get(job.id) !== "ours") return ["a look at what stands in its output"];
  if (state.sealing.has(job.id)) return ["its manifest, which is being written"];
  const flights = state.tasksOf.get(job.id)?.size ?? 0;
  if (flights > 0) return [`${flights} of its tasks, which workers have`];
  return waitsForShape(state, job);
}

function waitsOfTask(state: HeadState, task: string): string[] {
  const flight = state.flights.get(task);
  return flight === undefined ? waitsForWorker(state) : [`its task at worker ${flight.worker}`];
}

/** Why none of its shards is under way. */
function waitsForShape(state: HeadState, job: DatasetJob): string[] {
  const lacks = state.workers.size === 0 ? [] : lacksOf(state, job);
  return lacks.length === 0 ? waitsForWorker(state) : [`a worker for its shards`, ...lacks];
}

function waitsForWorker({ workers }: HeadState): string[] {
  if (workers.size === 0) return ["a worker: none is there"];
  return ["an executor: all are busy"];
}
