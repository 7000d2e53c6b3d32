/** `ligase list actors|pools`: a page of what there is, filtered before it is cut. */
import type { Page } from "../../../runtime/client/cluster.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { LIST_PAGE_MAX } from "../../../runtime/limits.ts";
import type { ActorView, PoolView } from "../../../runtime/messages.ts";
import { type ReachFlags, withCluster } from "./reach.ts";
import { ageOf, columns } from "./text.ts";

export interface ListFlags extends ReachFlags {
  readonly filter: readonly string[];
  readonly limit: number;
  readonly after?: string;
  readonly json?: boolean;
}

/** Writes the page. @throws {SystemError} USAGE, CLUSTER_NOT_FOUND, what the head answers. */
export async function listCommand(
  what: string,
  flags: ListFlags,
  write: (text: string) => void,
): Promise<void> {
  const filter = filterOf(flags.filter);
  const options = {
    filter,
    after: flags.after ?? null,
    limit: Math.min(flags.limit, LIST_PAGE_MAX),
  };
  const nowMs = Date.now();
  if (what === "actors") {
    const page = await withCluster(flags, (cluster) => cluster.list("actors", options));
    const entries = page.entries.map(withoutSecret);
    write(flags.json === true ? json({ ...page, entries }) : actorsText(page, nowMs));
  } else if (what === "pools") {
    const page = await withCluster(flags, (cluster) => cluster.list("pools", options));
    const entries = page.entries.map((pool) => ({
      ...pool,
      members: pool.members.map(withoutSecret),
    }));
    write(flags.json === true ? json({ ...page, entries }) : poolsText(page));
  } else throw new SystemError("USAGE", `list knows actors and pools, not ${what}`);
}

/** `key=value` texts as one filter. @throws {SystemError} USAGE. */
export function filterOf(texts: readonly string[]): Record<string, string> {
  const pairs = texts.map((text) => {
    const at = text.indexOf("=");
    if (at < 1) throw new SystemError("USAGE", `a filter is key=value, not ${text}`);
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  return Object.fromEntries(pairs);
}

/** A view for people's eyes: what opens the executor's socket stays inside. */
export function withoutSecret(view: ActorView): object {
  if (view.address === null) return view;
  const address = Object.entries(view.address).filter(([name]) => name !== "token");
  return { ...view, address: Object.fromEntries(address) };
}

export function json(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** Actors as lines. */
export function actorsText(page: Page<ActorView>, nowMs: number): string {
  const head = ["ACTOR", "NAME", "CLASS", "STATE", "FOR", "LIVES", "WORKER", "PID", "POOL"];
  const rows = page.entries.map((view) => [
    view.actorId,
    view.name ?? "-",
    view.actor,
    view.state,
    ageOf(nowMs - view.sinceMs),
    `${view.restarts + 1}/${livesOf(view)}`,
    view.worker ?? "-",
    view.address === null ? "-" : String(view.address.pid),
    view.pool ?? "-",
  ]);
  return columns([head, ...rows]) + restOf(page);
}

/** Pools as lines. */
export function poolsText(page: Page<PoolView>): string {
  const head = ["POOL", "CLASS", "SIZE", "MIN", "MAX", "WANTED", "DRAINING", "WHY"];
  const rows = page.entries.map((pool) => [
    pool.poolId,
    pool.actor,
    String(pool.members.filter(({ state }) => state === "alive").length),
    String(pool.size.min),
    String(pool.size.max),
    String(pool.wanted),
    String(pool.draining.length),
    pool.reason,
  ]);
  return columns([head, ...rows]) + restOf(page);
}

/** How many lives an actor may have. */
function livesOf({ maxRestarts }: ActorView): string {
  return maxRestarts >= Number.MAX_SAFE_INTEGER ? "any" : String(maxRestarts + 1);
}

function restOf({ entries, next, total }: Page<unknown>): string {
  if (next === null) return "";
  return `${entries.length} of ${total}; go on with --after ${next}\n`;
}
