/**
 * `ligase run`: starts an embedded cluster, submits the pipeline as a job, shows its progress and
 * leaves its result. The job is durable: whatever ends this command, the next one goes on.
 */
import { availableParallelism } from "node:os";
import type { Cluster, ClusterStatus } from "../../runtime/client/cluster.ts";
import { joinAsClient } from "../../runtime/client/connect.ts";
import { type EmbeddedReady, startEmbedded } from "../../runtime/client/embedded.ts";
import type { OnBadRecord } from "../../runtime/dataset/dataset.ts";
import { errorFromData, SystemError, toSystemError } from "../../runtime/errors.ts";
import { canonicalJson, sha256Hex } from "../../runtime/ids.ts";
import { DRIVER_RESTARTS_MAX, OUTPUT_RETRY_MS } from "../../runtime/limits.ts";
import { joinUri } from "../../runtime/storage/uri.ts";
import type { LaunchOptions } from "../../solver/launch.ts";
import { parseSolveSpec } from "../../solver/solve.ts";
import { followRun } from "../cluster/follow.ts";
import { pipelineProgram } from "../package-hash.ts";
import { checkPlaces, outputFolder, statePlaces, typedFolder, typedPath } from "./paths.ts";
import { Progress } from "./progress.ts";
import { composeResult, type RunResult, writeResult } from "./result.ts";
import { answerWith, type Interrupts } from "./signals.ts";
import { resultTable } from "./table.ts";
import { type LaunchFlags, solveOptionsOf } from "./solve/flags.ts";
import { type Say, type Watched, watchJob } from "./watch.ts";

export interface RunFlags extends LaunchFlags {
  readonly input?: readonly string[];
  readonly output?: string;
  readonly encoder: string;
  readonly slurm: "auto" | "system" | "private";
  readonly executors?: number;
  readonly standbyHeads?: number;
  readonly natsPort?: number;
  readonly state?: string;
  readonly solve: boolean;
  readonly onBadRecord?: OnBadRecord;
  readonly batchTimeout?: number;
  readonly fresh?: boolean;
  readonly json?: boolean;
}

/** What a run is, whoever started it first: two commands of equal request are one run. */
export interface RunRequest {
  readonly inputs: readonly string[];
  readonly output: string;
  readonly encoder: string;
  readonly solve: boolean;
  readonly ranks: number;
  readonly timeLimitMinutes?: number;
  readonly launch?: LaunchOptions;
  readonly onBadRecord?: OnBadRecord;
  readonly batchTimeoutMs?: number;
}

/** How a run is carried out, which is no part of what it is. */
export interface RunMeans {
  readonly stateDir: string;
  /** Where it keeps what is durable, if not in that folder. */
  readonly stateUri?: string | undefined;
  readonly slurm: RunFlags["slurm"];
  readonly executors: number;
  readonly natsPort?: number | undefined;
  readonly standbyHeads?: number | undefined;
}

/** The exit code; what went wrong has been said by then. */
export function runCommand(flags: RunFlags): Promise<number> {
  return runAs(flags.json, async () => {
    const from = typedFolder(process.env, process.cwd());
    const request = requestOf(flags, from);
    const { slurm, executors = availableParallelism(), natsPort, standbyHeads } = flags;
    const places = statePlaces(flags.state, request.output, from);
    return { request, means: { ...places, slurm, executors, natsPort, standbyHeads } };
  });
}

/** Runs what `ask` gives; the exit code. */
export function runAs(
  json: boolean | undefined,
  ask: () => Promise<{ readonly request: RunRequest; readonly means: RunMeans }>,
): Promise<number> {
  return answerWith(json, async (interrupts) => {
    const { request, means } = await ask();
    const result = await run(request, means, interrupts);
    return { table: resultTable(result), result };
  });
}

async function run(
  request: RunRequest,
  means: RunMeans,
  interrupts: Interrupts,
): Promise<RunResult> {
  const startedMs = performance.now();
  const progress = new Progress(process.stderr);
  const { stateDir, stateUri, slurm, executors, natsPort, standbyHeads } = means;
  const key = sha256Hex(canonicalJson(request));
  const deadline = performance.now() + OUTPUT_RETRY_MS;
  for (;;) {
    const started = await startEmbedded({
      stateDir,
      stateUri,
      slurm: request.solve ? slurm : "none",
      executors,
      natsPort,
      standbyHeads,
      signal: interrupts.signal,
    });
    if (started.kind === "ready")
      return lead(started, { request, means, key }, progress, interrupts, startedMs);
    progress.say(`process ${started.owner.pid} works on this output: following it`);
    const { socket } = started.owner;
    const onProgress = (line: unknown): void => progress.say(String(line));
    const followed = await followRun({ socket, key, onProgress, signal: interrupts.signal });
    if (followed.kind === "result") return followedResult(followed.result);
    interrupts.throwIfAsked();
    if (followed.kind === "busy" || performance.now() > deadline) {
      const where = { uri: request.output, pid: started.owner.pid };
      throw new SystemError("OUTPUT_BUSY", "another run works on this output", where);
    }
  }
}

function requestOf(flags: RunFlags, from: string): RunRequest {
  const inputs = (flags.input ?? []).map((path) => typedPath(from, path));
  const { ranks, timeLimitMinutes, ...launch } = solveOptionsOf(flags);
  // What is wrong with them is said before anything is started.
  parseSolveSpec(launch);
  const output = outputFolder(flags.output, inputs, from, flags.fresh === true);
  checkPlaces(output, { inputs, solve: flags.solve });
  const { onBadRecord, batchTimeout } = flags;
  return {
    inputs,
    output,
    encoder: flags.encoder,
    solve: flags.solve,
    ranks: ranks ?? availableParallelism(),
    ...(timeLimitMinutes === undefined ? {} : { timeLimitMinutes }),
    ...(Object.keys(launch).length === 0 ? {} : { launch }),
    ...(onBadRecord === undefined ? {} : { onBadRecord }),
    ...(batchTimeout === undefined ? {} : { batchTimeoutMs: batchTimeout * 1000 }),
  };
}

/** What the followed command sent: its result or its error. */
function followedResult(sent: unknown): RunResult {
  const result = sent as RunResult | { readonly error: ReturnType<SystemError["toData"]> };
  if ("error" in result) throw errorFromData(result.error);
  return result;
}

interface Asked {
  readonly request: RunRequest;
  readonly means: RunMeans;
}

/** This command's cluster: submit, watch, tell followers, end. */
async function lead(
  started: EmbeddedReady,
  { key, ...asked }: Asked & { readonly key: string },
  progress: Progress,
  interrupts: Interrupts,
  startedMs: number,
): Promise<RunResult> {
  started.send({ request: { key } });
  const over = new AbortController();
  // It ends already; a signal makes it kill instead of wait. Killed itself, it would leave ranks.
  const release = interrupts.onSecond(() => process.kill(started.pid, "SIGTERM"));
  try {
    const failed = started.exited.then(({ error }) => {
      throw error ?? new SystemError("CLUSTER_START_FAILED", "the cluster ended by itself");
    });
    failed.catch(() => undefined);
    const work = submit(started, asked, progress, over.signal, startedMs);
    const result = await Promise.race([work, failed, interrupts.asked]);
    started.send({ result });
    return result;
  } catch (thrown) {
    const error = interrupts.reason ?? toSystemError(thrown);
    started.send({ result: { error: error.toData() } });
    throw error;
  } finally {
    over.abort("the run is over");
    await started.stop();
    release();
  }
}

/** The job from its submission to its result, unless the run is over before. */
async function submit(
  started: EmbeddedReady,
  asked: Asked,
  progress: Progress,
  over: AbortSignal,
  startedMs: number,
): Promise<RunResult> {
  const program = pipelineProgram();
  const loaded = { actors: new Map(), main: undefined };
  const cluster: Cluster = await joinAsClient(started.connection, program, loaded, async () => {});
  // Nothing answers a request any more then, and this process would wait for each of them.
  over.addEventListener("abort", () => void cluster.close(), { once: true });
  try {
    const before = await cluster.status();
    const startS = (performance.now() - startedMs) / 1000;
    const show: Say = (line, fraction) => {
      progress.say(line, fraction);
      started.send({ progress: line });
    };
    const watched = await driveToEnd(cluster, asked, before, show, over);
    const totalS = (performance.now() - startedMs) / 1000;
    const result = composeResult(watched, { start: startS, total: totalS });
    await writeResult(asked.request.output, result);
    return result;
  } finally {
    await cluster.close();
  }
}

/**
 * Submits the pipeline and watches it; one whose driver is lost is submitted again, because it
 * finds what stands and makes only the rest.
 */
async function driveToEnd(
  cluster: Cluster,
  { request, means }: Asked,
  before: ClusterStatus,
  show: Say,
  over: AbortSignal,
): Promise<Watched> {
  const uri = joinUri(request.output, "embeddings");
  // The program reads the first one alone; `ligase job resume` reads both.
  const { slurm, executors } = means;
  const argv = [JSON.stringify(request), JSON.stringify({ slurm, executors })];
  for (let lost = 0; ; lost += 1) {
    const jobId = await cluster.submitProgram(cluster.program, argv);
    try {
      return await watchJob(cluster, { jobId, uri }, before, show, over);
    } catch (thrown) {
      const { code } = toSystemError(thrown);
      if (code !== "ACTOR_DIED" || lost >= DRIVER_RESTARTS_MAX) throw thrown;
      show("starting: the driver was lost, another one goes on");
    }
  }
}
