/**
 * Where records begin in a text that is entered in its middle: to cut a file, and to find the next
 * record behind a bad one.
 *
 * In a valid FASTQ file of four lines no other place passes for a record: a line that begins with
 * `@` is a name or a quality; the second line after a quality is a sequence, and no sequence begins
 * with `+`. In FASTA a line that begins with `>` is a name.
 */
import type { Format } from "../native/faults.ts";

const LF = 10;
const CR = 13;
const PLUS = 43;
const AT = 64;
const GREATER = 62;
/** Records that must follow each other at a place before it is taken for a record start. */
const RECORDS_VERIFIED = 4;

/** More text is needed to tell. */
export const INCOMPLETE = -1;
/** No record begins here. */
const NO_RECORD = -2;

/**
 * Offset of the first line behind another one at which records begin.
 * @returns undefined: none does; INCOMPLETE: more text is needed.
 */
export function lookForRecord(text: Buffer, atEnd: boolean, format: Format): number | undefined {
  for (let lf = text.indexOf(LF); lf >= 0 && lf + 1 < text.length; lf = text.indexOf(LF, lf + 1)) {
    if (format === "fasta") {
      if (text[lf + 1] === GREATER) return lf + 1;
      continue;
    }
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

/**
 * Where a record of four lines that keeps the grammar, its bases aside, and begins at `begin` ends;
 * INCOMPLETE when the text ends too early to tell, else NO_RECORD.
 */
function recordEnd(text: Buffer, begin: number, atEnd: boolean): number {
  if (text[begin] !== AT) return NO_RECORD;
  const cut = atEnd ? NO_RECORD : INCOMPLETE;
  const nameEnd = text.indexOf(LF, begin);
  const sequenceLf = nameEnd < 0 ? -1 : text.indexOf(LF, nameEnd + 1);
  const plus = sequenceLf + 1;
  if (sequenceLf < 0 || plus >= text.length) return cut;
  if (text[plus] !== PLUS) return NO_RECORD;
  const plusEnd = text.indexOf(LF, plus);
  if (plusEnd < 0) return cut;
  if (!isTitle(text, begin, nameEnd, plus, plusEnd)) return NO_RECORD;
  const length = withoutCarriage(text, nameEnd + 1, sequenceLf) - (nameEnd + 1);
  const end = qualityEnd(text, plusEnd + 1, length, atEnd);
  return end === INCOMPLETE ? cut : end;
}

/** Whether the text after `+` is the name, or none. */
function isTitle(
  text: Buffer,
  begin: number,
  nameEnd: number,
  plus: number,
  plusEnd: number,
): boolean {
  const title = text.subarray(plus + 1, withoutCarriage(text, plus + 1, plusEnd));
  if (title.length === 0) return true;
  return title.equals(text.subarray(begin + 1, withoutCarriage(text, begin + 1, nameEnd)));
}

/** Behind a quality of so many characters and its line end. */
function qualityEnd(text: Buffer, begin: number, length: number, atEnd: boolean): number {
  const end = begin + length;
  if (end > text.length) return text.indexOf(LF, begin) >= 0 ? NO_RECORD : INCOMPLETE;
  for (let i = begin; i < end; i++) {
    const byte = text[i] as number;
    if (byte < 33 || byte > 126) return NO_RECORD;
  }
  if (end === text.length) return atEnd ? end : INCOMPLETE;
  if (text[end] === LF) return end + 1;
  if (text[end] !== CR) return NO_RECORD;
  if (end + 1 === text.length) return atEnd ? end + 1 : INCOMPLETE;
  return text[end + 1] === LF ? end + 2 : NO_RECORD;
}

function withoutCarriage(text: Buffer, begin: number, end: number): number {
  return end > begin && text[end - 1] === CR ? end - 1 : end;
}

/**
 * Whether a record begins at this line, sound or not. Of four lines: it begins with `@`, and the
 * line two below with `+`; of several: with `@`, then lines of letters up to one with `+`. The
 * stream's end counts as a begin; INCOMPLETE when the text ends too early to tell.
 */
export function beginsRecord(
  text: Buffer,
  begin: number,
  atEnd: boolean,
  format: Format,
): boolean | typeof INCOMPLETE {
  const cut = atEnd ? false : INCOMPLETE;
  if (begin >= text.length) return atEnd || INCOMPLETE;
  if (format === "fasta") return text[begin] === GREATER;
  if (text[begin] !== AT) return false;
  const nameEnd = text.indexOf(LF, begin);
  if (nameEnd < 0) return cut;
  for (let line = nameEnd + 1; ; ) {
    const lf = text.indexOf(LF, line);
    if (lf < 0 || lf + 1 >= text.length) return cut;
    if (format === "wrapped-fastq" && !isLetters(text, line, lf)) return false;
    line = lf + 1;
    if (text[line] === PLUS) return true;
    if (format === "fastq") return false;
  }
}

/** Whether a line may be one of a sequence. */
function isLetters(text: Buffer, begin: number, end: number): boolean {
  const line = text.toString("latin1", begin, withoutCarriage(text, begin, end));
  return /^[A-Za-z.*-]*$/.test(line);
}

/** Whether text[begin, end) holds line ends alone. */
export function isBlank(text: Uint8Array, begin = 0): boolean {
  for (let i = begin; i < text.length; i++) {
    if (text[i] !== LF && text[i] !== CR) return false;
  }
  return true;
}
