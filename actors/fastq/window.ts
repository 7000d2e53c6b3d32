/**
 * A moving window over a byte stream that parses records where they lie. It owns one buffer, which
 * grows only for a record longer than a chunk (bound: RECORD_BYTES_MAX and a chunk).
 *
 * Invariant: `0 <= begin <= end <= buffer.length`; buffer[begin, end) is what was read and not
 * parsed.
 */
import { READ_CHUNK_BYTES, RECORD_BYTES_MAX } from "../../runtime/limits.ts";
import { BatchBuilder } from "./batch.ts";
import { beginsRecord, INCOMPLETE, isBlank, parseRecord, RecordFault } from "./record.ts";

const LF = 10;
const CR = 13;

/** Writes the stream's next bytes to the front of `into`; 0 only at the stream's end. */
export type Fill = (into: Buffer) => Promise<number>;

/** A record's first bytes, and how many it has in all. */
export interface Raw {
  readonly bytes: Uint8Array;
  readonly length: number;
}

export class RecordWindow {
  readonly #fill: Fill;
  readonly #fileEnd: boolean;
  #buffer: Buffer;
  #begin = 0;
  #end = 0;
  #atEnd = false;
  #bytes = 0;
  #records = 0;

  /**
   * @param fileEnd - the stream's end is the file's: empty lines before it are legal, and so is a
   * last line without its end. Elsewhere both would hide what one pass over the file finds.
   * @param bytesExpected - of the whole stream, if known; a short one needs no long buffer.
   */
  constructor(fill: Fill, fileEnd: boolean, bytesExpected: number = READ_CHUNK_BYTES) {
    this.#fill = fill;
    this.#fileEnd = fileEnd;
    this.#buffer = Buffer.allocUnsafe(Math.max(64, Math.min(READ_CHUNK_BYTES, bytesExpected)));
  }

  /** Bytes of the stream before the next record. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Records before the next one, parsed or skipped. */
  get records(): number {
    return this.#records;
  }

  /**
   * Parses records into `builder` until it is full, `recordsMax` are parsed or the stream ends.
   * @returns how many records were parsed; fewer than asked for with room left: the stream ended.
   * @throws {RecordFault} with its offset counted from the stream's begin; `records` then is the
   * number of whole records before it.
   */
  async read(builder: BatchBuilder, recordsMax: number): Promise<number> {
    let parsed = 0;
    while (parsed < recordsMax && !builder.full) {
      const before = parsed;
      parsed += this.#parse(builder, recordsMax - parsed);
      if (parsed === before && !(await this.#more())) break;
    }
    return parsed;
  }

  /** Passes over records by their four line ends; @returns how many, fewer at the stream's end. */
  async skip(records: number): Promise<number> {
    let skipped = 0;
    while (skipped < records) {
      const next = this.#recordEnd();
      if (next >= 0) {
        this.#advance(next, 1);
        skipped++;
      } else if (!(await this.#more())) {
        break;
      }
    }
    return skipped;
  }

  /**
   * The next record as it stands, or undefined at the stream's end.
   * @param bytesMax - of what is copied; its length is said.
   * @throws {RecordFault} as `read` does.
   */
  async one(bytesMax: number): Promise<Raw | undefined> {
    const from = this.#bytes;
    if ((await this.read(new BatchBuilder(1), 1)) === 0) return undefined;
    const length = this.#bytes - from;
    // What was parsed last still stands before what comes next.
    const text = this.#buffer.subarray(this.#begin - length, this.#begin);
    return { bytes: Uint8Array.from(text.subarray(0, bytesMax)), length };
  }

  /**
   * Passes over what stands where a record should begin, up to the next one or the stream's end,
   * and counts it as a record.
   * @param bytesMax - of what is copied; its length is said.
   */
  async pass(bytesMax: number): Promise<Raw> {
    const kept: Buffer[] = [];
    const from = this.#bytes;
    let left = bytesMax;
    let isLineBegin = false;
    for (;;) {
      const text = this.#buffer.subarray(0, this.#end);
      const verdict = isLineBegin ? beginsRecord(text, this.#begin, this.#atEnd) : false;
      if (verdict === true) break;
      const isLong = text.length - this.#begin > RECORD_BYTES_MAX;
      if (verdict === INCOMPLETE && !isLong && (await this.#more())) continue;
      const lf = text.indexOf(LF, this.#begin);
      const end = lf < 0 ? text.length : lf + 1;
      const line = text.subarray(this.#begin, Math.min(end, this.#begin + left));
      if (line.length > 0) kept.push(Buffer.from(line));
      left -= line.length;
      this.#advance(end, 0);
      isLineBegin = lf >= 0;
      if (!isLineBegin && !(await this.#more())) break;
    }
    this.#records += 1;
    return { bytes: Uint8Array.from(Buffer.concat(kept)), length: this.#bytes - from };
  }

  /** Whether no record is left. Reads on until it knows. */
  async ended(): Promise<boolean> {
    for (;;) {
      const rest = this.#buffer.subarray(this.#begin, this.#end);
      if (rest.length > 0 && !(this.#fileEnd && isBlank(rest, 0))) return false;
      if (this.#atEnd) return true;
      await this.#more();
    }
  }

  /** Parses what the window holds, up to its first incomplete record. */
  #parse(builder: BatchBuilder, recordsMax: number): number {
    const text = this.#buffer.subarray(0, this.#end);
    let at = this.#begin;
    let parsed = 0;
    try {
      while (parsed < recordsMax && !builder.full && at < text.length) {
        if (this.#fileEnd && this.#onlyBlank(text, at)) break;
        const next = parseRecord(text, at, this.#atEnd && this.#fileEnd, builder);
        if (next === INCOMPLETE && this.#atEnd) throw cutOff(at);
        if (next === INCOMPLETE) break;
        at = next;
        parsed++;
      }
    } catch (thrown) {
      throw this.#placed(thrown, at, parsed);
    }
    this.#advance(at, parsed);
    return parsed;
  }

  #onlyBlank(text: Buffer, at: number): boolean {
    const byte = text[at];
    if (byte !== LF && byte !== CR) return false;
    return text.length - at <= RECORD_BYTES_MAX && isBlank(text, at);
  }

  #placed(thrown: unknown, at: number, parsed: number): unknown {
    if (!(thrown instanceof RecordFault)) return thrown;
    const offset = this.#bytes + thrown.offset - this.#begin;
    this.#advance(at, parsed);
    return new RecordFault(thrown.code, thrown.message, offset);
  }

  /** Where the first record ends, by its line ends, or -1. */
  #recordEnd(): number {
    const text = this.#buffer.subarray(0, this.#end);
    if (this.#begin === text.length || this.#onlyBlank(text, this.#begin)) return -1;
    let at = this.#begin;
    for (let line = 0; line < 4; line++) {
      const lf = text.indexOf(LF, at);
      if (lf < 0) return line === 3 && this.#atEnd ? text.length : -1;
      at = lf + 1;
    }
    return at;
  }

  #advance(to: number, records: number): void {
    this.#bytes += to - this.#begin;
    this.#begin = to;
    this.#records += records;
  }

  /** Reads on; @returns false when the stream ended before and nothing changed. */
  async #more(): Promise<boolean> {
    if (this.#atEnd) return false;
    this.#makeRoom();
    const read = await this.#fill(this.#buffer.subarray(this.#end));
    this.#end += read;
    this.#atEnd = read === 0;
    return true;
  }

  /** Moves the rest to the front; doubles the buffer when that leaves less than half of it. */
  #makeRoom(): void {
    const rest = this.#buffer.subarray(this.#begin, this.#end);
    const grow = rest.length > this.#buffer.length / 2;
    const target = grow ? Buffer.allocUnsafe(this.#buffer.length * 2) : this.#buffer;
    rest.copy(target);
    this.#buffer = target;
    this.#begin = 0;
    this.#end = rest.length;
  }
}

function cutOff(offset: number): RecordFault {
  return new RecordFault("FASTQ_BAD_RECORD", "the record is cut off by the next one", offset);
}
