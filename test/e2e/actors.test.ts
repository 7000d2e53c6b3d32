/**
 * Actors as a user has them: names and lifetimes, lives after a kill, order and bounds of calls,
 * deadlines and cancellation, on a real embedded cluster.
 */
import { describe, expect, test } from "vitest";
import { withOptions } from "../../runtime/index.ts";
import { actors, client, journal, spawnLife as spawn, useActors } from "./actor-suite.ts";
import {
  clientOf,
  codeOf,
  CutSocket,
  entriesOf,
  entryOf,
  marksOf,
  newGate,
  open,
  processOf,
} from "./actors.ts";
import { kill } from "./processes.ts";
import { LifeActor, OtherActor } from "./programs/lives.ts";
import { patience, until } from "./support.ts";

useActors();

let names = 0;
function newName(): string {
  names += 1;
  return `name-${names}`;
}

function births(): number[] {
  return entriesOf(journal)
    .filter(({ what }) => what === "born")
    .map(({ pid }) => pid);
}

describe("a name", () => {
  test("finds its actor, also for another client", async () => {
    const name = newName();
    const one = await spawn({ name });
    expect(await one.add(2)).toBe(2);
    const other = await clientOf(actors.own);
    const found = await other.actor(LifeActor, name);
    expect(await found.add(3)).toBe(5);
    await other.close();
  });

  test("is each client's own answer, though key and request's number are the same", async () => {
    const wanted = [newName(), newName()];
    const pids = await Promise.all(wanted.map(async (name) => (await spawn({ name })).pid()));
    const others = await Promise.all(wanted.map(() => clientOf(actors.own)));
    const found = others.map((other, i) => other.actor(LifeActor, wanted[i] ?? ""));
    const told = await Promise.all(found.map(async (handle) => (await handle).pid()));
    expect(told).toEqual(pids);
    await Promise.all(others.map((other) => other.close()));
  });

  test("is taken while its actor lives, and free once it is dead", async () => {
    const name = newName();
    const one = await spawn({ name });
    expect(await codeOf(spawn({ name }))).toBe("NAME_TAKEN");
    await client.kill(one, { restart: false });
    const second = await spawn({ name });
    expect(await second.add(1)).toBe(1);
    expect(births().length).toBe(2);
  });

  test("with getIfExists is one actor, however many ask at once", async () => {
    const name = newName();
    const asked = Array.from({ length: 8 }, () => spawn({ name, getIfExists: true }));
    const handles = await Promise.all(asked);
    const counts = await Promise.all(handles.map((handle) => handle.add(1)));
    expect(counts.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(births().length).toBe(1);
  });

  test("of another class isn't given: NAME_TAKEN", async () => {
    const name = newName();
    await spawn({ name });
    expect(await codeOf(client.spawn(OtherActor, [], { name, getIfExists: true }))).toBe(
      "NAME_TAKEN",
    );
  });

  test("that nobody has is ACTOR_NOT_FOUND, a bad one USAGE", async () => {
    expect(await codeOf(client.actor(LifeActor, "nobody"))).toBe("ACTOR_NOT_FOUND");
    expect(await codeOf(spawn({ name: "a b" }))).toBe("USAGE");
    expect(await codeOf(spawn({ lifetime: "detached" }))).toBe("USAGE");
  });
});

describe("a lifetime", () => {
  test("owned ends with its client, detached goes on", async () => {
    const owner = await clientOf(actors.own);
    const [owned, detached] = [newName(), newName()];
    const args = [{ journal }] as const;
    const first = await owner.spawn(LifeActor, [...args], { name: owned });
    const second = await owner.spawn(LifeActor, [...args], {
      name: detached,
      lifetime: "detached",
    });
    const [pid, keptPid] = [await first.pid(), await second.pid()];
    const process = processOf(pid);
    await owner.close();
    await until("the owned one is gone", async () => {
      const code = await codeOf(client.actor(LifeActor, owned));
      return code === "ACTOR_NOT_FOUND";
    });
    await until("its process ends", () => codeOfProcess(process.pid) === "gone");
    const kept = await client.actor(LifeActor, detached);
    expect(await kept.pid()).toBe(keptPid);
    await client.kill(kept, { restart: false });
  });
});

function codeOfProcess(pid: number): "gone" | "there" {
  try {
    processOf(pid);
    return "there";
  } catch {
    return "gone";
  }
}

describe("lives", () => {
  test("maxRestarts: each starts from its constructor, and the last end is for good", async () => {
    const one = await spawn({ maxRestarts: 2 });
    const pids: number[] = [];
    for (let life = 0; life < 3; life += 1) {
      const pid = await withOptions(one, { retries: 5 }).pid();
      expect(await one.add(1)).toBe(1);
      pids.push(pid);
      expect(await client.stateOf(one)).toMatchObject({ state: "alive", restarts: life });
      await kill(processOf(pid));
    }
    expect(new Set(pids).size).toBe(3);
    await until("it is dead", async () => (await client.stateOf(one)).state === "dead");
    expect(await codeOf(one.pid())).toBe("ACTOR_DIED");
    expect(births()).toEqual(pids);
    const dead = await client.stateOf(one);
    expect(dead).toMatchObject({ restarts: 2, maxRestarts: 2, error: { code: "ACTOR_DIED" } });
  });

  test("kill ends all of them, or this one when it may start again", async () => {
    const one = await spawn({ maxRestarts: 5 });
    const first = await one.pid();
    await client.kill(one, { restart: true });
    const second = await withOptions(one, { retries: 3 }).pid();
    expect(second).not.toBe(first);
    await client.kill(one, { restart: false });
    expect(await codeOf(one.pid())).toBe("ACTOR_DIED");
    expect(births()).toEqual([first, second]);
  });

  test("a constructor that throws refuses the spawn, and ends a restart", async () => {
    const refuse = newGate(actors);
    const args = [{ journal, refuse }] as const;
    const one = await client.spawn(LifeActor, [...args], { maxRestarts: 5 });
    const pid = await one.pid();
    open(refuse);
    expect(await codeOf(client.spawn(LifeActor, [...args]))).toBe("APPLICATION");
    await kill(processOf(pid));
    await until("it is dead", async () => (await client.stateOf(one)).state === "dead");
    expect((await client.stateOf(one)).error).toMatchObject({ code: "APPLICATION" });
    expect(await codeOf(withOptions(one, { retries: 5 }).pid())).toBe("ACTOR_DIED");
  });

  test("a call under way at a kill: OUTCOME_UNKNOWN, or made again if it has retries", async () => {
    const one = await spawn({ maxRestarts: 1 });
    const pid = await one.pid();
    const gate = newGate(actors);
    const retried = withOptions(one, { retries: 2 }).markThenWait("retried", gate);
    const waiting = one.mark("never sent again").catch((thrown: unknown) => thrown);
    await entryOf(journal, "retried");
    await kill(processOf(pid));
    expect(await waiting).toMatchObject({
      code: "OUTCOME_UNKNOWN",
      cause: expect.objectContaining({ code: "ACTOR_DIED" }) as unknown,
    });
    await until("it runs again", () => marksOf(journal).length === 2);
    open(gate);
    expect(await retried).not.toBe(pid);
    // At least once: the first life had begun it.
    expect(marksOf(journal)).toEqual(["retried", "retried"]);
  });
});

test("a reply that was lost isn't made twice by the same life", async () => {
  const name = newName();
  const one = await spawn({ name });
  const pid = await one.pid();
  const socket = (await client.stateOf(one)).address?.socket ?? "";
  const between = await CutSocket.before(socket);
  const other = await clientOf(actors.own);
  try {
    const handle = await other.actor(LifeActor, name);
    expect(await handle.mark("through")).toBe(1);
    expect(between.connections).toBe(1);
    const gate = newGate(actors);
    between.hold();
    const done = withOptions(handle, { retries: 3 }).mark("done, reply lost");
    const running = withOptions(handle, { retries: 3 }).markThenWait("running", gate);
    const unretried = codeOf(handle.mark("unretried"));
    await entryOf(journal, "running");
    between.cut();
    expect(await unretried).toBe("OUTCOME_UNKNOWN");
    expect(await done).toBe(2);
    open(gate);
    expect(await running).toBe(pid);
    await one.mark("last");
    const marks = marksOf(journal);
    expect(marks.filter((mark) => mark === "done, reply lost").length).toBe(1);
    expect(marks.filter((mark) => mark === "running").length).toBe(1);
    expect(marks.filter((mark) => mark === "unretried").length).toBeLessThanOrEqual(1);
  } finally {
    await between.close();
    await other.close();
  }
});

test("each caller's calls run in the order in which they were made", async () => {
  const name = newName();
  await spawn({ name });
  const callers = [client, await clientOf(actors.own), await clientOf(actors.own)];
  const handles = await Promise.all(callers.map((caller) => caller.actor(LifeActor, name)));
  const calls = 300;
  await Promise.all(
    handles.flatMap((handle, caller) =>
      Array.from({ length: calls }, (_, i) => handle.mark(`${caller} ${i}`)),
    ),
  );
  const marks = marksOf(journal);
  expect(marks.length).toBe(3 * calls);
  for (const caller of [0, 1, 2]) {
    const own = marks.filter((mark) => mark.startsWith(`${caller} `));
    expect(own).toEqual(Array.from({ length: calls }, (_, i) => `${caller} ${i}`));
  }
  for (const caller of callers.slice(1)) await caller.close();
});

describe("bounds", () => {
  test.each([1, 4])("maxConcurrency %i: so many calls at once, and no more", async (most) => {
    const one = await spawn({ maxConcurrency: most });
    const calls = Array.from({ length: 12 }, () => one.together(30));
    expect(Math.max(...(await Promise.all(calls)))).toBe(most);
  });

  test("maxPendingCalls: the next one is OVERLOADED at once, later ones pass again", async () => {
    const one = await spawn({ maxPendingCalls: 10 });
    const gate = newGate(actors);
    const waiting = Array.from({ length: 10 }, () => one.wait(gate));
    expect(await codeOf(one.add(1))).toBe("OVERLOADED");
    open(gate);
    await Promise.all(waiting);
    expect(await one.add(1)).toBe(1);
  });
});

describe("a deadline", () => {
  test("ends a call that waits for its turn: it never runs", async () => {
    const one = await spawn();
    const gate = newGate(actors);
    const first = one.wait(gate);
    const begunMs = performance.now();
    const late = withOptions(one, { deadlineMs: 200 }).mark("too late");
    expect(await codeOf(late)).toBe("DEADLINE_EXCEEDED");
    expect(performance.now() - begunMs).toBeLessThan(200 + 800 * patience());
    open(gate);
    await first;
    await one.mark("after");
    expect(marksOf(journal)).toEqual(["after"]);
  });

  test("ends a call that runs: its signal is aborted, the next one gets its turn", async () => {
    const one = await spawn();
    const late = withOptions(one, { deadlineMs: 300 }).untilAborted("running");
    expect(await codeOf(late)).toBe("DEADLINE_EXCEEDED");
    await entryOf(journal, "running aborted");
    expect(await one.add(1)).toBe(1);
  });

  test("is seen by the method as what is left of it", async () => {
    const one = await spawn();
    const { remainingMs } = await withOptions(one, { deadlineMs: 5_000 }).context();
    expect(remainingMs).toBeGreaterThan(1_000);
    expect(remainingMs).toBeLessThanOrEqual(5_000);
    expect((await one.context()).remainingMs).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("an AbortSignal", () => {
  test("ends a call that waits for its turn: it never runs", async () => {
    const one = await spawn();
    const gate = newGate(actors);
    const first = one.wait(gate);
    const stop = new AbortController();
    const waiting = codeOf(withOptions(one, { signal: stop.signal }).mark("aborted"));
    stop.abort();
    expect(await waiting).toBe("CANCELLED");
    open(gate);
    await first;
    await one.mark("after");
    expect(marksOf(journal)).toEqual(["after"]);
  });

  test("reaches the method that runs", async () => {
    const one = await spawn();
    const stop = new AbortController();
    const running = codeOf(withOptions(one, { signal: stop.signal }).untilAborted("running"));
    await entryOf(journal, "running waits");
    stop.abort();
    expect(await running).toBe("CANCELLED");
    await entryOf(journal, "running aborted");
    expect(await one.add(1)).toBe(1);
  });

  test("that is aborted already sends nothing", async () => {
    const one = await spawn();
    const call = withOptions(one, { signal: AbortSignal.abort() }).mark("never");
    expect(await codeOf(call)).toBe("CANCELLED");
    await one.mark("after");
    expect(marksOf(journal)).toEqual(["after"]);
  });
});
