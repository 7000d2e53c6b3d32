/**
 * The forms in which the job runs: the command alone, with one machine; or a cluster of two workers
 * whose second one can be killed, stopped or cut off as a machine is; or one with a standby head.
 */
import { rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { pipelineProgram } from "../../../head/package-hash.ts";
import type { Cluster } from "../../../runtime/client/cluster.ts";
import { joinAsClient } from "../../../runtime/client/connect.ts";
import { startEmbedded } from "../../../runtime/client/embedded.ts";
import { errorFromData } from "../../../runtime/errors.ts";
import { sharedRoot, spillRoot, sweepObjects } from "../../../runtime/objects/owners.ts";
import type { ProcessIdentity } from "../../../runtime/processes.ts";
import { type OwnCluster, statusWhen } from "../../e2e/cluster.ts";
import { type Ended, namesIn, type Place, startRun, until } from "../../e2e/support.ts";
import { SecondWorker } from "../second-worker.ts";
import type { Job } from "./job.ts";

/** Drivers of one run: each that is killed is followed by another. */
const DRIVERS_MAX = 5;
const JOB_SECONDS = 90;

/** A run under way. */
export interface Running {
  readonly ended: Promise<Ended>;
  /** Shards that may be under way at a moment: one runs in each executor and one waits. */
  readonly underWay: number;
  /** The command's own process; of a cluster of two, nobody's. */
  readonly command: number | undefined;
  readonly second: { readonly worker: SecondWorker; readonly agent: ProcessIdentity } | undefined;
}

const SHARDS_PER_EXECUTOR = 2;

/** The command, as a person starts it. */
export function startCommand(job: Job, executors: number): Running {
  const args = [...job.args, "--executors", String(executors)];
  const started = startRun(job.place, args, { env: job.env });
  const underWay = executors * SHARDS_PER_EXECUTOR;
  return { ended: started.ended, underWay, command: started.pid, second: undefined };
}

/** A cluster of this process's own, and the same job on it. */
export async function startOwn(
  job: Job,
  { workers, standbyHeads }: { readonly workers: 1 | 2; readonly standbyHeads: number },
): Promise<Running> {
  const stateDir = job.state;
  const how = { slurm: "none", executors: 1, join: workers === 2, standbyHeads } as const;
  const embedded = await startEmbedded({ stateDir, ...how });
  if (embedded.kind === "busy") throw new Error("the last run's cluster is still there");
  const loaded = { actors: new Map(), tasks: new Map(), main: undefined };
  const program = pipelineProgram();
  const client = await joinAsClient(embedded.connection, program, loaded, async () => {});
  const own = { embedded, client, stateDir, stop: () => embedded.stop() };
  const second = workers === 2 ? await startSecond(job.place, own) : undefined;
  const end = async (): Promise<void> => {
    await client.close();
    await second?.worker.close();
    await embedded.stop();
    removeSecond(job.place);
  };
  const work = async (): Promise<Ended> => {
    try {
      return await drive(client, job);
    } finally {
      await end();
    }
  };
  const ended = work();
  ended.catch(() => undefined);
  return { ended, underWay: workers * SHARDS_PER_EXECUTOR, command: undefined, second };
}

async function startSecond(place: Place, own: OwnCluster): Promise<Running["second"]> {
  const { client } = own;
  const worker = await SecondWorker.of({ place, own, client, stop: async () => {} });
  const agent = await worker.start();
  await statusWhen(client, "both workers are ready", ({ slots }) => slots === 2);
  return { worker, agent };
}

/**
 * What a killed worker left: the next one begins with the same names. Its objects' folder on the
 * disk is where its own environment says; whoever of its machine comes next sweeps it.
 */
function removeSecond(place: Place): void {
  sweepObjects([sharedRoot(), join(place.temporary, basename(spillRoot().path))]);
  for (const name of namesIn(place.folder).filter((one) => /^w\d+(\.json)?$/.test(one))) {
    rmSync(place.path(name), { recursive: true, force: true });
  }
}

/** What the command does with its cluster. */
async function drive(client: Cluster, { inputs, output }: Job): Promise<Ended> {
  const begunMs = performance.now();
  const ranks = availableParallelism();
  const request = JSON.stringify({ inputs, output, encoder: "kmer", solve: false, ranks });
  const said = (code: number, stderr: string): Ended => {
    return { code, signal: null, stdout: "", stderr, seconds: seconds(begunMs) };
  };
  for (let driver = 0; driver < DRIVERS_MAX; driver += 1) {
    const jobId = await client.submitProgram(client.program, [request]);
    const state = await until("the job ends", () => endOf(client, jobId), JOB_SECONDS);
    if (state.kind === "returned") return said(0, "");
    const { code, what, exit } = errorFromData(state.error);
    if (code !== "ACTOR_DIED") return said(exit, `${code}: ${what}`);
  }
  return said(5, "every driver was lost");
}

async function endOf(client: Cluster, jobId: string) {
  const { programs } = await client.status();
  const state = programs.find(({ id }) => id === jobId)?.state;
  return state === undefined || state.kind === "running" ? undefined : state;
}

function seconds(sinceMs: number): number {
  return (performance.now() - sinceMs) / 1_000;
}
