/**
 * Whatever happens, in whatever order: the facts of a head, replayed, give its state (checked after
 * every event by TestHead), and its promises hold.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Fact } from "../../../head/core/facts.ts";
import { SystemError } from "../../../runtime/errors.ts";
import {
  QUEUE_AHEAD_MAX,
  SHARDS_PER_EXECUTOR,
  SOLVE_ATTEMPTS_MAX,
} from "../../../runtime/limits.ts";
import type { Outcome } from "../../../runtime/messages.ts";
import {
  CALLER,
  committed,
  CONTINUATION,
  type Decision,
  jobIdOf,
  MANIFEST,
  PROGRAM,
  specOf,
  TestHead,
} from "./support.ts";

const SPECS = [specOf("a"), specOf("b", 2)];
const RUNS = 150;

const pick = fc.nat({ max: 1_000 });
const worker = fc.constantFrom("w1", "w2");
const job = fc.constantFrom(0, 1);
const happening = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("submit" as const), job, solve: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("program" as const), pick }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel" as const), job }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat({ max: 7_000 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("heartbeat" as const), worker, holds: fc.boolean() }),
  },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("end" as const), pick, how: pick }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("claimed" as const), job, ok: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("sealed" as const), job, ok: fc.boolean() }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("slurm" as const), pick, how: pick }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("new-leader" as const) }) },
);
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;

const error = new SystemError("STORAGE_FAILED", "no").toData();

function outcomeOf(task: string, how: number): Outcome {
  const [kind = "", , input = "0", shard = "0"] = task.split("/");
  if (how % 5 === 0) return { kind: "failed", error };
  if (how % 37 === 1)
    return { kind: "failed", error: new SystemError("APPLICATION", "no").toData() };
  if (kind === "drive") return { kind: "returned", value: how };
  if (kind === "plan") {
    const shards = how % 2 === 0 ? [3, null] : [null, 2];
    return {
      kind: "planned",
      planSha256: "e".repeat(64),
      shards: shards.slice(0, 1 + (how % 3 === 0 ? 1 : 0)),
    };
  }
  const end = { records: 30, shards: 4 };
  if (Number(shard) >= 4) return { kind: "past-end", end };
  const outcome = committed(Number(input), Number(shard), how % 41 === 2 ? { seed: "other" } : {});
  return outcome.kind === "committed" && Number(shard) === 3 ? { ...outcome, end } : outcome;
}

/** Carries one happening out on a head; gives the head that leads afterwards. */
function happen(head: TestHead, it: Happening): { head: TestHead; decision?: Decision } {
  switch (it.kind) {
    case "submit":
      return {
        head,
        decision: head.submit(SPECS[it.job] ?? specOf("c"), it.solve ? CONTINUATION : null),
      };
    case "program": {
      const request = { op: "submit-program" as const, program: PROGRAM, argv: [] };
      return {
        head,
        decision: head.feed({ type: "api", caller: { ...CALLER, id: it.pick }, request }),
      };
    }
    case "cancel": {
      const request = { op: "cancel" as const, jobId: jobIdOf(SPECS[it.job] ?? specOf("c")) };
      return { head, decision: head.feed({ type: "api", caller: CALLER, request }) };
    }
    case "wait":
      return { head, decision: head.tick(it.ms) };
    case "heartbeat": {
      const held = [...head.state.flights.values()]
        .filter((flight) => it.holds && flight.worker === it.worker)
        .map(({ assignment: { task, attempt } }) => ({ task, attempt }));
      const sequence = head.state.workers.get(it.worker)?.sequence ?? 0;
      return {
        head,
        decision: head.report(it.worker, { slots: 2, held, seen: { epoch: head.epoch, sequence } }),
      };
    }
    case "end": {
      const flights = [...head.state.flights.values()];
      const flight = flights[it.pick % Math.max(1, flights.length)];
      if (flight === undefined) return { head };
      const { task, attempt } = flight.assignment;
      return { head, decision: head.done(flight.worker, task, outcomeOf(task, it.how), attempt) };
    }
    case "claimed":
    case "sealed":
      return happenToOutput(head, it);
    case "slurm":
      return happenToSolve(head, it);
    case "new-leader":
      return { head: head.successor() };
    default:
      return it satisfies never;
  }
}

function happenToOutput(
  head: TestHead,
  { kind, job: index, ok }: Extract<Happening, { kind: "claimed" | "sealed" }>,
): { head: TestHead; decision?: Decision } {
  const jobId = jobIdOf(SPECS[index] ?? specOf("c"));
  if (!head.state.durable.datasets.has(jobId)) return { head };
  if (kind === "claimed") {
    return { head, decision: head.feed({ type: "claimed", jobId, error: ok ? null : error }) };
  }
  if (!head.state.sealing.has(jobId)) return { head };
  const failed = { type: "seal-failed", jobId, error } as const;
  return {
    head,
    decision: head.feed(ok ? { type: "sealed", jobId, manifestSha256: MANIFEST } : failed),
  };
}

function happenToSolve(
  head: TestHead,
  { pick: index, how }: Extract<Happening, { kind: "slurm" }>,
): { head: TestHead; decision?: Decision } {
  const busy = [...head.state.slurm].filter(([, view]) => view.busy);
  const [solveId, view] = busy[index % Math.max(1, busy.length)] ?? [];
  if (solveId === undefined || view === undefined) return { head };
  const state = how % 3 === 0 ? "NODE_FAIL" : "COMPLETED";
  const end = { state, exitCode: 0, reason: "None" };
  const answers = [
    { kind: "running" },
    { kind: "unreachable", why: "no" },
    { kind: "submitted", slurmJobId: String(how) },
    { kind: "ended", end, error: state === "COMPLETED" ? null : error },
    { kind: "failed", error },
  ] as const;
  const ready = { kind: "ready", clusterName: `c${how % 2}`, launcher: "srun" } as const;
  const result = view.clusterName === "" ? ready : (answers[how % answers.length] ?? ready);
  return { head, decision: head.feed({ type: "slurm", solveId, result }) };
}

test("replay equals the live state, and no promise is broken", () => {
  fc.assert(
    fc.property(fc.array(happening, { minLength: 20, maxLength: 120 }), (happenings) => {
      let head = new TestHead();
      for (const it of happenings) {
        const came = happen(head, it);
        head = came.head;
        expectPromises(head, came.decision);
      }
      expectFacts(head.facts);
    }),
    { numRuns: RUNS },
  );
});

function expectPromises(head: TestHead, decision: Decision | undefined): void {
  for (const [name, { slots, load }] of head.state.workers) {
    expect(load, `load of ${name}`).toBeLessThanOrEqual(
      Math.max(slots * SHARDS_PER_EXECUTOR, QUEUE_AHEAD_MAX),
    );
  }
  for (const job of head.state.durable.datasets.values()) expectProgress(head, job.id);
  // What leaves was made durable, or is in this very step: nothing is announced that no fact says.
  for (const effect of decision?.effects ?? []) {
    if (effect.type === "seal") {
      const receipts = head.facts.filter(
        (fact) => fact.type === "shard.committed" && fact.jobId === effect.jobId,
      );
      expect(effect.manifest.shards, "a fact for each shard").toHaveLength(receipts.length);
    } else if (effect.type === "slurm" && effect.step.op === "submit") {
      const { name } = effect.step;
      const intents = head.facts.filter(
        (fact) => fact.type === "solve.attempted" && fact.name === name,
      );
      expect(intents, "an intent before each submission").toHaveLength(1);
    } else if (effect.type === "slurm" && effect.step.op === "release") {
      const { slurmJobId } = effect.step;
      const known = head.facts.some(
        (fact) => fact.type === "solve.submitted" && fact.slurmJobId === slurmJobId,
      );
      expect(known, "an id before each release").toBe(true);
    }
  }
}

/** A running job whose output is ours has every missing shard in flight, or no room is left. */
function expectProgress(head: TestHead, jobId: string): void {
  const { workers, claims, flights, sealing, durable } = head.state;
  const job = durable.datasets.get(jobId);
  if (job?.state.kind !== "running" || claims.get(jobId) !== "ours" || sealing.has(jobId)) return;
  const isFull = [...workers.values()].every(
    ({ slots, load }) => load >= slots * SHARDS_PER_EXECUTOR,
  );
  if (isFull) return;
  for (const [input, { shards, receipts }] of job.inputs.entries()) {
    for (let shard = 0; shard < (shards ?? 0); shard += 1) {
      const isWorkedOn = receipts.has(shard) || flights.has(`shard/${jobId}/${input}/${shard}`);
      expect(isWorkedOn, `shard ${input}/${shard} is forgotten`).toBe(true);
    }
  }
}

/** What no sequence of facts may hold, however often the leader changed. */
function expectFacts(facts: readonly Fact[]): void {
  const once = new Set<string>();
  const retries = new Map<string, number>();
  for (const fact of facts) {
    if (fact.type === "shard.committed") {
      const key = `${fact.jobId}/${fact.input}/${fact.shard}`;
      expect(once.has(key), `two receipts of ${key}`).toBe(false);
      once.add(key);
    } else if (fact.type === "solve.reopened") retries.set(fact.solveId, 0);
    else if (fact.type === "solve.ended" && fact.end.state === "NODE_FAIL") {
      const count = (retries.get(fact.solveId) ?? 0) + 1;
      retries.set(fact.solveId, count);
      expect(count, "attempts of one solve").toBeLessThanOrEqual(SOLVE_ATTEMPTS_MAX);
    }
  }
}
