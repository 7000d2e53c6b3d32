/**
 * Uncompressed FASTQ: cut into byte ranges at record starts, and read one range at a time. The
 * ranges tile the file, and a shard parses exactly its bytes, so that no record is lost or read
 * twice.
 */
import type { FileHandle } from "node:fs/promises";
import type { ReadOutcome, ShardRequest } from "../../runtime/dataset/types.ts";
import { RECORD_BYTES_MAX, SHARD_BYTES } from "../../runtime/limits.ts";
import { BatchBuilder, type ReadBatch } from "./batch.ts";
import { checkUnchanged, countLines, inputError, openInput, readAt } from "./input.ts";
import { INCOMPLETE, isBlank, NO_RECORD, RecordFault, recordEnd } from "./record.ts";
import { RecordWindow } from "./window.ts";

const LF = 10;
/** Bytes of the first look for a record start; holds some hundred short reads. */
const LOOK_BYTES = 64 * 1024;
/** Records that must follow each other at a place before it is taken for a record start. */
const RECORDS_VERIFIED = 4;

/** Bytes [begin, end) of a file: whole records. 0 <= begin < end <= size. */
export interface ByteRange {
  readonly begin: number;
  readonly end: number;
}

/**
 * Ranges that tile the file, cut at the first record start at or after each multiple of
 * `shardBytes`; a multiple inside a record that reaches the next multiple makes no cut.
 *
 * @param size - bytes of the file, > 0.
 */
export async function planRanges(
  file: FileHandle,
  size: number,
  shardBytes: number = SHARD_BYTES,
): Promise<readonly ByteRange[]> {
  const ranges: ByteRange[] = [];
  let begin = 0;
  for (let candidate = shardBytes; candidate < size; candidate += shardBytes) {
    const limit = Math.min(candidate + shardBytes, size);
    const start = await findRecordStart(file, size, candidate, limit);
    if (start === undefined) continue;
    ranges.push({ begin, end: start });
    begin = start;
  }
  ranges.push({ begin, end: size });
  return ranges;
}

/** The first record start in [from, limit), or undefined. 0 < from < limit <= size. */
async function findRecordStart(
  file: FileHandle,
  size: number,
  from: number,
  limit: number,
): Promise<number | undefined> {
  // From one byte before: a line begins at `from` itself when that byte is a line feed.
  const base = from - 1;
  for (let bytes = LOOK_BYTES; ; bytes *= 2) {
    const wanted = Math.min(bytes, size - base);
    const text = Buffer.allocUnsafe(wanted);
    await readAt(file, text, base);
    const found = lookForRecord(text, base + wanted === size);
    if (found !== INCOMPLETE) {
      const start = found === undefined ? limit : base + found;
      return start < limit ? start : undefined;
    }
    if (wanted > limit - base + 2 * RECORD_BYTES_MAX) return undefined;
  }
}

/** Offset of the first line at which records begin; undefined: none does; INCOMPLETE: more text. */
function lookForRecord(text: Buffer, atEnd: boolean): number | undefined {
  for (let lf = text.indexOf(LF); lf >= 0 && lf + 1 < text.length; lf = text.indexOf(LF, lf + 1)) {
    const verdict = areRecords(text, lf + 1, atEnd);
    if (verdict === INCOMPLETE) return INCOMPLETE;
    if (verdict) return lf + 1;
  }
  return atEnd ? undefined : INCOMPLETE;
}

/**
 * Whether RECORDS_VERIFIED records, or all up to the file's end, follow each other from `begin`.
 */
function areRecords(text: Buffer, begin: number, atEnd: boolean): boolean | typeof INCOMPLETE {
  let at = begin;
  for (let record = 0; record < RECORDS_VERIFIED && at < text.length; record++) {
    const next = recordEnd(text, at, atEnd);
    if (next === INCOMPLETE) return INCOMPLETE;
    if (next === NO_RECORD) return record > 0 && atEnd && isBlank(text, at);
    at = next;
  }
  return true;
}

/** The reads of one range, in batches. @throws {SystemError} with uri, byteOffset and record. */
export async function* readRange(
  request: ShardRequest,
  range: ByteRange,
): AsyncGenerator<ReadBatch, ReadOutcome, void> {
  const { input } = request;
  const file = await openInput(input);
  try {
    let position = range.begin;
    const fill = async (into: Buffer): Promise<number> => {
      const wanted = Math.min(into.length, range.end - position);
      const read = wanted === 0 ? 0 : await readAt(file, into.subarray(0, wanted), position);
      position += read;
      return read;
    };
    const window = new RecordWindow(fill, range.end === input.bytes, range.end - range.begin);
    try {
      yield* batchesOf(window, request.batchSize);
    } catch (thrown) {
      throw await placed(thrown, file, request, range, window);
    }
    await checkUnchanged(file, input);
    return { records: window.records, quarantined: 0, skipped: 0 };
  } finally {
    await file.close();
  }
}

async function* batchesOf(window: RecordWindow, batchSize: number): AsyncGenerator<ReadBatch> {
  const builder = new BatchBuilder(batchSize);
  while ((await window.read(builder, batchSize)) > 0) yield builder.take();
}

async function placed(
  thrown: unknown,
  file: FileHandle,
  request: ShardRequest,
  range: ByteRange,
  window: RecordWindow,
): Promise<unknown> {
  if (!(thrown instanceof RecordFault)) return inputError(thrown, request.input.uri);
  // A file that was changed under us explains a fault better than the record does.
  await checkUnchanged(file, request.input);
  const before = Math.floor((await countLines(file, range.begin)) / 4);
  const where = { byteOffset: range.begin + thrown.offset, record: before + window.records + 1 };
  return inputError(thrown, request.input.uri, where);
}
