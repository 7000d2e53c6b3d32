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
import {
  type Labels,
  labelsOf,
  type ResourceRequest,
  resourcesOf,
} from "../../runtime/resources/resources.ts";
import { parseBytes } from "../../runtime/usage.ts";
import { sweepObjects } from "../../runtime/objects/owners.ts";
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

export interface WorkerFlags {
  readonly join: string;
  readonly executors?: number;
  /** JSON; see `ResourceRequest`. */
  readonly resources?: string;
  /** `key=value,...`. */
  readonly labels?: string;
  /** Bytes, as `4G`. */
  readonly objectMemory?: string;
  readonly objectSpill?: string;
  /** On a memory file system. */
  readonly objectFolder?: string;
}

/** The agent's exit code. @throws {SystemError} JOIN_REFUSED, USAGE, NATS_UNREACHABLE. */
export async function workerCommand(flags: WorkerFlags): Promise<number> {
  process.title = TITLE;
  Reflect.deleteProperty(process.env, JOIN_VARIABLE);
  const offer = offerOf(flags);
  const objects = objectLimitsOf(flags);
  const url = flags.join === "-" ? await firstLine(process.stdin) : flags.join;
  const connection = await joinCluster(url);
  const runtimeDir = await newRuntimeFolderPath();
  await makeRuntimeFolder(runtimeDir);
  const executors = flags.executors ?? availableParallelism();
  const mark = randomBytes(8).toString("hex");
  const config = join(runtimeDir, "worker.json");
  await leaveConfig(config, { ...connection, runtimeDir, mark, executors, offer, objects });
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  const main = fileURLToPath(new URL(`../../worker/main${extension}`, import.meta.url));
  try {
    return await runAgent(main, config);
  } finally {
    await sweep({ mark }, { graceMs: 0 });
    await removeRuntimeFolder(runtimeDir);
    sweepObjects();
  }
}

/** What the flags say of this worker. @throws {SystemError} USAGE naming what is off. */
export function offerOf({ resources, labels }: Pick<WorkerFlags, "resources" | "labels">): {
  readonly resources: ResourceRequest;
  readonly labels: Labels;
} {
  const given = resources === undefined ? {} : parseJson(resources);
  resourcesOf(given, "--resources");
  return { resources: given, labels: labelsOf(pairsOf(labels), "--labels") };
}

/** Bounds of this node's objects; nothing where nothing is said. */
function objectLimitsOf({ objectMemory, objectSpill, objectFolder }: WorkerFlags): object {
  const memory = objectMemory ?? "";
  const spill = objectSpill ?? "";
  return {
    ...(memory === "" ? {} : { memoryBytes: parseBytes(memory, "--object-memory") }),
    ...(spill === "" ? {} : { spillBytes: parseBytes(spill, "--object-spill") }),
    ...(objectFolder === undefined ? {} : { folder: objectFolder }),
  };
}

function parseJson(text: string): ResourceRequest {
  try {
    return JSON.parse(text) as ResourceRequest;
  } catch (cause) {
    const what = `--resources is JSON such as {"gpu":1}, not ${text}`;
    throw new SystemError("USAGE", what, {}, cause);
  }
}

/** `key=value,...` as an object. */
function pairsOf(text = ""): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const pair of text.split(",").filter((one) => one !== "")) {
    const at = pair.indexOf("=");
    const key = pair.slice(0, at);
    if (at < 1) throw new SystemError("USAGE", `--labels is key=value,..., not ${pair}`);
    if (Object.hasOwn(pairs, key)) throw new SystemError("USAGE", `--labels says ${key} twice`);
    pairs[key] = pair.slice(at + 1);
  }
  return pairs;
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
