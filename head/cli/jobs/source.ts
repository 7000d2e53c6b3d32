/**
 * Where `ligase job` learns of jobs: from the cluster that works on the state, or, where none does,
 * from the log that the last one left there. Reading it takes no lead and changes nothing.
 */
import type { Cluster } from "../../../runtime/client/cluster.ts";
import {
  type ClusterStatus,
  clusterStatus,
  type JobView,
  jobView,
} from "../../../runtime/client/jobs/status.ts";
import { SystemError, toSystemError } from "../../../runtime/errors.ts";
import { parseMessage } from "../../../runtime/messages.ts";
import { newHeadState } from "../../core/core.ts";
import type { DurableState } from "../../core/facts.ts";
import { viewOfJob } from "../../core/resume/view.ts";
import { statusOf } from "../../core/status.ts";
import { replay } from "../../daemon/durable/replica.ts";
import { addressOf, type ReachFlags, withCluster } from "../actors/reach.ts";
import { statePlaces, typedFolder, typedPath } from "../paths.ts";

export interface JobFlags extends ReachFlags {
  /** Of a run: its state is `.ligase` in it. */
  readonly output?: string;
  readonly json?: boolean;
}

/** Jobs, and where they are known from. */
export interface JobSource {
  status(): Promise<ClusterStatus>;
  job(jobId: string): Promise<JobView>;
  /** The running cluster; undefined where only its log is left. */
  readonly cluster: Cluster | undefined;
}

/** What `ask` makes of the jobs. @throws {SystemError} CLUSTER_NOT_FOUND, USAGE, LOG_CORRUPT. */
export async function withJobs<T>(
  typed: JobFlags,
  ask: (source: JobSource) => Promise<T>,
): Promise<T> {
  const { stateUri, ...flags } = reachOf(typed);
  const address = await addressOf(flags).catch((thrown: unknown) => toSystemError(thrown));
  if (!(address instanceof SystemError)) {
    return await withCluster(flags, async (cluster) =>
      ask({ cluster, status: () => cluster.status(), job: (id) => cluster.job(id) }),
    );
  }
  const { state } = flags;
  if (address.code !== "CLUSTER_NOT_FOUND" || state === undefined) throw address;
  const durable = await loggedState(stateUri ?? state);
  if (durable === undefined) throw address;
  return await ask(offline(durable, state));
}

/**
 * The flags with the state that they mean, absolute: the folder of its cluster, and where its log
 * is, if not in there.
 * @throws {SystemError} USAGE for an output in S3 without a state.
 */
export function reachOf(typed: JobFlags): ReachFlags & { readonly stateUri?: string } {
  const { output, state, address } = typed;
  const from = typedFolder(process.env, process.cwd());
  const reach = address === undefined ? {} : { address };
  if (output === undefined && state === undefined) return reach;
  const places = statePlaces(state, output === undefined ? from : typedPath(from, output), from);
  const { stateDir, ...rest } = places;
  return { ...reach, ...rest, state: stateDir };
}

/** What the log of a state tells; undefined where there is none. */
export async function loggedState(stateUri: string): Promise<DurableState | undefined> {
  const { state } = await replay(stateUri);
  return state.facts === 0 ? undefined : state;
}

/** What a head would say that had just read the log. */
function offline(durable: DurableState, stateFolder: string): JobSource {
  const config = { stateFolder, solverSha256: null, slurm: "none" } as const;
  const state = newHeadState(durable, config, 0);
  return {
    cluster: undefined,
    status: async () => parseMessage(clusterStatus, plain(statusOf(state))),
    job: async (jobId) => {
      const view = viewOfJob(state, jobId);
      if (view === undefined) throw notFound(jobId);
      return parseMessage(jobView, plain({ ...view, waits: [] }));
    },
  };
}

/** As it would have crossed. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

/**
 * The id that a beginning of it means, of at least one character; without one the latest dataset,
 * or else the latest program.
 * @throws {SystemError} JOB_NOT_FOUND, USAGE where several begin so.
 */
export function jobNamed(status: ClusterStatus, text: string | undefined): string {
  const jobs = [...status.programs, ...status.datasets];
  if (text === undefined) {
    const latest = status.datasets.at(-1) ?? status.programs.at(-1);
    if (latest === undefined) throw new SystemError("JOB_NOT_FOUND", "there is no job");
    return latest.id;
  }
  const ids = jobs.map(({ id }) => id).filter((id) => text !== "" && id.startsWith(text));
  const [only, another] = ids;
  // A status holds the latest jobs; one that is named in full may be older.
  if (only === undefined && /^[0-9a-f]{64}$/.test(text)) return text;
  if (only === undefined) throw notFound(text);
  if (another === undefined) return only;
  const some = ids.slice(0, 3).map((id) => id.slice(0, text.length + 4));
  const what = `${ids.length} jobs begin so (${some.join(", ")}, ...): say more of the id`;
  throw new SystemError("USAGE", what, { job: text });
}

function notFound(job: string): SystemError {
  return new SystemError("JOB_NOT_FOUND", "no such job", { job });
}
