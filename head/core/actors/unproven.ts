/**
 * Pure core. Lives of named actors whose end isn't proven, and what proves it: its worker says so,
 * its worker's process was replaced on the same machine, or NAMED_RESTART_MS passed since that
 * process was last heard. By then the executor has stopped it: it lives for NAMED_LEASE_MS after
 * the last report that was confirmed had left, and none is confirmed before it was heard.
 */
import { NAMED_RESTART_MS } from "../../../runtime/limits.ts";
import type { HeadState, Step, WorkerView } from "../events.ts";
import { record } from "../step.ts";
import { follow, lifeKey, offer } from "./lives.ts";
import type { Unproven } from "./types.ts";

/** The last life of a name is over: what waited for that goes on. */
export function proveEnd(state: HeadState, step: Step, name: string, nowMs: number): void {
  const { actors, durable } = state;
  const life = actors.unproven.get(name);
  if (life === undefined) return;
  actors.unproven.delete(name);
  const entry = actors.entries.get(life.actorId);
  if (entry !== undefined && entry.state !== "dead") {
    follow(state, step, entry, life.error, life.counts, nowMs);
  } else if (durable.actors.get(life.actorId)?.ended != null) {
    record(state, step, { type: "actor.gone", actorId: life.actorId });
  }
  // Another actor may have the name by now, and have waited for the end of the earlier one.
  const holder = actors.entries.get(actors.names.get(name) ?? "");
  if (holder !== undefined && actors.delayed.has(holder)) offer(state, holder, nowMs);
}

/** Proves what a worker's new process proves: on the same machine the old one's are over. */
export function proveReplaced(
  state: HeadState,
  step: Step,
  worker: string,
  now: { readonly process: string; readonly host: string },
  nowMs: number,
): void {
  for (const [name, life] of state.actors.unproven) {
    const isOld = life.process !== null && life.process !== now.process;
    if (isOld && life.worker === worker && life.host === now.host)
      proveEnd(state, step, name, nowMs);
  }
}

/**
 * Proves what a whole announcement to this leader proves: what isn't in it doesn't live there. Nor
 * will it: its worker obeys no earlier leader any more, and has seen the command that placed it.
 */
export function proveAbsent(
  state: HeadState,
  step: Step,
  worker: string,
  view: WorkerView,
  nowMs: number,
): void {
  for (const [name, life] of state.actors.unproven) {
    const isThere = life.worker === worker && isAt(life, view);
    // One that it was told to end has been, once it says so.
    const isOpen = life.sequence > view.seen || view.ends.has(lifeKey(life));
    if (isThere && !isOpen) proveEnd(state, step, name, nowMs);
  }
}

/** A worker is silent from now on: the lease of its named lives runs out. */
export function heardLast(state: HeadState, worker: string, view: WorkerView): void {
  for (const life of state.actors.unproven.values()) {
    if (life.worker === worker && isAt(life, view)) life.heardMs = view.lastSeenMs;
  }
}

/** Proves by time what nothing else can prove any more. */
export function expireUnproven(state: HeadState, step: Step, nowMs: number): void {
  for (const [name, life] of state.actors.unproven) {
    if (isHeard(state, life)) continue;
    if (nowMs - life.heardMs >= NAMED_RESTART_MS) proveEnd(state, step, name, nowMs);
  }
}

/** Whether a worker has lives of named actors, or may have some that it hasn't announced yet. */
export function hasNamed(state: HeadState, worker: string, view: WorkerView): boolean {
  if (view.named > 0) return true;
  for (const life of state.actors.unproven.values()) {
    if (life.worker === worker && isAt(life, view)) return true;
  }
  return false;
}

/** Whether the very process that has the life is heard: then it will say what became of it. */
export function isHeard(state: HeadState, life: Unproven): boolean {
  const view = state.workers.get(life.worker);
  return view !== undefined && isAt(life, view);
}

/** Whether a life of this worker's can be at this very process of it. */
export function isAt({ process, host }: Unproven, view: WorkerView): boolean {
  return process === null ? host === view.host : process === view.process;
}
