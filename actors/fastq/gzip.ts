/**
 * Gzip'd FASTQ (one member or many, BGZF included) as one stream. It can't be cut without reading
 * it, so a shard is a number of records, and a cursor stays open between the shards of one reader:
 * while shard numbers rise, the file is inflated once.
 *
 * Bounded: one chunk of text here, one in the inflater, one of the file in between; nothing is read
 * that wasn't asked for.
 */
import { createGunzip, type Gunzip } from "node:zlib";
import type {
  InputSpec,
  RawRecord,
  ReadOutcome,
  ShardRequest,
} from "../../runtime/dataset/types.ts";
import { SystemError } from "../../runtime/errors.ts";
import {
  PROBE_BYTES_MAX,
  PROBE_RECORDS,
  READ_CHUNK_BYTES,
  SHARD_BYTES,
} from "../../runtime/limits.ts";
import { BatchBuilder, type ReadBatch } from "./batch.ts";
import { inputError, openInput } from "./input.ts";
import type { OpenedInput } from "./opened.ts";
import { badOutcome, RecordReading } from "./reading.ts";
import { RecordFault } from "./record.ts";
import { RecordWindow } from "./window.ts";

/** Records [firstRecord, firstRecord + records) of a stream; records >= 1. */
export interface RecordRange {
  readonly firstRecord: number;
  readonly records: number;
}

/**
 * Records of one shard, from the mean size of the stream's first records.
 * @throws {SystemError} INPUT_EMPTY for a gzip of nothing, FASTQ_*, GZIP_CORRUPT.
 */
export async function planRecords(
  input: InputSpec,
  shardBytes: number = SHARD_BYTES,
  policy?: ShardRequest["onBadRecord"],
): Promise<number> {
  const cursor = await GzipCursor.open(input);
  try {
    const { records, bytes } = await cursor.probe(policy);
    if (records === 0) {
      throw new SystemError("INPUT_EMPTY", "the gzip file holds no record", { uri: input.uri });
    }
    return Math.max(1, Math.round((shardBytes * records) / bytes));
  } finally {
    await cursor.close();
  }
}

/** A place in an inflated stream that only moves forward. */
export class GzipCursor {
  readonly #input: InputSpec;
  readonly #file: OpenedInput;
  readonly #gunzip: Gunzip;
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #window: RecordWindow;
  #chunk: Buffer = Buffer.alloc(0);
  #inflated = false;

  private constructor(input: InputSpec, file: OpenedInput) {
    this.#input = input;
    this.#file = file;
    const source = file.stream();
    this.#gunzip = createGunzip({ chunkSize: READ_CHUNK_BYTES / 2 });
    // Errors come out of `next()`; one that follows the stream's end is found by #checkTail.
    this.#gunzip.on("error", () => undefined);
    source.on("error", (error) => this.#gunzip.destroy(error));
    this.#chunks = source.pipe(this.#gunzip)[Symbol.asyncIterator]();
    this.#window = new RecordWindow((into) => this.#fill(into), true);
  }

  /** @throws {SystemError} INPUT_CHANGED, INPUT_NOT_FOUND, INPUT_UNREADABLE. */
  static async open(input: InputSpec): Promise<GzipCursor> {
    return new GzipCursor(input, await openInput(input));
  }

  /** Records before this place. */
  get record(): number {
    return this.#window.records;
  }

  /** Parses the first records; the cursor is spent afterwards. */
  async probe(
    policy: ShardRequest["onBadRecord"],
  ): Promise<{ readonly records: number; readonly bytes: number }> {
    const step = 100;
    const reading = new RecordReading(this.#window, policy);
    try {
      let read = step;
      while (read > 0 && this.record < PROBE_RECORDS && this.#window.bytes < PROBE_BYTES_MAX) {
        read = await reading.read(new BatchBuilder(step), step);
      }
    } catch (thrown) {
      throw await this.#placed(isForeign(thrown) ? notFastq(thrown) : thrown);
    }
    return { records: this.record, bytes: this.#window.bytes };
  }

  /** The reads of a range at or after this place. @throws {SystemError} with uri and record. */
  async *read(request: ShardRequest, range: RecordRange): AsyncGenerator<ReadBatch, ReadOutcome> {
    const end = range.firstRecord + range.records;
    try {
      await this.#file.checkUnchanged();
      const reading = new RecordReading(this.#window, request.onBadRecord);
      await reading.skip(range.firstRecord - this.record);
      yield* reading.batches(request.batchSize, end - this.record);
      const ended = await this.#window.ended();
      if (ended) await this.#file.checkUnchanged();
      const records = Math.max(0, this.record - range.firstRecord);
      const outcome = { records, ...badOutcome(reading, request.onBadRecord) };
      return ended ? { ...outcome, endOfInput: this.record } : outcome;
    } catch (thrown) {
      throw await this.#placed(thrown);
    }
  }

  /** Records of a range as they stand in the inflated text, by position among the good ones. */
  async raw(
    { onBadRecord }: ShardRequest,
    range: RecordRange,
    positions: readonly number[],
  ): Promise<readonly RawRecord[]> {
    try {
      const reading = new RecordReading(this.#window, onBadRecord);
      await reading.skip(range.firstRecord - this.record);
      return await reading.raw(positions);
    } catch (thrown) {
      throw await this.#placed(thrown);
    }
  }

  async close(): Promise<void> {
    this.#gunzip.destroy();
    await this.#file.close();
  }

  async #fill(into: Buffer): Promise<number> {
    if (this.#chunk.length === 0) this.#chunk = await this.#nextChunk();
    const bytes = this.#chunk.copy(into);
    this.#chunk = this.#chunk.subarray(bytes);
    return bytes;
  }

  /** The next inflated bytes; empty at the stream's end, once its checks have passed. */
  async #nextChunk(): Promise<Buffer> {
    if (this.#inflated) return Buffer.alloc(0);
    const { value, done } = await this.#chunks.next();
    if (done !== true) return value;
    this.#inflated = true;
    await this.#checkTail();
    return Buffer.alloc(0);
  }

  /** The inflater stops silently at bytes that begin no member: only padding may stand there. */
  async #checkTail(): Promise<void> {
    const { bytes } = this.#input;
    const chunk = Buffer.allocUnsafe(READ_CHUNK_BYTES);
    for (let begin = this.#gunzip.bytesWritten; begin < bytes; begin += chunk.length) {
      const tail = chunk.subarray(0, await this.#file.readAt(chunk, begin));
      if (tail.some((byte) => byte !== 0)) {
        throw this.#corrupt("bytes that are no gzip member follow the last one");
      }
    }
  }

  async #placed(thrown: unknown): Promise<unknown> {
    await this.#file.checkUnchanged();
    if (isInflateError(thrown)) return this.#corrupt(thrown.message, thrown);
    if (!(thrown instanceof RecordFault)) return inputError(thrown, this.#input.uri);
    const damage = await this.#damage();
    return damage ?? inputError(thrown, this.#input.uri, { record: this.record + 1 });
  }

  /** Damage in what follows, checksums included: it explains a broken record better. */
  async #damage(): Promise<SystemError | undefined> {
    try {
      while ((await this.#nextChunk()).length > 0);
      return undefined;
    } catch (thrown) {
      if (thrown instanceof SystemError) return thrown;
      return isInflateError(thrown) ? this.#corrupt(thrown.message, thrown) : undefined;
    }
  }

  #corrupt(what: string, cause?: unknown): SystemError {
    const where = { uri: this.#input.uri, record: this.record + 1 };
    return new SystemError("GZIP_CORRUPT", what, where, cause);
  }
}

/** Whether the stream's very first byte begins no record. */
function isForeign(thrown: unknown): thrown is RecordFault {
  return thrown instanceof RecordFault && thrown.code === "FASTQ_BAD_RECORD" && thrown.offset === 0;
}

function notFastq(fault: RecordFault): RecordFault {
  const what = `the inflated file isn't FASTQ: ${fault.message}`;
  return new RecordFault("FASTQ_NOT_FASTQ", what, 0);
}

function isInflateError(thrown: unknown): thrown is Error {
  if (!(thrown instanceof Error) || !("code" in thrown)) return false;
  return typeof thrown.code === "string" && thrown.code.startsWith("Z_");
}
