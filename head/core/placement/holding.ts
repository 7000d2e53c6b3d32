/**
 * Pure core. What flights and lives hold of their worker. A shard that asks for nothing special
 * takes one of the worker's slots and with it one processor; some more of them wait there, and hold
 * nothing yet. All else holds what it asked for from the moment it is sent until it is over.
 */
import type { Assignment, Work } from "../../../runtime/messages.ts";
import {
  fits,
  isNothing,
  minus,
  plus,
  type Resources,
  type Shape,
  UNITS,
} from "../../../runtime/resources/resources.ts";
import { SLOT_TURN_MS } from "../../limits.ts";
import type { HeadState, WorkerView } from "../events.ts";
import { fitsEver, fitsNow, type Grant, giveBack, grantOf, hold } from "./room.ts";

/** What work takes beyond a slot or a place among actors; undefined when that is all. */
export function shapeOf({ durable }: HeadState, work: Work): Shape | undefined {
  if (work.kind !== "shard" && work.kind !== "probe") return undefined;
  return durable.datasets.get(work.jobId)?.demand?.shape;
}

/** Whether its worker is to run it at once, in an executor of its own, whatever waits there. */
export function isAtOnce({ work, gpus }: Pick<Assignment, "work" | "gpus">): boolean {
  return gpus !== undefined && work.kind === "shard";
}

/** What would be held of a worker, or undefined: it isn't free. */
export function grantFor({ room }: WorkerView, need: Resources): Grant | undefined {
  return grantOf(room, need);
}

/** A flight begins or ends, which has its own grant or, without one, may take a slot. */
export function changeHeld(view: WorkerView, grant: Grant | undefined, by: 1 | -1): void {
  syncSeats(view);
  if (grant === undefined) return;
  if (by === 1) hold(view.room, grant);
  else giveBack(view.room, grant);
  view.shardsHold =
    by === 1 ? plus(view.shardsHold, grant.resources) : minus(view.shardsHold, grant.resources);
}

/** Takes a processor for each slot that is in use, and gives back those that aren't any more. */
export function syncSeats(view: WorkerView): void {
  const seats = Math.min(view.load, view.slots);
  const more = seats - view.seats;
  if (more === 0) return;
  const cpu = Math.abs(more) * UNITS;
  const grant = { resources: { cpu, gpu: 0, memory: 0, custom: {} }, gpus: [] };
  if (more > 0) hold(view.room, grant);
  else giveBack(view.room, grant);
  view.shardsHold = { ...view.shardsHold, cpu: view.shardsHold.cpu + more * UNITS };
  view.seats = seats;
}

/** How many of a worker's slots shards may use now: those for which there are processors. */
export function seatsLeft({ room, seats, shardSlots }: WorkerView): number {
  return Math.min(shardSlots, seats + Math.max(0, Math.floor(room.free.cpu / UNITS)));
}

/** Whether a shard that has a grant of its own may go there, as far as what others wait for. */
export function takesShards({ shardSlots, slots, shardsHold, room }: WorkerView): boolean {
  if (shardSlots === slots) return true;
  return shardsHold.cpu * slots < shardSlots * room.total.cpu;
}

/**
 * Says how much of each worker shards may use: half of it while tasks wait, an only slot by turns,
 * so that neither starves the other; nothing more of a worker on which a waiting actor fits once
 * its shards have ended.
 */
export function limitShards(state: HeadState, waiting: Iterable<Shape>, nowMs: number): void {
  const isTheirTurn = Math.floor(nowMs / SLOT_TURN_MS) % 2 === 0;
  for (const view of state.workers.values()) {
    view.shardShare = view.slots === 1 && isTheirTurn ? 1 : view.slots >> 1;
    view.shardSlots = state.tasksWait ? view.shardShare : view.slots;
  }
  for (const shape of waiting) {
    for (const view of state.workers.values()) {
      if (!willFit(view, shape)) continue;
      view.shardSlots = 0;
      break;
    }
  }
}

/** Whether it would fit if what shards hold there were free, and doesn't now. */
function willFit({ room, shardsHold, isAbsent }: WorkerView, shape: Shape): boolean {
  if (isAbsent || isNothing(shardsHold) || !fitsEver(room, shape)) return false;
  if (fitsNow(room, shape.resources)) return false;
  return fits(shape.resources, plus(room.free, shardsHold));
}
