/** What a command says of its own job where its state holds others too, and where it looks. */
import { describe, expect, test } from "vitest";
import { outputFolder, statePlaces, typedFolder } from "../../../head/cli/paths.ts";
import { watchJob } from "../../../head/cli/watch.ts";
import type { Cluster, ClusterStatus, DatasetStatus } from "../../../runtime/client/cluster.ts";

const sealed = { kind: "sealed", manifestSha256: "a", atMs: 1 } as const;
const failed = {
  kind: "failed",
  error: { code: "OUTPUT_OF_ANOTHER_JOB", what: "", where: {} },
} as const;

function datasetOf(id: string, uri: string, state: DatasetStatus["state"]): DatasetStatus {
  const reads = { in: 1, passed: 1, filtered: 0, quarantined: 0, skipped: 0 };
  const shards = { done: 1, total: 1, standing: 0 };
  const rest = { encoder: null, lacks: [], dimensions: null, solves: [], continuations: [] };
  return { id, uri, atMs: 1, state, shards, reads, ...rest };
}

const solveOf = (jobId: string): ClusterStatus["solves"][number] => {
  const state = { kind: "succeeded", launcher: "srun", atMs: 1 } as const;
  const rest = { last: null, manifest: "/m/manifest.json", at: null, resources: null, waits: null };
  return { id: `solve of ${jobId}`, jobId, spec: {}, atMs: 1, state, ...rest };
};

describe("a watched run", () => {
  test("that finds its dataset standing shows that one, not the last of the state", async () => {
    const status: ClusterStatus = {
      ...{ epoch: 1, workers: 1, slots: 1 },
      programs: [{ id: "p", atMs: 1, state: { kind: "returned" } }],
      datasets: [
        datasetOf("mine", "/out/embeddings", sealed),
        datasetOf("refused", "/out/embeddings", failed),
        datasetOf("other", "/elsewhere/embeddings", sealed),
      ],
      solves: [solveOf("mine"), solveOf("other")],
    };
    const cluster = { status: async () => status, result: async () => "value" };
    const watched = await watchJob(
      cluster as unknown as Cluster,
      { jobId: "p", uri: "/out/embeddings", doing: "embedding" },
      status,
      () => undefined,
      new AbortController().signal,
    );
    expect([watched.dataset?.id, watched.solve?.id]).toEqual(["mine", "solve of mine"]);
    expect([watched.phase1, watched.solving]).toEqual([0, 0]);
  });
});

describe("a path that was typed", () => {
  test("starts where it was typed, the state's too", () => {
    const from = typedFolder({ npm_lifecycle_event: "start", INIT_CWD: "/somewhere" }, "/checkout");
    expect(outputFolder("out", [], from, false)).toBe("/somewhere/out");
    const places = (given?: string) => statePlaces(given, "/somewhere/out", from);
    expect(places("state")).toEqual({ stateDir: "/somewhere/state" });
    expect(places()).toEqual({ stateDir: "/somewhere/out/.ligase" });
  });
});
