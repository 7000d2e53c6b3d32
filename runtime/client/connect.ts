/**
 * `connect()`: a cluster for code outside of any. Without an address it starts an embedded one,
 * which ends with this process.
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mkdtemp, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { importProgram, type LoadedProgram } from "../actor/registry.ts";
import type { Bus } from "../bus/bus.ts";
import type { Connection } from "../bus/key.ts";
import { connectBus } from "../bus/nats.ts";
import { apiSubject, hearing, isIdentity, linkSubject, parseSubject } from "../bus/subjects.ts";
import { SystemError, toSystemError } from "../errors.ts";
import { decodeFrame } from "../frame/codec.ts";
import { type Identity, newProcessId, sha256Hex } from "../ids.ts";
import { machineId } from "../machine.ts";
import type { Program } from "../messages.ts";
import { Cluster, setCurrentCluster } from "./cluster.ts";
import { startEmbedded } from "./embedded.ts";
import { HeadClient } from "./head-client.ts";
import { Links } from "./links.ts";

export interface ConnectOptions {
  /** The module whose exported actors may be spawned; `file:` in an embedded cluster. */
  readonly program: URL;
  /** Shards that the embedded cluster runs at once. */
  readonly executors?: number;
}

let inExecutor = false;

/** Said once by an executor at its start: its user code has a cluster already. */
export function markAsExecutor(): void {
  inExecutor = true;
}

/**
 * A cluster to spawn actors and run datasets on; close it, or use `await using`.
 *
 * @throws {SystemError} NESTED_DRIVER inside an executor; PROGRAM_INVALID; CLUSTER_START_FAILED,
 * NATS_SERVER_MISSING.
 */
export async function connect(options: ConnectOptions): Promise<Cluster> {
  if (inExecutor) {
    throw new SystemError("NESTED_DRIVER", "code in an executor has a cluster: main's argument");
  }
  const program = await programAt(options.program);
  const loaded = await importProgram(program.url);
  const stateDir = await mkdtemp(join(tmpdir(), "ligase-state-"));
  const executors = options.executors ?? 1;
  const removeState = (): Promise<void> => rm(stateDir, { recursive: true, force: true });
  const embedded = { stateDir, slurm: "none", executors } as const;
  const started = await startEmbedded(embedded).catch(async (thrown: unknown) => {
    await removeState();
    throw thrown;
  });
  if (started.kind === "busy") throw new SystemError("OUTPUT_BUSY", "the state folder is in use");
  const end = async (): Promise<void> => {
    await started.stop();
    await removeState();
  };
  try {
    const cluster = await joinAsClient(started.connection, program, loaded, end);
    setCurrentCluster(cluster);
    return cluster;
  } catch (thrown) {
    await end();
    throw toSystemError(thrown);
  }
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
    const bundle = await build({
      entryPoints: [fileURLToPath(url)],
      bundle: true,
      write: false,
      packages: "external",
      platform: "node",
      format: "esm",
      logLevel: "silent",
    });
    return { url: url.href, sha256: sha256Hex(bundle.outputFiles[0]?.contents ?? "") };
  } catch (thrown) {
    const what = thrown instanceof Error ? thrown.message : String(thrown);
    throw new SystemError("PROGRAM_INVALID", what, where, thrown);
  }
}

/** A client of a running cluster. `end` runs after the bus is closed. */
export async function joinAsClient(
  connection: Connection,
  program: Program,
  loaded: LoadedProgram,
  end: () => Promise<void>,
): Promise<Cluster> {
  const { natsUrl, cluster, identity, seed } = connection;
  const bus = await connectBus({ url: natsUrl, cluster, identity, seed, name: "client" });
  const self = newProcessId();
  const subject = apiSubject(cluster, identity);
  const head = new HeadClient(self, (frame) => bus.publish(subject, frame));
  const links = new Links({
    process: self,
    host: machineId(),
    remote: ({ worker }) => {
      const to = linkSubject(cluster, worker as Identity, identity);
      return (frame) => bus.publish(to, frame);
    },
  });
  listen(bus, cluster, head, links);
  await bus.flush();
  const close = async (): Promise<void> => {
    head.close(new SystemError("CANCELLED", "the client closed"));
    await bus.close();
    await end();
  };
  return new Cluster({ program, loaded, head, links, close });
}

/**
 * Replies of heads, and of actors from the worker that hosts them. Anyone with a key can send here:
 * what is out of form, or in another's name, is dropped.
 */
function listen(bus: Bus, cluster: string, head: HeadClient, links: Links): void {
  bus.subscribe(hearing.links(cluster, bus.identity), (subject, bytes) => {
    const from = parseSubject(cluster, subject)?.from ?? "";
    try {
      const { prefix, value } = decodeFrame(bytes);
      if (isIdentity(from, "head")) head.take(value);
      else if (links.workerOf(prefix.source) === from) links.take(prefix.source, value);
    } catch (thrown) {
      if (!toSystemError(thrown).code.startsWith("FRAME_")) throw thrown;
    }
  });
}
