/** What a client is told of one job: in the shape it checks, of a size that a frame takes. */
import { expect, test } from "vitest";
import { type JobView, jobView } from "../../../runtime/client/jobs/status.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { parseMessage } from "../../../runtime/messages.ts";
import { shardFile } from "../../../runtime/dataset/names.ts";
import { FIELDS } from "../frame/fixtures.ts";
import { CALLER, committed, effectsOf, jobIdOf, PROGRAM, specOf, TestHead } from "./support.ts";

function ask(head: TestHead, jobId: string): JobView {
  const request = { op: "job", jobId } as const;
  const decision = head.feed({ type: "api", caller: CALLER, request });
  expect(decision.facts).toEqual([]);
  return parseMessage(jobView, effectsOf(decision, "reply")[0]?.value);
}

function askDataset(head: TestHead, jobId: string): Extract<JobView, { kind: "dataset" }> {
  const view = ask(head, jobId);
  if (view.kind !== "dataset") throw new Error(view.kind);
  return view;
}

test("a dataset's inputs, one by one, and what they wait for", () => {
  const head = new TestHead();
  const id = head.running(specOf("a", 2), [2, null]);
  head.done("w1", `shard/${id}/0/1`, committed(0, 1, { rows: 4, records: 6, filtered: { n: 2 } }));
  const view = askDataset(head, id);
  expect(view.inputs.map(({ uri, shards, reads }) => [uri, shards, reads.in])).toEqual([
    ["/in/0.fq", { done: 1, total: 2 }, 6],
    ["/in/1.fq", { done: 0, total: null }, 0],
  ]);
  expect(view).toMatchObject({ inputsMore: 0, filteredReasons: { n: 2 }, failures: [] });
  expect(view.waits).toEqual([expect.stringMatching(/^\d+ of its tasks, which workers have$/)]);
});

test("what failed, how often and why, until it is submitted again", () => {
  const head = new TestHead();
  const id = head.running(specOf("a"), [1]);
  const error = new SystemError("STORAGE_FAILED", "the disk is full", { uri: "/out" }).toData();
  head.done("w1", `shard/${id}/0/0`, { kind: "failed", error });
  expect(askDataset(head, id).failures).toEqual([{ task: `shard/${id}/0/0`, times: 1, error }]);
  head.feed({ type: "api", caller: CALLER, request: { op: "cancel", jobId: id } });
  head.submit(specOf("a"));
  expect(askDataset(head, id).failures).toEqual([]);
});

test("what stands and nobody has looked at", () => {
  const head = new TestHead();
  const spec = specOf("a");
  const id = jobIdOf(spec);
  head.submit(spec);
  expect(askDataset(head, id).waits).toEqual(["a worker: none is there"]);
  head.report("w1", { slots: 1 });
  head.done("w1", `plan/${id}`, { kind: "planned", planSha256: "e".repeat(64), shards: [3] });
  expect(askDataset(head, id).waits).toEqual(["a look at what stands in its output"]);
  const standing = [0, 1].map((shard) => ({ name: shardFile(id, 0, shard), bytes: 100 }));
  head.feed({ type: "claimed", jobId: id, error: null, standing });
  expect(askDataset(head, id).shards).toEqual({ done: 0, total: 3, standing: 2 });
});

test("a program with its arguments, and no job for an id that nobody knows", () => {
  const head = new TestHead();
  const request = { op: "submit-program", program: PROGRAM, argv: ["one", "two"] } as const;
  const submitted = head.feed({
    type: "api",
    caller: CALLER,
    request: { ...request, argv: [...request.argv] },
  });
  expect(effectsOf(submitted, "reply")).toHaveLength(1);
  const [jobId = ""] = head.state.durable.programs.keys();
  expect(ask(head, jobId)).toMatchObject({
    ...{ kind: "program", argv: ["one", "two"], url: PROGRAM.url, atMs: head.nowMs },
    waits: ["a worker: none is there"],
  });
  const nobody = { op: "job", jobId: "0".repeat(64) } as const;
  const refused = head.feed({ type: "api", caller: CALLER, request: nobody });
  expect(effectsOf(refused, "refuse")[0]?.error.code).toBe("JOB_NOT_FOUND");
});

test("of a job with any number of inputs fits a frame, and says how many it left out", () => {
  const head = new TestHead();
  const many = 20_000;
  const spec = specOf("a", many);
  const id = head.running(
    spec,
    spec.source.inputs.map(() => 1),
  );
  const view = askDataset(head, id);
  expect(view.inputs.length).toBeGreaterThan(100);
  expect(view.inputs.length + view.inputsMore).toBe(many);
  const answer = { op: "reply", value: JSON.parse(JSON.stringify(view)) as object };
  expect(decodeFrame(encodeFrame(FIELDS, answer)).value).toEqual(answer);
});
