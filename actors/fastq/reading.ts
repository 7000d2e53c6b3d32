/**
 * Records of a stream under a job's policy for bad ones: an error, put aside with their bytes, or
 * passed over. A bad record ends where the next one begins: at a line that begins with `@` and has
 * a line with `+` two below it. What the rest of a stream can't be told after (damage of the gzip
 * itself) is no record's fault and stays an error.
 */
import type { BadRecord, RawRecord, ShardRequest } from "../../runtime/dataset/types.ts";
import { SystemError } from "../../runtime/errors.ts";
import { QUARANTINE_BYTES_MAX, QUARANTINE_RECORD_BYTES_MAX } from "../../runtime/limits.ts";
import { BatchBuilder, type ReadBatch } from "./batch.ts";
import { RecordFault } from "./record.ts";
import type { RecordWindow } from "./window.ts";

/** What a row of a side file holds beside the record's bytes, roughly. */
const ROW_BYTES = 256;
/** Records that are read at a time where nobody looks at them. */
const SKIP_RECORDS = 1024;

/** Numbers and offsets are those of the window's stream: the caller knows where that begins. */
export class RecordReading {
  readonly #window: RecordWindow;
  readonly #policy: ShardRequest["onBadRecord"];
  /** What was put aside. */
  readonly bad: BadRecord[] = [];
  /** Bad records so far. */
  badRecords = 0;
  #kept = 0;
  /** Good records so far. */
  #good = 0;

  constructor(window: RecordWindow, policy: ShardRequest["onBadRecord"]) {
    this.#window = window;
    this.#policy = policy;
  }

  /**
   * Parses records into `builder` until it is full, `recordsMax` are parsed or bad, or the stream
   * ends; @returns how many.
   * @throws {RecordFault} without a policy. @throws {SystemError} QUARANTINE_FULL.
   */
  async read(builder: BatchBuilder, recordsMax: number): Promise<number> {
    const from = this.#window.records;
    const had = builder.records;
    while (!builder.full) {
      const left = recordsMax - (this.#window.records - from);
      if (left <= 0) break;
      try {
        await this.#window.read(builder, left);
        break;
      } catch (thrown) {
        await this.#putAside(thrown);
      }
    }
    this.#good += builder.records - had;
    return this.#window.records - from;
  }

  /**
   * All records up to a number of them, in batches. A stream of bad records alone gives one batch
   * of none: what is made of it has its columns from there.
   */
  async *batches(batchSize: number, recordsMax: number): AsyncGenerator<ReadBatch> {
    const end = this.#window.records + recordsMax;
    const builder = new BatchBuilder(batchSize);
    while ((await this.read(builder, end - this.#window.records)) > 0) {
      if (builder.records > 0) yield builder.take();
    }
    if (this.#good === 0 && this.badRecords > 0) yield builder.take();
  }

  /** Passes over records, good or bad; what was bad isn't remembered. */
  async skip(records: number): Promise<void> {
    if (this.#policy === undefined) {
      await this.#window.skip(records);
      return;
    }
    const end = this.#window.records + records;
    const builder = new BatchBuilder(SKIP_RECORDS);
    while ((await this.read(builder, end - this.#window.records)) > 0) {
      builder.take();
      this.#forget();
    }
    this.#forget();
    this.#good = 0;
  }

  /** Good records by their positions, which rise. @throws {SystemError} INTERNAL past the end. */
  async raw(positions: readonly number[]): Promise<RawRecord[]> {
    const found: RawRecord[] = [];
    for (const position of positions) {
      while (this.#good < position) {
        const builder = new BatchBuilder(Math.min(SKIP_RECORDS, position - this.#good));
        if ((await this.read(builder, Number.POSITIVE_INFINITY)) === 0) break;
      }
      found.push(await this.#one());
      this.#forget();
    }
    return found;
  }

  async #one(): Promise<RawRecord> {
    for (;;) {
      try {
        const place = { record: this.#window.records + 1, byteOffset: this.#window.bytes };
        const raw = await this.#window.one(QUARANTINE_RECORD_BYTES_MAX);
        if (raw === undefined) throw new SystemError("INTERNAL", "the stream has no such record");
        this.#good += 1;
        return { ...place, ...raw };
      } catch (thrown) {
        await this.#putAside(thrown);
      }
    }
  }

  #forget(): void {
    this.bad.length = 0;
    this.badRecords = 0;
    this.#kept = 0;
  }

  async #putAside(thrown: unknown): Promise<void> {
    if (this.#policy === undefined || !(thrown instanceof RecordFault)) throw thrown;
    const { code, message: what } = thrown;
    const place = { record: this.#window.records + 1, byteOffset: this.#window.bytes };
    const keeps = this.#policy === "quarantine";
    const raw = await this.#window.pass(keeps ? QUARANTINE_RECORD_BYTES_MAX : 0);
    this.badRecords += 1;
    if (!keeps) return;
    this.#kept += raw.bytes.length + ROW_BYTES;
    if (this.#kept > QUARANTINE_BYTES_MAX) {
      const full = `over ${QUARANTINE_BYTES_MAX} bytes of bad records, the last one: `;
      throw new SystemError("QUARANTINE_FULL", `${full}${what}`);
    }
    this.bad.push({ ...place, code, what, ...raw });
  }
}

/** What a read's outcome says of bad records. */
export function badOutcome(
  { bad, badRecords }: RecordReading,
  policy: ShardRequest["onBadRecord"],
): { quarantined: number; skipped: number; bad?: readonly BadRecord[] } {
  if (policy !== "quarantine") return { quarantined: 0, skipped: badRecords };
  return bad.length === 0
    ? { quarantined: 0, skipped: 0 }
    : { quarantined: bad.length, skipped: 0, bad: [...bad] };
}
