/**
 * What the tests of whole runs share: a place of its own for each test (input, output, temporary
 * files), the command as a person starts it, its result, and the log it leaves. A place's processes
 * and folder are gone after its test, whatever became of it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { writeSample } from "../../actors/sample.ts";
import type { RunResult } from "../../head/cli/result.ts";
import type { Fact } from "../../head/core/facts.ts";
import { readLog } from "../../head/daemon/log.ts";
import type { ErrorData } from "../../runtime/errors.ts";
import { sweep } from "../../runtime/processes.ts";
import { type Manifest, parseManifest } from "../../solver/manifest.ts";

export const ROOT = resolve(import.meta.dirname, "..", "..");
export const BIN = join(ROOT, "head", "cli", "ligase.mjs");
/** Environment entry by which a place's processes are told from all others. */
const PLACE_VARIABLE = "LIGASE_TEST_PLACE";
/** What a test's own starter leaves in an environment, and no run may depend on. */
const FOREIGN =
  /^(npm_|INIT_CWD|VITEST|NODE_OPTIONS|XDG_RUNTIME_DIR|LIGASE_(MARK|TEST_PLACE)|SLURM_)/;

/** Seconds until a run must have ended on a quiet machine; the longest takes ~30. */
const RUN_SECONDS = 90;

/** Where one test works. */
export interface Place {
  readonly folder: string;
  /** TMPDIR of its runs: empty once they have ended. */
  readonly temporary: string;
  /** `NAME=value` in the environment of what was started here. */
  readonly entry: string;
  path(...parts: readonly string[]): string;
}

const places: Place[] = [];

export async function newPlace(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), "lge-"));
  const temporary = join(folder, "t");
  await mkdir(temporary);
  const entry = `${PLACE_VARIABLE}=${randomBytes(8).toString("hex")}`;
  const path = (...parts: readonly string[]): string => join(folder, ...parts);
  const place = { folder, temporary, entry, path };
  places.push(place);
  return place;
}

/** Ends what a test left and removes its places, but one that others still use; for afterEach. */
export async function cleanUp(kept?: Place): Promise<void> {
  const removed = places.splice(0).filter((place) => place !== kept);
  if (kept !== undefined) places.push(kept);
  for (const { folder, entry } of removed) {
    await sweep({ folder, entry }, { graceMs: 0 });
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** How much longer than on a quiet machine things may take now; 1 on a quiet one. */
export function patience(): number {
  return Math.max(1, (loadavg()[0] ?? 1) / availableParallelism());
}

/** Waits until `condition` gives a value that isn't undefined or false. */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  seconds = 30,
): Promise<T> {
  const begunMs = performance.now();
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    const waitedMs = performance.now() - begunMs;
    if (waitedMs > seconds * 1_000 * patience()) throw new Error(`not in time: ${what}`);
    await delay(20);
  }
}

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

export interface Started {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly stderr: () => string;
  readonly ended: Promise<Ended>;
}

export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Program and first arguments instead of this Node with the bin. */
  readonly command?: readonly string[];
}

/** The environment of what is started in a place. */
export function environment(place: Place, more: Readonly<Record<string, string>> = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !FOREIGN.test(name));
  const [name = "", value = ""] = place.entry.split("=");
  return { ...Object.fromEntries(kept), TMPDIR: place.temporary, [name]: value, ...more };
}

/** Starts the command, as a terminal does: in a process group of its own. */
export function start(place: Place, args: readonly string[], options: StartOptions = {}): Started {
  const [file = "", ...first] = options.command ?? [process.execPath, BIN];
  const begunMs = performance.now();
  const child = spawn(file, [...first, ...args], {
    cwd: options.cwd ?? place.folder,
    env: environment(place, options.env),
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const text = { stdout: "", stderr: "" };
  child.stdout.on("data", (data: Buffer) => (text.stdout += data.toString()));
  child.stderr.on("data", (data: Buffer) => (text.stderr += data.toString()));
  const ended = new Promise<Ended>((settle, fail) => {
    const late = (): void => {
      child.kill("SIGKILL");
      fail(new Error(`no end of ${args.join(" ")}: ${text.stderr.slice(-2_000)}`));
    };
    const timer = setTimeout(late, RUN_SECONDS * 1_000 * patience());
    child.once("error", fail);
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      settle({ code, signal, ...text, seconds: (performance.now() - begunMs) / 1_000 });
    });
  });
  ended.catch(() => undefined);
  return { child, pid: child.pid ?? 0, stderr: () => text.stderr, ended };
}

/** `ligase run ... --json`, started. */
export function startRun(place: Place, args: readonly string[], options: StartOptions = {}) {
  return start(place, ["run", "--json", ...args], options);
}

/** `ligase run ... --json` to its end. */
export async function run(
  place: Place,
  args: readonly string[],
  options: StartOptions = {},
): Promise<Ended> {
  return await startRun(place, args, options).ended;
}

/** The result of a run that succeeded. @throws {Error} with what it said when it didn't. */
export function resultOf(ended: Ended): RunResult {
  if (ended.code !== 0) throw new Error(`exit ${ended.code}: ${ended.stderr}`);
  return lastLine(ended) as RunResult;
}

/** The error of a run that failed. @throws {Error} when it succeeded. */
export function errorOf(ended: Ended): ErrorData {
  const line = lastLine(ended);
  if (typeof line !== "object" || line === null || !("error" in line)) {
    throw new Error(`no error: exit ${ended.code}: ${ended.stdout}${ended.stderr}`);
  }
  return line.error as ErrorData;
}

function lastLine({ stdout, stderr }: Ended): unknown {
  const line = stdout.trimEnd().split("\n").at(-1) ?? "";
  if (!line.startsWith("{")) throw new Error(`no JSON at the end of ${stdout}${stderr}`);
  return JSON.parse(line);
}

/** Simulated reads in files `<name>-<i>.fastq`: one shard each, as they are far below 8 MiB. */
export async function makeInputs(
  place: Place,
  options: { readonly files: number; readonly reads: number; readonly length?: number },
): Promise<string[]> {
  const { files, reads, length = 500 } = options;
  const paths = Array.from({ length: files }, (_, i) => place.path(`reads-${i}.fastq`));
  for (const [i, path] of paths.entries())
    await writeSample(path, { seed: 100 + i, reads, length });
  return paths;
}

export async function manifestOf(output: string): Promise<Manifest> {
  return parseManifest(await readFile(join(output, "embeddings", "manifest.json")));
}

/** sha256 of every shard, in order. */
export async function digestsOf(output: string): Promise<readonly string[]> {
  return (await manifestOf(output)).shards.map(({ sha256 }) => sha256);
}

/** Names in a folder, hidden ones too; none when there is no such folder. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

/** What a run's heads made durable, in order. */
export async function factsOf(output: string): Promise<readonly Fact[]> {
  return (await readLog(join(output, ".ligase"))).facts;
}

export type FactOf<Type extends Fact["type"]> = Extract<Fact, { type: Type }>;

/** The facts of one type. */
export async function factsNamed<Type extends Fact["type"]>(
  output: string,
  type: Type,
): Promise<readonly FactOf<Type>[]> {
  const isNamed = (fact: Fact): fact is FactOf<Type> => fact.type === type;
  return (await factsOf(output)).filter(isNamed);
}
