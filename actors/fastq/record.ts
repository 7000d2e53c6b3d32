/**
 * The grammar of one FASTQ record, strict: four lines `@name`, sequence, `+` or `+name`, quality.
 * LF or CRLF; the file's last line end is optional; an empty sequence is legal. Sequence and
 * quality agree in length; qualities are `!`..`~`; bases are IUPAC letters in either case, U, gaps
 * and stops.
 *
 * The hot loop: two newline searches a record (name, sequence); the other two line ends follow from
 * the sequence's length, so that a quality line is looked at once, while it is validated.
 */
import type { ErrorCode } from "../../runtime/errors.ts";
import { RECORD_BYTES_MAX } from "../../runtime/limits.ts";
import type { BatchBuilder } from "./batch.ts";

const LF = 10;
const CR = 13;
const SPACE = 32;
const PLUS = 43;
const AT = 64;

/** 0 for a byte that may stand in a sequence, else 1. */
const NOT_A_BASE = notABase();

/** The text ends inside the record; more of it may follow. */
export const INCOMPLETE = -1;
/** No record begins here. */
export const NO_RECORD = -2;

/** A record that breaks the grammar; `offset` counts from the start of the parsed text. */
export class RecordFault extends Error {
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

/**
 * Where the record at `begin` ends, and the record itself in `builder`.
 *
 * @param text - nothing after its end is looked at. 0 <= begin < text.length.
 * @param atEnd - the file ends with this text.
 * @returns the next record's offset, or INCOMPLETE, with `builder` unchanged.
 * @throws {RecordFault} at the record's first byte, or at the byte that is wrong.
 */
export function parseRecord(
  text: Buffer,
  begin: number,
  atEnd: boolean,
  builder: BatchBuilder,
): number {
  if (text[begin] !== AT) throw new RecordFault("FASTQ_BAD_RECORD", badStart(text, begin), begin);
  const nameEnd = text.indexOf(LF, begin);
  const lines = nameEnd < 0 ? undefined : findLines(text, begin, nameEnd, atEnd);
  if (lines === undefined) return incomplete(text, begin, atEnd);
  if (lines.next - begin > RECORD_BYTES_MAX) throw tooLong(begin);
  const { sequenceBegin, sequenceEnd, qualityBegin } = lines;
  checkQuality(text, begin, qualityBegin, sequenceEnd - sequenceBegin);
  copySequence(text, sequenceBegin, sequenceEnd, builder);
  builder.push(readName(text, begin + 1, nameEnd), sequenceEnd - sequenceBegin);
  return lines.next;
}

/**
 * Where a record that keeps the grammar, its bases aside, and begins at `begin` ends. In a valid
 * file no other place passes for a record: a line that begins with `@` is a name or a quality; the
 * second line after a quality is a sequence, and no sequence begins with `+`.
 *
 * @returns the next record's offset, INCOMPLETE when the text ends too early to tell, else
 * NO_RECORD.
 */
export function recordEnd(text: Buffer, begin: number, atEnd: boolean): number {
  if (text[begin] !== AT) return NO_RECORD;
  const cut = atEnd ? NO_RECORD : INCOMPLETE;
  const nameEnd = text.indexOf(LF, begin);
  if (nameEnd < 0) return cut;
  try {
    const lines = findLines(text, begin, nameEnd, atEnd);
    if (lines === undefined) return cut;
    checkQuality(text, begin, lines.qualityBegin, lines.sequenceEnd - lines.sequenceBegin);
    return lines.next;
  } catch (thrown) {
    if (thrown instanceof RecordFault) return NO_RECORD;
    throw thrown;
  }
}

/**
 * Whether a record begins at this line, sound or not: it begins with `@`, and the line two below
 * with `+`. The stream's end counts as a begin; INCOMPLETE when the text ends too early to tell.
 */
export function beginsRecord(
  text: Buffer,
  begin: number,
  atEnd: boolean,
): boolean | typeof INCOMPLETE {
  const cut = atEnd ? false : INCOMPLETE;
  if (begin >= text.length) return atEnd || INCOMPLETE;
  if (text[begin] !== AT) return false;
  const nameEnd = text.indexOf(LF, begin);
  const sequenceEnd = nameEnd < 0 ? -1 : text.indexOf(LF, nameEnd + 1);
  if (sequenceEnd < 0 || sequenceEnd + 1 >= text.length) return cut;
  return text[sequenceEnd + 1] === PLUS;
}

/** Whether text[begin, end) holds line ends alone. */
export function isBlank(text: Uint8Array, begin: number): boolean {
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

function copySequence(text: Buffer, begin: number, end: number, builder: BatchBuilder): void {
  const bases = builder.room(end - begin);
  const shift = builder.used - begin;
  let wrong = 0;
  for (let i = begin; i < end; i++) {
    const byte = text[i] as number;
    wrong |= NOT_A_BASE[byte] as number;
    bases[i + shift] = byte;
  }
  if (wrong === 0) return;
  const index = text.subarray(begin, end).findIndex((byte) => NOT_A_BASE[byte] !== 0);
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

function incomplete(text: Buffer, begin: number, atEnd: boolean): typeof INCOMPLETE {
  if (text.length - begin > RECORD_BYTES_MAX) throw tooLong(begin);
  if (atEnd) throw new RecordFault("FASTQ_TRUNCATED", "the record is cut off", begin);
  return INCOMPLETE;
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
