/**
 * Pure core. Which node work goes to: tasks, actors and shards alike. Of the nodes on which it fits
 * now the one that already has most of what it reads, then the one where a share of a GPU fills a
 * GPU up, then the least loaded one, then the one that is named first.
 */
import type { Resources, Shape } from "../../../runtime/resources/resources.ts";
import { UNITS } from "../../../runtime/resources/resources.ts";
import { fitsEver, fitsNow, giveBack, gpusFor, type Grant, type Room, take } from "./room.ts";

/** A node as placement sees it. */
export interface Node {
  readonly room: Room;
}

/** What makes one node better than another; both are optional. */
export interface Wishes {
  /** Bytes of what the work reads that are at a node already. */
  readonly near?: (name: string) => number;
  /** Nodes that this work may not or can't go to now, for reasons other than resources: <= 0. */
  readonly places?: (name: string) => number;
}

/** A node, and what was taken there. */
export interface Placed {
  readonly name: string;
  readonly grant: Grant;
}

/**
 * Takes what a piece of work needs on the best node.
 * @returns undefined when it fits nowhere now: it waits, and blocks nobody.
 */
export function placeOn<T extends Node>(
  nodes: ReadonlyMap<string, T>,
  shape: Shape,
  wishes: Wishes = {},
): Placed | undefined {
  const name = bestOf(nodes, shape, wishes);
  const room = name === undefined ? undefined : nodes.get(name)?.room;
  if (name === undefined || room === undefined) return undefined;
  const grant = take(room, shape.resources);
  return grant === undefined ? undefined : { name, grant };
}

/**
 * Takes what several pieces need that only make sense together, one after the other as `placeOn`
 * would; all or nothing.
 */
export function placeAll<T extends Node>(
  nodes: ReadonlyMap<string, T>,
  shapes: readonly Shape[],
  wishes: Wishes = {},
): readonly Placed[] | undefined {
  const placed: Placed[] = [];
  for (const shape of shapes) {
    const one = placeOn(nodes, shape, wishes);
    if (one !== undefined) {
      placed.push(one);
      continue;
    }
    for (const { name, grant } of placed) {
      const room = nodes.get(name)?.room;
      if (room !== undefined) giveBack(room, grant);
    }
    return undefined;
  }
  return placed;
}

/** Where it would go now. */
export function bestOf<T extends Node>(
  nodes: ReadonlyMap<string, T>,
  shape: Shape,
  { near, places }: Wishes = {},
): string | undefined {
  let best: Rank | undefined;
  for (const [name, { room }] of nodes) {
    const free = places?.(name) ?? 0;
    if (places !== undefined && free <= 0) continue;
    if (!fitsEver(room, shape) || !fitsNow(room, shape.resources)) continue;
    const rank = {
      name,
      near: near?.(name) ?? 0,
      gpuLeft: gpuLeftOf(room, shape.resources),
      load: loadOf(room, shape.resources),
      free,
    };
    if (best === undefined || isBetter(rank, best)) best = rank;
  }
  return best?.name;
}

interface Rank {
  readonly name: string;
  readonly near: number;
  /** Units that a share leaves of its GPU: 0 fills it up. */
  readonly gpuLeft: number;
  /** The fullest of the resources that are asked for, 0..1. */
  readonly load: number;
  /** What `places` says. */
  readonly free: number;
}

function isBetter(a: Rank, b: Rank): boolean {
  if (a.near !== b.near) return a.near > b.near;
  if (a.gpuLeft !== b.gpuLeft) return a.gpuLeft < b.gpuLeft;
  if (a.load !== b.load) return a.load < b.load;
  return a.free > b.free;
}

function gpuLeftOf(room: Room, { gpu }: Resources): number {
  if (gpu === 0 || gpu >= UNITS) return 0;
  const [index = 0] = gpusFor(room, gpu) ?? [];
  return (room.gpuFree[index] ?? 0) - gpu;
}

/** How full a node is of what is asked for; of a piece that asks for nothing, of processors. */
function loadOf({ total, free }: Room, { gpu, memory, custom }: Resources): number {
  let load = shareOf(total.cpu, free.cpu);
  if (gpu > 0) load = Math.max(load, shareOf(total.gpu, free.gpu));
  if (memory > 0) load = Math.max(load, shareOf(total.memory, free.memory));
  for (const key of Object.keys(custom)) {
    load = Math.max(load, shareOf(total.custom[key] ?? 0, free.custom[key] ?? 0));
  }
  return load;
}

function shareOf(total: number, free: number): number {
  return total === 0 ? 0 : 1 - free / total;
}
