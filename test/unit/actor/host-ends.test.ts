/** The host: calls that come again, and actors that end, by order or for want of a lease. */
import { describe, expect, test } from "vitest";
import { callContext } from "../../../runtime/actor/context.ts";
import { CALL, CALL_WITH, ERROR, OK } from "../../../runtime/actor/items.ts";
import { SystemError } from "../../../runtime/errors.ts";
import type { ProcessId } from "../../../runtime/ids.ts";
import {
  ACTOR_DISPOSE_MS,
  FRAME_BYTES_MAX,
  REPLIES_KEPT_MAX,
  REPLIES_KEPT_MS,
  TURN_SLICE_MS,
} from "../../../runtime/limits.ts";
import { Bench, breathe, gated, hosting, LOST, now, outcomes } from "./support.ts";

describe("calls with retries", () => {
  test("a repeated call attaches to the running one, and hears the same reply later", async () => {
    const { Gated, gates, started } = gated();
    const { bench, wire, call } = hosting(Gated);
    const result = call("go", [1], { retries: 3 });
    wire.toHost();
    // The caller alone notices that the link is over.
    wire.near.over(LOST);
    const second = bench.wire();
    bench.caller.attach("x", second.callerLink);
    second.toHost();
    gates[0]?.resolve({ rows: [1] });
    await breathe();
    expect(second.far.out).toEqual([[OK, 1, { rows: [1] }]]);
    // That reply is lost too.
    second.cut();
    const third = bench.wire();
    bench.caller.attach("x", third.callerLink);
    await bench.rest();
    expect(await result).toEqual({ rows: [1] });
    expect(started).toEqual([1]);
  });

  test("the kept reply is what it was, though the actor changes its own value", async () => {
    class Keeps {
      readonly #rows: number[] = [];
      add(n: number): number[] {
        this.#rows.push(n);
        return this.#rows;
      }
    }
    const { bench, wire, call } = hosting(Keeps);
    const first = call("add", [1], { retries: 1 });
    wire.toHost();
    wire.cut();
    const other = bench.wire("c".repeat(16) as ProcessId);
    other.far.handlers?.onItems([[CALL, 1, "x", "add", [2]]]);
    const next = bench.wire();
    bench.caller.attach("x", next.callerLink);
    await bench.rest();
    expect(await first).toEqual([1]);
  });

  test("a call that waited when its link was lost starts once, when it comes again", async () => {
    const { Gated, gates, started } = gated();
    const { bench, wire, call } = hosting(Gated);
    void call("go", ["holds"], { retries: 1 });
    const again = call("at", ["again"], { retries: 1 });
    const plain = call("at", ["plain"]);
    wire.toHost();
    wire.cut();
    gates[0]?.resolve(1);
    await breathe();
    expect(started).toEqual(["holds"]);
    const next = bench.wire();
    bench.caller.attach("x", next.callerLink);
    await bench.rest();
    expect(started).toEqual(["holds", "again"]);
    expect(await outcomes([again, plain])).toEqual(["again", "OUTCOME_UNKNOWN"]);
  });

  test("a settled one is forgotten: it would run again", async () => {
    const { started, Gated } = gated();
    const { bench, wire, call } = hosting(Gated);
    void call("at", [1], { retries: 1 });
    await bench.rest();
    bench.clock.pass(1_000);
    await bench.rest();
    wire.far.handlers?.onItems([[CALL_WITH, 1, "x", "at", [1], { retry: true }]]);
    expect(started).toEqual([1, 1]);
  });

  test("a new life runs a call again that the old one had", async () => {
    const { Gated, gates, started } = gated();
    const { bench, wire, call } = hosting(Gated);
    const result = call("go", [1], { retries: 1 });
    await bench.rest();
    void bench.host.end("x", 0, new SystemError("ACTOR_DIED", "killed"));
    bench.create(Gated, { incarnation: 1 });
    await bench.rest();
    expect(bench.gone).toHaveLength(1);
    bench.caller.attach("x", wire.callerLink);
    await bench.rest();
    expect(started).toEqual([1, 1]);
    gates[1]?.resolve("second");
    await bench.rest();
    expect(await result).toBe("second");
  });

  test("more than REPLIES_KEPT_MAX unsettled ones are OVERLOADED", () => {
    const { Gated } = gated();
    const { wire } = hosting(Gated);
    for (let id = 1; id <= REPLIES_KEPT_MAX + 1; id += 1) {
      wire.far.handlers?.onItems([[CALL_WITH, id, "x", "at", [], { retry: true }]]);
    }
    expect(wire.far.sent.at(-2)?.[0]).toBe(OK);
    expect(wire.far.sent.at(-1)).toMatchObject([
      ERROR,
      REPLIES_KEPT_MAX + 1,
      { code: "OVERLOADED" },
    ]);
  });

  test("replies over the bound on bytes aren't kept: a repeated call is OUTCOME_UNKNOWN", () => {
    class Large {
      go(): Uint8Array {
        return new Uint8Array(FRAME_BYTES_MAX - 1_024);
      }
    }
    const { wire } = hosting(Large);
    for (let id = 1; id <= 130; id += 1) {
      wire.far.handlers?.onItems([[CALL_WITH, id, "x", "go", [], { retry: true }]]);
      wire.far.take();
    }
    wire.far.handlers?.onItems([[CALL_WITH, 1, "x", "go", [], { retry: true }]]);
    expect(wire.far.sent.at(-1)?.[0]).toBe(OK);
    wire.far.handlers?.onItems([[CALL_WITH, 130, "x", "go", [], { retry: true }]]);
    expect(wire.far.sent.at(-1)).toMatchObject([ERROR, 130, { code: "OUTCOME_UNKNOWN" }]);
  });

  test("what a caller left behind is forgotten after a time, and doesn't run again", () => {
    const { Gated, started } = gated();
    const { bench, wire } = hosting(Gated);
    const repeated = [[CALL_WITH, 1, "x", "at", [1], { retry: true }]];
    wire.far.handlers?.onItems(repeated);
    wire.cut();
    const second = bench.wire();
    second.far.handlers?.onItems(repeated);
    bench.clock.pass(REPLIES_KEPT_MS);
    bench.clock.pass(REPLIES_KEPT_MS);
    second.far.handlers?.onItems(repeated);
    expect(second.far.sent.at(-1)).toEqual([OK, 1, 1]);
    second.cut();
    for (let i = 0; i < 3; i++) bench.clock.pass(REPLIES_KEPT_MS);
    expect(bench.clock.timers).toBe(0);
    const third = bench.wire();
    third.far.handlers?.onItems(repeated);
    expect(third.far.sent.at(-1)).toMatchObject([ERROR, 1, { code: "OUTCOME_UNKNOWN" }]);
    third.far.handlers?.onItems([[CALL_WITH, 2, "x", "at", [2], { retry: true }]]);
    expect(started).toEqual([1, 2]);
  });

  test("answers of links that are over go, though their caller has another link", () => {
    const { Gated } = gated();
    const { bench, wire } = hosting(Gated);
    const calls = (from: number, to: number): unknown[] =>
      Array.from({ length: to - from }, (_, i) => [
        ...[CALL_WITH, from + i, "x", "at", [], { retry: true }],
      ]);
    wire.far.handlers?.onItems(calls(1, REPLIES_KEPT_MAX));
    wire.cut();
    const second = bench.wire();
    const next = REPLIES_KEPT_MAX + 10;
    second.far.handlers?.onItems(calls(next, next + 2));
    expect(second.far.sent.at(-1)).toMatchObject([ERROR, next + 1, { code: "OVERLOADED" }]);
    for (let i = 0; i < 2; i++) bench.clock.pass(REPLIES_KEPT_MS);
    second.far.handlers?.onItems(calls(next + 2, next + 1_000));
    expect(second.far.sent.at(-1)?.[0]).toBe(OK);
  });
});

describe("an actor's end", () => {
  test("waiting calls are ACTOR_DIED, running ones OUTCOME_UNKNOWN and told", async () => {
    let signal: AbortSignal | undefined;
    const disposed: string[] = [];
    class Ends {
      async go(): Promise<void> {
        ({ signal } = callContext());
        const heard = Promise.withResolvers<void>();
        signal.addEventListener("abort", () => heard.resolve());
        await heard.promise;
        disposed.push("method");
      }
      at(): number {
        return 1;
      }
      async [Symbol.asyncDispose](): Promise<void> {
        await breathe();
        disposed.push("instance");
      }
    }
    const { bench, call } = hosting(Ends);
    const calls = [call("go"), call("at")];
    await bench.rest();
    const ended = bench.host.end("x", 0, new SystemError("ACTOR_DIED", "killed"));
    await bench.rest();
    expect(await outcomes(calls)).toEqual(["OUTCOME_UNKNOWN", "ACTOR_DIED"]);
    expect(signal?.reason).toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(await ended).toBe(true);
    expect(disposed).toEqual(["method", "instance"]);
    expect(bench.host.stats()).toEqual([]);
  });

  test("waits for a method or a disposal no longer than ACTOR_DISPOSE_MS", async () => {
    const { Gated } = gated();
    const { bench, call } = hosting(Gated);
    void call("go", [1]);
    await bench.rest();
    const ended = bench.host.end("x", 0, new SystemError("ACTOR_DIED", "killed"));
    expect(await now(ended)).toBe("pending");
    bench.clock.pass(ACTOR_DISPOSE_MS);
    expect(await ended).toBe(true);
  });

  test("is only of the life that was meant", async () => {
    const { Gated } = gated();
    const { bench } = hosting(Gated, { incarnation: 2 });
    const error = new SystemError("ACTOR_DIED", "killed");
    expect(await bench.host.end("x", 1, error)).toBe(false);
    expect(await bench.host.end("y", 2, error)).toBe(false);
    expect(bench.host.stats()).toHaveLength(1);
  });
});

describe("a lease", () => {
  test("is asked for once a turn that takes calls; without it the actor ends", async () => {
    let holds = true;
    let asked = 0;
    const over: unknown[] = [];
    const { Gated, started } = gated();
    const bench = new Bench({ host: { onLeaseOver: (...life) => void over.push(life) } });
    bench.create(Gated, {
      mayRun: () => {
        asked += 1;
        return holds;
      },
    });
    const wire = bench.attached();
    const call = (): Promise<unknown> => {
      const promise = bench.caller.call("x", "at", [1]);
      promise.catch(() => undefined);
      return promise;
    };
    const first = [call(), call(), call()];
    await bench.rest();
    expect(asked).toBe(1);
    holds = false;
    const second = [call(), call()];
    await bench.rest();
    expect(await outcomes([...first, ...second])).toEqual([1, 1, 1, "ACTOR_DIED", "ACTOR_DIED"]);
    expect(started).toHaveLength(3);
    expect(over).toEqual([["x", 0]]);
    expect(wire.near.isOpen).toBe(true);
  });

  test("also ends calls that waited for an earlier one", async () => {
    let holds = true;
    const { Gated, gates, started } = gated();
    const { bench, call } = hosting(Gated, { mayRun: () => holds });
    const calls = [call("go", [1]), call("at", [2])];
    await bench.rest();
    holds = false;
    bench.clock.spend(TURN_SLICE_MS);
    gates[0]?.resolve("done");
    await bench.rest();
    expect(await outcomes(calls)).toEqual(["done", "ACTOR_DIED"]);
    expect(started).toEqual([1]);
  });
});
