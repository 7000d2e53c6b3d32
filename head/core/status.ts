/** Pure core. What a client sees of the jobs and of the cluster as a whole: one plain value. */
import { ONE_CPU } from "../../runtime/resources/resources.ts";
import type { HeadState } from "./events.ts";
import type { DatasetJob, ProgramJob, SolveRecord } from "./facts.ts";
import { whyNot } from "./placement/why.ts";
import { countUnseen } from "./resume/standing.ts";
import { countReads } from "./seal.ts";
import { countTasks } from "./task-views/views.ts";
import { manifestOf, solveOf } from "./solves.ts";
import { wellWorkers } from "./step.ts";

/** Jobs, newest last, and how many actors and pools there are, for `status` requests. */
export function statusOf(state: HeadState): unknown {
  const { durable, actors } = state;
  const { pending, starting, alive, restarting } = actors.counts;
  return {
    epoch: durable.epoch.number,
    workers: state.workers.size,
    slots: [...state.workers.values()].reduce((sum, worker) => sum + worker.slots, 0),
    actors: { pending, starting, alive, restarting },
    pools: actors.pools.size,
    tasks: countTasks(state),
    programs: [...durable.programs.values()].slice(-STATUS_JOBS_MAX).map(programStatus),
    datasets: [...durable.datasets.values()]
      .slice(-STATUS_JOBS_MAX)
      .map((job) => datasetStatus(state, job)),
    solves: [...durable.solves.values()]
      .slice(-STATUS_JOBS_MAX)
      .map((solve) => solveStatus(state, solve)),
  };
}

/** A status fits one frame; older jobs are read from the log. */
const STATUS_JOBS_MAX = 64;

/** Without what main returned: that may fill a frame, and is asked for by itself. */
export function programStatus({ id, atMs, state }: ProgramJob) {
  return { id, atMs, state: state.kind === "returned" ? { kind: state.kind } : state };
}

/** A dataset's progress, by its receipts. */
export function datasetStatus(state: HeadState, job: DatasetJob) {
  const receipts = job.inputs.flatMap((input) => [...input.receipts.values()]);
  const totals = job.inputs.map((input) => input.shards);
  const known = job.inputs.length > 0 && totals.every((shards) => shards !== null);
  const stage = receipts[0]?.stage;
  return {
    id: job.id,
    uri: job.spec.sink.uri,
    atMs: job.atMs,
    state: job.state,
    shards: {
      done: receipts.length,
      total: known ? totals.reduce((sum: number, shards) => sum + (shards ?? 0), 0) : null,
      standing: countUnseen(state, job.id),
    },
    reads: countReads(receipts),
    encoder:
      stage === undefined
        ? null
        : { name: stage.name, sha256: stage.sha256, provider: stage.provider },
    dimensions: stage?.dimensions ?? null,
    lacks: lacksOf(state, job),
    solves: job.solves,
    continuations: job.continuations.map((continuation) => ({
      continuation,
      solve: solveOf(state, job.id, continuation),
    })),
  };
}

/** Why none of a job's shards can be made now, for want of what they take; else empty. */
export function lacksOf(state: HeadState, { id, state: now, demand }: DatasetJob): string[] {
  if (now.kind !== "running" || (state.tasksOf.get(id)?.size ?? 0) > 0) return [];
  if (state.claims.get(id) !== "ours" || state.sealing.has(id)) return [];
  const [needs = "", ...why] = whyNot(demand?.shape ?? ONE_CPU, wellWorkers(state));
  return needs === "" ? [] : [needs.replace("It needs", "Each of its shards needs"), ...why];
}

/** What it is at is known while its job hasn't ended, what that asked for to this leader alone. */
export function solveStatus(state: HeadState, solve: SolveRecord) {
  const { id, jobId, spec, atMs, state: now, last } = solve;
  const view = state.slurm.get(id);
  const isAtWork = now.kind === "submitted" && view !== undefined;
  return {
    ...{ id, jobId, spec, atMs, state: now, last },
    manifest: manifestOf(state, solve),
    at: isAtWork ? view.at : null,
    resources: view?.resources ?? null,
    waits: view?.waits ?? null,
  };
}
