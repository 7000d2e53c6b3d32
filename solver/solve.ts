/**
 * Phase 2 as a typed contract: what a solve may ask for, how it becomes the solver's command line,
 * its identity, and what the solver's exit codes mean. Who launches it is somebody else's concern.
 */
import { dirname } from "node:path";
import * as v from "valibot";
import { type RetryAdvice, SystemError } from "../runtime/errors.ts";
import { canonicalJson, type SolveId, sha256Hex } from "../runtime/ids.ts";
import { SOLVE_TIME_LIMIT_MINUTES } from "../runtime/limits.ts";
import { launchEntries } from "./launch.ts";

/** MPI ranks of a solve: more than any cluster this was tried on. */
const RANKS_MAX = 4096;
/** Neighbours of one node: the solver's own bound. */
const NEIGHBORS_MAX = 1000;
/** Times of the heat and their largest value: the solver's own bounds. */
const TIMES_MAX = 100;
const TIME_MAX = 100_000;
/** Random fields, modes, clusters and seed: the solver's own bounds. */
const FIELDS_MAX = 256;
const MODES_MAX = 64;
const CLUSTERS_MAX = 1000;
/** Minutes of one slurm job: four weeks. */
const MINUTES_MAX = 40_320;

const integer = (most: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(most));

/** A whole number of 0 .. most. */
const natural = (most: number) => v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(most));

const solveSchema = v.strictObject({
  /** r, MPI ranks; changes no byte of the result. */
  ranks: v.optional(integer(RANKS_MAX), 2),
  /** Without one, the manifest's: that of the encoder. */
  metric: v.exactOptional(v.picklist(["l2", "cosine"])),
  /** Nearest neighbours of a node; a set of fewer nodes uses all others. */
  k: v.optional(integer(NEIGHBORS_MAX), 15),
  /** Times of the heat, ascending, all > 0. */
  times: v.optional(
    v.pipe(
      v.array(v.pipe(v.number(), v.gtValue(0), v.maxValue(TIME_MAX))),
      v.minLength(1),
      v.maxLength(TIMES_MAX),
      v.check((times) => times.every((time, i) => time > (times[i - 1] ?? 0)), "not ascending"),
      v.readonly(),
    ),
    [1, 10, 100, 1000],
  ),
  /** Random fields (1 or -1 on each node) whose heat is followed, beside one for each input. */
  fields: v.optional(natural(FIELDS_MAX), 8),
  /** Non-trivial eigenpairs of each large component; 0: no spectrum, no clusters. */
  modes: v.optional(natural(MODES_MAX), 16),
  /** Clusters; without one, as many as the largest eigengap says. */
  clusters: v.exactOptional(integer(CLUSTERS_MAX)),
  /** Key of the solve's random numbers. */
  seed: v.optional(natural(Number.MAX_SAFE_INTEGER), 0),
  /** Absolute path of the result; without one, `<folder of the manifest>_sim.nc`. */
  output: v.exactOptional(v.pipe(v.string(), v.startsWith("/"))),
  /** Minutes that one slurm job of it may run; changes no byte of the result. */
  timeLimitMinutes: v.optional(integer(MINUTES_MAX), SOLVE_TIME_LIMIT_MINUTES),
  ...launchEntries,
});

/** What may be asked of a solve; everything has a default. */
export type SolveOptions = v.InferInput<typeof solveSchema>;
/** A solve with its defaults filled in. */
export type SolveSpec = Readonly<v.InferOutput<typeof solveSchema>>;

/** What to do once a dataset is sealed: opaque to the runtime, read by the head. */
export interface SolveContinuation {
  readonly kind: "solve";
  readonly spec: SolveSpec;
}

/**
 * A solve as the continuation of a dataset's job.
 *
 * @example writeParquet(folder, { onSealed: solve({ ranks: 4 }) })
 * @throws {SystemError} USAGE naming the field that is out of bounds.
 */
export function solve(options: SolveOptions = {}): SolveContinuation {
  return { kind: "solve", spec: parseSolveSpec(options) };
}

/**
 * A spec from the wire or a file, with its defaults.
 * @throws {SystemError} USAGE naming the field that is out of bounds.
 */
export function parseSolveSpec(value: unknown): SolveSpec {
  const parsed = v.safeParse(solveSchema, value);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const field = v.getDotPath(issue);
  throw new SystemError("USAGE", `solve: ${field === null ? "" : `${field}: `}${issue.message}`);
}

/** Where the result goes. */
export function outputPath(spec: SolveSpec, manifest: string): string {
  return spec.output ?? `${dirname(manifest)}_sim.nc`;
}

/** What the solver reads and writes. */
export interface SolverPaths {
  /** A manifest, a sealed folder, or one Parquet file. */
  readonly embeddings: string;
  /** Where the result goes; must not exist. Left out where a wrapper script adds it. */
  readonly output?: string;
  /** Folder of its checkpoint, from which it goes on if there is one; nothing else lies there. */
  readonly work?: string;
}

/** The solver's arguments, without its own name. Ranks, threads and memory are the launcher's. */
export function solverArguments(spec: SolveSpec, paths: SolverPaths): readonly string[] {
  return [
    ...["--embeddings", paths.embeddings],
    ...(paths.output === undefined ? [] : ["--output", paths.output]),
    ...(spec.metric === undefined ? [] : ["--metric", spec.metric]),
    ...["--k", String(spec.k)],
    ...["--times", spec.times.map(String).join(",")],
    ...["--fields", String(spec.fields), "--modes", String(spec.modes)],
    ...(spec.clusters === undefined ? [] : ["--clusters", String(spec.clusters)]),
    ...["--seed", String(spec.seed)],
    ...(paths.work === undefined ? [] : ["--work", paths.work, "--restart"]),
  ];
}

/**
 * Identity of a solve: the same result bytes, the same id. What it asks of Slurm isn't part of it.
 *
 * @param manifestSha256 - of the manifest's bytes, 64 hex digits.
 * @param spec - a SolveSpec, or one as it crossed the wire.
 * @param solverSha256 - of the solver's binary, 64 hex digits.
 * @throws {SystemError} USAGE for a spec out of bounds.
 */
export function solveId(manifestSha256: string, spec: unknown, solverSha256: string): SolveId {
  const { metric, k, times, fields, modes, clusters, seed } = parseSolveSpec(spec);
  const asked = { metric, k, times, fields, modes, clusters, seed };
  const identity = { schema: 2, manifestSha256, solverSha256, ...asked };
  return sha256Hex(canonicalJson(identity)) as SolveId;
}

/** Exit code of a checkpoint that can't be used: without it the solve begins anew. */
export const BAD_CHECKPOINT = 78;

interface SolverExit {
  readonly name: string;
  readonly meaning: string;
  readonly retry: RetryAdvice;
}

/** How the solver ends by itself. A code that isn't here came from a signal or the launcher. */
export const SOLVER_EXITS: Readonly<Record<number, SolverExit>> = {
  0: { name: "OK", meaning: "The result stands under its name.", retry: "never" },
  64: { name: "USAGE", meaning: "An argument is wrong.", retry: "never" },
  65: { name: "BAD_DATA", meaning: "The set is damaged or not what it claims.", retry: "never" },
  66: { name: "NO_INPUT", meaning: "The set isn't there or isn't sealed.", retry: "never" },
  70: { name: "INTERNAL", meaning: "A mistake of ours.", retry: "never" },
  71: { name: "NO_RESOURCES", meaning: "Memory ran out.", retry: "elsewhere" },
  73: {
    name: "CANNOT_CREATE",
    meaning: "The output exists or its folder can't be written.",
    retry: "never",
  },
  74: { name: "IO_ERROR", meaning: "A file couldn't be read or written.", retry: "later" },
  75: {
    name: "TOO_FEW_NODES",
    meaning: "The set has fewer than 2 different embeddings.",
    retry: "never",
  },
  76: { name: "NOT_FINITE", meaning: "A value is infinite or not a number.", retry: "never" },
  77: {
    name: "OVER_BUDGET",
    meaning: "A rank would need more memory than it may use.",
    retry: "elsewhere",
  },
  [BAD_CHECKPOINT]: {
    name: "BAD_CHECKPOINT",
    meaning: "The checkpoint is damaged or another solve's.",
    retry: "later",
  },
};
