/** How a node looks from outside: what a list of nodes answers. */
import * as v from "valibot";
import { count, text } from "../bus/message-parts.ts";
import { labels, resources } from "./resources.ts";

/** As resources, but below 0 where a worker holds more than it now says to have. */
const left = v.object({
  cpu: v.number(),
  gpu: v.number(),
  memory: v.number(),
  custom: v.record(v.string(), v.number()),
});

/** A worker as the leading head sees it. */
export const nodeView = v.object({
  worker: text,
  process: text,
  host: text,
  /** starting: it hasn't told this leader all it holds; absent: it isn't heard on the bus now. */
  state: v.picklist(["alive", "starting", "absent"]),
  slots: count,
  labels,
  resources,
  free: left,
  /** Units free of each GPU. */
  gpusFree: v.array(v.number()),
  /** Actors that live or start there, shards and other tasks of jobs that it has. */
  actors: count,
  shards: count,
  /** Why its executors don't start; null while they do. */
  trouble: v.nullable(v.string()),
  /** When it was last heard, ms since 1970. */
  lastSeenMs: v.number(),
});
export type NodeView = v.InferOutput<typeof nodeView>;

/** Actors of one class, by state. */
const actorCounts = v.object({
  actor: text,
  pending: count,
  starting: count,
  alive: count,
  restarting: count,
  dead: count,
});
/** Actors by class, and in all. */
export const actorSummary = v.object({ actors: v.array(actorCounts) });
export type ActorSummary = v.InferOutput<typeof actorSummary>;
