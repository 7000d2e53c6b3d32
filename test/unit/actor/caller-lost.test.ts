/** What a lost link or actor does to the calls that were made to it. */
import { describe, expect, test } from "vitest";
import { GONE, OK, SETTLED, WINDOW } from "../../../runtime/actor/items.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { SETTLED_ITEMS_MAX, SETTLED_MS } from "../../../runtime/limits.ts";
import { answer, Bench, calling, calls, LOST, now, outcomes } from "./support.ts";

describe("when the link is over", () => {
  test("a sent call is OUTCOME_UNKNOWN (cause ACTOR_DIED), one never sent ACTOR_DIED", async () => {
    const { bench, wire, call } = calling();
    answer(wire, [WINDOW, "x", 3]);
    const sent = [call("a"), call("b")];
    wire.toHost();
    const unsent = [call("c"), call("d")];
    wire.near.over(LOST);
    expect(await outcomes([...sent, ...unsent])).toEqual([
      ...["OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN", "ACTOR_DIED", "ACTOR_DIED"],
    ]);
    await expect(sent[0]).rejects.toMatchObject({
      where: { actorId: "x" },
      cause: { code: "ACTOR_DIED" },
    });
    expect(wire.resets).toEqual([LOST]);
    expect(bench.caller.pendingOf("x")).toBe(0);
  });

  test("calls made after it wait for the next life", async () => {
    const { bench, wire, call } = calling();
    wire.near.over(LOST);
    const waits = call("a");
    expect(bench.wanted).toEqual(["x"]);
    const next = bench.wire();
    expect(bench.caller.attach("x", next.callerLink)).toBe(true);
    answer(next, [OK, 1, "there"]);
    expect(await waits).toBe("there");
  });

  test("calls with retries are sent again before all others, in order, under their numbers", () => {
    const { bench, wire, call } = calling();
    answer(wire, [WINDOW, "x", 3]);
    const retries = { retries: 1 };
    void call("a", retries);
    void call("lost").catch(() => 0);
    void call("b", retries);
    void call("c", retries);
    wire.toHost();
    wire.near.over(LOST);
    void call("new");
    const next = bench.wire();
    bench.caller.attach("x", next.callerLink);
    expect(calls(next).map((item) => [item[1], item[3]])).toEqual([
      ...[
        [1, "a"],
        [3, "b"],
        [4, "c"],
        [5, "new"],
      ],
    ]);
    expect(calls(next)[0]?.[5]).toEqual({ retry: true });
  });

  test("retries count down with each sending, not while a call never left", async () => {
    const { bench, wire, call } = calling();
    const twice = call("a", { retries: 2 });
    wire.toHost();
    wire.near.over(LOST);
    const second = bench.wire();
    bench.caller.attach("x", second.callerLink);
    // It didn't leave this time.
    second.near.over(LOST);
    for (let life = 0; life < 2; life += 1) {
      expect(await now(twice)).toBe("pending");
      const next = bench.wire();
      bench.caller.attach("x", next.callerLink);
      next.toHost();
      next.near.over(LOST);
    }
    expect(await now(twice)).toBe("OUTCOME_UNKNOWN");
  });

  test("a call that waits to go again still ends by deadline and signal", async () => {
    const { bench, wire, call } = calling();
    const abort = new AbortController();
    const late = call("a", { retries: 1, deadlineMs: 10 });
    const aborted = call("b", { retries: 1, signal: abort.signal });
    wire.toHost();
    wire.near.over(LOST);
    bench.clock.pass(10);
    abort.abort();
    expect(await outcomes([late, aborted])).toEqual(["DEADLINE_EXCEEDED", "CANCELLED"]);
    expect(bench.caller.pendingOf("x")).toBe(0);
    const next = bench.wire();
    bench.caller.attach("x", next.callerLink);
    expect(calls(next)).toEqual([]);
  });

  test("its end before the attach is told, and the calls wait on", async () => {
    const bench = new Bench();
    bench.caller.adopt("x");
    const wire = bench.wire();
    const call = bench.caller.call("x", "m", []);
    wire.near.over(LOST);
    expect(bench.caller.attach("x", wire.callerLink)).toBe(false);
    expect(await now(call)).toBe("pending");
  });

  test("a dead actor's calls fail, those to come too", async () => {
    const { bench, wire, call } = calling();
    const sent = call("a", { retries: 5 });
    wire.toHost();
    wire.near.over(LOST);
    const waiting = call("b");
    bench.caller.fail("x", new SystemError("ACTOR_DIED", "no restarts are left"));
    expect(await outcomes([sent, waiting, call("c")])).toEqual([
      ...["OUTCOME_UNKNOWN", "ACTOR_DIED", "ACTOR_DIED"],
    ]);
    await expect(waiting).rejects.toThrow(/no restarts are left/);
  });

  test("a late answer of a life that was left is dropped", async () => {
    const { bench, wire, call } = calling();
    const lost = call("a");
    bench.caller.detach("x", LOST);
    answer(wire, [OK, 1, "late"]);
    expect(await now(lost)).toBe("OUTCOME_UNKNOWN");
  });
});

describe("an actor that isn't there any more", () => {
  const died = new SystemError("ACTOR_DIED", "the actor ended").toData();
  const unknown = new SystemError("OUTCOME_UNKNOWN", "the actor ended").toData();

  test("fails what had and hadn't started, keeps retries, asks for another life", async () => {
    const { bench, wire, call } = calling();
    answer(wire, [WINDOW, "x", 3]);
    const sent = [call("ran"), call("waited"), call("again", { retries: 1 })];
    const queued = call("queued");
    answer(wire, [GONE, 1, unknown]);
    answer(wire, [GONE, 2, died]);
    expect(bench.gone).toEqual([]);
    const later = call("later");
    answer(wire, [GONE, 3, unknown]);
    expect(bench.gone.map(([actorId]) => actorId)).toEqual(["x"]);
    expect(await outcomes([sent[0], sent[1], queued] as Promise<unknown>[])).toEqual([
      ...["OUTCOME_UNKNOWN", "ACTOR_DIED", "ACTOR_DIED"],
    ]);
    const next = bench.wire();
    bench.caller.attach("x", next.callerLink);
    expect(calls(next).map((item) => item[3])).toEqual(["again", "later"]);
    answer(next, [OK, 3, "second life"]);
    answer(next, [OK, 5, "too"]);
    expect(await Promise.all([sent[2], later])).toEqual(["second life", "too"]);
  });

  test("an error with that code of a method is the method's own", async () => {
    const { bench, wire, call } = calling();
    const nested = call("a");
    answer(wire, [9, 1, died]);
    expect(await now(nested)).toBe("ACTOR_DIED");
    expect(bench.gone).toEqual([]);
  });
});

describe("settled calls with retries", () => {
  test("are said to be: many at once, or after a while", () => {
    const { bench, wire, call } = calling();
    for (let id = 1; id <= SETTLED_ITEMS_MAX + 1; id += 1) {
      void call("a", { retries: 1 });
      answer(wire, [OK, id, 1]);
    }
    const said = (): unknown[] => wire.near.sent.filter(([kind]) => kind === SETTLED);
    const ids = Array.from({ length: SETTLED_ITEMS_MAX }, (_, i) => i + 1);
    expect(said()).toEqual([[SETTLED, ids]]);
    bench.clock.pass(SETTLED_MS);
    expect(said().at(-1)).toEqual([SETTLED, [SETTLED_ITEMS_MAX + 1]]);
  });
});
