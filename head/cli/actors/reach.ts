/**
 * The running cluster that a command asks: the one of `--address` or LIGASE_ADDRESS, the one that
 * works on `--state`, else the only one of this user on this machine.
 */
import { realpath } from "node:fs/promises";
import {
  ADDRESS_VARIABLE,
  type ClusterAddress,
  clustersHere,
  enter,
  readAddress,
} from "../../../runtime/client/address.ts";
import type { Cluster } from "../../../runtime/client/cluster.ts";
import { joinAsClient } from "../../../runtime/client/connect.ts";
import { SystemError, toSystemError } from "../../../runtime/errors.ts";
import { identityOf } from "../../../runtime/processes.ts";

export interface ReachFlags {
  readonly address?: string;
  readonly state?: string;
}

/** Whom a command speaks for: it spawns nothing. */
const NO_PROGRAM = { url: "file:///ligase", sha256: "0".repeat(64) };

/**
 * What `ask` makes of a client of the cluster; the client is gone afterwards.
 * @throws {SystemError} CLUSTER_NOT_FOUND; USAGE when several run and none is named.
 */
export async function withCluster<T>(
  flags: ReachFlags,
  ask: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  const entrance = await enter(await addressOf(flags));
  const { connection, release } = entrance;
  try {
    const loaded = { actors: new Map(), tasks: new Map(), main: undefined };
    const cluster = await joinAsClient(connection, NO_PROGRAM, loaded, async () => release());
    try {
      return await ask(cluster);
    } finally {
      await cluster.close();
    }
  } catch (thrown) {
    release();
    throw toSystemError(thrown);
  }
}

/** Where that cluster is. @throws {SystemError} CLUSTER_NOT_FOUND, USAGE. */
export async function addressOf(
  flags: ReachFlags,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ClusterAddress> {
  const file = flags.address ?? (flags.state === undefined ? env[ADDRESS_VARIABLE] : undefined);
  if (file) return readAddress(file);
  // A supervisor that was killed leaves its file until the next one on its state sweeps it.
  const living = (await clustersHere(env)).filter(({ pid }) => identityOf(pid) !== undefined);
  const state = flags.state === undefined ? undefined : await real(flags.state);
  const named = await Promise.all(
    living.map(async (one) =>
      state === undefined || (await real(one.stateDir)) === state ? [one] : [],
    ),
  );
  const [only, ...more] = named.flat();
  if (only === undefined) {
    const what = state === undefined ? "no cluster of yours runs here" : "no cluster works on it";
    throw new SystemError("CLUSTER_NOT_FOUND", what, state === undefined ? {} : { uri: state });
  }
  if (more.length === 0) return only;
  const states = [only, ...more].map(({ stateDir }) => stateDir).join(", ");
  throw new SystemError("USAGE", `${more.length + 1} clusters run here; say --state: ${states}`);
}

async function real(path: string): Promise<string> {
  return realpath(path).catch(() => path);
}
