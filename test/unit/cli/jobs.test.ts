/** What `ligase job` makes of ids and of jobs. */
import { describe, expect, test } from "vitest";
import { entriesOf } from "../../../head/cli/jobs/list.ts";
import { statePlaces } from "../../../head/cli/paths.ts";
import { jobNamed, reachOf } from "../../../head/cli/jobs/source.ts";
import { textOf } from "../../../head/cli/jobs/status.ts";
import {
  type ClusterStatus,
  clusterStatus,
  type JobView,
  jobView,
} from "../../../runtime/client/jobs/status.ts";
import { parseMessage } from "../../../runtime/messages.ts";

const READS = { in: 6, passed: 4, filtered: 2, quarantined: 0, skipped: 0 };
const ID = `abc${"0".repeat(61)}`;
const OTHER = `abd${"0".repeat(61)}`;
const PROGRAM = `f${"0".repeat(63)}`;

const dataset = (id: string, atMs: number, more: object = {}): object => ({
  ...{ id, uri: "/out/embeddings", atMs, state: { kind: "running" }, reads: READS },
  ...{ shards: { done: 1, total: null }, encoder: null, dimensions: null },
  ...{ solves: [], continuations: [], ...more },
});

function statusWith(...datasets: readonly object[]): ClusterStatus {
  const programs = [{ id: PROGRAM, atMs: 2, state: { kind: "running" } }];
  const rest = { epoch: 1, workers: 1, slots: 1, solves: [] };
  return parseMessage(clusterStatus, { ...rest, programs, datasets });
}

describe("an id", () => {
  const status = statusWith(dataset(ID, 1), dataset(OTHER, 2));

  test.each([
    ["in full", ID, ID],
    ["its first 12 digits", ID.slice(0, 12), ID],
    ["any beginning that one job has", "abd", OTHER],
    ["a program's", "f", PROGRAM],
    ["one in full that this status doesn't hold", "9".repeat(64), "9".repeat(64)],
    ["none: the latest dataset", undefined, OTHER],
  ])("%s", (_what, text, id) => {
    expect(jobNamed(status, text)).toBe(id);
  });

  test("none where there is no dataset is the latest program", () => {
    expect(jobNamed(statusWith(), undefined)).toBe(PROGRAM);
  });

  test("that several begin with is refused, with some of them", () => {
    expect(() => jobNamed(status, "ab")).toThrow(/^USAGE: 2 jobs begin so \(abc000, abd000, /);
  });

  test.each([
    ["one that none begins with", "123"],
    ["empty", ""],
    ["not hex", "abc/../x"],
  ])("%s is no job", (_what, text) => {
    expect(() => jobNamed(status, text)).toThrow(/^JOB_NOT_FOUND/);
  });
});

test("the state of a run's output is .ligase in it, unless a state is named", () => {
  expect(reachOf({ output: "/a/out" })).toEqual({ state: "/a/out/.ligase" });
  expect(reachOf({ output: "/a/out", state: "/b" })).toEqual({ state: "/b" });
  expect(reachOf({ address: "/c/address.json" })).toEqual({ address: "/c/address.json" });
  expect(reachOf({})).toEqual({});
});

test("a state in S3 is reached by the folder of its cluster, an output there by its state", () => {
  const stateUri = "s3://bucket/state";
  const reached = reachOf({ output: "s3://bucket/out", state: stateUri });
  const { stateDir } = statePlaces(stateUri, "/out", "/");
  expect(reached).toEqual({ state: stateDir, stateUri });
  expect(() => reachOf({ output: "s3://bucket/out" })).toThrow(/^USAGE: .* needs --state/);
});

test("jobs are listed oldest first, a failed one with its code and why", () => {
  const error = { code: "SHARD_FAILED", what: "it failed 3 times", where: {} };
  const failed = { state: { kind: "failed", error }, shards: { done: 1, total: 3 } };
  const entries = entriesOf(statusWith(dataset(ID, 3), dataset(OTHER, 1, failed)));
  expect(entries.map(({ id }) => id)).toEqual([OTHER, PROGRAM, ID]);
  expect(entries[0]).toMatchObject({
    ...{ kind: "dataset", state: "SHARD_FAILED", shards: { done: 1, total: 3 }, rows: 4, error },
  });
  expect(entries[1]).toMatchObject({ kind: "program", state: "running", shards: null, uri: null });
});

test("a job is shown with what failed, waits, goes wrong; others' texts steer no terminal", () => {
  const error = { code: "STORAGE_FAILED", what: "disk \u001b[2Jfull", where: {} };
  const view: JobView = parseMessage(jobView, {
    ...dataset(ID, 1),
    ...{ kind: "dataset", runtimeVersion: "0.1.0", program: { url: "u", sha256: "a".repeat(64) } },
    inputs: [
      { uri: "/in/\u001b.fq", sample: "s", bytes: 1, shards: { done: 1, total: 2 }, reads: READS },
    ],
    ...{ inputsMore: 7, filteredReasons: { short: 2 }, ofSolves: [] },
    failures: [{ task: `shard/${ID}/0/1`, times: 2, error }],
    ...{ trouble: ["a worker crashes"], waits: ["a worker: none is there"] },
    shards: { done: 1, total: null, standing: 3 },
  });
  const text = textOf(view);
  for (const part of [
    `job        ${ID}\n`,
    "shards     1/?, 3 found and not yet looked at\n",
    "filtered   2 short\n",
    "trouble    a worker crashes\n",
    "waits for  a worker: none is there\n",
    "and 7 more inputs\n",
    "failed 2 times: shard 0 1: STORAGE_FAILED: disk \\u001b[2Jfull\n",
  ]) {
    expect(text).toContain(part);
  }
  expect(text).not.toContain("\u001b");
});
