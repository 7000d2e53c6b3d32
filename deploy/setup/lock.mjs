/**
 * One set-up at a time. The lock is a folder of numbered files; each is made by link(2) from a
 * finished file, so it appears whole. The highest number counts: it is held while its owner
 * (process id, start time, boot) lives and hasn't released it. A number is never used twice while a
 * higher one exists, so two waiters that see the same dead owner can't both follow it: one of the
 * links fails.
 */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { SetupError } from "./process.mjs";

/** The longest a set-up may take: a wait beyond it has another cause. */
const WAIT_MAX_MS = 60 * 60_000;

/** @typedef {{ pid: number, start: string, boot: string, released?: boolean }} Owner */

/**
 * Settles when this process holds the lock.
 * @param {string} folder made when absent
 * @param {object} options
 * @param {(pid: number) => void} options.onWait called once when another live process holds it
 * @param {AbortSignal} options.signal
 * @param {number} [options.pollMs]
 * @returns {Promise<{ dirty: boolean, release: () => void }>} dirty: the last owner died holding
 *   it.
 */
export async function acquireLock(folder, { onWait, signal, pollMs = 100 }) {
  makeFolder(folder);
  const deadlineMs = performance.now() + WAIT_MAX_MS;
  let told = false;
  for (;;) {
    signal.throwIfAborted();
    const top = generations(folder)[0] ?? 0;
    const owner = top === 0 ? undefined : readOwner(folder, top);
    if (owner !== undefined && isHeld(owner)) {
      if (!told) onWait(owner.pid);
      told = true;
      if (performance.now() > deadlineMs) {
        throw new SetupError(`Process ${owner.pid} has been setting up for over an hour.`);
      }
      await delay(pollMs, undefined, { signal });
      continue;
    }
    const mine = top + 1;
    if (!claim(folder, mine)) continue;
    for (const lower of generations(folder)) if (lower < mine) remove(folder, lower);
    const dirty = owner !== undefined && owner.released !== true;
    return { dirty, release: () => write(folder, mine, { ...self(), released: true }) };
  }
}

/**
 * A folder and those above it. Node's own recursive form doesn't end where a file system says
 * ENOENT for ever, as /proc does.
 * @param {string} folder
 */
function makeFolder(folder) {
  if (existsSync(folder)) return;
  const above = dirname(folder);
  if (above !== folder) makeFolder(above);
  try {
    mkdirSync(folder);
  } catch (error) {
    if (codeOf(error) === "EEXIST") return;
    throw new SetupError(
      `no folder can be made (LIGASE_SETUP=skip leaves the set-up out): ${String(error)}`,
    );
  }
}

/**
 * @param {string} folder
 * @param {number} generation
 * @returns {boolean} whether it is ours
 */
function claim(folder, generation) {
  const temporary = join(folder, `tmp.${process.pid}`);
  writeFileSync(temporary, JSON.stringify(self()));
  try {
    linkSync(temporary, join(folder, `${generation}`));
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  } finally {
    unlinkSync(temporary);
  }
  // Our view may have been old: a higher number means that others went on meanwhile.
  if (generations(folder)[0] === generation) return true;
  remove(folder, generation);
  return false;
}

/**
 * @param {string} folder
 * @param {number} generation
 * @param {Owner} owner
 */
function write(folder, generation, owner) {
  const temporary = join(folder, `tmp.${process.pid}`);
  writeFileSync(temporary, JSON.stringify(owner));
  renameSync(temporary, join(folder, `${generation}`));
}

/**
 * @param {string} folder
 * @returns {number[]} highest first
 */
function generations(folder) {
  const names = readdirSync(folder).filter((name) => /^\d+$/.test(name));
  return names.map(Number).sort((a, b) => b - a);
}

/**
 * @param {string} folder
 * @param {number} generation
 * @returns {Owner | undefined} undefined: removed meanwhile, or not ours to understand
 */
function readOwner(folder, generation) {
  try {
    return JSON.parse(readFileSync(join(folder, `${generation}`), "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * @param {string} folder
 * @param {number} generation
 */
function remove(folder, generation) {
  try {
    unlinkSync(join(folder, `${generation}`));
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}

/** @param {Owner} owner */
function isHeld(owner) {
  if (owner.released === true || owner.boot !== bootId()) return false;
  const start = startTime(owner.pid);
  return start !== undefined && start === owner.start;
}

/** @returns {Owner} */
function self() {
  return { pid: process.pid, start: startTime(process.pid) ?? "", boot: bootId() };
}

/**
 * When a process started, in clock ticks after boot; undefined when it is gone or a zombie. Where
 * there is no /proc the empty string stands for "alive".
 * @param {number} pid
 */
function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name in parentheses may hold spaces; the fields after it start with the state.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    if (process.platform === "linux") return undefined;
  }
  try {
    process.kill(pid, 0);
    return "";
  } catch {
    return undefined;
  }
}

/** Differs after each start of the machine; empty where the system doesn't tell. */
function bootId() {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
