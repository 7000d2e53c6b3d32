/**
 * What is said of actors and pools: how they are to live, where they answer, how they look from
 * outside.
 */
import * as v from "valibot";
import { CONCURRENCY_MAX, POOL_MEMBERS_MAX } from "../limits.ts";
import {
  text,
  count,
  identity,
  processId,
  className,
  errorData,
  owner,
  program,
} from "../bus/message-parts.ts";
import { resources, labelSelector } from "../resources/resources.ts";

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
export const actorLife = v.object({ actorId: text, incarnation: count });
export type ActorLife = v.InferOutput<typeof actorLife>;

/** How an actor is to live; every field is said. */
export const actorOptions = v.object({
  /** Unique in the cluster while the actor isn't dead. */
  name: v.nullable(v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/))),
  /** With a name: the living actor of that name and class instead of NAME_TAKEN. */
  getIfExists: v.boolean(),
  /** `owned`: ends with the process that spawned it. `detached` needs a name. */
  lifetime: v.picklist(["owned", "detached"]),
  /**
   * `process`: an executor to itself. `shared`: with others of its program, for light ones.
   * `thread`: an executor to itself that is a thread, beside others of its program in one process.
   */
  hosting: v.picklist(["process", "shared", "thread"]),
  /** Lives after the first one. */
  maxRestarts: count,
  /** Calls of it that run at once. */
  maxConcurrency: v.pipe(count, v.minValue(1), v.maxValue(CONCURRENCY_MAX)),
  /** What it takes of its worker while it lives, and of which ones; nothing, and of any, unless. */
  resources: v.exactOptional(resources),
  labels: v.exactOptional(labelSelector),
});
export type ActorOptions = v.InferOutput<typeof actorOptions>;

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
  hosting: v.picklist(["process", "shared", "thread"]),
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
