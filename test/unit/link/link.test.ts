/** What a link does by itself as time passes, and at its ends: in virtual time. */
import { describe, expect, it } from "vitest";
import { SystemError } from "../../../runtime/errors.ts";
import { encodeFrame } from "../../../runtime/frame/codec.ts";
import {
  bareFrame,
  FLAG_ACCEPTOR,
  FLAG_DIED,
  FLAG_PING,
  FLAG_PONG,
  FLAG_RESEND,
  FLAG_RESET,
  FLAG_SYNC,
  LANE_CONTROL,
  LANE_DATA,
  type PrefixFields,
  readPrefix,
} from "../../../runtime/frame/prefix.ts";
import { newProcessId, type ProcessId } from "../../../runtime/ids.ts";
import {
  LINK_LATE_MS,
  LINK_PING_MS,
  LINK_SILENCE_MS,
  LINK_SYNC_MAX_MS,
} from "../../../runtime/limits.ts";
import type { Carrier } from "../../../runtime/link/carrier.ts";
import { LinkTable } from "../../../runtime/link/table.ts";
import { type End, openLink, simulatedWorld } from "./world.ts";
import { VirtualClock } from "./virtual-clock.ts";

const all = (): boolean => true;

/** A link that was used both ways and has nothing under way. */
async function quiet(options: Parameters<typeof simulatedWorld>[0] = {}) {
  const world = simulatedWorld(options);
  const { link, seen } = openLink(world.a, world.b);
  link.send("hello");
  await world.until("the link is accepted", () => world.b.accepted.length > 0);
  const far = world.b.accepted[0] as End["accepted"][number];
  far.link.send("welcome");
  world.clock.advance(5_000);
  return { ...world, link, seen, far };
}

describe("silence", () => {
  it("of 10 s ends a link that waits for something, on its side", async () => {
    const { a, b, clock, link, seen, far } = await quiet();
    b.faults.swallow = all;
    link.keepAlive(true);
    clock.advance(LINK_SILENCE_MS - 10);
    expect(seen.resets).toEqual([]);
    clock.advance(20);
    expect(seen.resets).toMatchObject([{ error: { code: "LINK_RESET" }, unsent: 0 }]);
    expect(far.seen.resets).toMatchObject([{ error: { code: "LINK_RESET" } }]);
    expect([a.table.size, b.table.size, clock.pending]).toEqual([0, 0, 0]);
  });

  it("counts from when something is pending: an hour without a call is no silence", async () => {
    const { b, clock, link, seen } = await quiet();
    b.faults.swallow = all;
    clock.advance(3_600_000);
    link.send("call");
    clock.advance(LINK_SILENCE_MS - 100);
    expect(seen.resets).toEqual([]);
    clock.advance(200);
    expect(seen.resets).toHaveLength(1);
  });

  it("is no matter while nothing is pending, and no timer is alive then", async () => {
    const { b, clock, link, seen, a } = await quiet();
    expect(clock.pending).toBe(0);
    b.faults.swallow = all;
    const before = a.traffic.frames;
    clock.advance(3_600_000);
    expect([seen.resets.length, link.isOpen, a.traffic.frames]).toEqual([0, true, before]);
  });

  it("ends when it ends being pending", async () => {
    const { clock, link, seen, b } = await quiet();
    b.faults.swallow = all;
    link.keepAlive(true);
    clock.advance(LINK_SILENCE_MS / 2);
    link.keepAlive(false);
    clock.advance(LINK_SILENCE_MS);
    expect([seen.resets.length, clock.pending]).toEqual([0, 0]);
  });

  it("is broken by the answer to a ping, as long as it takes", async () => {
    const { a, b, clock, link, seen, far } = await quiet();
    link.keepAlive(true);
    const before = a.traffic.frames;
    clock.advance(60_000);
    expect([seen.resets, far.seen.resets]).toEqual([[], []]);
    const pings = a.traffic.frames - before;
    expect(pings).toBeGreaterThan(60_000 / LINK_PING_MS / 2);
    expect(pings).toBeLessThan((60_000 / LINK_PING_MS) * 1.5);
    expect(b.table.size).toBe(1);
  });

  it("of a process that is seen to run ends nothing; of one that isn't, it does", async () => {
    let runs: boolean | undefined = true;
    const asked: ProcessId[] = [];
    const vouch = (process: ProcessId): boolean | undefined => {
      asked.push(process);
      return runs;
    };
    const { b, clock, link, seen } = await quiet({ vouch });
    b.faults.swallow = all;
    link.keepAlive(true);
    clock.advance(60_000);
    expect(seen.resets).toEqual([]);
    expect(new Set(asked)).toEqual(new Set([b.process]));
    runs = false;
    clock.advance(LINK_SILENCE_MS + LINK_PING_MS);
    expect(seen.resets).toHaveLength(1);
  });

  it("that this process slept through itself doesn't count", async () => {
    const { b, clock, link, seen } = await quiet();
    b.faults.delayMs = 1;
    link.keepAlive(true);
    clock.advance(1_000);
    clock.sleep(LINK_SILENCE_MS + LINK_LATE_MS + 1);
    clock.advance(LINK_SILENCE_MS * 2);
    expect(seen.resets).toEqual([]);
    b.faults.swallow = all;
    clock.advance(LINK_SILENCE_MS * 2);
    expect(seen.resets).toHaveLength(1);
  });
});

describe("a frame without an ack", () => {
  it("is asked about ever more rarely, and sent again when it is missing", async () => {
    const { a, b, clock, link, far } = await quiet();
    a.faults.swallow = all;
    const before = a.traffic.frames;
    link.send("lost");
    clock.advance(5_000);
    // One frame; questions after 100, 200, 400, 800 ms, then each second; a ping or two.
    expect(a.traffic.frames - before).toBeGreaterThan(5);
    expect(a.traffic.frames - before).toBeLessThan(14);
    a.faults.swallow = undefined;
    clock.advance(LINK_SYNC_MAX_MS + 100);
    expect(far.seen.items).toEqual(["hello", "lost"]);
    clock.advance(5_000);
    expect([link.isIdle, clock.pending]).toEqual([true, 0]);
    expect([a.table.counters.resent, b.table.counters.duplicates]).toEqual([1, 0]);
  });

  it("is acknowledged by itself when nothing goes the other way, in a few ms", async () => {
    const { a, b, clock, link } = await quiet();
    const before = b.traffic.frames;
    for (let i = 0; i < 20; i++) {
      link.send(i);
      link.flush();
    }
    clock.advance(6);
    expect([link.isIdle, b.traffic.frames - before]).toEqual([true, 1]);
    expect(a.table.counters.resent).toBe(0);
  });

  it("is acknowledged by an answer without a frame more", async () => {
    const { a, b, clock, link, far } = await quiet();
    const before = [a.traffic.frames, b.traffic.frames];
    for (let i = 0; i < 20; i++) {
      link.send(i);
      clock.advance(1);
      far.link.send(i);
      clock.advance(1);
    }
    expect(a.traffic.frames - (before[0] ?? 0)).toBe(20);
    expect(b.traffic.frames - (before[1] ?? 0)).toBe(20);
  });
});

describe("a process's end", () => {
  it("that is told ends all links to it and no other", async () => {
    const { a, b, clock, seen } = await quiet();
    const notice = (process: ProcessId) =>
      encodeFrame(
        {
          lane: LANE_CONTROL,
          flags: FLAG_DIED,
          source: process,
          destination: a.process,
          link: 0,
          sequence: 0,
          ack: 0,
        },
        "SIGKILL",
      );
    const second = openLink(a, b);
    second.link.send("x");
    second.link.flush();
    const sent = a.traffic.frames;
    a.table.take(notice(newProcessId()), a.carrier);
    expect(seen.resets).toEqual([]);
    const died = { error: { code: "ACTOR_DIED", where: { process: b.process } }, unsent: 0 };
    a.table.take(notice(b.process), a.carrier);
    expect([seen.resets, second.seen.resets]).toMatchObject([[died], [died]]);
    a.table.take(notice(b.process), a.carrier);
    clock.advance(60_000);
    expect([seen.resets.length, second.seen.resets.length, a.table.size]).toEqual([1, 1, 0]);
    expect(a.traffic.frames).toBe(sent);
  });

  it("that comes by another carrier than the link's isn't believed", async () => {
    const { a, b, seen } = await quiet();
    const other: Carrier = { ...a.carrier };
    a.table.take(frameTo(a, b, { flags: FLAG_DIED, link: 0 }, "lies"), other);
    a.table.take(frameTo(a, b, { flags: FLAG_RESET | FLAG_ACCEPTOR }), other);
    expect(seen.resets).toEqual([]);
  });

  it("in order tells everybody", async () => {
    const { a, b, clock, seen, far } = await quiet();
    a.table.close(new SystemError("CANCELLED", "closing"));
    clock.advance(10);
    expect(seen.resets).toMatchObject([{ error: { code: "CANCELLED" } }]);
    expect(far.seen.resets).toMatchObject([{ error: { code: "LINK_RESET" } }]);
    expect([a.table.size, b.table.size]).toEqual([0, 0]);
  });
});

/** A frame to an end, as if from the other one; bare without a value. */
function frameTo(to: End, from: End, fields: Partial<PrefixFields>, value?: unknown): Uint8Array {
  const rest = { lane: LANE_DATA, flags: 0, link: 1, sequence: 0, ack: 0, ...fields } as const;
  const prefix = { ...rest, destination: to.process, source: from.process };
  return value === undefined ? bareFrame(prefix) : encodeFrame(prefix, value);
}

/** What a table answers to one frame of an unknown process. */
function answersTo(fields: Partial<PrefixFields>, value?: unknown): number[] {
  const { b, a } = simulatedWorld();
  const answers: number[] = [];
  const carrier: Carrier = {
    kind: "simulated",
    bufferedBytes: 0,
    close: () => {},
    send: (frame) => void answers.push(readPrefix(frame).flags),
  };
  b.table.take(frameTo(b, a, { link: 99, ...fields }, value), carrier);
  return answers;
}

describe("a frame of a link that isn't open", () => {
  const back = FLAG_ACCEPTOR;
  it.each<[string, number[], Partial<PrefixFields>, unknown?]>([
    ["that would be its first opens it", [], { sequence: 1 }, ["x"]],
    ["ahead of the first asks for that", [FLAG_RESEND | back], { sequence: 2 }, ["x"]],
    ["that asks how far it is asks for the first", [FLAG_RESEND | back], { flags: FLAG_SYNC }],
    ["a ping before the first ack", [FLAG_PONG | back, FLAG_RESEND | back], { flags: FLAG_PING }],
    ["a ping after one ends it", [FLAG_RESET | back], { flags: FLAG_PING, sequence: 2 }],
    ["of the accepting side ends it", [FLAG_RESET], { flags: back, sequence: 1 }, ["x"]],
    ["a question of the accepting side ends it", [FLAG_RESET], { flags: back | FLAG_SYNC }],
    ["an ack is heard without an answer", [], {}],
    ["an ack of the accepting side too", [], { flags: back }],
    ["a pong too", [], { flags: FLAG_PONG | back }],
    ["a reset too", [], { flags: FLAG_RESET }],
    ["a reset with anything else too", [], { flags: FLAG_RESET | FLAG_PING | FLAG_SYNC }],
    ["a death notice too", [], { flags: FLAG_DIED, link: 0 }, "killed"],
  ])("%s", (_what, answers, fields, value) => {
    expect(answersTo(fields, value)).toEqual(answers);
  });

  it("is reset where nobody accepts links", () => {
    const { a, b } = simulatedWorld();
    const table = new LinkTable({ self: b.process, clock: new VirtualClock() });
    const answers: number[] = [];
    const send = (frame: Uint8Array): void => void answers.push(readPrefix(frame).flags);
    const carrier: Carrier = { kind: "simulated", bufferedBytes: 0, close: () => {}, send };
    table.take(frameTo(b, a, { sequence: 1 }, ["x"]), carrier);
    expect(answers).toEqual([FLAG_RESET | FLAG_ACCEPTOR]);
  });

  it("that ended isn't opened again by its first frame that comes late", async () => {
    const { a, b, clock, link, far } = await quiet();
    const first = frameTo(b, a, { sequence: 1, link: link.id }, ["hello"]);
    far.link.reset(new SystemError("CANCELLED", "over"));
    clock.advance(10);
    b.table.take(first, b.carrier);
    expect(b.accepted).toHaveLength(1);
    expect(far.seen.items).toEqual(["hello"]);
  });

  it("waits for its first frame no longer than silence", () => {
    const { a, b, clock } = simulatedWorld();
    a.faults.swallow = all;
    b.table.take(frameTo(b, a, { sequence: 2, link: 7 }, ["x"]), b.carrier);
    expect(b.table.size).toBe(1);
    clock.advance(LINK_SILENCE_MS + 100);
    expect([b.table.size, b.accepted.length, clock.pending]).toEqual([0, 0, 0]);
  });
});

describe("a ping", () => {
  it("that says what is lost for good ends the link; any other is answered", async () => {
    const { a, b, clock, seen, far } = await quiet();
    const before = b.traffic.frames;
    // The link's frame 1 was received: 2 is what the other side can send next.
    b.table.take(frameTo(b, a, { flags: FLAG_PING, sequence: 2, ack: 1 }), b.carrier);
    clock.advance(10);
    expect([far.seen.resets, b.traffic.frames - before]).toEqual([[], 1]);
    b.table.take(frameTo(b, a, { flags: FLAG_PING, sequence: 3, ack: 1 }), b.carrier);
    clock.advance(10);
    expect([far.seen.resets, seen.resets]).toMatchObject([
      [{ error: { code: "LINK_RESET" } }],
      [{ error: { code: "LINK_RESET" } }],
    ]);
  });
});

describe("a pong", () => {
  it("of an agent, which knows no acks, is a sign of life and no more", async () => {
    const { a, b, clock, link, seen } = await quiet();
    b.faults.swallow = all;
    link.keepAlive(true);
    const pong = { flags: FLAG_PONG | FLAG_ACCEPTOR, ack: 77 } as const;
    for (let s = 0; s < 30; s += 5) {
      clock.advance(5_000);
      a.table.take(frameTo(a, b, pong), a.carrier);
    }
    expect([seen.resets, a.table.counters.refused]).toEqual([[], 0]);
    clock.advance(LINK_SILENCE_MS + 10);
    expect(seen.resets).toHaveLength(1);
  });
});

describe("a frame that breaks its link's rules", () => {
  it.each<[string, Partial<PrefixFields>, unknown?]>([
    ["an ack of what never left", { flags: FLAG_ACCEPTOR, ack: 2 }],
    ["no items", { flags: FLAG_ACCEPTOR, sequence: 2 }, { kind: "ok" }],
  ])("resets it, counted: %s", async (_what, fields, value) => {
    const { a, b, clock, seen, far } = await quiet();
    const frame = frameTo(a, b, fields, value);
    expect(() => a.table.take(frame, a.carrier)).toThrow("FRAME_INVALID");
    expect(a.table.counters.refused).toBe(1);
    expect(seen.resets).toMatchObject([{ error: { code: "FRAME_INVALID" } }]);
    clock.advance(10);
    expect(far.seen.resets).toMatchObject([{ error: { code: "LINK_RESET" } }]);
  });

  it("that is for another process, or of no link, is refused and counted", async () => {
    const { a, b, seen } = await quiet();
    const foreign = frameTo(b, a, { sequence: 1 }, ["x"]);
    expect(() => a.table.take(foreign, a.carrier)).toThrow("FRAME_INVALID");
    const none = frameTo(a, b, { link: 0, sequence: 1 }, ["x"]);
    expect(() => a.table.take(none, a.carrier)).toThrow("FRAME_INVALID");
    expect(() => a.table.take(none.subarray(0, 39), a.carrier)).toThrow("FRAME_INVALID");
    expect([a.table.counters.refused, seen.resets.length]).toEqual([3, 0]);
  });

  it("resets it when who takes the items refuses them", () => {
    const world = simulatedWorld();
    const self = newProcessId();
    const onItems = (): void => {
      throw new SystemError("FRAME_INVALID", "no such item");
    };
    const accept = () => ({ onItems, onReset: () => {} });
    const table = new LinkTable({ self, clock: world.clock, accept });
    const fields = { lane: LANE_DATA, flags: 0, link: 1, sequence: 1, ack: 0 } as const;
    const ends = { destination: self, source: world.a.process };
    const frame = encodeFrame({ ...fields, ...ends }, [["bad"]]);
    expect(() => table.take(frame, world.a.carrier)).toThrow("no such item");
    expect([table.size, table.counters.refused]).toEqual([0, 1]);
  });
});
