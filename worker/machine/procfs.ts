/** What /proc says of processes and of the machine's memory; undefined where it says nothing. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Milliseconds of one clock tick of /proc: 100 a second on every Linux that Node runs on. */
const TICK_MS = 10;
const KIB = 1024;
/** Of one millisecond. */
const NANOSECONDS = 1_000_000;

export interface ProcessLook {
  /** R, S, D, Z, T, ... as ps shows it. */
  readonly state: string;
  /** Milliseconds of processor that it has used. */
  readonly cpuMs: number;
}

/** How a process is at the moment. */
export function lookAt(pid: number): ProcessLook | undefined {
  const text = readText(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The command's name, in parentheses, may hold any byte: fields count from the last of those.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [userTicks = "0", systemTicks = "0"] = fields.slice(11);
  return {
    state: fields[0] ?? "X",
    cpuMs: (Number(userTicks) + Number(systemTicks)) * TICK_MS,
  };
}

/**
 * Milliseconds for which a process's main thread has used a processor, or waited for one: on a busy
 * machine the first alone would make everybody look idle.
 */
export function wantedMsOf(pid: number): number | undefined {
  const [ran, waited] = (readText(`/proc/${pid}/schedstat`) ?? "").split(" ");
  if (ran === undefined || waited === undefined) return lookAt(pid)?.cpuMs;
  return (Number(ran) + Number(waited)) / NANOSECONDS;
}

/** Whether a process goes on by itself: there, and neither stopped nor dead. */
export function isRunning(pid: number): boolean {
  const state = lookAt(pid)?.state;
  return state !== undefined && !"TtZXx".includes(state);
}

/** A process and all that it started, as far as they are still its descendants. */
export function familyOf(pid: number): number[] {
  const family = [pid];
  for (const parent of family) {
    const children = readText(`/proc/${parent}/task/${parent}/children`) ?? "";
    for (const child of children.split(" ")) {
      if (child !== "" && !family.includes(Number(child))) family.push(Number(child));
    }
  }
  return family;
}

/** Bytes that come back when a process ends: what it doesn't share with files. */
export function ownBytesOf(pid: number): number {
  const text = readText(`/proc/${pid}/status`) ?? "";
  return kibOf(text, "RssAnon") * KIB + kibOf(text, "RssShmem") * KIB;
}

export interface MemoryLook {
  /** What can still be taken before somebody must be ended, and how much there is in all. */
  readonly availableBytes: number;
  readonly totalBytes: number;
}

/** The machine's memory, or that of the tightest cgroup this process is in. */
export function lookAtMemory(root = "/"): MemoryLook | undefined {
  const text = readText(join(root, "proc/meminfo"));
  if (text === undefined) return undefined;
  let tightest: MemoryLook = {
    availableBytes: kibOf(text, "MemAvailable") * KIB,
    totalBytes: kibOf(text, "MemTotal") * KIB,
  };
  for (const look of cgroupLooks(root)) {
    if (look.availableBytes < tightest.availableBytes) tightest = look;
  }
  return tightest;
}

/** Processes that the kernel has ended for memory: on this machine, or in this cgroup. */
export function oomKills(root = "/"): number {
  const onMachine = countOf(readText(join(root, "proc/vmstat")), "oom_kill");
  const path = /^0::(.*)$/m.exec(readText(join(root, "proc/self/cgroup")) ?? "")?.[1] ?? "/";
  const events = readText(join(root, "sys/fs/cgroup", path, "memory.events"));
  return onMachine + countOf(events, "oom_kill");
}

/** Each cgroup that has a limit, from this process's own to the root. */
function cgroupLooks(root: string): MemoryLook[] {
  const looks: MemoryLook[] = [];
  for (const line of (readText(join(root, "proc/self/cgroup")) ?? "").split("\n")) {
    const [, controllers = "", path = ""] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const isUnified = controllers === "";
    if (path === "" || !(isUnified || controllers.split(",").includes("memory"))) continue;
    const top = join(root, "sys/fs/cgroup", isUnified ? "" : "memory");
    for (let below = path; ; below = join(below, "..")) {
      const look = isUnified ? unifiedLook(join(top, below)) : legacyLook(join(top, below));
      if (look !== undefined) looks.push(look);
      if (below === "/" || below === ".") break;
    }
  }
  return looks;
}

function unifiedLook(folder: string): MemoryLook | undefined {
  const limit = Number(readText(join(folder, "memory.max")) ?? "max");
  const used = Number(readText(join(folder, "memory.current")) ?? Number.NaN);
  return lookOf(folder, limit, used, "inactive_file");
}

function legacyLook(folder: string): MemoryLook | undefined {
  const limit = Number(readText(join(folder, "memory.limit_in_bytes")) ?? Number.NaN);
  const used = Number(readText(join(folder, "memory.usage_in_bytes")) ?? Number.NaN);
  return lookOf(folder, limit, used, "total_inactive_file");
}

/** Cached files that nobody used for long are given back before anybody is ended. */
function lookOf(
  folder: string,
  limit: number,
  used: number,
  cached: string,
): MemoryLook | undefined {
  if (!Number.isSafeInteger(limit) || !Number.isSafeInteger(used)) return undefined;
  const stat = readText(join(folder, "memory.stat")) ?? "";
  const given = countOf(stat, cached);
  return { availableBytes: Math.max(0, limit - used + given), totalBytes: limit };
}

function countOf(text: string | undefined, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text ?? "")?.[1] ?? 0);
}

function kibOf(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1] ?? 0);
}

/** A process may end between any two looks; not every kernel has every file. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
