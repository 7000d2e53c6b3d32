/**
 * Pure core. The actors' part of each decision: what a leader knows of them at its start, what time
 * brings about, and what can be placed after every event.
 */
import type { HeadState, Step } from "../events.ts";
import type { NamedActor } from "../facts.ts";
import { endSilentOwners } from "./owners.ts";
import { placeActors } from "../placement/actors.ts";
import { died, offer } from "./lives.ts";
import { advancePools } from "../pools/pools.ts";
import { addActor, enter } from "./registry.ts";
import { argsOf } from "./stored-args.ts";
import type { Unproven } from "./types.ts";
import { expireUnproven } from "./unproven.ts";

/** What a new leader knows: the named actors of the log, and the lives they may still have. */
export function restoreActors(state: HeadState, nowMs: number): void {
  for (const actor of state.durable.actors.values()) {
    const { record, args, ended } = actor;
    const { name } = record.options;
    const life = lifeOf(actor, nowMs);
    if (name !== null && life !== null) state.actors.unproven.set(name, life);
    if (ended === null) restore(state, { ...record, args: argsOf(args) }, actor, nowMs);
  }
}

function lifeOf({ record, placed, ended }: NamedActor, nowMs: number): Unproven | null {
  if (placed === null) return null;
  const { worker, host, incarnation } = placed;
  const error = ended ?? died(`its worker ${worker} has it no more`);
  const { actorId } = record;
  // Which process of that worker took it, if any, nobody knows but itself.
  const life = { actorId, incarnation, worker, process: null, host, sequence: 0, error };
  return { ...life, counts: true, heardMs: nowMs, told: false };
}

function restore(
  state: HeadState,
  record: Parameters<typeof addActor>[1],
  { placed }: NamedActor,
  nowMs: number,
): void {
  const entry = addActor(state, record, nowMs);
  if (placed !== null) {
    entry.incarnation = placed.incarnation;
    entry.restarts = placed.restarts;
    entry.lastWorker = placed.worker;
    enter(state, entry, "restarting", nowMs);
  }
  offer(state, entry, nowMs);
}

/** After each event: pools get their size, and what waits gets its place. */
export function advanceActors(state: HeadState, step: Step, isTick: boolean, nowMs: number): void {
  if (isTick) {
    expireUnproven(state, step, nowMs);
    endSilentOwners(state, step, nowMs);
    for (const entry of [...state.actors.delayed]) offer(state, entry, nowMs);
  }
  advancePools(state, step, isTick, nowMs);
  placeActors(state, step, nowMs);
}

/** This head slept: that time is nobody's silence. */
export function forgiveActors({ actors }: HeadState, sleptMs: number): void {
  for (const owner of actors.owners.values()) owner.lastSeenMs += sleptMs;
  for (const life of actors.unproven.values()) life.heardMs += sleptMs;
}
