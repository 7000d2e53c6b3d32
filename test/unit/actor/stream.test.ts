/** Streams, both ends: windows, grants, turns, and how either side ends one. */
import { describe, expect, test } from "vitest";
import { callContext } from "../../../runtime/actor/context.ts";
import { CANCEL, CALL_WITH, END, ERROR, GRANT, ITEM, OK } from "../../../runtime/actor/items.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { STREAM_WINDOW_BYTES, STREAM_WINDOW_ITEMS } from "../../../runtime/limits.ts";
import { Bench, breathe, now, outcomes } from "./support.ts";

class Counter {
  /** Numbers made so far, by whoever. */
  made = 0;
  ended: string[] = [];

  async *count(to: number): AsyncGenerator<number> {
    try {
      for (let n = 0; n < to; n += 1) {
        this.made += 1;
        yield n;
      }
    } finally {
      this.ended.push("count");
    }
  }

  *plain(to: number): Generator<number> {
    for (let n = 0; n < to; n += 1) {
      this.made += 1;
      yield n;
    }
  }

  async *blobs(bytes: number): AsyncGenerator<Uint8Array> {
    for (;;) {
      this.made += 1;
      yield new Uint8Array(bytes);
    }
  }

  async *breaks(at: number): AsyncGenerator {
    for (let n = 0; n < at; n += 1) yield n;
    throw new Error("broken");
  }

  async *strange(): AsyncGenerator {
    try {
      yield 1;
      yield new Set();
    } finally {
      this.ended.push("strange");
    }
  }

  async *listens(): AsyncGenerator {
    const { signal } = callContext();
    yield "first";
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    this.ended.push((signal.reason as SystemError).code);
    yield "never seen";
  }

  look(): number {
    return this.made;
  }
}

function open() {
  const bench = new Bench();
  const instances: Counter[] = [];
  class Known extends Counter {
    constructor() {
      super();
      instances.push(this);
    }
  }
  bench.create(Known);
  const wire = bench.attached();
  const stream = (method: string, args: unknown[], options = {}) =>
    bench.caller.stream("x", method, args, options);
  return { bench, wire, stream, counter: instances[0] as Counter };
}

/** Takes items while the bench carries what both sides say. */
async function take(
  bench: Bench,
  stream: AsyncGenerator<unknown, void, void>,
  most = Infinity,
): Promise<unknown[]> {
  const items: unknown[] = [];
  const state = { isOver: false };
  const all = (async () => {
    for (let n = 0; n < most; n += 1) {
      const { value, done } = await stream.next();
      if (done === true) break;
      items.push(value);
    }
  })().finally(() => {
    state.isOver = true;
  });
  all.catch(() => undefined);
  for (let n = 0; n < 1_000 && !state.isOver; n += 1) await bench.rest();
  await all;
  return items;
}

describe("a stream", () => {
  test.each(["count", "plain"])("gives every item in order, and ends: %s", async (method) => {
    const { bench, stream } = open();
    const expected = Array.from({ length: 100 }, (_, n) => n);
    expect(await take(bench, stream(method, [100]))).toEqual(expected);
    expect(bench.host.stats("x")).toMatchObject([{ streams: 0, running: 0, waiting: 0 }]);
    expect(bench.caller.pendingOf("x")).toBe(0);
  });

  test.each(["count", "plain"])("runs a window ahead of its consumer: %s", async (method) => {
    const { bench, wire, stream, counter } = open();
    const items = stream(method, [1_000]);
    await bench.rest();
    // As with a local generator, nothing happens before the first `next`.
    expect(counter.made).toBe(0);
    expect(await take(bench, items, 1)).toEqual([0]);
    await bench.rest();
    // Grants come by half windows.
    expect(counter.made).toBe(STREAM_WINDOW_ITEMS);
    expect(bench.host.stats("x")).toMatchObject([{ streams: 1, running: 0 }]);
    expect(wire.far.keptAlive).toBe(true);
    await take(bench, items, 10);
    await bench.rest();
    expect(counter.made).toBe(STREAM_WINDOW_ITEMS * 1.5);
    await items.return();
    await bench.rest();
    expect(wire.far.keptAlive).toBe(false);
  });

  test("waits by bytes too", async () => {
    const { bench, stream, counter } = open();
    const items = stream("blobs", [STREAM_WINDOW_BYTES / 4]);
    await take(bench, items, 1);
    expect(counter.made).toBeLessThanOrEqual(6);
    expect(await take(bench, items, 20)).toHaveLength(20);
    expect(counter.made).toBeLessThanOrEqual(26);
    await items.return();
  });

  test("parked at `yield` holds no turn: calls run, and many streams at once", async () => {
    const { bench, stream } = open();
    const streams = Array.from({ length: 50 }, () => stream("count", [100]));
    for (const one of streams) expect(await take(bench, one, 1)).toEqual([0]);
    const call = bench.caller.call("x", "look", []);
    await bench.rest();
    expect(await call).toBe(50 * STREAM_WINDOW_ITEMS);
    for (const one of streams) expect(await take(bench, one)).toHaveLength(99);
  });

  test("its items cross before its error, which is thrown once", async () => {
    const { bench, stream } = open();
    const items = stream("breaks", [2]);
    expect(await take(bench, items, 2)).toEqual([0, 1]);
    await expect(take(bench, items, 1)).rejects.toMatchObject({ code: "APPLICATION" });
    expect(await items.next()).toEqual({ done: true, value: undefined });
  });

  test("of an item that doesn't cross ends with that error; the generator returns", async () => {
    const { bench, stream, counter } = open();
    const items = stream("strange", []);
    expect(await take(bench, items, 1)).toEqual([1]);
    await expect(take(bench, items, 1)).rejects.toMatchObject({ code: "NOT_SERIALIZABLE" });
    await bench.rest();
    expect(counter.ended).toEqual(["strange"]);
    expect(bench.host.stats("x")).toMatchObject([{ streams: 0 }]);
  });

  test("of a method that is none is refused", async () => {
    const { bench, stream } = open();
    await expect(take(bench, stream("look", []))).rejects.toMatchObject({ code: "USAGE" });
    await expect(take(bench, stream("none", []))).rejects.toMatchObject({
      code: "ACTOR_NOT_FOUND",
    });
  });

  test("whose arguments don't cross fails at its first `next`", async () => {
    const { bench } = open();
    const items = bench.caller.stream("x", "count", [new Map()]);
    expect(await outcomes([items.next()])).toEqual(["NOT_SERIALIZABLE"]);
    expect(await items.next()).toEqual({ done: true, value: undefined });
  });
});

describe("ended by its consumer", () => {
  test("break, return, throw and dispose all return from the generator", async () => {
    const { bench, wire, stream, counter } = open();
    const ends = [
      async () => {
        for await (const item of stream("count", [1_000])) if (item === 0) break;
      },
      async () => {
        const items = stream("count", [1_000]);
        await items.next();
        expect(await items.return()).toEqual({ done: true, value: undefined });
      },
      async () => {
        const items = stream("count", [1_000]);
        await items.next();
        await expect(items.throw(new Error("mine"))).rejects.toThrow("mine");
      },
      async () => {
        await using items = stream("count", [1_000]);
        await items.next();
      },
    ];
    for (const [n, end] of ends.entries()) {
      const done = end();
      await bench.rest();
      await bench.rest();
      await done;
      await bench.rest();
      expect(counter.ended).toHaveLength(n + 1);
      expect(wire.near.sent.filter(([kind]) => kind === CANCEL)).toHaveLength(n + 1);
    }
    expect(bench.caller.pendingOf("x")).toBe(0);
    expect(bench.host.stats("x")).toMatchObject([{ streams: 0, waiting: 0, running: 0 }]);
  });

  test("before it began, nothing was ever sent", async () => {
    const { bench, wire, stream } = open();
    const items = stream("count", [3]);
    await items.return();
    expect(await items.next()).toEqual({ done: true, value: undefined });
    await bench.rest();
    expect(wire.near.sent).toEqual([]);
  });

  test("who waits for an item when another one ends it hears the end", async () => {
    const { bench, stream } = open();
    const items = stream("listens", []);
    await take(bench, items, 1);
    const waiting = items.next();
    await items.return();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  test("a generator that waits for something hears it by its signal", async () => {
    const { bench, stream, counter } = open();
    const abort = new AbortController();
    const items = stream("listens", [], { signal: abort.signal });
    expect(await take(bench, items, 1)).toEqual(["first"]);
    const waiting = items.next();
    waiting.catch(() => undefined);
    await bench.rest();
    abort.abort();
    expect(await outcomes([waiting])).toEqual(["CANCELLED"]);
    await bench.rest();
    expect(counter.ended).toEqual(["CANCELLED"]);
    expect(bench.host.stats("x")).toMatchObject([{ streams: 0, running: 0 }]);
  });

  test("its deadline ends it, also what came and wasn't taken", async () => {
    const { bench, stream } = open();
    const items = stream("count", [1_000], { deadlineMs: 100 });
    await take(bench, items, 1);
    bench.clock.pass(100);
    await expect(items.next()).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await bench.rest();
    expect(bench.host.stats("x")).toMatchObject([{ streams: 0 }]);
  });
});

describe("when the link or the actor is over", () => {
  test("what came is given, then OUTCOME_UNKNOWN; the generator returns", async () => {
    const { bench, wire, stream, counter } = open();
    const items = stream("count", [1_000], { retries: 5 });
    await take(bench, items, 1);
    wire.cut();
    await bench.rest();
    // It isn't sent again: items of it have come.
    const next = bench.wire();
    bench.caller.attach("x", next.callerLink);
    expect(next.near.sent).toEqual([]);
    const rest = take(bench, items);
    await expect(rest).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(counter.ended).toEqual(["count"]);
  });

  test("begun and without an item it isn't run again by the same life", async () => {
    const { bench, wire, stream, counter } = open();
    const items = stream("count", [3], { retries: 1 });
    const first = items.next();
    first.catch(() => undefined);
    await breathe();
    wire.toHost();
    wire.cut();
    const next = bench.wire();
    bench.caller.attach("x", next.callerLink);
    await bench.rest();
    await expect(first).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(counter.ended).toEqual(["count"]);
  });

  test("not begun, it is sent again", async () => {
    const { bench, wire, stream } = open();
    const items = stream("count", [3], { retries: 1 });
    const first = items.next();
    await breathe();
    wire.cut();
    const next = bench.wire();
    bench.caller.attach("x", next.callerLink);
    await bench.rest();
    expect(await first).toEqual({ value: 0, done: false });
    expect(await take(bench, items)).toEqual([1, 2]);
  });

  test("an actor's end returns from its generators and tells their callers", async () => {
    const { bench, stream, counter } = open();
    const parked = stream("count", [1_000]);
    await take(bench, parked, 1);
    const waits = stream("listens", []);
    await take(bench, waits, 1);
    const ended = bench.host.end("x", 0, new SystemError("ACTOR_DIED", "killed"));
    await bench.rest();
    expect(await ended).toBe(true);
    expect(counter.ended.toSorted()).toEqual(["OUTCOME_UNKNOWN", "count"]);
    expect(await outcomes([waits.next()])).toEqual(["OUTCOME_UNKNOWN"]);
    await expect(take(bench, parked)).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
    expect(bench.gone).toHaveLength(1);
  });
});

describe("a side that breaks the rules", () => {
  test("items beyond the window end the caller's link", async () => {
    const { wire, stream } = open();
    void stream("count", [1]).next();
    await breathe();
    const flood = Array.from({ length: STREAM_WINDOW_ITEMS + 2 }, (_, n) => [ITEM, 1, n]);
    expect(() => wire.near.handlers?.onItems(flood)).toThrow(/FRAME_INVALID/);
  });

  test("grants for items that never left end the host's link", () => {
    const { wire } = open();
    const call = [CALL_WITH, 1, "x", "plain", [100], { window: 4, cancellable: true }];
    wire.far.handlers?.onItems([call]);
    expect(wire.far.sent.filter(([kind]) => kind === ITEM)).toHaveLength(4);
    wire.far.handlers?.onItems([[GRANT, 1, 2]]);
    expect(wire.far.sent.filter(([kind]) => kind === ITEM)).toHaveLength(6);
    expect(() => wire.far.handlers?.onItems([[GRANT, 1, 5]])).toThrow(/FRAME_INVALID/);
    // A grant that crosses the end is nobody's fault.
    wire.far.handlers?.onItems([[CANCEL, 1]]);
    expect(wire.far.sent.at(-1)).toEqual([END, 1]);
    wire.far.handlers?.onItems([[GRANT, 1, 5]]);
  });
});

test("a stream's credit is free after its first item", async () => {
  const { bench, wire, stream } = open();
  wire.near.handlers?.onItems([[12, "x", 1]]);
  const items = stream("count", [100]);
  await take(bench, items, 1);
  const call = bench.caller.call("x", "look", []);
  await bench.rest();
  expect(await now(call)).toBe(STREAM_WINDOW_ITEMS);
  expect(wire.far.sent.some(([kind]) => kind === OK)).toBe(true);
  expect(wire.far.sent.some(([kind]) => kind === ERROR)).toBe(false);
});
