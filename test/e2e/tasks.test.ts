/** Tasks from a client to executors and back: results, errors, cancels, deadlines, deaths. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { identityOf, signalExactly } from "../../runtime/processes.ts";
import {
  Add,
  BytesOf,
  Crash,
  CrashThread,
  Deaf,
  Gate,
  Large,
  Mark,
  Nested,
  Odd,
  PlainActor,
  Remaining,
  Same,
  ThreadedActor,
  Throws,
  Where,
  WhereThread,
} from "./programs/tasks.ts";
import { cleanUp, until } from "./support.ts";
import {
  failureOf,
  linesOf,
  newJournal,
  open,
  runnerOf,
  startTasks,
  type TaskCluster,
} from "./tasks.ts";

let tasks: TaskCluster;
beforeAll(async () => {
  tasks = await startTasks({ executors: 2 });
}, 60_000);
afterAll(async () => {
  await tasks.stop();
  await cleanUp();
});

describe("submit", () => {
  test("gives each of 10,000 tasks its own result, each run once", async () => {
    const { client } = tasks;
    const handles = Array.from({ length: 10_000 }, (_, i) => client.submit(Add, [i, 1]));
    const results = await Promise.all(handles);
    expect(results.every((value, i) => value === i + 1)).toBe(true);
    expect(new Set(handles.map(({ id }) => id)).size).toBe(10_000);
    expect(handles.every(({ state }) => state === "done")).toBe(true);
  }, 60_000);

  test("what a function throws is APPLICATION, with its text, and isn't run again", async () => {
    const { code, message } = await failureOf(tasks.client.submit(Throws, ["no such thing"]));
    expect(code).toBe("APPLICATION");
    expect(message).toContain("no such thing");
  });

  test("refuses what doesn't cross, and says what a large value needs", async () => {
    const { client } = tasks;
    expect(() => client.submit(Add, [new Map() as never, 1])).toThrow(/NOT_SERIALIZABLE/);
    expect(() => client.submit(BytesOf, [new Uint8Array(300_000)])).toThrow(/put\(\)/);
    expect((await failureOf(client.submit(Odd, []))).code).toBe("NOT_SERIALIZABLE");
    const large = await failureOf(client.submit(Large, [600_000]));
    expect(large.code).toBe("FRAME_TOO_LARGE");
    expect(large.message).toContain("put()");
    expect(await client.submit(Large, [300_000])).toHaveLength(300_000);
  });

  test("a large result is an object where it was made, and an argument by its ref", async () => {
    const { client } = tasks;
    const ref = await client.submit(Large, [600_000], { result: "object" });
    expect(ref.bytes).toBe(600_000);
    expect(await client.submit(BytesOf, [ref as never])).toBe(600_000);
  });

  test("a task may submit others and wait for them", async () => {
    expect(await tasks.client.submit(Nested, [100])).toBe(9_900);
  });

  test("a deadline ends a task that runs, and one that waits", async () => {
    const { journal, gate } = newJournal(tasks);
    const options = { deadlineMs: 300 };
    const one = tasks.client.submit(Gate, [journal, gate, 1], options);
    expect((await failureOf(one)).code).toBe("DEADLINE_EXCEEDED");
    await until("its signal was aborted", () => linesOf(journal).includes("aborted 1"));
    const left = await tasks.client.submit(Remaining, [], { deadlineMs: 60_000 });
    expect(left).toBeGreaterThan(1_000);
    expect(left).toBeLessThanOrEqual(60_000);
  });
});

describe("map", () => {
  test("gives results in the items' order from a source without end", async () => {
    let taken = 0;
    function* endless(): Generator<number> {
      for (;;) yield taken++;
    }
    const got: number[] = [];
    const doubled = tasks.client.map(Same, endless(), { inFlight: 100 });
    for await (const value of doubled) {
      got.push(value);
      if (got.length === 500) break;
    }
    expect(got).toEqual(Array.from({ length: 500 }, (_, i) => i));
    expect(taken).toBeLessThanOrEqual(601);
  });
});

describe("cancel", () => {
  test("a task that waits doesn't begin; one that runs has its signal aborted", async () => {
    const { client } = tasks;
    const { journal, gate } = newJournal(tasks);
    const running = [1, 2].map((n) => client.submit(Gate, [journal, gate, n]));
    await runnerOf(journal, 2);
    const waiting = client.submit(Gate, [journal, gate, 3]);
    await waiting.cancel();
    expect((await failureOf(waiting)).code).toBe("CANCELLED");
    await running[0]?.cancel();
    expect((await failureOf(running[0] as never)).code).toBe("CANCELLED");
    open(gate);
    expect(await running[1]).toBe(2);
    expect(linesOf(journal).filter((line) => line.endsWith(" 3"))).toEqual([]);
    expect(linesOf(journal)).toContain("aborted 1");
  });

  test("by force ends the executor of one that doesn't listen, and no other task", async () => {
    const { client } = tasks;
    const { journal, gate } = newJournal(tasks);
    const deaf = client.submit(Deaf, [journal]);
    const pid = await runnerOf(journal);
    const behind = Array.from({ length: 4 }, (_, n) => client.submit(Mark, [journal, n]));
    await deaf.cancel({ force: true });
    expect((await failureOf(deaf)).code).toBe("CANCELLED");
    expect(await Promise.all(behind)).toEqual([0, 1, 2, 3]);
    expect(identityOf(pid)).toBeUndefined();
    void gate;
  });

  test("a signal ends it at once at its owner", async () => {
    const { journal, gate } = newJournal(tasks);
    const abort = new AbortController();
    const { signal } = abort;
    const one = tasks.client.submit(Gate, [journal, gate, 1], { signal });
    await runnerOf(journal);
    abort.abort(new Error("enough"));
    const { code, message } = await failureOf(one);
    expect(code).toBe("CANCELLED");
    expect(message).toContain("enough");
    await until("its function was told", () => linesOf(journal).includes("aborted 1"));
  });
});

describe("an executor's death", () => {
  test("costs what ran a retry, and what waited behind it nothing", async () => {
    const { client } = tasks;
    const { journal, gate } = newJournal(tasks);
    const gated = client.submit(Gate, [journal, gate, 0]);
    const pid = await runnerOf(journal);
    const others = Array.from({ length: 300 }, (_, i) => {
      return client.submit(Mark, [journal, i + 1], { maxRetries: 0 });
    });
    const identity = identityOf(pid);
    if (identity !== undefined) signalExactly(identity, "SIGKILL");
    await runnerOf(journal, 2);
    open(gate);
    expect(await gated).toBe(0);
    // Those that another executor ran meanwhile are done; none of them was lost or run twice.
    expect(await Promise.all(others)).toHaveLength(300);
    const marks = linesOf(journal).map((line) => line.split(" ")[1]);
    expect(marks.filter((n) => n !== "0").length).toBe(300);
    expect(marks.filter((n) => n === "0").length).toBe(2);
  });

  test("without a retry left the owner is told, with who and why", async () => {
    const { journal } = newJournal(tasks);
    const last = tasks.client.submit(Crash, [journal, 100], { maxRetries: 1 });
    const { code, message } = await failureOf(last);
    expect(["ACTOR_DIED", "OUTCOME_UNKNOWN"]).toContain(code);
    expect(message).toContain("SIGKILL");
    expect(linesOf(journal)).toHaveLength(2);
    const { journal: other } = newJournal(tasks);
    expect(await tasks.client.submit(Crash, [other, 2])).toBe(3);
  });
});

describe("threads", () => {
  test("run beside each other in one process, apart from others", async () => {
    const { client } = tasks;
    const apart = await client.submit(Where, []);
    const all = await Promise.all(
      Array.from({ length: 200 }, () => client.submit(WhereThread, [])),
    );
    expect(apart.isMainThread).toBe(true);
    expect(all.every(({ isMainThread }) => !isMainThread)).toBe(true);
    expect(new Set(all.map(({ pid }) => pid)).size).toBe(1);
    expect(all.some(({ pid }) => pid === apart.pid)).toBe(false);
  });

  test("host actors that say they are safe: each has a life of its own", async () => {
    const { client } = tasks;
    const options = { hosting: "thread" } as const;
    await expect(client.spawn(PlainActor, [], options)).rejects.toThrow(/threads: true/);
    const spawned = [1, 2].map(() => client.spawn(ThreadedActor, [], options));
    const [one, other] = await Promise.all(spawned);
    if (one === undefined || other === undefined) throw new Error("two were spawned");
    const [here, there] = await Promise.all([one.where(), other.where()]);
    expect([here.isMainThread, here.calls]).toEqual([false, 1]);
    expect([there.pid, there.isMainThread]).toEqual([here.pid, false]);
    expect(there.threadId).not.toBe(here.threadId);
    await client.kill(one);
    expect((await failureOf(one.where())).code).toBe("ACTOR_DIED");
    expect((await other.where()).calls).toBe(2);
    expect(["ACTOR_DIED", "OUTCOME_UNKNOWN"]).toContain((await failureOf(other.crash())).code);
  });

  test("all end with a crash of their process, and others run in a new one", async () => {
    const { client } = tasks;
    const before = await client.submit(WhereThread, []);
    const crash = client.submit(CrashThread, [], { maxRetries: 0 });
    expect(["ACTOR_DIED", "OUTCOME_UNKNOWN"]).toContain((await failureOf(crash)).code);
    const after = await client.submit(WhereThread, []);
    expect(after.pid).not.toBe(before.pid);
  });
});
