/**
 * `ligase worker --join URL`: one more agent for a running cluster. It lives until the cluster's
 * bus is closed to it or somebody ends it.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { joinCluster } from "../../runtime/bus/join.ts";
import { leaveConfig } from "../../runtime/config-file.ts";
import {
  makeRuntimeFolder,
  newRuntimeFolderPath,
  removeRuntimeFolder,
} from "../cluster/folders.ts";

/** The agent's exit code. @throws {SystemError} JOIN_REFUSED, USAGE, NATS_UNREACHABLE. */
export async function workerCommand(flags: {
  readonly join: string;
  readonly executors?: number;
}): Promise<number> {
  const connection = await joinCluster(flags.join);
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
    await removeRuntimeFolder(runtimeDir);
  }
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
