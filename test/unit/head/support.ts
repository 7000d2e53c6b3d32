/** What tests of the head's core speak of: specs, receipts, reports, and a head that records. */
import { expect } from "vitest";
import { apply } from "../../../head/core/apply.ts";
import { decide, newHeadState } from "../../../head/core/core.ts";
import type {
  Caller,
  Effect,
  Flight,
  HeadConfig,
  HeadEvent,
  HeadState,
  WorkerView,
} from "../../../head/core/events.ts";
import { needOf } from "../../../head/core/step.ts";
import { emptyState, type Fact, stateSnapshot } from "../../../head/core/facts.ts";
import { minus, NO_RESOURCES, plus, UNITS } from "../../../runtime/resources/resources.ts";
import { canonicalJson, sha256Hex } from "../../../runtime/ids.ts";
import type { DatasetSpec, Done, Outcome, Receipt, Report } from "../../../runtime/messages.ts";
import { solve } from "../../../solver/solve.ts";

export const PROGRAM = { url: "file:///program.ts", sha256: "a".repeat(64) };
export const SOLVER = "5".repeat(64);
export const MANIFEST = "b".repeat(64);
export const CALLER: Caller = { identity: "c-000000000001", process: "c".repeat(16), id: 1 };
export const CONFIG: HeadConfig = { stateFolder: "/state", solverSha256: SOLVER, slurm: "private" };

export function inputOf(index: number): DatasetSpec["source"]["inputs"][number] {
  return { uri: `/in/${index}.fq`, sample: `s${index}`, etag: "9-9", bytes: 9 };
}

/** A spec that differs from all others by its name. */
export function specOf(name: string, inputs = 1): DatasetSpec {
  return {
    schema: 1,
    runtimeVersion: "0.0.0",
    program: PROGRAM,
    source: {
      name: "reads",
      options: {},
      inputs: Array.from({ length: inputs }, (_, i) => inputOf(i)),
    },
    stage: { actor: "embedder", method: "embed", constructorArgs: [], batchSize: 8 },
    sink: { kind: "parquet", uri: `/out/${name}` },
    idempotency: name,
  };
}

export function jobIdOf(spec: DatasetSpec): string {
  return sha256Hex(canonicalJson(spec));
}

export const CONTINUATION = solve({ ranks: 2 });

/** The receipt of a shard of 3 rows. `seed` makes other bytes of it. */
export function receiptOf(
  input: number,
  shard: number,
  change: Partial<Receipt> & { seed?: string } = {},
): Receipt {
  const { seed = "", ...rest } = change;
  const rows = rest.rows ?? 3;
  return {
    file: `part-${input}-${shard}.parquet`,
    contentKey: sha256Hex(`key ${input} ${shard}`),
    rows,
    bytes: 100,
    crc32c: "00000000",
    sha256: sha256Hex(`bytes ${input} ${shard} ${seed}`),
    rowGroups: rows === 0 ? [] : [rows],
    records: rows,
    filtered: {},
    quarantined: 0,
    skipped: 0,
    stage: {
      name: "kmer",
      sha256: "d".repeat(64),
      provider: "cpu",
      variant: "cpu-1t",
      dimensions: 136,
      metric: "l2",
    },
    ...rest,
  };
}

export function committed(
  input: number,
  shard: number,
  change: Parameters<typeof receiptOf>[2] = {},
): Outcome {
  return { kind: "committed", receipt: receiptOf(input, shard, change), end: null };
}

/** A report; its process names the incarnation. */
export function reportOf(change: Partial<Report> & { incarnation?: number } = {}): Report {
  const { incarnation = 1, ...rest } = change;
  const process = String(incarnation).padStart(16, "0");
  const seen = { epoch: 1, sequence: 0 };
  return {
    process,
    number: 1,
    host: "m1",
    slots: 1,
    hosting: 0,
    sharing: 0,
    actors: [],
    announced: true,
    ended: [],
    processes: [],
    seen,
    held: [],
    done: [],
    ...rest,
  };
}

export type Decision = ReturnType<typeof decide>;

/**
 * A head whose every decision is checked: the facts recorded so far, replayed, give the state it
 * has, and each worker's load is what its flights say.
 */
export class TestHead {
  readonly facts: Fact[];
  readonly state: HeadState;
  nowMs: number;

  constructor(
    options: { facts?: readonly Fact[]; nowMs?: number; config?: Partial<HeadConfig> } = {},
  ) {
    const { facts = [], nowMs = 1_000, config = {} } = options;
    const durable = emptyState();
    const number = 1 + facts.filter(({ type }) => type === "epoch").length;
    this.facts = [...facts, { type: "epoch", number, leader: `leader-${number}` }];
    for (const fact of this.facts) apply(durable, fact);
    this.state = newHeadState(durable, { ...CONFIG, ...config }, nowMs);
    this.nowMs = nowMs;
  }

  /** The next leader, which knows what was recorded and nothing else. */
  successor(): TestHead {
    return new TestHead({ facts: this.facts, nowMs: this.nowMs, config: this.state.config });
  }

  feed(event: HeadEvent): Decision {
    const decision = decide(this.state, event, this.nowMs);
    this.facts.push(...decision.facts);
    expectReplayed(this.facts, this.state);
    expectLoads(this.state);
    return decision;
  }

  tick(afterMs = 100): Decision {
    this.nowMs += afterMs;
    return this.feed({ type: "tick" });
  }

  submit(spec: DatasetSpec, continuation: typeof CONTINUATION | null = null): Decision {
    const request = { op: "submit-dataset", spec, continuation } as const;
    return this.feed({ type: "api", caller: CALLER, request });
  }

  report(worker: string, change: Parameters<typeof reportOf>[0] = {}): Decision {
    return this.feed({ type: "report", worker, report: reportOf(change) });
  }

  done(worker: string, task: string, outcome: Outcome, attempt = 0): Decision {
    const done: Done[] = [{ task, attempt, outcome }];
    const sequence = this.state.workers.get(worker)?.sequence ?? 0;
    const held = [...this.state.flights.values()]
      .filter((flight) => flight.worker === worker && flight.assignment.task !== task)
      .map(({ assignment }) => ({ task: assignment.task, attempt: assignment.attempt }));
    const { slots } = this.state.workers.get(worker) ?? { slots: 1 };
    return this.report(worker, { slots, seen: { epoch: this.epoch, sequence }, held, done });
  }

  get epoch(): number {
    return this.state.durable.epoch.number;
  }

  /** A submitted, planned and claimed dataset on worker w1. */
  running(spec: DatasetSpec, shards: readonly (number | null)[], slots = 8): string {
    const jobId = jobIdOf(spec);
    this.report("w1", { slots });
    this.submit(spec);
    this.done("w1", `plan/${jobId}`, {
      kind: "planned",
      planSha256: "e".repeat(64),
      shards: [...shards],
    });
    this.feed({ type: "claimed", jobId, error: null });
    return jobId;
  }
}

export function expectReplayed(facts: readonly Fact[], state: HeadState): void {
  const replayed = emptyState();
  for (const fact of JSON.parse(JSON.stringify(facts)) as Fact[]) apply(replayed, fact);
  const live = canonicalJson(stateSnapshot(state.durable));
  expect(canonicalJson(stateSnapshot(replayed)), "replay gives another state").toBe(live);
}

function expectLoads(state: HeadState): void {
  for (const [name, worker] of state.workers) {
    const flights = [...state.flights.values()].filter((flight) => flight.worker === name);
    const of = (need: string): number =>
      flights.filter(({ assignment }) => needOf(assignment) === need).length;
    expect(worker.load, `load of ${name}`).toBe(of("queue"));
    expect(worker.hosted, `hosted of ${name}`).toBe(of("process"));
    expect(worker.opening, `opening at ${name}`).toBe(of("shared"));
    const starting = flights.map(({ assignment: { work } }) => work.kind === "host" && work.record);
    const living = [...worker.lives].map((id) => state.actors.entries.get(id)?.record);
    const named = [...starting, ...living].filter((it) => it && it.options.name !== null);
    expect(worker.named, `named at ${name}`).toBe(named.length);
    expectHeld(state, name, worker, flights);
    expect([...worker.tasks].sort()).toEqual(flights.map((it) => it.assignment.task).sort());
  }
}

/** What is free of a worker is what nobody holds, and nothing is over-committed. */
function expectHeld(
  state: HeadState,
  name: string,
  { room, seats, load, slots, ends }: WorkerView,
  flights: readonly Flight[],
): void {
  expect(seats, `seats of ${name}`).toBe(Math.min(load, slots));
  const living = [...state.actors.entries.values()].filter(({ worker }) => worker === name);
  const grants = [
    ...flights.flatMap(({ grant }) => grant ?? []),
    ...living.flatMap(({ grant }) => grant ?? []),
    ...[...ends.values()].flatMap(({ grant }) => grant ?? []),
  ];
  for (const lane of state.tasks.workers.get(name)?.lanes ?? []) grants.push(...lane.grants);
  const slot = { ...NO_RESOURCES, cpu: UNITS };
  const held = [
    ...grants.map(({ resources }) => resources),
    ...Array.from({ length: seats }, () => slot),
  ];
  expect(minus(room.total, held.reduce(plus, NO_RESOURCES)), `free of ${name}`).toEqual(room.free);
}

export function effectsOf<Type extends Effect["type"]>(
  { effects }: Decision,
  type: Type,
): Extract<Effect, { type: Type }>[] {
  return effects.filter((effect) => effect.type === type) as Extract<Effect, { type: Type }>[];
}

/** `task#attempt` of all assignments that leave. */
export function assignedBy(decision: Decision): string[] {
  return effectsOf(decision, "command").flatMap(({ assign }) =>
    assign.map(({ task, attempt }) => `${task}#${attempt}`),
  );
}

export function factsOf(decision: Decision): string[] {
  return decision.facts.map(({ type }) => type);
}
