/**
 * What a solve asks of Slurm, as options of sbatch: each one argument, which no shell sees. Memory
 * that nobody asked for is estimated; where Slurm gives memory out, it is asked for by core, so
 * that it holds for any spread of ranks over nodes.
 */
import type { LaunchOptions } from "../../../solver/launch.ts";
import { parseManifest } from "../../../solver/manifest.ts";
import { memoryOfRank } from "../../../solver/memory.ts";
import type { SolveSpec } from "../../../solver/solve.ts";

const MEBIBYTE = 2 ** 20;

export interface Resources {
  /** For sbatch. */
  readonly options: readonly string[];
  /** For people: ranks, cores, memory and where its number is from, time. */
  readonly said: string;
}

/**
 * The resources of a solve.
 * @param manifest - bytes of the set's manifest; undefined, or of another format: no estimate.
 * @param countsMemory - whether this Slurm gives memory out.
 */
export function resourcesOf(
  spec: SolveSpec,
  manifest: Uint8Array | undefined,
  countsMemory: boolean,
): Resources {
  const cores = spec.cpusPerTask ?? 1;
  const asked = spec.memory ?? spec.sbatchArguments?.find((one) => one.startsWith("--mem-per-"));
  const bytes = asked === undefined ? estimateOf(spec, manifest) : undefined;
  const megabytes = bytes === undefined ? undefined : Math.ceil(bytes / MEBIBYTE / cores);
  const memory =
    asked !== undefined
      ? `memory ${asked}${spec.memory === undefined ? "" : " a node"}`
      : megabytes === undefined
        ? "memory as the site sets it"
        : `${megabytes * cores} MiB each (estimated)`;
  const ranks = `${spec.ranks} ${spec.ranks === 1 ? "rank" : "ranks"}`;
  const shape = cores === 1 ? ranks : `${ranks} of ${cores} cores`;
  return {
    options: [
      ...launchArguments(spec),
      ...(megabytes === undefined || !countsMemory ? [] : [`--mem-per-cpu=${megabytes}M`]),
      ...(spec.sbatchArguments ?? []),
    ],
    said: `${shape}, ${memory}, at most ${spec.timeLimitMinutes} min`,
  };
}

/** The typed options. Every value was checked when the spec was parsed. */
function launchArguments(launch: LaunchOptions): readonly string[] {
  const { cpusPerTask, memory, partition, account, qos, constraint, gpus, gres } = launch;
  const values = {
    "cpus-per-task": cpusPerTask,
    mem: memory,
    partition,
    account,
    qos,
    constraint,
    gpus,
    gres,
  };
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}=${value}`],
  );
}

function estimateOf(spec: SolveSpec, bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined) return undefined;
  try {
    return memoryOfRank(parseManifest(bytes), spec);
  } catch {
    // The solver says better what is wrong with it.
    return undefined;
  }
}
