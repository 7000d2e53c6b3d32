/** What a job's troubles read like while it goes on. */
import { expect, test } from "vitest";
import { troubleOf } from "../../../head/core/poison/trouble.ts";
import { jobIdOf, receiptOf, reportOf, specOf, TestHead } from "./support.ts";

const SPEC = { ...specOf("a"), onBadRecord: "quarantine" as const };
const JOB = jobIdOf(SPEC);

/** A head whose one job has shards with these facts. */
function headWith(...facts: readonly object[]): TestHead {
  const submitted = { type: "dataset.submitted", jobId: JOB, spec: SPEC, atMs: 1 };
  const planned = { type: "dataset.planned", jobId: JOB, planSha256: "e".repeat(64), shards: [9] };
  const all = [submitted, planned, ...facts.map((it) => ({ jobId: JOB, input: 0, ...it }))];
  return new TestHead({ facts: all as never, nowMs: 10 });
}

function linesOf({ state }: TestHead): string[] {
  const job = state.durable.datasets.get(JOB);
  if (job === undefined) throw new Error("no job");
  return troubleOf(state, job);
}

test("searches, halvings, exclusions are said shard by shard; what was made isn't searched", () => {
  const suspected = { type: "shard.suspected", first: 8, records: 8, reason: "SIGSEGV" };
  const records = [{ position: 9, reason: "SIGSEGV" }];
  const head = headWith(
    { ...suspected, shard: 3 },
    { type: "shard.probed", shard: 3, first: 8, records: 4, died: null },
    { type: "shard.halved", shard: 4, halvings: 2 },
    { type: "shard.excluded", shard: 5, number: 1, records },
    { ...suspected, shard: 6 },
    { type: "shard.committed", shard: 6, receipt: receiptOf(0, 6) },
  );
  expect(linesOf(head)).toEqual([
    "shard 0/3: records 8 to 15 end executors (SIGSEGV); 1 probes so far",
    "shard 0/4: batches halved 2 times for memory",
    "shard 0/5: made without 1 record",
  ]);
  expect(linesOf(headWith())).toEqual([]);
});

test("a worker whose executors don't start is said, and since when it gets no work", () => {
  const head = headWith();
  const say = (crashes: number) => {
    const trouble = { crashes, reason: "SIGILL" };
    head.feed({ type: "report", worker: "w-000000000001", report: { ...reportOf({}), trouble } });
    return linesOf(head);
  };
  expect(say(2)[0]).toMatch(/2 executors died at their start \(SIGILL\); it tries again/);
  expect(say(5)[0]).toMatch(/5 executors .*; it gets no work while others do/);
});
