/**
 * What a rank of the solver needs of memory, before it runs: the formula of
 * solver/src/common/memory.cpp, which refuses a set by it. Both are compared in test/parity.
 */
import type { Manifest } from "./manifest.ts";
import type { SolveSpec } from "./solve.ts";

/** MPI, HDF5, Parquet and what they keep. */
const PROCESS_BYTES = 64 * 2 ** 20;
/** Nodes of a chunk (sums, graph, output) and of a block (search). */
const CHUNK_NODES = 4096;
const BLOCK_NODES = 64;

/** What the memory of a rank is a function of. */
interface MemoryPlan {
  readonly rows: number;
  readonly dimensions: number;
  readonly k: number;
  readonly fields: number;
  readonly times: number;
  readonly modes: number;
  readonly ranks: number;
  readonly threads: number;
}

/** Bytes that the fullest rank of this solve needs at most at once. */
export function memoryOfRank(manifest: Manifest, spec: SolveSpec): number {
  const { rows, dimensions, shards } = manifest;
  // Each input with rows has a field of its own.
  const inputs = new Set(shards.flatMap((shard) => (shard.rows > 0 ? [shard.input] : [])));
  const plan: MemoryPlan = {
    rows,
    dimensions,
    k: Math.min(spec.k, Math.max(rows, 1)),
    fields: inputs.size + spec.fields,
    times: spec.times.length,
    modes: spec.modes,
    ranks: spec.ranks,
    threads: spec.cpusPerTask ?? 1,
  };
  const own = Math.min(rows, ceilDiv(rows, plan.ranks) + BLOCK_NODES);
  const steps = [collapsing(plan, own), searching(plan, own), diffusing(plan, own)];
  return PROCESS_BYTES + 12 * rows + Math.max(...steps);
}

/** Duplicates: rows, once more where they move to other ranks; table, hashes, first rows. */
function collapsing({ ranks, dimensions }: MemoryPlan, own: number): number {
  return own * ((ranks > 1 ? 2 : 1) * dimensions * 4 + 48);
}

/** Neighbours: rows, lists of candidates, travelling and packed pieces, scratch, refined lists. */
function searching({ ranks, dimensions, k, threads }: MemoryPlan, own: number): number {
  const nodes = Math.min(4096, Math.max(1024, Math.floor(2 ** 20 / Math.max(dimensions, 1))));
  const piece = Math.min(nodes, own) * dimensions;
  const travelling = ranks > 1 ? 8 * piece : 0;
  const list = 12 * (2 * k + 160) + 64;
  const refined = 12 * (k + 8) + 64 + 12 * k;
  const scratch = threads * (dimensions * 4096 + 2 ** 19);
  const lists = own * (dimensions * 4 + Math.max(list, refined));
  return lists + travelling + Math.max(4 * piece, 8 * piece + scratch);
}

/** Graph, heat at all times, the basis of the spectrum, what is written. */
function diffusing(plan: MemoryPlan, own: number): number {
  const { rows, ranks, k, fields, times, modes } = plan;
  const chunks = Math.ceil(rows / CHUNK_NODES);
  const owned = Math.min(rows, (Math.floor(chunks / ranks) + 1) * CHUNK_NODES);
  const lanczos = modes > 0 ? 2 * modes + 59 + 4 : 0;
  const last = 4 * modes + 2 * fields;
  const vectors = fields * (times + 4) + Math.max(lanczos, last);
  return own * k * (12 + 2 * 16 * 2 + 2 * 12) + 8 * owned * vectors;
}

function ceilDiv(value: number, by: number): number {
  return Math.floor((value + by - 1) / by);
}
