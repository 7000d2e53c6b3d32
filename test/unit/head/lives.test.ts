/**
 * Whatever is lost, cut off, killed or led anew: no two lives of one name run at once, and once
 * all is whole again, the head and its workers agree on who lives where.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { whyNot } from "../../../head/core/placement/why.ts";
import type { ActorOptions } from "../../../runtime/messages.ts";
import {
  fits,
  minus,
  NO_RESOURCES,
  plus,
  resourcesOf,
  UNITS,
} from "../../../runtime/resources/resources.ts";
import { resourcesText } from "../../../runtime/resources/text.ts";
import { type Cut, Model, OFFER } from "./lives-model.ts";
import { PROGRAM } from "./support.ts";

const OPTIONS: ActorOptions = {
  name: null,
  getIfExists: true,
  lifetime: "detached",
  hosting: "process",
  maxRestarts: 1_000,
  maxConcurrency: 1,
};
const NAMES = ["a", "b"];

const pick = fc.nat({ max: 1_000 });
const happening = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("spawn" as const), pick }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("kill" as const), pick, how: pick }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("death" as const), pick }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("cut" as const),
      pick,
      cut: fc.constantFrom<Cut>("none", "both", "in", "out"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("delay" as const),
      pick,
      ms: fc.nat({ max: 12_000 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("agent" as const), pick }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("head" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("loss" as const), oneIn: fc.nat(6) }) },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat({ max: 12_000 }) }),
  },
);
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

const wait = (ms: number) => ({ kind: "wait", ms }) as const;
/** What the first worker's reports are delayed by, and its commands. */
const delayReports = (ms: number) => ({ kind: "delay", pick: 2, ms }) as const;
const delayCommands = (ms: number) => ({ kind: "delay", pick: 0, ms }) as const;
const spawnNamed = { kind: "spawn", pick: 0 } as const;

/** A report that left before the life was placed there arrives when that was given up. */
const LATE_REPORT: Happening[] = [delayReports(4_251), wait(250), spawnNamed, wait(250)];

/** A command for an earlier process of a worker arrives at one that isn't heard. */
const LATE_COMMAND: Happening[] = [
  wait(6_000),
  delayCommands(9_000),
  spawnNamed,
  delayCommands(0),
  { kind: "agent", pick: 0 },
  { kind: "cut", pick: 0, cut: "in" },
  wait(12_000),
];

let requests = 0;

function happen(model: Model, it: Happening): void {
  const at = <T>(items: readonly T[], index: number): T | undefined =>
    items[index % Math.max(1, items.length)];
  switch (it.kind) {
    case "spawn": {
      const name = NAMES[it.pick % 4] ?? null;
      // Named ones, which are moved for other reasons, take little.
      const need = NEEDS[name === null ? it.pick % NEEDS.length : it.pick % 2];
      return spawn(model, name, need);
    }
    case "kill": {
      const entry = at([...model.state.actors.entries.values()], it.pick);
      const actorId = entry?.record.actorId ?? "none";
      return ask(model, { op: "kill", actorId, restart: it.how % 2 === 0 });
    }
    case "death": {
      const worker = at(model.workers, it.pick);
      const life = at(worker?.running ?? [], it.pick >> 1);
      if (life !== undefined) worker?.end(life);
      return;
    }
    case "cut": {
      const worker = at(model.workers, it.pick);
      if (worker !== undefined) worker.cut = it.cut;
      return;
    }
    case "delay": {
      const worker = at(model.workers, it.pick);
      const way = (it.pick >> 1) % 2 === 0 ? worker?.commands : worker?.reports;
      // Every second one ends a delay.
      if (way !== undefined) way.delayMs = way.delayMs === 0 ? it.ms : 0;
      return;
    }
    case "agent":
      return at(model.workers, it.pick)?.restart();
    case "head":
      return model.failOver();
    case "loss":
      // Every command or every report lost is a cut, not a loss.
      model.lossOneIn = it.oneIn < 3 ? 0 : it.oneIn;
      return;
    case "wait":
      return model.pass(it.ms, () => expectUnique(model));
    default:
      it satisfies never;
  }
}

function ask(model: Model, request: Parameters<typeof requestOf>[0]): void {
  model.feed(requestOf(request));
}

function requestOf(
  request: Extract<Parameters<Model["feed"]>[number], { type: "api" }>["request"],
): Parameters<Model["feed"]>[number] {
  requests += 1;
  const caller = { identity: "c-000000000001", process: "c".repeat(16), id: requests };
  return { type: "api", caller, request };
}

function spawn(model: Model, name: string | null, need: object = {}): void {
  const base = { op: "spawn" as const, program: PROGRAM, actor: "x", args: [] };
  const unnamed = { lifetime: "owned", getIfExists: false, name } as const;
  const options = { ...OPTIONS, name, ...(name === null ? unnamed : {}) };
  ask(model, { ...base, options: { ...options, ...need } });
}

/** What unnamed ones take, by turns; the last of them fits no worker. */
const NEEDS = [
  {},
  { resources: resourcesOf({ cpu: 1 }) },
  { resources: resourcesOf({ cpu: 0.5, gpu: 0.5 }) },
  { resources: resourcesOf({ gpu: 1 }) },
  { resources: resourcesOf({ gpu: 2, cpu: 1.5 }) },
];

/** What runs at a worker never takes more than it has, of no GPU either. */
function expectRoom({ workers }: Model): void {
  for (const { name, running } of workers) {
    const gpus = [0, 0];
    let sum = NO_RESOURCES;
    for (const { record, gpus: mine } of running) {
      const need = record.options.resources ?? NO_RESOURCES;
      sum = plus(sum, need);
      for (const gpu of mine) gpus[gpu] = (gpus[gpu] ?? 0) + need.gpu / mine.length;
    }
    const isOver = !fits(sum, OFFER) || gpus.some((units) => units > UNITS);
    if (isOver) expect.fail(`${name} runs ${resourcesText(sum)}, of GPUs ${gpus.join(" and ")}`);
  }
}

/** All that the head counts as free is free, and the reverse. */
function expectCounted({ state, workers }: Model): void {
  for (const { name, running } of workers) {
    const held = running.map(({ record }) => record.options.resources ?? NO_RESOURCES);
    const free = minus(OFFER, held.reduce(plus, NO_RESOURCES));
    expect(state.workers.get(name)?.room.free, `free of ${name}`).toEqual(free);
  }
}

/** No two executors run lives of one name, constructors included. */
function expectUnique(model: Model): void {
  expectRoom(model);
  const running = model.workers.flatMap((worker) =>
    worker.running.map(({ record, incarnation }) => ({
      name: record.options.name,
      life: `${record.actorId}#${incarnation} on ${worker.name}`,
    })),
  );
  for (const name of NAMES) {
    const lives = running.filter((it) => it.name === name).map(({ life }) => life);
    expect(lives.length, `${name} at ${model.nowMs}: ${lives.join(", ")}`).toBeLessThanOrEqual(1);
  }
}

/** All is whole: the head and its workers agree, and nobody waits in vain. */
function expectSettled(model: Model): void {
  const { actors, workers } = model.state;
  const known = [...actors.entries.values()].filter(({ state }) => state !== "dead");
  expectCounted(model);
  const told = known
    .filter(({ worker }) => worker !== null)
    .map(({ record, state, worker, incarnation }) => {
      return `${record.actorId}#${incarnation} ${state} on ${worker ?? "none"}`;
    });
  const lives = model.workers.flatMap((worker) =>
    worker.running.map((life) => `${life.actorId}#${life.incarnation} alive on ${worker.name}`),
  );
  expect(told.sort()).toEqual(lives.sort());
  expect([actors.unproven.size, actors.delayed.size, model.state.flights.size]).toEqual([0, 0, 0]);
  const waiting = known.filter(({ worker }) => worker === null);
  for (const { shape } of waiting) expect(whyNot(shape, workers)).not.toEqual([]);
  for (const view of workers.values()) expect(view.ends.size).toBe(0);
  const asking = known.flatMap((it) => (waiting.includes(it) ? [] : [...it.waiters.keys()]));
  expect(asking).toEqual([]);
  expect([...actors.names.values()].sort()).toEqual(
    known
      .filter(({ record }) => record.options.name !== null)
      .map(idOf)
      .sort(),
  );
  const named = [...model.state.durable.actors.keys()];
  expect(named.sort()).toEqual([...actors.names.values()].sort());
  const { alive, starting, dead } = actors.counts;
  expect([alive, starting]).toEqual([known.length - waiting.length, 0]);
  expect(dead).toBe(actors.dead.size);
}

function idOf({ record }: { readonly record: { readonly actorId: string } }): string {
  return record.actorId;
}

test("no two lives of a name run at once, and in the end all agree", () => {
  fc.assert(
    fc.property(fc.array(happening, { minLength: 5, maxLength: 40 }), (happenings) => {
      const model = new Model();
      model.pass(1_000, () => expectUnique(model));
      for (const it of happenings) {
        happen(model, it);
        expectUnique(model);
      }
      for (const worker of model.workers) {
        worker.cut = "none";
        worker.commands.delayMs = 0;
        worker.reports.delayMs = 0;
      }
      model.lossOneIn = 0;
      // The owner of unnamed ones is heard meanwhile.
      for (let round = 0; round < 9; round += 1) {
        ask(model, { op: "alive" });
        model.pass(5_000, () => expectUnique(model));
      }
      expectSettled(model);
      model.failOver();
    }),
    {
      numRuns: Number(process.env["LIVES_RUNS"] ?? 150),
      examples: [[LATE_REPORT], [LATE_COMMAND]],
    },
  );
});
