/**
 * The process of executors that are threads. Each thread is an executor like any other: it has its
 * own sockets, links and registry, and nothing passes through here. This process starts them, ends
 * one when its agent wants that, and tells of each that has ended.
 */
import { readFileSync } from "node:fs";
import { SHARE_ENV, Worker } from "node:worker_threads";
import type { ExecutorConfig } from "../executor.ts";

/** From the agent: ends one thread. */
export interface EndThread {
  readonly end: number;
}

/** To the agent: a thread has ended. */
export interface ThreadEnded {
  readonly ended: number;
  readonly reason: string;
}

const STDIN = 0;
const MAIN = new URL(
  `../executor${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`,
  import.meta.url,
);

const configs = JSON.parse(readFileSync(STDIN, "utf8")) as readonly ExecutorConfig[];
const threads = new Map<number, Worker>();

configs.forEach((config, index) => {
  // What its program's GPUs are stands in the real environment, which native code reads.
  const thread = new Worker(MAIN, { workerData: config, env: SHARE_ENV });
  threads.set(index, thread);
  let reason = "its thread ended";
  thread.on("error", (error) => {
    reason = `its thread threw: ${error instanceof Error ? error.message : String(error)}`;
  });
  thread.on("exit", () => {
    threads.delete(index);
    const said: ThreadEnded = { ended: index, reason };
    process.send?.(said);
    if (threads.size === 0) setImmediate(() => process.exit(0));
  });
});

process.on("message", ({ end }: EndThread) => void threads.get(end)?.terminate());
process.on("disconnect", () => process.exit(0));
process.on("SIGINT", () => undefined);
