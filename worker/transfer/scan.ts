/**
 * What a node's memory for objects is used for, for people to see. A store of a million objects is
 * looked through in short turns, so that the agent's loop goes on meanwhile.
 */
import { readFile, stat } from "node:fs/promises";
import { SystemError } from "../../runtime/errors.ts";
import { ObjectFolder } from "../../runtime/objects/files.ts";
import type { StoreUsage } from "../../runtime/objects/index.ts";
import type {
  JobUse,
  MemoryView,
  ObjectEntry,
  ObjectPage,
  ObjectState,
} from "../../runtime/transfer/messages.ts";
import { MEMORY_ROWS, SCAN_STEP, SCAN_TURN_MS } from "./limits.ts";

/** An object as the store tells it. */
interface Scanned {
  readonly id: string;
  readonly job: string;
  readonly bytes: number;
  readonly isSpilled: boolean;
  readonly isCopy: boolean;
  /** Rises from object to object of this store. */
  readonly number: number;
}

export interface ScannedStore {
  readonly folder: string;
  /** All objects, the oldest first; it may change meanwhile. */
  objects(): Iterable<Scanned>;
  readonly jobs: ReadonlyMap<string, Readonly<Omit<JobUse, "job">>>;
  usage(): StoreUsage;
}

export interface ListAsk {
  readonly filter: Readonly<Record<string, string>>;
  readonly after: number;
  readonly limit: number;
}

const FILTERS = ["job", "state", "object"] as const;
const STATES: readonly ObjectState[] = ["shared", "spilled", "copy"];

/**
 * A page of a node's objects behind a number, the oldest first, filtered before any cut.
 * @throws {SystemError} USAGE for a filter that there isn't.
 */
export async function listObjects(store: ScannedStore, ask: ListAsk): Promise<ObjectPage> {
  const { filter, after, limit } = ask;
  for (const name of Object.keys(filter)) {
    if (FILTERS.some((known) => known === name)) continue;
    throw new SystemError("USAGE", `objects are filtered by ${FILTERS.join(", ")}, not ${name}`);
  }
  const { state } = filter;
  if (state !== undefined && !STATES.some((known) => known === state)) {
    throw new SystemError("USAGE", `an object's state is ${STATES.join(", ")}, not ${state}`);
  }
  const entries: ObjectEntry[] = [];
  let last = after;
  let total = 0;
  let isMore = false;
  await lookThrough(store, (one) => {
    if (!passes(one, filter)) return;
    total += 1;
    if (one.number <= after) return;
    if (entries.length >= limit) isMore = true;
    else {
      entries.push(entryOf(one));
      last = one.number;
    }
  });
  return { entries, next: isMore ? last : null, total };
}

/** Who holds a node's memory for objects. */
export async function memoryOf(
  store: ScannedStore,
): Promise<Omit<MemoryView, "fetching" | "queued">> {
  const largest: Scanned[] = [];
  await lookThrough(store, (one) => {
    const least = largest.at(-1);
    if (largest.length >= MEMORY_ROWS && least !== undefined && one.bytes <= least.bytes) return;
    largest.push(one);
    largest.sort((a, b) => b.bytes - a.bytes);
    if (largest.length > MEMORY_ROWS) largest.pop();
  });
  const jobs = [...store.jobs]
    .map(([job, { objects, sharedBytes, copyBytes, spilledBytes }]) => {
      return { job, objects, sharedBytes, copyBytes, spilledBytes };
    })
    .sort((a, b) => b.sharedBytes + b.spilledBytes - a.sharedBytes - a.spilledBytes);
  const usage = store.usage();
  return {
    limitBytes: usage.limitBytes,
    sharedBytes: usage.sharedBytes,
    idleBytes: usage.idleBytes,
    grantedBytes: usage.grantedBytes,
    copyBytes: usage.copyBytes,
    spilledBytes: usage.spilledBytes,
    spillLimitBytes: usage.spillLimitBytes,
    objects: usage.objects,
    spilledObjects: usage.spilledObjects,
    waiting: usage.waiting,
    jobs: jobs.slice(0, MEMORY_ROWS),
    jobsInAll: jobs.length,
    largest: await pinned(store.folder, largest),
  };
}

/** In turns of SCAN_TURN_MS; what comes or goes meanwhile may be seen or not. */
async function lookThrough(store: ScannedStore, see: (one: Scanned) => void): Promise<void> {
  let looks = 0;
  let endMs = performance.now() + SCAN_TURN_MS;
  for (const one of store.objects()) {
    see(one);
    looks += 1;
    if (looks % SCAN_STEP !== 0 || performance.now() < endMs) continue;
    await new Promise((resolve) => void setImmediate(resolve));
    endMs = performance.now() + SCAN_TURN_MS;
  }
}

function passes(one: Scanned, filter: Readonly<Record<string, string>>): boolean {
  const { job, state, object } = filter;
  if (job !== undefined && one.job !== job) return false;
  if (object !== undefined && one.id !== object) return false;
  return state === undefined || stateOf(one) === state;
}

function stateOf({ isSpilled, isCopy }: Scanned): ObjectState {
  if (isSpilled) return "spilled";
  return isCopy ? "copy" : "shared";
}

function entryOf(one: Scanned): ObjectEntry {
  return { object: one.id, job: one.job, bytes: one.bytes, state: stateOf(one) };
}

/** Objects with the processes of this machine that map them: they hold their files' locks. */
async function pinned(folder: string, objects: readonly Scanned[]): Promise<MemoryView["largest"]> {
  const holders = pidsByInode(await readFile("/proc/locks", "latin1").catch(() => ""));
  const names = new ObjectFolder(folder);
  return await Promise.all(
    objects.map(async (one) => {
      const about = await stat(names.pathOf(one), { bigint: true }).catch(() => undefined);
      const pids = about === undefined ? undefined : holders.get(String(about.ino));
      return { ...entryOf(one), pins: [...(pids ?? [])] };
    }),
  );
}

/** Processes that hold a lock, by the file's number: those of one file system are asked for. */
export function pidsByInode(locks: string): Map<string, Set<number>> {
  const found = new Map<string, Set<number>>();
  for (const line of locks.split("\n")) {
    const [, pid, inode] = / FLOCK .*? (\d+) [0-9a-f]+:[0-9a-f]+:(\d+) /.exec(line) ?? [];
    if (pid === undefined || inode === undefined || pid === "0") continue;
    const pids = found.get(inode) ?? new Set();
    pids.add(Number(pid));
    found.set(inode, pids);
  }
  return found;
}
