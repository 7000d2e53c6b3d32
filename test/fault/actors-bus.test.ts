/**
 * Calls under faults of what they don't need: nats-server is killed or stands still, no head leads.
 * Nothing is lost, nothing is made twice, the order holds.
 */
import { describe, expect, test } from "vitest";
import { HEARTBEAT_INTERVAL_MS, NAMED_LEASE_MS } from "../../runtime/limits.ts";
import type { ProcessIdentity } from "../../runtime/processes.ts";
import {
  actors,
  client,
  journal,
  spawnLife as spawn,
  stop,
  useActors,
} from "../e2e/actor-suite.ts";
import { codeOf, entriesOf, entryOf, marksOf, newGate, open } from "../e2e/actors.ts";
import { kill, type Part, partOf, partsOf, thaw } from "../e2e/processes.ts";
import { LifeActor } from "../e2e/programs/lives.ts";
import { patience, until } from "../e2e/support.ts";

const isLong = process.env["LIGASE_TEST_LONG"] !== undefined;
const CALLS = isLong ? 100_000 : 8_000;
const KILLS = isLong ? 4 : 2;
/** Calls made and not yet answered. */
const IN_FLIGHT = 1_000;

useActors();

/** Makes CALLS calls, IN_FLIGHT at a time; `now()` tells how many are answered. */
function callMany(one: Awaited<ReturnType<typeof spawn>>) {
  const answers: number[] = [];
  const work = (async () => {
    let next = 0;
    const caller = async (): Promise<void> => {
      while (next < CALLS) {
        const i = next;
        next += 1;
        answers.push(await one.mark(String(i)));
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
  })();
  work.catch(() => undefined);
  return { now: () => answers.length, answers, work };
}

/** Each call was made once, in its order, and answered once, in its order. */
function expectEachOnce(answers: readonly number[]): void {
  const expected = Array.from({ length: CALLS }, (_, i) => i);
  expect(marksOf(journal).map(Number)).toEqual(expected);
  expect(answers).toEqual(expected.map((i) => i + 1));
}

describe("over NATS", () => {
  test(`calls go on over ${KILLS} kills of nats-server`, async () => {
    const one = await spawn({ carrier: "nats" });
    const { now, answers, work } = callMany(one);
    for (let i = 1; i <= KILLS; i += 1) {
      await until("a part is answered", () => now() > (i * CALLS) / (KILLS + 2), 60);
      const victim = await partOf(actors.place, "nats");
      await kill(victim);
      await until("it is back", () =>
        partsOf(actors.place, "nats").some(({ pid }) => pid !== victim.pid),
      );
      expect(now()).toBeLessThan(CALLS);
    }
    await work;
    expectEachOnce(answers);
  }, 120_000);

  test("calls go on after nats-server stood still for 3 s", async () => {
    const one = await spawn({ carrier: "nats" });
    const { now, answers, work } = callMany(one);
    await until("a third is answered", () => now() > CALLS / 3, 60);
    const server = await partOf(actors.place, "nats");
    await stop(server);
    const stoppedMs = performance.now();
    await until("3 s are over", () => performance.now() - stoppedMs > 3_000);
    expect(now()).toBeLessThan(CALLS);
    thaw(server);
    await work;
    expectEachOnce(answers);
  }, 120_000);

  test("a stream goes on over a kill of nats-server, each item once and in order", async () => {
    const one = await spawn({ carrier: "nats" });
    let next = 0;
    for await (const item of one.numbers(3_000, "stream")) {
      expect(item).toBe(next);
      next += 1;
      if (next === 1_000) await kill(await partOf(actors.place, "nats"));
    }
    expect(next).toBe(3_000);
  }, 120_000);
});

test("on one machine calls don't notice that nats-server is gone", async () => {
  const one = await spawn();
  await one.pid();
  const server = await partOf(actors.place, "nats");
  await stop(server);
  const { answers, work } = callMany(one);
  await work;
  thaw(server);
  expectEachOnce(answers);
});

/** No head leads until what it gives is called. */
const WITHOUT_HEAD: readonly (readonly [string, () => Promise<() => void>])[] = [
  [
    "its head stands still",
    async () => {
      const head = await partOf(actors.place, "head");
      await stop(head);
      return () => thaw(head);
    },
  ],
  [
    "its head was killed and nobody starts another",
    async () => {
      const supervisor = await partOf(actors.place, "supervisor");
      await stop(supervisor);
      await killChildOfStopped(await partOf(actors.place, "head"));
      return () => thaw(supervisor);
    },
  ],
];

/** Its parent stands still: it stays in the table as a zombie, and holds nothing any more. */
async function killChildOfStopped(identity: ProcessIdentity): Promise<void> {
  process.kill(identity.pid, "SIGKILL");
  await until("it has no memory left", () => partsOfPid("head", identity.pid).length === 0);
}

function partsOfPid(part: Part, pid: number): readonly ProcessIdentity[] {
  return partsOf(actors.place, part).filter((one) => one.pid === pid);
}

describe.each(WITHOUT_HEAD)("a cluster of which %s", (_what, withoutHead) => {
  test("serves handles and pools; spawns wait, and are made by the next one", async () => {
    const one = await spawn({ maxRestarts: 1 });
    const pool = await client.pool(LifeActor, [{ journal }], { size: { min: 1, max: 1 } });
    expect(await pool.call("square", [3])).toBe(9);
    await one.add(1);
    const back = await withoutHead();
    expect(await one.add(1)).toBe(2);
    const { work } = callMany(one);
    const squares: number[] = [];
    for await (const square of pool.map([1, 2, 3], "square", { ordered: true })) {
      squares.push(square);
    }
    expect(squares).toEqual([1, 4, 9]);
    const waiting = spawn({ hosting: "shared" });
    let spawned = false;
    waiting.then(
      () => (spawned = true),
      () => (spawned = true),
    );
    await work;
    expect(spawned).toBe(false);
    back();
    const made = await waiting;
    expect(await made.add(7)).toBe(7);
    expect(await one.add(1)).toBe(3 + CALLS);
    const { state, incarnation } = await client.stateOf(one);
    expect([state, incarnation]).toEqual(["alive", 0]);
    expect(await pool.call("square", [4])).toBe(16);
    await pool.close();
  }, 60_000);
});

test("without a head a named actor stops after 8 s; others go on, and it lives again", async () => {
  const named = await spawn({ name: "leased", maxRestarts: 5 });
  const unnamed = await spawn();
  const head = await partOf(actors.place, "head");
  const gate = newGate(actors);
  const running = codeOf(named.markThenWait("running", gate));
  await entryOf(journal, "running");
  const stoppedMs = performance.now();
  await stop(head);
  // What was under way when the lease ended is unknown; it isn't answered before.
  expect(await running).toBe("OUTCOME_UNKNOWN");
  const leaseMs = performance.now() - stoppedMs;
  report(`ended ${(leaseMs / 1_000).toFixed(1)} s after the last head`);
  // The last report that it confirmed may have left a heartbeat before.
  expect(leaseMs).toBeGreaterThan(NAMED_LEASE_MS - HEARTBEAT_INTERVAL_MS - 500);
  expect(leaseMs).toBeLessThan(NAMED_LEASE_MS + 2_000 * patience());
  await until("nothing of it runs", () => births().length === 2);
  expect(await unnamed.add(1)).toBe(1);
  open(gate);
  thaw(head);
  const again = await client.actor(LifeActor, "leased");
  expect(await again.mark("second life")).toBe(1);
  expect(births().length).toBe(3);
  const second = await entryOf(journal, "second life");
  const first = await entryOf(journal, "running");
  expect(second.pid).not.toBe(first.pid);
}, 60_000);

function births(): number[] {
  return entriesOf(journal)
    .filter(({ what }) => what === "born")
    .map(({ pid }) => pid);
}

function report(line: string): void {
  process.stdout.write(`  ${expect.getState().currentTestName}: ${line}\n`);
}
