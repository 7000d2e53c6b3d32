/** What the head says of its jobs: programs, datasets, solves. */
import * as v from "valibot";
import { continuation, errorData } from "../../messages.ts";

const running = v.variant("kind", [
  v.object({ kind: v.literal("running") }),
  v.object({ kind: v.literal("returned") }),
  v.object({ kind: v.literal("failed"), error: errorData }),
]);

const datasetState = v.variant("kind", [
  v.object({ kind: v.picklist(["planning", "running"]) }),
  v.object({ kind: v.literal("sealed"), manifestSha256: v.string(), atMs: v.number() }),
  v.object({ kind: v.literal("failed"), error: errorData }),
]);

const solveState = v.variant("kind", [
  v.object({ kind: v.picklist(["requested", "attempted"]) }),
  v.object({ kind: v.literal("submitted"), slurmJobId: v.string(), attempt: v.number() }),
  v.object({ kind: v.literal("succeeded"), launcher: v.string(), atMs: v.number() }),
  v.object({ kind: v.literal("failed"), error: errorData }),
]);

const attemptEnd = v.object({
  slurmJobId: v.string(),
  end: v.object({ state: v.string(), exitCode: v.nullable(v.number()), reason: v.string() }),
});

const attemptPlace = v.object({
  slurmState: v.string(),
  reason: v.string(),
  progress: v.nullable(v.object({ phase: v.string(), fraction: v.number(), seconds: v.number() })),
});

const counts = v.object({
  in: v.number(),
  passed: v.number(),
  filtered: v.number(),
  quarantined: v.number(),
  skipped: v.number(),
});

const datasetStatus = v.object({
  id: v.string(),
  uri: v.string(),
  atMs: v.number(),
  state: datasetState,
  shards: v.object({ done: v.number(), total: v.nullable(v.number()) }),
  reads: counts,
  encoder: v.nullable(v.object({ name: v.string(), sha256: v.string(), provider: v.string() })),
  dimensions: v.nullable(v.number()),
  solves: v.array(v.string()),
  /** The solve that each continuation is; null before the seal, or when it is none. */
  continuations: v.array(v.object({ continuation, solve: v.nullable(v.string()) })),
});

const solveStatus = v.object({
  id: v.string(),
  jobId: v.string(),
  spec: v.record(v.string(), v.any()),
  atMs: v.number(),
  state: solveState,
  last: v.nullable(attemptEnd),
  manifest: v.string(),
  /** Where its attempt is now; null while none was seen to be. */
  at: v.nullable(attemptPlace),
  /** What its slurm job asked for, for people. */
  resources: v.nullable(v.string()),
});

/** What the head knows of its jobs. */
export const clusterStatus = v.object({
  epoch: v.number(),
  workers: v.number(),
  slots: v.number(),
  programs: v.array(v.object({ id: v.string(), state: running })),
  datasets: v.array(datasetStatus),
  solves: v.array(solveStatus),
});
export type ClusterStatus = v.InferOutput<typeof clusterStatus>;
export type DatasetStatus = ClusterStatus["datasets"][number];
export type SolveStatus = ClusterStatus["solves"][number];
