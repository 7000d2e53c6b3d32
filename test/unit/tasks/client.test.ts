/**
 * An owner's tasks: how they leave, who hears of them again, and which outcome counts. Long because
 * one client with a head by hand serves all of it.
 */
import { beforeEach, expect, test } from "vitest";
import { task } from "../../../runtime/actor/registry.ts";
import type { HeadListener } from "../../../runtime/client/head-client.ts";
import { Recipes } from "../../../runtime/client/objects/recipes.ts";
import { encodeFrame } from "../../../runtime/frame/codec.ts";
import { LANE_CONTROL } from "../../../runtime/frame/prefix.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { ObjectRef } from "../../../runtime/frame/object-ref.ts";
import { type Identity, newProcessId, PROCESS_NONE, type ProcessId } from "../../../runtime/ids.ts";
import type { ApiRequest } from "../../../runtime/messages.ts";
import { TaskClient } from "../../../runtime/tasks/client.ts";
import { TASK_ERROR, TASK_HEARD, TASK_LOST, TASK_VALUE } from "../../../runtime/tasks/items.ts";
import { decodeArguments } from "../../../runtime/tasks/values.ts";
import type { TaskSubmit } from "../../../runtime/tasks/wire.ts";
import { FakeClock } from "../actor/support.ts";

const PROGRAM = { url: "file:///tasks.ts", sha256: "a".repeat(64) };
const Add = task("add", (a: number, b: number) => a + b);

interface Asked {
  readonly request: ApiRequest;
  readonly answer: (value: unknown) => void;
  readonly refuse: (error: SystemError) => void;
}

let asked: Asked[];
let listener: HeadListener | undefined;
let time: FakeClock;
let client: TaskClient;
let self: ProcessId;
beforeEach(() => {
  asked = [];
  time = new FakeClock();
  self = newProcessId();
  const request = (one: ApiRequest): Promise<unknown> =>
    new Promise((answer, refuse) => asked.push({ request: one, answer, refuse }));
  const head = { request, listen: (one: HeadListener) => void (listener = one) };
  client = new TaskClient({ self, head, clock: time });
});

const submit = (a: number, options = {}) => client.submit(PROGRAM, Add, [a, 1], options);
const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

/** What was asked of one kind and not looked at yet; the first, or all. */
async function takeAll<Op extends ApiRequest["op"]>(op: Op) {
  await turn();
  const found = asked.filter(({ request }) => request.op === op);
  asked = asked.filter(({ request }) => request.op !== op);
  return found as (Asked & { request: Extract<ApiRequest, { op: Op }> })[];
}

async function take<Op extends ApiRequest["op"]>(op: Op) {
  const [first, ...others] = await takeAll(op);
  if (first === undefined || others.length > 0) throw new Error(`${others.length} more ${op}`);
  return first;
}

/** The head leads under this epoch, as any answer says. */
async function led(epoch: number): Promise<void> {
  const [first] = await takeAll("task-ends");
  listener?.onEpoch(epoch);
  first?.answer({ open: 1 });
  await turn();
}

const argsOf = ({ numbers, ends, args }: TaskSubmit): unknown[][] =>
  [...numbers].map((_, i) => [
    ...decodeArguments(args.subarray(i === 0 ? 0 : ends[i - 1], ends[i])),
  ]);

function receive(items: readonly unknown[]) {
  const sent: unknown[] = [];
  const link = {
    other: newProcessId(),
    isOpen: true,
    stalled: false,
    send: () => 0,
    sendControl: (item: unknown) => void sent.push(item),
    keepAlive: () => undefined,
    reset: () => undefined,
  };
  client.accept(link).onItems(items);
  return sent;
}

test("nothing leaves before it is known who leads; then a turn's tasks share frames", async () => {
  for (const a of [1, 2]) submit(a);
  submit(3, { priority: 1 });
  submit(4);
  await turn();
  expect(asked.map(({ request }) => request.op)).toEqual(["task-ends"]);
  await led(7);
  const frames = (await takeAll("task-submit")).map(({ request }) => request);
  expect(frames.map(({ numbers }) => [...numbers])).toEqual([[1, 2, 3], [4]]);
  expect(frames.map(argsOf)).toEqual([
    [
      [1, 1],
      [2, 1],
      [4, 1],
    ],
    [[3, 1]],
  ]);
  expect(frames.every(({ epoch, again }) => epoch === 7 && !again)).toBe(true);
});

test("the first outcome counts, and each frame of results is confirmed by its count", async () => {
  const [one, two] = [submit(1), submit(2)];
  await led(1);
  (await take("task-submit")).answer(null);
  const error = new SystemError("APPLICATION", "late").toData();
  const sent = receive([
    [TASK_VALUE, 1, 42],
    [TASK_ERROR, 1, error],
    [TASK_ERROR, 2, error],
  ]);
  expect(sent).toEqual([[TASK_HEARD, 3]]);
  expect(await one).toBe(42);
  await expect(two.result).rejects.toMatchObject({ code: "APPLICATION" });
  expect([one.state, two.state, client.open]).toEqual(["done", "failed", 0]);
});

test("a head without room gets the frame again, before those that came later", async () => {
  submit(1);
  await led(1);
  (await take("task-submit")).refuse(new SystemError("OVERLOADED", "full"));
  await turn();
  submit(2);
  await turn();
  expect(asked.filter(({ request }) => request.op === "task-submit")).toEqual([]);
  time.pass(1_000);
  const frames = (await takeAll("task-submit")).map(({ request }) => [...request.numbers]);
  expect(frames).toEqual([[1], [2]]);
});

test("a new head is told again of what is open, and of nothing else", async () => {
  const tasks = [1, 2, 3].map((a) => submit(a));
  await led(1);
  (await take("task-submit")).answer(null);
  await turn();
  receive([[TASK_VALUE, 2, "done"]]);
  listener?.onEpoch(2);
  const { request } = await take("task-submit");
  expect([...request.numbers]).toEqual([1, 3]);
  expect(argsOf(request)).toEqual([
    [1, 1],
    [3, 1],
  ]);
  expect([request.epoch, request.again]).toEqual([2, true]);
  expect(tasks.map(({ state }) => state)).toEqual(["submitted", "done", "submitted"]);
});

test("a frame under way to another head is sent again as one that may be known", async () => {
  submit(1);
  await led(1);
  const first = await take("task-submit");
  listener?.onEpoch(2);
  first.refuse(new SystemError("LEADER_CHANGED", "another head leads"));
  const { request } = await take("task-submit");
  expect([request.epoch, request.again]).toEqual([2, true]);
});

test("a head that has forgotten its owner hears of what it had taken before", async () => {
  submit(1);
  await led(1);
  (await take("task-submit")).answer(null);
  await turn();
  time.pass(1_000);
  const said = await take("task-ends");
  submit(2);
  (await take("task-submit")).answer(null);
  await turn();
  said.answer({ open: 0 });
  const { request } = await take("task-submit");
  // The second was taken after it was asked: the head may just not have known it then.
  expect([[...request.numbers], request.again]).toEqual([[1], true]);
});

test("ends behind a gap aren't taken; what was taken is said", async () => {
  const tasks = [1, 2].map((a) => submit(a));
  await led(1);
  (await take("task-submit")).answer(null);
  const errors = [new SystemError("CANCELLED", "cancelled").toData()];
  const which = Uint16Array.of(0);
  const ends = { kind: "task-ends" as const, epoch: 1, life: 1, which, errors };
  listener?.onTaskEnds({ ...ends, from: 2, numbers: Uint32Array.of(2) });
  expect(tasks[1]?.state).not.toBe("failed");
  const heard = await take("task-ends");
  expect(heard.request.upTo).toBe(0);
  heard.answer({ open: 2 });
  await turn();
  const both = { which: Uint16Array.of(0, 0), numbers: Uint32Array.of(1, 2) };
  listener?.onTaskEnds({ ...ends, ...both, from: 1 });
  expect((await take("task-ends")).request.upTo).toBe(2);
  await expect(tasks[0]?.result).rejects.toMatchObject({ code: "CANCELLED" });
  await expect(tasks[1]?.result).rejects.toMatchObject({ code: "CANCELLED" });
});

test("a task that is cancelled before it left takes no number", async () => {
  const one = submit(1);
  const two = submit(2);
  await one.cancel();
  await expect(one.result).rejects.toMatchObject({ code: "CANCELLED" });
  await led(1);
  const { request } = await take("task-submit");
  expect([...request.numbers]).toEqual([1]);
  expect(argsOf(request)).toEqual([[2, 1]]);
  expect(two.id).toBe(`${self}-1`);
});

test("cancels are said until a head has taken note, also to a new one", async () => {
  const one = submit(1);
  await led(1);
  (await take("task-submit")).answer(null);
  await turn();
  const noted = one.cancel({ force: true });
  const first = await take("task-cancel");
  expect([[...first.request.numbers], first.request.force]).toEqual([[1], true]);
  listener?.onEpoch(2);
  first.refuse(new SystemError("LEADER_CHANGED", "another head leads"));
  await turn();
  time.pass(1_000);
  const second = await take("task-cancel");
  expect(second.request.epoch).toBe(2);
  second.answer(null);
  await noted;
  // Its task is still open: a third head is to know of it too.
  listener?.onEpoch(3);
  expect((await take("task-cancel")).request.epoch).toBe(3);
});

test("a deadline passes and a signal comes whether a head leads or not", async () => {
  const late = submit(1, { deadlineMs: 100 });
  const abort = new AbortController();
  const given = submit(2, { signal: abort.signal });
  time.pass(200);
  abort.abort(new Error("enough"));
  await expect(late.result).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  await expect(given.result).rejects.toMatchObject({ code: "CANCELLED" });
  expect(client.open).toBe(0);
});

test("misspelt options are refused, also after right ones", () => {
  submit(1, { priority: 1 });
  expect(() => submit(1, { prioritty: 1 })).toThrow(/USAGE/);
  expect(() => submit(1, { maxRetries: -1 })).toThrow(/USAGE/);
});

test("100,000 open tasks take no more than a bounded number of bytes each", async () => {
  const gc = globalThis.gc;
  const before = process.memoryUsage();
  const tasks = Array.from({ length: 100_000 }, (_, i) => submit(i));
  await led(1);
  gc?.();
  const after = process.memoryUsage();
  const bytes = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
  expect(bytes / tasks.length).toBeLessThan(1_500);
  expect(client.open).toBe(100_000);
});

test("a closed client fails what is open and refuses what comes", async () => {
  const one = submit(1);
  const failed = one.result.catch((error: unknown) => error);
  client.close(new SystemError("CANCELLED", "closed"));
  expect(await failed).toMatchObject({ code: "CANCELLED" });
  expect(() => submit(2)).toThrow(/closed/);
});

/** An object of this id on a node of this number. */
const refOn = (node: number, id = "ab".repeat(16)) =>
  new ObjectRef({ id, bytes: 9_000, job: self, node: `w-00000000000${node}` as Identity });

const Take = task("take", (bytes: unknown) => bytes);
const lostError = (id: string) =>
  new SystemError("OBJECT_LOST", "released by process x at y", { object: id }).toData();
const lost = (number: number, ...ids: string[]) => [
  TASK_LOST,
  number,
  ids.map((id) => [id, lostError(id)]),
];

/** What a pure task made, number 1, on node 1; a head leads under epoch 1. */
async function madePure(): Promise<ObjectRef> {
  client.recipes = new Recipes();
  const made = client.submit(PROGRAM, Add, [1, 2], { pure: true, result: "object" });
  await led(1);
  (await take("task-submit")).answer(null);
  receive([[TASK_VALUE, 1, refOn(1)]]);
  return (await made.result) as ObjectRef;
}

const submits = async () => (await takeAll("task-submit")).map(({ request }) => request);

test("lost arguments are made again once, then all who had them leave anew", async () => {
  const ref = await madePure();
  const tasks = [2, 3].map(() => client.submit(PROGRAM, Take, [ref, { nested: ref }]));
  (await take("task-submit")).answer(null);
  receive([lost(2, ref.id), lost(3, ref.id)]);
  const again = await submits();
  expect(again.map(({ numbers, group }) => [[...numbers], group.object])).toEqual([[[4], ref.id]]);
  expect(argsOf(again[0] as TaskSubmit)).toEqual([[1, 2]]);
  expect(tasks.map(({ state }) => state)).toEqual(["waiting", "waiting"]);
  receive([[TASK_VALUE, 4, refOn(2)]]);
  const anew = await submits();
  expect(anew.map(({ numbers }) => [...numbers])).toEqual([[5], [6]]);
  for (const one of anew) {
    expect(argsOf(one)).toEqual([[refOn(2), { nested: ref }]]);
    expect(one.near).toEqual([{ index: 0, worker: "w-000000000002", bytes: 9_000 }]);
  }
  receive([
    [TASK_VALUE, 5, "a"],
    [TASK_VALUE, 6, "b"],
  ]);
  expect(await Promise.all(tasks.map((one) => one.result))).toEqual(["a", "b"]);
  expect(client.open).toBe(0);
});

test("who learns late of an old loss takes what was made since", async () => {
  const ref = await madePure();
  for (let i = 0; i < 2; i++) client.submit(PROGRAM, Take, [ref]);
  (await take("task-submit")).answer(null);
  receive([lost(2, ref.id)]);
  expect((await submits()).map(({ numbers }) => [...numbers])).toEqual([[4]]);
  // On the same node as before: its place doesn't tell that it is another.
  receive([[TASK_VALUE, 4, refOn(1)]]);
  await turn();
  receive([lost(3, ref.id)]);
  const all = await submits();
  expect(all.map(({ numbers, group }) => [[...numbers], group.object])).toEqual([
    [[5], undefined],
    [[6], undefined],
  ]);
  // The next loss is another one.
  receive([lost(5, ref.id)]);
  expect((await submits()).map(({ group }) => group.object)).toEqual([ref.id]);
  // What is submitted later names the place as it is known then.
  receive([[TASK_VALUE, 7, refOn(3)]]);
  await turn();
  client.submit(PROGRAM, Take, [ref]);
  expect((await submits()).map(argsOf)).toEqual([[[refOn(3)]], [[refOn(3)]]]);
});

test("a loss without a recipe, or of a rebuild's own argument, stays as it was told", async () => {
  const ref = await madePure();
  const other = "cd".repeat(16);
  const one = client.submit(PROGRAM, Take, [ref, refOn(1, other)]);
  const two = client.submit(PROGRAM, Take, [ref]);
  (await takeAll("task-submit")).forEach(({ answer }) => answer(null));
  receive([lost(2, ref.id, other)]);
  await expect(one.result).rejects.toMatchObject({
    code: "OBJECT_LOST",
    what: "released by process x at y",
    where: { object: other },
  });
  expect(await submits()).toEqual([]);
  receive([lost(3, ref.id)]);
  expect((await submits()).map(({ numbers }) => [...numbers])).toEqual([[4]]);
  receive([lost(4, ref.id)]);
  await expect(two.result).rejects.toMatchObject({
    code: "OBJECT_LOST",
    where: { object: ref.id },
  });
  expect(client.open).toBe(0);
});

test("what is cancelled or closed while its argument is made again leaves no more", async () => {
  const ref = await madePure();
  const [before, amid, last] = [1, 2, 3].map(() => client.submit(PROGRAM, Take, [ref]));
  (await take("task-submit")).answer(null);
  void before?.cancel();
  (await take("task-cancel")).answer(null);
  receive([lost(2, ref.id), lost(3, ref.id), lost(4, ref.id)]);
  await amid?.cancel();
  for (const one of [before, amid]) {
    await expect(one?.result).rejects.toMatchObject({ code: "CANCELLED" });
  }
  expect(await submits()).toHaveLength(1);
  receive([[TASK_VALUE, 5, refOn(2)]]);
  expect((await submits()).map(({ numbers }) => [...numbers])).toEqual([[6]]);
  receive([lost(6, ref.id)]);
  expect(await submits()).toHaveLength(1);
  client.close(new SystemError("CANCELLED", "closed"));
  await expect(last?.result).rejects.toMatchObject({ code: "CANCELLED" });
  expect(client.open).toBe(0);
});

test("ends of an owner that its head took for gone are numbered anew, and taken", async () => {
  const tasks = [1, 2].map((a) => submit(a));
  await led(1);
  (await take("task-submit")).answer(null);
  const errors = [new SystemError("CANCELLED", "cancelled").toData()];
  const ends = { kind: "task-ends" as const, epoch: 1, from: 1, which: Uint16Array.of(0), errors };
  listener?.onTaskEnds({ ...ends, life: 1, numbers: Uint32Array.of(1) });
  (await take("task-ends")).answer({ open: 1 });
  listener?.onTaskEnds({ ...ends, life: 5, numbers: Uint32Array.of(2) });
  const { life, upTo } = (await take("task-ends")).request;
  expect([life, upTo]).toEqual([5, 1]);
  await expect(tasks[1]?.result).rejects.toMatchObject({ code: "CANCELLED" });
});

test("what is refused at once isn't asked again at once", async () => {
  submit(1);
  await turn();
  for (let n = 0; n < 3; n++) {
    (await take("task-ends")).refuse(new SystemError("OVERLOADED", "100000 requests wait"));
    await turn();
    expect(asked).toEqual([]);
    time.pass(1_000);
  }
});

test("a cancel that the head has no room for is said again", async () => {
  const one = submit(1);
  await led(1);
  (await take("task-submit")).answer(null);
  const noted = one.cancel();
  (await take("task-cancel")).refuse(new SystemError("OVERLOADED", "being ended"));
  await turn();
  time.pass(100);
  (await take("task-cancel")).answer(null);
  await noted;
});

test("what one open task keeps of its frame is its own arguments", async () => {
  const tasks = Array.from({ length: 1_000 }, (_, i) => submit(i));
  await led(1);
  (await take("task-submit")).answer(null);
  await turn();
  receive(tasks.slice(0, -1).map((_, i) => [TASK_VALUE, i + 1, null]));
  const last = tasks[999];
  const args = last && client.recipeOf(last)?.args;
  expect(args && decodeArguments(args)).toEqual([999, 1]);
  expect(args?.buffer.byteLength).toBeLessThan(100);
  expect((await takeAll("task-ends")).length).toBe(0);
  time.pass(1_000);
  expect((await take("task-ends")).request.below).toBe(1_000);
});

test("an option that isn't what it is to be is refused here: no head would answer it", () => {
  expect(() => submit(1, { retryErrors: "yes" })).toThrow(/USAGE/);
  expect(() => submit(1, { pure: 1 })).toThrow(/USAGE/);
  expect(() => submit(1, { deadlineMs: null })).toThrow(/USAGE/);
});

test("frames of tasks whose arguments are objects fit, however many leave in a turn", async () => {
  const job = self;
  const refOf = (n: number) =>
    new ObjectRef({
      ...{
        id: n.toString(16).padStart(32, "0"),
        bytes: 2 ** 40,
        job,
        node: "w-0123456789ab" as Identity,
      },
    });
  for (let n = 0; n < 5_000; n++) client.submit(PROGRAM, Add, [refOf(n), "x".repeat(20)]);
  await led(1);
  const frames = await takeAll("task-submit");
  const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
  const prefix = { ...fields, destination: PROCESS_NONE, source: self };
  expect(frames.reduce((sum, { request }) => sum + request.near.length, 0)).toBe(5_000);
  for (const { request } of frames) expect(() => encodeFrame(prefix, request)).not.toThrow();
});
