/** Light actors that share executors, many of them; and what becomes of one that eats memory. */
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { withOptions } from "../../runtime/index.ts";
import type { SpawnOptions } from "../../runtime/client/cluster.ts";
import { client, journal, useActors } from "./actor-suite.ts";
import { codeOf, entriesOf, processOf, startActors } from "./actors.ts";
import { kill } from "./processes.ts";
import { LifeActor } from "./programs/lives.ts";
import { until } from "./support.ts";

/** 10,000 with LIGASE_TEST_LONG. */
const MANY = process.env["LIGASE_TEST_LONG"] === undefined ? 1_000 : 10_000;
const REQUESTS = 500;

useActors();

const shared = (options: SpawnOptions = {}) =>
  client.spawn(LifeActor, [{ journal }], { hosting: "shared", ...options });

/** `work` of 0 to n - 1, REQUESTS at a time: a client may have 1,000 at the head. */
async function inFlight<T>(n: number, work: (i: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < n) {
      const i = next;
      next += 1;
      results[i] = await work(i);
    }
  };
  await Promise.all(Array.from({ length: REQUESTS }, worker));
  return results;
}

test(`${MANY} shared actors answer, each with its own state, and all can be ended`, async () => {
  const begunMs = performance.now();
  const handles = await inFlight(MANY, () => shared());
  const counts = await Promise.all(handles.map((handle, i) => handle.add(i)));
  report(`${((performance.now() - begunMs) / 1_000).toFixed(2)} s`);
  expect(counts).toEqual(counts.map((_, i) => i));
  const pids = new Set(entriesOf(journal).map(({ pid }) => pid));
  expect(entriesOf(journal).length).toBe(MANY);
  expect(pids.size).toBeLessThanOrEqual(8);
  await inFlight(MANY, async (i) => {
    const handle = handles[i];
    if (handle !== undefined) await client.kill(handle, { restart: false });
  });
  const { total } = await client.list("actors", { filter: { state: "alive" } });
  expect(total).toBe(0);
  expect(await codeOf(handles[0]?.add(1) ?? Promise.resolve())).toBe("ACTOR_DIED");
}, 120_000);

describe("in a shared executor", () => {
  test("the end of one leaves the others", async () => {
    const [one, other] = [await shared(), await shared()];
    expect(await one.pid()).toBe(await other.pid());
    expect(await other.add(5)).toBe(5);
    await client.kill(one, { restart: false });
    expect(await codeOf(one.add(1))).toBe("ACTOR_DIED");
    expect(await other.add(1)).toBe(6);
  });

  test("a constructor that throws fails its spawn alone", async () => {
    const other = await shared();
    const refuse = journal;
    const options = { hosting: "shared" } as const;
    expect(await codeOf(client.spawn(LifeActor, [{ journal, refuse }], options))).toBe(
      "APPLICATION",
    );
    expect(await other.add(1)).toBe(1);
  });

  test("its kill ends all lives in it; those with restarts live again", async () => {
    const once = await Promise.all(Array.from({ length: 20 }, () => shared()));
    const again = await Promise.all(Array.from({ length: 20 }, () => shared({ maxRestarts: 1 })));
    await Promise.all([...once, ...again].map((handle) => handle.add(1)));
    await kill(processOf((await again[0]?.pid()) ?? 0));
    await until("all that may live again do", async () => {
      const views = await Promise.all(again.map((handle) => client.stateOf(handle)));
      return views.every(({ state, restarts }) => state === "alive" && restarts === 1);
    });
    // A process that is killed closes its sockets one by one: a call may still be taken.
    const counts = again.map((handle) => withOptions(handle, { retries: 3 }).add(1));
    expect(await Promise.all(counts)).toEqual(again.map(() => 1));
    await until("the others are gone", async () => {
      const codes = await Promise.all(once.map((handle) => codeOf(handle.add(1))));
      return codes.every((code) => code === "ACTOR_DIED");
    });
  });
});

describe("the memory watch", () => {
  const FLOOR = "LIGASE_MEMORY_FLOOR_MB";
  /** What the greedy one may take until as little is free as the operator allows. */
  const ROOM_MB = 600;
  afterEach(() => {
    delete process.env[FLOOR];
  });

  test("ends the executor that took most, and says so; the others go on", async () => {
    process.env[FLOOR] = String(availableMb() - ROOM_MB);
    const watched = await startActors();
    const spawn = () => watched.client.spawn(LifeActor, [{ journal }]);
    const [modest, greedy] = [await spawn(), await spawn()];
    await modest.grow(20);
    const pid = await greedy.pid();
    const eating = (async () => {
      for (let taken = 0; taken < 4 * ROOM_MB; taken += 20) await greedy.grow(20);
    })();
    expect(await codeOf(eating)).toMatch(/^(OUTCOME_UNKNOWN|ACTOR_DIED)$/);
    const dead = await until("it is dead", async () => {
      const view = await watched.client.stateOf(greedy);
      return view.state === "dead" && view;
    });
    report(dead.error?.what ?? "");
    expect(dead.error?.code).toBe("OUT_OF_MEMORY");
    expect(() => processOf(pid)).toThrow();
    expect(await modest.grow(1)).toBe(21);
    await watched.stop();
  }, 60_000);
});

/** What the kernel would give to new processes without swapping. */
function availableMb(): number {
  const text = readFileSync("/proc/meminfo", "utf8");
  return Math.floor(Number(/^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1]) / 1_024);
}

function report(line: string): void {
  process.stdout.write(`  ${expect.getState().currentTestName}: ${line}\n`);
}
