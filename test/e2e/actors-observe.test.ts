/** What can be seen of actors: states, events, output, lists and reasons. */
import { describe, expect, test } from "vitest";
import { withOptions } from "../../runtime/index.ts";
import type { Page } from "../../runtime/client/cluster.ts";
import type { ActorEvent, ActorView } from "../../runtime/messages.ts";
import { actors, client, journal, spawnLife as spawn, useActors } from "./actor-suite.ts";
import { clientOf, codeOf, newGate, open, processOf } from "./actors.ts";
import { kill } from "./processes.ts";
import { LifeActor } from "./programs/lives.ts";
import { until } from "./support.ts";

useActors();

/** The events of one actor, as another client hears them, until one of them is `last`. */
async function eventsUntil(actorId: string, last: ActorEvent["state"]): Promise<ActorEvent[]> {
  const watcher = await clientOf(actors.own);
  const stop = AbortSignal.timeout(20_000);
  const heard: ActorEvent[] = [];
  for await (const event of watcher.events({ signal: stop })) {
    if (event.actorId !== actorId) continue;
    heard.push(event);
    if (event.state === last) break;
  }
  await watcher.close();
  return heard;
}

test("events tell every state of every life, in order", async () => {
  const one = await spawn({ maxRestarts: 1, name: "watched" });
  const { actorId } = await client.stateOf(one);
  await kill(processOf(await one.pid()));
  expect(await withOptions(one, { retries: 3 }).add(1)).toBe(1);
  await client.kill(one, { restart: false });
  const events = await eventsUntil(actorId, "dead");
  const steps = events.map(({ state, incarnation }) => `${state} ${incarnation}`);
  expect(steps.filter((step) => !step.startsWith("pending"))).toEqual([
    // Between two lives it is the next one that is told.
    ...["starting 0", "alive 0", "restarting 1", "starting 1", "alive 1", "dead 1"],
  ]);
  expect(events.every(({ name }) => name === "watched")).toBe(true);
  const sequences = events.map(({ sequence }) => sequence);
  expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
  const why = events.find(({ state }) => state === "restarting")?.error;
  expect(why?.what).toContain("SIGKILL");
});

describe("output", () => {
  /** Lines of an actor's output until one holds `last`. */
  async function linesUntil(
    output: AsyncIterable<{ readonly stream: string; readonly text: string }>,
    last: string,
  ): Promise<string[]> {
    const lines: string[] = [];
    for await (const { stream, text } of output) {
      for (const line of text.trimEnd().split("\n")) lines.push(`${stream} ${line}`);
      if (text.includes(last)) break;
    }
    return lines;
  }

  test("is kept: what was written before somebody asks", async () => {
    const one = await spawn();
    await one.say("stdout", "first é");
    await one.say("stderr", "second");
    const lines = await until("it has come", async () => {
      const all = await linesUntil(client.logs(one, { follow: false }), "nothing has this");
      return all.length >= 2 && all;
    });
    expect(lines.toSorted()).toEqual(["stderr second", "stdout first é"]);
  });

  test("is followed: what is written after", async () => {
    const one = await spawn();
    await one.say("stdout", "before");
    const followed = linesUntil(client.logs(one, { follow: true }), "line 99");
    for (let i = 0; i < 100; i += 1) await one.say("stdout", `line ${i}`);
    const lines = (await followed).map((line) => line.replace("stdout ", ""));
    expect(lines.filter((line) => line.startsWith("line"))).toEqual(
      Array.from({ length: 100 }, (_, i) => `line ${i}`),
    );
  });

  test("of a life that ended can still be read", async () => {
    const one = await spawn();
    await one.say("stderr", "last words");
    await kill(processOf(await one.pid()));
    const lines = await until("it has come", async () => {
      const all = await linesUntil(client.logs(one, { follow: false }), "nothing has this");
      return all.length > 0 && all;
    });
    expect(lines).toEqual(["stderr last words"]);
  });
});

describe("a list", () => {
  test("is filtered before it is cut into pages, and none is left out", async () => {
    const names = Array.from({ length: 5 }, (_, i) => `listed-${i}`);
    const handles = await Promise.all(names.map((name) => spawn({ name, hosting: "shared" })));
    const filter = { actor: "life", state: "alive", hosting: "shared" };
    const found: (string | null)[] = [];
    let after: string | null = null;
    do {
      const page: Page<ActorView> = await client.list("actors", { filter, after, limit: 2 });
      expect(page.entries.length).toBeLessThanOrEqual(2);
      expect(page.total).toBe(5);
      found.push(...page.entries.map(({ name }) => name));
      after = page.next;
    } while (after !== null);
    expect(new Set(found)).toEqual(new Set(names));
    expect(found.length).toBe(names.length);
    for (const handle of handles) await client.kill(handle, { restart: false });
    expect((await client.list("actors", { filter })).total).toBe(0);
  });

  test("with a field that no actor has is USAGE, and names it", async () => {
    await expect(client.list("actors", { filter: { colour: "red" } })).rejects.toMatchObject({
      code: "USAGE",
      what: expect.stringContaining("colour"),
    });
  });

  test("of pools tells their members", async () => {
    const pool = await client.pool(LifeActor, [{ journal }], { size: { min: 2, max: 2 } });
    await until("both live", () => pool.size === 2);
    const { entries } = await client.list("pools");
    expect(entries.map(({ actor, members }) => [actor, members.length])).toEqual([["life", 2]]);
    await pool.close();
  });
});

describe("explain", () => {
  test("says where it lives, and why it is dead", async () => {
    const one = await spawn({ name: "explained" });
    const alive = await client.explain("explained");
    expect(alive.view).toMatchObject({ name: "explained", state: "alive" });
    expect(alive.reasons.join(" ")).toContain(alive.view.worker);
    const { actorId } = alive.view;
    await kill(processOf(await one.pid()));
    await until("it is dead", async () => (await client.stateOf(one)).state === "dead");
    const dead = await client.explain(actorId);
    expect(dead.view.state).toBe("dead");
    expect(dead.reasons.join(" ")).toMatch(/SIGKILL/);
  });

  test("of a nobody is ACTOR_NOT_FOUND", async () => {
    expect(await codeOf(client.explain("nobody"))).toBe("ACTOR_NOT_FOUND");
  });

  test("says what a call's actor is busy with: nothing is lost meanwhile", async () => {
    const one = await spawn({ name: "busy" });
    const gate = newGate(actors);
    const waiting = one.wait(gate);
    expect((await client.explain("busy")).view.state).toBe("alive");
    open(gate);
    expect(await waiting).toBe(await one.pid());
  });
});
