/**
 * Pure core. Where actors that wait start. They wait by what they need, and of each such queue the
 * first one alone is looked at: one that fits nowhere holds nobody else up.
 */
import { HOSTS_STARTING_MAX } from "../../../runtime/limits.ts";
import { isNothing, type Shape } from "../../../runtime/resources/resources.ts";
import { startLife } from "../actors/lives.ts";
import type { ActorEntry } from "../actors/types.ts";
import type { HeadState, Step, WorkerView } from "../events.ts";
import { roomiest, roomOf, wellWorkers } from "../step.ts";
import { bestOf } from "./placement.ts";

/** Starts lives while there is room; what one kind waits for doesn't hold the others up. */
export function placeActors(state: HeadState, step: Step, nowMs: number): void {
  for (const queue of state.actors.queues.values()) placeQueue(state, step, queue, nowMs);
}

/** The same for those alone that take something of their worker: before shards take it. */
export function placeNeeding(state: HeadState, step: Step, nowMs: number): void {
  for (const queue of state.actors.queues.values()) {
    const [first] = queue;
    if (first !== undefined && !isNothing(first.shape.resources)) {
      placeQueue(state, step, queue, nowMs);
    }
  }
}

function placeQueue(
  state: HeadState,
  step: Step,
  queue: ReadonlySet<ActorEntry>,
  nowMs: number,
): void {
  for (const entry of queue) {
    const worker = workerFor(state, entry, nowMs);
    if (worker === undefined) return;
    startLife(state, step, entry, worker, nowMs);
  }
}

/** Where it would start now; of who asks for nothing, where there is most room for actors. */
export function workerFor(
  state: HeadState,
  { record: actor, shape }: ActorEntry,
  nowMs: number,
): string | undefined {
  const hosting = actor.options.hosting === "shared" ? "shared" : "process";
  if (isFree(shape)) {
    return roomiest(state, (view) => roomForActor(view, hosting, nowMs));
  }
  const places = (name: string): number => {
    const view = state.workers.get(name);
    return view === undefined ? 0 : roomForActor(view, hosting, nowMs);
  };
  return bestOf(wellWorkers(state), shape, { places });
}

/** Whether any worker that takes actors will do. */
export function isFree({ resources, labels }: Shape): boolean {
  return isNothing(resources) && Object.keys({ ...labels.in, ...labels.notIn }).length === 0;
}

/** What actors wait for that take something of their worker, once each. */
export function shapesOfWaiting({ actors }: HeadState): Shape[] {
  return [...actors.queues.values()].flatMap((queue) => {
    const [entry] = queue;
    return entry === undefined || isNothing(entry.shape.resources) ? [] : [entry.shape];
  });
}

/** How many more actors a worker takes now. */
export function roomForActor(view: WorkerView, need: "process" | "shared", nowMs: number): number {
  if (nowMs < view.refusedUntilMs || view.opening + view.hosted >= HOSTS_STARTING_MAX) return 0;
  return roomOf(view, need);
}
