/** A batch of records as flat arrays, and the scanner as C++ and the TypeScript form have it. */

/** n records, back to back; the consumer owns the arrays. */
export interface RecordBatch {
  readonly records: number;
  /** Names without `@` or `>`, up to the first blank. */
  readonly names: Uint8Array;
  /** Name i is names[nameEnds[i], nameEnds[i + 1]); int32 [n + 1], nameEnds[0] = 0. */
  readonly nameEnds: Int32Array;
  /** Sequences as they stand in the file (case, IUPAC and U kept), without line ends. */
  readonly bases: Uint8Array;
  /** Quality bytes as they stand in the file, one a base; empty for FASTA. */
  readonly qualities: Uint8Array;
  /** Read i is bases[ends[i], ends[i + 1]); int32 [n + 1], ends[0] = 0. */
  readonly ends: Int32Array;
  /** Offset in the stream of each record, and of what follows the last one; float64 [n + 1]. */
  readonly begins: Float64Array;
  /** Bits of RECORD_FLAGS; uint8 [n]. */
  readonly flags: Uint8Array;
}

export const RECORD_FLAGS = { carriageReturns: 1, emptyRead: 2, wrappedLines: 4 } as const;

/** The numbers of `Scanner::State` in text/scanner.h. */
export const STATES = { full: 0, needsInput: 1, ended: 2, fault: 3 } as const;

export interface RawScanOptions {
  readonly format: number;
  readonly protein: boolean;
  readonly fileEnd: boolean;
  readonly recordBytesMax: number;
  readonly level: number;
}

/** What C++ says of a step; `batch` and what follows are absent while input is needed. */
export interface RawOutcome {
  readonly state: number;
  readonly batch?: RecordBatch;
  /** Whole records of the stream so far. */
  readonly records?: number;
  readonly fault?: number;
  readonly byte?: number;
  readonly offset?: number;
}

/** The scanner as C++ and the TypeScript form have it. */
export interface RawScanner {
  feed(bytes: Uint8Array): void;
  end(): void;
  next(recordsMax: number, basesMax: number): Promise<RawOutcome>;
  nextNow(recordsMax: number, basesMax: number): RawOutcome;
}
