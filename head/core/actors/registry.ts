/**
 * Pure core. The table of actors: who is in which state, under which name, who waits for whom, and
 * what happened. Counts, names, events and the ring of dead ones change together here.
 */
import { SystemError } from "../../../runtime/errors.ts";
import {
  ACTOR_EVENTS_KEPT_MAX,
  ACTOR_WAITERS_MAX,
  ACTORS_DEAD_KEPT_MAX,
} from "../../../runtime/limits.ts";
import type { ActorRecord, ActorState } from "../../../runtime/messages.ts";
import { ANY_NODE, NO_RESOURCES, shapeKey } from "../../../runtime/resources/resources.ts";
import type { Caller, HeadState, Step } from "../events.ts";
import { disown, ownActor } from "./owners.ts";
import type { ActorEntry, ActorsState, Waiter } from "./types.ts";
import { shortError, viewOf } from "./views.ts";

/** A new actor, pending and not yet in any queue. Its name must be free. */
export function addActor(state: HeadState, record: ActorRecord, nowMs: number): ActorEntry {
  const { actors } = state;
  actors.lastNumber += 1;
  const { resources = NO_RESOURCES, labels = ANY_NODE, hosting } = record.options;
  const shape = { resources, labels };
  const entry: ActorEntry = {
    record,
    number: actors.lastNumber,
    state: "pending",
    incarnation: 0,
    restarts: 0,
    sinceMs: nowMs,
    worker: null,
    grant: null,
    shape,
    queue: `${hosting} ${shapeKey(shape)}`,
    lastWorker: null,
    address: null,
    error: null,
    young: 0,
    dueMs: 0,
    waiters: new Map(),
    killed: null,
  };
  actors.entries.set(record.actorId, entry);
  actors.counts.pending += 1;
  if (record.options.name !== null) actors.names.set(record.options.name, record.actorId);
  if (record.options.lifetime === "owned") ownActor(state, record, nowMs);
  tell(actors, entry, nowMs);
  return entry;
}

/** Moves an actor that isn't dead to another state, and tells. */
export function enter(
  { actors }: HeadState,
  entry: ActorEntry,
  next: ActorState,
  nowMs: number,
): void {
  actors.counts[entry.state] -= 1;
  actors.counts[next] += 1;
  entry.state = next;
  entry.sinceMs = nowMs;
  if (entry.record.pool !== null) actors.poolsChanged.add(entry.record.pool);
  tell(actors, entry, nowMs);
}

/** Takes a dead actor out of all that is of the living; it stays listed for a while. */
export function retire(state: HeadState, entry: ActorEntry, nowMs: number): void {
  const { actors } = state;
  const { actorId, options } = entry.record;
  enter(state, entry, "dead", nowMs);
  if (options.name !== null && actors.names.get(options.name) === actorId) {
    actors.names.delete(options.name);
  }
  disown(state, entry.record);
  entry.record = { ...entry.record, args: [] };
  actors.dead.add(actorId);
  if (actors.dead.size <= ACTORS_DEAD_KEPT_MAX) return;
  const [oldest = ""] = actors.dead;
  actors.dead.delete(oldest);
  actors.entries.delete(oldest);
  actors.counts.dead -= 1;
}

function tell(actors: ActorsState, entry: ActorEntry, atMs: number): void {
  const { record, incarnation, state, error } = entry;
  const { actorId, options } = record;
  actors.lastEvent += 1;
  const sequence = actors.lastEvent;
  const why = state === "dead" || state === "restarting" ? error : null;
  actors.events[sequence % ACTOR_EVENTS_KEPT_MAX] = {
    sequence,
    atMs,
    actorId,
    incarnation,
    name: options.name,
    state,
    error: why && shortError(why),
  };
}

/** Answers a request now if it can be, and else when the actor lives or is dead. */
export function awaitLife(step: Step, entry: ActorEntry, waiter: Waiter): void {
  if (answered(step, entry, waiter)) return;
  const key = requestKey(waiter.caller);
  if (entry.waiters.size >= ACTOR_WAITERS_MAX && !entry.waiters.has(key)) {
    const what = `${ACTOR_WAITERS_MAX} requests wait for this actor already`;
    refuse(step, waiter.caller, new SystemError("OVERLOADED", what));
    return;
  }
  entry.waiters.set(key, waiter);
}

/** A request's name: the same when it is repeated. */
export function requestKey({ identity, process, id }: Caller): string {
  return `${identity}/${process}/${id}`;
}

/** Answers those who wait and can be answered. */
export function answerWaiters(step: Step, entry: ActorEntry): void {
  for (const [key, waiter] of entry.waiters) {
    if (answered(step, entry, waiter)) entry.waiters.delete(key);
  }
}

function answered(step: Step, entry: ActorEntry, { caller, after, takesDead }: Waiter): boolean {
  if (entry.state === "alive" && entry.incarnation >= after) {
    step.effects.push({ type: "reply", caller, value: viewOf(entry) });
    return true;
  }
  if (entry.state !== "dead") return false;
  if (takesDead) step.effects.push({ type: "reply", caller, value: viewOf(entry) });
  else refuse(step, caller, new SystemError(...finalError(entry)));
  return true;
}

function finalError({ error }: ActorEntry): ConstructorParameters<typeof SystemError> {
  if (error === null) return ["ACTOR_DIED", "the actor is dead"];
  return [error.code, error.what, error.where];
}

export function refuse(step: Step, caller: Caller, error: SystemError): void {
  step.effects.push({ type: "refuse", caller, error: error.toData() });
}
