/**
 * What agents and clients ask an agent itself, outside of links: frames to PROCESS_NONE on the
 * subject of a link to it. Its answers go to the asker's process. Questions are repeated until they
 * are answered; an agent answers a repeated one as it did the first.
 */
import * as v from "valibot";
import { count, errorData, processId, text } from "../bus/message-parts.ts";

export const objectId = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/));
/** 32 bytes. */
const secret = v.pipe(
  v.instance(Uint8Array),
  v.check((bytes) => bytes.length === 32, "32 bytes are needed"),
);

/** Objects that one message releases. */
export const RELEASES_MAX = 4_096;

/** Entries of one page of objects. */
export const OBJECTS_PAGE_MAX = 1_000;

export const nodeAsk = v.variant("op", [
  /** Lets the asker fetch an object of this node. */
  v.object({ op: v.literal("object-want"), object: objectId }),
  /** Lets the asker put an object of at most `bytes` here. */
  v.object({ op: v.literal("object-room"), job: processId, bytes: count, waitMs: count }),
  /** Ends objects. */
  v.object({
    op: v.literal("object-release"),
    objects: v.pipe(v.array(objectId), v.maxLength(RELEASES_MAX)),
  }),
  /** A page of this node's objects, filtered first. */
  v.object({
    op: v.literal("object-list"),
    filter: v.record(v.string(), text),
    after: count,
    limit: v.pipe(count, v.minValue(1), v.maxValue(OBJECTS_PAGE_MAX)),
  }),
  /** What this node's memory for objects is used for. */
  v.object({ op: v.literal("memory") }),
]);
export type NodeAsk = v.InferOutput<typeof nodeAsk>;

export const nodeCall = v.object({ call: count, ask: nodeAsk });

export const nodeAnswer = v.variant("kind", [
  v.object({ kind: v.literal("node-ok"), call: count, value: v.unknown() }),
  v.object({ kind: v.literal("node-error"), call: count, error: errorData }),
  /** It is at it: the question was asked again meanwhile. */
  v.object({ kind: v.literal("node-busy"), call: count }),
]);

/** How an object is fetched or put: once, by who was told, soon. */
export const offer = v.object({
  host: text,
  port: v.pipe(count, v.minValue(1), v.maxValue(65_535)),
  key: secret,
  token: secret,
});
export type Offer = v.InferOutput<typeof offer>;

/** shared: in memory; spilled: on disk; copy: in memory, and another node's too. */
export const objectState = v.picklist(["shared", "spilled", "copy"]);
export type ObjectState = v.InferOutput<typeof objectState>;

const objectEntry = v.object({
  object: objectId,
  job: text,
  bytes: count,
  state: objectState,
});
export type ObjectEntry = v.InferOutput<typeof objectEntry>;

export const objectPage = v.object({
  entries: v.array(objectEntry),
  /** `after` of the next page; null behind the last one. */
  next: v.nullable(count),
  /** All that the filter lets through. */
  total: count,
});
export type ObjectPage = v.InferOutput<typeof objectPage>;

const jobUse = v.object({
  job: text,
  objects: count,
  sharedBytes: count,
  copyBytes: count,
  spilledBytes: count,
});
export type JobUse = v.InferOutput<typeof jobUse>;

export const memoryView = v.object({
  /** As of the store, in bytes; see `StoreUsage`. */
  limitBytes: count,
  sharedBytes: count,
  idleBytes: count,
  grantedBytes: count,
  copyBytes: count,
  spilledBytes: count,
  spillLimitBytes: count,
  objects: count,
  spilledObjects: count,
  /** Puts and gets that wait for room. */
  waiting: count,
  /** The jobs that take most, the largest first. */
  jobs: v.array(jobUse),
  jobsInAll: count,
  /** The largest objects, the largest first, and the processes that map them. */
  largest: v.array(v.object({ ...objectEntry.entries, pins: v.array(count) })),
  /** Objects that are being fetched, and that wait for their turn. */
  fetching: count,
  queued: count,
});
export type MemoryView = v.InferOutput<typeof memoryView>;
