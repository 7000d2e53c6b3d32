/** The result of a run: `results/run.json`, the last line of `--json`, and what the table shows. */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { makeFolder } from "../../runtime/storage/local.ts";
import { storageOf } from "../../runtime/storage/open.ts";
import { isS3, joinUri } from "../../runtime/storage/uri.ts";
import type { Watched } from "./watch.ts";

const count = v.number();

const report = v.object({
  kind: v.string(),
  sample: v.exactOptional(v.string()),
  uri: v.string(),
});

/** What the pipeline returns; see `PipelineResult` of the actors. */
const pipelineValue = v.object({
  jobId: v.string(),
  reads: v.object({
    in: count,
    passed: count,
    filtered: count,
    quarantined: count,
    skipped: count,
  }),
  rows: count,
  shards: count,
  dimensions: count,
  encoder: v.object({ name: v.string(), sha256: v.string(), provider: v.string() }),
  filteredReasons: v.record(v.string(), count),
  quarantine: v.array(v.string()),
  reports: v.array(report),
  native: v.string(),
  warnings: v.array(v.string()),
  manifest: v.string(),
  netcdf: v.nullable(v.string()),
});

export interface RunResult {
  readonly schema: 1;
  readonly jobId: string;
  readonly reads: v.InferOutput<typeof pipelineValue>["reads"];
  readonly rows: number;
  readonly shards: number;
  readonly dimensions: number;
  readonly encoder: { readonly name: string; readonly sha256: string; readonly provider: string };
  readonly seconds: {
    readonly start: number;
    readonly phase1: number;
    readonly solve: number;
    readonly total: number;
  };
  readonly manifest: string;
  readonly netcdf: string | null;
  readonly slurm: {
    readonly slurmJobId: string;
    readonly state: string;
    readonly exitCode: number | null;
    readonly launcher: string;
  } | null;
  readonly filteredReasons: Readonly<Record<string, number>>;
  /** Side files with the reads that were put aside. */
  readonly quarantine: readonly string[];
  /** What quality control left, by sample. */
  readonly reports: readonly v.InferOutput<typeof report>[];
  /** Whether sequences were read by the native addon, in words. */
  readonly native: string;
  readonly warnings: readonly string[];
}

/** @throws {Error} when the program returned something else: a mistake of ours. */
export function composeResult(
  watched: Watched,
  seconds: { readonly start: number; readonly total: number },
): RunResult {
  const value = v.parse(pipelineValue, watched.value);
  const { jobId, reads, rows, shards, dimensions, encoder, manifest, netcdf } = value;
  const { filteredReasons, quarantine, reports, native, warnings } = value;
  return {
    schema: 1,
    jobId,
    reads,
    rows,
    shards,
    dimensions,
    encoder,
    seconds: {
      start: milli(seconds.start),
      phase1: milli(watched.phase1),
      solve: milli(watched.solving),
      total: milli(seconds.total),
    },
    manifest,
    netcdf,
    slurm: netcdf === null ? null : slurmOf(watched),
    filteredReasons,
    quarantine,
    reports,
    native,
    warnings,
  };
}

function slurmOf({ solve }: Watched): RunResult["slurm"] {
  if (solve?.state.kind !== "succeeded" || solve.last === null) return null;
  const { slurmJobId, end } = solve.last;
  const { launcher } = solve.state;
  return { slurmJobId, state: end.state, exitCode: end.exitCode, launcher };
}

function milli(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

/** Puts the result beside the NetCDF; the last run's stands. */
export async function writeResult(output: string, result: RunResult): Promise<void> {
  if (isS3(output)) return putResult(joinUri(output, "results", "run.json"), result);
  const folder = join(output, "results");
  await makeFolder(folder);
  const temp = join(folder, `.run.json.${process.pid}.tmp`);
  await writeFile(temp, `${JSON.stringify(result, null, 1)}\n`);
  await rename(temp, join(folder, "run.json"));
}

/** Of two runs that end at once either's may stand: nothing reads it but people. */
async function putResult(uri: string, result: RunResult): Promise<void> {
  const storage = storageOf(uri);
  await storage.remove(uri);
  await storage.createIfAbsent(uri, Buffer.from(`${JSON.stringify(result, null, 1)}\n`));
}
