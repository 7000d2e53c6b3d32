/** What ends no head: groups as large as they may be, and all that one step says of them. */
import { expect, test } from "vitest";
import { encodeFrame } from "../../../runtime/frame/codec.ts";
import { LANE_CONTROL, type PrefixFields } from "../../../runtime/frame/prefix.ts";
import { PROCESS_NONE } from "../../../runtime/ids.ts";
import { LABEL_VALUES_MAX, LABELS_MAX } from "../../../runtime/resources/limits.ts";
import { TASK_DONE } from "../../../runtime/tasks/wire.ts";
import { cpus, eventsOf, givenIn, groupOf, ordersOf, TaskHead, workerName } from "./support.ts";

const PREFIX: PrefixFields = {
  ...{ lane: LANE_CONTROL, flags: 0, destination: PROCESS_NONE, source: PROCESS_NONE, link: 0 },
  ...{ sequence: 0, ack: 0 },
};

/** Labels as many as may be, each with as many values. */
function everywhere(): Record<string, string[]> {
  const values = Array.from({ length: LABEL_VALUES_MAX }, (_, i) => `value-${i}`);
  return Object.fromEntries(Array.from({ length: LABELS_MAX }, (_, i) => [`label-${i}`, values]));
}

test("orders of many large groups fit their frames", () => {
  const head = new TaskHead();
  const worker = workerName(1);
  head.join(worker, 512);
  const labels = { in: {}, notIn: everywhere() };
  const submissions = Array.from({ length: 300 }, (_, i) => ({
    type: "api" as const,
    ...head.submission({
      first: i + 1,
      group: groupOf({ labels, resources: cpus(1), priority: i }),
    }),
  }));
  const effects = head.feed(...submissions);
  const given = givenIn(effects);
  expect(given).toHaveLength(300);
  for (const order of ordersOf(effects)) expect(() => encodeFrame(PREFIX, order)).not.toThrow();
  head.taskReport(worker, { events: [eventsOf(given, TASK_DONE)] });
  expect(head.state.tasks.columns.used).toBe(0);
});

test("an owner that was forgotten and is known again hears of its ends", () => {
  const head = new TaskHead();
  const ends = () =>
    head.effects.flatMap((effect) => (effect.type === "task-ends" ? [effect.ends] : []));
  head.submit({ first: 1 });
  head.cancel([1]);
  const [first] = ends();
  const { epoch } = head;
  head.ask({ op: "task-ends", epoch, life: first?.life ?? 0, upTo: 1, below: 2 });
  for (let i = 0; i < 310; i += 1) head.tick();
  head.submit({ first: 2, again: true });
  head.effects = [];
  head.cancel([2]);
  const [second] = ends();
  expect([second?.from, [...(second?.numbers ?? [])]]).toEqual([1, [2]]);
  expect(second?.life).toBeGreaterThan(first?.life ?? 0);
  const word = { op: "task-ends", epoch, upTo: 1, below: 2 } as const;
  expect(head.ask({ ...word, life: first?.life ?? 0 })).toEqual({ open: 1 });
  expect(head.ask({ ...word, life: second?.life ?? 0 })).toEqual({ open: 0 });
});

test("numbers that are over take nothing, whatever became of them", () => {
  const head = new TaskHead();
  const worker = workerName(1);
  head.join(worker, 4);
  const { tasks } = head.state;
  const pages = () => [...tasks.owners.values()].map(({ numbers }) => numbers.pages);
  let from = 1;
  let first = 1;
  let given = givenIn(head.submit({ first, n: 4_000 }));
  while (given.length > 0) {
    const events = [eventsOf(given, TASK_DONE, { serviceUs: 10 })];
    const effects = head.taskReport(worker, { from, events, seen: Number.MAX_SAFE_INTEGER });
    from += given.length;
    given = givenIn(effects);
  }
  first += 4_000;
  expect([tasks.columns.used, pages(), tasks.pages]).toEqual([0, [1], 1]);
  // Cancelled before they came, as an owner does that doesn't send them any more.
  head.cancel(Array.from({ length: 4_000 }, (_, i) => first + i));
  first += 4_000;
  expect(pages()).toEqual([1]);
  // Never heard of: an earlier leader had them.
  head.submit({ first: first + 10_000 });
  expect(tasks.pages).toBe(2);
  const word = { op: "task-ends", epoch: head.epoch, life: 1, upTo: 0 } as const;
  head.ask({ ...word, below: first + 10_000 });
  expect([pages(), tasks.pages]).toEqual([[1], 1]);
});

test("a crowd of tasks that are late together is ended in parts", () => {
  const head = new TaskHead();
  for (let i = 0; i < 16; i += 1) head.submit({ first: 1 + 4_000 * i, n: 4_000, deadlineMs: 100 });
  const { columns } = head.state.tasks;
  head.nowMs += 100;
  let effects = head.feed({ type: "tick" });
  expect(columns.used).toBeGreaterThan(40_000);
  while (effects.some(({ type }) => type === "more")) effects = head.feed({ type: "more" });
  expect(columns.used).toBe(0);
});
