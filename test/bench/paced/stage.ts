/**
 * Where the benches of faults play: an embedded cluster in a folder of its own, a paced job on it,
 * and the journal that tells which shard began where and when.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { importProgram } from "../../../runtime/actor/registry.ts";
import type { Cluster } from "../../../runtime/client/cluster.ts";
import { joinAsClient, programAt } from "../../../runtime/client/connect.ts";
import { type OwnCluster, startCluster } from "../../e2e/cluster.ts";
import { cleanUp, newPlace, type Place, until } from "../../e2e/support.ts";
import type { PacedOptions } from "./program.ts";

const PROGRAM = new URL("./program.ts", import.meta.url);

/** A shard's beginning. */
export interface Beginning {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly pid: number;
  readonly shard: number;
}

export class PacedCluster {
  readonly place: Place;
  readonly own: OwnCluster;
  readonly client: Cluster;
  #jobs = 0;

  private constructor(place: Place, own: OwnCluster, client: Cluster) {
    this.place = place;
    this.own = own;
    this.client = client;
  }

  static async start(options: {
    readonly executors: number;
    readonly join?: boolean;
    readonly standbyHeads?: number;
  }): Promise<PacedCluster> {
    const place = await newPlace();
    const own = await startCluster(place, options);
    const program = await programAt(PROGRAM);
    const loaded = await importProgram(program.url);
    const client = await joinAsClient(own.embedded.connection, program, loaded, async () => {});
    return new PacedCluster(place, own, client);
  }

  /** Submits a job of so many shards. */
  async submit(shards: number, shardMs: number): Promise<PacedJob> {
    this.#jobs += 1;
    const journal = this.place.path(`journal-${this.#jobs}`);
    writeFileSync(journal, "");
    const output = this.place.path(`paced-${this.#jobs}`);
    const hold = this.place.path("hold");
    const options: PacedOptions = { shards, shardMs, output, journal, hold };
    const id = await this.client.submitProgram(this.client.program, [JSON.stringify(options)]);
    return new PacedJob(this, id, journal);
  }

  /** Shards in this agent's executors wait from now on. */
  hold(agent: number): void {
    writeFileSync(this.place.path(`hold.${agent}`), "");
  }

  letGo(agent: number): void {
    rmSync(this.place.path(`hold.${agent}`), { force: true });
  }

  async stop(): Promise<void> {
    await this.client.close();
    await this.own.stop();
    await cleanUp();
  }
}

export class PacedJob {
  readonly #cluster: PacedCluster;
  readonly #id: string;
  readonly #journal: string;

  constructor(cluster: PacedCluster, id: string, journal: string) {
    this.#cluster = cluster;
    this.#id = id;
    this.#journal = journal;
  }

  /** Every beginning so far, in order. */
  beginnings(): Beginning[] {
    const lines = readFileSync(this.#journal, "utf8").trimEnd().split("\n");
    return lines
      .filter((line) => line !== "")
      .map((line) => {
        const [atMs = 0, pid = 0, shard = 0] = line.split(" ").map(Number);
        return { atMs, pid, shard };
      });
  }

  /** What `find` gives of the beginnings, once it gives something. */
  async when<T>(what: string, find: (all: readonly Beginning[]) => T | undefined): Promise<T> {
    return await until(what, () => find(this.beginnings()));
  }

  /** Settles when the job has ended well. */
  async ended(): Promise<void> {
    const state = await until("the job ends", async () => {
      const { programs } = await this.#cluster.client.status();
      const found = programs.find(({ id }) => id === this.#id)?.state;
      return found === undefined || found.kind === "running" ? undefined : found;
    });
    if (state.kind === "failed") throw new Error(`${state.error.code}: ${state.error.what}`);
  }
}
