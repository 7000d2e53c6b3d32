/**
 * Pure core. Who owns actors and pools, and whether it is still there: an executor by what its
 * worker says, a client's process by its requests. What is owned ends with its owner.
 *
 * Invariants: an owner stands here while it owns something; `owners` is ordered by `lastSeenMs`.
 */
import { isIdentity } from "../../../runtime/bus/subjects.ts";
import { CLIENT_SILENCE_MS } from "../../../runtime/limits.ts";
import type { ActorRecord, Owner } from "../../../runtime/messages.ts";
import type { HeadState, Step } from "../events.ts";
import { closePool } from "../pools/pools.ts";
import { died, die } from "./lives.ts";
import type { OwnerView } from "./types.ts";

export function ownerKey({ identity, process }: Owner): string {
  return `${identity}/${process}`;
}

/** The owner as this leader sees it; one that is new was there just now. */
export function ownerOf(state: HeadState, owner: Owner, nowMs: number): OwnerView {
  const key = ownerKey(owner);
  const known = state.actors.owners.get(key);
  if (known !== undefined) return known;
  const { identity, process } = owner;
  const view = { identity, process, lastSeenMs: nowMs, actors: new Set<string>() };
  const made: OwnerView = { ...view, pools: new Set() };
  state.actors.owners.set(key, made);
  if (isExecutor(identity)) {
    const keys = state.actors.executors.get(identity);
    if (keys === undefined) state.actors.executors.set(identity, new Set([key]));
    else keys.add(key);
  }
  return made;
}

/** Executors speak under their worker's identity. */
function isExecutor(identity: string): boolean {
  return isIdentity(identity, "worker");
}

export function ownActor(state: HeadState, { owner, actorId }: ActorRecord, nowMs: number): void {
  ownerOf(state, owner, nowMs).actors.add(actorId);
}

/** An actor isn't its owner's any more. */
export function disown(state: HeadState, { owner, actorId }: ActorRecord): void {
  const view = state.actors.owners.get(ownerKey(owner));
  view?.actors.delete(actorId);
  if (view !== undefined) forgetIdle(state, view);
}

/** Forgets an owner that owns nothing any more. */
export function forgetIdle(state: HeadState, view: OwnerView): void {
  if (view.actors.size > 0 || view.pools.size > 0) return;
  const key = ownerKey(view);
  state.actors.owners.delete(key);
  const keys = state.actors.executors.get(view.identity);
  keys?.delete(key);
  if (keys?.size === 0) state.actors.executors.delete(view.identity);
}

/** A process gave a sign of life. */
export function seen(state: HeadState, owner: Owner, nowMs: number): void {
  const { owners } = state.actors;
  const key = ownerKey(owner);
  const view = owners.get(key);
  if (view === undefined || view.lastSeenMs === nowMs) return;
  view.lastSeenMs = nowMs;
  owners.delete(key);
  owners.set(key, view);
}

/** Owners of a worker that aren't among its processes any more; the others were seen. */
export function goneOf(
  state: HeadState,
  worker: string,
  processes: readonly string[],
  nowMs: number,
): OwnerView[] {
  const keys = state.actors.executors.get(worker);
  if (keys === undefined) return [];
  const living = new Set(processes);
  const owners = [...keys].flatMap((key) => state.actors.owners.get(key) ?? []);
  for (const owner of owners) if (living.has(owner.process)) seen(state, owner, nowMs);
  return owners.filter(({ process }) => !living.has(process));
}

/** Owners that have been silent for too long. */
function silentOwners(state: HeadState, nowMs: number): OwnerView[] {
  const silent: OwnerView[] = [];
  for (const owner of state.actors.owners.values()) {
    if (nowMs - owner.lastSeenMs <= CLIENT_SILENCE_MS) break;
    silent.push(owner);
  }
  return silent;
}

/** Ends all that an owner owns. */
export function endOwner(
  state: HeadState,
  step: Step,
  owner: OwnerView,
  what: string,
  nowMs: number,
): void {
  for (const poolId of [...owner.pools]) {
    const pool = state.actors.pools.get(poolId);
    if (pool !== undefined) closePool(state, step, pool, what, nowMs);
  }
  for (const actorId of [...owner.actors]) {
    const entry = state.actors.entries.get(actorId);
    if (entry !== undefined) die(state, step, entry, died(what), nowMs);
  }
}

/** Ends what silent owners own. */
export function endSilentOwners(state: HeadState, step: Step, nowMs: number): void {
  for (const owner of silentOwners(state, nowMs)) {
    endOwner(state, step, owner, "the process that owned it wasn't heard any more", nowMs);
  }
}
