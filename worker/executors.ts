/** Executors as child processes of the agent. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Channel } from "../runtime/bus/socket.ts";
import type { ProcessId } from "../runtime/ids.ts";
import { EXECUTOR_START_MS } from "../runtime/limits.ts";
import { MARK_VARIABLE } from "../runtime/processes.ts";
import type { ExecutorConfig } from "./executor.ts";

export interface ExecutorChild {
  readonly config: ExecutorConfig;
  readonly pid: number | undefined;
  /** Known once it said hello. */
  process: ProcessId | undefined;
  channel: Channel | undefined;
  kill(): void;
}

const MAIN = fileURLToPath(new URL(`./executor${extension()}`, import.meta.url));

/** `.ts` in a checkout, `.js` in the packed package. */
function extension(): string {
  return import.meta.url.endsWith(".ts") ? ".ts" : ".js";
}

/** Starts one executor; it must say hello within EXECUTOR_START_MS. `onExit` is called once. */
export function startExecutor(options: {
  readonly config: ExecutorConfig;
  readonly mark: string;
  readonly onExit: (reason: string) => void;
}): ExecutorChild {
  const { config, mark, onExit } = options;
  const child = spawn(process.execPath, [MAIN], {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, [MARK_VARIABLE]: mark, LIGASE_EXECUTOR: JSON.stringify(config) },
  });
  const view: ExecutorChild = {
    config,
    pid: child.pid,
    process: undefined,
    channel: undefined,
    kill: () => void child.kill("SIGKILL"),
  };
  const timer = setTimeout(() => {
    if (view.process === undefined) child.kill("SIGKILL");
  }, EXECUTOR_START_MS);
  whenGone(child, (reason) => {
    clearTimeout(timer);
    onExit(reason);
  });
  return view;
}

function whenGone(child: ChildProcess, then: (reason: string) => void): void {
  let said = false;
  const once = (reason: string): void => {
    if (said) return;
    said = true;
    then(reason);
  };
  child.on("error", (error) => once(error.message));
  child.on("exit", (code, signal) => once(signal ?? `exit code ${code}`));
}
