/** The host: many callers, full mailboxes, answers that don't leave, broken items, stats. */
import { describe, expect, test } from "vitest";
import { callContext } from "../../../runtime/actor/context.ts";
import { CALL, ERROR, GRANT, WINDOW } from "../../../runtime/actor/items.ts";
import { SystemError } from "../../../runtime/errors.ts";
import type { ProcessId } from "../../../runtime/ids.ts";
import { CALL_WINDOW, MAILBOX_MAX } from "../../../runtime/limits.ts";
import { breathe, gated, hosting } from "./support.ts";

describe("many callers", () => {
  test("share the mailbox: their windows shrink as they come and grow as they go", () => {
    const { Gated } = gated();
    const { bench, wire } = hosting(Gated);
    const ids = Array.from({ length: 40 }, (_, n) => n.toString(16).padStart(16, "0") as ProcessId);
    wire.far.handlers?.onItems([[CALL, 1, "x", "at", [1]]]);
    const others = ids.map((id) => bench.wire(id));
    for (const other of others) other.far.handlers?.onItems([[CALL, 1, "x", "at", [1]]]);
    const windows = (): unknown[] =>
      wire.far.sent.filter(([kind]) => kind === WINDOW).map((item) => item[2]);
    expect(windows()).toEqual([512, 256, 128]);
    // The last one was told as it came.
    expect(others.at(-1)?.far.sent).toContainEqual([WINDOW, "x", 128]);
    for (const other of others) other.cut();
    expect(windows()).toEqual([512, 256, 128, 256, 512, CALL_WINDOW]);
  });

  test("a full mailbox answers OVERLOADED, and the others in order", async () => {
    const { Gated, gates, started } = gated();
    const { wire } = hosting(Gated);
    for (let id = 1; id <= MAILBOX_MAX + 2; id += 1) {
      wire.far.handlers?.onItems([[CALL, id, "x", id === 1 ? "go" : "at", [id]]]);
    }
    expect(wire.far.sent).toMatchObject([[ERROR, MAILBOX_MAX + 2, { code: "OVERLOADED" }]]);
    gates[0]?.resolve(1);
    await breathe();
    expect(started).toEqual(Array.from({ length: MAILBOX_MAX + 1 }, (_, n) => n + 1));
  });

  test("a caller that is gone: waiting calls are dropped, running ones aborted", async () => {
    const signals: AbortSignal[] = [];
    const started: unknown[] = [];
    class Listens {
      async go(n: unknown): Promise<void> {
        started.push(n);
        const { signal } = callContext();
        signals.push(signal);
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      }
    }
    const { bench, wire, call } = hosting(Listens);
    void call("go", [1]);
    void call("go", [2]);
    const other = bench.wire("c".repeat(16) as ProcessId);
    await bench.rest();
    other.far.handlers?.onItems([[CALL, 1, "x", "go", [3]]]);
    wire.cut();
    await bench.rest();
    expect(signals[0]?.aborted).toBe(true);
    expect(started).toEqual([1, 3]);
    expect(signals[1]?.aborted).toBe(false);
  });
});

test("stats tell what an actor did and for how long", async () => {
  const { Gated, gates } = gated();
  const { bench, call } = hosting(Gated);
  void call("go", [1]);
  void call("at", [2]);
  await bench.rest();
  expect(bench.host.stats("x")).toMatchObject([{ running: 1, waiting: 1, busyMs: 0 }]);
  bench.clock.spend(30);
  gates[0]?.resolve(1);
  await bench.rest();
  const done = { running: 0, waiting: 0, answered: 2, failed: 0, busyMs: 30 };
  expect(bench.host.stats("x")).toMatchObject([{ actorId: "x", incarnation: 0, ...done }]);
});

test("an answer that the data lane refuses becomes a short one on the other lane", () => {
  const { wire } = hosting(gated().Gated);
  wire.far.send = () => {
    throw new SystemError("OVERLOADED", "the other process takes nothing");
  };
  wire.far.handlers?.onItems([[CALL, 1, "x", "at", [1]]]);
  expect(wire.far.sent).toMatchObject([[ERROR, 1, { code: "OVERLOADED" }]]);
});

test("an answer that the link refuses to take ends the link, not the process", () => {
  const { wire } = hosting(gated().Gated);
  const refuse = (): never => {
    throw new SystemError("OVERLOADED", "the other process takes nothing");
  };
  Object.assign(wire.far, { send: refuse, sendControl: refuse });
  wire.far.handlers?.onItems([[CALL, 1, "x", "at", [1]]]);
  expect(wire.far.resetWith).toMatchObject({ code: "OVERLOADED" });
});

test("broken items are FRAME_INVALID", () => {
  const { wire } = hosting(gated().Gated);
  const broken = [[CALL, 0, "x", "at", []], [99], "text", [GRANT, 1], [CALL, 1, "x", "at"]];
  for (const item of broken) expect(() => wire.far.handlers?.onItems([item])).toThrow(/FRAME_/);
});
