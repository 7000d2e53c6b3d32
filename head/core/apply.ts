/**
 * Pure core. `apply(state, fact)`: durable state after one more fact. It decides nothing and
 * refuses nothing that a leader wrote; a fact about something unknown is a damaged log.
 */
import { SystemError } from "../../runtime/errors.ts";
import { applyToTrial, reopenTrials } from "./poison/trial.ts";
import type { DatasetJob, DurableState, Fact, ProgramJob, SolveRecord } from "./facts.ts";

/** @throws {SystemError} LOG_CORRUPT for a fact about a job, solve or actor that no fact made. */
export function apply(state: DurableState, fact: Fact): void {
  state.facts += 1;
  switch (fact.type) {
    case "epoch":
      state.epoch = { number: fact.number, leader: fact.leader };
      return;
    case "program.submitted":
    case "program.returned":
    case "program.failed":
      applyToProgram(state, fact);
      return;
    case "dataset.submitted":
    case "dataset.planned":
    case "dataset.sealed":
    case "dataset.failed":
    case "dataset.reopened":
    case "dataset.limited":
    case "dataset.demanded":
    case "continuation.added":
      applyToDataset(state, fact);
      return;
    case "input.ended":
    case "shard.committed":
    case "shard.lost":
      applyToInput(state, fact);
      return;
    case "shard.suspected":
    case "shard.probed":
    case "shard.acquitted":
    case "shard.excluded":
    case "shard.halved":
      applyToTrial(known(state.datasets.get(fact.jobId), fact.jobId), fact);
      return;
    case "solve.requested":
    case "solve.asked":
    case "solve.respecified":
    case "solve.attempted":
    case "solve.submitted":
    case "solve.ended":
    case "solve.succeeded":
    case "solve.failed":
    case "solve.reopened":
    case "solve.cancel-asked":
      applyToSolve(state, fact);
      return;
    case "actor.named":
    case "actor.placed":
    case "actor.ended":
    case "actor.gone":
      applyToActor(state, fact);
      return;
    default:
      fact satisfies never;
  }
}

type FactOf<Type extends Fact["type"]> = Extract<Fact, { type: Type }>;

function applyToProgram(
  state: DurableState,
  fact: FactOf<"program.submitted" | "program.returned" | "program.failed">,
): void {
  if (fact.type === "program.submitted") {
    const { jobId: id, program, argv, atMs } = fact;
    const job: ProgramJob = {
      kind: "program",
      id,
      program,
      argv,
      atMs,
      state: { kind: "running" },
    };
    state.programs.set(id, job);
    return;
  }
  const job = known(state.programs.get(fact.jobId), fact.jobId);
  job.state =
    fact.type === "program.returned"
      ? { kind: "returned", value: fact.value }
      : { kind: "failed", error: fact.error };
}

function applyToDataset(
  state: DurableState,
  fact: FactOf<
    | "dataset.submitted"
    | "dataset.planned"
    | "dataset.sealed"
    | "dataset.failed"
    | "dataset.reopened"
    | "dataset.limited"
    | "dataset.demanded"
    | "continuation.added"
  >,
): void {
  if (fact.type === "dataset.submitted") {
    state.datasets.set(fact.jobId, newDataset(fact));
    return;
  }
  const job = known(state.datasets.get(fact.jobId), fact.jobId);
  switch (fact.type) {
    case "dataset.planned":
      job.planSha256 = fact.planSha256;
      job.inputs = fact.shards.map((shards) => ({ shards, receipts: new Map() }));
      job.state = { kind: "running" };
      return;
    case "dataset.sealed":
      job.state = { kind: "sealed", manifestSha256: fact.manifestSha256, atMs: fact.atMs };
      return;
    case "dataset.failed":
      job.state = { kind: "failed", error: fact.error };
      return;
    case "dataset.reopened":
      job.state = { kind: job.planSha256 === null ? "planning" : "running" };
      job.atMs = fact.atMs;
      reopenTrials(job);
      return;
    case "dataset.limited":
      job.batchTimeoutMs = fact.batchTimeoutMs;
      return;
    case "dataset.demanded":
      job.demand = fact.demand;
      return;
    case "continuation.added":
      job.continuations.push(fact.continuation);
      return;
    default:
      fact satisfies never;
  }
}

function newDataset(fact: FactOf<"dataset.submitted">): DatasetJob {
  return {
    kind: "dataset",
    id: fact.jobId,
    spec: fact.spec,
    atMs: fact.atMs,
    state: { kind: "planning" },
    planSha256: null,
    inputs: [],
    continuations: [],
    solves: [],
  };
}

function applyToInput(
  state: DurableState,
  fact: FactOf<"input.ended" | "shard.committed" | "shard.lost">,
): void {
  const job = known(state.datasets.get(fact.jobId), fact.jobId);
  const input = known(job.inputs[fact.input], `${fact.jobId} input ${fact.input}`);
  if (fact.type === "input.ended") input.shards = fact.shards;
  else if (fact.type === "shard.lost") input.receipts.delete(fact.shard);
  else input.receipts.set(fact.shard, fact.receipt);
}

function applyToSolve(
  state: DurableState,
  fact: FactOf<
    | "solve.requested"
    | "solve.asked"
    | "solve.respecified"
    | "solve.attempted"
    | "solve.submitted"
    | "solve.ended"
    | "solve.succeeded"
    | "solve.failed"
    | "solve.reopened"
    | "solve.cancel-asked"
  >,
): void {
  if (fact.type === "solve.requested") {
    state.solves.set(fact.solveId, newSolve(fact));
    known(state.datasets.get(fact.jobId), fact.jobId).solves.push(fact.solveId);
    return;
  }
  if (fact.type === "solve.asked") {
    const { manifest: path, manifestSha256: sha256, ...asked } = fact;
    const solve = newSolve({ ...asked, type: "solve.requested", jobId: "" });
    state.solves.set(fact.solveId, { ...solve, manifest: { path, sha256 } });
    return;
  }
  const solve = known(state.solves.get(fact.solveId), fact.solveId);
  switch (fact.type) {
    case "solve.respecified":
      solve.spec = fact.spec;
      return;
    case "solve.attempted": {
      const { attempt, name, clusterName } = fact;
      solve.attempts = attempt + 1;
      solve.state = { kind: "attempted", attempt, name, clusterName };
      return;
    }
    case "solve.submitted":
      if (solve.state.kind !== "attempted") throw corrupt(fact.solveId);
      solve.state = { ...solve.state, kind: "submitted", slurmJobId: fact.slurmJobId };
      return;
    case "solve.ended":
      endAttempt(solve, fact);
      return;
    case "solve.succeeded":
      solve.state = { kind: "succeeded", launcher: fact.launcher, atMs: fact.atMs };
      return;
    case "solve.failed":
      solve.state = { kind: "failed", error: fact.error };
      return;
    case "solve.reopened":
      solve.state = { kind: "requested" };
      solve.retries = 0;
      solve.atMs = fact.atMs;
      delete solve.cancelAsked;
      return;
    case "solve.cancel-asked":
      solve.cancelAsked = true;
      return;
    default:
      fact satisfies never;
  }
}

function newSolve(fact: FactOf<"solve.requested">): SolveRecord {
  const { solveId: id, jobId, spec, atMs } = fact;
  const state = { kind: "requested" } as const;
  return { id, jobId, spec, atMs, state, attempts: 0, retries: 0, last: null };
}

function endAttempt(solve: SolveRecord, fact: FactOf<"solve.ended">): void {
  const slurmJobId = solve.state.kind === "submitted" ? solve.state.slurmJobId : "";
  solve.last = { slurmJobId, end: fact.end };
  // An attempt that went with its Slurm or its cluster is nobody's failure and costs no retry.
  if (fact.end.state !== "LOST" && fact.end.state !== "RECALLED") solve.retries += 1;
  solve.state = { kind: "requested" };
}

function applyToActor(
  state: DurableState,
  fact: FactOf<"actor.named" | "actor.placed" | "actor.ended" | "actor.gone">,
): void {
  if (fact.type === "actor.named") {
    const { record, args, atMs } = fact;
    state.actors.set(record.actorId, { record, args, atMs, placed: null, ended: null });
    return;
  }
  const { actorId } = fact;
  const actor = known(state.actors.get(actorId), `actor ${actorId}`);
  switch (fact.type) {
    case "actor.placed": {
      const { incarnation, restarts, worker, process, host } = fact;
      actor.placed = { incarnation, restarts, worker, process, host };
      return;
    }
    case "actor.ended":
      if (fact.gone) state.actors.delete(actorId);
      else actor.ended = fact.error;
      return;
    case "actor.gone":
      state.actors.delete(actorId);
      return;
    default:
      fact satisfies never;
  }
}

function known<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw corrupt(what);
  return value;
}

function corrupt(what: string): SystemError {
  return new SystemError("LOG_CORRUPT", `a fact speaks of ${what}, which no fact made`);
}
