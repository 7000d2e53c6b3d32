/**
 * Pure core. Facts, and the durable state that `apply` makes of them: the only thing that changes
 * it, and all that replay of the log runs. A fact's shape never changes: a new need is a new fact.
 */
import type { ErrorData } from "../../runtime/errors.ts";
import type {
  ActorRecord,
  Continuation,
  DatasetSpec,
  PoisonRecord,
  Program,
  Receipt,
} from "../../runtime/messages.ts";

import type { Demand } from "../../runtime/resources/demand.ts";
import type { Trial } from "./poison/trial.ts";

/** A named actor's record as the log holds it. */
export type NamedRecord = Omit<ActorRecord, "args">;

/** Arguments in the log: as they are, or a frame in base64 where JSON would lose some. */
export type StoredArgs = { readonly json: readonly unknown[] } | { readonly frame: string };

/** Where a life of a named actor was sent. */
export interface PlacedLife {
  readonly incarnation: number;
  readonly restarts: number;
  readonly worker: string;
  /** The worker's own process and machine. */
  readonly process: string;
  readonly host: string;
}

/** How one slurm job of a solve ended, as far as Slurm and the wrapper's record tell. */
export interface AttemptEnd {
  /**
   * Slurm's word (COMPLETED, FAILED, CANCELLED, TIMEOUT, ...), LOST when its Slurm is gone, or
   * FORGOTTEN when its Slurm is there and knows nothing of it.
   */
  readonly state: string;
  readonly exitCode: number | null;
  readonly reason: string;
}

export type Fact =
  | { readonly type: "epoch"; readonly number: number; readonly leader: string }
  | {
      readonly type: "program.submitted";
      readonly jobId: string;
      readonly program: Program;
      readonly argv: readonly string[];
      readonly atMs: number;
    }
  | { readonly type: "program.returned"; readonly jobId: string; readonly value: unknown }
  | { readonly type: "program.failed"; readonly jobId: string; readonly error: ErrorData }
  | {
      readonly type: "dataset.submitted";
      readonly jobId: string;
      readonly spec: DatasetSpec;
      readonly atMs: number;
    }
  /** Null stands for an input whose number of shards is found on the way. */
  | {
      readonly type: "dataset.planned";
      readonly jobId: string;
      readonly planSha256: string;
      readonly shards: readonly (number | null)[];
    }
  | {
      readonly type: "input.ended";
      readonly jobId: string;
      readonly input: number;
      readonly records: number;
      readonly shards: number;
    }
  | {
      readonly type: "shard.committed";
      readonly jobId: string;
      readonly input: number;
      readonly shard: number;
      readonly receipt: Receipt;
    }
  /** The file of a receipt doesn't stand any more: the shard is made again. */
  | {
      readonly type: "shard.lost";
      readonly jobId: string;
      readonly input: number;
      readonly shard: number;
    }
  | {
      readonly type: "dataset.sealed";
      readonly jobId: string;
      readonly manifestSha256: string;
      readonly atMs: number;
    }
  | { readonly type: "dataset.failed"; readonly jobId: string; readonly error: ErrorData }
  /** A batch of a shard, records [first, first + records), killed two executors. */
  | {
      readonly type: "shard.suspected";
      readonly jobId: string;
      readonly input: number;
      readonly shard: number;
      readonly first: number;
      readonly records: number;
      readonly reason: string;
    }
  /** What an executor made of a part of it alone: `died` is what it died of, null when it lived. */
  | {
      readonly type: "shard.probed";
      readonly jobId: string;
      readonly input: number;
      readonly shard: number;
      readonly first: number;
      readonly records: number;
      readonly died: string | null;
    }
  /** No record of the batch kills by itself: the shard has another attempt. */
  | {
      readonly type: "shard.acquitted";
      readonly jobId: string;
      readonly input: number;
      readonly shard: number;
    }
  /** From now on the shard is made without these records; all of them, earlier ones included. */
  | {
      readonly type: "shard.excluded";
      readonly jobId: string;
      readonly input: number;
      readonly shard: number;
      readonly number: number;
      readonly records: readonly PoisonRecord[];
    }
  /** From now on the shard's batches are cut in half so often, for want of memory. */
  | {
      readonly type: "shard.halved";
      readonly jobId: string;
      readonly input: number;
      readonly shard: number;
      readonly halvings: number;
    }
  /** What one batch of the job may take from now on, whatever its shards. */
  | {
      readonly type: "dataset.limited";
      readonly jobId: string;
      readonly batchTimeoutMs: number;
    }
  /** How the job's shards are to be made from now on. */
  | { readonly type: "dataset.demanded"; readonly jobId: string; readonly demand: Demand }
  /** A failed job was submitted again: its receipts stand, its shards get new attempts. */
  | { readonly type: "dataset.reopened"; readonly jobId: string; readonly atMs: number }
  | {
      readonly type: "continuation.added";
      readonly jobId: string;
      readonly continuation: Continuation;
    }
  | {
      readonly type: "solve.requested";
      readonly solveId: string;
      readonly jobId: string;
      readonly spec: Continuation["spec"];
      readonly atMs: number;
    }
  /** A solve of a sealed set that no dataset of this log made. */
  | {
      readonly type: "solve.asked";
      readonly solveId: string;
      /** Absolute path of the set's manifest, and the sha256 of its bytes. */
      readonly manifest: string;
      readonly manifestSha256: string;
      readonly spec: Continuation["spec"];
      readonly atMs: number;
    }
  /** Asked for again with other resources or another output: its next attempts have these. */
  | {
      readonly type: "solve.respecified";
      readonly solveId: string;
      readonly spec: Continuation["spec"];
    }
  /** The intent: durable before sbatch. */
  | {
      readonly type: "solve.attempted";
      readonly solveId: string;
      readonly attempt: number;
      readonly name: string;
      readonly clusterName: string;
    }
  /** The id: durable before the release. */
  | {
      readonly type: "solve.submitted";
      readonly solveId: string;
      readonly attempt: number;
      readonly slurmJobId: string;
    }
  | {
      readonly type: "solve.ended";
      readonly solveId: string;
      readonly attempt: number;
      readonly end: AttemptEnd;
    }
  | {
      readonly type: "solve.succeeded";
      readonly solveId: string;
      readonly launcher: string;
      readonly atMs: number;
    }
  | { readonly type: "solve.failed"; readonly solveId: string; readonly error: ErrorData }
  | { readonly type: "solve.reopened"; readonly solveId: string; readonly atMs: number }
  /** Somebody wants it to end: whoever leads sees to it. */
  | { readonly type: "solve.cancel-asked"; readonly solveId: string; readonly atMs: number }
  /** The intent: durable before a named actor's first life, and its promise to be unique. */
  | {
      readonly type: "actor.named";
      readonly record: NamedRecord;
      readonly args: StoredArgs;
      readonly atMs: number;
    }
  /** Durable before this life's assignment leaves: a later leader knows whom to wait for. */
  | ({ readonly type: "actor.placed"; readonly actorId: string } & PlacedLife)
  /** Dead for good. Unless `gone`, its last life may still be there, and its name waits. */
  | {
      readonly type: "actor.ended";
      readonly actorId: string;
      readonly error: ErrorData;
      readonly gone: boolean;
      readonly atMs: number;
    }
  | { readonly type: "actor.gone"; readonly actorId: string };

export type ProgramState =
  | { readonly kind: "running" }
  | { readonly kind: "returned"; readonly value: unknown }
  | { readonly kind: "failed"; readonly error: ErrorData };

export interface ProgramJob {
  readonly kind: "program";
  readonly id: string;
  readonly program: Program;
  readonly argv: readonly string[];
  readonly atMs: number;
  state: ProgramState;
}

export type DatasetState =
  | { readonly kind: "planning" }
  | { readonly kind: "running" }
  | { readonly kind: "sealed"; readonly manifestSha256: string; readonly atMs: number }
  | { readonly kind: "failed"; readonly error: ErrorData };

export interface InputProgress {
  /** Shards of this input; null until a rule input's end was found. */
  shards: number | null;
  /** Receipt by shard number; every key < shards once that is known. */
  readonly receipts: Map<number, Receipt>;
}

export interface DatasetJob {
  readonly kind: "dataset";
  readonly id: string;
  readonly spec: DatasetSpec;
  atMs: number;
  state: DatasetState;
  planSha256: string | null;
  /** One per input of the spec once planned. */
  inputs: InputProgress[];
  /** Continuations asked for, in order, without repeats. */
  readonly continuations: Continuation[];
  readonly solves: string[];
  /** Shards that had trouble, by `trialKey`; left out while none had. */
  trials?: Map<string, Trial>;
  /** Left out unless somebody set it. */
  batchTimeoutMs?: number;
  /** Left out unless somebody asked for something. */
  demand?: Demand;
}

export type SolveState =
  /** Waits for Slurm or between two attempts. */
  | { readonly kind: "requested" }
  | {
      readonly kind: "attempted";
      readonly attempt: number;
      readonly name: string;
      readonly clusterName: string;
    }
  | {
      readonly kind: "submitted";
      readonly attempt: number;
      readonly name: string;
      readonly clusterName: string;
      readonly slurmJobId: string;
    }
  | { readonly kind: "succeeded"; readonly launcher: string; readonly atMs: number }
  | { readonly kind: "failed"; readonly error: ErrorData };

export interface SolveRecord {
  readonly id: string;
  /** The dataset's; empty for a solve that was asked for by itself. */
  readonly jobId: string;
  /** Of a solve that was asked for by itself. */
  readonly manifest?: { readonly path: string; readonly sha256: string };
  spec: Continuation["spec"];
  atMs: number;
  state: SolveState;
  /** Attempts made, ever; the next one's number. */
  attempts: number;
  /** Attempts since the last request that ended for a reason worth repeating. */
  retries: number;
  /** Somebody wants it to end; absent otherwise. */
  cancelAsked?: true;
  last: { readonly slurmJobId: string; readonly end: AttemptEnd } | null;
}

/** A named actor that isn't dead, or whose last life may still be there. */
export interface NamedActor {
  readonly record: NamedRecord;
  readonly args: StoredArgs;
  readonly atMs: number;
  /** Its last life; null before the first. */
  placed: PlacedLife | null;
  ended: ErrorData | null;
}

/** Everything durable that a head knows. */
export interface DurableState {
  epoch: { number: number; leader: string };
  /** Facts applied, ever. */
  facts: number;
  readonly programs: Map<string, ProgramJob>;
  readonly datasets: Map<string, DatasetJob>;
  readonly solves: Map<string, SolveRecord>;
  /** Named actors, by id. */
  readonly actors: Map<string, NamedActor>;
}

export function emptyState(): DurableState {
  return {
    epoch: { number: 0, leader: "" },
    facts: 0,
    programs: new Map(),
    datasets: new Map(),
    solves: new Map(),
    actors: new Map(),
  };
}

/** One JSON-able value of the durable state, for digests, tests and people. */
export function stateSnapshot(state: DurableState): unknown {
  const datasets = [...state.datasets.values()].map((job) => ({
    ...job,
    inputs: job.inputs.map(({ shards, receipts }) => ({
      shards,
      receipts: [...receipts].sort(([a], [b]) => a - b),
    })),
    ...(job.trials === undefined ? {} : { trials: Object.fromEntries(job.trials) }),
  }));
  return {
    epoch: state.epoch,
    facts: state.facts,
    programs: [...state.programs.values()],
    datasets,
    solves: [...state.solves.values()],
    // A log without named actors gives the value it always gave.
    ...(state.actors.size === 0 ? {} : { actors: [...state.actors.values()] }),
  };
}
