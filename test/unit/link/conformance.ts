/**
 * What a link promises over every carrier, as tests. A carrier's own test file runs them over it;
 * faults are injected in front of it.
 */
import { describe, expect, it } from "vitest";
import { SystemError } from "../../../runtime/errors.ts";
import { FLAG_ACCEPTOR, LANE_DATA } from "../../../runtime/frame/prefix.ts";
import { FRAME_BYTES_MAX, LINK_UNACKED_BYTES_MAX } from "../../../runtime/limits.ts";
import { type Faults, randomOf } from "./faults.ts";
import { type End, openLink, type Recorder, type World } from "./world.ts";

const MODES: [string, Partial<Faults>][] = [
  ["behaves", {}],
  ["drops", { drop: 0.1 }],
  ["duplicates", { duplicate: 0.3 }],
  ["reorders", { reorder: 0.3 }],
  ["delays", { delayMs: 7 }],
  ["does all of that", { drop: 0.1, duplicate: 0.1, reorder: 0.1, delayMs: 2 }],
];

const ROUNDS = 8;
const ITEMS = 150;

/** Item `i` of a direction: what it holds follows from its number. */
function itemOf(i: number): unknown {
  if (i % 50 === 17) return [i, new Float64Array(1_000).fill(i)];
  return [i, i % 7 === 0 ? "x".repeat(i % 1_000) : { n: i }];
}

const itemsOf = (n: number): unknown[] => Array.from({ length: n }, (_, i) => itemOf(i));

/** An item of about so many bytes. */
const bulk = (i: number, bytes: number): unknown => [i, new Uint8Array(bytes).fill(i)];

/** Sends items `from` on, in frames of random sizes. */
function sendSome(
  link: { send(item: unknown): void; flush(): void },
  from: number,
  random: () => number,
) {
  for (let i = from; i < from + ITEMS; i++) {
    link.send(itemOf(i));
    if (random() < 0.1) link.flush();
  }
}

/** Sends bulk data until the link holds some back; how many items. */
function fill(
  link: { send(item: unknown): void; flush(): void; readonly stalled: boolean },
  bytes = 400_000,
): number {
  let n = 0;
  while (!link.stalled) link.send(bulk(n++, bytes));
  link.flush();
  return n;
}

/** Whether a frame carries items of the data lane. */
const isData = (frame: Uint8Array): boolean => frame.length > 40 && frame[1] === LANE_DATA;
/** Whether a frame is of the accepting side. */
const isAcceptors = (frame: Uint8Array): boolean => ((frame[2] ?? 0) & FLAG_ACCEPTOR) !== 0;

const numbersOf = (seen: Recorder | undefined): unknown[] =>
  (seen?.items ?? []).map((item) => (item as unknown[])[0]);

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Opens a link by an item and its answer: both ends know it then. */
async function established(world: World) {
  const { a, b } = world;
  const { link, seen } = openLink(a, b);
  link.send("hello");
  await world.until("the link is accepted", () => b.accepted.length > 0);
  const far = b.accepted.at(-1) as End["accepted"][number];
  far.link.send("welcome");
  await world.until("the answer", () => seen.items.length > 0 && link.isIdle && far.link.isIdle);
  seen.items.length = 0;
  far.seen.items.length = 0;
  return { link, seen, far };
}

/**
 * The suite.
 * @param makeWorld - two ends with a fresh way between them, for one test each.
 */
export function conformance(name: string, makeWorld: () => Promise<World>): void {
  describe(`a link over ${name}`, () => {
    deliveryTests(makeWorld);
    stallTests(makeWorld);
    boundTests(makeWorld);
    resetTests(makeWorld);
  });
}

/** All items, once, in order. */
function deliveryTests(makeWorld: () => Promise<World>): void {
  it.each(MODES)("brings all items once and in order, both ways: it %s", async (_mode, faults) => {
    const world = await makeWorld();
    const { a, b } = world;
    for (const end of [a, b]) Object.assign(end.faults, faults);
    const random = randomOf(7);
    const { link, seen } = openLink(a, b);
    link.send("hello");
    await world.until("the link is accepted", () => b.accepted.length > 0);
    const far = b.accepted[0] as End["accepted"][number];
    for (let round = 0; round < ROUNDS; round++) {
      sendSome(link, round * ITEMS, random);
      sendSome(far.link, round * ITEMS, random);
      await world.until("half of it", () => far.seen.items.length > (round * ITEMS) / 2);
    }
    const n = ROUNDS * ITEMS;
    await world.until("all items", () => far.seen.items.length > n && seen.items.length >= n);
    expect(far.seen.items).toStrictEqual(["hello", ...itemsOf(n)]);
    expect(seen.items).toStrictEqual(itemsOf(n));
    await world.until("all acks", () => link.isIdle && far.link.isIdle);
    expect([...seen.resets, ...far.seen.resets]).toEqual([]);
    expect(b.accepted).toHaveLength(1);
    const counters = [a.table.counters, b.table.counters];
    if (faults.drop !== undefined) {
      expect(counters[0]?.resent).toBeGreaterThan(0);
      expect(counters[1]?.gaps).toBeGreaterThan(0);
    }
    if (faults.duplicate !== undefined) expect(counters[1]?.duplicates).toBeGreaterThan(0);
  });
}

/** What waits for acks, and what doesn't. */
function stallTests(makeWorld: () => Promise<World>): void {
  it("lets control pass a stalled data lane, and data go on after it", async () => {
    const world = await makeWorld();
    const { link, far } = await established(world);
    // Nothing of the other side comes: no ack.
    world.b.faults.swallow = isAcceptors;
    const n = fill(link);
    const before = world.a.traffic.bytes;
    link.send(bulk(n, 1_000));
    link.flush();
    expect(world.a.traffic.bytes).toBe(before);
    link.sendControl("cancel");
    await world.until("the control item", () => far.seen.items.includes("cancel"));
    expect(numbersOf(far.seen)).not.toContain(n);
    world.b.faults.swallow = undefined;
    await world.until("the data behind it", () => numbersOf(far.seen).includes(n));
    const numbers = numbersOf(far.seen).filter((item) => typeof item === "number");
    expect(numbers).toEqual(upTo(n + 1));
    await world.until("room", () => !link.stalled);
  });

  it("keeps control behind what was sent before it while nothing is stalled", async () => {
    const world = await makeWorld();
    Object.assign(world.a.faults, { drop: 0.2, reorder: 0.3, duplicate: 0.2 });
    const { link, far } = await established(world);
    for (let i = 0; i < 200; i++) {
      if (i % 3 === 0) link.sendControl([i]);
      else link.send([i]);
      if (i % 10 === 0) link.flush();
    }
    await world.until("all", () => far.seen.items.length >= 200);
    expect(numbersOf(far.seen)).toEqual(upTo(200));
  });
}

/** What is held while it can't go on. */
function boundTests(makeWorld: () => Promise<World>): void {
  it("holds a bounded number of bytes when the receiver stops acking", async () => {
    const world = await makeWorld();
    const { link, seen, far } = await established(world);
    world.b.faults.swallow = isAcceptors;
    const before = world.a.traffic.bytes;
    let refused: unknown;
    let sent = 0;
    while (refused === undefined && sent < 1_000) {
      try {
        link.send(bulk(sent, 200_000));
        sent++;
      } catch (thrown) {
        refused = thrown;
      }
    }
    expect(refused).toMatchObject({ code: "OVERLOADED" });
    expect(sent * 200_000).toBeLessThan(2 * LINK_UNACKED_BYTES_MAX + 3 * FRAME_BYTES_MAX);
    const left = world.a.traffic.bytes - before;
    expect(left).toBeLessThan(LINK_UNACKED_BYTES_MAX + FRAME_BYTES_MAX);
    expect(link.stalled).toBe(true);
    world.b.faults.swallow = undefined;
    await world.until("all that was taken", () => far.seen.items.length === sent);
    await world.until("the sender hears of the room", () => seen.ready > 0 && !link.stalled);
    expect(numbersOf(far.seen)).toEqual(Array.from({ length: sent }, (_, i) => i));
  });

  it("holds a bounded number of bytes that came ahead of a missing frame", async () => {
    const world = await makeWorld();
    const { link, far } = await established(world);
    let first: Buffer | undefined;
    world.a.faults.swallow = (frame) => {
      if (isData(frame)) first ??= Buffer.from(frame.subarray(28, 32));
      return first !== undefined && isData(frame) && first.equals(frame.subarray(28, 32));
    };
    const n = fill(link);
    await world.until("it was found missing", () => world.b.table.counters.gaps > 0);
    expect(far.seen.items).toEqual([]);
    world.a.faults.swallow = undefined;
    await world.until("all", () => far.seen.items.length === n);
    expect(numbersOf(far.seen)).toEqual(upTo(n));
  });
}

/** The end of a link. */
function resetTests(makeWorld: () => Promise<World>): void {
  it("tells a reset once on both ends, with what was never handed over", async () => {
    const world = await makeWorld();
    const { link, seen, far } = await established(world);
    world.b.faults.swallow = isAcceptors;
    const n = fill(link);
    for (let i = 0; i < 3; i++) link.send(bulk(n + i, 300_000));
    link.sendControl("not counted");
    world.b.faults.swallow = undefined;
    link.reset(new SystemError("CANCELLED", "enough"));
    link.reset(new SystemError("CANCELLED", "again"));
    expect(seen.resets).toMatchObject([{ error: { code: "CANCELLED" }, unsent: 3 }]);
    expect(() => link.send(1)).toThrow("enough");
    await world.until("the other end hears it", () => far.seen.resets.length > 0);
    expect(far.seen.resets).toMatchObject([{ error: { code: "LINK_RESET" }, unsent: 0 }]);
    expect(numbersOf(far.seen)).toEqual(upTo(n));
    expect([world.a.table.size, world.b.table.size]).toEqual([0, 0]);
  });

  it("that one end ended and the other didn't hear of is reset at its next word", async () => {
    const world = await makeWorld();
    const { link, seen, far } = await established(world);
    world.b.faults.swallow = isAcceptors;
    far.link.reset(new SystemError("CANCELLED", "unheard"));
    world.b.faults.swallow = undefined;
    link.send("anybody?");
    await world.until("the opener hears it", () => seen.resets.length > 0);
    expect(seen.resets).toMatchObject([{ error: { code: "LINK_RESET" }, unsent: 0 }]);
    expect(far.seen.items).toEqual([]);
    expect(far.seen.resets).toMatchObject([{ error: { code: "CANCELLED" }, unsent: 0 }]);
    expect(world.b.accepted).toHaveLength(1);
  });

  it("ends with its carrier, on both ends, once", async (context) => {
    const world = await makeWorld();
    // The bus has no end that its users see: it comes back, or the other side stays silent.
    if (world.cut === undefined) return context.skip();
    const { link, seen, far } = await established(world);
    link.keepAlive(true);
    world.cut();
    await world.until("both hear it", () => seen.resets.length + far.seen.resets.length === 2);
    const ended = { error: { code: "SOCKET_FAILED" }, unsent: 0 };
    expect([seen.resets, far.seen.resets]).toMatchObject([[ended], [ended]]);
    expect([world.a.table.size, world.b.table.size]).toEqual([0, 0]);
  });
}
