/** What can be wrong with a record, as numbers that C++ and TypeScript share, and as text. */
import type { ErrorCode } from "../../runtime/errors.ts";

/** The numbers of `enum class Fault` in text/grammar.h. */
export const FAULT = {
  badStart: 1,
  noPlus: 2,
  titleDiffers: 3,
  qualityByte: 4,
  sequenceByte: 5,
  lengthsDiffer: 6,
  truncated: 7,
  cutOff: 8,
  tooLong: 9,
  emptyLine: 10,
} as const;

export type FaultNumber = (typeof FAULT)[keyof typeof FAULT];
export type Format = "fastq" | "wrapped-fastq" | "fasta";

/** A record that breaks its grammar. */
export interface RecordError {
  readonly code: ErrorCode;
  readonly message: string;
  /** Of the byte that is wrong, or of the record's first byte; counted from the stream's begin. */
  readonly byteOffset: number;
  /** Number of the record in the stream, from 1. */
  readonly record: number;
}

/** The code and text of a fault. @param byte - the one at fault, where one is. */
export function describeFault(
  fault: number,
  byte: number,
  format: Format,
  recordBytesMax: number,
): { readonly code: ErrorCode; readonly message: string } {
  const isFasta = format === "fasta";
  const bad: ErrorCode = isFasta ? "FASTA_BAD_RECORD" : "FASTQ_BAD_RECORD";
  switch (fault) {
    case FAULT.badStart:
      return { code: bad, message: badStart(byte, isFasta ? ">" : "@") };
    case FAULT.noPlus: {
      const message =
        "the third line doesn't begin with '+' (sequence and quality stand on one line each)";
      return { code: bad, message };
    }
    case FAULT.titleDiffers:
      return { code: bad, message: "the text after '+' isn't the read's name" };
    case FAULT.qualityByte:
      return { code: bad, message: `quality character ${hex(byte)} isn't one of '!' to '~'` };
    case FAULT.sequenceByte:
      return { code: bad, message: `sequence character ${hex(byte)} isn't a base or IUPAC code` };
    case FAULT.lengthsDiffer:
      return {
        code: "FASTQ_LENGTHS_DIFFER",
        message: "sequence and quality differ in length",
      };
    case FAULT.truncated:
      return { code: isFasta ? bad : "FASTQ_TRUNCATED", message: "the record is cut off" };
    case FAULT.cutOff:
      return { code: bad, message: "the record is cut off by the next one" };
    case FAULT.tooLong:
      return {
        code: "FASTQ_LINE_TOO_LONG",
        message: `the record is longer than ${recordBytesMax} bytes`,
      };
    case FAULT.emptyLine:
      return { code: bad, message: "an empty line stands inside a record" };
    default:
      throw new Error(`no such fault: ${fault}`);
  }
}

function badStart(byte: number, mark: string): string {
  if (byte === 10 || byte === 13) return "an empty line stands where a record should begin";
  return `the record begins with ${hex(byte)}, not with '${mark}'`;
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
