/**
 * What a job's shards must be, made without a cluster and without a fault: by the project's own
 * code over a storage that always answers. Kept for all seeds of this process.
 */
import { readShard } from "../../../runtime/dataset/parquet.ts";
import { readPlan, runPlan } from "../../../runtime/dataset/plan.ts";
import { runShard } from "../../../runtime/dataset/shard.ts";
import { canonicalJson } from "../../../runtime/ids.ts";
import type { DatasetSpec, Exclusion } from "../../../runtime/messages.ts";
import type { Storage } from "../../../runtime/storage/storage.ts";
import { Vault } from "../ports/storage.ts";
import { halves, isFiltered, NumberReader, RECORDS_PER_SHARD, shardsOf } from "./program.ts";

/** What a shard's bytes depend on besides the plan. */
export interface Taught {
  readonly exclusion?: Exclusion;
  readonly halvings?: number;
}

export interface ShardPlace {
  readonly input: number;
  readonly shard: number;
}

export interface ExpectedShard {
  readonly sha256: string;
  readonly rows: number;
  readonly records: number;
}

const known = new Map<string, ExpectedShard>();

/** A shard as it must be; settles by promise jobs alone. */
export async function expectedShard(
  jobId: string,
  spec: DatasetSpec,
  place: ShardPlace,
  taught: Taught,
): Promise<ExpectedShard> {
  const { inputs } = spec.source;
  const isAside = taught.exclusion !== undefined;
  const key = canonicalJson([inputs, place, taught, isAside ? [jobId, spec.onBadRecord] : []]);
  const made = known.get(key) ?? (await make(jobId, spec, place, taught));
  known.set(key, made);
  return made;
}

async function make(
  jobId: string,
  spec: DatasetSpec,
  place: ShardPlace,
  taught: Taught,
): Promise<ExpectedShard> {
  const storage = promptStorage(new Vault());
  const folder = "/expected";
  await runPlan(folder, spec, storage);
  const file = await readPlan(folder, storage);
  const never = new AbortController().signal;
  const parts = { reader: new NumberReader(), stage: halves(() => Promise.resolve()) };
  const outcome = await runShard(file, jobId, { ...place, ...taught }, parts, never, storage);
  if (outcome.kind !== "committed") throw new Error(`a shard that is ${outcome.kind}`);
  const { sha256, rows, records } = outcome.receipt;
  const wanted = rowsOf(spec, place, taught);
  if (rows !== wanted) throw new Error(`${rows} rows where ${wanted} are due`);
  return { sha256, rows, records };
}

/** Counted by hand: rows = records - filtered - excluded. */
export function rowsOf(
  { source }: DatasetSpec,
  { input, shard }: ShardPlace,
  { exclusion }: Taught,
): number {
  const first = shard * RECORDS_PER_SHARD;
  const end = Math.min(first + RECORDS_PER_SHARD, source.inputs[input]?.bytes ?? 0);
  const excluded = new Set(exclusion?.records.map(({ position }) => first + position));
  let rows = 0;
  for (let n = first; n < end; n += 1) if (!isFiltered(n) && !excluded.has(n)) rows += 1;
  return rows;
}

/** How many shards a job has. */
export function shardsIn({ source }: DatasetSpec): number {
  return source.inputs.reduce((sum, { bytes }) => sum + shardsOf(bytes), 0);
}

/** What a shard's own account says that it was made with. */
export function taughtOf(bytes: Uint8Array): Taught {
  const account = JSON.parse(readShard(bytes).metadata["ligase.account"] ?? "{}") as {
    readonly exclusion?: Exclusion;
    readonly stage?: { readonly variant: string };
  };
  const [, halvings] = /-h(\d+)$/.exec(account.stage?.variant ?? "") ?? [];
  return {
    ...(account.exclusion === undefined ? {} : { exclusion: account.exclusion }),
    ...(halvings === undefined ? {} : { halvings: Number(halvings) }),
  };
}

function promptStorage(vault: Vault): Storage {
  return {
    createIfAbsent: (uri, bytes) => Promise.resolve(vault.create(uri, bytes)),
    readIfPresent: (uri) => Promise.resolve(vault.read(uri)),
    readRange: (uri, from, to) =>
      Promise.resolve((vault.read(uri) ?? Buffer.alloc(0)).subarray(from, to)),
    look: (uri) => Promise.resolve(vault.look(uri)),
    list: (folder) => Promise.resolve(vault.list(folder)),
    listSized: (folder) => Promise.resolve(vault.listSized(folder)),
    remove: (uri) => Promise.resolve(vault.remove(uri)),
    sweep: () => Promise.resolve(),
  };
}
