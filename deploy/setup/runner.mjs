/**
 * Runs the steps of the set-up in order. A step is data: it is up to date when its stamp holds the
 * hash of its inputs and its result is there; else its old stamp goes first and the new one comes
 * last, so that a step killed anywhere runs again.
 */
import { closeSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { acquireLock } from "./lock.mjs";
import { MARK, runCommand, SetupError, sweep } from "./process.mjs";
import { clearStamp, hashParts, hasStamp, writeStamp } from "./stamps.mjs";

/** Lines of a failed step's log that are shown. */
const LOG_TAIL_LINES = 20;

/**
 * @typedef {object} Tools what a running step gets
 * @property {(command: string, args: readonly string[], options?: RunOptions) => Promise<void>} run
 * @property {(text: string) => void} log a line into the step's log
 * @property {(text: string) => void} say a line for the person
 */

/**
 * @typedef {object} RunOptions
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env] added to the set-up's own
 * @property {boolean} [elevated]
 * @property {boolean} [unmarked] a later set-up must not end it (apt finishes what it began)
 */

/**
 * @typedef {object} Step
 * @property {string} name also names its log
 * @property {string} title what it does, for people
 * @property {number} timeoutMs of the whole step
 * @property {string} [stamp] path; without one `present` alone decides
 * @property {() => readonly string[]} inputs what the result depends on
 * @property {() => boolean} present whether the result is there
 * @property {(tools: Tools) => Promise<void>} run
 */

/**
 * @typedef {object} RunnerOptions
 * @property {string} logFolder
 * @property {string} mark
 * @property {(text: string) => void} write takes text for people
 * @property {AbortSignal} signal
 */

/**
 * The set-up from the lock to the exit code: 0 all is there, 4 a part isn't, 130 interrupted.
 * @param {readonly Step[]} steps
 * @param {RunnerOptions & { lockFolders: Iterable<string> }} options
 * @returns {Promise<0 | 4 | 130>}
 */
export async function setUp(steps, options) {
  const { write, signal, mark } = options;
  /** @type {(() => void)[]} */
  const releases = [];
  try {
    for (const folder of options.lockFolders) {
      const lock = await acquireLock(folder, {
        signal,
        onWait: (pid) => write(`set-up: waiting for another one (process ${pid}) ...\n`),
      });
      releases.push(lock.release);
      // Its owner was killed: what it had started may still be writing.
      if (lock.dirty) sweep(mark);
    }
    return (await runSteps(steps, options)) ? 0 : 4;
  } catch (error) {
    if (error instanceof SetupError || isRefusal(error)) {
      write(`set-up: ${error.message}\n`);
      return 4;
    }
    if (!signal.aborted) throw error;
    write("\nset-up: interrupted; the next one goes on from here\n");
    return 130;
  } finally {
    for (const release of releases.reverse()) release();
  }
}

/**
 * Brings every step up to date.
 * @param {readonly Step[]} steps
 * @param {RunnerOptions} options
 * @returns {Promise<boolean>} false when a step failed; it has been reported then.
 */
async function runSteps(steps, options) {
  const { write } = options;
  const startedMs = performance.now();
  /** @type {Step[]} */
  const unchanged = [];
  let ran = 0;
  for (const step of steps) {
    options.signal.throwIfAborted();
    const hash = hashParts([step.name, ...step.inputs()]);
    if ((step.stamp === undefined || hasStamp(step.stamp, hash)) && step.present()) {
      if (ran === 0) unchanged.push(step);
      else write(`set-up: ${step.title}: up to date\n`);
      continue;
    }
    for (const earlier of unchanged.splice(0)) write(`set-up: ${earlier.title}: up to date\n`);
    ran += 1;
    if (!(await runStep(step, hash, options))) return false;
  }
  const seconds = secondsSince(startedMs);
  write(`set-up: ${ran === 0 ? `all ${steps.length} steps up to date` : "done"} (${seconds} s)\n`);
  return true;
}

/**
 * @param {Step} step
 * @param {string} hash
 * @param {RunnerOptions} options
 * @returns {Promise<boolean>}
 */
async function runStep(step, hash, options) {
  const { write, logFolder } = options;
  mkdirSync(logFolder, { recursive: true });
  const logPath = join(logFolder, `${step.name}.log`);
  const log = openSync(logPath, "w");
  const startedMs = performance.now();
  write(`set-up: ${step.title} ... `);
  try {
    if (step.stamp !== undefined) clearStamp(step.stamp);
    await step.run(toolsFor(step, log, options));
    if (!step.present()) throw new SetupError("it ended well, but its result isn't there");
    if (step.stamp !== undefined) writeStamp(step.stamp, hash);
    write(`ok ${secondsSince(startedMs)} s\n`);
    return true;
  } catch (error) {
    options.signal.throwIfAborted();
    if (!(error instanceof Error)) throw error;
    write(`failed after ${secondsSince(startedMs)} s\n${error.message}\n`);
    if (error instanceof SetupError && !error.showLog) return false;
    const lines = readFileSync(logPath, "utf8").trimEnd().split("\n");
    for (const line of lines.slice(-LOG_TAIL_LINES)) write(`  | ${line}\n`);
    write(`The whole log: ${logPath}\n`);
    return false;
  } finally {
    closeSync(log);
  }
}

/**
 * @param {Step} step
 * @param {number} log
 * @param {RunnerOptions} options
 * @returns {Tools}
 */
function toolsFor(step, log, { signal, mark, write }) {
  const deadlineMs = performance.now() + step.timeoutMs;
  /** @param {string} text */
  const note = (text) => void writeSync(log, `${text}\n`);
  return {
    log: note,
    say: (text) => write(`\n  ${text} `),
    run: async (command, args, { cwd, env, elevated = false, unmarked = false } = {}) => {
      note(`$ ${[command, ...args].join(" ")}`);
      const marked = unmarked ? {} : { [MARK]: mark };
      await runCommand({
        command,
        args,
        log,
        signal,
        elevated,
        timeoutMs: Math.max(1, Math.round(deadlineMs - performance.now())),
        env: { ...process.env, ...env, ...marked },
        ...(cwd === undefined ? {} : { cwd }),
      });
    },
  };
}

/**
 * Whether the machine refused something: no permission, no space. Its text says what and where.
 * @param {unknown} error
 * @returns {error is Error}
 */
function isRefusal(error) {
  return error instanceof Error && "syscall" in error;
}

/** @param {number} startedMs */
function secondsSince(startedMs) {
  const seconds = (performance.now() - startedMs) / 1000;
  return seconds.toFixed(seconds < 1 ? 2 : 1);
}
