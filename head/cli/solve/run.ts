/**
 * `ligase solve run MANIFEST`: a solve of a sealed set, whoever made it. Starts an embedded cluster
 * on the state, or asks the one that works on it already. The solve is durable: asked for again, it
 * goes on, or is found done.
 */
import { stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Cluster, SolveStatus } from "../../../runtime/client/cluster.ts";
import { joinAsClient } from "../../../runtime/client/connect.ts";
import { type EmbeddedReady, startEmbedded } from "../../../runtime/client/embedded.ts";
import { errorFromData, SystemError } from "../../../runtime/errors.ts";
import { sha256Hex } from "../../../runtime/ids.ts";
import { JOB_POLL_MS } from "../../../runtime/limits.ts";
import { readIfPresent } from "../../../runtime/storage/local.ts";
import { MANIFEST_FILE, parseManifest } from "../../../solver/manifest.ts";
import { outputPath, parseSolveSpec, type SolveSpec } from "../../../solver/solve.ts";
import { withCluster } from "../actors/reach.ts";
import { typedFolder, typedPath } from "../paths.ts";
import { Progress } from "../progress/progress.ts";
import { answerWith, type Interrupts } from "../signals.ts";
import { describeSolve } from "../watch.ts";
import { type LaunchFlags, solveOptionsOf } from "./flags.ts";

export interface SolveRunFlags extends LaunchFlags {
  readonly output?: string;
  readonly metric?: "l2" | "cosine";
  readonly k?: number;
  readonly times?: string;
  readonly fields?: number;
  readonly modes?: number;
  readonly clusters?: number;
  readonly seed?: number;
  readonly slurm: "auto" | "system" | "private";
  readonly state?: string;
  readonly json?: boolean;
}

/** A sealed set and what is asked of it. */
interface Asked {
  readonly manifest: string;
  readonly manifestSha256: string;
  readonly spec: SolveSpec;
  readonly stateDir: string;
}

/** What the command leaves on standard output. */
interface SolveResult {
  readonly schema: 1;
  readonly solveId: string;
  readonly manifest: string;
  readonly netcdf: string;
  readonly slurm: { readonly slurmJobId: string; readonly state: string } | null;
  /** What its slurm job asked for; null when it stood already. */
  readonly resources: string | null;
  readonly seconds: number;
}

/** The exit code; what went wrong has been said by then. */
export function solveRunCommand(manifest: string, flags: SolveRunFlags): Promise<number> {
  return answerWith(flags.json, async (interrupts) => {
    const startedMs = performance.now();
    const asked = await askedOf(manifest, flags);
    const solve = await solveOn(asked, flags.slurm, interrupts);
    const seconds = Math.round(performance.now() - startedMs) / 1000;
    const result = resultOf(asked, solve, seconds);
    return { table: tableOf(result), result };
  });
}

/** @throws {SystemError} INPUT_NOT_FOUND; INPUT_UNREADABLE; USAGE. */
async function askedOf(typed: string, flags: SolveRunFlags): Promise<Asked> {
  const from = typedFolder(process.env, process.cwd());
  const path = typedPath(from, typed);
  const isFolder = await stat(path).then(
    (it) => it.isDirectory(),
    () => false,
  );
  const manifest = isFolder ? join(path, MANIFEST_FILE) : path;
  const bytes = await readIfPresent(manifest);
  if (bytes === undefined) {
    throw new SystemError("INPUT_NOT_FOUND", "no manifest is there", { uri: manifest });
  }
  try {
    parseManifest(bytes);
  } catch (thrown) {
    const what = "it isn't the manifest of a sealed set";
    throw new SystemError("INPUT_UNREADABLE", what, { uri: manifest }, thrown);
  }
  const { metric, k, fields, modes, clusters, seed, times, output } = flags;
  const settings = {
    ...{ metric, k, fields, modes, clusters, seed },
    times: times?.split(",").map(Number),
    output: output === undefined ? undefined : typedPath(from, output),
  };
  const given = Object.entries(settings).filter(([, value]) => value !== undefined);
  const ranks = availableParallelism();
  const spec = parseSolveSpec({ ranks, ...solveOptionsOf(flags), ...Object.fromEntries(given) });
  const beside = join(dirname(dirname(manifest)), ".ligase");
  const stateDir = flags.state === undefined ? beside : typedPath(from, flags.state);
  return { manifest, manifestSha256: sha256Hex(bytes), spec, stateDir };
}

/** The solve at its end, by a cluster of our own or the one that works on the state. */
async function solveOn(
  asked: Asked,
  slurm: SolveRunFlags["slurm"],
  interrupts: Interrupts,
): Promise<SolveStatus> {
  const progress = new Progress(process.stderr);
  const { stateDir } = asked;
  const { signal } = interrupts;
  try {
    const started = await startEmbedded({ stateDir, slurm, executors: 1, signal });
    if (started.kind === "ready") return await solveOnOwn(started, asked, progress, interrupts);
    progress.say(`process ${started.owner.pid} works on this state: it runs the solve`);
    // Ctrl-C ends the watching; the solve goes on there.
    return await withCluster({ state: stateDir }, (cluster) =>
      watch(cluster, asked, progress, signal),
    );
  } finally {
    progress.end();
  }
}

async function solveOnOwn(
  started: EmbeddedReady,
  asked: Asked,
  progress: Progress,
  interrupts: Interrupts,
): Promise<SolveStatus> {
  // It ends already; a signal makes it kill instead of wait. Killed itself, it would leave ranks.
  const release = interrupts.onSecond(() => process.kill(started.pid, "SIGTERM"));
  let cluster: Cluster | undefined;
  try {
    const failed = started.exited.then(({ error }) => {
      throw error ?? new SystemError("CLUSTER_START_FAILED", "the cluster ended by itself");
    });
    failed.catch(() => undefined);
    const program = { url: "file:///ligase", sha256: "0".repeat(64) };
    const loaded = { actors: new Map(), tasks: new Map(), main: undefined };
    cluster = await joinAsClient(started.connection, program, loaded, async () => {});
    const work = watch(cluster, asked, progress, interrupts.signal);
    work.catch(() => undefined);
    return await Promise.race([work, failed, interrupts.asked]);
  } finally {
    await cluster?.close();
    await started.stop();
    release();
  }
}

/** Asks for the solve and watches it to its end. @throws {SystemError} what ended it; CANCELLED. */
async function watch(
  cluster: Cluster,
  { manifest, manifestSha256, spec }: Asked,
  progress: Progress,
  signal: AbortSignal,
): Promise<SolveStatus> {
  const solveId = await cluster.submitSolve({ manifest, manifestSha256 }, spec);
  for (;;) {
    if (signal.aborted) throw new SystemError("CANCELLED", String(signal.reason));
    const solve = (await cluster.status()).solves.find(({ id }) => id === solveId);
    if (solve === undefined) {
      throw new SystemError("JOB_NOT_FOUND", "the solve is older than those that are told of");
    }
    if (solve.state.kind === "failed") throw errorFromData(solve.state.error);
    progress.say(describeSolve(solve));
    if (solve.state.kind === "succeeded") return solve;
    await delay(JOB_POLL_MS);
  }
}

function resultOf(asked: Asked, solve: SolveStatus, seconds: number): SolveResult {
  const { id: solveId, last, resources } = solve;
  const { manifest, spec } = asked;
  const slurm = last === null ? null : { slurmJobId: last.slurmJobId, state: last.end.state };
  const netcdf = outputPath(spec, manifest);
  return { schema: 1, solveId, manifest, netcdf, slurm, resources, seconds };
}

function tableOf({ solveId, manifest, netcdf, slurm, resources, seconds }: SolveResult): string {
  const rows: (readonly [string, string])[] = [
    ["solve", solveId.slice(0, 12)],
    ["manifest", manifest],
    ["netcdf", netcdf],
    ...(slurm === null ? [] : [["slurm job", `${slurm.slurmJobId} ${slurm.state}`] as const]),
    ...(resources === null ? [] : [["asked for", resources] as const]),
    ["seconds", String(seconds)],
  ];
  return rows.map(([name, value]) => `${name.padEnd(11)} ${value}\n`).join("");
}
