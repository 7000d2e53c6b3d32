/** The head's daemon: no effect leaves before the facts it follows are durable. */
import { describe, expect, test } from "vitest";
import { newHeadState } from "../../../head/core/core.ts";
import { HeadDaemon } from "../../../head/daemon/daemon.ts";
import type { Effect, HeadEvent } from "../../../head/core/events.ts";
import { emptyState, type Fact } from "../../../head/core/facts.ts";
import { SystemError } from "../../../runtime/errors.ts";
import {
  HEAD_EVENTS_MAX,
  HEAD_EVENTS_WAITING_MAX,
  LOG_SEGMENT_FACTS_MAX,
} from "../../../runtime/limits.ts";
import type { ApiRequest, Done } from "../../../runtime/messages.ts";
import { CALLER, committed, CONFIG, jobIdOf, reportOf, specOf } from "./support.ts";

/** A daemon over a log whose appends the test ends. */
function setUp() {
  const appends: { facts: readonly Fact[]; end: (error?: Error) => void }[] = [];
  const effects: Effect[] = [];
  const fatal: Error[] = [];
  const daemon = new HeadDaemon(newHeadState(emptyState(), CONFIG, 0), {
    now: () => 0,
    append: (facts) =>
      new Promise((resolve, reject) => {
        appends.push({ facts, end: (error) => (error === undefined ? resolve() : reject(error)) });
      }),
    carryOut: (some) => void effects.push(...some),
    fatal: (error) => fatal.push(error),
    defer: (run) => run(),
  });
  return { daemon, appends, effects, fatal };
}

function submission(name: string): HeadEvent {
  const request = { op: "submit-dataset", spec: specOf(name), continuation: null } as const;
  return { type: "api", caller: { ...CALLER, id: name.charCodeAt(0) }, request };
}

function reportedBy(worker: string, done: Done[]): HeadEvent {
  return { type: "report", worker, report: reportOf({ done }) };
}

const STATUS: HeadEvent = { type: "api", caller: CALLER, request: { op: "status" } };

/** Lets all that is ready happen; an append that wasn't ended stays as it is. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

describe("an effect", () => {
  test("leaves after its fact is durable", async () => {
    const { daemon, appends, effects } = setUp();
    daemon.feed({ type: "report", worker: "w1", report: reportOf() });
    daemon.feed(submission("a"));
    await settle();
    expect(appends).toHaveLength(1);
    expect(effects).toEqual([]);
    appends[0]?.end();
    await settle();
    expect(effects.map(({ type }) => type)).toEqual(["reply", "command"]);
  });

  test("without a fact of its own waits for the facts before it", async () => {
    const { daemon, appends, effects } = setUp();
    daemon.feed(submission("a"));
    daemon.feed(STATUS);
    await settle();
    expect(effects).toEqual([]);
    appends[0]?.end();
    await settle();
    expect(effects.map(({ type }) => type)).toEqual(["reply", "reply"]);
  });

  test("leaves at once when no fact waits", () => {
    const { daemon, appends, effects } = setUp();
    daemon.feed(STATUS);
    expect(appends).toEqual([]);
    expect(effects).toHaveLength(1);
  });
});

describe("facts", () => {
  test("that come while an append is under way make one group, in order", async () => {
    const { daemon, appends, effects } = setUp();
    for (const name of ["a", "b", "c", "d"]) daemon.feed(submission(name));
    await settle();
    expect(appends.map(({ facts }) => facts.length)).toEqual([1]);
    appends[0]?.end();
    await settle();
    expect(appends.map(({ facts }) => facts.length)).toEqual([1, 3]);
    expect(effects).toHaveLength(1);
    appends[1]?.end();
    await settle();
    const jobs = effects.map((effect) => (effect.type === "reply" ? effect.value : null));
    expect(jobs).toEqual(["a", "b", "c", "d"].map((name) => ({ jobId: jobIdOf(specOf(name)) })));
  });

  test("of a large group go in segments of bounded size, and effects after the last", async () => {
    const { daemon, appends, effects } = setUp();
    const jobId = jobIdOf(specOf("a"));
    const shards = LOG_SEGMENT_FACTS_MAX + 1;
    const planned = { kind: "planned" as const, planSha256: "e".repeat(64), shards: [shards] };
    daemon.feed(submission("a"));
    appends[0]?.end();
    daemon.feed(reportedBy("w1", [{ task: `plan/${jobId}`, attempt: 0, outcome: planned }]));
    await settle();
    appends[1]?.end();
    await settle();
    effects.length = 0;
    const done = Array.from({ length: shards }, (_, shard) => {
      return { task: `shard/${jobId}/0/${shard}`, attempt: 0, outcome: committed(0, shard) };
    });
    daemon.feed(reportedBy("w1", done));
    await settle();
    expect(appends[2]?.facts).toHaveLength(LOG_SEGMENT_FACTS_MAX);
    appends[2]?.end();
    await settle();
    expect(appends[3]?.facts).toHaveLength(1);
    expect(effects).toEqual([]);
    appends[3]?.end();
    await settle();
    expect(effects).toMatchObject([{ type: "command", worker: "w1" }]);
  });
});

describe("a failed append", () => {
  test("ends the head; no effect leaves, and no event is taken any more", async () => {
    const { daemon, appends, effects, fatal } = setUp();
    daemon.feed(submission("a"));
    daemon.feed(STATUS);
    await settle();
    appends[0]?.end(new SystemError("LOG_FENCED", "another leads"));
    await settle();
    daemon.feed(STATUS);
    daemon.feed(submission("b"));
    await settle();
    expect(fatal).toMatchObject([{ code: "LOG_FENCED" }]);
    expect(effects).toEqual([]);
    expect(appends).toHaveLength(1);
  });
});

test("what comes in one turn is one decision, and one command to a worker", async () => {
  const effects: Effect[][] = [];
  const turns: (() => void)[] = [];
  const appends: number[] = [];
  const daemon = new HeadDaemon(newHeadState(emptyState(), CONFIG, 0), {
    now: () => 0,
    append: async (facts) => void appends.push(facts.length),
    carryOut: (some) => void effects.push([...some]),
    fatal: (error) => expect.fail(error.message),
    defer: (run) => void turns.push(run),
  });
  daemon.feed({ type: "report", worker: "w1", report: reportOf() });
  for (const name of ["a", "b"]) daemon.feed(submission(name));
  expect([turns.length, effects]).toEqual([1, []]);
  turns.pop()?.();
  await settle();
  expect(appends).toEqual([2]);
  expect(effects.map((some) => some.map(({ type }) => type))).toEqual([
    ["reply", "reply", "command"],
  ]);
  expect(effects.flat().at(-1)).toMatchObject({ assign: [{ attempt: 0 }, { attempt: 0 }] });
});

test("a mistake in the core ends the head before anything of it leaves", async () => {
  const { daemon, appends, effects, fatal } = setUp();
  daemon.state.durable.datasets.get = () => {
    throw new TypeError("a mistake");
  };
  daemon.feed(submission("a"));
  await settle();
  expect(fatal).toMatchObject([{ code: "INTERNAL", what: "a mistake" }]);
  expect([appends, effects]).toEqual([[], []]);
});

test("a stopped daemon takes no event and lets nothing leave", async () => {
  const { daemon, appends, effects, fatal } = setUp();
  daemon.feed(submission("a"));
  daemon.stop();
  appends[0]?.end();
  daemon.feed(STATUS);
  await settle();
  expect([effects, fatal]).toEqual([[], []]);
});

/** A daemon whose turns the test takes. */
function inTurns() {
  const turns: (() => void)[] = [];
  const effects: Effect[] = [];
  const daemon = new HeadDaemon(newHeadState(emptyState(), CONFIG, 0), {
    now: () => 0,
    append: () => Promise.resolve(),
    carryOut: (some) => void effects.push(...some),
    fatal: (error) => {
      throw error;
    },
    defer: (run) => void turns.push(run),
  });
  let id = 0;
  const ask = (count: number, request: ApiRequest = { op: "alive" }): void => {
    for (let i = 0; i < count; i += 1) {
      id += 1;
      daemon.feed({ type: "api", caller: { ...CALLER, id }, request });
    }
  };
  return { daemon, turns, effects, ask, run: () => turns.shift()?.() };
}

test("what came in one turn is decided on in several, so that others come in between", () => {
  const { turns, effects, ask, run } = inTurns();
  ask(2 * HEAD_EVENTS_MAX + 1);
  expect(turns).toHaveLength(1);
  run();
  expect(effects).toHaveLength(HEAD_EVENTS_MAX);
  ask(1);
  run();
  run();
  expect(effects).toHaveLength(2 * HEAD_EVENTS_MAX + 2);
  expect(turns).toHaveLength(0);
  // What is too much to wait is decided on at once.
  ask(HEAD_EVENTS_WAITING_MAX + 1_000);
  run();
  expect(effects.length).toBeGreaterThanOrEqual(2 * HEAD_EVENTS_MAX + 2 + 1_000);
  expect(turns).toHaveLength(1);
});

test("a worker's report doesn't wait behind what clients ask", () => {
  const { daemon, effects, ask, run } = inTurns();
  ask(100, { op: "status" });
  daemon.feed({ type: "report", worker: "w1", report: reportOf() });
  run();
  expect(daemon.state.workers.size).toBe(1);
  expect(effects.length).toBeLessThan(100);
});

test("a few long answers are a turn's work", () => {
  const { effects, ask, run } = inTurns();
  ask(100, { op: "status" });
  run();
  expect(effects).toHaveLength(HEAD_EVENTS_MAX / 32);
});

test("a request that is repeated while it waits is answered once, and later again", () => {
  const { daemon, effects, run } = inTurns();
  for (let i = 0; i < 3; i += 1) daemon.feed(STATUS);
  run();
  expect(effects).toHaveLength(1);
  daemon.feed(STATUS);
  run();
  expect(effects).toHaveLength(2);
});
