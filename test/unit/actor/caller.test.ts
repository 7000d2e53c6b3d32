/** Calls at the caller: credits, bounds, arguments, deadlines, signals. */
import { describe, expect, test } from "vitest";
import { CANCEL, OK, WINDOW } from "../../../runtime/actor/items.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { CALL_WINDOW, CALLS_PENDING_MAX, FRAME_BYTES_MAX } from "../../../runtime/limits.ts";
import { answer, Bench, calling, calls, now, outcomes } from "./support.ts";

describe("credits", () => {
  test("a window of calls is sent, the others wait in order and leave as answers come", () => {
    const { bench, wire } = calling();
    for (let i = 0; i < CALL_WINDOW + 3; i += 1) void bench.caller.call("x", `m${i}`, []);
    expect(calls(wire)).toHaveLength(CALL_WINDOW);
    answer(wire, [OK, 2, 1]);
    answer(wire, [OK, 1, 1]);
    const methods = calls(wire).map((item) => item[3]);
    expect(methods.slice(CALL_WINDOW)).toEqual([`m${CALL_WINDOW}`, `m${CALL_WINDOW + 1}`]);
    expect(bench.caller.pendingOf("x")).toBe(CALL_WINDOW + 1);
  });

  test("the host lowers the window and raises it again", () => {
    const { wire, call } = calling();
    answer(wire, [WINDOW, "x", 2]);
    const sent = ["a", "b", "c", "d", "e"].map((method) => call(method));
    expect(calls(wire)).toHaveLength(2);
    answer(wire, [OK, 1, 1]);
    expect(calls(wire)).toHaveLength(3);
    answer(wire, [WINDOW, "x", 4]);
    expect(calls(wire)).toHaveLength(5);
    expect(sent).toHaveLength(5);
  });

  test("a cancelled call's credit comes back with its answer, not before", async () => {
    const { wire, call } = calling();
    answer(wire, [WINDOW, "x", 1]);
    const abort = new AbortController();
    const first = call("a", { signal: abort.signal });
    void call("b");
    abort.abort();
    expect(await now(first)).toBe("CANCELLED");
    expect(calls(wire)).toHaveLength(1);
    answer(wire, [OK, 1, 1]);
    expect(calls(wire)).toHaveLength(2);
  });

  test("nothing is sent while the link is stalled", () => {
    const { wire, call } = calling();
    wire.near.stalled = true;
    void call("a");
    expect(calls(wire)).toHaveLength(0);
    wire.near.stalled = false;
    wire.near.handlers?.onReady?.();
    expect(calls(wire)).toHaveLength(1);
  });

  test("one actor's full window doesn't hold up another's calls", () => {
    const { bench, wire, call } = calling();
    answer(wire, [WINDOW, "x", 1]);
    for (const method of ["a", "b"]) void call(method);
    bench.caller.adopt("y");
    bench.caller.attach("y", wire.callerLink);
    void bench.caller.call("y", "c", []);
    expect(calls(wire).map((item) => item[3])).toEqual(["a", "c"]);
  });
});

describe("too many calls", () => {
  test("are OVERLOADED beyond maxPendingCalls, sent and waiting ones together", async () => {
    const { call } = calling(3);
    const taken = [call("a"), call("b"), call("c")];
    expect(await outcomes([call("d")])).toEqual(["OVERLOADED"]);
    expect(await now(taken[0] as Promise<unknown>)).toBe("pending");
  });

  test("are OVERLOADED beyond CALLS_PENDING_MAX by default, link or no link", async () => {
    const bench = new Bench();
    bench.caller.adopt("x");
    for (let i = 0; i < CALLS_PENDING_MAX; i += 1) void bench.caller.call("x", "m", []);
    expect(await outcomes([bench.caller.call("x", "m", [])])).toEqual(["OVERLOADED"]);
    expect(bench.wanted).toHaveLength(CALLS_PENDING_MAX);
  });

  test("a call that is refused by the packer holds nothing", async () => {
    const { bench, wire } = calling();
    const refused = [
      bench.caller.call("x", "m", [new Set()]),
      bench.caller.call("x", "m", [new Uint8Array(FRAME_BYTES_MAX)]),
    ];
    expect(await outcomes(refused)).toEqual(["NOT_SERIALIZABLE", "FRAME_TOO_LARGE"]);
    expect(bench.caller.pendingOf("x")).toBe(0);
    expect(wire.near.keptAlive).toBe(false);
  });
});

describe("arguments", () => {
  test("cross as they were when the call was made, also when it had to wait", () => {
    const { bench, wire } = calling();
    answer(wire, [WINDOW, "x", 1]);
    const batch = { rows: [1], bytes: Uint8Array.of(1) };
    for (let i = 0; i < 2; i += 1) void bench.caller.call("x", "m", [batch]);
    batch.rows.push(2);
    batch.bytes[0] = 9;
    answer(wire, [OK, 1, 1]);
    const args = calls(wire).map((item) => item[4]);
    expect(args).toEqual([[{ rows: [1], bytes: Uint8Array.of(1) }], args[0]]);
  });

  test("that don't cross are refused at once, also of a call that waits", async () => {
    const { bench, call, wire } = calling();
    answer(wire, [WINDOW, "x", 1]);
    void call("a");
    const refused = bench.caller.call("x", "m", [{ deep: new Map() }]);
    await expect(refused).rejects.toThrow(/NOT_SERIALIZABLE: \$\.args\[0\]\.deep/);
  });
});

describe("deadlines", () => {
  test("travel as what is left, and end the call at the caller with a CANCEL", async () => {
    const { bench, wire, call } = calling();
    const late = call("a", { deadlineMs: 50 });
    expect(calls(wire)[0]?.[5]).toEqual({ deadlineMs: 50, cancellable: true });
    bench.clock.pass(49);
    expect(await now(late)).toBe("pending");
    bench.clock.pass(1);
    expect(await now(late)).toBe("DEADLINE_EXCEEDED");
    expect(wire.near.sent.at(-1)).toEqual([CANCEL, 1]);
    // The late reply is dropped.
    answer(wire, [OK, 1, "late"]);
    expect(bench.caller.pendingOf("x")).toBe(0);
    expect(bench.clock.timers).toBe(0);
  });

  test("run while a call waits, and what is left then travels", async () => {
    const { bench, wire, call } = calling();
    answer(wire, [WINDOW, "x", 1]);
    void call("a");
    const [short, long] = [call("b", { deadlineMs: 10 }), call("c", { deadlineMs: 100 })];
    bench.clock.pass(20);
    expect(await now(short)).toBe("DEADLINE_EXCEEDED");
    answer(wire, [OK, 1, 1]);
    expect(calls(wire).map((item) => item[3])).toEqual(["a", "c"]);
    expect(calls(wire)[1]?.[5]).toEqual({ deadlineMs: 80, cancellable: true });
    answer(wire, [OK, 3, "in time"]);
    expect(await long).toBe("in time");
  });

  test("run while there is no link at all", async () => {
    const bench = new Bench();
    bench.caller.adopt("x");
    const call = bench.caller.call("x", "m", [], { deadlineMs: 5 });
    bench.clock.pass(5);
    expect(await now(call)).toBe("DEADLINE_EXCEEDED");
  });

  test("of no time at all aren't sent; out of range they are USAGE", async () => {
    const { wire, call } = calling();
    const wrong = [-1, Number.NaN, Infinity].map((deadlineMs) => call("a", { deadlineMs }));
    expect(await outcomes([call("a", { deadlineMs: 0 }), ...wrong, call("a", { retries: 0.5 })])) //
      .toEqual(["DEADLINE_EXCEEDED", "USAGE", "USAGE", "USAGE", "USAGE"]);
    expect(calls(wire)).toHaveLength(0);
  });

  test("thousands of them use one timer", () => {
    const { bench, call } = calling();
    for (let i = 0; i < 5_000; i += 1) void call("a", { deadlineMs: 1_000 + i }).catch(() => 0);
    expect(bench.clock.timers).toBe(1);
  });
});

describe("a signal", () => {
  test("aborted before the call sends nothing", async () => {
    const { wire, call } = calling();
    expect(await outcomes([call("a", { signal: AbortSignal.abort() })])).toEqual(["CANCELLED"]);
    expect(calls(wire)).toHaveLength(0);
  });

  test("ends all its calls, and those that wait never leave", async () => {
    const { wire, call } = calling();
    answer(wire, [WINDOW, "x", 1]);
    const abort = new AbortController();
    const ended = ["a", "b", "c"].map((method) => call(method, { signal: abort.signal }));
    const other = call("d");
    abort.abort(new Error("enough"));
    expect(await outcomes(ended)).toEqual(["CANCELLED", "CANCELLED", "CANCELLED"]);
    await expect(ended[0]).rejects.toMatchObject({ cause: { message: "enough" } });
    expect(wire.near.sent.filter(([kind]) => kind === CANCEL)).toEqual([[CANCEL, 1]]);
    answer(wire, [OK, 1, 1]);
    answer(wire, [OK, 4, "kept"]);
    expect(calls(wire).map((item) => item[3])).toEqual(["a", "d"]);
    expect(await other).toBe("kept");
  });

  test("is let go when its calls are over", async () => {
    const { wire, call } = calling();
    const { signal } = new AbortController();
    const removed: unknown[] = [];
    signal.removeEventListener = (type: string) => void removed.push(type);
    const both = [call("a", { signal }), call("b", { signal })];
    answer(wire, [OK, 1, 1]);
    expect(removed).toEqual([]);
    answer(wire, [OK, 2, 2]);
    expect(await Promise.all(both)).toEqual([1, 2]);
    expect(removed).toEqual(["abort"]);
  });

  test("on a stalled link cancels behind the call", () => {
    const { wire, call } = calling();
    const abort = new AbortController();
    void call("a", { signal: abort.signal }).catch(() => 0);
    wire.near.stalled = true;
    wire.near.sendControl = () => {
      throw new Error("it would pass the call");
    };
    abort.abort();
    expect(wire.near.sent.at(-1)).toEqual([CANCEL, 1]);
  });
});

test("silence matters while a call is unanswered", () => {
  const { wire, call } = calling();
  expect(wire.near.keptAlive).toBe(false);
  void call("a");
  expect(wire.near.keptAlive).toBe(true);
  answer(wire, [OK, 1, 1]);
  expect(wire.near.keptAlive).toBe(false);
});

test("a broken item is FRAME_INVALID", () => {
  const { wire } = calling();
  expect(() => answer(wire, [OK, 0, 1])).toThrow(/FRAME_INVALID/);
});

test("a closed caller fails everything, and what comes later", async () => {
  const { bench, wire, call } = calling();
  const sent = call("a");
  wire.toHost();
  bench.caller.close(new SystemError("CANCELLED", "the client closed"));
  expect(await outcomes([sent, call("b")])).toEqual(["OUTCOME_UNKNOWN", "ACTOR_DIED"]);
});
