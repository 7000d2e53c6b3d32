/** A cluster's view of one process: what it asks of a head, and what it makes of the answers. */
import { Objects } from "../../../runtime/client/objects/objects.ts";
import { newProcessId } from "../../../runtime/ids.ts";
import { TaskClient } from "../../../runtime/tasks/client.ts";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { actor } from "../../../runtime/actor/registry.ts";
import { LogStreams } from "../../../runtime/client/actors/logs.ts";
import { actorOptionsOf, type SpawnOptions } from "../../../runtime/client/actors/options.ts";
import { Cluster } from "../../../runtime/client/cluster.ts";
import type { HeadClient } from "../../../runtime/client/head-client.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { CLIENT_ALIVE_MS, LEAVE_MS } from "../../../runtime/limits.ts";
import type { ActorEvent, ActorView, ApiRequest } from "../../../runtime/messages.ts";
import { deadView, viewOf, World } from "./link-fakes.ts";

class Counter {
  add(n: number): number {
    return n;
  }
}
const CounterActor = actor("counter", Counter);
/** Registered, and not among the program's exports. */
const Hidden = actor("hidden", Counter);
const PROGRAM = { url: "file:///p.ts", sha256: "0".repeat(64) };

let world: World;
let asked: ApiRequest[];
let answers: Partial<{ [Op in ApiRequest["op"]]: (request: never) => unknown }>;
let logs: LogStreams;
let closed: number;
let lose: (error: SystemError) => void;
let headClosed: SystemError | undefined;
let cluster: Cluster;
beforeEach(() => {
  world = new World();
  asked = [];
  closed = 0;
  logs = new LogStreams();
  answers = {};
  const request = async (one: ApiRequest, options?: { signal?: AbortSignal }): Promise<unknown> => {
    asked.push(one);
    if (options?.signal?.aborted === true) throw new SystemError("CANCELLED", "aborted");
    const answer = answers[one.op];
    return answer === undefined ? null : answer(one as never);
  };
  headClosed = undefined;
  const close = (error: SystemError): void => void (headClosed = error);
  const { promise: lost, resolve } = Promise.withResolvers<SystemError>();
  lose = resolve;
  const head = { request, close, listen: () => undefined } as unknown as HeadClient;
  cluster = new Cluster({
    program: PROGRAM,
    loaded: { actors: new Map([["counter", CounterActor]]), tasks: new Map(), main: undefined },
    head,
    tasks: new TaskClient({ self: newProcessId(), head }),
    objects: new Objects({ self: newProcessId(), door: async () => undefined }),
    lost,
    links: world.links,
    logs,
    close: async () => void (closed += 1),
  });
});
afterEach(() => {
  vi.useRealTimers();
});

const ops = (): string[] => asked.map(({ op }) => op);

describe("spawn", () => {
  test("says every option, and gives a handle that calls the actor", async () => {
    const host = world.host();
    host.onCall = ({ args, answer }) => answer(Number(args[0]) + 1);
    answers.spawn = () => viewOf(host);
    const options = { name: "one", lifetime: "detached", maxRestarts: Infinity } as const;
    const counter = await cluster.spawn(CounterActor, [], options);
    expect(asked[0]).toEqual({
      op: "spawn",
      program: PROGRAM,
      actor: "counter",
      args: [],
      options: {
        ...{ name: "one", getIfExists: false, lifetime: "detached", hosting: "process" },
        ...{ maxRestarts: Number.MAX_SAFE_INTEGER, maxConcurrency: 1 },
      },
    });
    expect(await counter.add(4)).toBe(5);
  });

  test("of what the program doesn't export is refused before anything is asked", async () => {
    await expect(cluster.spawn(Hidden, [])).rejects.toMatchObject({ code: "NOT_IN_PROGRAM" });
    const size = { min: 0, max: 1 };
    const pool = cluster.pool(Hidden, [], { size });
    await expect(pool).rejects.toMatchObject({ code: "NOT_IN_PROGRAM" });
    expect(asked).toEqual([]);
  });

  test.each([
    { name: "not a name" },
    { getIfExists: true },
    { lifetime: "detached" as const },
    { maxConcurrency: 0 },
    { maxRestarts: -1 },
    { maxRestarts: 0.5 },
    { maxPendingCalls: 10_001 },
    { maxRestart: 1 },
    { hosting: "fibre" },
    { lifetime: "forever" },
    { carrier: "tcp" },
  ])("with %o is USAGE", (options) => {
    expect(() => actorOptionsOf(options as SpawnOptions)).toThrow(
      expect.objectContaining({ code: "USAGE" }) as Error,
    );
  });

  test.each([
    { size: { min: 2, max: 1 } },
    { size: { min: 0, max: 0 } },
    { size: { min: 0, max: 321 } },
    { size: { min: 0, max: 1 }, name: "p" },
    { size: { min: 0, max: 1 }, maxConcurrency: 0 },
  ])("of a pool with %o is USAGE", async (options) => {
    const opening = cluster.pool(CounterActor, [], options);
    await expect(opening).rejects.toMatchObject({ code: "USAGE" });
    expect(ops()).toEqual([]);
  });
});

test("a name of another class is ACTOR_NOT_FOUND", async () => {
  answers.actor = () => viewOf(world.host(), { actor: "other", name: "index" });
  const found = cluster.actor(CounterActor, "index");
  await expect(found).rejects.toMatchObject({ code: "ACTOR_NOT_FOUND" });
});

test("a reference crosses as plain data and becomes a handle again", async () => {
  const host = world.host();
  host.onCall = ({ args, answer }) => answer(args[0]);
  answers.spawn = () => viewOf(host);
  answers.list = () => ({ entries: [viewOf(host)], next: null, total: 1 });
  const reference = await cluster.refOf(await cluster.spawn(CounterActor, []));
  expect(reference).toEqual({ kind: "actor-ref", actorId: "a1", actor: "counter" });
  const again = await cluster.actorFrom(CounterActor, structuredClone(reference));
  expect(await again.add(3)).toBe(3);
  await expect(cluster.refOf({})).rejects.toMatchObject({ code: "USAGE" });
});

test("after a kill no call is sent to the life that was ended", async () => {
  const host = world.host();
  answers.spawn = () => viewOf(host, { maxRestarts: 0 });
  answers.kill = () => deadView("killed by its owner", { actorId: "a1" });
  const counter = await cluster.spawn(CounterActor, []);
  await cluster.kill(counter);
  expect(asked.at(-1)).toEqual({ op: "kill", actorId: "a1", restart: false });
  await expect(counter.add(1)).rejects.toMatchObject({ code: "ACTOR_DIED" });
  expect(host.got).toEqual([]);
});

describe("a process that owns something", () => {
  test("says that it is there, and that it leaves", async () => {
    vi.useFakeTimers();
    answers.spawn = () => viewOf(world.host());
    await vi.advanceTimersByTimeAsync(2 * CLIENT_ALIVE_MS);
    expect(ops()).toEqual([]);
    await cluster.spawn(CounterActor, []);
    await vi.advanceTimersByTimeAsync(2 * CLIENT_ALIVE_MS);
    expect(ops()).toEqual(["spawn", "alive", "alive"]);
    await cluster.close();
    await cluster.close();
    await vi.advanceTimersByTimeAsync(2 * CLIENT_ALIVE_MS);
    expect(ops()).toEqual(["spawn", "alive", "alive", "leave"]);
    expect(closed).toBe(1);
    expect(LEAVE_MS).toBeLessThan(CLIENT_ALIVE_MS);
  });

  test("one that owns nothing says nothing", async () => {
    await cluster.close();
    expect(ops()).toEqual([]);
    await expect(cluster.spawn(CounterActor, [])).rejects.toMatchObject({ code: "CANCELLED" });
  });
});

test("events go on behind the last one, until the signal", async () => {
  const event = (sequence: number): ActorEvent => ({
    ...{ sequence, atMs: 0, actorId: "a1", incarnation: 0, name: null },
    ...({ state: "alive", error: null } as const),
  });
  const end = new AbortController();
  const pages = [[event(1), event(2)], [], [event(3)]];
  answers.events = ({ after }: { after: number }) => {
    const events = pages.shift();
    if (events === undefined) end.abort();
    return { events: events ?? [], next: events?.at(-1)?.sequence ?? after, lost: 0 };
  };
  const seen: number[] = [];
  for await (const { sequence } of cluster.events({ signal: end.signal })) seen.push(sequence);
  expect(seen).toEqual([1, 2, 3]);
  const cursors = asked.map((one) => (one.op === "events" ? one.after : -1));
  expect(cursors).toEqual([0, 2, 2, 3]);
});

test("a followed log goes on with the next life, and ends with the actor", async () => {
  const host = world.host();
  const lives = ["first\n", "second\n"];
  let incarnation = 0;
  const view = (): ActorView => viewOf(host, { incarnation });
  answers.list = () => ({ entries: [view()], next: null, total: 1 });
  answers.logs = ({ request }: { request: number }) => {
    const said = { op: "log", request, stream: "stdout" } as const;
    logs.take({ ...said, text: lives.shift() ?? "", end: false });
    logs.take({ ...said, text: "", end: true });
    return null;
  };
  answers.locate = ({ after }: { after: number }) => {
    incarnation = after;
    return after > 1 ? deadView("done") : view();
  };
  const texts = await Array.fromAsync(cluster.logs("a1", { follow: true }));
  expect(texts.map(({ text }) => text)).toEqual(["first\n", "second\n"]);
  const located = asked.flatMap((one) => (one.op === "locate" ? [one.after] : []));
  expect(located).toEqual([1, 2]);
});

test("a cluster that is gone fails what waits and what comes, and can be closed", async () => {
  const host = world.host();
  answers.spawn = () => viewOf(host);
  const counter = await cluster.spawn(CounterActor, []);
  const waiting = counter.add(1).catch((thrown: unknown) => thrown);
  const gone = new SystemError("CLUSTER_FAILED", "the cluster ended");
  lose(gone);
  expect(await waiting).toMatchObject({ code: "OUTCOME_UNKNOWN" });
  expect(headClosed).toBe(gone);
  await expect(counter.add(2)).rejects.toMatchObject({ code: "ACTOR_DIED", cause: gone });
  expect(closed).toBe(0);
  await cluster.close();
  expect(closed).toBe(1);
});
