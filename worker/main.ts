/**
 * The agent's process. Its argument names the JSON file that its supervisor wrote (or that `ligase
 * worker --join` made); the end of its standard input is its supervisor's end.
 */
import { readFile } from "node:fs/promises";
import { connectBus } from "../runtime/bus/nats.ts";
import { toSystemError } from "../runtime/errors.ts";
import type { Identity } from "../runtime/ids.ts";
import { Agent } from "./agent.ts";

/** What the file holds; the supervisor's `WorkerConfig`. */
interface Config {
  readonly natsUrl: string;
  readonly cluster: string;
  readonly identity: Identity;
  readonly seed: string;
  readonly runtimeDir: string;
  readonly mark: string;
  readonly executors: number;
}

async function main(): Promise<void> {
  const config = JSON.parse(await readFile(process.argv[2] ?? "", "utf8")) as Config;
  const { cluster, runtimeDir, mark, executors: slots } = config;
  const bus = await connectBus({ ...config, url: config.natsUrl, name: "worker" });
  const agent = new Agent({ bus, cluster, runtimeDir, slots, mark });
  endWith(() => {
    agent.stop();
    void bus.close().finally(() => process.exit(0));
  });
  await agent.start();
  if (process.connected) process.send?.({ op: "ready" });
}

/** Ends when told to, or when whoever started this process is gone. */
function endWith(end: () => void): void {
  process.on("message", (message: { readonly op?: string }) => {
    if (message.op === "stop") end();
  });
  process.on("SIGTERM", end);
  process.on("SIGINT", () => undefined);
  process.on("disconnect", end);
  process.stdin.on("end", end);
  process.stdin.on("error", end);
  process.stdin.resume();
}

main().catch((thrown: unknown) => {
  process.stderr.write(`${toSystemError(thrown).message}\n`);
  process.exit(1);
});
