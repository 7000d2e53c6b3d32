/** The worker's core where text says too little: bounds, and its invariants whatever happens. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  FRAME_BYTES_MAX,
  HOSTED_PER_WORKER_MAX,
  REPORT_DONE_MAX,
  SHARDS_PER_EXECUTOR,
} from "../../../runtime/limits.ts";
import { encodeFrame } from "../../../runtime/frame/codec.ts";
import { type Report, parseMessage, report as reportSchema } from "../../../runtime/messages.ts";
import {
  decide,
  newWorkerState,
  type WorkerEffect,
  type WorkerEvent,
  type WorkerState,
} from "../../../worker/core.ts";
import { assignmentOf } from "../../scenario/worker.ts";
import { receiptOf } from "../head/support.ts";

const EPOCH = { number: 1, leader: "A" };

function order(sequence: number, assign: readonly string[]): WorkerEvent {
  const command = { epoch: EPOCH, sequence, assign: assign.map(assignmentOf), cancel: [], ack: [] };
  return { type: "command", command };
}

/** The last report that these events lead to. */
function reported(state: WorkerState, ...events: readonly WorkerEvent[]): Report {
  let last: Report | undefined;
  for (const event of events) {
    for (const effect of decide(state, event, 0).effects) {
      if (effect.type === "report") last = effect.report;
    }
  }
  if (last === undefined) throw new Error("nothing was reported");
  return last;
}

describe("a report", () => {
  const tasks = Array.from({ length: 3 * REPORT_DONE_MAX }, (_, i) => `shard/a/0/${i}`);

  /** A worker at which all these tasks ended and none was acknowledged. */
  function finished(): { state: WorkerState; last: Report } {
    const state = newWorkerState(1, "1".repeat(16), "m1");
    const events: WorkerEvent[] = [{ type: "ready", key: 0 }, order(1, tasks)];
    const done = tasks.map((task, i): WorkerEvent => {
      const outcome = { kind: "committed", receipt: receiptOf(0, i), end: null } as const;
      return { type: "done", key: 0, done: { task, attempt: 0, outcome } };
    });
    const leader: WorkerEvent = { type: "leader", epoch: EPOCH };
    decide(state, leader, 0);
    return { state, last: reported(state, ...events, ...done) };
  }

  test("holds a bounded number of results, the oldest first; the rest isn't taken for lost", () => {
    const { last } = finished();
    expect(last.done.map(({ task }) => task)).toEqual(tasks.slice(0, REPORT_DONE_MAX));
    expect(last.held.map(({ task }) => task)).toEqual(tasks.slice(REPORT_DONE_MAX));
    expect(parseMessage(reportSchema, last)).toEqual(last);
  });

  test("of full size fits a frame", () => {
    const none = "0".repeat(16) as never;
    const fields = { lane: 0, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    const frame = encodeFrame({ ...fields, destination: none, source: none }, finished().last);
    expect(frame.length).toBeLessThan(FRAME_BYTES_MAX / 2);
  });

  test("goes on with the rest once the first were acknowledged", () => {
    const { state, last } = finished();
    const ack = last.done.map(({ task, attempt }) => ({ task, attempt }));
    const command = { epoch: EPOCH, sequence: 2, assign: [], cancel: [], ack };
    decide(state, { type: "command", command }, 0);
    const next = decide(state, { type: "tick" }, 60_000).effects.find(
      ({ type }) => type === "report",
    );
    if (next?.type !== "report") throw new Error("nothing was reported");
    expect(next.report.done.map(({ task }) => task)).toEqual(
      tasks.slice(REPORT_DONE_MAX, 2 * REPORT_DONE_MAX),
    );
  });
});

test("drivers and actors of one worker are bounded, the living ones included", () => {
  const state = newWorkerState(1, "1".repeat(16), "m1");
  const hosts = Array.from({ length: HOSTED_PER_WORKER_MAX }, (_, i) => `host/${i}`);
  decide(state, { type: "leader", epoch: EPOCH }, 0);
  decide(state, order(1, hosts), 0);
  for (let key = 0; key <= HOSTED_PER_WORKER_MAX; key += 1)
    decide(state, { type: "ready", key }, 0);
  expect(state.queue).toEqual([]);
  const report = reported(state, order(2, ["host/x", "drive/x", "shard/a/0/0"]), {
    type: "leader",
    epoch: { number: 2, leader: "B" },
  });
  const refused = report.done.map(({ task, outcome }) =>
    outcome.kind === "failed" ? `${task} ${outcome.error.code}` : task,
  );
  expect(refused).toEqual(["host/x NO_CAPACITY", "drive/x NO_CAPACITY"]);
  expect(report.held.map(({ task }) => task)).toContain("shard/a/0/0");
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
);
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

/** The event that a happening is here and now; undefined when it can't happen. */
function eventOf(state: WorkerState, it: Happening, sequence: number): WorkerEvent | undefined {
  const executors = [...state.executors.values()];
  const executor = executors[it.small % Math.max(1, executors.length)];
  switch (it.kind) {
    case "order":
      return order(sequence, [`${it.own ? "host" : "shard"}/${it.small}/0/0#${sequence}`]);
    case "cancel": {
      const cancel = [`shard/${it.small}/0/0`, `host/${it.small}/0/0`];
      return { type: "command", command: { epoch: EPOCH, sequence, assign: [], cancel, ack: [] } };
    }
    case "ready":
    case "exited":
      return executor && { type: it.kind, key: executor.key, reason: "SIGKILL" };
    case "done": {
      const running = executor?.tasks[0];
      if (executor === undefined || running === undefined) return undefined;
      const { task, attempt } = running;
      const outcome = { kind: "committed", receipt: receiptOf(0, 0), end: null } as const;
      return { type: "done", key: executor.key, done: { task, attempt, outcome } };
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
        const state = newWorkerState(slots, "1".repeat(16), "m1");
        decide(state, { type: "leader", epoch: EPOCH }, 0);
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
  for (const { tasks } of shards) expect(tasks.length).toBeLessThanOrEqual(SHARDS_PER_EXECUTOR);
  for (const { role, tasks } of executors) {
    if (role === "own") expect(tasks.length).toBeLessThanOrEqual(1);
    if (role === "idle") expect(tasks).toEqual([]);
  }
  const places = [...state.queue, ...executors.flatMap(({ tasks }) => tasks)].map(
    ({ task }) => task,
  );
  expect(new Set(places).size, "a task in two places").toBe(places.length);
  for (const effect of effects) {
    if (effect.type === "run") expect(state.executors.get(effect.key)?.ready).toBe(true);
  }
}
