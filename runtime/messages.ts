/**
 * What the frames between processes carry, one union a direction. Values are plain data; every
 * message from another process is checked by its schema before anything trusts it. Long because
 * it is the whole protocol in one place.
 */
import * as v from "valibot";
import { isIdentity } from "./bus/subjects.ts";
import { ERRORS, type ErrorCode, type ErrorData, SystemError } from "./errors.ts";
import { canonicalJson } from "./ids.ts";
import { CONCURRENCY_MAX, LIST_PAGE_MAX, POOL_MEMBERS_MAX, SLOTS_MAX } from "./limits.ts";
import { isUri } from "./storage/uri.ts";

const text = v.pipe(v.string(), v.maxLength(4096));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const processId = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
/** Becomes part of a subject: nothing else may stand in it. */
const identity = v.pipe(
  v.string(),
  v.check((value) => isIdentity(value)),
);
const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const errorCode = v.custom<ErrorCode>(
  // `String(value)` would run what came, and take ["INTERNAL"] for "INTERNAL".
  (value) => typeof value === "string" && Object.hasOwn(ERRORS, value),
);
export const errorData = v.object({
  code: errorCode,
  what: v.string(),
  where: v.record(v.string(), v.union([v.string(), v.number()])),
}) as v.GenericSchema<unknown, ErrorData>;

/** One leader's reign. Workers refuse a lower number, or an equal one with another uuid. */
const epoch = v.object({ number: count, leader: text });
export type Epoch = v.InferOutput<typeof epoch>;

/** A module that exports actors and main, by URL and the sha256 of its bytes. */
export const program = v.object({ url: text, sha256: hash });
export type Program = v.InferOutput<typeof program>;

/** A class as `actor()` names it: short and plain, because pages of them are shown to people. */
const className = v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{0,62}$/));

const jsonObject = v.record(v.string(), v.any());

const inputSpec = v.object({ uri: text, sample: text, etag: text, bytes: count });

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
});
export type Receipt = v.InferOutput<typeof receipt>;

/** Where a hosted actor answers: through its worker's agent, or on one machine by its socket. */
export const actorAddress = v.object({
  worker: identity,
  process: processId,
  /** Of the executor, on `host`: who stands beside it can see whether it is stopped. */
  pid: count,
  actorId: text,
  /** Which life of the actor this is; from 0. */
  incarnation: count,
  host: text,
  socket: text,
  /** Opens the executor's socket to callers; the executor's own hello has another secret. */
  token: text,
});
export type ActorAddress = v.InferOutput<typeof actorAddress>;

/** One life of one actor. */
const actorLife = v.object({ actorId: text, incarnation: count });
export type ActorLife = v.InferOutput<typeof actorLife>;

/** How an actor is to live; every field is said. */
export const actorOptions = v.object({
  /** Unique in the cluster while the actor isn't dead. */
  name: v.nullable(v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/))),
  /** With a name: the living actor of that name and class instead of NAME_TAKEN. */
  getIfExists: v.boolean(),
  /** `owned`: ends with the process that spawned it. `detached` needs a name. */
  lifetime: v.picklist(["owned", "detached"]),
  /** `process`: an executor to itself. `shared`: with others of its program, for light ones. */
  hosting: v.picklist(["process", "shared"]),
  /** Lives after the first one. */
  maxRestarts: count,
  /** Calls of it that run at once. */
  maxConcurrency: v.pipe(count, v.minValue(1), v.maxValue(CONCURRENCY_MAX)),
});
export type ActorOptions = v.InferOutput<typeof actorOptions>;

/** Whose actor it is: a client's or a driver's process. */
const owner = v.object({ identity: text, process: processId });
export type Owner = v.InferOutput<typeof owner>;

/** What it takes to start an actor again; its worker remembers it for heads to come. */
export const actorRecord = v.object({
  actorId: text,
  program,
  actor: text,
  args: v.array(v.any()),
  options: actorOptions,
  owner,
  /** The pool it is a member of. */
  pool: v.nullable(text),
});
export type ActorRecord = v.InferOutput<typeof actorRecord>;

/** pending: waits for a worker; starting: its constructor runs; restarting: between two lives. */
export const actorState = v.picklist(["pending", "starting", "alive", "restarting", "dead"]);
export type ActorState = v.InferOutput<typeof actorState>;

/** An actor as the head knows it: what spawn, locate, actor and list answer. */
export const actorView = v.object({
  actorId: text,
  incarnation: count,
  actor: text,
  name: v.nullable(text),
  state: actorState,
  lifetime: v.picklist(["owned", "detached"]),
  hosting: v.picklist(["process", "shared"]),
  pool: v.nullable(text),
  owner,
  maxRestarts: count,
  restarts: count,
  /** Its worker, and where it answers while it is alive. */
  worker: v.nullable(text),
  address: v.nullable(actorAddress),
  /** Why it is dead or restarting. */
  error: v.nullable(errorData),
  /** When it entered its state, ms since 1970. */
  sinceMs: v.number(),
});
export type ActorView = v.InferOutput<typeof actorView>;

/** Something that happened to an actor. */
export const actorEvent = v.object({
  /** Numbers rise under one leader. */
  sequence: count,
  atMs: v.number(),
  actorId: text,
  incarnation: count,
  name: v.nullable(text),
  state: actorState,
  error: v.nullable(errorData),
});
export type ActorEvent = v.InferOutput<typeof actorEvent>;

/** Actors of one class that calls are spread over. */
export const poolSpec = v.object({
  /** A pool that an earlier leader knew: it goes on with the members that are announced. */
  poolId: v.optional(v.pipe(v.string(), v.regex(/^[0-9a-f]{24}$/))),
  program,
  actor: className,
  args: v.array(v.any()),
  size: v.object({ min: count, max: v.pipe(count, v.minValue(1), v.maxValue(POOL_MEMBERS_MAX)) }),
  options: actorOptions,
});
export type PoolSpec = v.InferOutput<typeof poolSpec>;

/** What a client measures of its use of a pool since its last report. */
export const poolLoad = v.object({
  /** Calls that wait at the client, and calls under way at members. */
  backlog: count,
  inFlight: count,
  /** Calls answered, and the members' busy milliseconds for them. */
  answered: count,
  busyMs: v.pipe(v.number(), v.finite(), v.minValue(0)),
});
export type PoolLoad = v.InferOutput<typeof poolLoad>;

/** What a report of load is answered with. Members to drain get no new call. */
export const poolView = v.object({
  poolId: text,
  actor: text,
  owner,
  size: v.object({ min: count, max: count }),
  wanted: count,
  members: v.array(actorView),
  draining: v.array(text),
  /** Why it has the size it has, in words. */
  reason: text,
});
export type PoolView = v.InferOutput<typeof poolView>;

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
  v.object({ kind: v.literal("drive"), argv: v.array(v.string()) }),
  /** The attempt's number is the actor's incarnation. */
  v.object({ kind: v.literal("host"), record: actorRecord }),
]);
export type Work = v.InferOutput<typeof work>;

/**
 * A try of some work. `task` names the work, `attempt` the try; both come back with the outcome.
 */
export const assignment = v.object({ task: text, attempt: count, program, work });
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
  /** Shards that may run at once. */
  slots: v.pipe(count, v.maxValue(SLOTS_MAX)),
  /** Executors that are an actor's own: their assignments are done, they aren't free. */
  hosting: count,
  /** Actors in executors that they share. */
  sharing: count,
  /** To a new leader, a page a report: the actors that live there. */
  actors: v.array(v.object({ record: actorRecord, address: actorAddress })),
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
  /** Assignments held and not finished. */
  held: v.array(v.object({ task: text, attempt: count })),
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
  /** A page of what there is, filtered first. */
  v.object({
    op: v.literal("list"),
    what: v.picklist(["actors", "pools"]),
    filter: v.record(v.string(), v.string()),
    after: v.nullable(text),
    limit: v.pipe(count, v.minValue(1), v.maxValue(LIST_PAGE_MAX)),
  }),
  /** Why an actor is where and how it is: by name or id. */
  v.object({ op: v.literal("explain"), what: v.literal("actor"), name: text }),
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
