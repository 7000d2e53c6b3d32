/** Every fact through `apply`, and what a damaged log gives. */
import { describe, expect, test } from "vitest";
import { apply } from "../../../head/core/apply.ts";
import {
  type DurableState,
  emptyState,
  type Fact,
  stateSnapshot,
} from "../../../head/core/facts.ts";
import { canonicalJson } from "../../../runtime/ids.ts";
import { ACTOR, DATASET, END, ERROR, FACTS, JOB, LIFE, SOLVE } from "./facts.ts";
import { CONTINUATION, receiptOf } from "./support.ts";

/** The state after these facts of the table. */
function after(...types: readonly Fact["type"][]): DurableState {
  const state = emptyState();
  for (const type of types) apply(state, FACTS[type]);
  expect(state.facts).toBe(types.length);
  return state;
}

const dataset = (state: DurableState) => state.datasets.get(DATASET);
const solve = (state: DurableState) => state.solves.get(SOLVE);
const PLANNED = ["dataset.submitted", "dataset.planned"] as const;
const REQUESTED = ["dataset.submitted", "solve.requested"] as const;
const SUBMITTED = [...REQUESTED, "solve.attempted", "solve.submitted"] as const;

test("a new leader's epoch is the state's", () => {
  expect(after("epoch").epoch).toEqual({ number: 4, leader: "uuid" });
});

describe("a program", () => {
  test("runs once submitted, and returns or fails", () => {
    const submitted = after("program.submitted").programs.get(JOB);
    expect(submitted).toMatchObject({ argv: ["a"], atMs: 5, state: { kind: "running" } });
    const returned = after("program.submitted", "program.returned").programs.get(JOB);
    expect(returned?.state).toEqual({ kind: "returned", value: { n: 1 } });
    const failed = after("program.submitted", "program.failed").programs.get(JOB);
    expect(failed?.state).toEqual({ kind: "failed", error: ERROR });
  });
});

describe("a dataset", () => {
  test("plans, runs, is sealed", () => {
    expect(dataset(after("dataset.submitted"))).toMatchObject({
      state: { kind: "planning" },
      planSha256: null,
      inputs: [],
    });
    const planned = dataset(after(...PLANNED));
    expect(planned?.state).toEqual({ kind: "running" });
    expect(planned?.inputs.map(({ shards }) => shards)).toEqual([2, null]);
    const sealed = dataset(after(...PLANNED, "dataset.sealed"));
    expect(sealed?.state).toEqual({ kind: "sealed", manifestSha256: "b".repeat(64), atMs: 7 });
  });

  test("learns where an input ends, and keeps receipts by shard", () => {
    const job = dataset(after(...PLANNED, "shard.committed", "input.ended"));
    expect(job?.inputs[1]?.shards).toBe(3);
    expect(job?.inputs[1]?.receipts.get(2)).toEqual(receiptOf(1, 2));
    expect(job?.inputs[0]?.receipts.size).toBe(0);
  });

  test("that failed goes on where it was, with its receipts", () => {
    const early = dataset(after("dataset.submitted", "dataset.failed", "dataset.reopened"));
    expect(early).toMatchObject({ state: { kind: "planning" }, atMs: 8 });
    const failed = after(...PLANNED, "shard.committed", "dataset.failed");
    expect(dataset(failed)?.state).toEqual({ kind: "failed", error: ERROR });
    apply(failed, FACTS["dataset.reopened"]);
    expect(dataset(failed)?.state).toEqual({ kind: "running" });
    expect(dataset(failed)?.inputs[1]?.receipts.size).toBe(1);
  });

  test("keeps its continuations in order", () => {
    expect(dataset(after("dataset.submitted", "continuation.added"))?.continuations).toEqual([
      CONTINUATION,
    ]);
  });
});

describe("a solve", () => {
  test("goes from request to intent to id, and its job knows it", () => {
    const requested = after(...REQUESTED);
    expect(solve(requested)).toMatchObject({ attempts: 0, retries: 0, last: null });
    expect(dataset(requested)?.solves).toEqual([SOLVE]);
    expect(solve(after(...SUBMITTED))).toMatchObject({
      attempts: 1,
      state: { kind: "submitted", name: "ligase-3-0", clusterName: "c1", slurmJobId: "77" },
    });
  });

  test("asked for by itself is no dataset's, and may be asked for with another spec", () => {
    const asked = solve(after("solve.asked"));
    const manifest = { path: "/set/manifest.json", sha256: "b".repeat(64) };
    expect(asked).toMatchObject({ jobId: "", manifest, spec: { k: 15 }, attempts: 0 });
    expect(asked?.state).toEqual({ kind: "requested" });
    expect(solve(after("solve.asked", "solve.respecified"))?.spec).toEqual({ k: 15, ranks: 9 });
    expect(() => after("solve.respecified")).toThrow(/LOG_CORRUPT/);
  });

  test("that ended waits for its next attempt; what failed counts, what was lost doesn't", () => {
    const ended = after(...SUBMITTED, "solve.ended");
    expect(solve(ended)).toMatchObject({
      state: { kind: "requested" },
      retries: 1,
      last: { slurmJobId: "77", end: END },
    });
    const lost = after(...SUBMITTED);
    apply(lost, { ...FACTS["solve.ended"], end: { ...END, state: "LOST" } });
    expect(solve(lost)).toMatchObject({ retries: 0, attempts: 1 });
  });

  test("succeeds, fails, and has all its attempts again when it is reopened", () => {
    const succeeded = solve(after(...SUBMITTED, "solve.ended", "solve.succeeded"));
    expect(succeeded?.state).toEqual({ kind: "succeeded", launcher: "srun-pmix", atMs: 10 });
    const failed = after(...SUBMITTED, "solve.ended", "solve.failed");
    expect(solve(failed)?.state).toEqual({ kind: "failed", error: ERROR });
    apply(failed, FACTS["solve.reopened"]);
    expect(solve(failed)).toMatchObject({
      state: { kind: "requested" },
      retries: 0,
      attempts: 1,
      atMs: 11,
    });
  });
});

describe("a named actor", () => {
  const named = (...types: readonly Fact["type"][]) =>
    after("actor.named", ...types).actors.get(ACTOR);

  test("is there from its intent on, and where its last life was sent", () => {
    expect(named()).toMatchObject({ args: { json: [{ model: "kmer" }] }, placed: null, atMs: 12 });
    expect(named("actor.placed")).toMatchObject({ placed: LIFE, ended: null });
  });

  test("that ended is kept while its last life may still be there", () => {
    expect(named("actor.placed", "actor.ended")).toMatchObject({ placed: LIFE, ended: ERROR });
    expect(named("actor.placed", "actor.ended", "actor.gone")).toBeUndefined();
    const state = after("actor.named");
    apply(state, { ...FACTS["actor.ended"], gone: true });
    expect(state.actors.size).toBe(0);
  });

  test("changes the snapshot, which has no word of actors without one", () => {
    expect(stateSnapshot(after("actor.named"))).toHaveProperty("actors");
    expect(stateSnapshot(after("epoch"))).not.toHaveProperty("actors");
  });
});

describe("a damaged log", () => {
  const opening: readonly string[] = [
    ...["epoch", "program.submitted", "dataset.submitted"],
    ...["actor.named", "solve.asked"],
  ];
  const others = Object.values(FACTS).filter(({ type }) => !opening.includes(type));

  test.each(others)("is noticed by $type about something unknown", (fact) => {
    expect(() => apply(emptyState(), fact)).toThrow("LOG_CORRUPT");
  });

  test("is noticed by an id without an intent, and by an input that isn't planned", () => {
    expect(() => apply(after(...REQUESTED), FACTS["solve.submitted"])).toThrow("LOG_CORRUPT");
    const beyond = { ...FACTS["input.ended"], input: 2 };
    expect(() => apply(after(...PLANNED), beyond)).toThrow("LOG_CORRUPT");
  });
});

test("a snapshot is JSON, and the same whatever the order in which receipts came", () => {
  const first: Fact = { ...FACTS["shard.committed"], shard: 1, receipt: receiptOf(1, 1) };
  const one = after(...PLANNED, "shard.committed");
  apply(one, first);
  const other = after(...PLANNED);
  apply(other, first);
  apply(other, FACTS["shard.committed"]);
  expect(canonicalJson(stateSnapshot(other))).toBe(canonicalJson(stateSnapshot(one)));
  const snapshot: unknown = stateSnapshot(one);
  expect(JSON.parse(JSON.stringify(snapshot))).toEqual(snapshot);
});
