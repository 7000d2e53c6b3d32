/**
 * The main job as a program: from FASTQ to NetCDF. Each step it names is one file. `ligase run`
 * submits it like any user's program; run again, it finds what stands and makes only the rest.
 */
import { join } from "node:path";
import type { Cluster } from "../runtime/client/cluster.ts";
import { SystemError } from "../runtime/errors.ts";
import { storageOf } from "../runtime/storage/open.ts";
import { joinUri } from "../runtime/storage/uri.ts";
import * as v from "valibot";
import { launchEntries } from "../solver/launch.ts";
import { parseManifest } from "../solver/manifest.ts";
import { solve } from "../solver/solve.ts";
import { sampleOf, sampleWarnings } from "./fastq/input.ts";
import { medianReadLength } from "./fastq/probe.ts";
import { encoderOf } from "./model.ts";
import { Embedder, readFastq } from "./read-fastq.ts";
import { ensureSample } from "./sample/file.ts";

export { Embedder };

/** What `ligase run` asks; its one argument, as JSON. All paths are absolute, or s3://. */
const pipelineOptions = v.object({
  /** None: the sample, made in the output folder. */
  inputs: v.array(v.string()),
  output: v.string(),
  encoder: v.string(),
  solve: v.boolean(),
  ranks: v.number(),
  timeLimitMinutes: v.optional(v.number()),
  onBadRecord: v.optional(v.picklist(["fail", "quarantine", "skip"])),
  /** Of one batch; 0 = any time. */
  batchTimeoutMs: v.optional(v.number()),
  /** What the solve asks of Slurm; checked where the solve is made. */
  launch: v.optional(v.object(launchEntries), {}),
});
export type PipelineOptions = v.InferOutput<typeof pipelineOptions>;

/** What the run made: the part of `run.json` that the job knows. */
export interface PipelineResult {
  readonly jobId: string;
  readonly reads: Readonly<
    Record<"in" | "passed" | "filtered" | "quarantined" | "skipped", number>
  >;
  readonly rows: number;
  readonly shards: number;
  readonly dimensions: number;
  readonly encoder: { readonly name: string; readonly sha256: string; readonly provider: string };
  readonly filteredReasons: Readonly<Record<string, number>>;
  /** Side files with the records that were put aside. */
  readonly quarantine: readonly string[];
  readonly manifest: string;
  readonly netcdf: string | null;
  readonly warnings: readonly string[];
}

const MEDIAN_BASES_MIN = 500;

/** FASTQ -> embeddings -> sealed manifest -> solve -> NetCDF. */
export default async function pipeline(
  _cluster: Cluster,
  argv: readonly string[],
): Promise<PipelineResult> {
  const options = v.parse(pipelineOptions, JSON.parse(argv[0] ?? "null"));
  const { output, ranks } = options;
  const sample = joinUri(output, "sample.fastq");
  const inputs = options.inputs.length > 0 ? options.inputs : [await ensureSample(sample)];
  const model = encoderOf(options.encoder);
  const netcdf = join(output, "results", `${sampleOf(inputs[0] ?? "")}_sim.nc`);
  const limit =
    options.timeLimitMinutes === undefined ? {} : { timeLimitMinutes: options.timeLimitMinutes };

  const { onBadRecord, batchTimeoutMs } = options;
  const within = batchTimeoutMs === undefined ? {} : { batchTimeoutMs };
  const sealed = await readFastq(...inputs)
    .mapBatches(Embedder, { method: "embed", constructorArgs: [{ model }], ...within })
    .writeParquet(joinUri(output, "embeddings"), {
      onBadRecord,
      onSealed: options.solve
        ? solve({ ranks, output: netcdf, ...limit, ...options.launch })
        : undefined,
    });
  await sealed.continuation?.wait();

  const manifest = parseManifest(await readSealed(sealed.manifest));
  return {
    jobId: sealed.jobId,
    reads: manifest.reads,
    rows: manifest.rows,
    shards: manifest.shards.length,
    dimensions: manifest.dimensions,
    encoder: manifest.encoder,
    filteredReasons: manifest.filteredReasons,
    quarantine: (manifest.quarantine ?? []).map(({ file }) => joinUri(output, "embeddings", file)),
    manifest: sealed.manifest,
    netcdf: options.solve ? netcdf : null,
    warnings: await warningsOf(inputs),
  };
}

async function readSealed(uri: string): Promise<Buffer> {
  const bytes = await storageOf(uri).readIfPresent(uri);
  if (bytes !== undefined) return bytes;
  throw new SystemError("STORAGE_FAILED", "a sealed dataset has lost its manifest", { uri });
}

async function warningsOf(inputs: readonly string[]): Promise<string[]> {
  const paths = [...new Set(inputs)];
  const medians = await Promise.all(paths.map(medianReadLength));
  // Composition separates genomes from ~1 kb on; below 500 bases the result says little.
  const short = paths
    .map((path, index) => [sampleOf(path), medians[index] ?? 0] as const)
    .filter(([, median]) => median < MEDIAN_BASES_MIN)
    .map(
      ([name, median]) => `${name}: median read length ${median}, too short to tell genomes apart`,
    );
  return [...sampleWarnings(inputs), ...short];
}
