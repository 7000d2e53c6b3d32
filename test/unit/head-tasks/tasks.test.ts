/**
 * The head's half of tasks, rule by rule. Long because each rule is one short story of a few
 * messages.
 */
import { expect, test } from "vitest";
import {
  TASK_ABORTED,
  TASK_DIED,
  TASK_DONE,
  TASK_FAILED,
  TASK_RETURNED,
  TASK_STARTED,
} from "../../../runtime/tasks/wire.ts";
import { UNITS } from "../../../runtime/resources/resources.ts";
import {
  cpus,
  endsIn,
  eventsOf,
  givenIn,
  groupOf,
  heldOf,
  ordersOf,
  OWNER,
  ownerOf,
  TaskHead,
  workerName,
} from "./support.ts";

const W1 = workerName(1);
const W2 = workerName(2);

test("a task goes to a worker with its own arguments, and is over when its owner has it", () => {
  const head = new TaskHead();
  head.join(W1, 2);
  const args = (number: number): Uint8Array => new Uint8Array(number % 5).fill(number);
  const given = givenIn(head.submit({ first: 1, n: 4, args }));
  expect(given.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
  for (const one of given) expect(one.args).toEqual(args(one.number));
  head.taskReport(W1, { seen: 1, events: [eventsOf(given, TASK_DONE)] });
  expect(head.state.tasks.columns.used).toBe(0);
  expect(head.state.tasks.bytes).toBe(0);
  expect(head.state.workers.get(W1)?.room.free.cpu).toBe(2 * UNITS);
});

test("a repeated submit changes nothing, while its tasks run and when they are over", () => {
  const head = new TaskHead();
  head.join(W1);
  const said = head.submission({ first: 1, n: 2 });
  const given = givenIn(head.feed({ type: "api", ...said }));
  expect(givenIn(head.feed({ type: "api", ...said }))).toEqual([]);
  head.taskReport(W1, { events: [eventsOf(given, TASK_DONE)] });
  expect(givenIn(head.feed({ type: "api", ...said }))).toEqual([]);
  expect(head.state.tasks.columns.used).toBe(0);
});

test("a submit that means another leader is refused, and does nothing", () => {
  const head = new TaskHead(7);
  head.join(W1);
  const { caller, request } = head.submission({ first: 1 });
  const old = { ...request, epoch: 6 } as typeof request;
  const effects = head.feed({ type: "api", caller, request: old });
  expect(effects).toMatchObject([{ type: "refuse", error: { code: "LEADER_CHANGED" } }]);
  expect(head.state.tasks.columns.used).toBe(0);
});

test("one slot gets as many tasks ahead as last for the time that news take", () => {
  const head = new TaskHead();
  head.join(W1);
  const first = givenIn(head.submit({ first: 1, n: 1_000 }));
  expect(first).toHaveLength(2);
  const done = head.taskReport(W1, {
    events: [eventsOf(first, TASK_DONE, { serviceUs: 1_000 })],
  });
  expect(givenIn(done)).toHaveLength(20);
  const short = head.taskReport(W1, {
    from: 3,
    events: [eventsOf(givenIn(done), TASK_DONE, { serviceUs: 1 })],
  });
  expect(givenIn(short).length).toBeLessThanOrEqual(256);
  expect(givenIn(short).length).toBeGreaterThan(20);
});

test("what fits no worker waits, says why, and blocks nothing that fits", () => {
  const head = new TaskHead();
  head.join(W1);
  head.submit({ first: 1, n: 1_000, group: groupOf({ resources: cpus(64) }) });
  expect(givenIn(head.submit({ first: 1_001 }))).toHaveLength(1);
  const why = head.ask({ op: "explain", what: "task", name: `${OWNER.process}-500` });
  expect(JSON.stringify(why)).toMatch(/could never run on the only worker/);
  head.join(W2, 64);
  const given = givenIn(head.effects, W2);
  expect(given.map(({ number }) => number)).toEqual([1, 2]);
});

test("a higher priority goes first, and takes the room of what has not begun", () => {
  const head = new TaskHead();
  head.join(W1, 2);
  const low = givenIn(head.submit({ first: 1, n: 4 }));
  head.taskReport(W1, { seen: 1, events: [eventsOf(low.slice(0, 2), TASK_STARTED)] });
  const big = groupOf({ priority: 5, resources: cpus(2) });
  const [order] = ordersOf(head.submit({ first: 5, group: big }));
  expect([...(order?.revoke[0]?.numbers ?? [])].toReversed()).toEqual([3, 4]);
  expect(
    givenIn(head.taskReport(W1, { from: 3, events: [eventsOf(low.slice(2), TASK_RETURNED)] })),
  ).toEqual([]);
  const after = head.taskReport(W1, { from: 5, events: [eventsOf(low.slice(0, 2), TASK_DONE)] });
  expect(givenIn(after).map(({ number }) => number)).toEqual([5]);
  const rest = head.taskReport(W1, { from: 7, events: [eventsOf(givenIn(after), TASK_DONE)] });
  expect(new Set(givenIn(rest).map(({ number }) => number))).toEqual(new Set([3, 4]));
});

test("a higher priority of the same shape goes ahead of a full lane", () => {
  const head = new TaskHead();
  head.join(W1);
  head.submit({ first: 1, n: 10 });
  const urgent = givenIn(head.submit({ first: 11, n: 5, group: groupOf({ priority: 1 }) }));
  expect(urgent.map(({ number }) => number)).toEqual([11, 12]);
});

test("jobs of equal priority have equal shares", () => {
  const head = new TaskHead();
  const [a, b] = [ownerOf(1), ownerOf(2)];
  head.submit({ owner: a, first: 1, n: 1_000 });
  head.submit({ owner: b, first: 1, n: 10 });
  head.join(W1, 8);
  const given = givenIn(head.effects);
  expect(given.filter(({ process }) => process === a.process)).toHaveLength(8);
  expect(given.filter(({ process }) => process === b.process)).toHaveLength(8);
});

test("a started task that dies costs a retry, an unstarted one nothing", () => {
  const head = new TaskHead();
  head.join(W1);
  const group = groupOf({ maxRetries: 1 });
  const given = givenIn(head.submit({ first: 1, n: 2, group }));
  const [one, two] = given;
  if (one === undefined || two === undefined) throw new Error("nothing was given");
  const second = givenIn(
    head.taskReport(W1, {
      events: [eventsOf([one], TASK_DIED, { code: "ACTOR_DIED" }), eventsOf([two], TASK_RETURNED)],
    }),
  );
  expect(new Map(second.map(({ number, attempt }) => [number, attempt]))).toEqual(
    new Map([
      [1, 2],
      [2, 2],
    ]),
  );
  const again = second.find(({ number }) => number === 1);
  const last = head.taskReport(W1, {
    from: 3,
    events: [eventsOf(again === undefined ? [] : [again], TASK_DIED, { code: "ACTOR_DIED" })],
  });
  expect(endsIn(last)).toEqual([{ number: 1, code: "ACTOR_DIED" }]);
});

test("an error that its owner was not told is retried only if the group says so", () => {
  const head = new TaskHead();
  head.join(W1);
  const plain = givenIn(head.submit({ first: 1 }));
  const ended = head.taskReport(W1, {
    events: [eventsOf(plain, TASK_FAILED, { code: "APPLICATION" })],
  });
  expect(endsIn(ended)).toEqual([{ number: 1, code: "APPLICATION" }]);
  const kind = givenIn(head.submit({ first: 2, group: groupOf({ retryErrors: true }) }));
  const retried = head.taskReport(W1, {
    from: 2,
    events: [eventsOf(kind, TASK_FAILED, { code: "APPLICATION" })],
  });
  expect(givenIn(retried)).toMatchObject([{ number: 2, attempt: 2 }]);
});

test("cancelling ends what waits at once, and what runs when its worker has let it go", () => {
  const head = new TaskHead();
  head.join(W1);
  const given = givenIn(head.submit({ first: 1, n: 4 }));
  expect(given.map(({ number }) => number)).toEqual([1, 2]);
  head.effects = [];
  head.cancel([1, 3]);
  expect(endsIn(head.effects)).toEqual([{ number: 3, code: "CANCELLED" }]);
  expect([...(ordersOf(head.effects)[0]?.abort[0]?.numbers ?? [])]).toEqual([1]);
  const aborted = head.taskReport(W1, { events: [eventsOf(given.slice(0, 1), TASK_ABORTED)] });
  expect(endsIn(aborted)).toEqual([{ number: 1, code: "CANCELLED" }]);
});

test("a task that is cancelled before it comes ends at once, and never runs", () => {
  const head = new TaskHead();
  head.join(W1);
  head.cancel([2]);
  expect(endsIn(head.effects)).toEqual([{ number: 2, code: "CANCELLED" }]);
  const effects = head.submit({ first: 1, n: 2 });
  expect(givenIn(effects).map(({ number }) => number)).toEqual([1]);
});

test("a result that was quicker than its cancellation is the task's end", () => {
  const head = new TaskHead();
  head.join(W1);
  const given = givenIn(head.submit({ first: 1 }));
  head.cancel([1]);
  head.effects = [];
  head.taskReport(W1, { events: [eventsOf(given, TASK_DONE)] });
  expect(endsIn(head.effects)).toEqual([]);
  expect(head.state.tasks.columns.used).toBe(0);
});

test("ends are said again until the owner has them", () => {
  const head = new TaskHead();
  head.submit({ first: 1, n: 3 });
  head.cancel([1, 2, 3]);
  head.effects = [];
  for (let i = 0; i < 12; i += 1) head.tick();
  expect(endsIn(head.effects).map(({ number }) => number)).toEqual([1, 2, 3]);
  expect(head.ask({ op: "task-ends", epoch: head.epoch, life: 1, below: 0, upTo: 2 })).toEqual({
    open: 1,
  });
  head.effects = [];
  for (let i = 0; i < 12; i += 1) head.tick();
  expect(endsIn(head.effects).map(({ number }) => number)).toEqual([3]);
  expect(head.ask({ op: "task-ends", epoch: head.epoch, life: 1, below: 0, upTo: 3 })).toEqual({
    open: 0,
  });
});

test("a deadline ends what waits", () => {
  const head = new TaskHead();
  head.submit({ first: 1, n: 2, deadlineMs: 250 });
  expect(endsIn(head.tick())).toEqual([]);
  head.tick();
  expect(endsIn(head.tick())).toEqual([
    { number: 1, code: "DEADLINE_EXCEEDED" },
    { number: 2, code: "DEADLINE_EXCEEDED" },
  ]);
});

test("what is given back behind its deadline ends, and what failed of it isn't tried again", () => {
  const head = new TaskHead();
  head.join(W1);
  const given = givenIn(head.submit({ first: 1, n: 2, deadlineMs: 250 }));
  head.tick(300);
  const failed = eventsOf(given.slice(0, 1), TASK_FAILED, { code: "DEADLINE_EXCEEDED" });
  const back = eventsOf(given.slice(1), TASK_RETURNED);
  expect(endsIn(head.taskReport(W1, { events: [failed, back] }))).toEqual([
    { number: 1, code: "DEADLINE_EXCEEDED" },
    { number: 2, code: "DEADLINE_EXCEEDED" },
  ]);
});

test("a lost worker's tasks run elsewhere if they may, else their outcome is unknown", () => {
  const head = new TaskHead();
  head.join(W1);
  head.submit({ first: 1, group: groupOf({ maxRetries: 0 }) });
  head.submit({ first: 2 });
  head.effects = [];
  for (let i = 0; i < 60; i += 1) {
    head.nowMs += 100;
    if (i === 20) head.join(W2);
    if (i > 20) head.report(W2);
    head.feed({ type: "tick" });
  }
  expect(endsIn(head.effects)).toEqual([{ number: 1, code: "OUTCOME_UNKNOWN" }]);
  expect(givenIn(head.effects, W2)[0]).toMatchObject({ number: 2, attempt: 2 });
});

test("an order that was lost is sent again, and one that was seen is not", () => {
  const head = new TaskHead();
  head.join(W1);
  const [order] = ordersOf(head.submit({ first: 1 }));
  const later = Array.from({ length: 7 }, () => ordersOf(head.tick())).flat();
  expect(later.map(({ number }) => number)).toEqual([order?.number]);
  head.taskReport(W1, { seen: order?.number ?? 0 });
  expect(Array.from({ length: 20 }, () => ordersOf(head.tick())).flat()).toEqual([]);
});

test("events that come twice or after a gap count once", () => {
  const head = new TaskHead();
  head.join(W1);
  const given = givenIn(head.submit({ first: 1, n: 2 }));
  const [one, two] = given;
  if (one === undefined || two === undefined) throw new Error("nothing was given");
  head.taskReport(W1, { from: 2, events: [eventsOf([two], TASK_DONE)] });
  expect(head.state.tasks.columns.used).toBe(2);
  const both = [eventsOf([one], TASK_DONE), eventsOf([two], TASK_DONE)];
  for (let i = 0; i < 3; i += 1) head.taskReport(W1, { from: 1, events: both });
  expect(head.state.tasks.columns.used).toBe(0);
  expect(head.state.tasks.counts.get("work")).toMatchObject({ done: 2, given: 0, waiting: 0 });
});

test("a task starts where its largest object is, if there is room, and elsewhere if not", () => {
  const head = new TaskHead();
  head.join(W1, 2);
  head.join(W2, 2);
  const near = [0, 1, 2].map((index) => ({ index, worker: W2, bytes: 9 }));
  const given = (worker: string): number[] => givenIn(effects, worker).map(({ number }) => number);
  const effects = head.submit({ first: 1, n: 3, near });
  expect(given(W2)).toEqual([1, 2]);
  expect(given(W1)).toEqual([3]);
});

test("a drained worker gets nothing, and what it has not begun goes elsewhere", () => {
  const head = new TaskHead();
  head.join(W1);
  const given = givenIn(head.submit({ first: 1, n: 2 }));
  head.effects = [];
  expect(head.ask({ op: "drain", worker: W1, on: true })).toBe(null);
  expect([...(ordersOf(head.effects)[0]?.revoke[0]?.numbers ?? [])]).toEqual([2, 1]);
  const answer = [
    eventsOf(given.slice(0, 1), TASK_STARTED),
    eventsOf(given.slice(1), TASK_RETURNED),
  ];
  expect(givenIn(head.taskReport(W1, { events: answer }))).toEqual([]);
  head.effects = [];
  head.join(W2);
  expect(givenIn(head.effects, W2).map(({ number }) => number)).toEqual([2]);
});

test("where a worker idles, tasks that wait behind others elsewhere are asked back", () => {
  const head = new TaskHead();
  head.join(W1);
  const given = givenIn(head.submit({ first: 1, n: 2 }));
  head.taskReport(W1, { seen: 1, events: [eventsOf(given.slice(0, 1), TASK_STARTED)] });
  head.join(W2);
  head.effects = [];
  head.tick();
  expect([...(ordersOf(head.effects, W1)[0]?.revoke[0]?.numbers ?? [])]).toEqual([2]);
  const back = head.taskReport(W1, {
    from: 2,
    events: [eventsOf(given.slice(1), TASK_RETURNED)],
  });
  expect(givenIn(back, W2).map(({ number }) => number)).toEqual([2]);
});

test("an owner's end ends its tasks, and nothing of it is left", () => {
  const head = new TaskHead();
  head.join(W1);
  const given = givenIn(head.submit({ first: 1, n: 100 }));
  head.effects = [];
  head.ask({ op: "leave" });
  expect([...(ordersOf(head.effects)[0]?.abort[0]?.numbers ?? [])]).toEqual([1, 2]);
  head.taskReport(W1, { events: [eventsOf(given, TASK_ABORTED)] });
  const { owners, jobs, columns, bytes, pages } = head.state.tasks;
  expect([owners.size, jobs.size, columns.used, bytes, pages]).toEqual([0, 0, 0, 0, 0]);
});

test("a silent owner's tasks end", () => {
  const head = new TaskHead();
  head.submit({ first: 1, n: 10 });
  for (let i = 0; i < 310; i += 1) head.tick();
  expect(head.state.tasks.columns.used).toBe(0);
  expect(head.ask({ op: "task-ends", epoch: head.epoch, life: 1, below: 0, upTo: 0 })).toEqual({
    open: 0,
  });
});

test("a new leader takes over what workers hold, and does not run it twice", () => {
  const head = new TaskHead(2);
  head.report(W1);
  const held = [
    { number: 1, attempt: 3 },
    { number: 2, attempt: 1 },
  ];
  head.taskReport(W1, { held: [heldOf(held, true)] });
  head.submit({ first: 1, n: 3, again: true });
  expect(givenIn(head.effects)).toEqual([]);
  for (let i = 0; i < 6; i += 1) head.tick();
  head.report(W1);
  head.taskReport(W1, { from: 1, events: [eventsOf(held, TASK_DONE)] });
  expect(givenIn(head.effects).map(({ number }) => number)).toEqual([3]);
  expect(head.state.tasks.columns.used).toBe(1);
});

test("what no worker holds after a failover runs again if it may, else is unknown", () => {
  const head = new TaskHead(2);
  head.join(W1, 4);
  head.submit({ first: 1, n: 2, again: true, group: groupOf({ maxRetries: 0 }) });
  head.submit({ first: 3, n: 2, again: true, group: groupOf({ maxRetries: 1 }) });
  head.effects = [];
  head.tick(300);
  expect(givenIn(head.effects)).toEqual([]);
  head.tick(300);
  expect(givenIn(head.effects).map(({ number }) => number)).toEqual([3, 4]);
  expect(endsIn(head.effects)).toEqual([
    { number: 1, code: "OUTCOME_UNKNOWN" },
    { number: 2, code: "OUTCOME_UNKNOWN" },
  ]);
});

test("a result that the owner has before it announces the task to a new leader is its end", () => {
  const head = new TaskHead(2);
  head.report(W1);
  head.taskReport(W1, { from: 9, events: [eventsOf([{ number: 1, attempt: 1 }], TASK_DONE)] });
  head.submit({ first: 1, again: true });
  for (let i = 0; i < 8; i += 1) head.tick();
  expect(givenIn(head.effects)).toEqual([]);
  expect(endsIn(head.effects)).toEqual([]);
});

test("pages of a list find each task once, filtered first", () => {
  const head = new TaskHead();
  head.join(W1);
  head.submit({ first: 1, n: 700 });
  head.submit({ first: 701, n: 10, group: groupOf({ task: "other" }) });
  const found: string[] = [];
  let after: string | null = null;
  do {
    const filter = { task: "work", state: "waiting" };
    const page = head.ask({ op: "list", what: "tasks", filter, after, limit: 100 }) as {
      entries: { taskId: string }[];
      next: string | null;
    };
    found.push(...page.entries.map(({ taskId }) => taskId));
    after = page.next;
  } while (after !== null);
  expect(new Set(found).size).toBe(found.length);
  expect(found).toHaveLength(698);
  expect(head.ask({ op: "summary", what: "tasks" })).toMatchObject({
    tasks: [
      { task: "work", waiting: 698, given: 2 },
      { task: "other", waiting: 10 },
    ],
  });
});
