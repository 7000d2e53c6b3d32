/**
 * Pure core. Pools: which members one has. A member is an actor that isn't restarted; a fresh one
 * takes the place of one that died. What is too much leaves: it gets no new call, and ends when its
 * client says (by `kill`) that nothing is under way there, or after POOL_LEAVE_MS.
 */
import { SystemError } from "../../../runtime/errors.ts";
import { sha256Hex } from "../../../runtime/ids.ts";
import {
  LIFE_DELAY_MAX_MS,
  LIFE_DELAY_MS,
  POOL_CHECK_MS,
  POOL_LEAVE_MS,
  POOL_STEADY_MS,
  POOLS_MAX,
} from "../../../runtime/limits.ts";
import type { ActorRecord, ApiRequest, PoolSpec, PoolView } from "../../../runtime/messages.ts";
import type { Caller, HeadState, Step } from "../events.ts";
import { died, die, offer } from "../actors/lives.ts";
import { forgetIdle, ownerKey, ownerOf } from "../actors/owners.ts";
import { emptyHistory, poolSize, takeLoad } from "./size.ts";
import { addActor, refuse, requestKey } from "../actors/registry.ts";
import type { ActorEntry, PoolState } from "../actors/types.ts";
import { listedView, shortError } from "../actors/views.ts";

type RequestOf<Op extends ApiRequest["op"]> = Extract<ApiRequest, { op: Op }>;

/** Opens a pool; one that is open already, or was under an earlier leader, goes on. */
export function openPool(
  state: HeadState,
  step: Step,
  caller: Caller,
  { spec }: RequestOf<"pool-open">,
  nowMs: number,
): void {
  const own = sha256Hex(`pool ${requestKey(caller)}`).slice(0, 24);
  const poolId = spec.poolId ?? own;
  const known = state.actors.pools.get(poolId);
  const fault = faultOf(state, spec, known, caller);
  if (fault !== null) {
    refuse(step, caller, fault);
    return;
  }
  const pool = known ?? newPool(state, poolId, spec, caller, nowMs);
  advancePool(state, step, pool, nowMs);
  step.effects.push({ type: "reply", caller, value: poolViewOf(state, pool) });
}

function faultOf(
  state: HeadState,
  { size, options }: PoolSpec,
  known: PoolState | undefined,
  caller: Caller,
): SystemError | null {
  if (known !== undefined) {
    const isOwn = ownerKey(known.owner) === ownerKey(caller);
    return isOwn ? null : new SystemError("USAGE", "the pool is another process's");
  }
  if (size.min > size.max) {
    return new SystemError("USAGE", `a pool of at least ${size.min} and at most ${size.max}`);
  }
  if (options.name !== null || options.lifetime === "detached") {
    return new SystemError("USAGE", "a pool's members have no name and end with their owner");
  }
  if (state.actors.pools.size < POOLS_MAX) return null;
  return new SystemError("OVERLOADED", `${POOLS_MAX} pools are open already`);
}

function newPool(
  state: HeadState,
  poolId: string,
  spec: PoolSpec,
  { identity, process }: Caller,
  nowMs: number,
): PoolState {
  const { actors } = state;
  actors.lastNumber += 1;
  const pool: PoolState = {
    poolId,
    number: actors.lastNumber,
    spec,
    owner: { identity, process },
    members: new Map(),
    history: emptyHistory(),
    wanted: spec.size.min,
    reason: "",
    made: 0,
    failures: 0,
    failedMs: 0,
    dueMs: 0,
    checkMs: 0,
    lastDead: null,
    lastLoad: 0,
  };
  actors.pools.set(poolId, pool);
  const owner = ownerOf(state, pool.owner, nowMs);
  owner.pools.add(poolId);
  // Members that were announced before their pool was opened again.
  for (const actorId of owner.actors) {
    const entry = actors.entries.get(actorId);
    if (entry !== undefined) adoptMember(state, entry);
  }
  return pool;
}

/** Makes an actor that is known from an announcement a member of its pool. */
export function adoptMember({ actors }: HeadState, { record }: ActorEntry): void {
  const pool = actors.pools.get(record.pool ?? "");
  if (pool === undefined || ownerKey(pool.owner) !== ownerKey(record.owner)) return;
  pool.members.set(record.actorId, { leavingMs: null, aliveMs: null });
  actors.poolsChanged.add(pool.poolId);
}

/** Takes a report of load, and answers with the members there are. */
export function loadPool(
  state: HeadState,
  step: Step,
  caller: Caller,
  { poolId, load }: RequestOf<"pool-load">,
  nowMs: number,
): void {
  const pool = state.actors.pools.get(poolId);
  if (pool === undefined || ownerKey(pool.owner) !== ownerKey(caller)) {
    refuse(step, caller, new SystemError("ACTOR_NOT_FOUND", "no such pool of this process"));
    return;
  }
  // A request is repeated until it is answered; its answers count once.
  if (caller.id > pool.lastLoad) {
    pool.lastLoad = caller.id;
    takeLoad(pool.history, load, pool.spec.options.maxConcurrency, nowMs);
  }
  advancePool(state, step, pool, nowMs);
  step.effects.push({ type: "reply", caller, value: poolViewOf(state, pool) });
}

/** Ends a pool and its members. */
export function closePool(
  state: HeadState,
  step: Step,
  pool: PoolState,
  what: string,
  nowMs: number,
): void {
  const { actors } = state;
  actors.pools.delete(pool.poolId);
  for (const actorId of pool.members.keys()) {
    const entry = actors.entries.get(actorId);
    if (entry !== undefined) die(state, step, entry, died(what), nowMs);
  }
  const owner = actors.owners.get(ownerKey(pool.owner));
  owner?.pools.delete(pool.poolId);
  if (owner !== undefined) forgetIdle(state, owner);
}

/** Brings pools to their size: those of which something changed, and all now and then. */
export function advancePools(state: HeadState, step: Step, isTick: boolean, nowMs: number): void {
  const { pools, poolsChanged } = state.actors;
  if (isTick) {
    for (const pool of pools.values()) {
      if (nowMs >= pool.checkMs) poolsChanged.add(pool.poolId);
    }
  }
  for (const poolId of poolsChanged) {
    const pool = pools.get(poolId);
    if (pool !== undefined) advancePool(state, step, pool, nowMs);
  }
  poolsChanged.clear();
}

function advancePool(state: HeadState, step: Step, pool: PoolState, nowMs: number): void {
  const { size, options } = pool.spec;
  buryMembers(state, pool, nowMs);
  const bounds = { ...size, concurrency: options.maxConcurrency };
  const { wanted, reason } = poolSize(pool.history, bounds, nowMs);
  pool.wanted = wanted;
  pool.checkMs = nowMs + POOL_CHECK_MS;
  const staying = [...pool.members].filter(([, { leavingMs }]) => leavingMs === null);
  if (staying.length < wanted) grow(state, pool, wanted - staying.length, nowMs);
  else shrink(state, step, pool, staying.length - wanted, nowMs);
  endLeft(state, step, pool, nowMs);
  pool.reason = `${reason}${troubleOf(pool, nowMs)}`;
}

/** Takes dead members out; several that die early in a row delay those to come. */
function buryMembers({ actors }: HeadState, pool: PoolState, nowMs: number): void {
  let failed = false;
  for (const [actorId, member] of pool.members) {
    const entry = actors.entries.get(actorId);
    if (entry?.state === "alive") member.aliveMs ??= nowMs;
    const isSteady = member.aliveMs !== null && nowMs - member.aliveMs >= POOL_STEADY_MS;
    if (isSteady && (member.aliveMs ?? 0) > pool.failedMs) pool.failures = 0;
    if (entry !== undefined && entry.state !== "dead") continue;
    pool.members.delete(actorId);
    if (member.leavingMs !== null) continue;
    pool.lastDead = entry ?? null;
    failed ||= !isSteady;
  }
  if (!failed) return;
  pool.failures += 1;
  pool.failedMs = nowMs;
  const doubled = LIFE_DELAY_MS * 2 ** Math.min(pool.failures - 2, 20);
  pool.dueMs = nowMs + (pool.failures === 1 ? 0 : Math.min(doubled, LIFE_DELAY_MAX_MS));
}

/** Those that were about to leave stay; then fresh ones come. */
function grow(state: HeadState, pool: PoolState, missing: number, nowMs: number): void {
  let left = missing;
  for (const member of pool.members.values()) {
    if (left === 0 || member.leavingMs === null) continue;
    member.leavingMs = null;
    left -= 1;
  }
  if (nowMs < pool.dueMs) {
    pool.checkMs = Math.min(pool.checkMs, pool.dueMs);
    return;
  }
  for (; left > 0; left -= 1) addMember(state, pool, nowMs);
}

function addMember(state: HeadState, pool: PoolState, nowMs: number): void {
  const { poolId, owner, spec } = pool;
  pool.made += 1;
  const key = `member ${poolId} ${state.durable.epoch.number} ${pool.made}`;
  const { program, actor, args, options } = spec;
  const record: ActorRecord = {
    actorId: sha256Hex(key).slice(0, 24),
    program,
    actor,
    args,
    options: { ...options, getIfExists: false, maxRestarts: 0 },
    owner,
    pool: poolId,
  };
  const entry = addActor(state, record, nowMs);
  pool.members.set(record.actorId, { leavingMs: null, aliveMs: null });
  offer(state, entry, nowMs);
}

/** Those without a life end at once; of the others the youngest leave. */
function shrink(
  state: HeadState,
  step: Step,
  pool: PoolState,
  surplus: number,
  nowMs: number,
): void {
  if (surplus <= 0) return;
  const staying = [...pool.members].filter(([, { leavingMs }]) => leavingMs === null).reverse();
  const isAlive = ([, { aliveMs }]: (typeof staying)[number]): boolean => aliveMs !== null;
  const order = [...staying.filter((it) => !isAlive(it)), ...staying.filter(isAlive)];
  for (const [actorId, member] of order.slice(0, surplus)) {
    member.leavingMs = nowMs;
    const entry = state.actors.entries.get(actorId);
    if (entry === undefined || entry.state === "alive") continue;
    pool.members.delete(actorId);
    die(state, step, entry, died("its pool needs it no more"), nowMs);
  }
}

/** A member that nobody says has nothing under way is ended in the end. */
function endLeft(state: HeadState, step: Step, pool: PoolState, nowMs: number): void {
  for (const [actorId, { leavingMs }] of pool.members) {
    if (leavingMs === null || nowMs - leavingMs < POOL_LEAVE_MS) continue;
    pool.members.delete(actorId);
    const entry = state.actors.entries.get(actorId);
    if (entry !== undefined) die(state, step, entry, died("it left its pool"), nowMs);
  }
}

/** Before a member is ended on purpose: that is no failure of the pool's. */
export function releaseMember({ actors }: HeadState, { record }: ActorEntry): void {
  const { pool, actorId } = record;
  if (pool !== null && actors.pools.get(pool)?.members.delete(actorId) === true) {
    actors.poolsChanged.add(pool);
  }
}

function troubleOf({ failures, dueMs, lastDead }: PoolState, nowMs: number): string {
  if (failures === 0 || lastDead?.error == null) return "";
  const { code, what } = shortError(lastDead.error);
  const waits = dueMs > nowMs ? `; the next one in ${((dueMs - nowMs) / 1_000).toFixed(1)} s` : "";
  return `; ${failures} times in a row a member ended early (${code}: ${what})${waits}`;
}

export function poolViewOf({ actors }: HeadState, pool: PoolState): PoolView {
  const { poolId, spec, owner, wanted, reason, lastDead } = pool;
  const entries = [...pool.members.keys()].flatMap((id) => actors.entries.get(id) ?? []);
  const isAnyAlive = entries.some((entry) => entry.state === "alive");
  if (!isAnyAlive && lastDead !== null) entries.push(lastDead);
  const leaving = [...pool.members].filter(([, { leavingMs }]) => leavingMs !== null);
  return {
    poolId,
    actor: spec.actor,
    owner,
    size: spec.size,
    wanted,
    members: entries.map(listedView),
    draining: leaving.map(([actorId]) => actorId),
    reason,
  };
}
