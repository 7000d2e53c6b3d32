/**
 * One shard in one executor: read -> stage -> Parquet bytes -> created once under its final name.
 * Its bytes are a pure function of its content key; job, place, time and attempt are not among
 * them.
 */
import { join } from "node:path";
import { crc32c } from "../crc32c.ts";
import { SystemError } from "../errors.ts";
import { canonicalJson, sha256Hex, short12 } from "../ids.ts";
import type { Outcome, Receipt } from "../messages.ts";
import { createIfAbsent, readIfPresent } from "../storage/local.ts";
import { readShard, ShardWriter } from "./parquet.ts";
import { type PlanFile, shardRequest, shardsOfRule } from "./plan.ts";
import type { ReadOutcome, ShardReader, ShardRequest, StageDescription, Table } from "./types.ts";

/** The mapped stage as a shard sees it: one loaded actor and its method. */
export interface Stage {
  readonly describe: () => StageDescription;
  readonly map: (batch: unknown) => Promise<Table>;
}

/** What a shard's metadata says; with the file's own digests it is the receipt. */
type Account = Pick<Receipt, "records" | "filtered" | "quarantined" | "skipped" | "stage"> & {
  readonly endOfInput?: number;
};

const KEY_CONTENT = "ligase.content_key";
const KEY_ACCOUNT = "ligase.account";

/** `part-<input>-<shard>-<job12>.parquet`; file names sort as rows do. */
export function shardFile(jobId: string, input: number, shard: number): string {
  const number = `${String(input).padStart(5, "0")}-${String(shard).padStart(6, "0")}`;
  return `part-${number}-${short12(jobId)}.parquet`;
}

/**
 * Computes and commits one shard, or adopts the one that stands.
 *
 * @param signal - looked at between batches.
 * @throws {SystemError} what source or stage say; DETERMINISM_ALARM when other bytes stand under
 * the name; CANCELLED.
 */
export async function runShard(
  file: PlanFile,
  jobId: string,
  where: { readonly input: number; readonly shard: number },
  parts: { readonly reader: ShardReader; readonly stage: Stage },
  signal: AbortSignal,
): Promise<Outcome> {
  const request = shardRequest(file, where.input, where.shard);
  const name = shardFile(jobId, where.input, where.shard);
  const path = join(file.spec.sink.uri, name);
  const contentKey = contentKeyOf(file, request, parts.stage.describe());
  const standing = await readIfPresent(path);
  if (standing !== undefined) return adopt(file, request, name, contentKey, standing);
  const { writer, account, read } = await compute(request, parts, signal);
  if (read.records === 0 && read.endOfInput !== undefined && where.shard > 0) {
    return { kind: "past-end", end: endOf(file, where.input, read.endOfInput) };
  }
  const { bytes, rows, rowGroups } = writer.finish({
    [KEY_CONTENT]: contentKey,
    [KEY_ACCOUNT]: canonicalJson(account),
  });
  const created = await createIfAbsent(path, bytes);
  if (created === "other") throw alarm(path);
  const receipt = { file: name, contentKey, rows, rowGroups, ...account, ...digests(bytes) };
  return committed(file, where.input, receipt);
}

/** Everything the bytes depend on; canonical, so that equal shards have equal keys anywhere. */
function contentKeyOf(file: PlanFile, request: ShardRequest, stage: StageDescription): string {
  const { runtimeVersion, source, stage: planned } = file.spec;
  const key = {
    runtimeVersion,
    source: source.name,
    decisions: request.decisions,
    input: request.inputIndex,
    sample: request.input.sample,
    range: request.range,
    planned,
    stage,
  };
  return sha256Hex(canonicalJson(key));
}

async function compute(
  request: ShardRequest,
  { reader, stage }: { readonly reader: ShardReader; readonly stage: Stage },
  signal: AbortSignal,
): Promise<{ writer: ShardWriter; account: Account; read: ReadOutcome }> {
  const writer = new ShardWriter({ sample: request.input.sample });
  const reasons = new Map<string, number>();
  const batches = reader.read(request);
  try {
    for (;;) {
      if (signal.aborted) throw new SystemError("CANCELLED", "the shard was cancelled");
      const next = await batches.next();
      if (next.done === true) {
        const { records, quarantined, skipped, endOfInput } = next.value;
        const end = endOfInput === undefined ? {} : { endOfInput };
        const described = stage.describe();
        const filtered = Object.fromEntries(reasons);
        const account = { records, filtered, quarantined, skipped, stage: described, ...end };
        checkSum(account, writer.rows);
        return { writer, account, read: next.value };
      }
      const table = await stage.map(next.value);
      checkCounts(table, next.value.records);
      writer.append(table);
      for (const [reason, count] of Object.entries(table.filtered)) {
        reasons.set(reason, (reasons.get(reason) ?? 0) + count);
      }
    }
  } finally {
    // A reader that is left in the middle closes its files.
    await batches.return({ records: 0, quarantined: 0, skipped: 0 });
  }
}

/** in = passed + filtered + quarantined + skipped, before the shard stands for ever. */
function checkSum({ records, filtered, quarantined, skipped }: Account, rows: number): void {
  const out = rows + sumOf(filtered) + quarantined + skipped;
  if (out === records) return;
  throw new SystemError("INTERNAL", `the source read ${records} records, ${out} came out`);
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** A stage accounts for every record that it was given. */
function checkCounts(table: Table, records: number): void {
  const accounted = table.rows + sumOf(table.filtered);
  if (accounted === records) return;
  const what = `the stage was given ${records} records and accounts for ${accounted}`;
  throw new SystemError("APPLICATION", what);
}

/** The receipt of a shard that stands, from its own metadata; never by mere existence. */
function adopt(
  file: PlanFile,
  request: ShardRequest,
  name: string,
  contentKey: string,
  bytes: Buffer,
): Outcome {
  const { metadata, rows, rowGroups } = readShard(bytes);
  if (metadata[KEY_CONTENT] !== contentKey) throw alarm(join(file.spec.sink.uri, name));
  const account = JSON.parse(metadata[KEY_ACCOUNT] ?? "null") as Account;
  const receipt = { file: name, contentKey, rows, rowGroups, ...account, ...digests(bytes) };
  return committed(file, request.inputIndex, receipt);
}

function committed(file: PlanFile, input: number, receipt: Receipt): Outcome {
  const { endOfInput } = receipt;
  const end = endOfInput === undefined ? null : endOf(file, input, endOfInput);
  return { kind: "committed", receipt, end };
}

function endOf(
  file: PlanFile,
  input: number,
  records: number,
): { records: number; shards: number } {
  return { records, shards: shardsOfRule(file.plan, input, records) };
}

function digests(bytes: Uint8Array): Pick<Receipt, "bytes" | "crc32c" | "sha256"> {
  return { bytes: bytes.length, crc32c: crc32c(bytes), sha256: sha256Hex(bytes) };
}

function alarm(uri: string): SystemError {
  return new SystemError("DETERMINISM_ALARM", "other bytes stand under a shard's name", { uri });
}
