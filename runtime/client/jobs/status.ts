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
  shards: v.object({
    done: v.number(),
    total: v.nullable(v.number()),
    /** Found standing, and not looked at yet. */
    standing: v.optional(v.number(), 0),
  }),
  reads: counts,
  encoder: v.nullable(v.object({ name: v.string(), sha256: v.string(), provider: v.string() })),
  dimensions: v.nullable(v.number()),
  /** Why no shard of it can be made now, for want of what they take, in words. */
  lacks: v.optional(v.array(v.string()), []),
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
  /** What it waits for besides its place in Slurm's queue, such as Slurm itself, and since when. */
  waits: v.optional(v.nullable(v.object({ why: v.string(), sinceMs: v.number() })), null),
});

/** What the head knows of its jobs. */
export const clusterStatus = v.object({
  epoch: v.number(),
  workers: v.number(),
  slots: v.number(),
  programs: v.array(v.object({ id: v.string(), atMs: v.optional(v.number(), 0), state: running })),
  datasets: v.array(datasetStatus),
  solves: v.array(solveStatus),
});
/** All that is known of one program's job. */
const programView = v.object({
  kind: v.literal("program"),
  id: v.string(),
  atMs: v.number(),
  state: running,
  url: v.string(),
  argv: v.array(v.string()),
  /** What it waits for, in words; empty once it is over. */
  waits: v.array(v.string()),
});

/** Progress of one input. */
const inputView = v.object({
  uri: v.string(),
  sample: v.string(),
  bytes: v.number(),
  shards: v.object({ done: v.number(), total: v.nullable(v.number()) }),
  reads: counts,
});

/** All that is known of one dataset's job. */
const datasetView = v.object({
  ...{ kind: v.literal("dataset"), ...datasetStatus.entries },
  runtimeVersion: v.string(),
  program: v.object({ url: v.string(), sha256: v.string() }),
  /** As many as one answer holds, in order, and how many more there are. */
  inputs: v.array(inputView),
  inputsMore: v.number(),
  filteredReasons: v.record(v.string(), v.number()),
  /** Tasks that failed under the leading head and were tried again, the latest last. */
  failures: v.array(v.object({ task: v.string(), times: v.number(), error: errorData })),
  /** What goes wrong just now and hasn't ended the job, in words. */
  trouble: v.array(v.string()),
  waits: v.array(v.string()),
  ofSolves: v.array(solveStatus),
});

/** What `job` of a cluster answers. */
export const jobView = v.variant("kind", [programView, datasetView]);
export type JobView = v.InferOutput<typeof jobView>;

export type ClusterStatus = v.InferOutput<typeof clusterStatus>;
export type DatasetStatus = ClusterStatus["datasets"][number];
export type SolveStatus = ClusterStatus["solves"][number];
