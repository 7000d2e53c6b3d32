/**
 * The agent's process. Its argument names the JSON file that its supervisor wrote (or that `ligase
 * worker --join` made); the end of its standard input is its supervisor's end.
 */
import { flushCompileCache } from "node:module";
import type { Bus } from "../runtime/bus/bus.ts";
import { connectBus } from "../runtime/bus/nats.ts";
import { takeConfig } from "../runtime/config-file.ts";
import { SystemError, toSystemError } from "../runtime/errors.ts";
import { type Identity, newProcessId } from "../runtime/ids.ts";
import { BUS_LOST_MS } from "../runtime/limits.ts";
import { parseBytes } from "../runtime/usage.ts";
import { Agent } from "./agent.ts";
import { type Offer, offerOf } from "./machine/resources.ts";
import { type ObjectLimits, openObjects } from "./objects/open.ts";
import { joinNodes } from "./transfer/open.ts";

/** What the file holds; the supervisor's `WorkerConfig`. */
interface Config {
  readonly natsUrl: string;
  readonly cluster: string;
  readonly identity: Identity;
  readonly seed: string;
  readonly runtimeDir: string;
  readonly mark: string;
  readonly executors: number;
  /** What its operator says that it has; see `offerOf`. */
  readonly offer?: Offer;
  /** Bounds of its objects; of the environment unless given. */
  readonly objects?: ObjectLimits;
  /** Where other nodes reach this one; loopback unless given. */
  readonly address?: string;
  /** Which machine this is taken for; tests make one machine several. */
  readonly host?: string;
}

/** MiB of free memory under which the largest executor is ended; a share of it unless set. */
const FLOOR_VARIABLE = "LIGASE_MEMORY_FLOOR_MB";

async function main(): Promise<void> {
  const config = (await takeConfig(process.argv[2] ?? "")) as Config;
  const { cluster, runtimeDir, mark, executors: slots } = config;
  const [bus, offer] = await Promise.all([
    connectBus({ ...config, url: config.natsUrl, name: "worker" }),
    offerOf(slots, config.offer ?? {}, (line) => void process.stderr.write(line)),
  ]);
  const memoryFloorBytes = memoryFloorOf(process.env[FLOOR_VARIABLE]);
  const self = newProcessId();
  const objects = openObjects({
    node: config.identity,
    process: self,
    runtimeDir,
    limits: { ...limitsOf(process.env), ...config.objects },
    warn: (line) => void process.stderr.write(line),
  });
  const how = { bus, cluster, runtimeDir, slots, mark, memoryFloorBytes, objects, ...offer };
  const { address } = config;
  const nodes = objects === undefined ? undefined : joinNodes({ bus, cluster, objects, address });
  const agent = new Agent({
    ...how,
    control: (from, process, value) => void nodes?.take(from, process, value),
    ports: { process: self, ...(config.host === undefined ? {} : { host: config.host }) },
  });
  const end = (): void => {
    agent.stop();
    void Promise.allSettled([nodes?.stop(), objects?.close(), bus.close()]).finally(() =>
      process.exit(0),
    );
  };
  endWith(end);
  endWithout(bus, end);
  await agent.start();
  if (process.connected) process.send?.({ op: "ready" });
  // An agent that is killed would never write what it has compiled.
  setImmediate(() => flushCompileCache());
}

/** Bounds of this node's objects, as `4G`; shares of what there is unless set. */
const MEMORY_VARIABLE = "LIGASE_OBJECT_MEMORY";
const SPILL_VARIABLE = "LIGASE_OBJECT_SPILL";
const FOLDER_VARIABLE = "LIGASE_OBJECT_FOLDER";

/** @throws {SystemError} USAGE when a variable is set to what is no number of bytes. */
function limitsOf(env: NodeJS.ProcessEnv): ObjectLimits {
  const bytesOf = (name: string): number | undefined => {
    const text = env[name];
    return text === undefined || text === "" ? undefined : parseBytes(text, name);
  };
  const folder = env[FOLDER_VARIABLE] || undefined;
  return { memoryBytes: bytesOf(MEMORY_VARIABLE), spillBytes: bytesOf(SPILL_VARIABLE), folder };
}

/** @throws {SystemError} USAGE when the variable is set to anything but a number of MiB. */
function memoryFloorOf(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  if (!/^\d{1,9}$/.test(text)) {
    throw new SystemError("USAGE", `${FLOOR_VARIABLE} is a whole number of MiB, not ${text}`);
  }
  return Number(text) * 1024 * 1024;
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

/** Ends when the bus refuses it or was away for BUS_LOST_MS: then its cluster is gone. */
function endWithout(bus: Bus, end: () => void): void {
  let timer: NodeJS.Timeout | undefined;
  bus.onState((state) => {
    clearTimeout(timer);
    if (state === "closed") end();
    if (state !== "disconnected") return;
    timer = setTimeout(() => {
      process.stderr.write(`no bus for ${BUS_LOST_MS} ms: this worker's cluster is gone\n`);
      end();
    }, BUS_LOST_MS);
  });
}

main().catch((thrown: unknown) => {
  process.stderr.write(`${toSystemError(thrown).message}\n`);
  process.exit(1);
});
