/** What keeps a log short, and the rules under which anything is removed. */
import { describe, expect, test } from "vitest";
import { apply } from "../../../head/core/apply.ts";
import { digestOf } from "../../../head/core/core.ts";
import type { DurableState, Fact } from "../../../head/core/facts.ts";
import { LogKeeper } from "../../../head/daemon/durable/keeper.ts";
import { Replica } from "../../../head/daemon/durable/replica.ts";
import { snapshotUri } from "../../../head/daemon/durable/snapshot.ts";
import type { LeadPorts, LogWriter } from "../../../head/daemon/lead.ts";
import { segmentUri } from "../../../head/daemon/log.ts";
import { LEAD_PROOF_MS, LOG_KEPT_MS, LOG_REMOVED_PER_ROUND } from "../../../head/limits.ts";
import { leadOf, leadPorts } from "./leads.ts";
import { MemoryStorage, settled, TestClock } from "./memory.ts";
import { PROGRAM } from "./support.ts";

const STATE = "/state";
const HOUR = 3_600_000;
const LED_LONG = 2 * LEAD_PROOF_MS + 1;

interface World {
  readonly storage: MemoryStorage;
  readonly clock: TestClock;
  /** What people see as the time, apart from the clock. */
  wallMs: number;
}

function newWorld(): World & { readonly ports: LeadPorts } {
  const clock = new TestClock();
  const world = { storage: new MemoryStorage(), clock, wallMs: 0 };
  const wallMs = (): number => clock.ms + world.wallMs;
  return Object.assign(world, { ports: leadPorts(STATE, { ...world, wallMs }) });
}

/** A leader that appends segments of one fact each, with its keeper. */
async function newLeader(ports: LeadPorts, segments?: number) {
  const { base, state: before } = await Replica.load(ports);
  const { state, log } = await leadOf(STATE, ports);
  const warnings: string[] = [];
  const warn = (line: string): void => void warnings.push(line);
  const facts = before.facts;
  const keeper = new LogKeeper(ports, log, { base, facts, segments, warn });
  const append = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 1) await appendOne(state, log, keeper);
    await settled();
  };
  return { state, log, keeper, append, warnings };
}

async function appendOne(state: DurableState, log: LogWriter, keeper: LogKeeper): Promise<void> {
  const jobId = String(state.facts).padStart(64, "0");
  const fact: Fact = { type: "program.submitted", jobId, program: PROGRAM, argv: [], atMs: 1 };
  apply(state, fact);
  const durable = keeper.beforeAppend(state);
  await log.append([fact]);
  durable?.();
  // What was begun goes on a little, as it does while a leader has other things to do.
  for (let turn = 0; turn < 5; turn += 1) await new Promise((settle) => setImmediate(settle));
}

const numbers = (storage: MemoryStorage, folder: string) =>
  [...storage.files.keys()]
    .filter((uri) => uri.startsWith(`${STATE}/${folder}/`))
    .map((uri) => Number(uri.slice(-12)))
    .sort((a, b) => a - b);

describe("a snapshot", () => {
  test("is made after so many segments, of the state after exactly those", async () => {
    const { ports, storage } = newWorld();
    const { append, state } = await newLeader(ports, 5);
    await append(13);
    expect(numbers(storage, "snapshot")).toEqual([5, 10]);
    const whole = digestOf(state);
    for (let n = 1; n <= 10; n += 1) storage.files.delete(segmentUri(STATE, n));
    expect(digestOf((await Replica.load(ports)).state)).toEqual(whole);
  });

  test("isn't of facts that come while it is made", async () => {
    const { ports, storage } = newWorld();
    const { append } = await newLeader(ports, 5);
    let open: () => void = () => {};
    storage.gate = async (op, uri) => {
      if (op === "createIfAbsent" && uri.includes("/snapshot/")) {
        await new Promise<void>((settle) => (open = settle));
      }
    };
    await append(8);
    open();
    await settled();
    expect(numbers(storage, "snapshot")).toEqual([5]);
    for (let n = 6; n <= 9; n += 1) storage.files.delete(segmentUri(STATE, n));
    expect((await Replica.load(ports)).state.facts).toBe(5);
  });

  test("that can't be written costs nothing but itself", async () => {
    const { ports, storage } = newWorld();
    const { append, warnings } = await newLeader(ports, 5);
    storage.fault = (op, uri) => op === "createIfAbsent" && uri.includes("/snapshot/");
    await append(6);
    expect(warnings).toEqual([expect.stringMatching(/^no snapshot 5: /)]);
    storage.fault = () => false;
    await append(8);
    expect(numbers(storage, "snapshot")).toEqual([10, 15]);
    expect((await Replica.load(ports)).tail).toBe(15);
  });

  test("comes by the limits only when the log has grown by half", async () => {
    const { ports, storage } = newWorld();
    const { append } = await newLeader(ports);
    await append(2_600);
    expect(numbers(storage, "snapshot")).toEqual([1_000, 2_000]);
  });
});

describe("segments", () => {
  /** A log with a snapshot of its first 5 segments, and a leader of that log. */
  async function kept() {
    const world = newWorld();
    const leader = await newLeader(world.ports, 5);
    await leader.append(8);
    return { world, ...leader };
  }
  const first = (storage: MemoryStorage) => numbers(storage, "log")[0];

  /** As the leader's own loop does: it looks at the log's end in between. */
  async function pass(clock: TestClock, log: LogWriter, ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += HOUR / 2) {
      clock.ms += Math.min(HOUR / 2, ms - passed);
      await log.look();
    }
  }

  test("stay for a day after their snapshot, then go, and nothing else does", async () => {
    const { world, keeper, log, state } = await kept();
    const { storage, clock, ports } = world;
    await pass(clock, log, LOG_KEPT_MS - HOUR);
    await keeper.round();
    expect(first(storage)).toBe(1);
    await pass(clock, log, 2 * HOUR);
    await keeper.round();
    expect(numbers(storage, "log")).toEqual([6, 7, 8, 9]);
    expect(numbers(storage, "snapshot")).toEqual([5]);
    expect(digestOf((await Replica.load(ports)).state)).toEqual(digestOf(state));
  });

  test("go some at a time, with the older snapshots", async () => {
    const world = newWorld();
    const { append, keeper, log } = await newLeader(world.ports, 120);
    await append(250);
    await pass(world.clock, log, LOG_KEPT_MS + HOUR);
    const left = [];
    for (let round = 0; round < 4; round += 1) {
      await keeper.round();
      left.push(world.storage.files.size);
    }
    const all = 251 + 2;
    const gone = 240 + 1;
    expect(left).toEqual([
      all - LOG_REMOVED_PER_ROUND,
      all - 2 * LOG_REMOVED_PER_ROUND,
      all - gone,
      all - gone,
    ]);
    expect(numbers(world.storage, "snapshot")).toEqual([240]);
  });

  test("stay while the leader is new: an older one may still append", async () => {
    const { world } = await kept();
    const { storage, clock, ports } = world;
    world.wallMs = 10 * LOG_KEPT_MS;
    const next = await newLeader(ports, 100);
    await pass(clock, next.log, HOUR);
    await next.keeper.round();
    expect(first(storage)).toBe(1);
    await pass(clock, next.log, LED_LONG);
    await next.keeper.round();
    expect(first(storage)).toBe(6);
  });

  test("stay when their snapshot isn't good any more", async () => {
    const { world, keeper, log, warnings } = await kept();
    const { storage, clock } = world;
    await pass(clock, log, LOG_KEPT_MS + HOUR);
    storage.change(snapshotUri(STATE, 5), (bytes) => bytes.fill(65, bytes.length - 9));
    await keeper.round();
    expect(first(storage)).toBe(1);
    expect(warnings.join()).toMatch(/snapshot 5: its checksum/);
  });

  test("stay when another head leads: the round ends this one", async () => {
    const { world, keeper, log } = await kept();
    await pass(world.clock, log, LOG_KEPT_MS + HOUR);
    await leadOf(STATE, world.ports);
    await expect(keeper.round()).rejects.toMatchObject({ code: "LOG_FENCED" });
    expect(first(world.storage)).toBe(1);
  });

  test("that can't be removed now go later", async () => {
    const { world, keeper, log, warnings } = await kept();
    const { storage, clock } = world;
    await pass(clock, log, LOG_KEPT_MS + HOUR);
    storage.fault = (op) => op === "remove";
    await keeper.round();
    expect(warnings.join()).toMatch(/old segments stay for now/);
    storage.fault = () => false;
    await keeper.round();
    expect(first(storage)).toBe(6);
  });
});

describe("a leader that was away for over an hour", () => {
  test.each(["the clock", "the wall clock"])("by %s doesn't append, look or lead", async (by) => {
    const world = newWorld();
    const { log } = await newLeader(world.ports);
    if (by === "the clock") world.clock.ms += LEAD_PROOF_MS + 1;
    else world.wallMs += LEAD_PROOF_MS + 1;
    await expect(log.append([])).rejects.toMatchObject({ code: "LOG_UNPROVEN" });
    await expect(log.look()).rejects.toMatchObject({ code: "LOG_UNPROVEN" });
    expect(numbers(world.storage, "log")).toEqual([1]);
  });

  test("in the middle of an append doesn't count it as done", async () => {
    const world = newWorld();
    const { log } = await newLeader(world.ports);
    world.storage.gate = async () => void (world.clock.ms += LEAD_PROOF_MS + 1);
    await expect(log.append([])).rejects.toMatchObject({ code: "LOG_UNPROVEN" });
    expect(log.tail).toBe(1);
  });

  test("goes on when it looked in between", async () => {
    const world = newWorld();
    const { log } = await newLeader(world.ports);
    for (let looks = 0; looks < 4; looks += 1) {
      world.clock.ms += LEAD_PROOF_MS - 1;
      await log.look();
    }
    await log.append([]);
    expect(log.tail).toBe(2);
  });
});
