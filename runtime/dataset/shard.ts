/**
 * One shard in one executor: read -> stage -> Parquet bytes -> created once under its final name.
 * Its bytes are a pure function of its content key; job, place, time and attempt are not among
 * them.
 */
import { SystemError } from "../errors.ts";
import { sha256Hex } from "../ids.ts";
import type { BatchPlace, Exclusion, Outcome, Receipt, Work } from "../messages.ts";
import { storageOf } from "../storage/open.ts";
import type { Storage } from "../storage/storage.ts";
import { joinUri } from "../storage/uri.ts";
import {
  type Account,
  alarm,
  committed,
  contentKeyOf,
  endOf,
  finishShard,
  receiptOf,
  sideFilesOf,
} from "./account.ts";
import { mapPortion, portionsOf } from "./batches.ts";
import { shardFile, sideFile, summaryFile } from "./names.ts";
import { ShardWriter } from "./parquet.ts";
import { type PlanFile, shardRequest } from "./plan.ts";
import { excludedRecords, sideFileOf, sidesStand } from "./quarantine.ts";
import type {
  BadRecord,
  Batch,
  InputSpec,
  ReadOutcome,
  ShardReader,
  ShardRequest,
  StageDescription,
  Table,
} from "./types.ts";

/** The mapped stage as a shard sees it: one loaded actor and its method. */
export interface Stage {
  readonly describe: () => StageDescription;
  readonly map: (batch: unknown) => Promise<Table>;
  /** Whether equal batches give equal bytes; left out: nobody has said so. */
  readonly deterministic?: boolean;
}

/** What a shard is made with. */
export interface ShardParts {
  readonly reader: ShardReader;
  readonly stage: Stage;
  /** Told where the stage is, before each batch; null while it is at none. */
  readonly onBatch?: (place: BatchPlace | null) => void;
}

/** Which shard, and what its earlier attempts taught. */
export type ShardWork = Pick<
  Extract<Work, { kind: "shard" }>,
  "input" | "shard" | "exclusion" | "halvings"
>;

/**
 * Computes and commits one shard, or adopts the one that stands with its side file, of whatever
 * variant: the first wins. Without memory for a batch the outcome is `failed` and says which.
 *
 * @param signal - looked at between batches.
 * @throws {SystemError} what source or stage say; DETERMINISM_ALARM when other bytes stand under
 * the name, SHARD_DAMAGED when those of no shard do; CANCELLED.
 */
export async function runShard(
  file: PlanFile,
  jobId: string,
  where: ShardWork,
  parts: ShardParts,
  signal: AbortSignal,
  storage: Storage = storageOf(file.spec.sink.uri),
): Promise<Outcome> {
  const { input, shard } = where;
  const request = shardRequest(file, input, shard);
  const { uri: folder } = file.spec.sink;
  const name = shardFile(jobId, input, shard);
  const uri = joinUri(folder, name);
  const standing = await storage.readIfPresent(uri);
  let { exclusion } = where;
  if (standing !== undefined) {
    const found = receiptOf(file, request, { name, uri }, standing, parts.stage.describe());
    const isWhole = await sidesStand(folder, sideFilesOf(found), storage);
    if (isWhole) return committed(file, input, found);
    ({ exclusion } = found);
  }
  const computed = await compute(request, { ...where, exclusion }, parts, signal);
  if (computed.kind === "failed") return computed;
  const { writer, read } = computed;
  if (read.records === 0 && read.endOfInput !== undefined && shard > 0) {
    return { kind: "past-end", end: endOf(file, input, read.endOfInput) };
  }
  const side = sideFileOf(computed.aside);
  const sideName = sideFile(name, exclusion?.number ?? 0);
  if (side !== undefined) await createSide(storage, joinUri(folder, sideName), side.bytes);
  const { summary } = read;
  if (summary !== undefined) {
    await createSide(storage, joinUri(folder, summaryFile(name)), summary);
  }
  const account = {
    ...computed.account,
    ...(side === undefined ? {} : { quarantine: side.said }),
    ...(summary === undefined
      ? {}
      : { summary: { bytes: summary.length, sha256: sha256Hex(summary) } }),
  };
  const contentKey = contentKeyOf(file, request, account);
  const { bytes, receipt } = finishShard(writer, name, contentKey, account);
  if ((await storage.createIfAbsent(uri, bytes)) !== "other")
    return committed(file, input, receipt);
  return outdone(file, request, { name, uri }, receipt, parts.stage, storage);
}

/** Other bytes were there first: a mistake, unless they are of another variant. */
async function outdone(
  file: PlanFile,
  request: ShardRequest,
  where: { readonly name: string; readonly uri: string },
  made: Receipt,
  stage: Stage,
  storage: Storage,
): Promise<Outcome> {
  const standing = await storage.readIfPresent(where.uri);
  if (standing === undefined) throw alarm(where.uri);
  const found = receiptOf(file, request, where, standing, stage.describe());
  if (found.contentKey === made.contentKey && stage.deterministic === true) throw alarm(where.uri);
  return { ...committed(file, request.inputIndex, found), outdone: true };
}

/** Before the shard that names it. */
async function createSide(storage: Storage, uri: string, bytes: Uint8Array): Promise<void> {
  if ((await storage.createIfAbsent(uri, bytes)) !== "other") return;
  throw new SystemError("DETERMINISM_ALARM", "other bytes stand under a side file's name", { uri });
}

interface Computed {
  readonly kind: "computed";
  readonly writer: ShardWriter;
  readonly account: Account;
  readonly read: ReadOutcome;
  /** Records for the side file. */
  readonly aside: readonly BadRecord[];
}

async function compute(
  request: ShardRequest,
  { exclusion, halvings = 0 }: ShardWork,
  { reader, stage, onBatch }: ShardParts,
  signal: AbortSignal,
): Promise<Computed | Extract<Outcome, { kind: "failed" }>> {
  const rows = new Rows(request.input);
  const excluded = new Set(exclusion?.records.map(({ position }) => position));
  const portions = portionsOf(reader.read(request), reader, { excluded, halvings });
  let leftOut = 0;
  let empty: Batch | undefined;
  for (;;) {
    if (signal.aborted) {
      await portions.return(null);
      throw new SystemError("CANCELLED", "the shard was cancelled");
    }
    const next = await portions.next();
    if (next.done === true) {
      const read = next.value ?? { records: 0, quarantined: 0, skipped: 0 };
      // A shard without any row has the stage's columns too.
      if (rows.isBlank && empty !== undefined) rows.add(await stage.map(empty));
      const account = accountOf(
        request,
        read,
        leftOut,
        rows,
        describedAs(stage, halvings),
        exclusion,
      );
      checkSum(account, rows.passed);
      const aside = await asideOf(request, reader, read, exclusion);
      return { kind: "computed", writer: rows.writer, account, read, aside };
    }
    const { batch, first, records } = next.value;
    leftOut += records - batch.records;
    if (batch.records === 0 && records > 0) {
      empty = batch;
      continue;
    }
    try {
      const mapped = await mapPortion(stage.map, next.value, onBatch);
      if (mapped.kind === "no-memory") {
        await portions.return(null);
        return { kind: "failed", error: mapped.error.toData(), batch: { first, records } };
      }
      checkCounts(mapped.table, batch.records);
      rows.add(mapped.table);
    } catch (thrown) {
      await portions.return(null);
      throw thrown;
    }
  }
}

/** A shard's rows so far, and why others are none. */
class Rows {
  readonly writer: ShardWriter;
  readonly reasons = new Map<string, number>();
  /** Whether there was no table yet. */
  isBlank = true;
  /** Records that were taken. */
  passed = 0;

  constructor({ sample, label }: InputSpec) {
    this.writer = new ShardWriter({ sample, ...(label === undefined ? {} : { label }) });
  }

  add(table: Table): void {
    this.isBlank = false;
    this.passed += passedOf(table);
    this.writer.append(table);
    for (const [reason, count] of Object.entries(table.filtered)) {
      this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + count);
    }
  }
}

/** What the stage says of itself; that its batches were halved is part of the variant. */
function describedAs(stage: Stage, halvings: number): StageDescription {
  const described = stage.describe();
  if (halvings === 0) return described;
  return { ...described, variant: `${described.variant}-h${halvings}` };
}

function accountOf(
  { onBadRecord }: ShardRequest,
  { records, quarantined, skipped, endOfInput, filtered = {}, warnings }: ReadOutcome,
  leftOut: number,
  { reasons, passed, writer }: Rows,
  stage: StageDescription,
  exclusion: Exclusion | undefined,
): Account {
  return {
    records,
    filtered: addReasons(filtered, reasons),
    quarantined: quarantined + (onBadRecord === "quarantine" ? leftOut : 0),
    skipped: skipped + (onBadRecord === "skip" ? leftOut : 0),
    stage,
    ...(endOfInput === undefined ? {} : { endOfInput }),
    ...(warnings === undefined ? {} : { warnings }),
    ...(passed === writer.rows ? {} : { passed }),
    ...(exclusion === undefined ? {} : { exclusion }),
  };
}

/** All records that go to the side file. */
async function asideOf(
  request: ShardRequest,
  reader: ShardReader,
  { bad = [] }: ReadOutcome,
  exclusion: Exclusion | undefined,
): Promise<readonly BadRecord[]> {
  if (request.onBadRecord !== "quarantine") return [];
  if (exclusion === undefined) return bad;
  return [...bad, ...(await excludedRecords(reader, request, exclusion))];
}

/** What the source left out, and what the stage did. */
function addReasons(
  filtered: Readonly<Record<string, number>>,
  reasons: ReadonlyMap<string, number>,
): Record<string, number> {
  const all = new Map(Object.entries(filtered).filter(([, count]) => count > 0));
  for (const [reason, count] of reasons) all.set(reason, (all.get(reason) ?? 0) + count);
  return Object.fromEntries(all);
}

/** Records of a batch that a stage has taken. */
function passedOf({ rows, passed = rows }: Table): number {
  return passed;
}

/** in = passed + filtered + quarantined + skipped, before the shard stands for ever. */
function checkSum({ records, filtered, quarantined, skipped }: Account, passed: number): void {
  const out = passed + sumOf(filtered) + quarantined + skipped;
  if (out === records) return;
  throw new SystemError("INTERNAL", `the source read ${records} records, ${out} came out`);
}

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/** A stage accounts for every record that it was given. */
function checkCounts(table: Table, records: number): void {
  const accounted = passedOf(table) + sumOf(table.filtered);
  if (accounted === records) return;
  const what = `the stage was given ${records} records and accounts for ${accounted}`;
  throw new SystemError("APPLICATION", what);
}
