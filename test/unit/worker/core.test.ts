/** The worker's core where text says too little: bounds, and its invariants whatever happens. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ACTORS_PER_EXECUTOR_MAX,
  FRAME_BYTES_MAX,
  HOSTED_PER_WORKER_MAX,
  REPORT_DONE_MAX,
  REPORT_ENDED_MAX,
  SHARDS_PER_EXECUTOR,
} from "../../../runtime/limits.ts";
import { encodeFrame } from "../../../runtime/frame/codec.ts";
import {
  type Outcome,
  parseMessage,
  type Report,
  report as reportSchema,
} from "../../../runtime/messages.ts";
import { decide } from "../../../worker/core/core.ts";
import { FULL_REPORT, reportOf, told } from "../../../worker/core/reports.ts";
import type { WorkerEffect, WorkerEvent, WorkerState } from "../../../worker/core/state.ts";
import { commandOf, newWorker } from "../../scenario/worker.ts";
import { receiptOf } from "../head/support.ts";

const EPOCH = { number: 1, leader: "A" };

function order(sequence: number, assign: readonly string[]): WorkerEvent {
  return commandOf(sequence, { assign: assign.join(",") });
}

function isReport({ type }: WorkerEffect): boolean {
  return type === "report";
}

describe("a report", () => {
  const tasks = Array.from({ length: 3 * REPORT_DONE_MAX }, (_, i) => `shard/a/0/${i}`);

  /** A worker at which all these tasks ended and none was acknowledged. */
  function finished(): { state: WorkerState; last: Report } {
    const state = newWorker(1);
    const ready: WorkerEvent = { type: "ready", key: 0, process: "2".repeat(16) };
    const events: WorkerEvent[] = [ready, order(1, tasks)];
    const done = tasks.map((task, i): WorkerEvent => {
      const outcome = { kind: "committed", receipt: receiptOf(0, i), end: null } as const;
      return { type: "done", key: 0, done: { task, attempt: 0, outcome } };
    });
    decide(state, { type: "leader", epoch: EPOCH, tail: 0 }, 0);
    for (const event of [...events, ...done]) decide(state, event, 0);
    return { state, last: reportOf(state) };
  }

  test("holds a bounded number of results, the oldest first; the rest isn't taken for lost", () => {
    const { last } = finished();
    expect(last.done.map(({ task }) => task)).toEqual(tasks.slice(0, REPORT_DONE_MAX));
    expect(last.held.map(({ task }) => task)).toEqual(tasks.slice(REPORT_DONE_MAX));
    expect(parseMessage(reportSchema, last)).toEqual(last);
  });

  test("has the next number once the last one has left, whoever leads", () => {
    const state = newWorker(1);
    const numbers = [reportOf(state).number, reportOf(state).number];
    for (let epoch = 1; epoch <= 3; epoch += 1) {
      decide(state, { type: "leader", epoch: { number: epoch, leader: "A" }, tail: 0 }, 0);
      told(state, FULL_REPORT);
      numbers.push(reportOf(state).number);
    }
    expect(numbers).toEqual([1, 1, 2, 3, 4]);
  });

  test("of full size fits a frame", () => {
    const none = "0".repeat(16) as never;
    const fields = { lane: 0, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    const frame = encodeFrame({ ...fields, destination: none, source: none }, finished().last);
    expect(frame.length).toBeLessThan(FRAME_BYTES_MAX / 2);
  });

  test("goes on with the rest at once when the first were acknowledged", () => {
    const { state, last } = finished();
    const ack = last.done.map(({ task, attempt }) => `${task}#${attempt}`).join(",");
    expect(decide(state, commandOf(2, { ack }), 0).effects.some(isReport)).toBe(true);
    expect(reportOf(state).done.map(({ task }) => task)).toEqual(
      tasks.slice(REPORT_DONE_MAX, 2 * REPORT_DONE_MAX),
    );
  });
});

test("drivers and actors of one worker are bounded, the living ones included", () => {
  const state = newWorker(1);
  const hosts = Array.from({ length: HOSTED_PER_WORKER_MAX }, (_, i) => `host/${i}`);
  decide(state, { type: "leader", epoch: EPOCH, tail: 0 }, 0);
  decide(state, order(1, hosts), 0);
  for (let key = 0; key <= HOSTED_PER_WORKER_MAX; key += 1) {
    decide(state, { type: "ready", key, process: "2".repeat(16) }, 0);
  }
  expect(state.queue.size).toBe(0);
  const late = order(2, ["host/x", "drive/x", "shard/a/0/0"]);
  expect(decide(state, late, 0).effects.some(isReport)).toBe(true);
  const report = reportOf(state);
  const refused = report.done.map(({ task, outcome }) =>
    outcome.kind === "failed" ? `${task} ${outcome.error.code}` : task,
  );
  expect(refused).toEqual(["host/x NO_CAPACITY", "drive/x NO_CAPACITY"]);
  expect(report.held.map(({ task }) => task)).toContain("shard/a/0/0");
});

describe("thousands of shared actors", () => {
  const leader: WorkerEvent = { type: "leader", epoch: EPOCH, tail: 0 };

  /** A worker at which so many actors live, told to the head. */
  function hosting(count: number): WorkerState {
    const state = newWorker(2);
    decide(state, leader, 0);
    for (let key = 0; key < 6; key += 1) {
      decide(state, { type: "ready", key, process: "2".repeat(16) }, 0);
    }
    for (let first = 0; first < count; first += 500) {
      const ids = Array.from({ length: Math.min(500, count - first) }, (_, i) => `s${first + i}`);
      decide(
        state,
        order(
          1,
          ids.map((id) => `host/${id}`),
        ),
        0,
      );
      for (const id of ids) decide(state, hostedEvent(state, id), 0);
      decide(state, commandOf(1, { ack: ids.map((id) => `host/${id}#0`).join(",") }), 0);
    }
    return state;
  }

  function hostedEvent(state: WorkerState, id: string): WorkerEvent {
    const key = state.tasks.get(`host/${id}`)?.key ?? -1;
    const done = { task: `host/${id}`, attempt: 0, outcome: outcomeOf(`host/${id}`) };
    return { type: "done", key, done };
  }

  test("fill one executor after the other", () => {
    const state = hosting(ACTORS_PER_EXECUTOR_MAX + 10);
    const shared = [...state.executors.values()].filter(({ role }) => role === "shared");
    expect(shared.map(({ actors }) => actors.size)).toEqual([ACTORS_PER_EXECUTOR_MAX, 10]);
    expect(state.sharing).toBe(ACTORS_PER_EXECUTOR_MAX + 10);
  });

  test("make reports no larger and events no dearer", () => {
    const state = hosting(10_000);
    expect(JSON.stringify(reportOf(state)).length).toBeLessThan(1_000);
    const startedMs = performance.now();
    for (let i = 0; i < 10_000; i += 1) {
      decide(state, i % 2 === 0 ? { type: "tick" } : leader, i);
      reportOf(state);
    }
    const ended = {
      actorId: "",
      incarnation: 0,
      error: { code: "ACTOR_DIED", what: "", where: {} },
    };
    for (let i = 0; i < 5_000; i += 1) {
      const key = state.lives.get(`s${i}`)?.key ?? -1;
      const error = ended.error as Report["ended"][number]["error"];
      decide(state, { type: "ended", key, ended: { ...ended, error, actorId: `s${i}` } }, i);
    }
    expect(state.lives.size).toBe(5_000);
    // Were each event to look at each actor, this would be 10^8 looks.
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });

  test("end with their executor, told a page at a time", () => {
    const state = hosting(1_000);
    const [executor] = [...state.shared.values()][0] ?? [];
    const key = executor?.key ?? -1;
    expect(
      decide(state, { type: "exited", key, reason: "SIGSEGV" }, 0).effects.some(isReport),
    ).toBe(true);
    const heard = new Set<string>();
    for (let sequence = 2; state.ended.size > 0; sequence += 1) {
      const report = reportOf(state);
      expect(report.ended.length).toBeLessThanOrEqual(REPORT_ENDED_MAX);
      for (const { actorId } of report.ended) heard.add(actorId);
      const endSeen = report.ended.map(({ actorId }) => `${actorId}#0`).join(",");
      const { effects } = decide(state, commandOf(sequence, { endSeen }), 0);
      expect(effects.some(isReport), "more is told at once").toBe(state.ended.size > 0);
    }
    expect(heard.size).toBe(1_000);
    expect(reportOf(state)).toMatchObject({ hosting: 0, sharing: 0, ended: [] });
  });
});

const small = fc.nat({ max: 9 });
const happening = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("order" as const), small, own: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel" as const), small }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("ready" as const), small }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("done" as const), small }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("exited" as const), small }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("tick" as const), small }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("end" as const), small }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("ended" as const), small }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("busy" as const), small }) },
);
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

/** Every second actor shares its executor; a third has a name. */
function actorOf(small: number): string {
  return `${small % 2 === 0 ? "s" : "o"}${small % 3 === 0 ? "n" : ""}${small}`;
}

function taskOf({ small, own }: { small: number; own: boolean }): string {
  return own ? `host/${actorOf(small)}` : `shard/${small}/0/0`;
}

function outcomeOf(task: string): Outcome {
  if (!task.startsWith("host/")) return { kind: "committed", receipt: receiptOf(0, 0), end: null };
  const place = { worker: "w1", process: "2".repeat(16), host: "m1", socket: "/s", token: "t" };
  return { kind: "hosted", address: { ...place, pid: 1, actorId: task.slice(5), incarnation: 0 } };
}

/** The event that a happening is here and now; undefined when it can't happen. */
function eventOf(state: WorkerState, it: Happening, sequence: number): WorkerEvent | undefined {
  const executors = [...state.executors.values()];
  const executor = executors[it.small % Math.max(1, executors.length)];
  switch (it.kind) {
    case "order":
      return order(sequence, [`${taskOf(it)}#${sequence}`]);
    case "cancel":
      return commandOf(sequence, { cancel: `shard/${it.small}/0/0,host/${actorOf(it.small)}` });
    case "end": {
      const actorId = actorOf(it.small);
      const incarnation = state.lives.get(actorId)?.incarnation ?? it.small;
      return commandOf(sequence, { end: `${actorId}#${incarnation}` });
    }
    case "ready":
      return executor && { type: "ready", key: executor.key, process: "2".repeat(16) };
    case "exited":
      return executor && { type: "exited", key: executor.key, reason: "SIGKILL" };
    case "busy":
      return executor && { type: "busy", key: executor.key, busy: !executor.busy };
    case "ended": {
      const actorId = [...(executor?.actors ?? [])][0];
      const life = state.lives.get(actorId ?? "");
      if (executor === undefined || actorId === undefined || life === undefined) return undefined;
      const { incarnation } = life;
      const error = { code: "ACTOR_DIED", what: "by itself", where: {} } as const;
      return { type: "ended", key: executor.key, ended: { actorId, incarnation, error } };
    }
    case "done": {
      const running = [...(executor?.tasks.values() ?? [])][0];
      if (executor === undefined || running === undefined) return undefined;
      const { task, attempt } = running;
      return { type: "done", key: executor.key, done: { task, attempt, outcome: outcomeOf(task) } };
    }
    case "tick":
      return { type: "tick" };
    default:
      return it satisfies never;
  }
}

test("whatever happens, an assignment stands in one place and executors keep their bounds", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.array(happening, { maxLength: 80 }),
      (slots, all) => {
        const state = newWorker(slots);
        decide(state, { type: "leader", epoch: EPOCH, tail: 0 }, 0);
        for (const [index, it] of all.entries()) {
          const event = eventOf(state, it, index + 1);
          if (event === undefined) continue;
          expectBounds(state, decide(state, event, index * 300).effects);
        }
      },
    ),
    { numRuns: 300 },
  );
});

function expectBounds(state: WorkerState, effects: readonly WorkerEffect[]): void {
  const executors = [...state.executors.values()];
  const shards = executors.filter(({ role }) => role === "shards");
  expect(shards.length).toBeLessThanOrEqual(state.slots);
  for (const { tasks } of shards) expect(tasks.size).toBeLessThanOrEqual(SHARDS_PER_EXECUTOR);
  for (const { role, tasks, actors } of executors) {
    if (role === "own") expect(tasks.size + actors.size).toBeLessThanOrEqual(1);
    if (role === "idle") expect(tasks.size + actors.size).toBe(0);
  }
  expectPlaces(state);
  expectLives(state);
  for (const effect of effects) {
    if (effect.type === "run") expect(state.executors.get(effect.key)?.process).not.toBeNull();
  }
}

function expectPlaces(state: WorkerState): void {
  const executors = [...state.executors.values()];
  const places = [...state.queue.keys(), ...executors.flatMap(({ tasks }) => [...tasks.keys()])];
  expect(new Set(places).size, "a task in two places").toBe(places.length);
  expect([...state.tasks.keys()].sort(), "the index of tasks").toEqual(places.sort());
}

function expectLives(state: WorkerState): void {
  const executors = [...state.executors.values()];
  const actors = executors.flatMap(({ actors: living }) => [...living]);
  expect([...state.lives.keys()].sort(), "the index of lives").toEqual(actors.sort());
  const shared = executors.filter(({ role }) => role === "shared" || role === "ending");
  expect(state.sharing).toBe(shared.reduce((sum, it) => sum + it.actors.size, 0));
  for (const { tasks, actors: living, named } of executors) {
    const held = [...tasks.keys()].map((task) => task.replace("host/", ""));
    expect(named).toBe([...held, ...living].filter((id) => /^[so]n/.test(id)).length);
  }
}
