/**
 * Uncompressed FASTQ: cut into byte ranges at record starts, and read one range at a time. The
 * ranges tile the file, and a shard parses exactly its bytes, so that no record is lost or read
 * twice.
 */
import type { RawRecord, ReadOutcome, ShardRequest } from "../../runtime/dataset/types.ts";
import { INPUT_LOOKS_AHEAD, RECORD_BYTES_MAX, SHARD_BYTES } from "../../runtime/limits.ts";
import type { ReadBatch } from "./batch.ts";
import { countLines, inputError, openInput } from "./input.ts";
import type { OpenedInput } from "./opened.ts";
import { badOutcome, RecordReading } from "./reading.ts";
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
  file: Pick<OpenedInput, "readAt">,
  size: number,
  shardBytes: number = SHARD_BYTES,
): Promise<readonly ByteRange[]> {
  const ranges: ByteRange[] = [];
  let begin = 0;
  const step = INPUT_LOOKS_AHEAD * shardBytes;
  for (let first = shardBytes; first < size; first += step) {
    // Each look is independent of the others; in S3 each costs a round trip.
    const looks: Promise<number | undefined>[] = [];
    for (let at = first; at < Math.min(size, first + step); at += shardBytes) {
      looks.push(findRecordStart(file, size, at, Math.min(at + shardBytes, size)));
    }
    for (const start of await Promise.all(looks)) {
      if (start === undefined) continue;
      ranges.push({ begin, end: start });
      begin = start;
    }
  }
  ranges.push({ begin, end: size });
  return ranges;
}

/** The first record start in [from, limit), or undefined. 0 < from < limit <= size. */
async function findRecordStart(
  file: Pick<OpenedInput, "readAt">,
  size: number,
  from: number,
  limit: number,
): Promise<number | undefined> {
  // From one byte before: a line begins at `from` itself when that byte is a line feed.
  const base = from - 1;
  for (let bytes = LOOK_BYTES; ; bytes *= 2) {
    const wanted = Math.min(bytes, size - base);
    const text = Buffer.allocUnsafe(wanted);
    await file.readAt(text, base);
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
    const fill = file.sequence(range.begin, range.end);
    const window = new RecordWindow(fill, range.end === input.bytes, range.end - range.begin);
    const reading = new RecordReading(window, request.onBadRecord);
    try {
      yield* reading.batches(request.batchSize, Number.POSITIVE_INFINITY);
    } catch (thrown) {
      throw await placed(thrown, file, request, range, window);
    }
    await file.checkUnchanged();
    const { bad, ...outcome } = badOutcome(reading, request.onBadRecord);
    const shifted = bad === undefined ? {} : { bad: await inFile(file, range, bad) };
    return { records: window.records, ...outcome, ...shifted };
  } finally {
    await file.close();
  }
}

/** Records of one range as they stand in the file, by their positions among the good ones. */
export async function rawOfRange(
  request: ShardRequest,
  range: ByteRange,
  positions: readonly number[],
): Promise<readonly RawRecord[]> {
  const { input, onBadRecord } = request;
  const file = await openInput(input);
  try {
    const fill = file.sequence(range.begin, range.end);
    const window = new RecordWindow(fill, range.end === input.bytes, range.end - range.begin);
    const raws = await new RecordReading(window, onBadRecord).raw(positions);
    await file.checkUnchanged();
    return await inFile(file, range, raws);
  } finally {
    await file.close();
  }
}

/** Records with the numbers and offsets that they have in the file. */
async function inFile<Raw extends RawRecord>(
  file: OpenedInput,
  range: ByteRange,
  records: readonly Raw[],
): Promise<Raw[]> {
  const before = Math.floor((await countLines(file, range.begin)) / 4);
  return records.map((it) => ({
    ...it,
    record: it.record + before,
    byteOffset: (it.byteOffset ?? 0) + range.begin,
  }));
}

async function placed(
  thrown: unknown,
  file: OpenedInput,
  request: ShardRequest,
  range: ByteRange,
  window: RecordWindow,
): Promise<unknown> {
  if (!(thrown instanceof RecordFault)) return inputError(thrown, request.input.uri);
  // A file that was changed under us explains a fault better than the record does.
  await file.checkUnchanged();
  const before = Math.floor((await countLines(file, range.begin)) / 4);
  const where = { byteOffset: range.begin + thrown.offset, record: before + window.records + 1 };
  return inputError(thrown, request.input.uri, where);
}
