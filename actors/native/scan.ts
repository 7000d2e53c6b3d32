/**
 * Records out of bytes that come in pieces: FASTQ of four lines, FASTQ over several lines, FASTA.
 * C++ scans where the addon is there, else TypeScript, with equal batches and equal errors.
 *
 * A batch's cuts depend on the records alone, never on the pieces.
 */
import { RECORD_BYTES_MAX } from "../../runtime/limits.ts";
import { LEVELS, type Level, nativeStatus } from "./addon.ts";
import { checkBytes, checkCount } from "./checks.ts";
import { describeFault, type Format, type RecordError } from "./faults.ts";
import { PlainScanner } from "./plain/scanner.ts";
import {
  type RawOutcome,
  type RawScanner,
  type RawScanOptions,
  type RecordBatch,
  STATES,
} from "./records.ts";

export interface ScanOptions {
  readonly format: Format;
  /** FASTA of residues: all letters are legal. Without: bases and IUPAC codes. */
  readonly protein?: boolean;
  /**
   * The stream's end is the file's (default): empty lines before it are legal, and so is a last
   * line without its end. Elsewhere both would hide what one pass over the file finds.
   */
  readonly fileEnd?: boolean;
  /** A longer record is an error; default RECORD_BYTES_MAX. */
  readonly recordBytesMax?: number;
  /** "typescript" or an instruction set, for tests; default: the best there is. */
  readonly force?: Level | "typescript";
}

/**
 * How far a scan came. `input`: feed more, or call `end`. `batch`: the limits are reached. `ended`:
 * the last records, perhaps none. `error`: the records before the broken one; it stays.
 */
export type ScanStep =
  | { readonly kind: "input" }
  | { readonly kind: "batch" | "ended"; readonly batch: RecordBatch }
  | { readonly kind: "error"; readonly batch: RecordBatch; readonly error: RecordError };

/** A scan over one stream. One call at a time: `next` is awaited before anything else is called. */
export class RecordScanner {
  readonly #raw: RawScanner;
  readonly #format: Format;
  readonly #recordBytesMax: number;

  constructor(options: ScanOptions) {
    const { format, force, recordBytesMax = RECORD_BYTES_MAX } = options;
    checkCount("recordBytesMax", recordBytesMax, 1, 2 ** 30);
    this.#format = format;
    this.#recordBytesMax = recordBytesMax;
    const raw: RawScanOptions = {
      format: FORMATS[format],
      protein: options.protein ?? false,
      fileEnd: options.fileEnd ?? true,
      recordBytesMax,
      level: LEVELS[force === undefined || force === "typescript" ? "avx512" : force],
    };
    const addon = force === "typescript" ? undefined : nativeStatus().addon;
    this.#raw = addon === undefined ? new PlainScanner(raw) : new addon.Scanner(raw);
  }

  /** Copies the stream's next bytes in. @throws {TypeError} for a detached array. */
  feed(bytes: Uint8Array): void {
    checkBytes("bytes", bytes);
    this.#raw.feed(bytes);
  }

  /** Says that nothing follows. */
  end(): void {
    this.#raw.end();
  }

  /**
   * Parses, off the event loop, until one of the limits is reached or more bytes are needed.
   * @param recordsMax - >= 1. @param basesMax - a batch of at least so many bases is full.
   */
  async next(recordsMax: number, basesMax: number): Promise<ScanStep> {
    checkLimits(recordsMax, basesMax);
    return this.#step(await this.#raw.next(recordsMax, basesMax));
  }

  /** The same on this thread; worth it for pieces of a few kilobytes. */
  nextNow(recordsMax: number, basesMax: number): ScanStep {
    checkLimits(recordsMax, basesMax);
    return this.#step(this.#raw.nextNow(recordsMax, basesMax));
  }

  #step(outcome: RawOutcome): ScanStep {
    const { state, batch } = outcome;
    if (batch === undefined) return { kind: "input" };
    if (state !== STATES.fault) return { kind: state === STATES.full ? "batch" : "ended", batch };
    const { fault = 0, byte = 0, offset: byteOffset = 0, records = 0 } = outcome;
    const described = describeFault(fault, byte, this.#format, this.#recordBytesMax);
    return { kind: "error", batch, error: { ...described, byteOffset, record: records + 1 } };
  }
}

/** The names of a batch as strings. */
export function namesOf({
  names,
  nameEnds,
  records,
}: Pick<RecordBatch, "names" | "nameEnds" | "records">): string[] {
  const bytes = Buffer.from(names.buffer, names.byteOffset, names.length);
  // One string that the names are slices of; beyond ASCII, bytes and characters differ.
  const all = bytes.toString("latin1");
  const isAscii = !bytes.some((byte) => byte > 127);
  return Array.from({ length: records }, (_, i) => {
    const [begin, end] = [nameEnds[i], nameEnds[i + 1]];
    return isAscii ? all.slice(begin, end) : bytes.toString("utf8", begin, end);
  });
}

function checkLimits(recordsMax: number, basesMax: number): void {
  checkCount("recordsMax", recordsMax, 1, 2 ** 24);
  checkCount("basesMax", basesMax, 1, 2 ** 30);
}

const FORMATS: Readonly<Record<Format, number>> = { fastq: 0, "wrapped-fastq": 1, fasta: 2 };
