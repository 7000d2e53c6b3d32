/**
 * Records of a text under a job's policy for bad ones: an error, put aside with their bytes, or
 * passed over. A bad record ends where the next one begins, see `beginsRecord`. What the rest of a
 * text can't be told after (damage of the gzip itself) is no record's fault and stays an error.
 *
 * Invariant: the scanner was fed the first `fed` bytes of the window's text, and the records that
 * came out of it have been passed in the window.
 */
import type { BadRecord, RawRecord, ShardRequest } from "../../runtime/dataset/types.ts";
import type { ErrorCode } from "../../runtime/errors.ts";
import {
  BATCH_BYTES_MAX,
  QUARANTINE_RECORD_BYTES_MAX,
  READ_CHUNK_BYTES,
  RECORD_BYTES_MAX,
} from "../../runtime/limits.ts";
import type { Format } from "../native/faults.ts";
import type { RecordBatch } from "../native/records.ts";
import { RecordScanner, type ScanStep } from "../native/scan.ts";
import { beginsRecord, INCOMPLETE, isBlank } from "./starts.ts";
import { countHandedOut } from "./text/buffers.ts";
import type { TextWindow } from "./text/window.ts";

const LF = 10;
const CR = 13;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
/** Records of one scan: a call costs what 100 records do, and the text is kept until then. */
const SCAN_RECORDS = 2 * 1024;
/** Bytes that a scanner is first given behind a bad record, for the next one may be bad as well. */
const FEED_BYTES = 4 * 1024;

/** How a text's records are written. */
export interface Grammar {
  readonly format: Format;
  readonly protein: boolean;
}

export interface ReadingOptions extends Grammar {
  /** The text's end is the file's, see ScanOptions. */
  readonly fileEnd: boolean;
  readonly policy: ShardRequest["onBadRecord"];
  /** Whether the text begins with the file: a byte order mark is passed over there. */
  readonly fileBegin: boolean;
  /** Records before the window's text. */
  readonly records?: number;
  /** Whether the text of good records is given with them. */
  readonly keepsText?: boolean;
}

/** A record that breaks the grammar; the offset counts in the file's text. */
export class RecordFault extends Error {
  readonly code: ErrorCode;
  readonly offset: number;
  /** 0-based number of the record. */
  readonly index: number;

  constructor(code: ErrorCode, what: string, offset: number, index: number) {
    super(what);
    this.code = code;
    this.offset = offset;
    this.index = index;
  }
}

/** What comes next in a text; `first`: the 0-based number of its first record. */
export type Found =
  | {
      readonly kind: "reads";
      readonly first: number;
      readonly batch: RecordBatch;
      /** Offset of the scanner's stream in the file's text: `begins` count from there. */
      readonly origin: number;
      /** From the first record's first byte on, where it is kept. */
      readonly text?: Buffer;
    }
  | { readonly kind: "bad"; readonly first: number; readonly bad: BadRecord };

export class RecordReading {
  readonly #window: TextWindow;
  readonly #options: ReadingOptions;
  #scanner: RecordScanner | undefined;
  #isEnded = false;
  /** Bytes of the window's text that the scanner has. */
  #fed = 0;
  #feedBytes = READ_CHUNK_BYTES;
  /** Offset in the file's text of the scanner's stream. */
  #origin = 0;
  #records: number;
  #hasBegun = false;
  /** Bad records so far. */
  badRecords = 0;
  /** Byte order marks at the text's begin. */
  byteOrderMarks = 0;

  constructor(window: TextWindow, options: ReadingOptions) {
    this.#window = window;
    this.#options = options;
    this.#records = options.records ?? 0;
  }

  /** Records before the next one. */
  get records(): number {
    return this.#records;
  }

  /** Bytes of the file's text before the next record. */
  get offset(): number {
    return this.#window.offset;
  }

  /**
   * What comes next: records that follow each other, or a bad one; undefined at the text's end.
   * @param recordsMax - >= 1.
   * @throws {RecordFault} without a policy, after all records before it. @throws {SystemError}
   * what the text's source says.
   */
  async step(recordsMax: number): Promise<Found | undefined> {
    const step = await this.#scan(Math.min(recordsMax, SCAN_RECORDS));
    const { batch } = step;
    if (batch.records > 0) return this.#taken(batch);
    return step.kind === "error" ? this.#putAside(step.error) : undefined;
  }

  /** Passes over records, good or bad; fewer at the text's end. */
  async skip(records: number): Promise<void> {
    const end = this.#records + records;
    if (this.#options.policy === undefined && this.#options.format === "fastq") {
      await this.#begin();
      this.#dropScanner();
      return this.#skipLines(end);
    }
    const bad = this.badRecords;
    while (this.#records < end && (await this.step(end - this.#records)) !== undefined);
    this.badRecords = bad;
  }

  /** The next good record as it stands; undefined at the text's end. */
  async raw(bytesMax: number): Promise<RawRecord | undefined> {
    for (;;) {
      const step = await this.#scan(1);
      const { batch } = step;
      if (batch.records > 0) {
        const place = { record: this.#records + 1, byteOffset: this.#window.offset };
        const length = textLengthOf(batch);
        const bytes = Uint8Array.from(this.#window.text.subarray(0, Math.min(length, bytesMax)));
        this.#taken(batch);
        return { ...place, bytes, length };
      }
      if (step.kind !== "error") return undefined;
      await this.#putAside(step.error);
    }
  }

  /** Whether no record is left. Reads on until it knows. */
  async ended(): Promise<boolean> {
    await this.#begin();
    for (;;) {
      const { text } = this.#window;
      if (text.length > 0 && !this.#isTail(text)) return false;
      if (this.#window.atEnd) return true;
      await this.#window.more();
    }
  }

  /** Scans on until records, a bad one or the end come out. */
  async #scan(recordsMax: number): Promise<Exclude<ScanStep, { kind: "input" }>> {
    await this.#begin();
    for (;;) {
      this.#scanner ??= this.#openScanner();
      const isFed = this.#feed(this.#scanner);
      const step = await this.#scanner.next(recordsMax, BATCH_BYTES_MAX);
      if (step.kind !== "input") return step;
      if (isFed || (await this.#window.more()) || this.#isEnded) continue;
      this.#scanner.end();
      this.#isEnded = true;
    }
  }

  /** Gives the scanner some of what it lacks; false when it has all that was read. */
  #feed(scanner: RecordScanner): boolean {
    const { text } = this.#window;
    const bytes = text.subarray(this.#fed, this.#fed + this.#feedBytes);
    if (bytes.length === 0) return false;
    scanner.feed(bytes);
    this.#fed += bytes.length;
    this.#feedBytes = Math.min(READ_CHUNK_BYTES, this.#feedBytes * 2);
    return true;
  }

  #openScanner(): RecordScanner {
    const { format, protein, fileEnd } = this.#options;
    this.#origin = this.#window.offset;
    this.#fed = 0;
    this.#isEnded = false;
    return new RecordScanner({ format, protein, fileEnd });
  }

  #dropScanner(): void {
    this.#scanner = undefined;
  }

  #taken(batch: RecordBatch): Found {
    const first = this.#records;
    const length = textLengthOf(batch);
    countHandedOut(length);
    const found = { kind: "reads", first, batch, origin: this.#origin } as const;
    const { keepsText = false } = this.#options;
    const text = keepsText ? Buffer.from(this.#window.text.subarray(0, length)) : undefined;
    this.#pass(length, batch.records);
    return text === undefined ? found : { ...found, text };
  }

  #pass(bytes: number, records: number): void {
    this.#window.advance(bytes);
    this.#fed -= bytes;
    this.#records += records;
  }

  /** Passes a byte order mark at the file's begin. */
  async #begin(): Promise<void> {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    if (!this.#options.fileBegin) return;
    const mark = BYTE_ORDER_MARK;
    while (this.#window.text.length < mark.length && (await this.#window.more()));
    if (!this.#window.text.subarray(0, mark.length).equals(mark)) return;
    this.#window.advance(mark.length);
    this.byteOrderMarks = 1;
  }

  /** Passes over records by their four line ends, up to a number of records or the text's end. */
  async #skipLines(end: number): Promise<void> {
    for (;;) {
      const { text } = this.#window;
      let at = 0;
      let skipped = 0;
      while (this.#records + skipped < end) {
        const next = this.#fourLines(text, at);
        if (next < 0) break;
        at = next;
        skipped += 1;
      }
      this.#pass(at, skipped);
      if (this.#records === end || !(await this.#window.more())) return;
    }
  }

  /** Where the record at `begin` ends, by its line ends, or -1. */
  #fourLines(text: Buffer, begin: number): number {
    const first = text[begin];
    if (first === undefined) return -1;
    if ((first === LF || first === CR) && this.#isTail(text.subarray(begin))) return -1;
    let at = begin;
    for (let line = 0; line < 4; line++) {
      const lf = text.indexOf(LF, at);
      if (lf < 0) return line === 3 && this.#window.atEnd ? text.length : -1;
      at = lf + 1;
    }
    return at;
  }

  /** Whether this may be the line ends that a file ends with. */
  #isTail(text: Buffer): boolean {
    if (!this.#options.fileEnd || (text[0] !== LF && text[0] !== CR)) return false;
    return text.length <= RECORD_BYTES_MAX && isBlank(text);
  }

  async #putAside(error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly byteOffset: number;
  }): Promise<Found> {
    const { code, message: what } = error;
    const { policy } = this.#options;
    const first = this.#records;
    const byteOffset = this.#window.offset;
    if (policy === undefined) {
      throw new RecordFault(code, what, this.#origin + error.byteOffset, first);
    }
    const raw = await this.#passBad(policy === "skip" ? 0 : QUARANTINE_RECORD_BYTES_MAX);
    this.badRecords += 1;
    this.#dropScanner();
    this.#feedBytes = FEED_BYTES;
    const bad = { record: first + 1, byteOffset, code, what, ...raw };
    return { kind: "bad", first, bad };
  }

  /**
   * Passes over what stands where a record should begin, up to the next one or the text's end, and
   * counts it as a record.
   * @param bytesMax - of what is copied; its length is said.
   */
  async #passBad(bytesMax: number): Promise<Pick<RawRecord, "bytes" | "length">> {
    const kept: Buffer[] = [];
    const from = this.#window.offset;
    let left = bytesMax;
    let isLineBegin = false;
    for (;;) {
      const { text, atEnd } = this.#window;
      const verdict = isLineBegin && beginsRecord(text, 0, atEnd, this.#options.format);
      if (verdict === true) break;
      const isLong = text.length > RECORD_BYTES_MAX;
      if (verdict === INCOMPLETE && !isLong && (await this.#window.more())) continue;
      const lf = text.indexOf(LF);
      const end = lf < 0 ? text.length : lf + 1;
      const line = text.subarray(0, Math.min(end, left));
      if (line.length > 0) kept.push(Buffer.from(line));
      left -= line.length;
      this.#pass(end, 0);
      isLineBegin = lf >= 0;
      if (!isLineBegin && !(await this.#window.more())) break;
    }
    this.#records += 1;
    return { bytes: Uint8Array.from(Buffer.concat(kept)), length: this.#window.offset - from };
  }
}

function textLengthOf({ begins, records }: RecordBatch): number {
  return (begins[records] as number) - (begins[0] as number);
}
