/**
 * A second form of the scanner's grammar of four lines, for its tests: written apart from it, and
 * over a whole file in memory. Strict: four lines `@name`, sequence, `+` or `+name`, quality.
 * LF or CRLF; the file's last line end is optional; an empty sequence is legal. Sequence and
 * quality agree in length; qualities are `!`..`~`; bases are IUPAC letters in either case, U, gaps
 * and stops.
 */
import type { ErrorCode } from "../../../runtime/errors.ts";
import { RECORD_BYTES_MAX } from "../../../runtime/limits.ts";

const LF = 10;
const CR = 13;
const SPACE = 32;
const PLUS = 43;
const AT = 64;

/** 0 for a byte that may stand in a sequence, else 1. */
const NOT_A_BASE = notABase();

/** A record that breaks the grammar; `offset` counts from the start of the parsed text. */
class RecordFault extends Error {
  readonly code: ErrorCode;
  readonly offset: number;

  constructor(code: ErrorCode, what: string, offset: number) {
    super(what);
    this.code = code;
    this.offset = offset;
  }
}

/** Where the parts of a record lie in its text; line ends excluded. */
interface Lines {
  sequenceBegin: number;
  sequenceEnd: number;
  qualityBegin: number;
  /** Where the next record begins. */
  next: number;
}

/** Records as `name LF bases`, and what is wrong behind them. */
export function reference(text: Buffer): { records: string[]; error?: string } {
  const records: string[] = [];
  let at = 0;
  try {
    while (at < text.length && !isTail(text, at)) at = parseRecord(text, at, records);
    return { records };
  } catch (thrown) {
    if (!(thrown instanceof RecordFault)) throw thrown;
    const where = `record ${records.length + 1} byte ${thrown.offset}`;
    return { records, error: `${thrown.code} ${where}: ${thrown.message}` };
  }
}

function isTail(text: Buffer, begin: number): boolean {
  return (text[begin] === LF || text[begin] === CR) && isBlank(text, begin);
}

/** @returns where the next record begins. */
function parseRecord(text: Buffer, begin: number, records: string[]): number {
  if (text[begin] !== AT) throw new RecordFault("FASTQ_BAD_RECORD", badStart(text, begin), begin);
  const nameEnd = text.indexOf(LF, begin);
  const lines = nameEnd < 0 ? undefined : findLines(text, begin, nameEnd, true);
  if (lines === undefined) throw incomplete(text, begin);
  if (lines.next - begin > RECORD_BYTES_MAX) throw tooLong(begin);
  const { sequenceBegin, sequenceEnd, qualityBegin } = lines;
  checkQuality(text, begin, qualityBegin, sequenceEnd - sequenceBegin);
  checkSequence(text, sequenceBegin, sequenceEnd);
  const bases = text.toString("latin1", sequenceBegin, sequenceEnd);
  records.push(`${readName(text, begin + 1, nameEnd)}\n${bases}`);
  return lines.next;
}

/** Whether text[begin, end) holds line ends alone. */
function isBlank(text: Uint8Array, begin: number): boolean {
  for (let i = begin; i < text.length; i++) {
    if (text[i] !== LF && text[i] !== CR) return false;
  }
  return true;
}

/** The four lines, or undefined when the text ends inside them. */
function findLines(
  text: Buffer,
  begin: number,
  nameEnd: number,
  atEnd: boolean,
): Lines | undefined {
  const sequenceBegin = nameEnd + 1;
  const sequenceLf = text.indexOf(LF, sequenceBegin);
  if (sequenceLf < 0) return undefined;
  const carriage = sequenceLf > sequenceBegin && text[sequenceLf - 1] === CR ? 1 : 0;
  const sequenceEnd = sequenceLf - carriage;
  const plus = sequenceLf + 1;
  if (plus >= text.length) return undefined;
  if (text[plus] !== PLUS) {
    const what =
      "the third line doesn't begin with '+' (sequence and quality stand on one line each)";
    throw new RecordFault("FASTQ_BAD_RECORD", what, plus);
  }
  const plusEnd = text[plus + 1] === LF ? plus + 1 : text.indexOf(LF, plus);
  if (plusEnd < 0) return undefined;
  if (plusEnd > plus + 1) checkTitle(text, begin, nameEnd, plus, plusEnd);
  const qualityBegin = plusEnd + 1;
  const qualityEnd = qualityBegin + sequenceEnd - sequenceBegin;
  const next = findNext(text, begin, qualityBegin, qualityEnd, atEnd);
  return next === undefined ? undefined : { sequenceBegin, sequenceEnd, qualityBegin, next };
}

/** Where the record ends when its quality ends at `qualityEnd`, as the sequence's length says. */
function findNext(
  text: Buffer,
  begin: number,
  qualityBegin: number,
  qualityEnd: number,
  atEnd: boolean,
): number | undefined {
  if (qualityEnd > text.length) {
    const lf = text.indexOf(LF, qualityBegin);
    if (lf >= 0) throw lengthsDiffer(begin);
    return undefined;
  }
  if (qualityEnd === text.length) {
    // A read without bases still has its (empty) quality line: `@r LF LF + LF` at the end is whole.
    return atEnd ? qualityEnd : undefined;
  }
  if (text[qualityEnd] === LF) return qualityEnd + 1;
  if (text[qualityEnd] !== CR) throw lengthsDiffer(begin);
  if (qualityEnd + 1 === text.length) return atEnd ? qualityEnd + 1 : undefined;
  if (text[qualityEnd + 1] === LF) return qualityEnd + 2;
  throw lengthsDiffer(begin);
}

function checkTitle(
  text: Buffer,
  begin: number,
  nameEnd: number,
  plus: number,
  plusEnd: number,
): void {
  const title = text.subarray(plus + 1, text[plusEnd - 1] === CR ? plusEnd - 1 : plusEnd);
  if (title.length === 0) return;
  const name = text.subarray(begin + 1, text[nameEnd - 1] === CR ? nameEnd - 1 : nameEnd);
  if (title.equals(name)) return;
  const what = "the text after '+' isn't the read's name";
  throw new RecordFault("FASTQ_BAD_RECORD", what, plus);
}

function checkQuality(text: Buffer, begin: number, qualityBegin: number, length: number): void {
  let wrong = 0;
  const end = qualityBegin + length;
  // The sign bit of either difference is set when the byte is outside 33..126.
  for (let i = qualityBegin; i < end; i++) {
    const byte = text[i] as number;
    wrong |= (byte - 33) | (126 - byte);
  }
  if (wrong >= 0) return;
  const line = text.subarray(qualityBegin, end);
  if (line.includes(LF)) throw lengthsDiffer(begin);
  const index = line.findIndex((byte) => byte < 33 || byte > 126);
  const what = `quality character ${hex(line[index])} isn't one of '!' to '~'`;
  throw new RecordFault("FASTQ_BAD_RECORD", what, qualityBegin + index);
}

function checkSequence(text: Buffer, begin: number, end: number): void {
  const index = text.subarray(begin, end).findIndex((byte) => NOT_A_BASE[byte] !== 0);
  if (index < 0) return;
  const what = `sequence character ${hex(text[begin + index])} isn't a base or IUPAC code`;
  throw new RecordFault("FASTQ_BAD_RECORD", what, begin + index);
}

/** The name up to its first blank. */
function readName(text: Buffer, begin: number, lineEnd: number): string {
  let end = begin;
  let union = 0;
  for (; end < lineEnd; end++) {
    const byte = text[end] as number;
    if (byte <= SPACE) break;
    union |= byte;
  }
  return text.toString(union < 128 ? "latin1" : "utf8", begin, end);
}

function incomplete(text: Buffer, begin: number): RecordFault {
  if (text.length - begin > RECORD_BYTES_MAX) return tooLong(begin);
  return new RecordFault("FASTQ_TRUNCATED", "the record is cut off", begin);
}

function tooLong(begin: number): RecordFault {
  const what = `the record is longer than ${RECORD_BYTES_MAX} bytes`;
  return new RecordFault("FASTQ_LINE_TOO_LONG", what, begin);
}

function lengthsDiffer(begin: number): RecordFault {
  const what = "sequence and quality differ in length";
  return new RecordFault("FASTQ_LENGTHS_DIFFER", what, begin);
}

function badStart(text: Buffer, begin: number): string {
  const byte = text[begin];
  if (byte === LF || byte === CR) return "an empty line stands where a record should begin";
  return `the record begins with ${hex(byte)}, not with '@'`;
}

function hex(byte: number | undefined): string {
  return `0x${(byte ?? 0).toString(16).padStart(2, "0")}`;
}

function notABase(): Uint8Array {
  const table = new Uint8Array(256).fill(1);
  for (const base of "ACGTUNRYSWKMBDHVX.-*") {
    table[base.charCodeAt(0)] = 0;
    table[base.toLowerCase().charCodeAt(0)] = 0;
  }
  return table;
}
