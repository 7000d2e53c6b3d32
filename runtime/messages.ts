/**
 * What the frames between processes carry, one union a direction. Values are plain data; every
 * message from another process is checked by its schema before anything trusts it. Long because
 * it is the whole protocol in one place.
 */
import * as v from "valibot";
import {
  actorAddress,
  actorLife,
  actorOptions,
  actorRecord,
  poolSpec,
  poolLoad,
} from "./actor/messages.ts";
import { SystemError } from "./errors.ts";
import { canonicalJson } from "./ids.ts";
import { LIST_PAGE_MAX, SLOTS_MAX } from "./limits.ts";
import {
  className,
  count,
  epoch,
  errorData,
  hash,
  identity,
  processId,
  program,
  text,
} from "./bus/message-parts.ts";
import { demand } from "./resources/demand.ts";
import { gpuIndices, labels, resources } from "./resources/resources.ts";
import { isUri } from "./storage/uri.ts";
import { taskAbort, taskRecall, taskSaid, taskWork } from "./tasks/orders.ts";
import { taskCancel, taskEndsHeard, taskSubmit } from "./tasks/wire.ts";

export {
  actorAddress,
  actorOptions,
  actorRecord,
  actorState,
  actorView,
  actorEvent,
  poolSpec,
  poolLoad,
  poolView,
} from "./actor/messages.ts";
export type {
  ActorAddress,
  ActorLife,
  ActorOptions,
  ActorRecord,
  ActorState,
  ActorView,
  ActorEvent,
  PoolSpec,
  PoolLoad,
  PoolView,
} from "./actor/messages.ts";
export { errorData, program };
export type { Epoch, Owner, Program } from "./bus/message-parts.ts";

const jsonObject = v.record(v.string(), v.any());

const inputSpec = v.object({
  uri: text,
  sample: text,
  etag: text,
  bytes: count,
  /** The file with the second reads of pairs. */
  mate: v.exactOptional(v.object({ uri: text, etag: text, bytes: count })),
  /** Of pairs in one file: mate 1 and mate 2 by turns. */
  interleaved: v.exactOptional(v.literal(true)),
  /** Of FASTA, where its letters aren't to be told by themselves. */
  alphabet: v.exactOptional(v.picklist(["dna", "protein"])),
  /** What people call all rows of it; travels to the shards. */
  label: v.exactOptional(text),
});

/** What a dataset job is; its canonical JSON's sha256 is the job's id. Names no continuation. */
export const datasetSpec = v.object({
  schema: v.literal(1),
  runtimeVersion: text,
  program,
  source: v.object({ name: text, options: jsonObject, inputs: v.array(inputSpec) }),
  stage: v.object({
    actor: text,
    method: text,
    constructorArgs: v.array(v.any()),
    batchSize: count,
  }),
  sink: v.object({ kind: v.literal("parquet"), uri: v.pipe(text, v.check(isUri)) }),
  /** What becomes of records that are malformed or kill executors; absent: the job fails. */
  onBadRecord: v.optional(v.picklist(["quarantine", "skip"])),
  /** Set by `--fresh` and by callers who want equal specs to be distinct jobs. */
  idempotency: v.optional(text),
});
export type DatasetSpec = v.InferOutput<typeof datasetSpec>;

/** What happens at the seal; opaque to the runtime. */
export const continuation = v.object({ kind: text, spec: jsonObject });
export type Continuation = v.InferOutput<typeof continuation>;

/** A record that kills its executors: its position among those that a shard's source yields. */
const poisonRecord = v.object({ position: count, reason: text });
export type PoisonRecord = v.InferOutput<typeof poisonRecord>;

/** Records that a shard is made without; `number` counts the shard's exclusions from 1. */
export const exclusion = v.object({ number: count, records: v.array(poisonRecord) });
export type Exclusion = v.InferOutput<typeof exclusion>;

/** Records [first, first + records) of a shard, by position. */
const batchPlace = v.object({ first: count, records: count });
export type BatchPlace = v.InferOutput<typeof batchPlace>;

/** What a shard's task reports, and all of it but the digests stands in the shard's metadata. */
export const receipt = v.object({
  /** A name in the output folder, never a path: the manifest lists it. */
  file: v.pipe(v.string(), v.regex(/^part-[0-9a-f-]{1,64}\.parquet$/)),
  contentKey: hash,
  rows: count,
  bytes: count,
  crc32c: v.pipe(v.string(), v.regex(/^[0-9a-f]{8}$/)),
  sha256: hash,
  rowGroups: v.array(count),
  records: count,
  filtered: v.record(v.string(), count),
  quarantined: count,
  skipped: count,
  stage: v.object({
    name: text,
    sha256: hash,
    provider: text,
    variant: text,
    dimensions: count,
    metric: v.picklist(["l2", "cosine"]),
  }),
  endOfInput: v.optional(count),
  /** What its source met that isn't wrong enough to refuse: name -> count; absent: nothing. */
  warnings: v.optional(v.record(v.string(), count)),
  /** Records that were taken; left out where each gave one row. */
  passed: v.optional(count),
  /** The exclusion that it was made with. */
  exclusion: v.optional(exclusion),
  /** Its side file: the records that were put aside, as they stand in the input, and why. */
  quarantine: v.optional(
    v.object({
      file: v.pipe(v.string(), v.regex(/^quarantine-[0-9a-f-]{1,64}\.jsonl$/)),
      records: count,
      bytes: count,
      sha256: hash,
    }),
  ),
  /** Its other side file: what the source counted in its records, to be merged at the seal. */
  summary: v.optional(
    v.object({
      file: v.pipe(v.string(), v.regex(/^qc-[0-9a-f-]{1,64}\.lqc$/)),
      bytes: count,
      sha256: hash,
    }),
  ),
});
export type Receipt = v.InferOutput<typeof receipt>;

/** A file beside the shards that was made of what their source counted. */
const reportFile = v.object({
  file: v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/)),
  /** What it is: `fastp`, `sourmash`, `spectrum`, `warnings`, `html`. */
  kind: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{0,62}$/)),
  /** Left out of a file of all samples. */
  sample: v.exactOptional(text),
  bytes: count,
  sha256: hash,
});
export type ReportFile = v.InferOutput<typeof reportFile>;

/** What earlier attempts of a shard taught. */
const trial = {
  exclusion: v.optional(exclusion),
  /** How often its batches are cut in half, for want of memory. */
  halvings: v.optional(count),
  /** Milliseconds that one batch may take; 0 = any time. The agent's default unless given. */
  batchTimeoutMs: v.optional(count),
};

/** One thing an executor is to do. */
export const work = v.variant("kind", [
  v.object({ kind: v.literal("plan"), jobFolder: text, spec: datasetSpec }),
  v.object({
    kind: v.literal("shard"),
    jobId: hash,
    jobFolder: text,
    planSha256: hash,
    input: count,
    shard: count,
    ...trial,
  }),
  /**
   * The stage over records [first, first + records) of a shard alone, and nothing of it is kept:
   * does its executor live through them? Without `run`, only where they lie in the input.
   */
  v.object({
    kind: v.literal("probe"),
    jobId: hash,
    jobFolder: text,
    planSha256: hash,
    input: count,
    shard: count,
    first: count,
    records: count,
    run: v.boolean(),
    ...trial,
  }),
  /** Shards of which files stand though no receipt does: they are read, not made. */
  v.object({
    kind: v.literal("verify"),
    jobId: hash,
    jobFolder: text,
    planSha256: hash,
    /** Shards [from, to) of an input each. */
    ranges: v.array(v.object({ input: count, from: count, to: count })),
  }),
  /** Files that the source makes of what it counted in all shards, before the seal. */
  v.object({
    kind: v.literal("merge"),
    jobId: hash,
    jobFolder: text,
    planSha256: hash,
    /** A sample's inputs, and their shards; null: of all samples, once each has its files. */
    inputs: v.nullable(v.array(v.object({ input: count, shards: count }))),
  }),
  v.object({ kind: v.literal("drive"), argv: v.array(v.string()) }),
  /** The attempt's number is the actor's incarnation. */
  v.object({ kind: v.literal("host"), record: actorRecord }),
]);
export type Work = v.InferOutput<typeof work>;

/**
 * A try of some work. `task` names the work, `attempt` the try; both come back with the outcome.
 */
export const assignment = v.object({
  task: text,
  attempt: count,
  program,
  work,
  /** Which of its worker's GPUs it may use; for shards and probes it also means: run it at once. */
  gpus: v.exactOptional(gpuIndices),
});
export type Assignment = v.InferOutput<typeof assignment>;

/** Where a one-stream input ended: its records, and the shards they make. */
const inputEnd = v.object({ records: count, shards: count });

export const outcome = v.variant("kind", [
  v.object({ kind: v.literal("planned"), planSha256: hash, shards: v.array(v.nullable(count)) }),
  v.object({
    kind: v.literal("committed"),
    receipt,
    end: v.nullable(inputEnd),
    /** Another variant, or other bytes of a stage that may give such, stood there first. */
    outdone: v.optional(v.boolean()),
  }),
  v.object({ kind: v.literal("past-end"), end: inputEnd }),
  /** What stands of the ranges, and what stands and can't be taken; the rest has to be made. */
  v.object({
    kind: v.literal("verified"),
    found: v.array(v.object({ input: count, shard: count, receipt, end: v.nullable(inputEnd) })),
    damaged: v.array(v.object({ input: count, shard: count, what: text })),
  }),
  /** Files that stand now. */
  v.object({ kind: v.literal("merged"), reports: v.array(reportFile) }),
  v.object({ kind: v.literal("returned"), value: v.custom<unknown>(isJson) }),
  v.object({ kind: v.literal("hosted"), address: actorAddress }),
  /** The executor lived through a probe; places of its records where they were asked for. */
  v.object({
    kind: v.literal("probed"),
    places: v.array(v.object({ position: count, record: count, byteOffset: v.optional(count) })),
  }),
  v.object({
    kind: v.literal("failed"),
    error: errorData,
    /** The records that the stage was at, when its executor died or had no memory for them. */
    batch: v.optional(batchPlace),
  }),
]);
export type Outcome = v.InferOutput<typeof outcome>;

/** Head to worker. */
export const command = v.object({
  epoch,
  /** Number of this command among the leader's commands to this worker; from 1. */
  sequence: count,
  /** `number` of the last report of this worker's process that this leader has received, or 0. */
  heard: count,
  assign: v.array(assignment),
  cancel: v.array(text),
  /** Results the head has made durable; the worker forgets them. */
  ack: v.array(v.object({ task: text, attempt: count })),
  /** Lives to end, at once. */
  end: v.array(actorLife),
  /** Ends the head has taken note of; the worker forgets them. */
  endSeen: v.array(actorLife),
  /** Output of an actor's executor that somebody wants: the agent sends it to them by itself. */
  logs: v.array(
    v.object({
      to: identity,
      process: processId,
      /** The caller's own number for it. */
      request: count,
      actorId: text,
      follow: v.boolean(),
    }),
  ),
  /** Say all actors again, from the first page: one was lost. */
  announce: v.optional(v.boolean()),
  /** Processes that are no more: nothing of their objects is to be left. */
  endJobs: v.exactOptional(v.array(processId)),
});
export type Command = v.InferOutput<typeof command>;

const done = v.object({ task: text, attempt: count, outcome });
export type Done = v.InferOutput<typeof done>;

/** Worker to head: said whole every time, so that a lost one costs only time. */
export const report = v.object({
  process: processId,
  /** Rising from report to report of this process. No two processes begin with the same number. */
  number: count,
  host: text,
  /** What it has for work, as its operator or its machine says; unless given, a cpu a slot. */
  resources: v.exactOptional(resources),
  labels: v.exactOptional(labels),
  /** Shards that may run at once. */
  slots: v.pipe(count, v.maxValue(SLOTS_MAX)),
  /** Executors that are an actor's own: their assignments are done, they aren't free. */
  hosting: count,
  /** Actors in executors that they share. */
  sharing: count,
  /** To a new leader, a page a report: the actors that live there. */
  actors: v.array(
    v.object({
      record: actorRecord,
      address: actorAddress,
      gpus: v.exactOptional(gpuIndices),
    }),
  ),
  /** Whether this leader has been told all of them. */
  announced: v.boolean(),
  /** Lives that ended by themselves or with their executor, until the head has seen it. */
  ended: v.array(v.object({ actorId: text, incarnation: count, error: errorData })),
  /** Living executors: owners of actors may be among them. */
  processes: v.array(processId),
  /** The highest end of the log that a beacon has told of: a shorter log has lost some. */
  tail: v.optional(count),
  /** The last command seen: what it assigned and isn't held or done below was lost. */
  seen: v.object({ epoch: count, sequence: count }),
  /** Executors that die before they are ready, one after the other. */
  trouble: v.optional(v.object({ crashes: count, reason: v.string() })),
  /** Processes that have objects here, whose ends are these objects'. */
  objectJobs: v.exactOptional(v.array(processId)),
  /** Assignments held and not finished. */
  held: v.array(
    v.object({
      ...{ task: text, attempt: count },
      ...{ gpus: v.exactOptional(gpuIndices), resources: v.exactOptional(resources) },
    }),
  ),
  /** Finished and not acknowledged. */
  done: v.array(done),
});
export type Report = v.InferOutput<typeof report>;

/** Head to all, every 250 ms. */
export const beacon = v.object({ epoch, tail: count, head: text });
export type Beacon = v.InferOutput<typeof beacon>;

/** What a client asks of the head. */
export const apiRequest = v.variant("op", [
  v.object({ op: v.literal("submit-program"), program, argv: v.array(v.string()) }),
  v.object({
    op: v.literal("submit-dataset"),
    spec: datasetSpec,
    continuation: v.nullable(continuation),
    /** Milliseconds that one batch may take; no part of what the job is. */
    batchTimeoutMs: v.optional(count),
    /** Unless given, as it was. */
    demand: v.exactOptional(demand),
  }),
  /** A continuation's work for a sealed set that no dataset here made: its spec is the head's. */
  v.object({ op: v.literal("solve"), manifest: text, manifestSha256: hash, spec: jsonObject }),
  v.object({ op: v.literal("solve-cancel"), solveId: hash }),
  v.object({ op: v.literal("status") }),
  /** All that is known of one job: see `jobView` of the client. */
  v.object({ op: v.literal("job"), jobId: hash }),
  v.object({ op: v.literal("result"), jobId: hash }),
  v.object({ op: v.literal("cancel"), jobId: hash }),
  /** Answered with its view once it lives, or with why it can't. */
  v.object({
    op: v.literal("spawn"),
    program,
    actor: className,
    args: v.array(v.any()),
    options: actorOptions,
  }),
  /** Answered with a view once a life after `after` answers, or the actor is dead for good. */
  v.object({ op: v.literal("locate"), actorId: text, after: count }),
  /** The actor of a name. */
  v.object({ op: v.literal("actor"), name: text }),
  /** Ends this life, and all others unless it may start again; answered when it is over. */
  v.object({ op: v.literal("kill"), actorId: text, restart: v.boolean() }),
  /** Its process is there: what it owns lives on. Every CLIENT_ALIVE_MS. */
  v.object({ op: v.literal("alive") }),
  /** Its process ends: what it owns may end now. */
  v.object({ op: v.literal("leave") }),
  /** Answered with the pool's view at once. */
  v.object({ op: v.literal("pool-open"), spec: poolSpec }),
  v.object({ op: v.literal("pool-load"), poolId: text, load: poolLoad }),
  v.object({ op: v.literal("pool-close"), poolId: text }),
  taskSubmit,
  taskCancel,
  taskEndsHeard,
  /** A worker gets no new task while it is drained; what it holds unstarted goes elsewhere. */
  v.object({ op: v.literal("drain"), worker: identity, on: v.boolean() }),
  /** How many tasks or actors there are, by name and state. */
  v.object({ op: v.literal("summary"), what: v.picklist(["tasks", "actors"]) }),
  /** A page of what there is, filtered first. */
  v.object({
    op: v.literal("list"),
    what: v.picklist(["actors", "pools", "tasks", "nodes"]),
    filter: v.record(v.string(), v.string()),
    after: v.nullable(text),
    limit: v.pipe(count, v.minValue(1), v.maxValue(LIST_PAGE_MAX)),
  }),
  /** Why an actor, a task or a job is where and how it is: by name or id. */
  v.object({ op: v.literal("explain"), what: v.picklist(["actor", "task", "job"]), name: text }),
  /** Actor events after a number; answered at once, perhaps with none. */
  v.object({ op: v.literal("events"), after: count, limit: count }),
  /** The executor's output, sent by its agent as `agentSays`; answered when that was asked for. */
  v.object({ op: v.literal("logs"), actorId: text, request: count, follow: v.boolean() }),
  v.object({ op: v.literal("digest") }),
]);
export type ApiRequest = v.InferOutput<typeof apiRequest>;

/** Frames between a client's process and the head: a request, its reply. */
export const apiCall = v.object({ id: count, request: apiRequest });
/** `epoch` is the leader's: an answer of an earlier one than the last heard is none. */
export const apiReply = v.variant("kind", [
  v.object({ kind: v.literal("ok"), id: count, epoch: v.optional(count), value: v.any() }),
  v.object({ kind: v.literal("error"), id: count, epoch: v.optional(count), error: errorData }),
]);
export type ApiReply = v.InferOutput<typeof apiReply>;

/**
 * From an agent in its own name, outside of links: output of an executor that was asked for. Texts
 * are whole lines; the last message of a request says `end`.
 */
export const agentSays = v.object({
  op: v.literal("log"),
  request: count,
  stream: v.picklist(["stdout", "stderr"]),
  text: v.string(),
  end: v.boolean(),
});
export type AgentSays = v.InferOutput<typeof agentSays>;

/** Agent to executor. */
export const executorOrder = v.variant("op", [
  v.object({ op: v.literal("run"), assignment }),
  v.object({ op: v.literal("cancel"), task: text }),
  /** An actor that shares this executor ends. */
  v.object({ op: v.literal("end"), actorId: text, incarnation: count }),
  /** From this time of `bootMs` on, named actors may go on for NAMED_LEASE_MS. */
  v.object({ op: v.literal("lease"), fromMs: v.number() }),
  taskWork,
  taskRecall,
  taskAbort,
]);
export type ExecutorOrder = v.InferOutput<typeof executorOrder>;

/** Executor to agent. */
export const executorSays = v.variant("op", [
  /** The first frame; its source is the executor's process. */
  v.object({ op: v.literal("hello"), pid: count, token: text }),
  v.object({ op: v.literal("done"), done }),
  /** An actor of it ended while the executor goes on. */
  v.object({ op: v.literal("ended"), actorId: text, incarnation: count, error: errorData }),
  /**
   * A process elsewhere that this executor is about to send frames to, and whose agent hosts it.
   */
  v.object({ op: v.literal("route"), process: processId, identity }),
  taskSaid,
]);
export type ExecutorSays = v.InferOutput<typeof executorSays>;

/** Whether a value becomes a fact as it is: the log holds JSON. */
function isJson(value: unknown): boolean {
  try {
    canonicalJson(value);
    return true;
  } catch {
    return false;
  }
}

/** A received value in its shape. @throws {SystemError} FRAME_INVALID naming what is off. */
export function parseMessage<Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const path = v.getDotPath(issue) ?? "message";
  throw new SystemError("FRAME_INVALID", `${path}: ${issue.message}`);
}
