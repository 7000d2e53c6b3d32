/** An embedded cluster whose state folder, join URL and client are the test's. */
import { type Cluster, type ClusterStatus } from "../../runtime/client/cluster.ts";
import { joinAsClient, programAt } from "../../runtime/client/connect.ts";
import { type EmbeddedReady, startEmbedded } from "../../runtime/client/embedded.ts";
import { errorFromData } from "../../runtime/errors.ts";
import { type Place, until } from "./support.ts";

export interface OwnCluster {
  readonly embedded: EmbeddedReady;
  readonly client: Cluster;
  readonly stateDir: string;
  stop(): Promise<void>;
}

export async function startCluster(
  place: Place,
  options: {
    readonly executors?: number;
    readonly join?: boolean;
    readonly standbyHeads?: number;
  } = {},
): Promise<OwnCluster> {
  const stateDir = place.path("state");
  const { executors = 1, join = false, standbyHeads = 0 } = options;
  const how = { slurm: "none", executors, join, standbyHeads } as const;
  const embedded = await startEmbedded({ stateDir, ...how });
  if (embedded.kind === "busy") throw new Error("a new folder is in use");
  const program = { url: "file:///none.ts", sha256: "0".repeat(64) };
  const loaded = { actors: new Map(), tasks: new Map(), main: undefined };
  const client = await joinAsClient(embedded.connection, program, loaded, async () => {});
  const stop = async (): Promise<void> => {
    await client.close();
    await embedded.stop();
  };
  return { embedded, client, stateDir, stop };
}

/** What the main of the program at `path` returns. @throws {SystemError} what ended it. */
export async function runProgram(
  { client }: OwnCluster,
  path: string,
  argv: readonly string[],
): Promise<unknown> {
  const jobId = await client.submitProgram(await programAt(new URL(`file://${path}`)), argv);
  return await resultOfProgram(client, jobId);
}

export async function resultOfProgram(client: Cluster, jobId: string): Promise<unknown> {
  const ended = await until("the program ends", async () => {
    const { programs } = await client.status();
    const job = programs.find(({ id }) => id === jobId);
    return job?.state.kind === "running" ? undefined : job;
  });
  if (ended.state.kind === "failed") throw errorFromData(ended.state.error);
  return await client.result(jobId);
}

/** The status once `holds` is true of it. */
export async function statusWhen(
  client: Cluster,
  what: string,
  holds: (status: ClusterStatus) => boolean,
): Promise<ClusterStatus> {
  return await until(what, async () => {
    const status = await client.status();
    return holds(status) && status;
  });
}
