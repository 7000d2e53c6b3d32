/** One fact of each kind, for tests of what is made of them. */
import { ONE_CPU } from "../../../runtime/resources/resources.ts";
import type { Fact } from "../../../head/core/facts.ts";
import { CONTINUATION, PROGRAM, receiptOf, specOf } from "./support.ts";

export const JOB = "1".repeat(64);
export const DATASET = "2".repeat(64);
export const SOLVE = "3".repeat(64);
export const ACTOR = "4".repeat(24);
export const ERROR = { code: "APPLICATION", what: "no", where: {} } as const;
export const END = { state: "NODE_FAIL", exitCode: null, reason: "None" };

export const LIFE = {
  incarnation: 2,
  restarts: 1,
  worker: "w-000000000001",
  process: "1".repeat(16),
  host: "m1",
};

const AT = { jobId: DATASET, input: 1, shard: 2 };

type FactMap = { readonly [Type in Fact["type"]]: Extract<Fact, { type: Type }> };

/** One of each; a fact without a row here doesn't compile. */
export const FACTS: FactMap = {
  epoch: { type: "epoch", number: 4, leader: "uuid" },
  "program.submitted": {
    type: "program.submitted",
    jobId: JOB,
    program: PROGRAM,
    argv: ["a"],
    atMs: 5,
  },
  "program.returned": { type: "program.returned", jobId: JOB, value: { n: 1 } },
  "program.failed": { type: "program.failed", jobId: JOB, error: ERROR },
  "dataset.submitted": {
    type: "dataset.submitted",
    jobId: DATASET,
    spec: specOf("x", 2),
    atMs: 6,
  },
  "dataset.planned": {
    type: "dataset.planned",
    jobId: DATASET,
    planSha256: "e".repeat(64),
    shards: [2, null],
  },
  "input.ended": { type: "input.ended", jobId: DATASET, input: 1, records: 30, shards: 3 },
  "shard.committed": {
    type: "shard.committed",
    jobId: DATASET,
    input: 1,
    shard: 2,
    receipt: receiptOf(1, 2),
  },
  "shard.lost": { type: "shard.lost", ...AT },
  "dataset.sealed": {
    type: "dataset.sealed",
    jobId: DATASET,
    manifestSha256: "b".repeat(64),
    atMs: 7,
  },
  "dataset.failed": { type: "dataset.failed", jobId: DATASET, error: ERROR },
  "dataset.reopened": { type: "dataset.reopened", jobId: DATASET, atMs: 8 },
  "dataset.limited": { type: "dataset.limited", jobId: DATASET, batchTimeoutMs: 9_000 },
  "dataset.demanded": {
    type: "dataset.demanded",
    jobId: DATASET,
    demand: { concurrency: { min: 1, max: 4 }, shape: ONE_CPU },
  },
  "shard.suspected": {
    type: "shard.suspected",
    ...AT,
    first: 8,
    records: 8,
    reason: "SIGSEGV",
  },
  "shard.probed": { type: "shard.probed", ...AT, first: 8, records: 4, died: null },
  "shard.acquitted": { type: "shard.acquitted", ...AT },
  "shard.excluded": {
    type: "shard.excluded",
    ...AT,
    number: 1,
    records: [{ position: 9, reason: "SIGSEGV" }],
  },
  "shard.halved": { type: "shard.halved", ...AT, halvings: 1 },
  "continuation.added": {
    type: "continuation.added",
    jobId: DATASET,
    continuation: CONTINUATION,
  },
  "solve.requested": {
    type: "solve.requested",
    solveId: SOLVE,
    jobId: DATASET,
    spec: { k: 15 },
    atMs: 9,
  },
  "solve.asked": {
    type: "solve.asked",
    solveId: SOLVE,
    manifest: "/set/manifest.json",
    manifestSha256: "b".repeat(64),
    spec: { k: 15 },
    atMs: 9,
  },
  "solve.respecified": { type: "solve.respecified", solveId: SOLVE, spec: { k: 15, ranks: 9 } },
  "solve.attempted": {
    type: "solve.attempted",
    solveId: SOLVE,
    attempt: 0,
    name: "ligase-3-0",
    clusterName: "c1",
  },
  "solve.submitted": { type: "solve.submitted", solveId: SOLVE, attempt: 0, slurmJobId: "77" },
  "solve.cancel-asked": { type: "solve.cancel-asked", solveId: SOLVE, atMs: 10 },
  "solve.ended": { type: "solve.ended", solveId: SOLVE, attempt: 0, end: END },
  "solve.succeeded": { type: "solve.succeeded", solveId: SOLVE, launcher: "srun-pmix", atMs: 10 },
  "solve.failed": { type: "solve.failed", solveId: SOLVE, error: ERROR },
  "solve.reopened": { type: "solve.reopened", solveId: SOLVE, atMs: 11 },
  "actor.named": {
    type: "actor.named",
    record: {
      actorId: ACTOR,
      program: PROGRAM,
      actor: "embedder",
      options: {
        name: "e",
        getIfExists: false,
        lifetime: "detached",
        hosting: "shared",
        maxRestarts: 3,
        maxConcurrency: 1,
      },
      owner: { identity: "c-000000000001", process: "c".repeat(16) },
      pool: null,
    },
    args: { json: [{ model: "kmer" }] },
    atMs: 12,
  },
  "actor.placed": { type: "actor.placed", actorId: ACTOR, ...LIFE },
  "actor.ended": { type: "actor.ended", actorId: ACTOR, error: ERROR, gone: false, atMs: 13 },
  "actor.gone": { type: "actor.gone", actorId: ACTOR },
};
