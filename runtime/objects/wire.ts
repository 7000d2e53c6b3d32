/**
 * What a process and the store of its machine say to each other over the store's socket: frames of
 * arrays of `ObjectAsk` one way, of `ObjectReply` the other. Bytes never travel here: both sides
 * map the same files.
 */
import * as v from "valibot";
import { isIdentity } from "../bus/subjects.ts";
import { count, errorData, processId as job } from "../bus/message-parts.ts";
import type { Identity } from "../ids.ts";
import { OBJECT_BYTES_MAX, OBJECT_REFS_PER_ASK } from "./limits.ts";

const size = v.pipe(count, v.maxValue(OBJECT_BYTES_MAX));
const objectId = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/));
const node = v.custom<Identity>(
  (value) => typeof value === "string" && isIdentity(value, "worker"),
);
/** Milliseconds to wait for room. */
const waitMs = v.pipe(v.number(), v.finite(), v.minValue(0));

/** What it takes to find an object: all of a ref but what it carries. */
export interface ObjectPlace {
  readonly id: string;
  readonly bytes: number;
  readonly job: string;
  readonly node: Identity;
}
const place = v.object({ id: objectId, bytes: size, job, node });
export const objectPlace: v.GenericSchema<unknown, ObjectPlace> = place;

/** Memory that its writer has kept mapped since another object of its own was in it. */
const slot = v.object({
  bytes: size,
  path: v.pipe(v.string(), v.maxLength(4096)),
  was: objectId,
});

/** Process to store. `request` is the process's own number for it; each is answered once. */
export const objectAsk = v.variant("op", [
  /** The first: who it is, so that its end is seen when the connection's end is. */
  v.object({ op: v.literal("hello"), pid: count, startTicks: count }),
  /** Bytes to write one object into: `granted`. */
  v.object({
    op: v.literal("reserve"),
    request: count,
    job,
    bytes: size,
    waitMs,
    /** Of a lost object that is made again; a new one unless given. */
    id: v.optional(objectId),
  }),
  /** It was sealed under the id of its grant: `done`. */
  v.object({ op: v.literal("adopt"), request: count, grant: count }),
  /** Nothing was written. */
  v.object({ op: v.literal("give-back"), grant: count }),
  /** It is to be here and in memory, from the disk or another node: `done`. */
  v.object({ op: v.literal("bring"), request: count, object: objectPlace, waitMs }),
  /** Their end: `done` when they have no name any more. */
  v.object({
    op: v.literal("release"),
    request: count,
    objects: v.pipe(v.array(objectPlace), v.maxLength(OBJECT_REFS_PER_ASK)),
  }),
  /** Nobody waits for that request any more; it may be answered all the same. */
  v.object({ op: v.literal("cancel"), request: count }),
]);
export type ObjectAsk = v.InferOutput<typeof objectAsk>;

/** Store to process. */
export const objectReply = v.variant("op", [
  v.object({
    op: v.literal("granted"),
    request: count,
    grant: count,
    /** The new object's. */
    id: objectId,
    slot: v.exactOptional(slot),
  }),
  v.object({ op: v.literal("done"), request: count }),
  v.object({ op: v.literal("failed"), request: count, error: errorData }),
  /** What it keeps of this object's memory is nobody's any more. */
  v.object({ op: v.literal("forget"), id: objectId }),
]);
export type ObjectReply = v.InferOutput<typeof objectReply>;

/** Where the store of a machine is, for a process of it that may use it. */
const storeDoor = v.object({
  /** Its socket and this process's token for it. */
  socket: v.string(),
  token: v.string(),
  /** The store's own folder. */
  folder: v.string(),
  /** The worker whose store it is. */
  node,
});
export type StoreDoor = v.InferOutput<typeof storeDoor>;

/** A client asks the agent of its machine for a way into its store, over the bus. */
export const doorAsk = v.object({ op: v.literal("objects-door"), request: count });
export const doorReply = v.object({
  op: v.literal("objects-door"),
  request: count,
  door: v.nullable(v.object({ socket: v.string(), token: v.string(), folder: v.string(), node })),
});
