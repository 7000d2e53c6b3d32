/**
 * The memory watch: before the kernel ends whom it likes, the executor that took most is ended.
 * `judge` decides, from looks that the agent takes; one is ended at a time, and the next one only
 * when what the last one had must have come back.
 */
import {
  MEMORY_FLOOR_BYTES_MAX,
  MEMORY_FLOOR_SHARE,
  MEMORY_GROWTH_MS,
  MEMORY_SETTLE_MS,
} from "../../runtime/limits.ts";
import type { MemoryLook } from "./procfs.ts";

/** What one more byte of growth counts against one that an executor has had for long. */
const GROWTH_WEIGHT = 3;
/** An executor under this share of the floor isn't ended: it isn't what takes the memory. */
const WORTH_SHARE = 1 / 8;
/** Executors are looked at from this many floors on. */
const NEAR_FLOORS = 4;

export interface ExecutorLook {
  readonly key: number;
  readonly bytes: number;
}

/** Whom to end, and why. */
export interface Verdict extends ExecutorLook {
  readonly availableBytes: number;
  readonly floorBytes: number;
}

export interface MemoryState {
  /** Set by the operator; null = a share of what there is. */
  readonly floorBytes: number | null;
  /** The oldest look of each executor within MEMORY_GROWTH_MS, and when. */
  readonly first: Map<number, { readonly atMs: number; readonly bytes: number }>;
  /** The executor that was ended last, and since when it isn't seen any more. */
  ended: { readonly key: number; goneMs: number | null } | undefined;
}

export function newMemoryState(floorBytes: number | null = null): MemoryState {
  return { floorBytes, first: new Map(), ended: undefined };
}

/** Bytes that are to stay free. */
export function floorOf({ floorBytes }: MemoryState, { totalBytes }: MemoryLook): number {
  return floorBytes ?? Math.min(totalBytes * MEMORY_FLOOR_SHARE, MEMORY_FLOOR_BYTES_MAX);
}

/** Whether it is time to look at the executors too. */
export function isNear(state: MemoryState, look: MemoryLook): boolean {
  return look.availableBytes < NEAR_FLOORS * floorOf(state, look);
}

/** The executor to end now, if any. Remembers what it saw. */
export function judge(
  state: MemoryState,
  look: MemoryLook,
  executors: readonly ExecutorLook[],
  nowMs: number,
): Verdict | undefined {
  const floorBytes = floorOf(state, look);
  const { availableBytes } = look;
  remember(state, executors, nowMs);
  if (availableBytes >= floorBytes || isSettling(state, executors, nowMs)) return undefined;
  const worst = worstOf(state, executors);
  // An operator's floor may be most of the machine: then, too, a few MiB aren't worth an end.
  const worthBytes = Math.min(floorBytes, MEMORY_FLOOR_BYTES_MAX) * WORTH_SHARE;
  if (worst === undefined || worst.bytes < worthBytes) return undefined;
  state.ended = { key: worst.key, goneMs: null };
  return { ...worst, availableBytes, floorBytes };
}

/** The one that has and takes most: growth counts more, or a large model would pay for a leak. */
function worstOf(
  { first }: MemoryState,
  executors: readonly ExecutorLook[],
): ExecutorLook | undefined {
  let [worst, most]: [ExecutorLook | undefined, number] = [undefined, 0];
  for (const executor of executors) {
    const { key, bytes } = executor;
    const growth = Math.max(0, bytes - (first.get(key)?.bytes ?? bytes));
    const score = bytes + GROWTH_WEIGHT * growth;
    if (score > most) [worst, most] = [executor, score];
  }
  return worst;
}

function remember(state: MemoryState, executors: readonly ExecutorLook[], atMs: number): void {
  const living = new Set(executors.map(({ key }) => key));
  for (const key of state.first.keys()) if (!living.has(key)) state.first.delete(key);
  for (const { key, bytes } of executors) {
    const known = state.first.get(key);
    if (known !== undefined && atMs - known.atMs < MEMORY_GROWTH_MS) continue;
    state.first.set(key, { atMs, bytes });
  }
}

/** Whether the last one ended is still there, or only just gone. */
function isSettling(
  state: MemoryState,
  executors: readonly ExecutorLook[],
  nowMs: number,
): boolean {
  const { ended } = state;
  if (ended === undefined) return false;
  if (executors.some(({ key }) => key === ended.key)) return true;
  ended.goneMs ??= nowMs;
  if (nowMs - ended.goneMs < MEMORY_SETTLE_MS) return true;
  state.ended = undefined;
  return false;
}

/** Why an executor was ended, in words. */
export function describeVerdict({ bytes, availableBytes, floorBytes }: Verdict): string {
  const free = `${mib(availableBytes)} MiB were free, under the floor of ${mib(floorBytes)} MiB`;
  return `it held ${mib(bytes)} MiB, more than any other, when ${free}`;
}

function mib(bytes: number): number {
  return Math.round(bytes / (1024 * 1024));
}
