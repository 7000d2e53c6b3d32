/**
 * What a run is, from its flags: the pipeline's first argument. It holds nothing of how the run is
 * carried out, and an option that wasn't given isn't in it, so that a new option changes no job
 * that does without it.
 */
import { availableParallelism } from "node:os";
import * as v from "valibot";
import { SystemError } from "../../../runtime/errors.ts";
import { launchEntries } from "../../../solver/launch.ts";
import { parseSolveSpec } from "../../../solver/solve.ts";
import { checkPlaces, outputFolder, typedPath } from "../paths.ts";
import { type LaunchFlags, solveOptionsOf } from "../solve/flags.ts";
import { type EncodeFlags, fastpGiven, type InputFlags } from "./flags.ts";

/** The request as a job's record holds it. */
export const requestSchema = v.object({
  inputs: v.array(v.string()),
  output: v.string(),
  encoder: v.string(),
  solve: v.boolean(),
  ranks: v.number(),
  timeLimitMinutes: v.exactOptional(v.number()),
  launch: v.exactOptional(v.object(launchEntries)),
  onBadRecord: v.exactOptional(v.picklist(["fail", "quarantine", "skip"])),
  batchTimeoutMs: v.exactOptional(v.number()),
  /** Quality control alone. */
  only: v.exactOptional(v.literal("qc")),
  /** A sample sheet instead of inputs; absolute, or s3://. */
  samples: v.exactOptional(v.string()),
  qc: v.exactOptional(
    v.object({
      preset: v.picklist(["short", "long", "none"]),
      given: v.record(v.string(), v.union([v.boolean(), v.number(), v.string()])),
    }),
  ),
  orf: v.exactOptional(v.picklist(["longest", "all"])),
  batchSize: v.exactOptional(v.number()),
  concurrency: v.exactOptional(v.union([v.number(), v.tuple([v.number(), v.number()])])),
  numGpus: v.exactOptional(v.number()),
});

/** What a run is, whoever started it first: two commands of equal request are one run. */
export type RunRequest = v.InferOutput<typeof requestSchema>;

/** Flags of `ligase run`: all of them. */
export interface RunFlags extends EncodeFlags, LaunchFlags {
  readonly slurm: "auto" | "system" | "private";
  readonly solve: boolean;
}

/** Flags of `ligase embed` and `ligase qc`: phase 1, or a part of it. */
export type EmbedFlags = EncodeFlags;
export type QcFlags = InputFlags;

/** @throws {SystemError} USAGE, before anything is started. */
export function runRequest(flags: RunFlags, from: string): RunRequest {
  const { ranks, timeLimitMinutes, ...launch } = solveOptionsOf(flags);
  parseSolveSpec(launch);
  return given({
    ...inputsOf(flags, from, flags.solve),
    ...encodingOf(flags),
    solve: flags.solve,
    ranks: ranks ?? availableParallelism(),
    timeLimitMinutes,
    launch: Object.keys(launch).length === 0 ? undefined : launch,
  });
}

/** The same as a run that ends after the embeddings. @throws {SystemError} USAGE. */
export function embedRequest(flags: EmbedFlags, from: string): RunRequest {
  const rest = { solve: false, ranks: availableParallelism() };
  return given({ ...inputsOf(flags, from, false), ...encodingOf(flags), ...rest });
}

/** @throws {SystemError} USAGE. */
export function qcRequest(flags: QcFlags, from: string): RunRequest {
  const qc = { preset: flags.qc ?? "short", given: fastpGiven(flags) };
  // It has no encoder; the field is of the record's form.
  const rest = { qc, only: "qc", encoder: "none", solve: false, ranks: 1 };
  return given({ ...inputsOf(flags, from, false), ...rest });
}

/** Where the datasets of a request go, below its output. */
export function datasetName({ only }: Pick<RunRequest, "only">): "embeddings" | "qc" {
  return only === "qc" ? "qc" : "embeddings";
}

function inputsOf(flags: InputFlags, from: string, solve: boolean) {
  const inputs = (flags.input ?? []).map((path) => typedPath(from, path));
  const samples = flags.samples === undefined ? undefined : typedPath(from, flags.samples);
  if (samples !== undefined && inputs.length > 0) {
    throw new SystemError("USAGE", "--samples names the input: give no other beside it");
  }
  const named = samples === undefined ? inputs : [samples];
  const output = outputFolder(flags.output, named, from, flags.fresh === true);
  checkPlaces(output, { inputs: named, solve });
  const { onBadRecord, batchTimeout, batchSize, concurrency } = flags;
  const preset = flags.qc ?? (Object.keys(fastpGiven(flags)).length === 0 ? undefined : "none");
  return {
    ...{ inputs, output, samples, onBadRecord, batchSize },
    concurrency: typeof concurrency === "object" ? [...concurrency] : concurrency,
    qc: preset === undefined ? undefined : { preset, given: fastpGiven(flags) },
    batchTimeoutMs: batchTimeout === undefined ? undefined : batchTimeout * 1000,
  };
}

function encodingOf({ encoder, orf, numGpus }: EncodeFlags) {
  return { encoder, orf, numGpus };
}

/** Without what is undefined; the fields are those of the schema or it throws. */
function given(all: object): RunRequest {
  const fields = Object.entries(all).filter(([, value]) => value !== undefined);
  return v.parse(v.strictObject(requestSchema.entries), Object.fromEntries(fields));
}
