/**
 * `connect()`: a cluster for code outside of any: the one at an address, or an embedded one, which
 * ends with this process. What it takes is loaded when it is called: programs that import `ligase`
 * in an executor never load it.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { importProgram, type LoadedProgram } from "../actor/registry.ts";
import type { Connection } from "../bus/key.ts";
import { SystemError, toSystemError } from "../errors.ts";
import { sha256Hex } from "../ids.ts";
import type { Program } from "../messages.ts";
import type { Cluster } from "./cluster.ts";
import { setCurrentCluster } from "./current.ts";
import { isExecutor } from "./nested.ts";

export interface ConnectOptions {
  /** The module whose exported actors may be spawned; `file:` in an embedded cluster. */
  readonly program: URL;
  /** Shards that the embedded cluster runs at once. */
  readonly executors?: number;
  /**
   * Address file of a cluster that runs on this machine: an embedded one leaves `address.json` in
   * its runtime folder. Default: LIGASE_ADDRESS; without either, a cluster of its own.
   */
  readonly address?: string;
}

/** A cluster's connection, and what gives it back. */
interface Reached {
  readonly connection: Connection;
  readonly end: () => Promise<void>;
  /** Settles when the cluster is gone, with the reason. */
  readonly lost: Promise<SystemError>;
}

/**
 * A cluster to spawn actors and run datasets on; close it, or use `await using`.
 *
 * @throws {SystemError} NESTED_DRIVER inside an executor; PROGRAM_INVALID; CLUSTER_START_FAILED,
 * NATS_SERVER_MISSING; with an address CLUSTER_NOT_FOUND, NOT_AUTHORIZED. When the cluster is gone
 * later, requests fail with CLUSTER_FAILED.
 */
export async function connect(options: ConnectOptions): Promise<Cluster> {
  if (isExecutor()) {
    throw new SystemError("NESTED_DRIVER", "code in an executor has a cluster: main's argument");
  }
  // All three take their time; the slowest one, the cluster, comes first.
  const starting = reach(options);
  const program = programAt(options.program);
  const loading = importProgram(options.program.href);
  const ready = import("./outside.ts");
  const [started, ...loaded] = await Promise.allSettled([starting, program, loading, ready]);
  if (started.status === "rejected") throw toSystemError(started.reason);
  const { connection, end, lost } = started.value;
  try {
    for (const one of loaded) if (one.status === "rejected") throw one.reason;
    const cluster = await joinAsClient(connection, await program, await loading, end, lost);
    setCurrentCluster(cluster);
    return cluster;
  } catch (thrown) {
    await end();
    throw toSystemError(thrown);
  }
}

async function reach(options: ConnectOptions): Promise<Reached> {
  const { ADDRESS_VARIABLE, enter, readAddress } = await import("./address.ts");
  const address = options.address ?? process.env[ADDRESS_VARIABLE];
  if (!address) return startOwn(options.executors ?? 1);
  const { connection, release, over } = await enter(await readAddress(address));
  return { connection, end: async () => release(), lost: over.then(clusterEnded) };
}

/** An embedded cluster with a state of its own. */
async function startOwn(executors: number): Promise<Reached> {
  const { startEmbedded } = await import("./embedded.ts");
  const stateDir = await mkdtemp(join(tmpdir(), "ligase-state-"));
  const removeState = (): Promise<void> => rm(stateDir, { recursive: true, force: true });
  const how = { stateDir, temporary: true, slurm: "none", executors } as const;
  const embedded = await startEmbedded(how).catch(async (thrown: unknown) => {
    // It may have failed before its supervisor knew of the folder.
    await removeState();
    throw thrown;
  });
  if (embedded.kind === "busy") throw new SystemError("OUTPUT_BUSY", "the state folder is in use");
  const end = async (): Promise<void> => {
    await embedded.stop();
    // A supervisor that was killed didn't.
    await removeState();
  };
  const lost = embedded.exited.then(({ error }) => error ?? clusterEnded());
  return { connection: embedded.connection, end, lost };
}

function clusterEnded(): SystemError {
  return new SystemError("CLUSTER_FAILED", "the cluster ended");
}

/**
 * A program's identity: its URL, and the sha256 of its module with all that it imports by path.
 * @throws {SystemError} PROGRAM_INVALID.
 */
export async function programAt(url: URL): Promise<Program> {
  const where = { uri: url.href };
  if (url.protocol !== "file:") {
    throw new SystemError("PROGRAM_INVALID", "only file: programs run here", where);
  }
  try {
    const bundle = await bundleOf(fileURLToPath(url));
    return { url: url.href, sha256: sha256Hex(bundle) };
  } catch (thrown) {
    const what = thrown instanceof Error ? thrown.message : String(thrown);
    throw new SystemError("PROGRAM_INVALID", what, where, thrown);
  }
}

/** Bundles under way in this process. */
let bundling = 0;

/**
 * A module with all that it imports by path. esbuild's own process ends with the last one: it would
 * hold 12 MB for as long as this one lives. (Its blocking form costs this process 13 MB instead.)
 */
async function bundleOf(path: string): Promise<Uint8Array> {
  const { build, stop } = await import("esbuild");
  bundling += 1;
  try {
    const { outputFiles } = await build({
      entryPoints: [path],
      bundle: true,
      write: false,
      packages: "external",
      platform: "node",
      format: "esm",
      logLevel: "silent",
    });
    return outputFiles[0]?.contents ?? new Uint8Array();
  } finally {
    bundling -= 1;
    if (bundling === 0) await stop();
  }
}

/**
 * A client of a running cluster. `end` runs after the bus is closed; when `lost` settles, all that
 * waits fails with it.
 */
export async function joinAsClient(
  connection: Connection,
  program: Program,
  loaded: LoadedProgram,
  end: () => Promise<void>,
  lost?: Promise<SystemError>,
): Promise<Cluster> {
  const { joinOutside } = await import("./outside.ts");
  return joinOutside(connection, program, loaded, end, lost);
}
