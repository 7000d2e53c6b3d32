/** What the tests of tasks share: a cluster whose client has the program of tasks. */
import { readFileSync, writeFileSync } from "node:fs";
import { importProgram } from "../../runtime/actor/registry.ts";
import type { Cluster } from "../../runtime/client/cluster.ts";
import { joinAsClient, programAt } from "../../runtime/client/connect.ts";
import { type OwnCluster, startCluster } from "./cluster.ts";
import { newPlace, type Place, until } from "./support.ts";

const PROGRAM = new URL("./programs/tasks.ts", import.meta.url);

export interface TaskCluster {
  readonly place: Place;
  readonly own: OwnCluster;
  readonly client: Cluster;
  stop(): Promise<void>;
}

export async function startTasks(
  options: { readonly executors?: number; readonly join?: boolean; standbyHeads?: number } = {},
): Promise<TaskCluster> {
  const place = await newPlace();
  const own = await startCluster(place, options);
  const program = await programAt(PROGRAM);
  const loaded = await importProgram(program.url);
  const client = await joinAsClient(own.embedded.connection, program, loaded, async () => {});
  const stop = async (): Promise<void> => {
    await client.close();
    await own.stop();
  };
  return { place, own, client, stop };
}

let journals = 0;

/** A journal that no other test writes to, and a gate that isn't there yet. */
export function newJournal({ place }: TaskCluster): { journal: string; gate: string } {
  journals += 1;
  const journal = place.path(`tasks-${journals}`);
  writeFileSync(journal, "");
  return { journal, gate: place.path(`gate-${journals}`) };
}

export function open(gate: string): void {
  writeFileSync(gate, "");
}

/** Lines of a journal: `pid what`. */
export function linesOf(journal: string): string[] {
  return readFileSync(journal, "utf8")
    .split("\n")
    .filter((line) => line !== "");
}

/** The pid of the process that wrote so many lines at least, of the last one. */
export async function runnerOf(journal: string, lines = 1): Promise<number> {
  const all = await until(`${lines} lines in the journal`, () => {
    const found = linesOf(journal);
    return found.length >= lines && found;
  });
  return Number(all.at(-1)?.split(" ")[0]);
}

/** What a task failed with; its value, as a text, if it didn't. */
export async function failureOf(
  task: PromiseLike<unknown>,
): Promise<{ readonly code: string; readonly message: string }> {
  return await task.then(
    (value) => ({ code: "none", message: JSON.stringify(value) }),
    (error: unknown) => error as { code: string; message: string },
  );
}
