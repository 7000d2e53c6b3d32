/**
 * A named actor is unique under partition: when no head confirms its worker's reports, its life
 * stops by 8 s, and the next one starts elsewhere not before 10 s. Both write to one journal all
 * the time, so that an overlap is seen. And what a killed owner owned ends.
 */
import { type ChildProcess, spawn as spawnProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { programAt } from "../../runtime/client/connect.ts";
import type { Cluster } from "../../runtime/client/cluster.ts";
import {
  CLIENT_SILENCE_MS,
  HEARTBEAT_INTERVAL_MS,
  NAMED_LEASE_MS,
  NAMED_RESTART_MS,
} from "../../runtime/limits.ts";
import type { ProcessIdentity } from "../../runtime/processes.ts";
import {
  type ActorCluster,
  codeOf,
  entriesOf,
  entryOf,
  marksOf,
  newJournal,
  processOf,
  startActors,
} from "../e2e/actors.ts";
import { freeze, kill, parentOf, thaw } from "../e2e/processes.ts";
import { LifeActor } from "../e2e/programs/lives.ts";
import { cleanUp, environment, patience, until } from "../e2e/support.ts";
import { SecondWorker } from "./second-worker.ts";

const OWNER = fileURLToPath(new URL("../e2e/programs/owner.ts", import.meta.url));
const TICK_MS = 20;
const TRIES = 6;
/**
 * In which beacons and commands reach a worker that isn't heard: counted from its end, a lease
 * would outlast the start of the next life.
 */
const MUTE_MS = 6_000;
/** What timers of a busy machine may be late. */
const LATE_MS = 700;

let actors: ActorCluster;
let client: Cluster;
let journal: string;
let second: SecondWorker;
let agent: ProcessIdentity;
let owner: ChildProcess;
let ownerJournal: string;
let ownerKilledMs: number;
let names = 0;
const frozen: ProcessIdentity[] = [];

beforeAll(async () => {
  actors = await startActors({ join: true });
  ({ client } = actors);
  second = await SecondWorker.of(actors);
  await killOwner();
}, 120_000);
beforeEach(async () => {
  journal = newJournal(actors);
});
afterEach(async () => {
  for (const one of frozen.splice(0)) thaw(one);
  await second.stop();
});
afterAll(async () => {
  owner.kill("SIGKILL");
  await second.close();
  await actors.stop();
  await cleanUp();
});

/** A client that was killed when it owned an actor: what becomes of it is seen at the end. */
async function killOwner(): Promise<void> {
  ownerJournal = newJournal(actors);
  const connection = JSON.stringify(actors.own.embedded.connection);
  owner = spawnProcess(process.execPath, [OWNER, connection, ownerJournal], {
    stdio: ["ignore", "ignore", "inherit"],
    env: environment(actors.place),
  });
  await entryOf(ownerJournal, "owned by a client", 30);
  owner.kill("SIGKILL");
  ownerKilledMs = performance.now();
}

async function stop(identity: ProcessIdentity): Promise<void> {
  frozen.push(identity);
  await freeze(identity);
}

/** A named actor that lives on the second worker, and its process. */
async function spawnOnSecond() {
  const elsewhere: object[] = [];
  try {
    for (let i = 0; i < TRIES; i += 1) {
      names += 1;
      const [name, own] = [`unique-${names}`, newJournal(actors)];
      const args = [{ journal: own, tickMs: TICK_MS }] as const;
      const options = { name, lifetime: "detached", maxRestarts: 5 } as const;
      const handle = await client.spawn(LifeActor, [...args], options);
      const pid = await handle.pid();
      journal = own;
      if (parentOf(pid) === agent.pid) return { handle, name, life: processOf(pid) };
      // The next one goes where fewer live: this one stays until then.
      elsewhere.push(handle);
    }
    throw new Error("no actor was placed on the second worker");
  } finally {
    for (const handle of elsewhere) await client.kill(handle, { restart: false });
  }
}

/** What it takes to cut the second worker off, and to bring it back. */
const PARTITIONS: readonly (readonly [string, () => Promise<() => void>])[] = [
  [
    "whose agent stands still",
    async () => {
      await stop(agent);
      return () => thaw(agent);
    },
  ],
  [
    "whose way to NATS is cut",
    async () => {
      second.cut();
      return () => second.mend();
    },
  ],
  [
    "whose reports are lost first, while it hears of the head for long",
    async () => {
      second.mute();
      setTimeout(() => second.cut(), MUTE_MS).unref();
      return () => second.mend();
    },
  ],
];

describe.each(PARTITIONS)("on a worker %s", (_what, partition) => {
  test("the old life has stopped before the new one starts", async () => {
    agent = await second.start();
    const { handle, name, life } = await spawnOnSecond();
    expect(await handle.mark("before")).toBe(1);
    const atMs = Date.now();
    const heal = await partition();
    // Its socket is open: without a lease it would go on for ever.
    expect(await handle.mark("cut off")).toBe(2);
    const births = () => entriesOf(journal).filter(({ what }) => what === "born");
    await until("the next life", () => births().length === 2, 20);
    const [, next] = births();
    const old = entriesOf(journal).filter(({ pid }) => pid === life.pid);
    const lastMs = (old.at(-1)?.atMs ?? 0) - atMs;
    const bornMs = (next?.atMs ?? 0) - atMs;
    report(`old life's last step ${lastMs} ms, new life's first one ${bornMs} ms after the cut`);
    // The last report that was confirmed may have left a heartbeat before the cut.
    expect(lastMs).toBeGreaterThan(NAMED_LEASE_MS - HEARTBEAT_INTERVAL_MS - LATE_MS);
    expect(lastMs).toBeLessThan(NAMED_LEASE_MS + LATE_MS * patience());
    // What the head heard last came up to a heartbeat before the cut.
    expect(bornMs).toBeGreaterThan(NAMED_RESTART_MS - HEARTBEAT_INTERVAL_MS - LATE_MS);
    expect(bornMs).toBeGreaterThan(lastMs);
    const found = await client.actor(LifeActor, name);
    expect(await found.pid()).toBe(next?.pid);
    heal();
    await until("the old life's process is gone", () => !isThere(life.pid));
    await found.mark("after");
    const after = entriesOf(journal).filter(({ pid }) => pid === life.pid);
    expect(after.length).toBe(old.length);
    expect(await found.pid()).toBe(next?.pid);
    await client.kill(found, { restart: false });
  }, 60_000);
});

test("a life that stood still itself makes no call after its lease", async () => {
  agent = await second.start();
  const { handle, name, life } = await spawnOnSecond();
  await handle.mark("before");
  await stop(agent);
  await stop(life);
  // They lie in its socket when it goes on.
  const queued = [codeOf(handle.mark("queued")), codeOf(handle.mark("queued too"))];
  const isNew = () => entriesOf(journal).some(({ pid }) => pid !== life.pid);
  await until("the next life", isNew, 20);
  thaw(life);
  await until("it has ended", () => !isThere(life.pid), 20);
  for (const code of await Promise.all(queued)) {
    expect(code).toMatch(/^(OUTCOME_UNKNOWN|ACTOR_DIED)$/);
  }
  const found = await client.actor(LifeActor, name);
  expect(await found.mark("after")).toBe(1);
  expect(marksOf(journal)).toEqual(["before", "after"]);
  thaw(agent);
  await client.kill(found, { restart: false });
}, 60_000);

test("what a killed driver owned ends with it", async () => {
  const program = await programAt(new URL("../e2e/programs/lives.ts", import.meta.url));
  const jobId = await client.submitProgram(program, [journal]);
  const owned = await entryOf(journal, "owned by a driver", 30);
  const driver = await entryOf(journal, "driver");
  await kill(processOf(driver.pid));
  const killedMs = performance.now();
  await until("it ends", () => !isThere(owned.pid));
  report(`ended ${(performance.now() - killedMs).toFixed(0)} ms after its owner`);
  expect(await codeOf(client.actor(LifeActor, "of-a-driver"))).toBe("ACTOR_NOT_FOUND");
  await client.cancel(jobId).catch(() => undefined);
});

test("what a killed client owned ends when it was silent for long", async () => {
  const [birth] = entriesOf(ownerJournal);
  const pid = birth?.pid ?? 0;
  const boundMs = CLIENT_SILENCE_MS + 5_000 * patience();
  await until("it ends", () => !isThere(pid), boundMs / 1_000);
  const waitedMs = performance.now() - ownerKilledMs;
  report(`gone at ${(waitedMs / 1_000).toFixed(1)} s after its owner`);
  expect(await codeOf(client.actor(LifeActor, "of-a-client"))).toBe("ACTOR_NOT_FOUND");
}, 60_000);

function isThere(pid: number): boolean {
  try {
    processOf(pid);
    return true;
  } catch {
    return false;
  }
}

function report(line: string): void {
  process.stdout.write(`  ${expect.getState().currentTestName}: ${line}\n`);
}
