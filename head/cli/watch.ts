/** Watches one program's job to its end and says what its dataset and solve are at. */
import type {
  Cluster,
  ClusterStatus,
  DatasetStatus,
  SolveStatus,
} from "../../runtime/client/cluster.ts";
import { errorFromData, SystemError } from "../../runtime/errors.ts";
import { JOB_POLL_MS } from "../../runtime/limits.ts";
import { waitsFor } from "../slurm/attempt/words.ts";
import { grouped, type Said, timeLeft } from "./progress/frame.ts";
import { Pace } from "./progress/pace.ts";
import { counted } from "./table.ts";

/** Takes what goes on. */
export type Say = (said: Said) => void;

/** A job that is watched. */
export interface WatchedJob {
  readonly jobId: string;
  /** The folder of its dataset: a state may hold other ones. */
  readonly uri: string;
  /** What its shards are for, such as "embedding": the name of that phase. */
  readonly doing: string;
}

export interface Watched {
  /** What the program's main returned. */
  readonly value: unknown;
  readonly dataset: DatasetStatus | undefined;
  readonly solve: SolveStatus | undefined;
  /** Seconds of this command; 0 for what stood already. */
  readonly phase1: number;
  readonly solving: number;
}

/**
 * Watches a program from its submission.
 *
 * @param before - the jobs before it was submitted: what stood then took no time of this command.
 * @throws {SystemError} what ended the program; CANCELLED.
 */
export async function watchJob(
  cluster: Cluster,
  { jobId, uri, doing }: WatchedJob,
  before: ClusterStatus,
  say: Say,
  signal: AbortSignal,
): Promise<Watched> {
  const begunMs = performance.now();
  let sealedMs = begunMs;
  const pace = new Pace();
  for (;;) {
    if (signal.aborted) throw new SystemError("CANCELLED", String(signal.reason));
    const status = await cluster.status();
    const now = performance.now();
    const job = status.programs.find(({ id }) => id === jobId);
    if (job?.state.kind === "failed") throw errorFromData(job.state.error);
    const dataset = datasetAt(uri, status);
    const solve = status.solves.findLast((one) => one.jobId === dataset?.id);
    if (dataset?.state.kind !== "sealed") sealedMs = now;
    if (job?.state.kind === "returned") {
      const phase1 = stoodSealed(before, dataset) ? 0 : (sealedMs - begunMs) / 1000;
      const solving = stoodSolved(before, solve) ? 0 : (now - sealedMs) / 1000;
      return { value: await cluster.result(jobId), dataset, solve, phase1, solving };
    }
    say(dataset === undefined ? describeStart(status) : describe(dataset, solve, { doing, pace }));
    await new Promise((resolve) => setTimeout(resolve, JOB_POLL_MS));
  }
}

/** The dataset that has the folder: all others were refused it. */
function datasetAt(uri: string, { datasets }: ClusterStatus): DatasetStatus | undefined {
  const there = datasets.filter((job) => job.uri === uri);
  return there.findLast(({ state }) => state.kind !== "failed") ?? there.at(-1);
}

function stoodSealed(before: ClusterStatus, dataset: DatasetStatus | undefined): boolean {
  if (dataset?.state.kind !== "sealed") return false;
  const { atMs } = dataset.state;
  // One of which a file was missing is sealed once more.
  return before.datasets.some(
    ({ id, state }) => id === dataset.id && state.kind === "sealed" && state.atMs === atMs,
  );
}

/** Also true without a solve: then there was nothing to take time. */
function stoodSolved(before: ClusterStatus, solve: SolveStatus | undefined): boolean {
  if (solve === undefined) return true;
  return before.solves.some(({ id, state }) => id === solve.id && state.kind === "succeeded");
}

function describe(
  { state, shards, reads }: DatasetStatus,
  solve: SolveStatus | undefined,
  { doing, pace }: { readonly doing: string; readonly pace: Pace },
): Said {
  if (state.kind === "planning") return { line: "planning: looking at the input" };
  if (state.kind !== "sealed") {
    if (shards.standing > 0) {
      return { line: `checking: ${counted(shards.standing, "shard")} that stood here already` };
    }
    const { done, total } = shards;
    if (done === total) {
      return { line: `sealing: ${counted(done, "shard")}, ${grouped(reads.in)} reads` };
    }
    const look = { atMs: performance.now(), done, reads: reads.in };
    const { readsPerS, leftS } = pace.add(look, total);
    const more = [
      ...(leftS === undefined ? [] : [timeLeft(leftS)]),
      ...(readsPerS === undefined ? [] : [`${grouped(readsPerS)} reads/s`]),
      `${grouped(reads.in)} reads`,
    ];
    const line = `${doing}: ${done}/${total ?? "?"} shards`;
    return { line, more, fraction: total ? done / total : undefined };
  }
  if (solve !== undefined) return describeSolve(solve);
  const made = `${counted(shards.done, "shard")}, ${grouped(reads.in)} reads`;
  return { line: `sealed: ${made}` };
}

function describeStart({ workers, slots }: ClusterStatus): Said {
  if (workers === 0) return { line: "starting: waiting for a worker" };
  return { line: `starting: ${counted(workers, "worker")}, ${counted(slots, "executor")}` };
}

/** A solve's line; each of the words before its colon is a phase of its own. */
export function describeSolve({ state, at, resources, waits }: SolveStatus): Said {
  if (state.kind === "succeeded") return { line: "solving: completed" };
  // A failed one is opened again by who asks for it, or its error is the next that is said.
  if (state.kind === "failed") return { line: "solving: no result yet" };
  if (waits !== null) {
    const since = new Date(waits.sinceMs).toISOString().slice(11, 19);
    return { line: `waiting: since ${since} UTC: ${waits.why}` };
  }
  if (state.kind !== "submitted") return { line: "solving: slurm job is being started" };
  const job = `slurm job ${state.slurmJobId}, attempt ${state.attempt + 1}`;
  if (at?.progress) {
    const { phase, fraction } = at.progress;
    const done = `${Math.floor(fraction * 100)} %`.padStart(5);
    return { line: `solving: ${job}: ${phase} ${done}`, fraction };
  }
  const askedFor = resources === null ? "" : ` (${resources})`;
  // Slurm has started it: what doesn't say how far it is isn't queued for that.
  if (at?.slurmState === "RUNNING") return { line: `solving: ${job}: begins${askedFor}` };
  const queued =
    at?.slurmState === "PENDING" && at.reason !== "None" ? `, waits: ${waitsFor(at.reason)}` : "";
  return { line: `queued: ${job}${queued}${askedFor}` };
}
