/**
 * A client's view of a cluster: the same in a driver (through its agent) and outside (over the
 * bus). Requests to the head are repeated until answered; they are made so that repeating is
 * harmless.
 */
import * as v from "valibot";
import { ActorHandle, type RemoteActor } from "../actor/handle.ts";
import { type ActorClass, type ActorType, actorOf, type LoadedProgram } from "../actor/registry.ts";
import type { Sealed } from "../dataset/dataset.ts";
import { errorFromData, SystemError } from "../errors.ts";
import { canonicalJson } from "../ids.ts";
import { JOB_POLL_MS } from "../limits.ts";
import {
  actorAddress,
  type Continuation,
  continuation,
  type DatasetSpec,
  errorData,
  parseMessage,
  type Program,
} from "../messages.ts";
import type { HeadClient } from "./head-client.ts";
import type { Links } from "./links.ts";

const running = v.variant("kind", [
  v.object({ kind: v.literal("running") }),
  v.object({ kind: v.literal("returned") }),
  v.object({ kind: v.literal("failed"), error: errorData }),
]);

const datasetState = v.variant("kind", [
  v.object({ kind: v.picklist(["planning", "running"]) }),
  v.object({ kind: v.literal("sealed"), manifestSha256: v.string(), atMs: v.number() }),
  v.object({ kind: v.literal("failed"), error: errorData }),
]);

const solveState = v.variant("kind", [
  v.object({ kind: v.picklist(["requested", "attempted"]) }),
  v.object({ kind: v.literal("submitted"), slurmJobId: v.string(), attempt: v.number() }),
  v.object({ kind: v.literal("succeeded"), launcher: v.string(), atMs: v.number() }),
  v.object({ kind: v.literal("failed"), error: errorData }),
]);

const attemptEnd = v.object({
  slurmJobId: v.string(),
  end: v.object({ state: v.string(), exitCode: v.nullable(v.number()), reason: v.string() }),
});

const counts = v.object({
  in: v.number(),
  passed: v.number(),
  filtered: v.number(),
  quarantined: v.number(),
  skipped: v.number(),
});

const datasetStatus = v.object({
  id: v.string(),
  uri: v.string(),
  atMs: v.number(),
  state: datasetState,
  shards: v.object({ done: v.number(), total: v.nullable(v.number()) }),
  reads: counts,
  encoder: v.nullable(v.object({ name: v.string(), sha256: v.string(), provider: v.string() })),
  dimensions: v.nullable(v.number()),
  solves: v.array(v.string()),
  /** The solve that each continuation is; null before the seal, or when it is none. */
  continuations: v.array(v.object({ continuation, solve: v.nullable(v.string()) })),
});

const solveStatus = v.object({
  id: v.string(),
  jobId: v.string(),
  spec: v.record(v.string(), v.any()),
  atMs: v.number(),
  state: solveState,
  last: v.nullable(attemptEnd),
});

/** What the head knows of its jobs. */
export const clusterStatus = v.object({
  epoch: v.number(),
  workers: v.number(),
  slots: v.number(),
  programs: v.array(v.object({ id: v.string(), state: running })),
  datasets: v.array(datasetStatus),
  solves: v.array(solveStatus),
});
export type ClusterStatus = v.InferOutput<typeof clusterStatus>;
export type DatasetStatus = ClusterStatus["datasets"][number];
export type SolveStatus = ClusterStatus["solves"][number];

export interface SpawnOptions {
  /** `nats` forces the way through agents and bus also on one machine; `auto` takes the socket. */
  readonly carrier?: "auto" | "nats";
}

export class Cluster {
  readonly program: Program;
  readonly #head: HeadClient;
  readonly #links: Links;
  readonly #loaded: LoadedProgram;
  readonly #close: () => Promise<void>;

  constructor(parts: {
    readonly program: Program;
    readonly loaded: LoadedProgram;
    readonly head: HeadClient;
    readonly links: Links;
    readonly close: () => Promise<void>;
  }) {
    this.program = parts.program;
    this.#head = parts.head;
    this.#links = parts.links;
    this.#loaded = parts.loaded;
    this.#close = parts.close;
  }

  /**
   * One actor in an executor of its own.
   *
   * @param type - an export of this cluster's program.
   * @returns its handle: every method, returning a promise.
   * @throws {SystemError} NOT_IN_PROGRAM; what the constructor threw, as APPLICATION.
   */
  async spawn<Class extends ActorClass>(
    type: ActorType<Class>,
    args: ConstructorParameters<Class>,
    options: SpawnOptions = {},
  ): Promise<RemoteActor<InstanceType<Class>>> {
    actorOf(this.#loaded, type.name);
    const { program } = this;
    const request = { op: "spawn" as const, program, actor: type.name, args: [...args] };
    const address = parseMessage(actorAddress, await this.#head.request(request));
    const link = await this.#links.open(address, options.carrier ?? "auto");
    return ActorHandle.over<InstanceType<Class>>(link, address.actorId);
  }

  /** Submits a program as a job: a driver on some worker runs its main. */
  async submitProgram(program: Program, argv: readonly string[]): Promise<string> {
    const request = { op: "submit-program" as const, program, argv: [...argv] };
    const { jobId } = (await this.#head.request(request)) as { jobId: string };
    return jobId;
  }

  async status(): Promise<ClusterStatus> {
    return parseMessage(clusterStatus, await this.#head.request({ op: "status" }));
  }

  /** What a program's main returned. @throws {SystemError} JOB_NOT_FOUND before it has. */
  async result(jobId: string): Promise<unknown> {
    return this.#head.request({ op: "result", jobId });
  }

  /** Facts the head has applied; for tests of replay. */
  async digest(): Promise<{ readonly facts: number; readonly sha256: string }> {
    return (await this.#head.request({ op: "digest" })) as { facts: number; sha256: string };
  }

  async cancel(jobId: string): Promise<void> {
    await this.#head.request({ op: "cancel", jobId });
  }

  /** Submits a dataset and settles at its seal. See `writeParquet`. */
  async runDataset(spec: DatasetSpec, onSealed: Continuation | null): Promise<Sealed> {
    const request = { op: "submit-dataset", spec, continuation: onSealed } as const;
    const { jobId } = (await this.#head.request(request)) as { jobId: string };
    await this.#until(async () => {
      const { state } = await this.#datasetOf(jobId);
      if (state.kind === "failed") throw errorFromData(state.error);
      return state.kind === "sealed" ? state : undefined;
    });
    const wanted = canonicalJson(onSealed);
    const { continuations } = await this.#datasetOf(jobId);
    const found = continuations.find((one) => canonicalJson(one.continuation) === wanted);
    const id = found?.solve ?? null;
    return {
      jobId,
      manifest: `${spec.sink.uri}/manifest.json`,
      continuation: id === null ? null : { id, wait: () => this.#solved(id) },
    };
  }

  async #solved(solveId: string): Promise<SolveStatus> {
    return this.#until(async () => {
      const solve = (await this.status()).solves.find(({ id }) => id === solveId);
      if (solve?.state.kind === "failed") throw errorFromData(solve.state.error);
      return solve?.state.kind === "succeeded" ? solve : undefined;
    });
  }

  async #datasetOf(jobId: string): Promise<DatasetStatus> {
    const job = (await this.status()).datasets.find(({ id }) => id === jobId);
    if (job === undefined) throw new SystemError("JOB_NOT_FOUND", "no such job", { job: jobId });
    return job;
  }

  /** Polls without a deadline of its own: a job may take days. */
  async #until<T>(look: () => Promise<T | undefined>): Promise<T> {
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, JOB_POLL_MS));
    }
  }

  async close(): Promise<void> {
    this.#links.close();
    await this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

let current: Cluster | undefined;

/**
 * The cluster that datasets of this process run on. @throws {SystemError} USAGE before connect().
 */
export function currentCluster(): Cluster {
  if (current === undefined) {
    throw new SystemError("USAGE", "no cluster: call connect() or run inside a program's main");
  }
  return current;
}

export function setCurrentCluster(cluster: Cluster | undefined): void {
  current = cluster;
}
