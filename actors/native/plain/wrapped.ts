/**
 * FASTQ whose sequence and quality go over several lines, and FASTA, in TypeScript. A wrapped
 * quality ends where it has as many characters as the sequence.
 */
import { FAULT } from "../faults.ts";
import { RECORD_FLAGS } from "../records.ts";
import {
  fault,
  findLf,
  type Grammar,
  isTitle,
  LF,
  nameAt,
  type Parsed,
  type Place,
  withoutCarriage,
  wrongQuality,
} from "./grammar.ts";

const PLUS = 43;
const AT = 64;
const GREATER = 62;

export function parseWrapped(grammar: Grammar, place: Place): Parsed {
  return run(grammar, place, AT, (reader) => reader.readWrapped());
}

export function parseFasta(grammar: Grammar, place: Place): Parsed {
  return run(grammar, place, GREATER, (reader) => reader.readFasta());
}

/** Runs a reader; the collector keeps what it added only when a record came out. */
function run(
  grammar: Grammar,
  place: Place,
  mark: number,
  read: (reader: Reader) => Parsed,
): Parsed {
  const { text, begin, collector } = place;
  const first = text[begin] as number;
  if (first !== mark) return fault(FAULT.badStart, begin, first);
  const { bases, qualities } = collector;
  const parsed = read(new Reader(grammar, place));
  if (parsed.kind === "record") return parsed;
  collector.cutTo(bases, qualities);
  return parsed.kind === "fault" ? parsed : grammar.incomplete(place);
}

/** A parse under way: where it is, and what it found out on the way. */
class Reader {
  readonly #grammar: Grammar;
  readonly #place: Place;
  readonly #cut: Parsed;
  #at: number;
  #flags = 0;
  #lines = 0;

  constructor(grammar: Grammar, place: Place) {
    this.#grammar = grammar;
    this.#place = place;
    this.#at = place.begin;
    this.#cut = { kind: "incomplete", at: place.begin };
  }

  readWrapped(): Parsed {
    const { text, begin, collector } = this.#place;
    const nameLf = findLf(text, begin);
    if (nameLf === text.length) return this.#cut;
    this.#takeLine();
    const before = collector.bases;
    const sequence = this.#readSequence(PLUS, false);
    if (sequence.kind !== "record") return sequence;
    const plus = this.#readPlus(nameLf);
    if (plus.kind !== "record") return plus;
    const quality = this.#readQuality(collector.bases - before);
    return quality.kind === "record" ? this.#finish(nameLf) : quality;
  }

  readFasta(): Parsed {
    const { text, begin, atEnd } = this.#place;
    const nameLf = findLf(text, begin);
    if (nameLf === text.length && !atEnd) return this.#cut;
    this.#takeLine();
    const sequence = this.#readSequence(GREATER, true);
    if (sequence.kind !== "record") return sequence;
    if (this.#lines > 1) this.#flags |= RECORD_FLAGS.wrappedLines;
    return this.#finish(nameLf);
  }

  #finish(nameLf: number): Parsed {
    const { text, begin, collector } = this.#place;
    const isTooLong = this.#at - begin > this.#grammar.options.recordBytesMax;
    if (isTooLong) return fault(FAULT.tooLong, begin);
    collector.add(nameAt(text, begin + 1, nameLf), this.#flags);
    return { kind: "record", at: this.#at };
  }

  /** The line at #at without its end; undefined when the text ends in it and more may follow. */
  #takeLine(): { readonly begin: number; readonly end: number } | undefined {
    const { text, atEnd } = this.#place;
    const begin = this.#at;
    const lf = findLf(text, begin);
    if (lf === text.length && !atEnd) return undefined;
    const end = withoutCarriage(text, begin, lf);
    if (end < lf && lf < text.length) this.#flags |= RECORD_FLAGS.carriageReturns;
    this.#at = lf < text.length ? lf + 1 : lf;
    return { begin, end };
  }

  /** The lines up to the one that begins with `mark`, or up to the end where that is legal. */
  #readSequence(mark: number, endIsLegal: boolean): Parsed {
    const { text, atEnd, collector } = this.#place;
    let emptyAt = -1;
    for (;;) {
      if (this.#at === text.length) {
        return atEnd && endIsLegal ? { kind: "record", at: this.#at } : this.#cut;
      }
      if (text[this.#at] === mark) return { kind: "record", at: this.#at };
      const line = this.#takeLine();
      if (line === undefined) return this.#cut;
      const { begin, end } = line;
      if (begin === end) {
        // Where a record may end, empty lines may stand behind it; else one is an empty sequence.
        const isSecond = emptyAt >= 0 || this.#lines > 0;
        if (!endIsLegal && isSecond) return fault(FAULT.emptyLine, begin);
        if (emptyAt < 0) emptyAt = begin;
        continue;
      }
      if (emptyAt >= 0) return fault(FAULT.emptyLine, emptyAt);
      const wrong = this.#grammar.wrongBase(text, begin, end);
      if (wrong < end) return fault(FAULT.sequenceByte, wrong, text[wrong]);
      collector.addBases(text.subarray(begin, end));
      this.#lines += 1;
    }
  }

  #readPlus(nameLf: number): Parsed {
    const { text, begin } = this.#place;
    const plus = this.#at;
    if (this.#takeLine() === undefined) return this.#cut;
    // A last line without its end stops where the text does.
    const lf = text[this.#at - 1] === LF ? this.#at - 1 : this.#at;
    if (!isTitle(text, begin, nameLf, plus, lf)) return fault(FAULT.titleDiffers, plus);
    return { kind: "record", at: this.#at };
  }

  /** Lines until there are `length` quality characters; after none at all, one empty line. */
  #readQuality(length: number): Parsed {
    const { text, begin, atEnd, collector } = this.#place;
    let taken = 0;
    let lines = 0;
    for (;;) {
      const isDone = taken === length && (length > 0 || lines > 0);
      if (isDone) break;
      if (this.#at === text.length) {
        return atEnd && length === 0 ? { kind: "record", at: this.#at } : this.#cut;
      }
      const before = this.#at;
      const line = this.#takeLine();
      if (line === undefined) return this.#cut;
      lines += 1;
      if (length === 0) {
        // A read without bases may lack its quality line: this is the next name then.
        if (line.end > line.begin) this.#at = before;
        break;
      }
      taken += line.end - line.begin;
      if (taken > length) return fault(FAULT.lengthsDiffer, begin);
      const wrong = wrongQuality(text, line.begin, line.end);
      if (wrong < line.end) return fault(FAULT.qualityByte, wrong, text[wrong]);
      collector.addQualities(text.subarray(line.begin, line.end));
    }
    if (this.#lines > 1 || lines > 1) this.#flags |= RECORD_FLAGS.wrappedLines;
    return { kind: "record", at: this.#at };
  }
}
