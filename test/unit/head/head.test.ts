/** Who leads, who stands by, and when one becomes the other, whatever fails in between. */
import { describe, expect, test } from "vitest";
import { segmentUri } from "../../../head/daemon/log.ts";
import { BEACON_SILENCE_MS, FENCED_LINGER_MS, LEASE_LOOK_MS } from "../../../head/limits.ts";
import type { ApiRequest } from "../../../runtime/messages.ts";
import { type OneHead, STATE, World } from "./heads.ts";
import { settled } from "./memory.ts";
import { jobIdOf, PROGRAM, specOf } from "./support.ts";

const WORKER = "w-000000000001";
const OTHER = "w-000000000002";
const SUBMIT: ApiRequest = { op: "submit-program", program: PROGRAM, argv: [] };

const segments = ({ storage }: World) =>
  [...storage.files.keys()].filter((uri) => uri.startsWith(`${STATE}/log/`)).length;
const leaders = ({ heads }: World) => heads.filter(({ head }) => head.epoch !== undefined);

/** A leader and one who stands by for it. */
async function newPair(): Promise<{ world: World; leader: OneHead; standby: OneHead }> {
  const world = new World();
  const leader = await world.start();
  const standby = await world.start({ standby: true });
  await world.pass(1_000);
  return { world, leader, standby };
}

describe("a head that stands by", () => {
  test("doesn't lead while the leader is heard, however long", async () => {
    const { world, standby } = await newPair();
    await world.pass(20_000);
    expect([standby.led, segments(world)]).toEqual([[], 1]);
  });

  test("leads a second after the leader is gone, and has all that it recorded", async () => {
    const { world, leader, standby } = await newPair();
    world.ask(1, SUBMIT);
    await world.pass(500);
    const { jobId } = world.replies()[0] as unknown as { readonly jobId?: string };
    expect(jobId).toBeUndefined();
    world.kill(leader);
    await world.pass(BEACON_SILENCE_MS - 300);
    expect(standby.led).toEqual([]);
    await world.pass(600);
    expect(standby.led).toEqual([2]);
    expect(standby.head.state?.durable.programs.size).toBe(1);
    expect(standby.head.tail).toBe(segments(world));
  });

  test("leads a cluster that has no leader at all", async () => {
    const world = new World();
    const only = await world.start({ standby: true });
    await world.pass(BEACON_SILENCE_MS + 200);
    expect(only.led).toEqual([1]);
  });

  test("is one of several that race; the others apply its segment and wait", async () => {
    const { world, leader, standby } = await newPair();
    const more = [await world.start({ standby: true }), await world.start({ standby: true })];
    await world.pass(500);
    world.kill(leader);
    await world.pass(2_000);
    expect(leaders(world)).toHaveLength(1);
    expect([standby, ...more].flatMap(({ led }) => led)).toEqual([2]);
    expect(segments(world)).toBe(2);
    for (const { fatal } of world.heads) expect(fatal).toEqual([]);
    const [first] = leaders(world);
    if (first !== undefined) world.kill(first);
    await world.pass(2_000);
    expect(leaders(world).flatMap(({ led }) => led)).toEqual([3]);
  });

  test("doesn't count silence while its own ticks are late", async () => {
    const { world, leader, standby } = await newPair();
    world.kill(leader);
    for (let times = 0; times < 10; times += 1) {
      await world.pass(600);
      standby.clock.stall(400);
    }
    expect(standby.led).toEqual([]);
    await world.pass(BEACON_SILENCE_MS + 200);
    expect(standby.led).toEqual([2]);
  });

  test("doesn't count silence while its bus is away", async () => {
    const { world, leader, standby } = await newPair();
    world.kill(leader);
    standby.bus.enter("disconnected");
    await world.pass(5_000);
    expect(standby.led).toEqual([]);
    standby.bus.enter("connected");
    await world.pass(BEACON_SILENCE_MS + 200);
    expect(standby.led).toEqual([2]);
  });

  test("doesn't replace a leader that it doesn't hear but that goes on appending", async () => {
    const { world, leader, standby } = await newPair();
    world.hub.cut.add(standby.identity);
    for (let id = 1; id < 30; id += 1) {
      world.ask(id, SUBMIT);
      await world.pass(200);
    }
    expect([standby.led, leader.fatal]).toEqual([[], []]);
    await world.pass(2 * BEACON_SILENCE_MS + 200);
    expect(standby.led).toEqual([2]);
  });

  test("goes on over storage that fails for a while, and leads when it answers", async () => {
    const { world, leader, standby } = await newPair();
    world.storage.fault = () => true;
    world.kill(leader);
    await world.pass(5_000);
    expect([standby.led, standby.fatal]).toEqual([[], []]);
    world.storage.fault = () => false;
    await world.pass(2 * BEACON_SILENCE_MS + 200);
    expect(standby.led).toEqual([2]);
  });

  test("ends when a segment that it takes is damaged", async () => {
    const { world, leader, standby } = await newPair();
    world.storage.gate = async (op, uri) => {
      if (op !== "readIfPresent" || uri !== segmentUri(STATE, 2)) return;
      if (world.storage.files.has(uri)) world.storage.change(uri, (bytes) => bytes.fill(65, 9, 12));
    };
    world.ask(1, SUBMIT);
    await world.pass(1_000);
    expect(standby.fatal.map(({ code }) => code)).toEqual(["LOG_CORRUPT"]);
    expect(leader.fatal).toEqual([]);
  });
});

describe("a leader that stood still", () => {
  /** It is stopped for 20 s, and another one leads meanwhile; then it goes on. */
  async function paused() {
    const { world, leader, standby } = await newPair();
    world.report(WORKER);
    await world.pass(200);
    const others = world.heads.filter((one) => one !== leader);
    world.hub.cut.add(leader.identity);
    await world.pass(20_000, others);
    expect(standby.led).toEqual([2]);
    const from = world.hub.said.length;
    leader.clock.stall(20_000);
    world.hub.cut.delete(leader.identity);
    return { world, leader, standby, from };
  }

  test("says nothing before it has looked, and ends", async () => {
    const { world, leader, from } = await paused();
    // What came for it while it stood still, before any beacon of the new leader.
    world.ask(7, { op: "status" });
    world.report(WORKER);
    await world.pass(2_000);
    expect(world.hub.by(leader.identity, "beacon", from)).toEqual([]);
    expect(world.replies(from).filter(({ by }) => by === leader.identity)).toEqual([]);
    expect(world.commands(WORKER, from).filter(({ by }) => by === leader.identity)).toEqual([]);
    expect(leader.fatal).toMatchObject([{ code: "LOG_FENCED", where: { heard: 2 } }]);
  });

  test("ends at its next append, and leaves nothing in the log", async () => {
    const { world, leader, standby } = await paused();
    world.hub.cut.add(standby.identity);
    const before = segments(world);
    world.ask(7, SUBMIT);
    await world.pass(FENCED_LINGER_MS + 500);
    expect(leader.fatal).toMatchObject([{ code: "LOG_FENCED" }]);
    expect(leader.fatal[0]?.where["heard"]).toBeUndefined();
    expect(segments(world)).toBe(before);
  });

  test("ends when a worker knows a higher epoch", async () => {
    const { world, leader, standby } = await paused();
    world.hub.cut.add(standby.identity);
    world.report(WORKER, { seen: { epoch: 2, sequence: 0 }, tail: 2 });
    await world.pass(FENCED_LINGER_MS + 200, [leader]);
    expect(leader.fatal).toMatchObject([{ code: "LOG_FENCED" }]);
  });

  test("but wasn't replaced looks, and then says what it held back", async () => {
    const world = new World();
    const leader = await world.start();
    await world.pass(1_000);
    leader.clock.stall(20_000);
    const looks: string[] = [];
    world.storage.gate = async (op) => void looks.push(op);
    world.ask(7, { op: "status" });
    await world.pass(500);
    expect(looks).toContain("look");
    expect(world.replies().map(({ id }) => id)).toEqual([7]);
    expect(leader.fatal).toEqual([]);
  });
});

describe("a head whose log is shorter than it was", () => {
  test("ends with what to do when a worker remembers more", async () => {
    const world = new World();
    const leader = await world.start();
    world.report(WORKER, { tail: 9, seen: { epoch: 1, sequence: 3 } });
    await world.pass(200);
    expect(leader.fatal).toMatchObject([{ code: "LOG_TAIL_LOST" }]);
    expect(leader.fatal[0]?.message).toMatch(/segment 9.*bring back the state as it was/);
  });

  test("ends as well when it is empty, and workers know of a leader", async () => {
    const world = new World();
    const leader = await world.start();
    world.report(WORKER, { tail: 0, seen: { epoch: 4, sequence: 3 } });
    await world.pass(200);
    expect(leader.fatal).toMatchObject([{ code: "LOG_TAIL_LOST" }]);
  });

  test("that its supervisor remembers doesn't lead, and appends nothing", async () => {
    const world = new World();
    const { head } = world.newHead({ tail: 3 });
    await expect(head.start()).rejects.toMatchObject({ code: "LOG_TAIL_LOST" });
    expect(segments(world)).toBe(0);
  });

  test("doesn't lead after it stood by for a longer one, whatever it knows", async () => {
    const { world, leader, standby } = await newPair();
    for (let id = 1; id < 4; id += 1) {
      world.ask(id, SUBMIT);
      await world.pass(200);
    }
    const late = await world.start({ standby: true });
    await world.pass(300);
    world.kill(leader);
    world.kill(standby);
    for (let n = 3; n <= leader.head.tail; n += 1) {
      world.storage.files.delete(segmentUri(STATE, n));
    }
    const later = await world.start({ standby: true, tail: 4 });
    await world.pass(3_000);
    for (const { fatal, led } of [late, later]) {
      expect([fatal, led]).toMatchObject([[{ code: "LOG_TAIL_LOST" }], []]);
    }
    expect(segments(world)).toBe(2);
  });
});

describe("a new leader", () => {
  test("asks workers that were heard what they hold before it places anything", async () => {
    const { world, leader, standby } = await newPair();
    const spec = specOf("a");
    const task = `plan/${jobIdOf(spec)}`;
    world.report(WORKER);
    world.report(OTHER, { incarnation: 2 });
    await world.pass(200);
    world.ask(1, { op: "submit-dataset", spec, continuation: null });
    await world.pass(200);
    const [given] = world.hub.said.flatMap(({ kind, subject, value }) => {
      const { assign = [] } = value as { readonly assign?: readonly { task: string }[] };
      return kind === "cmd" && assign.some((one) => one.task === task) ? [subject] : [];
    });
    const holder = given?.includes(WORKER) === true ? WORKER : OTHER;
    const idle = holder === WORKER ? OTHER : WORKER;
    const incarnation = (worker: string) => (worker === WORKER ? 1 : 2);
    world.kill(leader);
    const from = world.hub.said.length;
    await world.pass(BEACON_SILENCE_MS / 2);
    expect(standby.led).toEqual([]);
    for (const worker of [WORKER, OTHER]) {
      const held = worker === holder ? [{ task, attempt: 0 }] : [];
      world.report(worker, { incarnation: incarnation(worker), held });
    }
    while (standby.led.length === 0) await world.pass(50);
    const seen = { epoch: 2, sequence: 0 };
    world.report(idle, { incarnation: incarnation(idle), seen, slots: 4 });
    await world.pass(100);
    world.report(holder, { incarnation: incarnation(holder), seen, held: [{ task, attempt: 0 }] });
    await world.pass(1_000);
    const later = [...world.commands(idle, from), ...world.commands(holder, from)];
    expect(later.flatMap(({ assign }) => assign)).toEqual([]);
    expect(later.flatMap(({ cancel }) => cancel)).toEqual([]);
  });

  test("answers a request that the one before it recorded and didn't answer, once", async () => {
    const { world, leader, standby } = await newPair();
    // The fact is made durable, but nothing leaves the old leader any more.
    world.storage.gate = async (op) => {
      if (op === "createIfAbsent") world.hub.cut.add(leader.identity);
    };
    world.ask(1, SUBMIT);
    await world.pass(200);
    expect(world.replies()).toEqual([]);
    world.kill(leader);
    world.storage.gate = async () => {};
    await world.pass(2_000);
    const [job] = standby.head.state?.durable.programs.keys() ?? [];
    const facts = standby.head.state?.durable.facts;
    for (let times = 0; times < 3; times += 1) world.ask(1, SUBMIT);
    await world.pass(300);
    const answers = world.replies();
    expect(answers.map(({ id, epoch }) => [id, epoch])).toEqual([[1, 2]]);
    expect(answers[0]).toMatchObject({ value: { jobId: job } });
    expect(standby.head.state?.durable.facts).toBe(facts);
  });

  test("ends at once when a higher beacon was heard before", async () => {
    const { world, standby, leader } = await newPair();
    world.kill(leader);
    await world.pass(3_000);
    expect(standby.led).toEqual([2]);
    const third = await world.start();
    expect(third.led).toEqual([3]);
    await world.pass(400);
    expect(standby.fatal).toMatchObject([{ code: "LOG_FENCED", where: { heard: 3 } }]);
  });
});

describe("a confirmation", () => {
  /** A leader with a worker of which the core takes that a named actor lives there. */
  async function withNamed() {
    const { world, leader, standby } = await newPair();
    world.report(WORKER);
    await world.pass(200);
    const view = leader.head.state?.workers.get(WORKER);
    if (view !== undefined) view.named = 1;
    return { world, leader, standby };
  }
  const heards = (world: World, from: number) =>
    world.commands(WORKER, from).map(({ heard }) => heard);

  test("of a report leaves within a second, behind a look, and with no append", async () => {
    const { world } = await withNamed();
    for (let beats = 0; beats < 3; beats += 1) {
      const from = world.hub.said.length;
      world.report(WORKER);
      await world.pass(LEASE_LOOK_MS + 200);
      expect(heards(world, from)).toContain(world.number);
    }
  });

  test("never leaves while the log's end can't be seen", async () => {
    const { world } = await withNamed();
    world.report(WORKER);
    await world.pass(LEASE_LOOK_MS + 200);
    const last = world.number;
    world.storage.fault = (op) => op === "look";
    const from = world.hub.said.length;
    for (let beats = 0; beats < 5; beats += 1) {
      world.report(WORKER);
      await world.pass(1_000);
    }
    expect(Math.max(...heards(world, from))).toBeLessThanOrEqual(last);
    expect(heards(world, from).length).toBeGreaterThan(0);
  });

  test("doesn't wait for an append that is under way", async () => {
    const { world } = await withNamed();
    world.report(WORKER);
    await world.pass(LEASE_LOOK_MS + 200);
    let open: () => void = () => {};
    world.storage.gate = async (op) => {
      if (op === "createIfAbsent") await new Promise<void>((settle) => (open = settle));
    };
    world.ask(1, SUBMIT);
    await world.pass(100);
    const from = world.hub.said.length;
    world.report(WORKER);
    await world.pass(100);
    open();
    await world.pass(300);
    expect(heards(world, from).length).toBeGreaterThan(0);
  });

  test("of a leader that another one replaced counts nothing that came afterwards", async () => {
    const { world, leader, standby } = await withNamed();
    world.report(WORKER);
    await world.pass(LEASE_LOOK_MS + 200);
    const last = world.number;
    // The two don't hear each other, and the worker still hears the old one alone.
    world.hub.cut.add(standby.identity);
    await world.pass(2_000);
    expect(standby.led).toEqual([2]);
    const from = world.hub.said.length;
    for (let beats = 0; beats < 5; beats += 1) {
      world.report(WORKER);
      await world.pass(500);
    }
    expect(Math.max(0, ...heards(world, from))).toBeLessThanOrEqual(last);
    expect(leader.fatal).toMatchObject([{ code: "LOG_FENCED" }]);
  });
});

describe("a head whose bus is closed for good", () => {
  test("ends, leading or not", async () => {
    const { leader, standby } = await newPair();
    for (const one of [leader, standby]) {
      one.bus.enter("closed");
      await settled();
      expect(one.fatal).toMatchObject([{ code: "NATS_UNREACHABLE" }]);
    }
  });
});
