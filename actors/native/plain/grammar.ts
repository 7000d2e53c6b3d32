/**
 * The grammar of one record in TypeScript: text/grammar.cpp and text/wrapped.cpp, where no addon
 * is. LF or CRLF; the file's last line end is optional; empty sequences are legal.
 */
import { FAULT, type FaultNumber } from "../faults.ts";
import { RECORD_FLAGS, type RawScanOptions } from "../records.ts";
import type { Collector } from "./collector.ts";
import { parseFasta, parseWrapped } from "./wrapped.ts";

export const LF = 10;
export const CR = 13;
const PLUS = 43;
const AT = 64;

/** How a parse ended; `at`: the next record, or the place that is wrong. */
export type Parsed = { readonly kind: "record" | "incomplete"; readonly at: number } | Faulty;

export interface Faulty {
  readonly kind: "fault";
  readonly at: number;
  readonly fault: FaultNumber;
  /** The one at fault, where one is; else 0. */
  readonly byte: number;
}

/** A parse under way. `begin` is the record's offset in `text`; `atEnd`: the file ends with it. */
export interface Place {
  readonly text: Buffer;
  readonly begin: number;
  readonly atEnd: boolean;
  readonly collector: Collector;
}

export class Grammar {
  readonly options: RawScanOptions;
  readonly #valid: Uint8Array;

  constructor(options: RawScanOptions) {
    this.options = options;
    this.#valid = options.protein ? RESIDUES : NUCLEOTIDES;
  }

  /** Parses the record at `begin`; what isn't a record leaves the collector as it was. */
  parse(text: Buffer, begin: number, atEnd: boolean, collector: Collector): Parsed {
    const place = { text, begin, atEnd, collector };
    if (this.options.format === 1) return parseWrapped(this, place);
    return this.options.format === 2 ? parseFasta(this, place) : this.#parseFourLines(place);
  }

  /** What a record that the text cuts off comes to. */
  incomplete({ text, begin, atEnd }: Place): Parsed {
    if (text.length - begin > this.options.recordBytesMax) return fault(FAULT.tooLong, begin);
    return atEnd ? fault(FAULT.truncated, begin) : { kind: "incomplete", at: begin };
  }

  /** The first place in text[begin, end) that is no base, or `end`. */
  wrongBase(text: Buffer, begin: number, end: number): number {
    const valid = this.#valid;
    for (let i = begin; i < end; i++) {
      if (valid[text[i] as number] === 0) return i;
    }
    return end;
  }

  #parseFourLines(place: Place): Parsed {
    const { text, begin, collector } = place;
    const first = text[begin] as number;
    if (first !== AT) return fault(FAULT.badStart, begin, first);
    const lines = findLines(place);
    if (lines === undefined) return this.incomplete(place);
    if ("fault" in lines) return lines;
    const { nameLf, sequenceBegin, sequenceEnd, qualityBegin, next } = lines;
    if (next - begin > this.options.recordBytesMax) return fault(FAULT.tooLong, begin);
    const qualityEnd = qualityBegin + sequenceEnd - sequenceBegin;
    const wrong = wrongQuality(text, qualityBegin, qualityEnd);
    if (wrong < qualityEnd) {
      const isShort = text.subarray(wrong, qualityEnd).includes(LF);
      if (isShort) return fault(FAULT.lengthsDiffer, begin);
      return fault(FAULT.qualityByte, wrong, text[wrong]);
    }
    const strange = this.wrongBase(text, sequenceBegin, sequenceEnd);
    if (strange < sequenceEnd) return fault(FAULT.sequenceByte, strange, text[strange]);
    collector.addBases(text.subarray(sequenceBegin, sequenceEnd));
    collector.addQualities(text.subarray(qualityBegin, qualityEnd));
    const hasCarriage = text[sequenceEnd] === CR;
    collector.add(nameAt(text, begin + 1, nameLf), hasCarriage ? RECORD_FLAGS.carriageReturns : 0);
    return { kind: "record", at: next };
  }
}

export function fault(number: FaultNumber, at: number, byte = 0): Faulty {
  return { kind: "fault", at, fault: number, byte };
}

/** Whether text from `begin` on holds line ends alone. */
export function isBlank(text: Uint8Array, begin: number): boolean {
  for (let i = begin; i < text.length; i++) {
    if (text[i] !== LF && text[i] !== CR) return false;
  }
  return true;
}

/** The next LF at or after `begin`, or the text's length. */
export function findLf(text: Buffer, begin: number): number {
  const at = text.indexOf(LF, begin);
  return at < 0 ? text.length : at;
}

/** The end of the line [begin, lf) without the CR before its LF. */
export function withoutCarriage(text: Buffer, begin: number, lf: number): number {
  return lf > begin && text[lf - 1] === CR ? lf - 1 : lf;
}

/** The name up to its first blank. */
export function nameAt(text: Buffer, begin: number, lineEnd: number): Buffer {
  let end = begin;
  while (end < lineEnd && (text[end] as number) > 32) end++;
  return text.subarray(begin, end);
}

/** The first place in text[begin, end) that is no quality, or `end`. */
export function wrongQuality(text: Buffer, begin: number, end: number): number {
  for (let i = begin; i < end; i++) {
    const byte = text[i] as number;
    if (byte < 33 || byte > 126) return i;
  }
  return end;
}

/** Whether the text after `+` at `plus` is the name or nothing. */
export function isTitle(text: Buffer, begin: number, nameLf: number, plus: number, plusLf: number) {
  const title = text.subarray(plus + 1, withoutCarriage(text, plus + 1, plusLf));
  if (title.length === 0) return true;
  return title.equals(text.subarray(begin + 1, withoutCarriage(text, begin + 1, nameLf)));
}

interface Lines {
  readonly nameLf: number;
  readonly sequenceBegin: number;
  readonly sequenceEnd: number;
  readonly qualityBegin: number;
  readonly next: number;
}

/** The four lines; undefined when the text ends inside them. */
function findLines(place: Place): Lines | Faulty | undefined {
  const { text, begin } = place;
  const nameLf = findLf(text, begin);
  if (nameLf === text.length) return undefined;
  const sequenceBegin = nameLf + 1;
  const sequenceLf = findLf(text, sequenceBegin);
  if (sequenceLf === text.length) return undefined;
  const sequenceEnd = withoutCarriage(text, sequenceBegin, sequenceLf);
  const plus = sequenceLf + 1;
  if (plus >= text.length) return undefined;
  if (text[plus] !== PLUS) return fault(FAULT.noPlus, plus);
  const plusLf = findLf(text, plus);
  if (plusLf === text.length) return undefined;
  if (!isTitle(text, begin, nameLf, plus, plusLf)) return fault(FAULT.titleDiffers, plus);
  const qualityBegin = plusLf + 1;
  const next = findNext(place, qualityBegin, qualityBegin + sequenceEnd - sequenceBegin);
  if (next === undefined) return undefined;
  if (next < 0) return fault(FAULT.lengthsDiffer, begin);
  return { nameLf, sequenceBegin, sequenceEnd, qualityBegin, next };
}

/** Where the record ends when its quality ends at `end`; -1: it can't; undefined: text lacks. */
function findNext({ text, atEnd }: Place, qualityBegin: number, end: number): number | undefined {
  if (end > text.length) return findLf(text, qualityBegin) < text.length ? -1 : undefined;
  if (end === text.length) return atEnd ? end : undefined;
  if (text[end] === LF) return end + 1;
  if (text[end] !== CR) return -1;
  if (end + 1 === text.length) return atEnd ? end + 1 : undefined;
  return text[end + 1] === LF ? end + 2 : -1;
}

/** 1 for each byte that may stand in a sequence. */
function validBytes(letters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const letter of letters) {
    table[letter.charCodeAt(0)] = 1;
    table[letter.toLowerCase().charCodeAt(0)] = 1;
  }
  return table;
}

const NUCLEOTIDES = validBytes("ACGTUNRYSWKMBDHVX.-*");
const RESIDUES = validBytes("ABCDEFGHIJKLMNOPQRSTUVWXYZ.-*");
