/**
 * What the tests of actors share: an embedded cluster with a client whose program is `lives.ts`,
 * the journal that its actors write, and a socket that can be cut between two processes.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer, connect as connectNet, type Server, type Socket } from "node:net";
import { importProgram } from "../../runtime/actor/registry.ts";
import { joinAsClient, programAt } from "../../runtime/client/connect.ts";
import type { Cluster } from "../../runtime/client/cluster.ts";
import { identityOf, type ProcessIdentity } from "../../runtime/processes.ts";
import { type OwnCluster, startCluster } from "./cluster.ts";
import { newPlace, type Place, until } from "./support.ts";

const PROGRAM = new URL("./programs/lives.ts", import.meta.url);

/** One line of the journal. */
export interface Entry {
  readonly atMs: number;
  readonly pid: number;
  readonly what: string;
}

export interface ActorCluster {
  readonly place: Place;
  readonly own: OwnCluster;
  readonly client: Cluster;
  stop(): Promise<void>;
}

/** A cluster in a place of its own, and a client that can spawn the actors of `lives.ts`. */
export async function startActors(
  options: { readonly executors?: number; readonly join?: boolean } = {},
): Promise<ActorCluster> {
  const place = await newPlace();
  const own = await startCluster(place, options);
  const client = await clientOf(own);
  const stop = async (): Promise<void> => {
    await client.close();
    await own.stop();
  };
  return { place, own, client, stop };
}

/** One more client of the same cluster, in this process. */
export async function clientOf({ embedded }: OwnCluster): Promise<Cluster> {
  const program = await programAt(PROGRAM);
  const loaded = await importProgram(program.url);
  return await joinAsClient(embedded.connection, program, loaded, async () => {});
}

let journals = 0;

/** A journal that no other test writes to. */
export function newJournal({ place }: ActorCluster): string {
  journals += 1;
  const path = place.path(`journal-${journals}`);
  writeFileSync(path, "");
  return path;
}

/** A file that isn't there yet. */
export function newGate({ place }: ActorCluster): string {
  journals += 1;
  return place.path(`gate-${journals}`);
}

export function open(gate: string): void {
  writeFileSync(gate, "");
}

export function entriesOf(journal: string): Entry[] {
  const lines = readFileSync(journal, "utf8").trimEnd().split("\n");
  return lines
    .filter((line) => line !== "")
    .map((line) => {
      const [, atMs = "", pid = "", what = ""] = /^(\d+) (\d+) (.*)$/.exec(line) ?? [];
      return { atMs: Number(atMs), pid: Number(pid), what };
    });
}

/** What was done by calls, without births and ticks. */
export function marksOf(journal: string): string[] {
  const marks = entriesOf(journal).map(({ what }) => what);
  return marks.filter((what) => what !== "born" && what !== "tick");
}

/** Waits until the journal has this line; @returns its first one. */
export async function entryOf(journal: string, what: string, seconds = 10): Promise<Entry> {
  const find = () => entriesOf(journal).find((entry) => entry.what === what);
  return await until(`${what} in the journal`, find, seconds);
}

/** The code of what a promise was rejected with; its value if it wasn't. */
export async function codeOf(call: Promise<unknown>): Promise<unknown> {
  return await call.then(
    (value) => `fulfilled with ${JSON.stringify(value)}`,
    (error: unknown) => (error as { code: unknown }).code,
  );
}

/** The process of a pid that an actor told. */
export function processOf(pid: number): ProcessIdentity {
  const identity = identityOf(pid);
  if (identity === undefined) throw new Error(`no process ${pid}`);
  return identity;
}

/**
 * Stands in the way of new connections to a Unix socket: passes bytes on, keeps back what the
 * server answers, or cuts both ways. Connections made before it go on without it.
 */
export class CutSocket {
  readonly #path: string;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #held = false;

  private constructor(path: string) {
    this.#path = path;
    this.#server = createServer((socket) => this.#join(socket));
  }

  static async before(path: string): Promise<CutSocket> {
    renameSync(path, `${path}.behind`);
    const made = new CutSocket(path);
    await new Promise<void>((resolve) => made.#server.listen(path, resolve));
    return made;
  }

  /** How many go through it now. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** From now on answers are dropped. */
  hold(): void {
    this.#held = true;
  }

  /** Ends all that goes through it; new connections pass whole. */
  cut(): void {
    this.#held = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    this.#pairs.clear();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.#path, { force: true });
    renameSync(`${this.#path}.behind`, this.#path);
  }

  #join(near: Socket): void {
    const far = connectNet(`${this.#path}.behind`);
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) socket.on("error", end).on("close", end);
    near.on("data", (bytes) => far.write(bytes));
    far.on("data", (bytes) => {
      if (!this.#held) near.write(bytes);
    });
  }
}
