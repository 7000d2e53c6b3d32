/**
 * A caller that takes nothing for a while: calls of it wait at the host instead of running into
 * answers that can't leave, others' calls go on, and each is answered once.
 */
import { describe, expect, test } from "vitest";
import { ActorCaller } from "../../../runtime/actor/caller.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { LINK_UNACKED_BYTES_MAX, LINK_WAITING_BYTES_MAX } from "../../../runtime/limits.ts";
import type { ProcessId } from "../../../runtime/ids.ts";
import { openLink, simulatedWorld } from "../link/world.ts";
import { gated, hosting, now, outcomes, Wire } from "./support.ts";

function ready(wire: Wire): void {
  wire.far.stalled = false;
  wire.far.handlers?.onReady?.();
}

describe("calls of a caller whose link has no room", () => {
  test("wait, and run in their order when there is room; those of others don't wait", async () => {
    const { Gated, started } = gated();
    const { bench, wire, call } = hosting(Gated);
    const other = new ActorCaller({ clock: bench.clock });
    const otherWire = new Wire(other, bench.host, "c".repeat(16) as ProcessId);
    bench.wires.push(otherWire);
    other.adopt("x");
    other.attach("x", otherWire.callerLink);

    wire.far.stalled = true;
    const mine = ["a", "b", "c"].map((name) => call("at", [name]));
    await bench.rest();
    const theirs = other.call("x", "at", ["theirs"]);
    await bench.rest();
    expect(await now(theirs)).toBe("theirs");
    expect(started).toEqual(["theirs"]);
    expect(bench.host.stats("x")).toMatchObject([{ waiting: 3 }]);

    wire.far.stalled = false;
    // One that comes before the link says that it is ready stays behind them.
    mine.push(call("at", ["d"]));
    await bench.rest();
    expect(started).toEqual(["theirs"]);
    ready(wire);
    await bench.rest();
    expect(await outcomes(mine)).toEqual(["a", "b", "c", "d"]);
    expect(started).toEqual(["theirs", "a", "b", "c", "d"]);
    expect(bench.host.stats("x")).toMatchObject([{ waiting: 0, answered: 5 }]);
  });

  test("can be given up, and the last one given up holds no later one back", async () => {
    const { Gated, started } = gated();
    const { bench, wire, call } = hosting(Gated);
    wire.far.stalled = true;
    const controller = new AbortController();
    const given = call("at", ["given up"], { signal: controller.signal });
    await bench.rest();
    controller.abort();
    await bench.rest();
    expect(await now(given)).toBe("CANCELLED");
    expect(bench.host.stats("x")).toMatchObject([{ waiting: 0 }]);
    wire.far.stalled = false;
    const later = call("at", ["later"]);
    await bench.rest();
    expect(await now(later)).toBe("later");
    expect(started).toEqual(["later"]);
  });

  test("end with their actor, and with their link", async () => {
    const { Gated, started } = gated();
    const { bench, wire, call } = hosting(Gated);
    wire.far.stalled = true;
    const lost = call("at", ["lost"]);
    await bench.rest();
    void bench.host.end("x", 0, new SystemError("ACTOR_DIED", "killed"));
    await bench.rest();
    expect(await now(lost)).toBe("ACTOR_DIED");

    const again = hosting(Gated);
    again.wire.far.stalled = true;
    const kept = again.call("at", ["kept"], { retries: 1 });
    await again.bench.rest();
    again.wire.cut();
    expect(again.bench.host.stats("x")).toMatchObject([{ waiting: 0 }]);
    const next = again.bench.wire();
    again.bench.caller.attach("x", next.callerLink);
    await again.bench.rest();
    expect(await now(kept)).toBe("kept");
    expect(started).toEqual(["kept"]);
  });

  test("with retries come again over another link, before the host knows of the end", async () => {
    const { Gated, started } = gated();
    const { bench, wire, call } = hosting(Gated);
    wire.far.stalled = true;
    const kept = ["a", "b"].map((name) => call("at", [name], { retries: 1 }));
    await bench.rest();
    wire.near.over(new SystemError("LINK_RESET", "silence"));
    const next = bench.wire();
    bench.caller.attach("x", next.callerLink);
    const later = call("at", ["c"]);
    await bench.rest();
    expect(await outcomes([...kept, later])).toEqual(["a", "b", "c"]);
    expect(started).toEqual(["a", "b", "c"]);
    wire.far.over(new SystemError("LINK_RESET", "silence"));
    expect(bench.host.stats("x")).toMatchObject([{ waiting: 0, answered: 3 }]);
  });
});

test("a stream whose link has no room takes no step, and ends when nobody wants it", async () => {
  const steps: unknown[] = [];
  class Counting {
    async *count(): AsyncGenerator<number> {
      try {
        for (let i = 0; ; i++) {
          steps.push(i);
          yield i;
        }
      } finally {
        steps.push("returned");
      }
    }
  }
  const { bench, wire } = hosting(Counting);
  wire.far.stalled = true;
  const stream = bench.caller.stream("x", "count", []);
  const first = stream.next();
  await bench.rest();
  expect(steps).toEqual([]);
  ready(wire);
  await bench.rest();
  expect(await first).toEqual({ value: 0, done: false });
  const before = steps.length;
  wire.far.stalled = true;
  for (let i = 1; i < 16; i++) await stream.next();
  await bench.rest();
  expect(steps.length).toBe(before);
  const end = stream.return();
  await bench.rest();
  await end;
  expect(steps.at(-1)).toBe("returned");
  expect(bench.host.stats("x")).toMatchObject([{ streams: 0, waiting: 0 }]);
});

test("an answer to what ran is never refused, however much waits on the link", () => {
  const { a, b } = simulatedWorld();
  const { link } = openLink(a, b);
  const bytes = new Uint8Array(400_000);
  const most = Math.ceil((LINK_UNACKED_BYTES_MAX + LINK_WAITING_BYTES_MAX) / bytes.length) + 2;
  for (let i = 0; i < most; i++) link.send(bytes, true);
  link.flush();
  expect(() => link.send(bytes)).toThrow("OVERLOADED");
  expect(link.send(bytes, true)).toBeGreaterThan(bytes.length);
});
