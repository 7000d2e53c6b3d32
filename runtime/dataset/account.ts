/**
 * What a shard says of itself, in its Parquet metadata: its content key, its account (all of its
 * receipt but the digests) and a check over its own bytes. So a shard whose receipt was lost is
 * adopted by what it holds, never because it exists; what is damaged is found without a receipt.
 */
import * as v from "valibot";
import { crc32cUpdate } from "../storage/crc32c.ts";
import { SystemError } from "../errors.ts";
import { canonicalJson, sha256Hex } from "../ids.ts";
import { type Outcome, type Receipt, receipt as receiptSchema } from "../messages.ts";
import { sideFile, summaryFile } from "./names.ts";
import { readShard, type ShardWriter } from "./parquet.ts";
import { type PlanFile, shardsOfRule } from "./plan.ts";
import type { ShardRequest, StageDescription } from "./types.ts";

const receiptParts = v.pick(receiptSchema, [
  "records",
  "filtered",
  "quarantined",
  "skipped",
  "stage",
  "endOfInput",
  "exclusion",
  "passed",
  "warnings",
]);
const accountSchema = v.object({
  ...receiptParts.entries,
  /** Its name follows from the shard's: a shard's bytes don't tell the job's id. */
  quarantine: v.optional(v.omit(receiptSchema.entries.quarantine.wrapped, ["file"])),
  summary: v.optional(v.omit(receiptSchema.entries.summary.wrapped, ["file"])),
});
/** What a shard's metadata says; with its rows, names and digests it is the receipt. */
export type Account = v.InferOutput<typeof accountSchema>;

const KEY_CONTENT = "ligase.content_key";
const KEY_ACCOUNT = "ligase.account";
/**
 * crc32c of the file as it is with CHECK_NONE in this field's place. Metadata is one JSON object,
 * in which a quoted text can't look like its own field: its quotes are escaped.
 */
const KEY_CHECK = "ligase.check";
const CHECK_NONE = "00000000";
const CHECK_FIELD = Buffer.from(`${JSON.stringify(KEY_CHECK)}:"`);
/** Bytes behind a Parquet footer: its length, then the format's mark. */
const FOOTER_END = 8;

/** Everything the bytes depend on; canonical, so that equal shards have equal keys anywhere. */
export function contentKeyOf(
  file: PlanFile,
  request: ShardRequest,
  { stage, exclusion, quarantined, skipped }: Account,
): string {
  const { runtimeVersion, source, stage: planned } = file.spec;
  const { onBadRecord } = request;
  const key = {
    // Of sound records alone a shard is the same whatever becomes of bad ones.
    ...(onBadRecord === undefined || quarantined + skipped === 0 ? {} : { onBadRecord }),
    ...(exclusion === undefined ? {} : { exclusion }),
    runtimeVersion,
    source: source.name,
    decisions: request.decisions,
    input: request.inputIndex,
    sample: request.input.sample,
    ...(request.input.label === undefined ? {} : { label: request.input.label }),
    range: request.range,
    planned,
    stage,
  };
  return sha256Hex(canonicalJson(key));
}

/** A shard's bytes with all that they say of themselves, and the receipt of them. */
export function finishShard(
  writer: ShardWriter,
  name: string,
  contentKey: string,
  account: Account,
): { readonly bytes: Uint8Array; readonly receipt: Receipt } {
  const { bytes, rows, rowGroups } = writer.finish({
    [KEY_CONTENT]: contentKey,
    [KEY_ACCOUNT]: canonicalJson(account),
    [KEY_CHECK]: CHECK_NONE,
  });
  const at = checkAt(bytes);
  if (at === undefined) throw new SystemError("INTERNAL", "a shard's footer holds no check");
  const before = crc32cUpdate(0, bytes.subarray(0, at));
  const check = hexOf(crc32cUpdate(before, bytes.subarray(at)));
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).write(check, at, "latin1");
  const crc32c = hexOf(crc32cUpdate(before, bytes.subarray(at)));
  const digests = { bytes: bytes.length, crc32c, sha256: sha256Hex(bytes) };
  const said = named(account, name);
  return { bytes, receipt: { file: name, contentKey, rows, rowGroups, ...said, ...digests } };
}

/**
 * The receipt of a shard that stands, from its own bytes.
 *
 * @param expected - the stage that would make it now, where one is loaded. Another variant of it is
 * as good: one job may run on machines of several kinds.
 * @throws {SystemError} SHARD_DAMAGED when the bytes aren't those that were written;
 * DETERMINISM_ALARM when it is another shard than the one that the plan has under this name.
 */
export function receiptOf(
  file: PlanFile,
  request: ShardRequest,
  where: { readonly name: string; readonly uri: string },
  bytes: Uint8Array,
  expected?: StageDescription,
): Receipt {
  const { crc32c, rows, rowGroups, metadata } = readSound(bytes, where.uri);
  const account = accountOf(metadata[KEY_ACCOUNT], where.uri);
  const contentKey = contentKeyOf(file, request, account);
  const isOurs = metadata[KEY_CONTENT] === contentKey;
  if (!isOurs || (expected !== undefined && !isVariantOf(account.stage, expected))) {
    throw alarm(where.uri);
  }
  const digests = { bytes: bytes.length, crc32c, sha256: sha256Hex(bytes) };
  const said = named(account, where.name);
  return { file: where.name, contentKey, rows, rowGroups, ...said, ...digests };
}

/** An account with the names of its side files, by the shard's. */
function named(
  { quarantine, summary, ...account }: Account,
  shard: string,
): Omit<Account, "quarantine" | "summary"> & Pick<Receipt, "quarantine" | "summary"> {
  const aside = sideFile(shard, account.exclusion?.number ?? 0);
  return {
    ...account,
    ...(quarantine === undefined ? {} : { quarantine: { file: aside, ...quarantine } }),
    ...(summary === undefined ? {} : { summary: { file: summaryFile(shard), ...summary } }),
  };
}

/** Side files of a shard that stands: it counts when all of them do. */
export function sideFilesOf({
  quarantine,
  summary,
}: Receipt): readonly { readonly file: string; readonly bytes: number }[] {
  return [quarantine, summary].filter((side) => side !== undefined);
}

/** What a shard with this receipt comes to, for the head. */
export function committed(
  file: PlanFile,
  input: number,
  receipt: Receipt,
): Extract<Outcome, { kind: "committed" }> {
  const { endOfInput } = receipt;
  const end = endOfInput === undefined ? null : endOf(file, input, endOfInput);
  return { kind: "committed", receipt, end };
}

/** The end of a rule input that holds this many records. */
export function endOf(
  file: PlanFile,
  input: number,
  records: number,
): { records: number; shards: number } {
  return { records, shards: shardsOfRule(file.plan, input, records) };
}

/** Other bytes stand under a shard's name. */
export function alarm(uri: string): SystemError {
  return new SystemError("DETERMINISM_ALARM", "other bytes stand under a shard's name", { uri });
}

function isVariantOf(found: StageDescription, expected: StageDescription): boolean {
  const same = { provider: expected.provider, variant: expected.variant };
  return canonicalJson({ ...found, ...same }) === canonicalJson(expected);
}

/** Footer and crc32c of a shard whose check holds. @throws {SystemError} SHARD_DAMAGED. */
function readSound(bytes: Uint8Array, uri: string) {
  const at = checkAt(bytes);
  if (at === undefined) throw damaged(uri, "it is cut off, or no shard");
  const before = crc32cUpdate(0, bytes.subarray(0, at));
  const end = at + CHECK_NONE.length;
  const blank = crc32cUpdate(before, Buffer.from(CHECK_NONE));
  const said = Buffer.from(bytes.subarray(at, end)).toString("latin1");
  if (hexOf(crc32cUpdate(blank, bytes.subarray(end))) !== said) {
    throw damaged(uri, "its bytes aren't those that were written");
  }
  const crc32c = hexOf(crc32cUpdate(before, bytes.subarray(at)));
  return { ...readShard(footerOf(bytes)), crc32c };
}

/** Where the check's digits stand; undefined where there are none. */
function checkAt(bytes: Uint8Array): number | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const at = buffer.lastIndexOf(CHECK_FIELD) + CHECK_FIELD.length;
  const found = at >= CHECK_FIELD.length && at + CHECK_NONE.length + FOOTER_END <= bytes.length;
  return found ? at : undefined;
}

/** The end of the file that its footer fills; all of it is copied to be read. */
function footerOf(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = view.getUint32(bytes.length - FOOTER_END, true);
  return bytes.subarray(Math.max(0, bytes.length - FOOTER_END - length));
}

function accountOf(text: string | undefined, uri: string): Account {
  try {
    return v.parse(accountSchema, JSON.parse(text ?? "null"));
  } catch (thrown) {
    throw new SystemError("SHARD_DAMAGED", "its account of itself can't be read", { uri }, thrown);
  }
}

function damaged(uri: string, what: string): SystemError {
  return new SystemError("SHARD_DAMAGED", what, { uri });
}

function hexOf(crc: number): string {
  return (crc >>> 0).toString(16).padStart(8, "0");
}
