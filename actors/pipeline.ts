/**
 * The main job as a program: from sequences to NetCDF. Each step it names is one file. `ligase
 * run`, `embed` and `qc` submit it like any user's program; run again, it finds what stands and
 * makes only the rest.
 */
import { join, parse } from "node:path";
import type { Cluster } from "../runtime/client/cluster.ts";
import type { Dataset, MappedDataset } from "../runtime/dataset/dataset.ts";
import { SystemError } from "../runtime/errors.ts";
import { storageOf } from "../runtime/storage/open.ts";
import { joinUri } from "../runtime/storage/uri.ts";
import * as v from "valibot";
import { launchEntries } from "../solver/launch.ts";
import { parseManifest } from "../solver/manifest.ts";
import { solve } from "../solver/solve.ts";
import { inputWarnings, sampleOf, sampleWarnings } from "./fastq/input.ts";
import { medianReadLength } from "./fastq/probe.ts";
import { encoderOf } from "./model.ts";
import { nativeStatus } from "./native/index.ts";
import { parseSampleQc } from "./qc/seal/sample-qc.ts";
import { parseSampleSheet } from "./qc/sheet.ts";
import { QcOnly } from "./qc-only.ts";
import { Embedder, readFastq } from "./read-fastq.ts";
import { ensureSample } from "./sample.ts";

export { Embedder, QcOnly };

/** What `ligase run`, `embed` and `qc` ask, as JSON. Paths are absolute, or s3://. */
const pipelineOptions = v.object({
  /** None, and no sheet: the sample, made in the output folder. */
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
  /** Quality control alone: no encoder, no rows, no solve. */
  only: v.optional(v.literal("qc")),
  /** A sample sheet, instead of inputs. */
  samples: v.optional(v.string()),
  /** A preset, and fastp's options over it; checked by `qcSettings`. Absent: none is done. */
  qc: v.optional(v.object({ preset: v.string(), given: v.record(v.string(), v.unknown()) })),
  orf: v.optional(v.picklist(["longest", "all"])),
  batchSize: v.optional(v.number()),
  concurrency: v.optional(v.union([v.number(), v.tuple([v.number(), v.number()])])),
  numGpus: v.optional(v.number()),
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
  /** What quality control left: fastp-shaped JSON and more, by sample. */
  readonly reports: readonly Report[];
  /** Whether sequences are read by the native addon here, in words. */
  readonly native: string;
  readonly manifest: string;
  readonly netcdf: string | null;
  readonly warnings: readonly string[];
}

export interface Report {
  readonly kind: string;
  /** Absent: it tells of all samples. */
  readonly sample?: string | undefined;
  readonly uri: string;
}

/** k of the spectrum that `ligase qc` counts; `run` and `embed` count none. */
const SPECTRUM_K = 21;
const MEDIAN_BASES_MIN = 500;

/** Sequences -> embeddings -> sealed manifest -> solve -> NetCDF, or the part that is asked for. */
export default async function pipeline(
  _cluster: Cluster,
  argv: readonly string[],
): Promise<PipelineResult> {
  const options = v.parse(pipelineOptions, JSON.parse(argv[0] ?? "null"));
  const { output, only } = options;
  const { paths, records } = await recordsOf(options);
  const uri = joinUri(output, only ?? "embeddings");
  const netcdf = join(output, "results", `${stemOf(options, paths)}_sim.nc`);
  const sealed = await stageOf(records, options).writeParquet(uri, {
    onBadRecord: options.onBadRecord,
    onSealed: options.solve ? solveOf(options, netcdf) : undefined,
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
    quarantine: (manifest.quarantine ?? []).map(({ file }) => joinUri(uri, file)),
    reports: (manifest.reports ?? []).map(({ file, kind, sample }) => ({
      ...{ kind, uri: joinUri(uri, file) },
      ...(sample === undefined ? {} : { sample }),
    })),
    native: nativeStatus().text,
    manifest: sealed.manifest,
    netcdf: options.solve ? netcdf : null,
    warnings: [
      ...(await controlWarnings(manifest, uri, options)),
      ...(await warningsOf(paths, options)),
    ],
  };
}

/** What readers and quality control warn of: once, in a sample's words where it has any. */
async function controlWarnings(
  { inputs, summaries = [], reports = [] }: ReturnType<typeof parseManifest>,
  uri: string,
  { qc }: PipelineOptions,
): Promise<string[]> {
  const controlled = new Set(summaries.map(({ input }) => input));
  const rest = inputs.filter((_, input) => !controlled.has(input));
  const uncontrolled = qc === undefined ? [] : rest.map(({ uri: file }) => noQualities(file));
  const said: string[] = [];
  for (const { file, kind } of reports) {
    if (kind !== "qc") continue;
    const { warnings } = parseSampleQc(await readSealed(joinUri(uri, file)));
    // Of reads too short to embed is told below, where they are embedded.
    const others = warnings.filter(({ warning }) => warning !== "shortMedian");
    said.push(...others.map(({ text }) => text));
  }
  return [...said, ...inputWarnings(rest), ...uncontrolled];
}

function noQualities(file: string): string {
  return `${file}: FASTA has no qualities, so there was no quality control of it`;
}

/** The input, lazily, and its files. */
async function recordsOf(options: PipelineOptions) {
  const { samples, output, only, qc } = options;
  const rows = samples === undefined ? undefined : await readSheet(samples);
  const isSample = rows === undefined && options.inputs.length === 0;
  const inputs = isSample ? [await ensureSample(joinUri(output, "sample.fastq"))] : options.inputs;
  const control = qc && { ...qc, ...(only === "qc" ? { spectrum: SPECTRUM_K } : {}) };
  const read = { ...(rows && { samples: rows }), ...(control && { qc: control }) };
  const paths = rows === undefined ? inputs : rows.flatMap(({ files }) => files);
  return { paths, records: readFastq(...inputs, read) };
}

async function readSheet(uri: string) {
  const bytes = await storageOf(uri).readIfPresent(uri);
  if (bytes !== undefined) return parseSampleSheet(Buffer.from(bytes).toString("utf8"), uri);
  throw new SystemError("INPUT_NOT_FOUND", "no sample sheet is there", { uri });
}

/** The sheet's name, or the first input's. */
function stemOf({ samples }: PipelineOptions, paths: readonly string[]): string {
  return samples === undefined ? sampleOf(paths[0] ?? "") : parse(samples).name;
}

/** The stage that makes rows of records, or only counts them. */
function stageOf(records: Dataset, options: PipelineOptions): MappedDataset {
  const { batchTimeoutMs, batchSize, concurrency, numGpus, orf } = options;
  const how = {
    ...(batchTimeoutMs === undefined ? {} : { batchTimeoutMs }),
    ...(batchSize === undefined ? {} : { batchSize }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(numGpus === undefined ? {} : { numGpus }),
  };
  if (options.only === "qc") return records.mapBatches(QcOnly, { method: "count", ...how });
  const model = encoderOf(options.encoder);
  const constructorArgs = [{ model, ...(orf === undefined ? {} : { orf }) }];
  return records.mapBatches(Embedder, { method: "embed", constructorArgs, ...how });
}

function solveOf({ ranks, timeLimitMinutes, launch }: PipelineOptions, output: string) {
  const limit = timeLimitMinutes === undefined ? {} : { timeLimitMinutes };
  return solve({ ranks, output, ...limit, ...launch });
}

async function readSealed(uri: string): Promise<Buffer> {
  const bytes = await storageOf(uri).readIfPresent(uri);
  if (bytes !== undefined) return bytes;
  throw new SystemError("STORAGE_FAILED", "a sealed dataset has lost its manifest", { uri });
}

async function warningsOf(
  inputs: readonly string[],
  { only, samples }: PipelineOptions,
): Promise<string[]> {
  const named = samples === undefined ? sampleWarnings(inputs) : [];
  if (only === "qc") return named;
  const paths = [...new Set(inputs)];
  const medians = await Promise.all(paths.map(medianReadLength));
  // Composition separates genomes from ~1 kb on; below 500 bases the result says little.
  const short = paths.flatMap((path, index) => {
    const median = medians[index];
    if (median === undefined || median >= MEDIAN_BASES_MIN) return [];
    return [`${sampleOf(path)}: median read length ${median}, too short to tell genomes apart`];
  });
  return [...named, ...short];
}
