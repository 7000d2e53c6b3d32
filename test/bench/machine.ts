/** What a bench looks at beside its clock: processes below its own, their memory, their rest. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** A process that descends from this one. */
export interface Descendant {
  readonly pid: number;
  /** Its script, or its program when it runs none: the end of the path. */
  readonly command: string;
  /** Its share of what it uses: pages that n processes map count as 1/n each. */
  readonly pssMb: number;
}

/** Hundredths of a second of processor time that is no work: timers of an idle process. */
const REST_TICKS = 1;
const REST_MS = 250;
const REST_DEADLINE_MS = 60_000;

/** All that this process started, and what that started. */
export function descendants(): Descendant[] {
  const parents = new Map<number, number>();
  for (const pid of readdirSync("/proc").map(Number).filter(Number.isInteger)) {
    const [, parent] = statFields(pid);
    if (parent !== undefined) parents.set(pid, Number(parent));
  }
  return [...parents.keys()].filter((pid) => descends(pid, parents)).map(describe);
}

/** Waits until nothing below this process works: its spares are ready. */
export async function atRest(): Promise<void> {
  const deadline = performance.now() + REST_DEADLINE_MS;
  for (let before = ticks(); ; ) {
    await delay(REST_MS);
    const now = ticks();
    if (now.count === before.count && now.ticks - before.ticks <= REST_TICKS) return;
    if (performance.now() > deadline) throw new Error("the cluster doesn't come to rest");
    before = now;
  }
}

/** This process's own. */
export function ownPssMb(): number {
  return pssMb(process.pid);
}

function ticks(): { readonly count: number; readonly ticks: number } {
  const pids = descendants().map(({ pid }) => pid);
  const used = pids.map((pid) => {
    const fields = statFields(pid);
    return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  });
  return { count: pids.length, ticks: used.reduce((sum, one) => sum + one, 0) };
}

function descends(pid: number, parents: ReadonlyMap<number, number>): boolean {
  for (let at = parents.get(pid); at !== undefined && at > 1; at = parents.get(at)) {
    if (at === process.pid) return true;
  }
  return false;
}

function describe(pid: number): Descendant {
  const [file = "", ...args] = read(`/proc/${pid}/cmdline`).split("\0");
  const script = args.find((arg) => /\.(ts|mjs|js)$/.test(arg)) ?? file;
  return { pid, command: script.split("/").slice(-2).join("/"), pssMb: pssMb(pid) };
}

/** A process's share of the memory it uses, in MB. */
export function pssMb(pid: number): number {
  const [, kilobytes] = /^Pss:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/smaps_rollup`)) ?? [];
  return Number(kilobytes ?? 0) / 1_024;
}

/** Milliseconds of processor time that a process has used, in steps of 10. */
export function cpuMs(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * 10;
}

/** Fields of /proc/<pid>/stat from the third on: state, parent. */
function statFields(pid: number): string[] {
  const text = read(`/proc/${pid}/stat`);
  return text === "" ? [] : text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
