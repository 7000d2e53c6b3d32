/** The host: turns and order, what may be called, cancels, deadlines, the context. */
import { describe, expect, test } from "vitest";
import { type CallContext, callContext } from "../../../runtime/actor/context.ts";
import { CALL_WITH, ERROR, GONE, OK } from "../../../runtime/actor/items.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { FRAME_BYTES_MAX, TURN_SLICE_MS } from "../../../runtime/limits.ts";
import { Bench, breathe, CALLER, gated, hosting, outcomes } from "./support.ts";

describe("turns", () => {
  test("one caller's calls run in order; an async method holds its turn", async () => {
    const { Gated, gates, started } = gated();
    const { bench, call } = hosting(Gated);
    const calls = [call("go", [1]), call("at", [2]), call("go", [3]), call("at", [4])];
    await bench.rest();
    expect(started).toEqual([1]);
    gates[0]?.resolve("one");
    await bench.rest();
    expect(started).toEqual([1, 2, 3]);
    gates[1]?.reject(new Error("three"));
    await bench.rest();
    expect(await outcomes(calls)).toEqual(["one", 2, "APPLICATION", 4]);
  });

  test("maxConcurrency of them run at once", async () => {
    const { Gated, gates, started } = gated();
    const { bench, call } = hosting(Gated, { maxConcurrency: 2 });
    for (let n = 1; n <= 4; n += 1) void call("go", [n]);
    await bench.rest();
    expect(started).toEqual([1, 2]);
    gates[1]?.resolve(0);
    await bench.rest();
    expect(started).toEqual([1, 2, 3]);
  });

  test("a synchronous method is answered in the turn it came, without a microtask", () => {
    const { bench, wire, call } = hosting(gated().Gated);
    void call("at", ["x"]);
    wire.toHost();
    expect(wire.far.out).toEqual([[OK, 1, "x"]]);
    expect(bench.host.stats("x")).toMatchObject([{ answered: 1, waiting: 0, running: 0 }]);
  });

  test("long calls in a row let the process look at its sockets in between", async () => {
    const clock: { spend: (ms: number) => void } = { spend: () => undefined };
    let ran = 0;
    class Slow {
      go(): void {
        ran += 1;
        clock.spend(TURN_SLICE_MS);
      }
    }
    const { bench, wire, call } = hosting(Slow);
    clock.spend = (ms) => bench.clock.spend(ms);
    const abort = new AbortController();
    const calls = Array.from({ length: 40 }, () => call("go", [], { signal: abort.signal }));
    wire.toHost();
    expect(ran).toBeLessThan(5);
    abort.abort();
    wire.toHost();
    const before = ran;
    await bench.rest();
    // None of those that the cancel overtook.
    expect(ran).toBe(before);
    expect(new Set(await outcomes(calls))).toEqual(new Set(["CANCELLED"]));
    void call("go");
    await bench.rest();
    expect(ran).toBe(before + 1);
  });

  test("calls that come while others wait for time don't overtake them", async () => {
    const order: unknown[] = [];
    const clock: { spend: (ms: number) => void } = { spend: () => undefined };
    class Slow {
      go(n: unknown): void {
        order.push(n);
        clock.spend(TURN_SLICE_MS);
      }
    }
    const { bench, wire, call } = hosting(Slow);
    clock.spend = (ms) => bench.clock.spend(ms);
    const all = Array.from({ length: 30 }, (_, n) => n);
    for (const n of all.slice(0, 15)) void call("go", [n]);
    wire.toHost();
    // The next frame comes before the process has looked at its timers.
    for (const n of all.slice(15)) void call("go", [n]);
    wire.toHost();
    expect(order.length).toBeLessThan(10);
    await bench.rest();
    expect(order).toEqual(all);
  });

  test("actors take turns where one has many calls waiting", async () => {
    const order: string[] = [];
    const clock: { spend: (ms: number) => void } = { spend: () => undefined };
    class Slow {
      readonly #name: string;
      constructor(name = "x") {
        this.#name = name;
      }
      go(): void {
        order.push(this.#name);
        clock.spend(TURN_SLICE_MS);
      }
    }
    const { bench, wire, call } = hosting(Slow);
    clock.spend = (ms) => bench.clock.spend(ms);
    bench.create(Slow, { actorId: "y", args: ["y"] });
    bench.caller.adopt("y");
    bench.caller.attach("y", wire.callerLink);
    for (let n = 0; n < 30; n += 1) void call("go");
    for (let n = 0; n < 3; n += 1) void bench.caller.call("y", "go", []);
    await bench.rest();
    expect(order).toHaveLength(33);
    expect(order.lastIndexOf("y")).toBeLessThan(25);
  });
});

describe("what may be called", () => {
  class Strange {
    readonly own = (): string => "own";
    get broken(): () => void {
      throw new Error("a getter");
    }
    set(): unknown {
      return new Set([1]);
    }
    large(): unknown {
      return new Uint8Array(FRAME_BYTES_MAX);
    }
    iterator(): unknown {
      return [1].values();
    }
    *items(): Generator<number> {
      yield 1;
    }
    thenable(): unknown {
      // A promise of another library.
      // oxlint-disable-next-line no-thenable
      return { then: (resolve: (value: unknown) => void) => resolve("then") };
    }
    nothing(): void {}
    throws(): never {
      // oxlint-disable-next-line only-throw-error
      throw "text";
    }
  }

  test("methods and functions in fields; never those of every object", async () => {
    const { bench, call } = hosting(Strange);
    const names = ["own", "constructor", "toString", "hasOwnProperty", "__proto__", "missing"];
    const calls = [...names, "broken", "throws", "nothing", "thenable"].map((name) => call(name));
    await bench.rest();
    expect(await outcomes(calls)).toEqual([
      ...["own", ...new Array<string>(5).fill("ACTOR_NOT_FOUND")],
      ...["APPLICATION", "APPLICATION", undefined, "then"],
    ]);
  });

  test("a result that doesn't cross is answered by the error that says so", async () => {
    const { bench, call } = hosting(Strange);
    const calls = [call("set"), call("large"), call("iterator"), call("items"), call("own")];
    await bench.rest();
    expect(await outcomes(calls)).toEqual([
      ...["NOT_SERIALIZABLE", "FRAME_TOO_LARGE", "NOT_SERIALIZABLE", "NOT_SERIALIZABLE", "own"],
    ]);
    await expect(calls[3]).rejects.toThrow(/declare it `async \*`/);
    expect(bench.host.stats("x")).toMatchObject([{ answered: 1, failed: 4 }]);
  });

  test("a constructor that throws is APPLICATION; an id lives once", () => {
    const bench = new Bench();
    class Bad {
      constructor() {
        throw new Error("no model");
      }
      go(): void {}
    }
    expect(() => bench.create(Bad)).toThrow(/APPLICATION: no model/);
    bench.create(Strange);
    expect(() => bench.create(Strange)).toThrow(/INTERNAL/);
  });

  test("an actor that isn't there is GONE", async () => {
    const bench = new Bench();
    const wire = bench.attached();
    const call = bench.caller.call("x", "m", []);
    call.catch(() => undefined);
    wire.toHost();
    expect(wire.far.out).toMatchObject([[GONE, 1, { code: "ACTOR_DIED" }]]);
    await bench.rest();
    expect(await outcomes([call])).toEqual(["ACTOR_DIED"]);
    expect(bench.gone).toMatchObject([["x", { code: "ACTOR_DIED" }]]);
  });
});

describe("cancels and deadlines", () => {
  test("a waiting cancelled call never starts; a running one hears it", async () => {
    const reasons: unknown[] = [];
    const started: number[] = [];
    class Listens {
      async go(n: number): Promise<unknown> {
        started.push(n);
        const { signal } = callContext();
        return new Promise((_, reject) => {
          signal.addEventListener("abort", () => {
            reasons.push((signal.reason as SystemError).code);
            reject(signal.reason as SystemError);
          });
        });
      }
    }
    const { bench, call } = hosting(Listens);
    const [first, second] = [new AbortController(), new AbortController()];
    const calls = [
      call("go", [1], { signal: first.signal }),
      call("go", [2], { signal: second.signal }),
    ];
    await bench.rest();
    second.abort();
    await bench.rest();
    first.abort();
    await bench.rest();
    expect(started).toEqual([1]);
    expect(reasons).toEqual(["CANCELLED"]);
    expect(await outcomes(calls)).toEqual(["CANCELLED", "CANCELLED"]);
    expect(bench.caller.pendingOf("x")).toBe(0);
    expect(bench.host.stats("x")).toMatchObject([{ waiting: 0, running: 0 }]);
  });

  test("cancelled calls don't pile up in a mailbox", async () => {
    const { Gated, gates, started } = gated();
    const { bench, call } = hosting(Gated);
    void call("go", ["holds"]);
    await bench.rest();
    for (let round = 0; round < 30; round += 1) {
      const abort = new AbortController();
      for (let n = 0; n < 500; n += 1) void call("go", [n], { signal: abort.signal });
      await bench.rest();
      abort.abort();
      await bench.rest();
    }
    expect(bench.host.stats("x")).toMatchObject([{ waiting: 0, running: 1 }]);
    const last = call("at", ["last"]);
    gates[0]?.resolve(1);
    await bench.rest();
    expect(await last).toBe("last");
    expect(started).toEqual(["holds", "last"]);
  });

  test("a call whose deadline passed while it waited isn't started", async () => {
    const { Gated, gates, started } = gated();
    const { bench, wire, call } = hosting(Gated);
    void call("go", ["holds"]);
    await bench.rest();
    // The caller's own clock doesn't run: the host judges by its own.
    wire.far.handlers?.onItems([[CALL_WITH, 77, "x", "at", ["late"], { deadlineMs: 10 }]]);
    bench.clock.spend(11);
    gates[0]?.resolve(1);
    await breathe();
    bench.clock.turn();
    expect(wire.far.sent.at(-1)).toMatchObject([ERROR, 77, { code: "DEADLINE_EXCEEDED" }]);
    expect(started).toEqual(["holds"]);
  });

  test("a running method's signal is aborted at its deadline, caller or no caller", async () => {
    let context: CallContext | undefined;
    class Listens {
      async go(): Promise<void> {
        context = callContext();
        expect(context.signal.aborted).toBe(false);
        await new Promise(() => undefined);
      }
    }
    const { bench, wire } = hosting(Listens);
    wire.far.handlers?.onItems([[CALL_WITH, 1, "x", "go", [], { deadlineMs: 10 }]]);
    expect(context?.remainingMs).toBe(10);
    bench.clock.pass(10);
    expect(context?.signal.reason).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(context?.remainingMs).toBe(0);
  });

  test("what a method throws behind its deadline is the deadline's error", async () => {
    class Throws {
      async go(): Promise<void> {
        const { signal } = callContext();
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        throw new Error("told to stop");
      }
    }
    const { bench, wire } = hosting(Throws);
    wire.far.handlers?.onItems([[CALL_WITH, 1, "x", "go", [], { deadlineMs: 10 }]]);
    bench.clock.pass(10);
    await breathe();
    bench.clock.turn();
    expect(wire.far.sent.at(-1)).toMatchObject([ERROR, 1, { code: "DEADLINE_EXCEEDED" }]);
  });
});

describe("callContext", () => {
  class Asks {
    sync(): unknown {
      const { caller, actorId, remainingMs, signal } = callContext();
      return { caller, actorId, endless: remainingMs === Infinity, aborted: signal.aborted };
    }
    async later(): Promise<unknown> {
      await breathe();
      return this.sync();
    }
    async *each(): AsyncGenerator {
      yield this.sync();
      await breathe();
      yield this.sync();
    }
  }
  const expected = { caller: CALLER, actorId: "x", endless: true, aborted: false };

  test("is there in every method, after an await too, and in generators", async () => {
    const { bench, call } = hosting(Asks);
    const calls = [call("sync"), call("later"), call("later", [], { retries: 1 })];
    const items: unknown[] = [];
    const streamed = (async () => {
      for await (const item of bench.caller.stream("x", "each", [])) items.push(item);
    })();
    for (let n = 0; n < 5; n += 1) await bench.rest();
    expect(await outcomes(calls)).toEqual([expected, expected, expected]);
    await streamed;
    expect(items).toEqual([expected, expected]);
  });

  test("isn't outside of a method", async () => {
    const { bench, call } = hosting(Asks);
    const done = call("sync");
    await bench.rest();
    await done;
    expect(() => callContext()).toThrow(/USAGE/);
  });
});
