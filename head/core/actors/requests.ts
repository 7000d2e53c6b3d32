/**
 * Pure core. What clients ask about actors: spawn, locate, by name, kill, signs of life, pools,
 * lists. Every request may come twice, and its second answer is as good as the first.
 */
import { SystemError } from "../../../runtime/errors.ts";
import { canonicalJson, sha256Hex } from "../../../runtime/ids.ts";
import { ACTOR_WAITERS_MAX, ACTORS_PENDING_MAX } from "../../../runtime/limits.ts";
import type { ActorRecord, ApiRequest } from "../../../runtime/messages.ts";
import type { Caller, HeadState, Step } from "../events.ts";
import { endTaskOwner } from "../tasks/owners.ts";
import { outboxOf, record } from "../step.ts";
import { explainActor, findActor } from "./explain.ts";
import { eventsAfter, listPage } from "./lists.ts";
import { died, die, endLife, lifeKey, loseLife, offer } from "./lives.ts";
import { endOwner, ownerKey, seen } from "./owners.ts";
import { explainJob, listNodes, summarizeActors } from "../placement/nodes.ts";
import { closePool, loadPool, openPool, releaseMember } from "../pools/pools.ts";
import { objectJobLeft, objectJobSeen } from "../objects/jobs.ts";
import { addActor, awaitLife, refuse, requestKey } from "./registry.ts";
import { storedArgs } from "./stored-args.ts";
import type { ActorEntry } from "./types.ts";
import { viewOf } from "./views.ts";

type RequestOf<Op extends ApiRequest["op"]> = Extract<ApiRequest, { op: Op }>;
type TaskOp = "task-submit" | "task-cancel" | "task-ends" | "drain";
type JobOp =
  | ("submit-program" | "submit-dataset" | "solve" | "solve-cancel")
  | ("status" | "job" | "result" | "cancel" | "digest");
/** The requests that are answered here. */
export type ActorRequest = Exclude<ApiRequest, { op: JobOp | TaskOp }>;

export function answerActors(
  state: HeadState,
  step: Step,
  caller: Caller,
  request: ActorRequest,
  nowMs: number,
): void {
  const reply = (value: unknown): void => void step.effects.push({ type: "reply", caller, value });
  seen(state, caller, nowMs);
  objectJobSeen(state, caller, nowMs);
  switch (request.op) {
    case "spawn":
      return spawn(state, step, caller, request, nowMs);
    case "locate":
      return locate(state, step, caller, request);
    case "actor":
      return byName(state, step, caller, request.name);
    case "kill":
      return kill(state, step, caller, request, nowMs);
    case "alive":
      return reply(null);
    case "leave":
      leave(state, step, caller, nowMs);
      endTaskOwner(state, caller);
      objectJobLeft(state, caller);
      return reply(null);
    case "pool-open":
      return openPool(state, step, caller, request, nowMs);
    case "pool-load":
      return loadPool(state, step, caller, request, nowMs);
    case "pool-close":
      closeOwn(state, step, caller, request.poolId, nowMs);
      return reply(null);
    case "list":
      if (request.what === "nodes") return listNodes(state, step, caller, request);
      return listPage(state, step, caller, request);
    case "explain":
      if (request.what === "job") return explainJob(state, step, caller, request.name);
      return explainActor(state, step, caller, request.name, nowMs);
    case "summary":
      return reply(summarizeActors(state));
    case "events":
      return reply(eventsAfter(state, request.after, request.limit));
    case "logs":
      return askForLogs(state, step, caller, request);
    default:
      request satisfies never;
  }
}

/** The actor of a request has an id that names the request: a repeated one finds it. */
function spawn(
  state: HeadState,
  step: Step,
  caller: Caller,
  request: RequestOf<"spawn">,
  nowMs: number,
): void {
  const { actor, options } = request;
  const key = { actor, caller: requestKey(caller) };
  const actorId = sha256Hex(canonicalJson(key)).slice(0, 24);
  const known = state.actors.entries.get(actorId) ?? holderOf(state, options.name);
  const isSame = known?.record.actorId === actorId;
  const fault = faultOf(state, request, isSame ? undefined : known);
  if (!isSame && fault !== null) {
    refuse(step, caller, fault);
    return;
  }
  const entry = known ?? newActor(state, step, request, { actorId, caller }, nowMs);
  awaitLife(step, entry, { caller, after: 0, takesDead: false });
}

function holderOf({ actors }: HeadState, name: string | null): ActorEntry | undefined {
  return name === null ? undefined : actors.entries.get(actors.names.get(name) ?? "");
}

/** @param holder - who has the name already. */
function faultOf(
  { actors }: HeadState,
  { actor, options }: RequestOf<"spawn">,
  holder: ActorEntry | undefined,
): SystemError | null {
  const { name, lifetime, getIfExists } = options;
  if (name === null && (lifetime === "detached" || getIfExists)) {
    const what = lifetime === "detached" ? "a detached actor" : "getIfExists";
    return new SystemError("USAGE", `${what} needs a name`);
  }
  if (holder !== undefined) {
    const taken = `${name} is the name of a living ${holder.record.actor}`;
    const isWanted = getIfExists && holder.record.actor === actor;
    return isWanted ? null : new SystemError("NAME_TAKEN", taken);
  }
  const waiting = actors.queued + actors.delayed.size;
  if (waiting < ACTORS_PENDING_MAX) return null;
  return new SystemError("OVERLOADED", `${waiting} actors wait for a worker already`);
}

function newActor(
  state: HeadState,
  step: Step,
  { program, actor, args, options }: RequestOf<"spawn">,
  { actorId, caller }: { readonly actorId: string; readonly caller: Caller },
  nowMs: number,
): ActorEntry {
  const { identity, process } = caller;
  const owner = { identity, process };
  const stored = { actorId, program, actor, options, owner, pool: null };
  const made: ActorRecord = { ...stored, args };
  if (options.name !== null) {
    const fact = { type: "actor.named", record: stored, args: storedArgs(args) } as const;
    record(state, step, { ...fact, atMs: nowMs });
  }
  const entry = addActor(state, made, nowMs);
  offer(state, entry, nowMs);
  return entry;
}

function locate(
  state: HeadState,
  step: Step,
  caller: Caller,
  { actorId, after }: RequestOf<"locate">,
): void {
  const entry = state.actors.entries.get(actorId);
  if (entry === undefined) refuse(step, caller, notFound(actorId));
  else awaitLife(step, entry, { caller, after, takesDead: true });
}

function byName(state: HeadState, step: Step, caller: Caller, name: string): void {
  const entry = holderOf(state, name);
  if (entry === undefined) refuse(step, caller, notFound(name));
  else awaitLife(step, entry, { caller, after: 0, takesDead: false });
}

/** Answered when the life is over, or given up with its worker. */
function kill(
  state: HeadState,
  step: Step,
  caller: Caller,
  request: RequestOf<"kill">,
  nowMs: number,
): void {
  const entry = state.actors.entries.get(request.actorId);
  if (entry === undefined) {
    refuse(step, caller, notFound(request.actorId));
    return;
  }
  const by = requestKey(caller);
  // Dead is what was asked for, and a repeated request is none for the next life.
  if (entry.state !== "dead" && entry.killed?.by !== by) {
    killLife(state, step, entry, { by, restart: request.restart }, nowMs);
  }
  const { worker = "", life } = entry.killed ?? {};
  const ending = life && state.workers.get(worker)?.ends.get(lifeKey(life));
  if (ending !== undefined && ending.killers.size < ACTOR_WAITERS_MAX) {
    ending.killers.set(by, caller);
  } else step.effects.push({ type: "reply", caller, value: viewOf(entry) });
}

function killLife(
  state: HeadState,
  step: Step,
  entry: ActorEntry,
  { by, restart }: { readonly by: string; readonly restart: boolean },
  nowMs: number,
): void {
  const { incarnation, worker, restarts, record: actor } = entry;
  const life = { actorId: actor.actorId, incarnation };
  const error = died("it was killed");
  if (worker !== null) entry.killed = { by, worker, life };
  if (!restart || restarts >= actor.options.maxRestarts) {
    releaseMember(state, entry);
    die(state, step, entry, error, nowMs);
  } else if (worker !== null) {
    endLife(state, step, worker, life);
    loseLife(state, step, entry, { error, proven: false, counts: true, told: true }, nowMs);
  }
}

function leave(state: HeadState, step: Step, caller: Caller, nowMs: number): void {
  const owner = state.actors.owners.get(ownerKey(caller));
  if (owner !== undefined) endOwner(state, step, owner, "the process that owned it left", nowMs);
}

function closeOwn(
  state: HeadState,
  step: Step,
  caller: Caller,
  poolId: string,
  nowMs: number,
): void {
  const pool = state.actors.pools.get(poolId);
  if (pool === undefined || ownerKey(pool.owner) !== ownerKey(caller)) return;
  closePool(state, step, pool, "its pool was closed", nowMs);
}

function askForLogs(
  state: HeadState,
  step: Step,
  caller: Caller,
  { actorId, request, follow }: RequestOf<"logs">,
): void {
  const entry = findActor(state, actorId);
  const worker = entry?.worker ?? entry?.lastWorker ?? null;
  if (entry === undefined || worker === null || !state.workers.has(worker)) {
    refuse(step, caller, notFound(actorId));
    return;
  }
  const { identity: to, process } = caller;
  const id = entry.record.actorId;
  outboxOf(state, step, worker).logs.push({ to, process, request, actorId: id, follow });
  step.effects.push({ type: "reply", caller, value: null });
}

function notFound(what: string): SystemError {
  return new SystemError("ACTOR_NOT_FOUND", `no actor ${what} is known`);
}
