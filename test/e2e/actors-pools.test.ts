/** Pools on a real cluster: how calls spread, how many members there are, what losing one costs. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Cluster } from "../../runtime/client/cluster.ts";
import type { Pool, PoolOptions } from "../../runtime/client/pool.ts";
import {
  type ActorCluster,
  codeOf,
  entriesOf,
  entryOf,
  newGate,
  newJournal,
  open,
  processOf,
  startActors,
} from "./actors.ts";
import { POOL_IDLE_MS } from "../../runtime/limits.ts";
import { kill } from "./processes.ts";
import { LifeActor } from "./programs/lives.ts";
import { cleanUp, until } from "./support.ts";

/** Seconds in which an idle pool goes to zero, and a busy one grows. */
const RESIZE_SECONDS = (POOL_IDLE_MS + 15_000) / 1_000;
/** Milliseconds in which three members, each with one call, aren't shrunk. */
const SHRINK_MS = 3_000;

let actors: ActorCluster;
let client: Cluster;
let journal: string;
let pool: Pool<typeof LifeActor.class>;
beforeAll(async () => {
  actors = await startActors();
  ({ client } = actors);
}, 120_000);
beforeEach(() => {
  journal = newJournal(actors);
});
afterEach(() => pool.close());
afterAll(async () => {
  await actors.stop();
  await cleanUp();
});

async function openPool(
  min: number,
  max: number,
  options: Partial<PoolOptions> = {},
): Promise<void> {
  pool = await client.pool(LifeActor, [{ journal }], { size: { min, max }, ...options });
  await until(`${min} members`, () => pool.size >= min);
}

const items = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe("map", () => {
  test("gives every result once; in order unless told not to", async () => {
    await openPool(2, 2);
    const squares = items(2_000).map((i) => i * i);
    const ordered: number[] = [];
    for await (const square of pool.map(items(2_000), "square", { ordered: true })) {
      ordered.push(square);
    }
    expect(ordered).toEqual(squares);
    const any: number[] = [];
    for await (const square of pool.map(items(2_000), "square", { ordered: false })) {
      any.push(square);
    }
    expect(any.toSorted((a, b) => a - b)).toEqual(squares);
  });

  test("takes no more from its input than may be in flight", async () => {
    await openPool(2, 2);
    let taken = 0;
    function* endless(): Generator<number> {
      for (;;) yield taken++;
    }
    const results = pool.map(endless(), "square", { ordered: true, inFlight: 20 });
    for (let i = 0; i < 100; i += 1) {
      expect((await results.next()).value).toBe(i * i);
      expect(taken).toBeLessThanOrEqual(i + 1 + 20 + 1);
    }
    await results.return(undefined);
  });

  test("of an async input, whose end by break runs the input's finally", async () => {
    await openPool(1, 1);
    let ended = false;
    async function* input(): AsyncGenerator<number> {
      try {
        for (let i = 0; ; i += 1) yield i;
      } finally {
        ended = true;
      }
    }
    for await (const square of pool.map(input(), "square", { inFlight: 8 })) {
      if (square >= 100) break;
    }
    expect(ended).toBe(true);
  });

  test("ends with what a call failed with", async () => {
    await openPool(1, 1);
    const all = (async () => {
      for await (const result of pool.map(["a"], "fail", {})) expect(result).toBe("never");
    })();
    await expect(all).rejects.toMatchObject({ code: "APPLICATION", what: "a" });
  });
});

test("a call goes to the member with the fewest under way", async () => {
  await openPool(3, 3);
  const gate = newGate(actors);
  const busy = [pool.call("wait", [gate]), pool.call("wait", [gate])];
  // Whoever is free answers all of these: those that wait have one under way.
  const free = new Set<number>();
  for (let i = 0; i < 20; i += 1) free.add(await pool.call("pid", []));
  expect(free.size).toBe(1);
  open(gate);
  const pids = await Promise.all(busy);
  expect(new Set([...pids, ...free]).size).toBe(3);
});

describe("a pool of 0 to n", () => {
  test("wakes at its first call, grows with its backlog, goes to 0 when nobody calls", async () => {
    await openPool(0, 3);
    expect(pool.size).toBe(0);
    const begunMs = performance.now();
    expect(await pool.call("add", [1])).toBe(1);
    report(`woken in ${(performance.now() - begunMs).toFixed(0)} ms`);
    await growTo3();
    // Members that go end what they have begun: these are made when it is about to shrink.
    const gate = newGate(actors);
    const last = ["one", "two", "three"].map((label) => pool.call("markThenWait", [label, gate]));
    for (const label of ["one", "two", "three"]) await entryOf(journal, label);
    const beganMs = performance.now();
    await until("it isn't needed any more", async () => {
      const { wanted, draining } = await pool.view();
      return wanted < 3 || draining.length > 0 || performance.now() - beganMs > SHRINK_MS;
    });
    open(gate);
    expect(new Set(await Promise.all(last)).size).toBe(3);
    await until("it has none", () => pool.size === 0, RESIZE_SECONDS);
    report(`gone: ${(await pool.view()).reason}`);
    expect(await pool.call("add", [1])).toBe(1);
  }, 120_000);
});

/** Calls it until it has three members, each of which runs one call at a time. */
async function growTo3(): Promise<void> {
  const stop = new AbortController();
  function* endless(): Generator<number> {
    while (!stop.signal.aborted) yield 0;
  }
  const load = (async () => {
    for await (const pid of pool.map(endless(), "busy", { inFlight: 100 })) {
      expect(pid).toBeGreaterThan(0);
    }
  })();
  await until("it has 3 members", () => pool.size === 3, RESIZE_SECONDS);
  report(`grown: ${(await pool.view()).reason}`);
  stop.abort();
  await load;
}

test("a killed member is replaced, and only its own call is lost", async () => {
  await openPool(2, 2);
  const gate = newGate(actors);
  const calls = ["a", "b"].map((label) => pool.call("markThenWait", [label, gate]));
  const outcomes = calls.map(codeOf);
  const [a, b] = [await entryOf(journal, "a"), await entryOf(journal, "b")];
  expect(a.pid).not.toBe(b.pid);
  await kill(processOf(a.pid));
  expect(await outcomes[0]).toBe("OUTCOME_UNKNOWN");
  await until("a third one lives", () => births().length === 3);
  await until("it takes calls", () => pool.size === 2);
  open(gate);
  expect(await calls[1]).toBe(b.pid);
});

test("with retries a killed member's calls go to another", async () => {
  await openPool(2, 2);
  const results: number[] = [];
  const killed = (async () => {
    await until("some are done", () => results.length > 50);
    await kill(processOf(await pool.call("pid", [])));
  })();
  const mapped = pool.map(items(600), "square", { ordered: true, inFlight: 50, retries: 3 });
  for await (const square of mapped) results.push(square);
  await killed;
  expect(results).toEqual(items(600).map((i) => i * i));
});

test("closed, its members end and its calls fail", async () => {
  await openPool(2, 2);
  await pool.close();
  expect(String(await codeOf(pool.call("pid", [])))).toMatch(/^(ACTOR_DIED|CANCELLED)$/);
  await until("no member is left", async () => {
    const { total } = await client.list("actors", { filter: { actor: "life", state: "alive" } });
    return total === 0;
  });
});

function births(): number[] {
  return entriesOf(journal)
    .filter(({ what }) => what === "born")
    .map(({ pid }) => pid);
}

function report(line: string): void {
  process.stdout.write(`  ${expect.getState().currentTestName}: ${line}\n`);
}
