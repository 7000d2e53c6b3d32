/**
 * Pure core. How many members a pool is to have, from what its client measures. Enough to keep up
 * with the calls that come and to work off those that wait within POOL_DRAIN_MS, never more than
 * there were calls at once, and never fewer than within the last POOL_SHRINK_MS.
 */
import {
  POOL_DRAIN_MS,
  POOL_IDLE_MS,
  POOL_SAMPLES_MAX,
  POOL_SHRINK_MS,
  POOL_WINDOW_MS,
} from "../../../runtime/limits.ts";
import type { PoolLoad } from "../../../runtime/messages.ts";

interface PoolSample {
  readonly atMs: number;
  /** Calls that waited or were under way. */
  readonly calls: number;
  readonly answered: number;
  readonly busyMs: number;
  /** Members that were needed then. */
  needed: number;
}

/** What a pool's client reported, the newest last. */
export interface PoolHistory {
  samples: PoolSample[];
  /** Milliseconds of one call, as last measured; null before the first answer. */
  serviceMs: number | null;
  /** Since when calls have been under way without any answer. */
  stuckSinceMs: number | null;
  /** When there was last a call; null before the first. */
  lastCallMs: number | null;
  /** The size it has, and since when. */
  size: number;
  sizedMs: number;
}

export interface PoolBounds {
  readonly min: number;
  readonly max: number;
  /** Calls that one member runs at once. */
  readonly concurrency: number;
}

export function emptyHistory(): PoolHistory {
  return {
    samples: [],
    serviceMs: null,
    stuckSinceMs: null,
    lastCallMs: null,
    size: 0,
    sizedMs: 0,
  };
}

/** Takes one report of load; the oldest go. */
export function takeLoad(
  history: PoolHistory,
  load: PoolLoad,
  concurrency: number,
  nowMs: number,
): void {
  const { backlog, inFlight, answered, busyMs } = load;
  const calls = backlog + inFlight;
  if (calls > 0 || answered > 0) history.lastCallMs = nowMs;
  if (answered > 0 || inFlight === 0) history.stuckSinceMs = null;
  else history.stuckSinceMs ??= nowMs;
  const sample: PoolSample = { atMs: nowMs, calls, answered, busyMs, needed: 0 };
  history.samples.push(sample);
  history.samples = history.samples.filter(({ atMs }) => nowMs - atMs < POOL_SHRINK_MS);
  history.serviceMs = measuredService(history, nowMs) ?? history.serviceMs;
  sample.needed = neededNow(history, calls, concurrency, nowMs);
  if (history.samples.length > POOL_SAMPLES_MAX) thin(history);
}

/** Halves the older samples: of each two the one that needed more stays, with both's answers. */
function thin(history: PoolHistory): void {
  const { samples } = history;
  const kept: PoolSample[] = [];
  for (let i = 0; i + 1 < samples.length; i += 2) {
    const [a, b] = [samples[i], samples[i + 1]];
    if (a === undefined || b === undefined) continue;
    kept.push({
      atMs: b.atMs,
      calls: Math.max(a.calls, b.calls),
      answered: a.answered + b.answered,
      busyMs: a.busyMs + b.busyMs,
      needed: Math.max(a.needed, b.needed),
    });
  }
  const last = samples.at(-1);
  if (samples.length % 2 === 1 && last !== undefined) kept.push(last);
  history.samples = kept;
}

function measuredService({ samples }: PoolHistory, nowMs: number): number | null {
  let answered = 0;
  let busyMs = 0;
  for (const sample of samples) {
    if (nowMs - sample.atMs >= POOL_WINDOW_MS) continue;
    answered += sample.answered;
    busyMs += sample.busyMs;
  }
  return answered === 0 ? null : busyMs / answered;
}

/** Milliseconds of one call; at least as long as calls have been under way without an answer. */
function serviceOf(history: PoolHistory, nowMs: number): number {
  const { serviceMs, stuckSinceMs } = history;
  return Math.max(serviceMs ?? 0, stuckSinceMs === null ? 0 : nowMs - stuckSinceMs);
}

/** Calls that came within the window, a millisecond. */
function arrivalsOf({ samples }: PoolHistory, calls: number, nowMs: number): number {
  const window = samples.filter(({ atMs }) => nowMs - atMs < POOL_WINDOW_MS);
  const before = samples.findLast(({ atMs }) => nowMs - atMs >= POOL_WINDOW_MS)?.calls ?? 0;
  const answered = window.reduce((sum, sample) => sum + sample.answered, 0);
  return Math.max(0, answered + calls - before) / POOL_WINDOW_MS;
}

function neededNow(
  history: PoolHistory,
  calls: number,
  concurrency: number,
  nowMs: number,
): number {
  const most = history.samples.reduce(
    (max, sample) => (nowMs - sample.atMs < POOL_WINDOW_MS ? Math.max(max, sample.calls) : max),
    calls,
  );
  const service = serviceOf(history, nowMs);
  // What comes keeps so many calls running at once; long ones say too little of that.
  const steady = arrivalsOf(history, calls, nowMs) * service;
  if (most === 0 && steady === 0) return 0;
  const bound = service > POOL_DRAIN_MS ? most : Math.max(most, steady);
  const running = Math.min(steady + (calls / POOL_DRAIN_MS) * service, bound);
  return Math.max(1, Math.ceil(running / concurrency));
}

/** The size from now on, and why in words. A size that changed is kept for POOL_SHRINK_MS. */
export function poolSize(
  history: PoolHistory,
  { min, max, concurrency }: PoolBounds,
  nowMs: number,
): { readonly wanted: number; readonly reason: string } {
  const { lastCallMs, size, sizedMs } = history;
  const calls = history.samples.at(-1)?.calls ?? 0;
  const idleMs = lastCallMs === null || calls > 0 ? null : nowMs - lastCallMs;
  if (calls === 0 && (idleMs === null || idleMs >= POOL_IDLE_MS)) {
    const since = idleMs === null ? "no call yet" : `no call for ${seconds(idleMs)}`;
    settle(history, min, nowMs);
    return { wanted: min, reason: `${min} (its minimum): ${since}` };
  }
  const now = neededNow(history, calls, concurrency, nowMs);
  const recent = history.samples.filter(({ atMs }) => nowMs - atMs < POOL_SHRINK_MS);
  const needed = recent.reduce((most, sample) => Math.max(most, sample.needed), now);
  const isFresh = nowMs - sizedMs < POOL_SHRINK_MS;
  const least = Math.max(min, min === 0 ? 1 : 0, isFresh ? size : 0);
  const wanted = Math.min(max, Math.max(least, needed));
  settle(history, wanted, nowMs);
  const load = loadOf(history, calls, nowMs);
  const before = wanted > now ? "; kept for a while" : "";
  return { wanted, reason: `${wanted}${boundOf(wanted, needed, { min, max })}: ${load}${before}` };
}

function settle(history: PoolHistory, wanted: number, nowMs: number): void {
  if (history.size === wanted) return;
  history.size = wanted;
  history.sizedMs = nowMs;
}

function loadOf(history: PoolHistory, calls: number, nowMs: number): string {
  if (calls === 0) return `no call for ${seconds(nowMs - (history.lastCallMs ?? nowMs))}`;
  const service = serviceOf(history, nowMs);
  const perSecond = Math.round(arrivalsOf(history, calls, nowMs) * 1_000);
  const each = service === 0 ? "none is answered yet" : `${service.toFixed(1)} ms each`;
  return `${calls} calls wait or run, ${perSecond}/s come, ${each}`;
}

function boundOf(
  wanted: number,
  needed: number,
  { min, max }: Omit<PoolBounds, "concurrency">,
): string {
  if (needed > max) return ` (its maximum; ${needed} would keep up)`;
  return wanted === min && needed < min ? " (its minimum)" : "";
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
