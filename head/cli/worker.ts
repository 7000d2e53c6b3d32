/**
 * `ligase worker --join URL`: one more agent for a running cluster. It lives until the cluster's
 * bus is closed to it or somebody ends it, and all that its executors started ends with it.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { joinCluster } from "../../runtime/bus/join.ts";
import { leaveConfig } from "../../runtime/config-file.ts";
import { SystemError } from "../../runtime/errors.ts";
import { sweep } from "../../runtime/processes.ts";
import {
  makeRuntimeFolder,
  newRuntimeFolderPath,
  removeRuntimeFolder,
} from "../cluster/folders.ts";

/** Holds the URL where it isn't an argument: every user of a machine can read those. */
export const JOIN_VARIABLE = "LIGASE_JOIN";
/** What processes of this machine see instead of the arguments, which hold a token. */
const TITLE = "ligase worker";

/** The agent's exit code. @throws {SystemError} JOIN_REFUSED, USAGE, NATS_UNREACHABLE. */
export async function workerCommand(flags: {
  readonly join: string;
  readonly executors?: number;
}): Promise<number> {
  process.title = TITLE;
  Reflect.deleteProperty(process.env, JOIN_VARIABLE);
  const url = flags.join === "-" ? await firstLine(process.stdin) : flags.join;
  const connection = await joinCluster(url);
  const runtimeDir = await newRuntimeFolderPath();
  await makeRuntimeFolder(runtimeDir);
  const executors = flags.executors ?? availableParallelism();
  const mark = randomBytes(8).toString("hex");
  const config = join(runtimeDir, "worker.json");
  await leaveConfig(config, { ...connection, runtimeDir, mark, executors });
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  const main = fileURLToPath(new URL(`../../worker/main${extension}`, import.meta.url));
  try {
    return await runAgent(main, config);
  } finally {
    await sweep({ mark }, { graceMs: 0 });
    await removeRuntimeFolder(runtimeDir);
  }
}

async function firstLine(input: NodeJS.ReadableStream & { destroy(): unknown }): Promise<string> {
  const lines = createInterface({ input });
  try {
    for await (const line of lines) return line.trim();
  } finally {
    lines.close();
    input.destroy();
  }
  throw new SystemError("USAGE", "standard input holds no join URL");
}

/** The agent ends with its standard input, and so with this process. */
function runAgent(main: string, config: string): Promise<number> {
  const child = spawn(process.execPath, [main, config], { stdio: ["pipe", "inherit", "inherit"] });
  const stop = (): void => void child.kill("SIGTERM");
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, stop);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}
