/** A pool's calls over members that come, go and die, with a head that is told by hand. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { CallOptions, CallTarget } from "../../../runtime/actor/handle.ts";
import { Pool } from "../../../runtime/client/pool.ts";
import { type ErrorCode, SystemError } from "../../../runtime/errors.ts";
import {
  POOL_IDLE_REPORT_MS,
  POOL_MEMBER_TRIES,
  WORKER_SILENCE_MS,
} from "../../../runtime/limits.ts";
import type { ActorView, ApiRequest, PoolSpec, PoolView } from "../../../runtime/messages.ts";
import { HostProcess, until, viewOf } from "./link-fakes.ts";

class Echo {
  say(text: string): string {
    return text;
  }
}
type EchoClass = typeof Echo;

/** A call as a member got it. */
interface Got {
  readonly member: string;
  readonly args: readonly unknown[];
  readonly options: CallOptions | undefined;
  answer(value: unknown): void;
  fail(code: ErrorCode, where?: Record<string, string>): void;
}

const SPEC: PoolSpec = {
  program: { url: "file:///p.ts", sha256: "0".repeat(64) },
  actor: "echo",
  args: [],
  size: { min: 0, max: 4 },
  options: {
    name: null,
    getIfExists: false,
    lifetime: "owned",
    hosting: "process",
    maxRestarts: 0,
    maxConcurrency: 1,
  },
};

const place = new HostProcess();
const member = (actorId: string, state: ActorView["state"] = "alive"): ActorView =>
  viewOf(place, { actorId, state, maxRestarts: 0 });

class World {
  readonly got: Got[] = [];
  readonly requests: ApiRequest[] = [];
  readonly forgotten: string[] = [];
  members: ActorView[];
  draining: string[] = [];
  /** The head lost what it knew of pools. */
  isNew = false;
  onCall: (call: Got) => void = () => undefined;
  onLocate: (actorId: string) => Promise<ActorView> = () => new Promise(() => undefined);
  readonly pool: Pool<EchoClass>;

  constructor(...members: readonly ActorView[]) {
    this.members = [...members];
    this.pool = new Pool<EchoClass>(SPEC, this.view(), {
      head: { request: async (request) => this.#answer(request) },
      links: {
        route: ({ actorId }) => this.#target(actorId),
        forget: (actorId) => void this.forgotten.push(actorId),
      },
      carrier: "auto",
      onClose: () => undefined,
    });
  }

  view(): PoolView {
    const { members, draining } = this;
    const owner = { identity: "c-000000000000", process: place.id };
    const { size, actor } = SPEC;
    const rest = { owner, size, actor, wanted: members.length, reason: "by hand" };
    return { poolId: "p1", members, draining, ...rest };
  }

  loads(): Extract<ApiRequest, { op: "pool-load" }>["load"][] {
    return this.requests.flatMap((request) => (request.op === "pool-load" ? [request.load] : []));
  }

  #answer(request: ApiRequest): unknown {
    this.requests.push(request);
    if (request.op === "locate") return this.onLocate(request.actorId);
    if (request.op === "pool-open") this.isNew = false;
    if (this.isNew) throw new SystemError("ACTOR_NOT_FOUND", "no such pool");
    return request.op === "pool-load" || request.op === "pool-open" ? this.view() : null;
  }

  #target(actorId: string): CallTarget {
    return {
      actorId,
      call: (_method, args, options) => {
        const { promise, resolve, reject } = Promise.withResolvers<unknown>();
        const fail = (code: ErrorCode, where = { actorId }): void =>
          reject(new SystemError(code, "by hand", where));
        const call = { member: actorId, args, options, answer: resolve, fail };
        this.got.push(call);
        this.onCall(call);
        return promise;
      },
      stream: () => {
        throw new Error("pools don't stream");
      },
    };
  }
}

let world: World;
const open = (...members: readonly ActorView[]): World => (world = new World(...members));
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
beforeEach(() => open());
afterEach(() => world.pool.close());

test("calls go to the members with the fewest under way; the rest waits", async () => {
  const { pool, got } = open(member("a"), member("b"));
  const calls = ["1", "2", "3"].map((text) => pool.call("say", [text]));
  await settle();
  expect(got.map((call) => call.member)).toEqual(["a", "b"]);
  got[1]?.answer("two");
  await settle();
  expect(got.map((call) => call.member)).toEqual(["a", "b", "b"]);
  got[0]?.answer("one");
  got[2]?.answer("three");
  expect(await Promise.all(calls)).toEqual(["one", "two", "three"]);
  expect(pool.size).toBe(2);
});

test("a call of an empty pool is reported at once, and goes when a member lives", async () => {
  const { pool, got, requests } = world;
  const born = Promise.withResolvers<ActorView>();
  world.onLocate = () => born.promise;
  const call = pool.call("say", ["hi"]);
  world.members = [member("a", "starting")];
  await settle();
  expect(world.loads()[0]).toMatchObject({ backlog: 1, inFlight: 0 });
  expect(requests.some(({ op }) => op === "locate")).toBe(true);
  expect(got).toEqual([]);
  born.resolve(member("a"));
  await until(() => got.length === 1);
  got[0]?.answer("there");
  expect(await call).toBe("there");
});

test("load is reported while calls are made: backlog, under way, answered once", async () => {
  const { pool, got } = open(member("a"));
  const calls = ["1", "2", "3"].map((text) => pool.call("say", [text]));
  await settle();
  got[0]?.answer(null);
  const begunMs = performance.now();
  await until(() => world.loads().length >= 1);
  expect(performance.now() - begunMs).toBeLessThan(POOL_IDLE_REPORT_MS);
  const { backlog, inFlight, answered } = world.loads()[0] ?? {};
  expect([(backlog ?? 0) + (inFlight ?? 0), answered]).toEqual([2, 1]);
  await settle();
  got[1]?.answer(null);
  await until(() => got.length === 3);
  got[2]?.answer(null);
  await Promise.all(calls);
  await until(() => world.loads().reduce((sum, { answered }) => sum + answered, 0) === 3);
});

describe("a member that dies", () => {
  test("before the call began: another one gets it, without retries", async () => {
    const { pool, got } = open(member("a"), member("b"));
    const call = pool.call("say", ["hi"]);
    await settle();
    got[0]?.fail("ACTOR_DIED");
    await settle();
    expect(got.map((one) => one.member)).toEqual(["a", "b"]);
    got[1]?.answer("hi");
    expect(await call).toBe("hi");
    expect(pool.size).toBe(1);
  });

  test("amid it: OUTCOME_UNKNOWN, or another one with retries", async () => {
    const { pool, got } = open(member("a"), member("b"), member("c"));
    const once = refused(pool.call("say", ["1"]), { code: "OUTCOME_UNKNOWN" });
    await settle();
    got[0]?.fail("OUTCOME_UNKNOWN");
    await once;
    const again = pool.call("say", ["2"], { retries: 1 });
    await settle();
    got[1]?.fail("OUTCOME_UNKNOWN");
    await settle();
    expect(new Set(got.map((one) => one.member)).size).toBe(3);
    got[2]?.answer("2");
    expect(await again).toBe("2");
  });

  test("and yet lives, as its head says when it must know, gets calls again", async () => {
    const { pool, got } = open(member("a"));
    const lost = refused(pool.call("say", ["1"]), { code: "OUTCOME_UNKNOWN" });
    await settle();
    got[0]?.fail("OUTCOME_UNKNOWN");
    await lost;
    const call = pool.call("say", ["2"]);
    const before = world.loads().length;
    await until(() => world.loads().length > before + 1);
    expect([pool.size, got.length]).toEqual([0, 1]);
    const now = performance.now() + WORKER_SILENCE_MS;
    vi.spyOn(performance, "now").mockReturnValue(now);
    await until(() => got.length === 2);
    vi.restoreAllMocks();
    got[1]?.answer("2");
    expect(await call).toBe("2");
    expect(pool.size).toBe(1);
  });

  test("again and again: the call fails after its tries", async () => {
    const names = Array.from({ length: POOL_MEMBER_TRIES + 2 }, (_, i) => `m${i}`);
    open(...names.map((name) => member(name)));
    world.onCall = ({ fail }) => fail("ACTOR_DIED");
    const call = world.pool.call("say", ["hi"]);
    await expect(call).rejects.toMatchObject({ code: "ACTOR_DIED" });
    expect(world.got.length).toBe(POOL_MEMBER_TRIES + 1);
  });

  test("is another's: what a method says of an actor that it called is its own", async () => {
    const { pool, got } = open(member("a"), member("b"));
    const call = pool.call("say", ["hi"]);
    await settle();
    got[0]?.fail("ACTOR_DIED", { actorId: "somebody else" });
    await expect(call).rejects.toMatchObject({ where: { actorId: "somebody else" } });
    expect(got.length).toBe(1);
    expect(pool.size).toBe(2);
  });
});

test("a member that is to go gets no new call, and is ended after its last", async () => {
  const { pool, got, requests } = open(member("a"));
  const first = pool.call("say", ["1"]);
  await settle();
  world.draining = ["a"];
  world.members = [member("a"), member("b")];
  await pool.view().catch(() => undefined);
  expect(pool.members.map(({ state }) => state)).toEqual(["draining", "alive"]);
  const second = pool.call("say", ["2"]);
  await settle();
  expect(got.map((one) => one.member)).toEqual(["a", "b"]);
  const kills = (): ApiRequest[] => requests.filter(({ op }) => op === "kill");
  expect(kills()).toEqual([]);
  got[0]?.answer(null);
  await first;
  expect(kills()).toEqual([{ op: "kill", actorId: "a", restart: false }]);
  got[1]?.answer(null);
  await second;
  world.members = [member("b")];
  world.draining = [];
  await pool.view().catch(() => undefined);
  expect(world.forgotten).toEqual(["a"]);
});

test("a new head that doesn't know the pool is told of it, under its name", async () => {
  const { pool, requests } = open(member("a"));
  world.isNew = true;
  await pool.view().catch(() => undefined);
  const opened = requests.find(({ op }) => op === "pool-open");
  expect(opened).toMatchObject({ spec: { actor: "echo", poolId: "p1" } });
  expect(pool.size).toBe(1);
});

test("a constructor that throws fails the calls that wait", async () => {
  const { pool } = world;
  const call = refused(pool.call("say", ["hi"]), {
    code: "APPLICATION",
    what: "no model",
  });
  const error = { code: "APPLICATION", what: "no model", where: {} } as const;
  world.members = [{ ...member("a", "dead"), address: null, error }];
  await call;
});

test("waiting calls keep their deadline and signal, and leave the row", async () => {
  const { pool, got } = open(member("a"));
  const first = pool.call("say", ["1"]);
  const late = pool.call("say", ["2"], { deadlineMs: 20 });
  const end = new AbortController();
  const stopped = pool.call("say", ["3"], { signal: end.signal });
  const last = pool.call("say", ["4"]);
  const cancelled = refused(stopped, { code: "CANCELLED" });
  end.abort("enough");
  await cancelled;
  await expect(late).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  got[0]?.answer(null);
  await first;
  await until(() => got.length === 2);
  expect(got[1]?.args).toEqual(["4"]);
  got[1]?.answer(null);
  await last;
});

test("what a waiting call was given doesn't change under it", async () => {
  const { pool, got } = open(member("a"));
  const first = pool.call("say", ["1"]);
  const bytes = Uint8Array.of(1, 2, 3);
  const second = (pool as unknown as Pool<new () => { put(b: Uint8Array): number }>).call("put", [
    bytes,
  ]);
  bytes.fill(9);
  await settle();
  got[0]?.answer(null);
  await first;
  await until(() => got.length === 2);
  expect(got[1]?.args[0]).toEqual(Uint8Array.of(1, 2, 3));
  got[1]?.answer(null);
  await second;
});

test("an option of another name is USAGE, in a call and in a map", async () => {
  const { pool, got } = open(member("a"));
  await expect(pool.call("say", ["1"], { retry: 1 } as never)).rejects.toMatchObject({
    code: "USAGE",
  });
  const all = Array.fromAsync(pool.map(["1"], "say", { inflight: 1 } as never));
  await expect(all).rejects.toMatchObject({ code: "USAGE" });
  await settle();
  expect(got).toEqual([]);
});

describe("map", () => {
  test("gives results in order, and ends with the first failure and its index", async () => {
    const { pool } = open(member("a"), member("b"));
    world.onCall = ({ args, answer, fail }) =>
      args[0] === "bad" ? fail("APPLICATION", { actorId: "x" }) : answer(`${String(args[0])}!`);
    expect(await Array.fromAsync(pool.map(["1", "2", "3"], "say"))).toEqual(["1!", "2!", "3!"]);
    const all = Array.fromAsync(pool.map(["1", "bad", "3"], "say"));
    await expect(all).rejects.toMatchObject({ code: "APPLICATION", where: { index: 1 } });
    const settled = await Array.fromAsync(pool.mapSettled(["1", "bad", "3"], "say"));
    expect(settled.map(({ error }) => error?.code)).toEqual([undefined, "APPLICATION", undefined]);
  });

  test("takes twice what the members run at once, before calls are measured", async () => {
    const { pool, got } = open(member("a"), member("b"));
    let taken = 0;
    const source = (function* () {
      for (;;) yield String((taken += 1));
    })();
    const results = pool.map(source, "say");
    const first = results.next();
    await settle();
    expect(taken).toBe(4);
    got[0]?.answer("x");
    expect(await first).toEqual({ done: false, value: "x" });
    await results.return();
  });
});

test("a closed pool refuses calls, fails those that wait and tells the head", async () => {
  const { pool, requests } = open(member("a"));
  const first = pool.call("say", ["1"]);
  first.catch(() => undefined);
  const waiting = refused(pool.call("say", ["2"]), { code: "CANCELLED" });
  await pool.close();
  await waiting;
  expect(requests.at(-1)).toEqual({ op: "pool-close", poolId: "p1" });
  expect(world.forgotten).toEqual(["a"]);
  await expect(pool.call("say", ["3"])).rejects.toMatchObject({ code: "CANCELLED" });
});

/** Settles when the call was refused with this. */
async function refused(call: Promise<unknown>, error: object): Promise<void> {
  await expect(call).rejects.toMatchObject(error);
}
