/**
 * What the frames between processes carry, one union a direction. Values are plain data; every
 * message from another process is checked by its schema before anything trusts it.
 */
import * as v from "valibot";
import { isIdentity } from "./bus/subjects.ts";
import { ERRORS, type ErrorCode, type ErrorData, SystemError } from "./errors.ts";
import { canonicalJson } from "./ids.ts";
import { SLOTS_MAX } from "./limits.ts";

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
  sink: v.object({ kind: v.literal("parquet"), uri: v.pipe(text, v.startsWith("/")) }),
  /** Set by `--fresh` and by callers who want equal specs to be distinct jobs. */
  idempotency: v.optional(text),
});
export type DatasetSpec = v.InferOutput<typeof datasetSpec>;

/** What happens at the seal; opaque to the runtime. */
export const continuation = v.object({ kind: text, spec: jsonObject });
export type Continuation = v.InferOutput<typeof continuation>;

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
});
export type Receipt = v.InferOutput<typeof receipt>;

/** Where a hosted actor answers: through its worker's agent, or on one machine by its socket. */
export const actorAddress = v.object({
  worker: identity,
  process: processId,
  actorId: text,
  host: text,
  socket: text,
  token: text,
});
export type ActorAddress = v.InferOutput<typeof actorAddress>;

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
  }),
  v.object({ kind: v.literal("drive"), argv: v.array(v.string()) }),
  v.object({ kind: v.literal("host"), actorId: text, actor: text, args: v.array(v.any()) }),
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
  v.object({ kind: v.literal("committed"), receipt, end: v.nullable(inputEnd) }),
  v.object({ kind: v.literal("past-end"), end: inputEnd }),
  v.object({ kind: v.literal("returned"), value: v.custom<unknown>(isJson) }),
  v.object({ kind: v.literal("hosted"), address: actorAddress }),
  v.object({ kind: v.literal("failed"), error: errorData }),
]);
export type Outcome = v.InferOutput<typeof outcome>;

/** Head to worker. */
export const command = v.object({
  epoch,
  /** Number of this command among the leader's commands to this worker; from 1. */
  sequence: count,
  assign: v.array(assignment),
  cancel: v.array(text),
  /** Results the head has made durable; the worker forgets them. */
  ack: v.array(v.object({ task: text, attempt: count })),
});
export type Command = v.InferOutput<typeof command>;

const done = v.object({ task: text, attempt: count, outcome });
export type Done = v.InferOutput<typeof done>;

/** Worker to head: said whole every time, so that a lost one costs only time. */
export const report = v.object({
  process: processId,
  host: text,
  /** Shards that may run at once. */
  slots: v.pipe(count, v.maxValue(SLOTS_MAX)),
  /** Actors that live there: their assignments are done, their executors aren't free. */
  hosting: count,
  /** The last command seen: what it assigned and isn't held or done below was lost. */
  seen: v.object({ epoch: count, sequence: count }),
  /** Assignments held and not finished. */
  held: v.array(v.object({ task: text, attempt: count })),
  /** Finished and not acknowledged. */
  done: v.array(done),
});
export type Report = v.InferOutput<typeof report>;

/** Head to all, every 250 ms. */
export const beacon = v.object({ epoch, tail: count, head: text });

/** What a client asks of the head. */
export const apiRequest = v.variant("op", [
  v.object({ op: v.literal("submit-program"), program, argv: v.array(v.string()) }),
  v.object({
    op: v.literal("submit-dataset"),
    spec: datasetSpec,
    continuation: v.nullable(continuation),
  }),
  v.object({ op: v.literal("status") }),
  v.object({ op: v.literal("result"), jobId: hash }),
  v.object({ op: v.literal("cancel"), jobId: hash }),
  v.object({
    op: v.literal("spawn"),
    program,
    actor: text,
    args: v.array(v.any()),
  }),
  v.object({ op: v.literal("digest") }),
]);
export type ApiRequest = v.InferOutput<typeof apiRequest>;

/** Frames between a client's process and the head: a request, its reply. */
export const apiCall = v.object({ id: count, request: apiRequest });
export const apiReply = v.variant("kind", [
  v.object({ kind: v.literal("ok"), id: count, value: v.any() }),
  v.object({ kind: v.literal("error"), id: count, error: errorData }),
]);
export type ApiReply = v.InferOutput<typeof apiReply>;

/** Frames between callers and an executor's actors: many a frame. */
export const actorItem = v.variant("kind", [
  v.object({
    kind: v.literal("call"),
    id: count,
    actorId: text,
    method: text,
    args: v.array(v.any()),
  }),
  v.object({ kind: v.literal("ok"), id: count, value: v.any() }),
  v.object({ kind: v.literal("error"), id: count, error: errorData }),
  /** From an agent, in the name of a process of its own that ended: no reply will come from it. */
  v.object({ kind: v.literal("died"), reason: text }),
]);
export type ActorItem = v.InferOutput<typeof actorItem>;
/** What one frame between a caller and an executor holds. */
export const actorItems = v.array(actorItem);

/** Agent to executor. */
export const executorOrder = v.variant("op", [
  v.object({ op: v.literal("run"), assignment }),
  v.object({ op: v.literal("cancel"), task: text }),
]);
export type ExecutorOrder = v.InferOutput<typeof executorOrder>;

/** Executor to agent. */
export const executorSays = v.variant("op", [
  /** The first frame; its source is the executor's process. */
  v.object({ op: v.literal("hello"), pid: count, token: text }),
  v.object({ op: v.literal("done"), done }),
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
