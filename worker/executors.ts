/**
 * Executors as child processes of the agent. The kernel ends them with it, whatever they are at:
 * where a new agent runs, none of an earlier one's executors is left.
 */
import type { ChildProcess } from "node:child_process";
import { setPriority } from "node:os";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Channel } from "../runtime/bus/socket.ts";
import { toSystemError } from "../runtime/errors.ts";
import type { ProcessId } from "../runtime/ids.ts";
import { EXECUTOR_START_MS, OUTPUT_CLOSE_MS } from "../runtime/limits.ts";
import { THREAD_END_MS } from "../runtime/tasks/limits.ts";
import { MARK_VARIABLE, spawnBound } from "../runtime/processes.ts";
import type { ExecutorConfig } from "./executor.ts";
import type { Stream } from "./machine/output.ts";
import type { EndThread, ThreadEnded } from "./tasks/thread-host.ts";

export interface ExecutorChild {
  readonly config: ExecutorConfig;
  readonly pid: number | undefined;
  /** Known once it said hello. */
  process: ProcessId | undefined;
  channel: Channel | undefined;
  /** Ends it; of a thread, that thread alone. */
  kill(): void;
  /** Ends the process that it is, or is in. */
  killProcess(): void;
}

/** User code may take all the processor it gets; heads and agents answer first. */
const NICE = 5;

const MAIN = fileURLToPath(new URL(`./executor${extension()}`, import.meta.url));
const THREADS = fileURLToPath(new URL(`./tasks/thread-host${extension()}`, import.meta.url));

/** `.ts` in a checkout, `.js` in the packed package. */
function extension(): string {
  return import.meta.url.endsWith(".ts") ? ".ts" : ".js";
}

/**
 * The environment variable that tells one executor's processes from another's: what user code
 * starts inherits it, and ends with its executor.
 */
export const EXECUTOR_VARIABLE = "LIGASE_EXECUTOR_ID";

export interface StartOptions {
  readonly config: ExecutorConfig;
  readonly mark: string;
  /** Value of EXECUTOR_VARIABLE. */
  readonly id: string;
  /** What it writes, as it comes. */
  readonly onOutput: (stream: Stream, chunk: Buffer) => void;
  /** Called once, as soon as the process is gone. */
  readonly onExit: (reason: string) => void;
  /** Called once after that: nothing is written any more. */
  readonly onOutputEnd: () => void;
}

/** Starts one executor; it must say hello within EXECUTOR_START_MS. */
export function startExecutor(options: StartOptions): ExecutorChild {
  const child = fork(options);
  const view: ExecutorChild = {
    config: options.config,
    pid: child?.pid,
    process: undefined,
    channel: undefined,
    kill: () => void child?.kill("SIGKILL"),
    killProcess: () => void child?.kill("SIGKILL"),
  };
  if (child === undefined) return view;
  const timer = setTimeout(() => {
    if (view.process === undefined) child.kill("SIGKILL");
  }, EXECUTOR_START_MS);
  child.on("exit", () => clearTimeout(timer));
  return view;
}

export interface ThreadOptions extends Omit<StartOptions, "config" | "onExit"> {
  /** One for each thread. */
  readonly configs: readonly ExecutorConfig[];
  /** Called once for each thread, as soon as it is gone. */
  readonly onThreadExit: (index: number, reason: string) => void;
  /** Called once, when the process is gone. */
  readonly onExit: () => void;
}

/** Starts executors that are threads of one process; each must say hello in EXECUTOR_START_MS. */
export function startThreads(options: ThreadOptions): ExecutorChild[] {
  const { configs, onThreadExit, onExit, onOutputEnd } = options;
  const living = new Set(configs.keys());
  const ended = (index: number, reason: string): void => {
    if (living.delete(index)) onThreadExit(index, reason);
  };
  const start = { ...options, config: configs, script: THREADS, ipc: true } as const;
  const child = fork({
    ...start,
    onExit: (reason) => {
      for (const index of [...living]) ended(index, reason);
      onExit();
    },
    onOutputEnd,
  });
  child?.on("message", (said: ThreadEnded) => ended(said.ended, said.reason));
  const killProcess = (): void => void child?.kill("SIGKILL");
  const views = configs.map((config, index) => ({
    ...{ config, pid: child?.pid, process: undefined, channel: undefined, killProcess },
    kill: () => endThread(child, index, () => living.has(index)),
  }));
  const timer = setTimeout(() => {
    if (views.some(({ process }) => process === undefined)) killProcess();
  }, EXECUTOR_START_MS);
  child?.on("exit", () => clearTimeout(timer));
  return views;
}

/** A thread that is in native code may not end: then its process does, with all others. */
function endThread(child: ChildProcess | undefined, index: number, lives: () => boolean): void {
  if (child?.connected !== true || !lives()) return;
  const order: EndThread = { end: index };
  child.send(order, () => undefined);
  setTimeout(() => {
    if (lives()) child.kill("SIGKILL");
  }, THREAD_END_MS).unref();
}

interface ForkOptions extends Omit<StartOptions, "config"> {
  /** What it reads from its standard input. */
  readonly config: unknown;
  readonly script?: string;
  /** Whether it and the agent send each other messages. */
  readonly ipc?: boolean;
}

function fork({
  config,
  mark,
  id,
  onOutput,
  onExit,
  onOutputEnd,
  script = MAIN,
  ipc = false,
}: ForkOptions): ChildProcess | undefined {
  const ours = { [MARK_VARIABLE]: mark, [EXECUTOR_VARIABLE]: id };
  try {
    const { child, identity } = spawnBound(process.execPath, [script], {
      stdio: ["pipe", "pipe", "pipe", ...(ipc ? (["ipc"] as const) : [])],
      deathSignal: "KILL",
      env: { ...process.env, ...ours },
    });
    // It may be gone already.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(JSON.stringify(config));
    // Before it has threads: all of them are to have it.
    setPriority(identity.pid, NICE);
    listen(child.stdout, (chunk) => onOutput("stdout", chunk));
    listen(child.stderr, (chunk) => onOutput("stderr", chunk));
    whenGone(child, onExit, onOutputEnd);
    return child;
  } catch (thrown) {
    const { message } = toSystemError(thrown);
    setImmediate(() => {
      onExit(message);
      onOutputEnd();
    });
    return undefined;
  }
}

function listen(stream: Readable | null, onChunk: (chunk: Buffer) => void): void {
  stream?.on("data", onChunk);
  stream?.on("error", () => undefined);
}

function whenGone(
  child: ChildProcess,
  onExit: (reason: string) => void,
  onOutputEnd: () => void,
): void {
  const end = once(onOutputEnd);
  child.on("exit", (code, signal) => {
    onExit(signal ?? `exit code ${code}`);
    // What it started may hold its output open for ever.
    setTimeout(end, OUTPUT_CLOSE_MS);
  });
  child.on("close", end);
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work();
  };
}
