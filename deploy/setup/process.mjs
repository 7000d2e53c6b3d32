/**
 * Commands of the set-up. Each runs in a process group of its own, writes to a log file and has a
 * time limit; the whole group ends with it. Children carry a mark in their environment, by which
 * the next set-up finds what a killed one left behind.
 */
import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** The environment variable that marks the children of a set-up. */
export const MARK = "LIGASE_SETUP_MARK";
/** Milliseconds between SIGTERM and SIGKILL of a group. */
const TERM_GRACE_MS = 2_000;
/** System folders that an ordinary user's PATH lacks; slurmctld and munged live there. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** A failure whose message tells a person what to do. */
export class SetupError extends Error {
  /**
   * @param {string} message
   * @param {{ showLog?: boolean }} [options] showLog false: the log adds nothing.
   */
  constructor(message, options = {}) {
    super(message);
    this.name = "SetupError";
    this.showLog = options.showLog ?? true;
  }
}

/**
 * @typedef {object} Command
 * @property {string} command
 * @property {readonly string[]} args
 * @property {number} log file descriptor that takes stdout and stderr
 * @property {number} timeoutMs
 * @property {AbortSignal} signal
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env]
 * @property {boolean} [elevated] runs under sudo, so that only sudo can end it
 */

/**
 * Settles when the command has ended well.
 * @param {Command} options
 * @returns {Promise<void>}
 * @throws {SetupError} on another exit code, on the time limit, on the signal.
 */
export function runCommand({ command, args, log, timeoutMs, signal, cwd, env, elevated = false }) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = spawn(command, args, {
      cwd,
      env,
      detached: true,
      stdio: ["ignore", log, log],
    });
    let reason = "";
    /** @type {NodeJS.Timeout | undefined} */
    let killer;
    /** @param {string} why */
    const stop = (why) => {
      if (reason !== "" || child.pid === undefined) return;
      reason = why;
      const pid = child.pid;
      killGroup(pid, "SIGTERM", elevated);
      killer = setTimeout(() => killGroup(pid, "SIGKILL", elevated), TERM_GRACE_MS);
    };
    const timer = setTimeout(() => stop(`time limit of ${timeoutMs / 1000} s`), timeoutMs);
    const onAbort = () => stop("interrupted");
    signal.addEventListener("abort", onAbort, { once: true });
    const clean = () => {
      clearTimeout(timer);
      clearTimeout(killer);
      signal.removeEventListener("abort", onAbort);
    };
    child.once("error", (error) => {
      clean();
      reject(new SetupError(`${command}: ${error.message}`));
    });
    child.once("close", (code, killedBy) => {
      clean();
      // What the leader started may outlive it.
      if (reason !== "" && child.pid !== undefined) killGroup(child.pid, "SIGKILL", elevated);
      if (code === 0 && reason === "") return resolve();
      const how = reason === "" ? (killedBy ?? `exit code ${code}`) : reason;
      reject(new SetupError(`${command} ${args[0] ?? ""}: ${how}`));
    });
  });
}

/**
 * @param {number} group
 * @param {"SIGTERM" | "SIGKILL"} signal
 * @param {boolean} elevated
 */
function killGroup(group, signal, elevated) {
  if (elevated) {
    spawnSync("sudo", ["-n", "kill", "-s", signal.slice(3), "--", `-${group}`]);
    return;
  }
  try {
    process.kill(-group, signal);
  } catch {
    // The group is gone already.
  }
}

/**
 * Ends what a killed set-up left running: own processes whose environment carries the mark.
 * @param {string} mark
 * @returns {number} how many were ended
 */
export function sweep(mark) {
  let ended = 0;
  for (const name of existsSync("/proc") ? readdirSync("/proc") : []) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      const environment = readFileSync(`/proc/${name}/environ`, "latin1");
      if (!environment.split("\0").includes(`${MARK}=${mark}`)) continue;
      process.kill(Number(name), "SIGKILL");
      ended += 1;
    } catch {
      // Gone meanwhile, or another user's.
    }
  }
  return ended;
}

/**
 * Where a program lies: the first executable of this name on PATH or in a system folder.
 * @param {string} name
 * @param {string} [path] the value of PATH
 * @returns {string | undefined}
 */
export function which(name, path = process.env["PATH"] ?? "") {
  for (const folder of [...path.split(delimiter), ...SYSTEM_FOLDERS]) {
    const file = join(folder, name);
    if (folder !== "" && isExecutable(file)) return file;
  }
  return undefined;
}

/**
 * @param {string} file
 * @returns {boolean}
 */
export function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/**
 * The stdout of a short command, or undefined when it fails or takes over 20 s.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string | undefined}
 */
export function ask(command, args, env) {
  const { status, stdout } = spawnSync(command, args, {
    encoding: "utf8",
    timeout: 20_000,
    stdio: ["ignore", "pipe", "ignore"],
    ...(env === undefined ? {} : { env }),
  });
  return status === 0 ? stdout : undefined;
}
