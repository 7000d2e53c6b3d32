/**
 * Pure core. What one node has, and what of it is taken: who takes some gets a grant and gives back
 * exactly that. GPUs are counted one by one, for a share of one never spans two.
 *
 * Invariants: total = free + the sum of all grants, of every resource and of every GPU; placement
 * takes only what is free, so that nothing is below 0 but what a worker held already, or said to
 * have no more.
 */
import {
  fits,
  isNothing,
  matches,
  minus,
  plus,
  type Labels,
  type Resources,
  type Shape,
  UNITS,
} from "../../../runtime/resources/resources.ts";

/** What was taken of a node. */
export interface Grant {
  readonly resources: Resources;
  /** Which of its GPUs: one of which a share is taken, or several whole ones. */
  readonly gpus: readonly number[];
}

export interface Room {
  total: Resources;
  labels: Labels;
  free: Resources;
  /** Units free of each GPU; of those that the node had once and has no more, too. */
  readonly gpuFree: number[];
}

const NOTHING: readonly number[] = [];

export function newRoom(total: Resources, labels: Labels): Room {
  const gpuFree = Array.from({ length: total.gpu / UNITS }, () => UNITS);
  return { total, labels, free: total, gpuFree };
}

/** The node says that it has other resources now; what was taken stays taken. */
export function changeRoom(room: Room, total: Resources, labels: Labels): void {
  room.labels = labels;
  room.free = plus(room.free, minus(total, room.total));
  room.total = total;
  while (room.gpuFree.length < total.gpu / UNITS) room.gpuFree.push(UNITS);
}

/** Units free of each GPU that the node has. */
export function freeGpus({ gpuFree, total }: Room): readonly number[] {
  const count = total.gpu / UNITS;
  return gpuFree.length === count ? gpuFree : gpuFree.slice(0, count);
}

/** Whether an empty node of this kind would do. */
export function fitsEver({ total, labels }: Room, { resources, labels: wanted }: Shape): boolean {
  return matches(wanted, labels) && fits(resources, total);
}

/** Whether this much is free now. */
export function fitsNow(room: Room, need: Resources): boolean {
  return grantOf(room, need) !== undefined;
}

/**
 * The GPUs that so much would be taken of, undefined when they aren't free: the fullest one that
 * still holds a share, so that others stay whole; whole ones from the first.
 */
export function gpusFor(room: Room, units: number): readonly number[] | undefined {
  if (units === 0) return NOTHING;
  const gpuFree = freeGpus(room);
  if (units < UNITS) {
    let best: number | undefined;
    for (const [index, free] of gpuFree.entries()) {
      if (free >= units && (best === undefined || free < (gpuFree[best] ?? 0))) best = index;
    }
    return best === undefined ? undefined : [best];
  }
  const whole: number[] = [];
  for (const [index, free] of gpuFree.entries()) {
    if (free === UNITS) whole.push(index);
    if (whole.length * UNITS === units) return whole;
  }
  return undefined;
}

/** What would be taken now, or undefined: it isn't free. Nothing changes. */
export function grantOf(room: Room, need: Resources): Grant | undefined {
  if (isNothing(need)) return { resources: need, gpus: NOTHING };
  if (!fits(need, room.free)) return undefined;
  const gpus = gpusFor(room, need.gpu);
  return gpus === undefined ? undefined : { resources: need, gpus };
}

/** Takes it, or undefined: it isn't free. */
export function take(room: Room, need: Resources): Grant | undefined {
  const grant = grantOf(room, need);
  if (grant !== undefined) hold(room, grant);
  return grant;
}

/** Takes what is held there already, whether or not it is free. */
export function hold(room: Room, grant: Grant): void {
  room.free = minus(room.free, grant.resources);
  changeGpus(room, grant, -1);
}

export function giveBack(room: Room, grant: Grant): void {
  room.free = plus(room.free, grant.resources);
  changeGpus(room, grant, 1);
}

function changeGpus({ gpuFree }: Room, { resources, gpus }: Grant, sign: 1 | -1): void {
  if (gpus.length === 0) return;
  const each = resources.gpu / gpus.length;
  for (const index of gpus) {
    while (gpuFree.length <= index) gpuFree.push(UNITS);
    gpuFree[index] = (gpuFree[index] ?? 0) + sign * each;
  }
}
