/**
 * `ligase list actors|pools|tasks|nodes`: a page of what there is, filtered before it is cut. What
 * is held here is one page, however much there is.
 */
import type { Cluster, Page } from "../../../runtime/client/cluster.ts";
import type { ListOptions, Lists } from "../../../runtime/client/lists.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { LIST_PAGE_MAX } from "../../../runtime/limits.ts";
import type { ActorView, PoolView } from "../../../runtime/messages.ts";
import { type ReachFlags, withCluster } from "./reach.ts";
import { nodesRows, tasksRows } from "./rows.ts";
import { ageOf, columns } from "./text.ts";

export interface ListFlags extends ReachFlags {
  readonly filter: readonly string[];
  readonly limit: number;
  readonly after?: string;
  readonly json?: boolean;
}

/** What can be listed here. */
export const LISTED = ["actors", "pools", "tasks", "nodes"] as const;

/** Writes the page. @throws {SystemError} USAGE, CLUSTER_NOT_FOUND, what the head answers. */
export async function listCommand(
  what: string,
  flags: ListFlags,
  write: (text: string) => void,
): Promise<void> {
  if (what === "objects") {
    const { listObjectsCommand } = await import("../objects/list.ts");
    return await listObjectsCommand(flags, write);
  }
  const known = LISTED.find((name) => name === what);
  if (known === undefined) {
    throw new SystemError("USAGE", `list knows ${LISTED.join(", ")} and objects, not ${what}`);
  }
  const options = { filter: filterOf(flags.filter), after: flags.after ?? null };
  const limit = Math.min(flags.limit, LIST_PAGE_MAX);
  const page = await withCluster(flags, (cluster) => pageOf(cluster, known, { ...options, limit }));
  if (flags.json === true) write(json({ ...page, entries: page.entries.map(shown) }));
  else write(pageText(known, page, Date.now()));
}

/** A full page: the head looks at a bounded number of tasks a request, and many may not match. */
async function pageOf<What extends keyof Lists>(
  cluster: Cluster,
  what: What,
  options: ListOptions & { readonly limit: number },
): Promise<Page<Lists[What]>> {
  const entries: Lists[What][] = [];
  let after = options.after ?? null;
  for (;;) {
    const limit = options.limit - entries.length;
    const page = await cluster.list(what, { ...options, after, limit });
    entries.push(...page.entries);
    after = page.next;
    if (after === null || entries.length >= options.limit) return { ...page, entries };
  }
}

/** An entry for people's eyes: what opens an executor's socket stays inside. */
function shown(entry: Lists[keyof Lists]): object {
  if ("address" in entry) return withoutSecret(entry);
  return "members" in entry ? { ...entry, members: entry.members.map(withoutSecret) } : entry;
}

/** Pages as lines. */
export function pageText<What extends keyof Lists>(
  what: What,
  page: Page<Lists[What]>,
  nowMs: number,
): string {
  // Which of them it is `what` says, and the compiler can't see.
  const entries = page.entries as readonly never[];
  const rows = {
    actors: () => actorsRows(entries, nowMs),
    pools: () => poolsRows(entries),
    tasks: () => tasksRows(entries, nowMs),
    nodes: () => nodesRows(entries, nowMs),
  };
  return columns(rows[what]()) + restOf(page);
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

function actorsRows(actors: readonly ActorView[], nowMs: number): string[][] {
  const head = ["ACTOR", "NAME", "CLASS", "STATE", "FOR", "LIVES", "WORKER", "PID", "POOL"];
  const rows = actors.map((view) => [
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
  return [head, ...rows];
}

function poolsRows(pools: readonly PoolView[]): string[][] {
  const head = ["POOL", "CLASS", "SIZE", "MIN", "MAX", "WANTED", "DRAINING", "WHY"];
  const rows = pools.map((pool) => [
    pool.poolId,
    pool.actor,
    String(pool.members.filter(({ state }) => state === "alive").length),
    String(pool.size.min),
    String(pool.size.max),
    String(pool.wanted),
    String(pool.draining.length),
    pool.reason,
  ]);
  return [head, ...rows];
}

/** How many lives an actor may have. */
function livesOf({ maxRestarts }: ActorView): string {
  return maxRestarts >= Number.MAX_SAFE_INTEGER ? "any" : String(maxRestarts + 1);
}

function restOf({ entries, next, total }: Page<unknown>): string {
  if (next === null) return "";
  const all = total === null ? "many" : String(total);
  return `${entries.length} of ${all}; go on with --after ${next}\n`;
}
