/** What clients are told: a value in the shape they check, of bounded size. */
import { describe, expect, test } from "vitest";
import { digestOf } from "../../../head/core/core.ts";
import { clusterStatus, type ClusterStatus } from "../../../runtime/client/cluster.ts";
import { canonicalJson, sha256Hex } from "../../../runtime/ids.ts";
import { type ActorOptions, parseMessage } from "../../../runtime/messages.ts";
import { solve } from "../../../solver/solve.ts";
import { apply } from "../../../head/core/apply.ts";
import { emptyState, stateSnapshot } from "../../../head/core/facts.ts";
import { CALLER, committed, effectsOf, MANIFEST, PROGRAM, specOf, TestHead } from "./support.ts";

function ask(head: TestHead, op: "status" | "digest"): unknown {
  const decision = head.feed({ type: "api", caller: CALLER, request: { op } });
  expect(decision.facts).toEqual([]);
  return effectsOf(decision, "reply")[0]?.value;
}

function statusOf(head: TestHead): ClusterStatus {
  return parseMessage(clusterStatus, ask(head, "status"));
}

describe("a status", () => {
  test("shows a dataset's progress from its receipts", () => {
    const head = new TestHead();
    const spec = specOf("a", 2);
    const id = head.running(spec, [2, null]);
    head.done(
      "w1",
      `shard/${id}/0/1`,
      committed(0, 1, { rows: 4, records: 6, filtered: { short: 2 } }),
    );
    const [dataset] = statusOf(head).datasets;
    expect(dataset).toMatchObject({
      id,
      uri: "/out/a",
      state: { kind: "running" },
      shards: { done: 1, total: null },
      reads: { in: 6, passed: 4, filtered: 2 },
      encoder: { name: "kmer" },
      dimensions: 136,
    });
    const other = new TestHead();
    other.running(specOf("b"), [3]);
    expect(statusOf(other).datasets[0]?.shards).toEqual({ done: 0, total: 3, standing: 0 });
  });

  test("says which solve each continuation is, whatever the order they were asked for in", () => {
    const head = new TestHead();
    const spec = specOf("a");
    const first = solve({ k: 15 });
    const second = solve({ k: 5 });
    head.submit(spec, first);
    const id = head.running(spec, [1]);
    expect(statusOf(head).datasets[0]?.continuations).toEqual([
      { continuation: first, solve: null },
    ]);
    head.done("w1", `shard/${id}/0/0`, committed(0, 0));
    head.feed({ type: "sealed", jobId: id, manifestSha256: MANIFEST });
    head.submit(spec, second);
    head.submit(spec, first);
    head.feed({ type: "claimed", jobId: id, error: null });
    const { datasets, solves } = statusOf(head);
    const [one, two] = datasets[0]?.continuations ?? [];
    expect(solves.find((it) => it.id === one?.solve)?.spec).toMatchObject({ k: 15 });
    expect(solves.find((it) => it.id === two?.solve)?.spec).toMatchObject({ k: 5 });
    expect(solves).toHaveLength(2);
  });

  test("shows the 64 newest jobs", () => {
    const head = new TestHead();
    for (let i = 0; i < 70; i += 1) head.submit(specOf(`n${i}`));
    const { datasets } = statusOf(head);
    expect(datasets).toHaveLength(64);
    expect(datasets.at(-1)?.uri).toBe("/out/n69");
  });
});

test("a status counts actors by their state; a digest knows only what is durable", () => {
  const head = new TestHead();
  head.report("w1");
  const before = ask(head, "digest");
  const options: ActorOptions = {
    name: null,
    getIfExists: false,
    lifetime: "owned",
    hosting: "shared",
    maxRestarts: 0,
    maxConcurrency: 1,
  };
  const spec = { program: PROGRAM, actor: "x", args: [], options };
  for (const id of [1, 2, 3]) {
    head.feed({ type: "api", caller: { ...CALLER, id }, request: { ...spec, op: "spawn" } });
  }
  const [task = ""] = head.state.flights.keys();
  const life = { actorId: task.slice("host/".length), incarnation: 0 };
  const where = { worker: "w1", process: "1".repeat(16), pid: 1, host: "m1" };
  const address = { ...where, ...life, socket: "/s", token: "t" };
  head.done("w1", task, { kind: "hosted", address });
  const actors = { pending: 0, starting: 2, alive: 1, restarting: 0 };
  expect(ask(head, "status")).toMatchObject({ actors, pools: 0 });
  expect(ask(head, "digest")).toEqual(before);
});

describe("a digest", () => {
  test("is that of the replayed facts", () => {
    const head = new TestHead();
    head.running(specOf("a"), [2]);
    const replayed = emptyState();
    for (const fact of head.facts) apply(replayed, fact);
    const sha256 = sha256Hex(canonicalJson(stateSnapshot(replayed)));
    expect(ask(head, "digest")).toEqual({ facts: head.facts.length, sha256 });
    expect(digestOf(replayed)).toEqual({ facts: head.facts.length, sha256 });
  });

  test("changes with the state", () => {
    const head = new TestHead();
    const before = ask(head, "digest");
    head.submit(specOf("a"));
    expect(ask(head, "digest")).not.toEqual(before);
  });
});

describe("what a program returned", () => {
  function submitted(head: TestHead): string {
    const program = { url: "file:///p.ts", sha256: "1".repeat(64) };
    const request = { op: "submit-program" as const, program, argv: [] };
    const decision = head.feed({ type: "api", caller: CALLER, request });
    const values = effectsOf(decision, "reply").map(({ value }) => value as { jobId: string });
    expect(values).toHaveLength(1);
    return values[0]?.jobId ?? "";
  }

  test("is asked for by itself: a status stays small whatever it is", () => {
    const head = new TestHead();
    head.report("w1");
    const jobId = submitted(head);
    const early = head.feed({ type: "api", caller: CALLER, request: { op: "result", jobId } });
    expect(effectsOf(early, "refuse")[0]?.error.code).toBe("JOB_NOT_FOUND");
    const value = { text: "x".repeat(400_000) };
    head.done("w1", `drive/${jobId}`, { kind: "returned", value });
    expect(statusOf(head).programs).toMatchObject([{ id: jobId, state: { kind: "returned" } }]);
    const late = head.feed({ type: "api", caller: CALLER, request: { op: "result", jobId } });
    expect(effectsOf(late, "reply")[0]?.value).toEqual(value);
  });
});
