/** Tasks in an executor: their order, what is said of them and when, and what their owner gets. */
import { beforeEach, expect, test } from "vitest";
import { callContext } from "../../../runtime/actor/context.ts";
import type { ItemHandlers } from "../../../runtime/actor/items.ts";
import { type LoadedProgram, task, type TaskFunction } from "../../../runtime/actor/registry.ts";
import { resolveArguments } from "../../../runtime/client/objects/arguments.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { ObjectRef } from "../../../runtime/frame/object-ref.ts";
import { type Identity, newProcessId } from "../../../runtime/ids.ts";
import { TASK_ERROR, TASK_HEARD, TASK_LOST } from "../../../runtime/tasks/items.ts";
import type { TaskWork } from "../../../runtime/tasks/orders.ts";
import { encodeArguments } from "../../../runtime/tasks/values.ts";
import { TaskSite } from "../../../worker/tasks/site.ts";
import { FakeClock } from "../actor/support.ts";

/** Objects of which one can't be had for a while, and others are lost. */
const objects = {
  get: async ({ id }: ObjectRef) => {
    if (id.startsWith("0")) throw new SystemError("TRANSFER_FAILED", "broken", { object: id });
    throw new SystemError("OBJECT_LOST", "released", { object: id });
  },
};

const STATES = ["started", "done", "threw", "failed", "died", "returned", "aborted"];
const NODE = "w-00000000000a" as Identity;
const OWNER = { identity: "c-000000000000", process: newProcessId() };

/** A link as the site sees it, and its owner's end. */
class TestLink {
  readonly other = OWNER.process;
  readonly handlers: ItemHandlers;
  isOpen = true;
  stalled = false;
  items: unknown[] = [];
  constructor(handlers: ItemHandlers) {
    this.handlers = handlers;
  }
  send(item: unknown): number {
    if (JSON.stringify(item).includes("refuse")) throw new SystemError("NOT_SERIALIZABLE", "no");
    this.items.push(item);
    return 1;
  }
  sendControl(): void {}
  keepAlive(): void {}
  reset(error: SystemError): void {
    this.isOpen = false;
    this.handlers.onReset(error, 0);
  }
  heard(count: number): void {
    this.handlers.onItems([[TASK_HEARD, count]]);
  }
}

let clock: FakeClock;
let site: TaskSite;
let links: TestLink[];
let said: string[];
let marks: number[];
let ran: string[];
let gates: Map<number, () => void>;
let number: number;
let position: number;

const functions: Record<string, TaskFunction> = {
  loses: () => {
    throw new SystemError("OBJECT_LOST", "a nested one", { object: "ef".repeat(16) });
  },
  now: (n: number) => {
    ran.push(`${n} after mark ${marks.at(-1)}`);
    return n;
  },
  later: async (n: number) => {
    ran.push(`${n} begins`);
    const { signal } = callContext();
    await new Promise<void>((resolve, reject) => {
      gates.set(n, resolve);
      signal.addEventListener("abort", () => reject(signal.reason as Error));
    });
    return n;
  },
  throws: () => {
    throw new Error("no such thing");
  },
  reused: (n: number) => {
    shared[0] = n;
    return shared;
  },
  trap: () => {
    const has = (): never => {
      throw new Error("looked at");
    };
    return new Proxy({}, { has });
  },
};

const shared = new Uint8Array(1);

beforeEach(() => {
  clock = new FakeClock();
  [links, said, marks, ran, gates] = [[], [], [], [], new Map()];
  [number, position] = [0, 0];
  const tasks = new Map(Object.entries(functions).map(([name, fn]) => [name, task(name, fn)]));
  const loaded: LoadedProgram = { actors: new Map(), tasks, main: undefined };
  site = new TaskSite({
    clock,
    open: (_owner, handlers) => {
      const link = new TestLink(handlers);
      links.push(link);
      return link;
    },
    mark: (at) => void marks.push(at),
    say: ({ positions, states, errors }) => {
      [...positions].forEach((at, i) => {
        const error = errors.find(({ index }) => index === i)?.error.code;
        said.push(`${at} ${STATES[states[i] ?? 0]}${error === undefined ? "" : ` ${error}`}`);
      });
    },
    load: async () => loaded,
    objects: {
      inJob: (_job, work) => work(),
      resolve: (args) => resolveArguments(objects, args),
      put: () => Promise.reject(new SystemError("OBJECT_STORE_FULL", "no room")),
    },
    onRest: () => undefined,
  });
});

function give(
  name: string,
  count: number,
  more: Partial<TaskWork["group"]> = {},
  args?: readonly unknown[],
): void {
  const first = number + 1;
  const all = Array.from({ length: count }, (_, i) => encodeArguments(args ?? [first + i]));
  let end = 0;
  site.run({
    ...{ op: "tasks", from: position + 1, owner: OWNER, job: OWNER.process, gpus: [] },
    group: {
      ...{ program: { url: "file:///x.ts", sha256: "0".repeat(64) }, task: name, priority: 0 },
      resources: { cpu: 0, gpu: 0, memory: 0, custom: {} },
      ...{ labels: { in: {}, notIn: {} }, maxRetries: 3, retryErrors: false, pure: false },
      ...{ result: "value", ...more },
    },
    deadlineMs: null,
    numbers: Uint32Array.from(all, (_, i) => number + i + 1),
    ends: Uint32Array.from(all, ({ length }) => (end += length)),
    args: Buffer.concat(all),
  });
  number += count;
  position += count;
}

const turn = () => new Promise<void>((resolve) => void setTimeout(resolve, 5));

test("runs tasks in order, each behind its mark; done when their owner has them", async () => {
  give("now", 3);
  await turn();
  expect(ran).toEqual(["1 after mark 1", "2 after mark 2", "3 after mark 3"]);
  expect(links[0]?.items).toEqual([
    [20, 1, 1],
    [20, 2, 2],
    [20, 3, 3],
  ]);
  expect(said).toEqual([]);
  links[0]?.heard(2);
  expect(said).toEqual(["1 done", "2 done"]);
  links[0]?.heard(3);
  expect(said).toEqual(["1 done", "2 done", "3 done"]);
});

test("sends what its owner hasn't got over a new link, until its process is gone", async () => {
  give("now", 3);
  await turn();
  links[0]?.heard(1);
  links[0]?.reset(new SystemError("LINK_RESET", "lost"));
  clock.pass(1_000);
  expect(links[1]?.items).toEqual([
    [20, 2, 2],
    [20, 3, 3],
  ]);
  links[1]?.heard(1);
  expect(said).toEqual(["1 done", "2 done"]);
  links[1]?.reset(new SystemError("ACTOR_DIED", "its process ended"));
  expect(said).toEqual(["1 done", "2 done", "3 done"]);
  give("now", 1);
  await turn();
  expect(links).toHaveLength(2);
  expect(said.at(-1)).toBe("4 done");
});

test("runs one at a time; the next one begins when it is over", async () => {
  give("later", 2);
  await turn();
  expect(ran).toEqual(["1 begins"]);
  gates.get(1)?.();
  await turn();
  expect(ran).toEqual(["1 begins", "2 begins"]);
});

test("gives back what hasn't begun, and says so of what has", async () => {
  give("later", 3);
  await turn();
  site.recall(Uint32Array.of(1, 2));
  expect(said).toEqual(["1 started", "2 returned"]);
  gates.get(1)?.();
  await turn();
  expect(ran).toEqual(["1 begins", "3 begins"]);
});

test("a cancelled task doesn't begin, or ends by its signal", async () => {
  give("later", 3);
  await turn();
  site.abort(2);
  site.abort(1);
  await turn();
  expect(said).toEqual(["2 aborted", "1 aborted"]);
  expect(ran).toEqual(["1 begins", "3 begins"]);
  expect(links).toEqual([]);
});

test("an error of the function is its owner's, unless it is worth a retry", async () => {
  give("throws", 1);
  give("throws", 1, { retryErrors: true });
  give("missing", 1);
  await turn();
  const [link] = links;
  expect(link?.items.map((item) => (item as unknown[]).slice(0, 2))).toEqual([
    [21, 1],
    [21, 3],
  ]);
  expect(said).toEqual(["2 failed APPLICATION"]);
  expect(link?.items[1]).toMatchObject([21, 3, { code: "NOT_IN_PROGRAM" }]);
  link?.heard(2);
  expect(said).toEqual(["2 failed APPLICATION", "1 threw", "3 threw"]);
});

test("what another attempt may mend is the head's: no room for its object", async () => {
  give("now", 1, { result: "object" });
  await turn();
  expect(said).toEqual(["1 failed OBJECT_STORE_FULL"]);
});

test("nothing is made for an owner that takes nothing", async () => {
  give("now", 1);
  await turn();
  const [link] = links;
  if (link === undefined) throw new Error("no link");
  link.stalled = true;
  give("now", 2);
  await turn();
  expect(ran).toHaveLength(1);
  link.stalled = false;
  link.handlers.onReady?.();
  await turn();
  expect(ran).toHaveLength(3);
});

test("lost arguments are told to their owner together, unless one may still be had", async () => {
  const refOf = (id: string) =>
    new ObjectRef({ id: id.repeat(16), bytes: 9_000, job: OWNER.process, node: NODE });
  const [one, two, broken] = ["aa", "bb", "00"].map(refOf);
  give("now", 1, {}, [one, 5, two, one]);
  give("loses", 1, { retryErrors: false });
  await turn();
  const errorOf = (ref: ObjectRef | undefined) =>
    new SystemError("OBJECT_LOST", "released", { object: ref?.id }).toData();
  const lost = [one, two].map((ref) => [ref?.id, errorOf(ref)]);
  expect(links[0]?.items[0]).toEqual([TASK_LOST, 1, lost]);
  // What the function throws is its outcome: it has begun.
  expect(links[0]?.items[1]).toMatchObject([TASK_ERROR, 2, { code: "OBJECT_LOST" }]);
  expect([ran, said]).toEqual([[], []]);
  links[0]?.heard(2);
  expect(said).toEqual(["1 threw", "2 threw"]);
  give("now", 1, {}, [one, broken]);
  await turn();
  expect(said.slice(2)).toEqual(["3 failed TRANSFER_FAILED"]);
});

test("a result that is sent again is what it was, though it was written to since", async () => {
  give("reused", 2);
  await turn();
  links[0]?.reset(new SystemError("LINK_RESET", "lost"));
  clock.pass(1_000);
  expect(links[1]?.items).toEqual([
    [20, 1, Uint8Array.of(1)],
    [20, 2, Uint8Array.of(2)],
  ]);
});

test("a value that can't be looked at is the function's error, and ends nothing else", async () => {
  give("trap", 1);
  give("now", 1);
  await turn();
  expect(links[0]?.items.map((item) => (item as unknown[]).slice(0, 2))).toEqual([
    [21, 1],
    [20, 2],
  ]);
});

test("results that nobody took are told to the head as unknown; later ones are tried", async () => {
  give("now", 2);
  await turn();
  for (let i = 0; i < 5; i += 1) {
    links.at(-1)?.reset(new SystemError("LINK_RESET", "silent"));
    clock.pass(10_000);
  }
  await turn();
  expect(said).toEqual(["1 died OUTCOME_UNKNOWN", "2 died OUTCOME_UNKNOWN"]);
  give("now", 1);
  await turn();
  expect(links.at(-1)?.items).toEqual([[20, 3, 3]]);
  links.at(-1)?.heard(1);
  expect(said.at(-1)).toBe("3 done");
});
