/**
 * What a file of actor tests shares: one embedded cluster, and for each test a journal in which its
 * actors write what they do. `useActors()` once at the top of the file fills these in.
 */
import { afterAll, beforeAll, beforeEach, onTestFinished } from "vitest";
import type { Cluster, SpawnOptions } from "../../runtime/client/cluster.ts";
import type { ProcessIdentity } from "../../runtime/processes.ts";
import { type ActorCluster, newJournal, startActors } from "./actors.ts";
import { freeze, thaw } from "./processes.ts";
import { LifeActor } from "./programs/lives.ts";
import { cleanUp } from "./support.ts";

export let actors: ActorCluster;
export let client: Cluster;
export let journal: string;

export function useActors(): void {
  beforeAll(async () => {
    actors = await startActors();
    ({ client } = actors);
  }, 120_000);
  beforeEach(() => {
    journal = newJournal(actors);
  });
  afterAll(async () => {
    await actors.stop();
    await cleanUp();
  });
}

/** An actor that writes to the journal of the test under way. */
export const spawnLife = (options: SpawnOptions = {}) =>
  client.spawn(LifeActor, [{ journal }], options);

/** Stops a process as SIGSTOP does, until the test's end at the latest. */
export async function stop(identity: ProcessIdentity): Promise<void> {
  onTestFinished(() => thaw(identity));
  await freeze(identity);
}
