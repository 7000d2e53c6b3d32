/** Snapshots: what they give back, and what they refuse; the state that is copied for them. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { apply } from "../../../head/core/apply.ts";
import { digestOf } from "../../../head/core/core.ts";
import { type DurableState, emptyState, type Fact } from "../../../head/core/facts.ts";
import { copyOf } from "../../../head/daemon/durable/copy.ts";
import { decodeSnapshot, encodeSnapshot } from "../../../head/daemon/durable/snapshot.ts";
import { readLog } from "../../../head/daemon/log.ts";
import { recordedState } from "../../replay/recorded.ts";
import { ACTOR, DATASET, FACTS, JOB, SOLVE } from "./facts.ts";
import { receiptOf } from "./support.ts";

const RUNS = 200;
const AT_MS = 1_700_000_000_000;
const noPause = async (): Promise<void> => {};
const IDS = [JOB, DATASET, SOLVE, ACTOR];

/** A fact of the table, of one of three jobs, inputs and shards. */
const someFact = fc
  .record({ type: fc.constantFrom(...Object.keys(FACTS)), of: fc.nat(2), at: fc.nat(2) })
  .map(({ type, of, at }) => {
    let text = JSON.stringify(FACTS[type as Fact["type"]]);
    for (const id of IDS) text = text.replaceAll(id, `${of}${id.slice(1)}`);
    const fact = JSON.parse(text) as Fact;
    if (!("shard" in fact)) return fact;
    return fact.type === "shard.committed"
      ? { ...fact, shard: at, receipt: receiptOf(fact.input, at) }
      : { ...fact, shard: at };
  });

/** Facts that follow from those before them, after which there is something of each kind. */
const history = fc.array(someFact, { maxLength: 60 }).map((facts) => {
  const taken: Fact[] = [];
  let state = emptyState();
  for (const fact of facts) {
    try {
      apply(state, fact);
      taken.push(fact);
    } catch {
      // It speaks of what isn't there: no head says so.
      state = stateOf(taken);
    }
  }
  return taken;
});

function stateOf(facts: readonly Fact[]): DurableState {
  const state = emptyState();
  for (const fact of JSON.parse(JSON.stringify(facts)) as Fact[]) apply(state, fact);
  return state;
}

/** The state with its maps in their order, which no digest tells. */
function inOrder(value: unknown): unknown {
  if (value instanceof Map) return ["map", ...[...value].map(([key, one]) => [key, inOrder(one)])];
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, inOrder(one)]));
}

describe("a snapshot", () => {
  test("and the facts behind it give the state that all facts give", async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.nat(), async (facts, where) => {
        const at = where % (facts.length + 1);
        const bytes = await encodeSnapshot(7, stateOf(facts.slice(0, at)), AT_MS, noPause);
        const { state, header } = decodeSnapshot(7, bytes);
        expect(header).toMatchObject({ n: 7, facts: at, atMs: AT_MS });
        for (const fact of facts.slice(at)) apply(state, fact);
        const whole = stateOf(facts);
        expect(digestOf(state)).toEqual(digestOf(whole));
        expect(inOrder(state)).toEqual(inOrder(whole));
      }),
      { numRuns: RUNS },
    );
  });

  test("of equal states has equal bytes", async () => {
    const facts = [FACTS.epoch, FACTS["dataset.submitted"], FACTS["dataset.planned"]];
    const [one, two] = await Promise.all(
      [1, 2].map(() => encodeSnapshot(3, stateOf(facts), AT_MS, noPause)),
    );
    expect(one?.equals(two ?? Buffer.of())).toBe(true);
  });

  test("holds any value that a fact may, and keys that look like its own marks", async () => {
    const state = stateOf([FACTS["program.submitted"]]);
    const job = state.programs.get(JOB);
    const value = {
      ...{ $map: 3, plain: { $set: [1], deep: [{ $object: null }] }, __proto__x: 1 },
      text: '"$map":0}\n',
    };
    if (job !== undefined) job.state = { kind: "returned", value };
    const bytes = await encodeSnapshot(1, state, AT_MS, noPause);
    expect(decodeSnapshot(1, bytes).state).toEqual(state);
  });

  test("of many receipts has lines of bounded length, and waits between them", async () => {
    const state = stateOf([FACTS["dataset.submitted"], FACTS["dataset.planned"]]);
    const input = state.datasets.get(DATASET)?.inputs[0];
    for (let shard = 0; shard < 2_000; shard += 1) input?.receipts.set(shard, receiptOf(0, shard));
    let pauses = 0;
    const bytes = await encodeSnapshot(1, state, AT_MS, async () => void (pauses += 1));
    const lines = bytes.toString("utf8").split("\n");
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(80_000);
    expect(lines.length).toBeGreaterThan(10);
    expect(pauses).toBeGreaterThan(lines.length);
    expect(inOrder(decodeSnapshot(1, bytes).state)).toEqual(inOrder(state));
  });

  test("with any bit flipped, or cut anywhere, is refused", async () => {
    const facts = [FACTS.epoch, FACTS["dataset.submitted"], FACTS["dataset.planned"]];
    const bytes = await encodeSnapshot(1, stateOf(facts), AT_MS, noPause);
    for (let at = 0; at < bytes.length; at += 1) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
      expect(() => decodeSnapshot(1, flipped), `byte ${at}`).toThrow("LOG_CORRUPT");
      expect(() => decodeSnapshot(1, bytes.subarray(0, at)), `at ${at}`).toThrow("LOG_CORRUPT");
    }
    expect(() => decodeSnapshot(2, bytes)).toThrow("its header says 1");
  });
});

test("a copy of the state isn't changed by what happens afterwards", () => {
  fc.assert(
    fc.property(history, fc.nat(), (facts, where) => {
      const at = where % (facts.length + 1);
      const state = stateOf(facts.slice(0, at));
      const before = digestOf(state);
      const copy = copyOf(state);
      for (const fact of facts.slice(at)) apply(state, fact);
      expect(digestOf(copy)).toEqual(before);
    }),
    { numRuns: RUNS },
  );
});

test("nor by any kind of fact, wherever in a history it is made", async () => {
  const { facts } = await readLog(await recordedState("kinds"));
  for (let at = 0; at <= facts.length; at += 1) {
    const state = stateOf(facts.slice(0, at));
    const copy = copyOf(state);
    const before = digestOf(copy);
    for (const fact of facts.slice(at)) apply(state, fact);
    expect(digestOf(copy), `after ${at} facts`).toEqual(before);
  }
});
