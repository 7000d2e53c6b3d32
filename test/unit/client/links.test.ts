/** How calls find an actor over its lives, with and without a head. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { deadView, type HostProcess, until, viewOf, World } from "./link-fakes.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { ROUTE_FINAL_MS } from "../../../runtime/limits.ts";
import type { ActorView } from "../../../runtime/messages.ts";

let world: World;
let first: HostProcess;
let second: HostProcess;
beforeEach(() => {
  world = new World();
  first = world.host();
  second = world.host();
});
afterEach(() => world.links.close());

const echo = (host: HostProcess): void => {
  host.onCall = ({ method, args, answer }) => answer(`${method} ${String(args[0])}`);
};
/** The next life, once somebody asks for it. */
const nextLife = (): Promise<ActorView> =>
  Promise.resolve(viewOf(second, { incarnation: 1, restarts: 1 }));

test("a link opens at the first call; actors of one process share it", async () => {
  echo(first);
  const one = world.links.route(viewOf(first));
  const two = world.links.route(viewOf(first, { actorId: "a2" }));
  expect(world.table.size).toBe(0);
  expect(await Promise.all([one.call("say", [1]), two.call("say", [2])])).toEqual([
    "say 1",
    "say 2",
  ]);
  expect(world.table.size).toBe(1);
  expect(world.asked).toEqual([]);
});

test("a route is one an actor, whoever asks again", () => {
  expect(world.links.route(viewOf(first))).toBe(world.links.route(viewOf(first)));
});

describe("a process that died", () => {
  test("a sent call is OUTCOME_UNKNOWN at once, a new one goes to the next life", async () => {
    const target = world.links.route(viewOf(first));
    const sent = target.call("slow", [1]);
    await until(() => first.got.length === 1);
    const located = Promise.withResolvers<ActorView>();
    world.locate = () => located.promise;
    world.kill(first);
    await expect(sent).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", where: { actorId: "a1" } });
    const later = target.call("say", [2]);
    await until(() => world.asked.length === 1);
    expect(world.asked[0]).toEqual({ op: "locate", actorId: "a1", after: 1 });
    echo(second);
    located.resolve(await nextLife());
    expect(await later).toBe("say 2");
  });

  test("calls with retries go again, in their order, before those made meanwhile", async () => {
    const target = world.links.route(viewOf(first));
    const located = Promise.withResolvers<ActorView>();
    world.locate = () => located.promise;
    const retried = [1, 2, 3].map((i) => target.call("say", [i], { retries: 1 }));
    await until(() => first.got.length === 3);
    world.kill(first);
    const later = [4, 5].map((i) => target.call("say", [i]));
    echo(second);
    located.resolve(await nextLife());
    expect(await Promise.all([...retried, ...later])).toEqual(
      [1, 2, 3, 4, 5].map((i) => `say ${i}`),
    );
    expect(second.got.map(({ args }) => args[0])).toEqual([1, 2, 3, 4, 5]);
    expect(second.got.slice(0, 3).map(({ id }) => id)).toEqual(first.got.map(({ id }) => id));
  });

  test("retries run out: OUTCOME_UNKNOWN after as many lives", async () => {
    const target = world.links.route(viewOf(first));
    world.locate = nextLife;
    const call = target.call("say", [1], { retries: 1 });
    await until(() => first.got.length === 1);
    world.kill(first);
    await until(() => second.got.length === 1);
    world.kill(second);
    await expect(call).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  });

  test("a deadline holds while nobody says where the next life is", async () => {
    const target = world.links.route(viewOf(first));
    void target.call("slow", [1]).catch(() => undefined);
    await until(() => first.got.length === 1);
    world.kill(first);
    const late = target.call("say", [2], { deadlineMs: 30 });
    await expect(late).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });

  test("10,000 calls wait for the next life, in order; one more is OVERLOADED", async () => {
    const target = world.links.route(viewOf(first));
    const located = Promise.withResolvers<ActorView>();
    world.locate = () => located.promise;
    void target.call("slow", [0]).catch(() => undefined);
    await until(() => first.got.length === 1);
    world.kill(first);
    const calls = Array.from({ length: 10_000 }, (_, i) => target.call("say", [i]));
    await expect(target.call("say", [-1])).rejects.toMatchObject({ code: "OVERLOADED" });
    echo(second);
    located.resolve(await nextLife());
    const values = await Promise.all(calls);
    expect(values).toEqual(values.map((_, i) => `say ${i}`));
    expect(second.got.map(({ args }) => args[0])).toEqual(values.map((_, i) => i));
  });
});

describe("an actor without a further life", () => {
  test("fails with the head's reason as cause", async () => {
    const target = world.links.route(viewOf(first));
    world.locate = async () => deadView("it took 9 GiB", { incarnation: 0 });
    void target.call("slow", [1]).catch(() => undefined);
    await until(() => first.got.length === 1);
    world.kill(first);
    const thrown = await target.call("say", [2]).catch((error: unknown) => error as SystemError);
    expect(thrown).toMatchObject({ code: "ACTOR_DIED", cause: { code: "OUT_OF_MEMORY" } });
    expect((thrown as SystemError).what).toContain("it took 9 GiB");
    await expect(target.call("say", [3])).rejects.toMatchObject({ code: "ACTOR_DIED" });
    expect(world.asked.length).toBe(1);
  });

  test("fails with what its link said when no head says more in time", async () => {
    const target = world.links.route(viewOf(first, { maxRestarts: 0 }));
    void target.call("slow", [1]).catch(() => undefined);
    await until(() => first.got.length === 1);
    world.kill(first, "signal SIGKILL");
    const begunMs = performance.now();
    const thrown = await target.call("say", [2]).catch((error: unknown) => error as SystemError);
    expect(performance.now() - begunMs).toBeLessThan(ROUTE_FINAL_MS + 1_500);
    expect(thrown).toMatchObject({ code: "ACTOR_DIED" });
    expect((thrown as SystemError).what).toContain("SIGKILL");
  });

  test("that was dead when it was found fails at the first call", async () => {
    const target = world.links.route(deadView("long gone"));
    // Nothing of it is kept: another look gives another way to it.
    expect(world.links.route(deadView("long gone"))).not.toBe(target);
    await expect(target.call("say", [1])).rejects.toMatchObject({ code: "ACTOR_DIED" });
  });
});

describe("a way that was cut while the process lives", () => {
  test("is opened again to the same life, asked of the head by that life's number", async () => {
    echo(first);
    const target = world.links.route(viewOf(first));
    world.locate = async () => viewOf(first);
    expect(await target.call("say", [1])).toBe("say 1");
    world.cut(first);
    expect(await target.call("say", [2])).toBe("say 2");
    expect(world.asked).toEqual([{ op: "locate", actorId: "a1", after: 0 }]);
    expect(second.got).toEqual([]);
  });

  test("a call with retries under way reaches the same life under its number", async () => {
    const target = world.links.route(viewOf(first));
    world.locate = async () => viewOf(first);
    const call = target.call("say", [1], { retries: 1 });
    await until(() => first.got.length === 1);
    world.cut(first);
    await until(() => first.got.length === 2);
    expect(first.got[1]?.id).toBe(first.got[0]?.id);
    first.got[1]?.answer("once");
    expect(await call).toBe("once");
  });
});

test("without a head calls on an open link go on", async () => {
  echo(first);
  const target = world.links.route(viewOf(first));
  for (let i = 0; i < 3; i += 1) expect(await target.call("say", [i])).toBe(`say ${i}`);
  expect(world.asked).toEqual([]);
});

test("a life whose place isn't known yet is asked for", async () => {
  echo(first);
  world.locate = async () => viewOf(first);
  const target = world.links.route(viewOf(first, { state: "starting", address: null }));
  expect(await target.call("say", [1])).toBe("say 1");
});

test("closed links fail what is under way and what comes", async () => {
  const target = world.links.route(viewOf(first));
  const call = target.call("slow", [1]);
  await until(() => first.got.length === 1);
  world.links.close();
  await expect(call).rejects.toBeInstanceOf(SystemError);
  await expect(target.call("say", [2])).rejects.toBeInstanceOf(SystemError);
});
