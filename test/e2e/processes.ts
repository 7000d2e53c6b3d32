/**
 * The processes of a place: which ones run, which one is at work, and proof that none is left. They
 * are found by their environment, by the mark of every lock record, and by the files they hold.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import {
  findByMark,
  findByOpenFiles,
  identityOf,
  isAlive,
  type ProcessIdentity,
  signalExactly,
} from "../../runtime/processes.ts";
import { factsNamed, namesIn, patience, type Place, until } from "./support.ts";

/** Seconds until nothing may be left after any end of a command. */
const SECONDS_TO_NOTHING = 10;

/** A part of a run, by what stands on its command line. */
export const PARTS = {
  supervisor: /ligase\.mjs supervise /,
  nats: /nats-server -c /,
  head: /head\/daemon\/main\.ts /,
  agent: /worker\/main\.ts /,
  executor: /worker\/executor\.ts/,
  slurmctld: /slurmctld /,
  slurmd: /slurmd /,
  munged: /munged /,
  /** Not its srun nor its batch script, which name it too. */
  rank: /^(\/bin\/sh )?\S*(mpi_dna_seq|gated-solver) --embeddings /,
} as const;
export type Part = keyof typeof PARTS;

/** All living processes of a place, this one apart. */
export function processesOf(place: Place): ProcessIdentity[] {
  const marks = marksOf(place.folder);
  const found = [
    ...findByEntry(place.entry),
    ...findByOpenFiles(place.folder),
    ...marks.flatMap((mark) => findByMark(mark)),
  ];
  const byPid = new Map(found.map((one) => [one.pid, one]));
  byPid.delete(process.pid);
  return [...byPid.values()];
}

/** The living processes of one part. */
export function partsOf(place: Place, part: Part): ProcessIdentity[] {
  return processesOf(place).filter(({ pid }) => PARTS[part].test(commandOf(pid)));
}

/** The one process of a part, once it runs. */
export async function partOf(place: Place, part: Part): Promise<ProcessIdentity> {
  return await until(`the ${part} runs`, () => partsOf(place, part)[0]);
}

/** Waits until no process of a place is left; @returns seconds since `sinceMs`. */
export async function nothingLeft(place: Place, sinceMs = performance.now()): Promise<number> {
  const deadline = sinceMs + SECONDS_TO_NOTHING * 1_000 * patience();
  for (;;) {
    const left = processesOf(place);
    if (left.length === 0) return (performance.now() - sinceMs) / 1_000;
    if (performance.now() > deadline) {
      throw new Error(`left: ${left.map(({ pid }) => `${pid} ${commandOf(pid)}`).join("; ")}`);
    }
    await until("a process ends", () => left.some((one) => !isAlive(one)), SECONDS_TO_NOTHING);
  }
}

/** Kills it at once, and waits for its end. */
export async function kill(identity: ProcessIdentity): Promise<void> {
  signalExactly(identity, "SIGKILL");
  await until("a killed process ends", () => !isAlive(identity));
}

/** Stops a process where it is; settles once the kernel says that it is stopped. */
export async function freeze(identity: ProcessIdentity): Promise<void> {
  signalExactly(identity, "SIGSTOP");
  await until("a process is stopped", () => stateOf(identity.pid) === "T");
}

export function thaw(identity: ProcessIdentity): void {
  signalExactly(identity, "SIGCONT");
}

/** Receipts in the log. */
export async function receipts(output: string): Promise<number> {
  return (await factsNamed(output, "shard.committed")).length;
}

/**
 * Freezes an executor in the middle of a shard, once `committed` receipts are in the log and a
 * shard is left to make: with one executor, phase 1 stands still from here on. Undefined when none
 * was caught at work before all shards were made.
 */
export async function freezeMidShard(
  place: Place,
  output: string,
  inputs: readonly string[],
  committed: number,
): Promise<ProcessIdentity | undefined> {
  const caught = await until("an executor is at a shard", async () => {
    if ((await factsNamed(output, "dataset.planned")).length === 0) return undefined;
    const made = await receipts(output);
    if (made === inputs.length) return "late";
    if (made < committed) return undefined;
    const executor = quickly(place, "executor").find(({ pid }) => holdsOne(pid, inputs));
    if (executor === undefined) return undefined;
    await freeze(executor);
    if (holdsOne(executor.pid, inputs)) return executor;
    thaw(executor);
    return undefined;
  });
  return caught === "late" ? undefined : caught;
}

/** The processes of a part that carry the place's environment: a look of a few milliseconds. */
function quickly(place: Place, part: Part): ProcessIdentity[] {
  const pids = pidsNow().filter((pid) => PARTS[part].test(commandOf(pid)));
  const ours = pids.filter((pid) => environmentOf(pid).includes(place.entry));
  return ours.map(identityOf).filter((one) => one !== undefined);
}

/** Seconds of processor time that a process has had. */
export function cpuSecondsOf(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / 100;
}

export function parentOf(pid: number): number {
  return Number(statFields(pid)[1] ?? 0);
}

export function commandOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`).replaceAll("\0", " ");
}

/** The environment of a process, `NAME=value` each. */
export function environmentOf(pid: number): string[] {
  return read(`/proc/${pid}/environ`).split("\0");
}

function findByEntry(entry: string): ProcessIdentity[] {
  const found = pidsNow().filter((pid) => environmentOf(pid).includes(entry));
  return found.map(identityOf).filter((one) => one !== undefined);
}

/** LIGASE_MARK of every run that left its record in a lock folder below. */
function marksOf(folder: string): string[] {
  return namesIn(folder).flatMap((name) => {
    const locks = [join(folder, name, ".ligase", "lock"), join(folder, name, "lock")];
    return locks.flatMap((lock) =>
      namesIn(lock).flatMap((n) => /"mark":"([0-9a-f]{16})"/.exec(read(join(lock, n)))?.[1] ?? []),
    );
  });
}

function pidsNow(): number[] {
  return namesIn("/proc").map(Number).filter(Number.isInteger);
}

/** Whether a process holds one of these files open. */
export function holdsOne(pid: number, paths: readonly string[]): boolean {
  return namesIn(`/proc/${pid}/fd`).some((descriptor) => {
    try {
      return paths.includes(readlinkSync(`/proc/${pid}/fd/${descriptor}`));
    } catch {
      return false;
    }
  });
}

function stateOf(pid: number): string {
  return statFields(pid)[0] ?? "X";
}

/** Fields of /proc/<pid>/stat from the third on: state first. */
function statFields(pid: number): string[] {
  const text = read(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
