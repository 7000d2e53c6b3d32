/**
 * Where `ligase solve` learns of solves: from the cluster that runs, or, where none works on the
 * state that was named, from the log that the last one left there.
 */
import { join, resolve } from "node:path";
import type { Cluster, ClusterStatus, SolveStatus } from "../../../runtime/client/cluster.ts";
import { clusterStatus } from "../../../runtime/client/cluster.ts";
import { SystemError, toSystemError } from "../../../runtime/errors.ts";
import { short12 } from "../../../runtime/ids.ts";
import { parseMessage } from "../../../runtime/messages.ts";
import { newHeadState } from "../../core/core.ts";
import { statusOf } from "../../core/status.ts";
import { replay } from "../../daemon/durable/replica.ts";
import { addressOf, type ReachFlags, withCluster } from "../actors/reach.ts";
import { typedFolder } from "../paths.ts";

/** Solves, and where they are known from. */
export interface Source {
  readonly stateFolder: string;
  status(): Promise<ClusterStatus>;
  /** The running cluster; undefined where only its log is left. */
  readonly cluster: Cluster | undefined;
}

/** What `ask` makes of the solves. @throws {SystemError} CLUSTER_NOT_FOUND, USAGE. */
export async function withSolves<T>(
  typed: ReachFlags,
  ask: (source: Source) => Promise<T>,
): Promise<T> {
  const from = typedFolder(process.env, process.cwd());
  const flags = typed.state === undefined ? typed : { ...typed, state: resolve(from, typed.state) };
  const address = await addressOf(flags).catch((thrown: unknown) => toSystemError(thrown));
  if (!(address instanceof SystemError)) {
    const { stateDir: stateFolder } = address;
    return await withCluster(flags, async (cluster) =>
      ask({ stateFolder, cluster, status: () => cluster.status() }),
    );
  }
  const { state } = flags;
  if (address.code !== "CLUSTER_NOT_FOUND" || state === undefined) throw address;
  const status = await loggedStatus(state);
  if (status === undefined) throw address;
  return await ask({ stateFolder: state, cluster: undefined, status: async () => status });
}

/** What a head would say that had just read the log; undefined where there is none. */
async function loggedStatus(stateFolder: string): Promise<ClusterStatus | undefined> {
  const { state: durable } = await replay(stateFolder);
  if (durable.facts === 0) return undefined;
  const config = { stateFolder, solverSha256: null, slurm: "none" } as const;
  return parseMessage(clusterStatus, statusOf(newHeadState(durable, config, 0)));
}

/** The solve that an id, or its beginning, means. @throws {SystemError} JOB_NOT_FOUND, USAGE. */
export function solveNamed(status: ClusterStatus, id: string): SolveStatus {
  const found = status.solves.filter((solve) => id !== "" && solve.id.startsWith(id));
  const [only, another] = found;
  if (only === undefined) throw new SystemError("JOB_NOT_FOUND", "no such solve", { solve: id });
  if (another === undefined) return only;
  throw new SystemError("USAGE", `${found.length} solves begin so; say more of the id`);
}

/** The folder of one attempt of a solve. */
export function attemptFolder(stateFolder: string, solveId: string, attempt: number): string {
  return join(stateFolder, "solves", short12(solveId), String(attempt));
}
