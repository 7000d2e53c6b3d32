/** What was counted in all shards is merged in executors before the seal, whatever happens. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { claimOutput, sealOutput } from "../../../head/daemon/output/output.ts";
import { manifestOf } from "../../../head/core/seal.ts";
import { SystemError } from "../../../runtime/errors.ts";
import type { DatasetSpec, Outcome, ReportFile } from "../../../runtime/messages.ts";
import { MANIFEST_FILE, manifestBytes, parseManifest } from "../../../solver/manifest.ts";
import { assignedBy, committed, effectsOf, receiptOf, specOf, TestHead } from "./support.ts";

const digest = { bytes: 7, sha256: "f".repeat(64) };

/** The outcome of a shard with a summary. */
function counted(input: number, shard: number): Outcome {
  return committed(input, shard, { summary: { file: `qc-${input}-${shard}.lqc`, ...digest } });
}

function merged(name: string, sample?: string): Outcome & { reports: ReportFile[] } {
  const of = sample === undefined ? {} : { sample };
  return { kind: "merged", reports: [{ file: name, kind: "fastp", ...of, ...digest }] };
}

/** Three inputs of two samples, of one shard each; all shards are made. */
function complete(): { head: TestHead; jobId: string; spec: DatasetSpec } {
  const spec = specOf("merge", 3);
  const inputs = spec.source.inputs.map((input, i) => ({ ...input, sample: i === 1 ? "b" : "a" }));
  const lanes = { ...spec, source: { ...spec.source, inputs } };
  const head = new TestHead();
  const jobId = head.running(lanes, [1, 1, 1]);
  for (const input of [0, 1]) head.done("w1", `shard/${jobId}/${input}/0`, counted(input, 0));
  return { head, jobId, spec: lanes };
}

describe("a dataset of which something was counted", () => {
  test("is merged sample by sample, then as a whole, and sealed with the files' names", () => {
    const { head, jobId } = complete();
    const last = head.done("w1", `shard/${jobId}/2/0`, counted(2, 0));
    expect(assignedBy(last)).toEqual([`merge/${jobId}/0#0`, `merge/${jobId}/1#0`]);
    const works = effectsOf(last, "command").flatMap(({ assign }) => assign.map((it) => it.work));
    expect(works).toMatchObject([
      {
        kind: "merge",
        inputs: [
          { input: 0, shards: 1 },
          { input: 2, shards: 1 },
        ],
      },
      { kind: "merge", inputs: [{ input: 1, shards: 1 }] },
    ]);
    expect(effectsOf(last, "seal")).toEqual([]);
    expect(assignedBy(head.done("w1", `merge/${jobId}/1`, merged("b.json", "b")))).toEqual([]);
    const whole = head.done("w1", `merge/${jobId}/0`, merged("a.json", "a"));
    expect(assignedBy(whole)).toEqual([`merge/${jobId}/2#0`]);
    const [seal] = effectsOf(head.done("w1", `merge/${jobId}/2`, merged("all.html")), "seal");
    expect(seal?.manifest.reports?.map(({ file }) => file)).toEqual([
      "a.json",
      "b.json",
      "all.html",
    ]);
    expect(seal?.manifest.summaries?.map(({ file, input }) => [file, input])).toEqual([
      ["qc-0-0.lqc", 0],
      ["qc-1-0.lqc", 1],
      ["qc-2-0.lqc", 2],
    ]);
    const manifest = seal?.manifest;
    if (manifest === undefined) throw new Error("no manifest");
    expect(parseManifest(manifestBytes(manifest))).toEqual(manifest);
  });

  test("is merged anew by the next leader, which knows of no file", () => {
    const { head, jobId } = complete();
    head.done("w1", `shard/${jobId}/2/0`, counted(2, 0));
    head.done("w1", `merge/${jobId}/0`, merged("a.json", "a"));
    const next = head.successor();
    next.report("w1", { slots: 8, held: [{ task: `merge/${jobId}/1`, attempt: 0 }] });
    const claimed = next.feed({ type: "claimed", jobId, error: null });
    const again = [...assignedBy(claimed), ...assignedBy(next.tick())];
    expect(again).toEqual([`merge/${jobId}/0#0`, `merge/${jobId}/1#1`]);
  });

  test("waits for another attempt where one failed, and ends where none can do better", () => {
    const { head, jobId } = complete();
    head.done("w1", `shard/${jobId}/2/0`, counted(2, 0));
    const lost = new SystemError("STORAGE_FAILED", "no answer").toData();
    const failed = head.done("w1", `merge/${jobId}/0`, { kind: "failed", error: lost });
    expect(assignedBy(failed)).toEqual([`merge/${jobId}/0#1`]);
    const gone = new SystemError("SHARD_DAMAGED", "a summary is gone").toData();
    head.done("w1", `merge/${jobId}/0`, { kind: "failed", error: gone }, 1);
    expect(head.state.durable.datasets.get(jobId)?.state).toMatchObject({
      kind: "failed",
      error: { code: "SHARD_DAMAGED" },
    });
    expect(head.state.merges.size).toBe(0);
  });

  test("doesn't wait for inputs without a summary", () => {
    const { head, jobId } = complete();
    const last = head.done("w1", `shard/${jobId}/2/0`, committed(2, 0));
    const works = effectsOf(last, "command").flatMap(({ assign }) => assign.map((it) => it.work));
    expect(works).toMatchObject([
      { inputs: [{ input: 0, shards: 1 }] },
      { inputs: [{ input: 1, shards: 1 }] },
    ]);
  });
});

test("a set of which a report is gone is merged and sealed once more", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lgm-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { head, jobId, spec } = complete();
  const own = { ...spec, sink: { ...spec.sink, uri: folder } };
  await claimOutput({ jobId, spec: own, earlier: [] });
  head.done("w1", `shard/${jobId}/2/0`, counted(2, 0));
  for (const unit of [0, 1]) head.done("w1", `merge/${jobId}/${unit}`, merged(`${unit}.json`, "a"));
  const [seal] = effectsOf(head.done("w1", `merge/${jobId}/2`, merged("all.html")), "seal");
  if (seal === undefined) throw new Error("no seal");
  await sealOutput(folder, seal.manifest);
  const names = async (): Promise<string[]> =>
    (await claimOutput({ jobId, spec: own, earlier: [] })).map(({ name }) => name).sort();
  expect(await names()).not.toContain(MANIFEST_FILE);
  for (const file of ["0.json", "1.json", "all.html"]) writeFileSync(join(folder, file), "");
  expect(await names()).toContain(MANIFEST_FILE);
});

describe("a set that was only counted", () => {
  const stage = { ...receiptOf(0, 0).stage, dimensions: 0 };
  const counts = { rows: 0, passed: 5, records: 6, filtered: { low_quality_reads: 1 } };

  test("has no rows and no dimensions, and its reads add up", () => {
    const spec = specOf("counted");
    const job = {
      ...({ kind: "dataset", id: "2".repeat(64), spec, atMs: 0, planSha256: null } as const),
      state: { kind: "running" } as const,
      inputs: [{ shards: 1, receipts: new Map([[0, receiptOf(0, 0, { ...counts, stage })]]) }],
      continuations: [],
      solves: [],
    };
    const manifest = manifestOf(job);
    if (manifest instanceof SystemError) throw manifest;
    expect(manifest).toMatchObject({ rows: 0, dimensions: 0 });
    expect(manifest.reads).toMatchObject({ in: 6, passed: 5, filtered: 1 });
    expect(parseManifest(manifestBytes(manifest))).toEqual(manifest);
  });
});
