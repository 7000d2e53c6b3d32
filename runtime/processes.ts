/**
 * Processes of this machine: who one is, starting one that dies with us, finding ours and ending
 * them. A process is (pid, start time, boot): a pid alone is reused, so no signal leaves without a
 * look at the start time just before it. Ours are found by what they carry (a variable of the
 * environment) or hold (files under our runtime folder), never by name.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { accessSync, constants, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { realpathSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { SystemError } from "./errors.ts";
import { SWEEP_KILL_MS, SWEEP_PAUSE_MS, SWEEP_ROUNDS_MAX, TERM_GRACE_MS } from "./limits.ts";

/** The environment variable that all our processes carry; its value is the cluster's id. */
export const MARK_VARIABLE = "LIGASE_MARK";

/** One life of a process; equal in all three fields = the same life. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start in clock ticks since boot: field 22 of /proc/<pid>/stat. */
  readonly startTicks: number;
  readonly bootId: string;
}

export interface BoundOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly stdio?: SpawnOptions["stdio"];
  /** What the kernel sends the child when we die, however we die. */
  readonly deathSignal: "KILL" | "TERM";
  /** Own session and process group, so that a Ctrl-C on the terminal doesn't reach it. */
  readonly detached?: boolean;
  /** A command and arguments that execute the rest of their arguments, put before setpriv. */
  readonly wrapper?: readonly string[];
}

export interface BoundChild {
  readonly child: ChildProcess;
  readonly identity: ProcessIdentity;
}

/** What to sweep: processes that match any of the given fields. */
export interface SweepTarget {
  /** Value of LIGASE_MARK. */
  readonly mark?: string;
  /** Other environment entries, `NAME=value`: one of them is enough. */
  readonly entry?: string | readonly string[];
  /** Folder whose files, or which itself, a process holds open or works in. */
  readonly folder?: string;
}

export interface SweepOptions {
  /** Pids to leave alone; this process and its ancestors always are. */
  readonly except?: readonly number[];
  /** Milliseconds between SIGTERM and SIGKILL; 0 kills at once. */
  readonly graceMs?: number;
}

export interface Swept {
  readonly ended: readonly ProcessIdentity[];
  /** Still there after SIGKILL and the bound: in an uninterruptible wait of the kernel. */
  readonly remaining: readonly ProcessIdentity[];
}

/** This life of the process with that pid, or undefined when there is none; a zombie is none. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid);
  if (stat === undefined || stat.dead) return undefined;
  return { pid, startTicks: stat.startTicks, bootId: bootId() };
}

/** Whether that life goes on; false for a zombie, a reused pid and another boot. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.bootId !== bootId()) return false;
  const stat = readStat(identity.pid);
  return stat !== undefined && !stat.dead && stat.startTicks === identity.startTicks;
}

/**
 * Path of an executable, or undefined: PATH, then the system folders, because daemons stand in
 * sbin, which an ordinary user's PATH lacks. A name with a slash is only checked.
 */
export function findExecutable(name: string, path = process.env["PATH"] ?? ""): string | undefined {
  if (name.includes("/")) return isExecutable(name) ? name : undefined;
  const folders = [...path.split(delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin"];
  return folders
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

/**
 * A started child that the kernel ends when this process dies, even by SIGKILL. The binding is to
 * the calling thread: call it from the main thread. Grandchildren aren't bound; `sweep` gets them.
 *
 * @throws {SystemError} SETUP_MISSING without setpriv or the command; INTERNAL when fork fails.
 */
export function spawnBound(
  command: string,
  args: readonly string[],
  options: BoundOptions,
): BoundChild {
  const setpriv = findExecutable("setpriv");
  if (setpriv === undefined) {
    throw new SystemError("SETUP_MISSING", "setpriv is missing: apt-get install util-linux");
  }
  const executable = findExecutable(command, options.env["PATH"]);
  if (executable === undefined) throw new SystemError("SETUP_MISSING", `no executable ${command}`);
  const bound = [setpriv, "--pdeathsig", options.deathSignal, "--", executable, ...args];
  const [first = setpriv, ...rest] = [...(options.wrapper ?? []), ...bound];
  const child = spawn(first, rest, {
    env: options.env,
    stdio: options.stdio ?? "ignore",
    detached: options.detached ?? false,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  // A failed exec is reported here and by the missing pid; without a listener it would end us.
  child.on("error", () => undefined);
  const stat = child.pid === undefined ? undefined : readStat(child.pid);
  if (child.pid === undefined || stat === undefined) {
    throw new SystemError("INTERNAL", `can't start ${executable}`);
  }
  return { child, identity: { pid: child.pid, startTicks: stat.startTicks, bootId: bootId() } };
}

/** Living processes, of those this user may read, whose environment holds LIGASE_MARK=<mark>. */
export function findByMark(mark: string): readonly ProcessIdentity[] {
  return scan({ mark }, new Set());
}

/** A process's parent; undefined when it ended. */
export function parentOf(pid: number): number | undefined {
  return readStat(pid)?.parent;
}

/** Whether a process was started with this entry (`NAME=value`) in its environment. */
export function carries(pid: number, entry: string): boolean {
  return carriesAny(pid, [needleOf(entry)]);
}

/** Living processes, of those this user may read, that work or hold files in a folder. */
export function findByOpenFiles(folder: string): readonly ProcessIdentity[] {
  return scan({ folder }, new Set());
}

/**
 * Ends the processes that match: SIGTERM, wait, SIGKILL, and again until two scans find nothing,
 * because a process can start another one while it ends. Rounds and waits are bounded.
 */
export async function sweep(target: SweepTarget, options: SweepOptions = {}): Promise<Swept> {
  const except = new Set([...(options.except ?? []), ...selfAndAncestors()]);
  const seen = new Map<string, ProcessIdentity>();
  const termUntil = performance.now() + (options.graceMs ?? TERM_GRACE_MS);
  for (let round = 0, quiet = 0; round < SWEEP_ROUNDS_MAX && quiet < 2; round += 1) {
    const found = scan(target, except);
    if (found.length === 0) {
      // One that is amid its fork or exec shows no environment yet: it takes two to be sure.
      quiet += 1;
      if (seen.size > 0) await delay(SWEEP_PAUSE_MS);
      continue;
    }
    quiet = 0;
    for (const identity of found) seen.set(`${identity.pid}.${identity.startTicks}`, identity);
    await endAll(found, termUntil);
  }
  const all = [...seen.values()];
  return {
    ended: all.filter((identity) => !isAlive(identity)),
    remaining: all.filter((identity) => isAlive(identity)),
  };
}

/** SIGTERM now, SIGKILL to what lives at `termUntil` (performance.now()), then a bounded wait. */
export async function endAll(
  identities: readonly ProcessIdentity[],
  termUntil: number,
): Promise<void> {
  if (performance.now() < termUntil) {
    for (const identity of identities) signalExactly(identity, "SIGTERM");
    await untilDead(identities, termUntil);
  }
  for (const identity of identities) signalExactly(identity, "SIGKILL");
  await untilDead(identities, performance.now() + SWEEP_KILL_MS);
}

/** Signals that life of the process, or nobody: the start time is compared just before. */
export function signalExactly(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    return process.kill(identity.pid, signal);
  } catch {
    return false;
  }
}

async function untilDead(identities: readonly ProcessIdentity[], until: number): Promise<void> {
  while (identities.some(isAlive) && performance.now() < until) await delay(5);
}

function scan(target: SweepTarget, except: ReadonlySet<number>): ProcessIdentity[] {
  const mark = target.mark === undefined ? [] : [`${MARK_VARIABLE}=${target.mark}`];
  const needles = [target.entry ?? [], mark].flat().map(needleOf);
  const folder = target.folder === undefined ? undefined : realFolder(target.folder);
  const uid = process.geteuid?.();
  const found: ProcessIdentity[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || except.has(pid)) continue;
    // Nothing of other users' processes can be read; root may have started some under another name.
    if (uid !== 0 && ownerOf(pid) !== uid) continue;
    if (!carriesAny(pid, needles) && !(folder !== undefined && holds(pid, folder))) continue;
    const identity = identityOf(pid);
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

function needleOf(entry: string): Buffer {
  return Buffer.from(`\0${entry}\0`);
}

function carriesAny(pid: number, needles: readonly Buffer[]): boolean {
  if (needles.length === 0) return false;
  const environ = readOr(`/proc/${pid}/environ`);
  if (environ === undefined || environ.length === 0) return false;
  const framed = Buffer.concat([Buffer.of(0), environ]);
  return needles.some((needle) => framed.includes(needle));
}

function holds(pid: number, folder: string): boolean {
  const under = (path: string | undefined) =>
    path !== undefined && (path === folder || path.startsWith(`${folder}/`));
  if (under(linkOr(`/proc/${pid}/cwd`))) return true;
  let descriptors: string[];
  try {
    descriptors = readdirSync(`/proc/${pid}/fd`);
  } catch {
    return false;
  }
  return descriptors.some((descriptor) => under(linkOr(`/proc/${pid}/fd/${descriptor}`)));
}

function selfAndAncestors(): number[] {
  const line: number[] = [];
  for (let pid = process.pid; pid > 0 && !line.includes(pid); pid = parentOf(pid) ?? 0) {
    line.push(pid);
  }
  return line;
}

interface ProcessStat {
  readonly dead: boolean;
  readonly parent: number;
  readonly startTicks: number;
}

/** The command's name, in parentheses, may hold any byte: fields count from the last of those. */
function readStat(pid: number): ProcessStat | undefined {
  const text = readOr(`/proc/${pid}/stat`)?.toString("latin1");
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state = "X", parent = "0"] = fields;
  return {
    dead: state === "Z" || state === "X",
    parent: Number(parent),
    startTicks: Number(fields[19] ?? "0"),
  };
}

let knownBootId: string | undefined;
function bootId(): string {
  knownBootId ??= readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  return knownBootId;
}

function ownerOf(pid: number): number | undefined {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;
}

function realFolder(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return resolve(folder);
  }
}

/** A process may end, or belong to somebody else, between any two looks: no bytes then. */
function readOr(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function linkOr(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
