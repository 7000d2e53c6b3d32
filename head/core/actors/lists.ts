/** Pure core. Pages of actors and pools, filtered first, and the events of actors. */
import { SystemError } from "../../../runtime/errors.ts";
import { ACTOR_EVENTS_KEPT_MAX, LIST_MEMBERS_MAX, LIST_PAGE_MAX } from "../../../runtime/limits.ts";
import type { ActorEvent, ApiRequest, PoolView } from "../../../runtime/messages.ts";
import type { Caller, HeadState, Step } from "../events.ts";
import { ownerKey } from "./owners.ts";
import { poolViewOf } from "../pools/pools.ts";
import { refuse } from "./registry.ts";
import type { ActorEntry, PoolState } from "./types.ts";
import { listedView } from "./views.ts";

type Fields<T> = Readonly<Record<string, (item: T) => string | null>>;

const ACTOR_FIELDS: Fields<ActorEntry> = {
  actorId: ({ record }) => record.actorId,
  actor: ({ record }) => record.actor,
  name: ({ record }) => record.options.name,
  state: ({ state }) => state,
  lifetime: ({ record }) => record.options.lifetime,
  hosting: ({ record }) => record.options.hosting,
  pool: ({ record }) => record.pool,
  worker: ({ worker }) => worker,
  process: ({ address }) => address?.process ?? null,
  host: ({ address }) => address?.host ?? null,
  owner: ({ record }) => ownerKey(record.owner),
};

const POOL_FIELDS: Fields<PoolState> = {
  poolId: ({ poolId }) => poolId,
  actor: ({ spec }) => spec.actor,
  owner: ({ owner }) => ownerKey(owner),
};

interface Page<T> {
  readonly entries: readonly T[];
  /** Where the next page starts; null at the end. */
  readonly next: string | null;
  /** How many there are in all. */
  readonly total: number;
}

export function listPage(
  state: HeadState,
  step: Step,
  caller: Caller,
  { what, filter, after, limit }: Extract<ApiRequest, { op: "list" }>,
): void {
  const { actors } = state;
  const fields = what === "actors" ? ACTOR_FIELDS : POOL_FIELDS;
  const unknown = Object.keys(filter).find((key) => !Object.hasOwn(fields, key));
  const from = after === null ? 0 : Number(after);
  if (unknown !== undefined || !Number.isSafeInteger(from)) {
    const known = Object.keys(fields).join(", ");
    const fault = unknown === undefined ? `no such page: ${after}` : `no field ${unknown}`;
    refuse(step, caller, new SystemError("USAGE", `${fault}; ${what} have ${known}`));
    return;
  }
  const where = { filter, from, limit };
  if (what === "actors") {
    const page = pageOf(actors.entries.values(), ACTOR_FIELDS, where);
    const value = { ...page, entries: page.entries.map(listedView) };
    step.effects.push({ type: "reply", caller, value });
    return;
  }
  const page = pageOf(actors.pools.values(), POOL_FIELDS, where);
  const value = boundMembers(page, (pool) => poolViewOf(state, pool));
  step.effects.push({ type: "reply", caller, value });
}

/** Items stand in the order of their numbers. */
function pageOf<T extends { readonly number: number }>(
  items: Iterable<T>,
  fields: Fields<T>,
  where: { filter: Readonly<Record<string, string>>; from: number; limit: number },
): Page<T> {
  const wanted = Object.entries(where.filter);
  const entries: T[] = [];
  let total = 0;
  let isMore = false;
  for (const item of items) {
    if (!wanted.every(([key, value]) => fields[key]?.(item) === value)) continue;
    total += 1;
    if (item.number <= where.from) continue;
    if (entries.length < where.limit) entries.push(item);
    else isMore = true;
  }
  return { entries, next: isMore ? String(entries.at(-1)?.number ?? 0) : null, total };
}

/** As many pools of a page as fit a frame with their members, and one at least. */
function boundMembers(page: Page<PoolState>, view: (pool: PoolState) => PoolView): Page<PoolView> {
  let members = 0;
  const fitting = page.entries.filter((pool, index) => {
    members += pool.members.size;
    return index === 0 || members <= LIST_MEMBERS_MAX;
  });
  const isAll = fitting.length === page.entries.length;
  const next = isAll ? page.next : String(fitting.at(-1)?.number ?? 0);
  return { entries: fitting.map(view), next, total: page.total };
}

/** Events after a number, as many as fit; a number of an earlier leader's gives all there are. */
export function eventsAfter(
  { actors }: HeadState,
  after: number,
  limit: number,
): { events: ActorEvent[]; next: number; lost: number } {
  const { events, lastEvent } = actors;
  const from = after > lastEvent ? 0 : after;
  const oldest = Math.max(1, lastEvent - ACTOR_EVENTS_KEPT_MAX + 1);
  const first = Math.max(from + 1, oldest);
  const count = Math.min(limit, LIST_PAGE_MAX, lastEvent - first + 1);
  const found = Array.from({ length: count }, (_, i) => {
    return events[(first + i) % ACTOR_EVENTS_KEPT_MAX] ?? [];
  }).flat();
  return { events: found, next: first + count - 1, lost: first - from - 1 };
}
