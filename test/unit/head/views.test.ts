/** The largest answers about actors fit a frame, whatever stands in them. */
import { expect, test } from "vitest";
import { decideAll, newHeadState } from "../../../head/core/core.ts";
import type { HeadEvent } from "../../../head/core/events.ts";
import { emptyState } from "../../../head/core/facts.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { PROCESS_NONE } from "../../../runtime/ids.ts";
import { ERROR_TEXT_MAX, LIST_PAGE_MAX, POOL_MEMBERS_MAX } from "../../../runtime/limits.ts";
import { type ActorOptions, parseMessage, poolView } from "../../../runtime/messages.ts";
import { CALLER, CONFIG, PROGRAM, reportOf } from "./support.ts";

const WORKER = "w-000000000001";
const FIELDS = { lane: 0, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
const ENDS = { source: PROCESS_NONE, destination: PROCESS_NONE };
const OPTIONS: ActorOptions = {
  name: null,
  getIfExists: false,
  lifetime: "owned",
  hosting: "shared",
  maxRestarts: 0,
  maxConcurrency: 8,
};

/** As long as one may be. */
const LONG_ERROR = { code: "APPLICATION", what: "é".repeat(ERROR_TEXT_MAX), where: {} } as const;

/** A head with a pool as large as may be, all members alive; `ask` gives a request's answer. */
function newHead() {
  const state = newHeadState(emptyState(), CONFIG, 0);
  let id = 0;
  const feed = (...events: HeadEvent[]): unknown[] =>
    decideAll(state, events, 0).effects.flatMap((it) => (it.type === "reply" ? [it.value] : []));
  const ask = (request: Extract<HeadEvent, { type: "api" }>["request"]): unknown => {
    id += 1;
    return feed({ type: "api", caller: { ...CALLER, id }, request })[0];
  };
  const hear = (change: Parameters<typeof reportOf>[0]): void => {
    const sequence = state.workers.get(WORKER)?.sequence ?? 0;
    const report = reportOf({ seen: { epoch: 0, sequence }, ...change });
    feed({ type: "report", worker: WORKER, report });
  };
  hear({});
  const size = { min: POOL_MEMBERS_MAX, max: POOL_MEMBERS_MAX };
  const spec = { program: PROGRAM, actor: "embedder", args: [], size, options: OPTIONS };
  ask({ op: "pool-open", spec });
  const process = "0123456789abcdef";
  const where = { worker: WORKER, process, pid: 123_456, host: "a-host-of-usual-length" };
  const done = [...state.flights.values()].map(({ assignment: { task, attempt } }) => {
    const life = { actorId: task.slice("host/".length), incarnation: attempt };
    const secrets = { socket: `/tmp/ligase-runtime/${process}.sock`, token: "t".repeat(32) };
    const address = { ...where, ...life, ...secrets };
    return { task, attempt, outcome: { kind: "hosted" as const, address } };
  });
  hear({ done, sharing: done.length });
  return { state, ask, hear, poolId: [...state.actors.pools.keys()][0] ?? "" };
}

function expectFits(value: unknown): void {
  const frame = encodeFrame({ ...FIELDS, ...ENDS }, { kind: "ok", id: 1, value });
  expect(decodeFrame(frame).value).toEqual({ kind: "ok", id: 1, value });
}

test("a pool of as many members as may be fits a frame, and is what clients check", () => {
  const { ask, poolId, state } = newHead();
  expect(state.actors.counts.alive).toBe(POOL_MEMBERS_MAX);
  const load = { backlog: 1, inFlight: 1, answered: 1, busyMs: 1 };
  const view = ask({ op: "pool-load", poolId, load });
  expect(parseMessage(poolView, view).members).toHaveLength(POOL_MEMBERS_MAX);
  expectFits(view);
});

test("so does the largest page of actors, living or dead, and of events", () => {
  const { ask, poolId } = newHead();
  const page = { op: "list", what: "actors", filter: {}, limit: LIST_PAGE_MAX } as const;
  const living = ask({ ...page, after: null }) as { entries: unknown[] };
  expect(living.entries).toHaveLength(LIST_PAGE_MAX);
  expectFits(living);
  ask({ op: "pool-close", poolId });
  expectFits(ask({ ...page, after: null, filter: { state: "dead" } }));
  const events = ask({ op: "events", after: 0, limit: 10_000 }) as { events: unknown[] };
  expect(events.events).toHaveLength(LIST_PAGE_MAX);
  expectFits(events);
});

test("so do events and pools of actors that fail with the longest errors, as clients check", () => {
  const { state, ask, hear, poolId } = newHead();
  for (let round = 0; round < 3; round += 1) {
    const ended = [...state.actors.pools.values()].flatMap(({ members }) =>
      [...members.keys()].map((actorId) => ({ actorId, incarnation: 0, error: LONG_ERROR })),
    );
    hear({ ended });
  }
  const { events } = ask({ op: "events", after: 0, limit: 10_000 }) as { events: unknown[] };
  expect(events).toHaveLength(LIST_PAGE_MAX);
  const { lastEvent } = state.actors;
  const last = ask({ op: "events", after: lastEvent - LIST_PAGE_MAX, limit: LIST_PAGE_MAX });
  expect(JSON.stringify(last)).toContain(LONG_ERROR.what.slice(0, 100));
  expectFits(last);
  const load = { backlog: 1, inFlight: 1, answered: 1, busyMs: 1 };
  const view = parseMessage(poolView, ask({ op: "pool-load", poolId, load }));
  expect(view.reason).toContain(LONG_ERROR.what.slice(0, 100));
  expectFits(view);
});

test("pages follow each other without a gap, by what is asked for", () => {
  const { ask } = newHead();
  const found: string[] = [];
  for (let after: string | null = null, page = 0; page < 10; page += 1) {
    const filter = { state: "alive", hosting: "shared" };
    const list = ask({ op: "list", what: "actors", filter, after, limit: 100 });
    const { entries, next, total } = list as {
      entries: { actorId: string }[];
      next: string | null;
      total: number;
    };
    found.push(...entries.map(({ actorId }) => actorId));
    expect(total).toBe(POOL_MEMBERS_MAX);
    after = next;
    if (next === null) break;
  }
  expect(new Set(found).size).toBe(POOL_MEMBERS_MAX);
  expect(found).toHaveLength(POOL_MEMBERS_MAX);
});

test("a filter that no actor has a field for names those there are", () => {
  const state = newHeadState(emptyState(), CONFIG, 0);
  const request = { op: "list", what: "actors", filter: { nope: "x" }, after: null, limit: 1 };
  const event = { type: "api", caller: CALLER, request } as HeadEvent;
  const [effect] = decideAll(state, [event], 0).effects;
  expect(effect).toMatchObject({ type: "refuse", error: { code: "USAGE" } });
  expect(JSON.stringify(effect)).toMatch(/no field nope; actors have actorId, .*owner/);
});
