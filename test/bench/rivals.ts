/**
 * The systems that ours is compared with, run in the same session as our own bench. They live in
 * the folder PEERS_BASE, as the peers' set-up makes it (v: Ray, node: moleculer, piscina and nats).
 * What isn't there isn't run: every function gives undefined then, as for a run that failed.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as v from "valibot";
import { findNatsServer } from "../../head/cluster/nats-binary.ts";
import { type BenchResult, median } from "./bench.ts";

const SCRIPTS = fileURLToPath(new URL("../../../shared/peers/node/", import.meta.url));
const WITH_RAY = fileURLToPath(new URL("./rivals/with_ray.py", import.meta.url));
const RIVAL_MS = 180_000;
const NATS_START_TRIES = 100;

/** Sections of `rivals/with_ray.py`, with the figures that each gives. */
const RAY = {
  calls: ["callsPerSecond"],
  latency: ["p50Us", "p99Us"],
  "n-n": ["callsPerSecond"],
  create: ["medianMs"],
  start: ["seconds", "idlePssMb"],
  tasks: ["tasksPerSecond"],
  queue: ["queuedPerSecond"],
  objects: ["getUs", "putGbPerSecond", "putsPerSecond", "getsPerSecond"],
  killed: ["answeredP50Ms", "answeredP99Ms", "movedP50Ms", "movedP99Ms"],
} as const;
export type RaySection = keyof typeof RAY;
export type RayFigures<Section extends RaySection> = Readonly<
  Record<(typeof RAY)[Section][number], number>
>;

/** Calls a second with 1,000 in flight, and the median of calls made one at a time. */
export interface CallFigures {
  readonly callsPerSecond: number;
  readonly p50Us: number;
}

/** A rival's runs of one session, taken in turn with ours. */
export class RivalRuns {
  readonly #byName = new Map<string, number[]>();

  /** Notes one run; undefined is none. */
  add(name: string, figure: number | undefined): void {
    const runs = this.#byName.get(name) ?? [];
    if (figure !== undefined) runs.push(figure);
    this.#byName.set(name, runs);
  }

  /** Medians, in the order in which the names were first noted. */
  medians(): BenchResult["rivals"] {
    const entries = [...this.#byName].map(
      ([name, runs]) => [name, runs.length === 0 ? ("not run" as const) : median(runs)] as const,
    );
    return Object.fromEntries(entries);
  }
}

/** One section with Ray, its cluster started and ended in the run. */
export async function ray<Section extends RaySection>(
  section: Section,
): Promise<RayFigures<Section> | undefined> {
  const base = process.env["PEERS_BASE"] ?? "";
  const python = join(base, "v", "bin", "python");
  if (base === "" || !existsSync(python)) return undefined;
  const env = {
    RAY_TMPDIR: join(base, "ray"),
    RAY_USAGE_STATS_ENABLED: "0",
    PYTHONWARNINGS: "ignore",
    LIGASE_BENCH_MARK: `${process.pid}-${section}`,
  };
  const text = await output(python, [WITH_RAY, section], env);
  const line = text?.split("\n").find((one) => one.startsWith("{"));
  if (line === undefined) return undefined;
  const names: readonly (typeof RAY)[Section][number][] = RAY[section];
  const schema = v.object(Object.fromEntries(names.map((name) => [name, v.number()])));
  return v.parse(schema, JSON.parse(line)) as RayFigures<Section>;
}

/** moleculer's remote action, caller and callee in two processes. */
export async function moleculer(transporter: string): Promise<CallFigures | undefined> {
  const [own, other] = [await freePort(), await freePort()];
  const ports = { P1: String(own), P2: String(other) };
  return callFigures(await peerScript("mol.mjs", [transporter], ports), "moleculer");
}

/** piscina, two threads of one process. */
export async function piscina(): Promise<CallFigures | undefined> {
  return callFigures(await peerScript("pools.mjs", []), "piscina");
}

/** Request and reply of the NATS client alone, two processes. @param port - a server's. */
export async function rawNats(port: number): Promise<CallFigures | undefined> {
  return callFigures(await peerScript("rawnats.cjs", [String(port), "new"]), "raw");
}

/** A nats-server without users on a free port of loopback: rivals know no keys. */
export async function startPlainNats(): Promise<{
  readonly port: number;
  readonly url: string;
  stop(): Promise<void>;
}> {
  const port = await freePort();
  const args = ["-a", "127.0.0.1", "-p", String(port)];
  const child = spawn(await findNatsServer(), args, { stdio: ["ignore", "ignore", "pipe"] });
  await listening(child);
  const stop = async (): Promise<void> => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  };
  return { port, url: `nats://127.0.0.1:${port}`, stop };
}

async function listening(child: ChildProcess): Promise<void> {
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  for (let i = 0; i < NATS_START_TRIES; i += 1) {
    if (text.includes("Server is ready")) return;
    await delay(20);
  }
  child.kill("SIGKILL");
  throw new Error(`nats-server isn't ready: ${text}`);
}

/** A script of the peers' folder, with their modules. */
async function peerScript(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string | undefined> {
  const base = process.env["PEERS_BASE"] ?? "";
  const modules = join(base, "node");
  const path = join(SCRIPTS, script);
  if (base === "" || !existsSync(join(modules, "node_modules")) || !existsSync(path)) {
    return undefined;
  }
  return await output(process.execPath, [path, ...args], { ...env, NM: modules });
}

async function output(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const options = { timeout: RIVAL_MS, env: { ...process.env, ...env } };
  try {
    return (await promisify(execFile)(file, [...args], options)).stdout;
  } catch (thrown) {
    process.stderr.write(`a rival failed: ${String(thrown)}\n`);
    return undefined;
  }
}

/** Figures from a line like `NAME...: sync ... us p50 131 p99 ...; async (...) 74388/s`. */
function callFigures(text: string | undefined, name: string): CallFigures | undefined {
  const line = text?.split("\n").find((one) => one.startsWith(name)) ?? "";
  const [, p50, rate] = /p50 (\d+).*async .* (\d+)\/s/.exec(line) ?? [];
  if (p50 === undefined || rate === undefined) return undefined;
  return { callsPerSecond: Number(rate), p50Us: Number(p50) };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
