/**
 * `ligase run`, `embed` and `qc`: each starts an embedded cluster, submits the pipeline as a job,
 * shows its progress and leaves its result. The job is durable: whatever ends this command, the
 * next one goes on.
 */
import { availableParallelism } from "node:os";
import type { Cluster, ClusterStatus } from "../../runtime/client/cluster.ts";
import { joinAsClient } from "../../runtime/client/connect.ts";
import { type EmbeddedReady, startEmbedded } from "../../runtime/client/embedded.ts";
import { errorFromData, SystemError, toSystemError } from "../../runtime/errors.ts";
import { canonicalJson, sha256Hex } from "../../runtime/ids.ts";
import { DRIVER_RESTARTS_MAX, OUTPUT_RETRY_MS } from "../../runtime/limits.ts";
import { joinUri } from "../../runtime/storage/uri.ts";
import { followRun } from "../cluster/follow.ts";
import { pipelineProgram } from "../package-hash.ts";
import { printableLine } from "./actors/text.ts";
import { loadActors } from "./inputs/actors.ts";
import type { InputFlags } from "./inputs/flags.ts";
import {
  datasetName,
  type EmbedFlags,
  embedRequest,
  type QcFlags,
  qcRequest,
  type RunFlags,
  runRequest,
  type RunRequest,
} from "./inputs/request.ts";
import { spooledStdin, withoutStdin } from "./inputs/stdin.ts";
import { statePlaces, typedFolder } from "./paths.ts";
import { plainOf } from "./progress/frame.ts";
import { Progress } from "./progress/progress.ts";
import { composeResult, type RunResult, writeResult } from "./result.ts";
import { answerWith, type Interrupts } from "./signals.ts";
import { resultTable } from "./table.ts";
import { type Say, type Watched, watchJob } from "./watch.ts";

/** How a run is carried out, which is no part of what it is. */
export interface RunMeans {
  readonly stateDir: string;
  /** Where it keeps what is durable, if not in that folder. */
  readonly stateUri?: string | undefined;
  readonly slurm: "auto" | "system" | "private";
  readonly executors: number;
  readonly natsPort?: number | undefined;
  readonly standbyHeads?: number | undefined;
}

/** Exit codes; what went wrong has been said by then. */
export function runCommand(flags: RunFlags): Promise<number> {
  return readerCommand(flags, (spooled, from) => runRequest({ ...flags, ...spooled }, from));
}

/** @see runCommand */
export function embedCommand(flags: EmbedFlags): Promise<number> {
  return readerCommand(flags, (spooled, from) => embedRequest({ ...flags, ...spooled }, from));
}

/** @see runCommand */
export function qcCommand(flags: QcFlags): Promise<number> {
  return readerCommand(flags, (spooled, from) => qcRequest({ ...flags, ...spooled }, from));
}

function readerCommand(
  flags: InputFlags & { readonly slurm?: RunMeans["slurm"] },
  requestOf: (inputs: Pick<InputFlags, "input" | "output">, from: string) => RunRequest,
): Promise<number> {
  return runAs(flags.json, async () => {
    const from = typedFolder(process.env, process.cwd());
    // What is wrong with the flags is said before standard input is read.
    requestOf({ ...flags, ...withoutStdin(flags) }, from);
    const request = requestOf(await spooledStdin(flags, from), from);
    const { slurm = "auto", executors = availableParallelism(), natsPort, standbyHeads } = flags;
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
    await sayNative();
    const result = await run(request, means, interrupts);
    return { table: resultTable(result), result };
  });
}

/** Says once when sequences will be read by the slower forms; the result's `native` says it too. */
async function sayNative(): Promise<void> {
  const { nativeStatus } = await loadActors<Native>("native/addon");
  const { text } = nativeStatus();
  if (text.includes("slower")) process.stderr.write(`ligase: ${printableLine(text)}\n`);
}

/** What `actors/native/addon.ts` exports, as far as it is asked here. */
interface Native {
  readonly nativeStatus: () => { readonly text: string };
}

async function run(
  request: RunRequest,
  means: RunMeans,
  interrupts: Interrupts,
): Promise<RunResult> {
  const progress = new Progress(process.stderr);
  try {
    return await runShown(request, means, progress, interrupts);
  } finally {
    progress.end();
  }
}

async function runShown(
  request: RunRequest,
  means: RunMeans,
  progress: Progress,
  interrupts: Interrupts,
): Promise<RunResult> {
  const startedMs = performance.now();
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
  const loaded = { actors: new Map(), tasks: new Map(), main: undefined };
  const cluster: Cluster = await joinAsClient(started.connection, program, loaded, async () => {});
  // Nothing answers a request any more then, and this process would wait for each of them.
  over.addEventListener("abort", () => void cluster.close(), { once: true });
  try {
    const before = await cluster.status();
    const startS = (performance.now() - startedMs) / 1000;
    const show: Say = (said) => {
      progress.say(said);
      started.send({ progress: plainOf(said) });
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
  const uri = joinUri(request.output, datasetName(request));
  const doing = request.only === "qc" ? "quality control" : "embedding";
  // The program reads the first one alone; `ligase job resume` reads both.
  const { slurm, executors } = means;
  const argv = [JSON.stringify(request), JSON.stringify({ slurm, executors })];
  for (let lost = 0; ; lost += 1) {
    const jobId = await cluster.submitProgram(cluster.program, argv);
    try {
      return await watchJob(cluster, { jobId, uri, doing }, before, show, over);
    } catch (thrown) {
      const { code } = toSystemError(thrown);
      if (code !== "ACTOR_DIED" || lost >= DRIVER_RESTARTS_MAX) throw thrown;
      show({ line: "starting: the driver was lost, another one goes on" });
    }
  }
}
