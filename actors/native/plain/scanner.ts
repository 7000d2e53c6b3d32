/**
 * The scanner in TypeScript: text/scanner.cpp, where no addon is. Its window grows only for a
 * record longer than a piece.
 *
 * Invariant: 0 <= begin <= end <= window.length; window[begin, end) is what was fed and not parsed.
 */
import { FAULT } from "../faults.ts";
import { type RawOutcome, type RawScanner, type RawScanOptions, STATES } from "../records.ts";
import { Collector } from "./collector.ts";
import { type Faulty, Grammar, isBlank } from "./grammar.ts";

const LF = 10;
const CR = 13;

export class PlainScanner implements RawScanner {
  readonly #options: RawScanOptions;
  readonly #grammar: Grammar;
  #collector = new Collector(0);
  #window = Buffer.alloc(0);
  #begin = 0;
  #end = 0;
  #atEnd = false;
  #bytes = 0;
  #records = 0;
  #fault: Faulty | undefined;

  constructor(options: RawScanOptions) {
    this.#options = options;
    this.#grammar = new Grammar(options);
  }

  feed(bytes: Uint8Array): void {
    const rest = this.#window.subarray(this.#begin, this.#end);
    const needed = rest.length + bytes.length;
    const fits = needed <= this.#window.length;
    const target = fits ? this.#window : Buffer.allocUnsafe(Math.max(needed, 2 * rest.length));
    rest.copy(target);
    target.set(bytes, rest.length);
    this.#window = target;
    this.#begin = 0;
    this.#end = needed;
  }

  end(): void {
    this.#atEnd = true;
  }

  async next(recordsMax: number, basesMax: number): Promise<RawOutcome> {
    return this.nextNow(recordsMax, basesMax);
  }

  nextNow(recordsMax: number, basesMax: number): RawOutcome {
    const state = this.#run(recordsMax, basesMax);
    if (state === STATES.needsInput) return { state };
    const batch = this.#collector.take();
    this.#collector = new Collector(this.#bytes);
    const outcome = { state, batch, records: this.#records };
    if (this.#fault === undefined || state !== STATES.fault) return outcome;
    const { fault, byte, at } = this.#fault;
    return { ...outcome, fault, byte, offset: this.#bytes + at - this.#begin };
  }

  #run(recordsMax: number, basesMax: number): number {
    if (this.#fault !== undefined) return STATES.fault;
    while (this.#collector.records < recordsMax && this.#collector.bases < basesMax) {
      if (this.#begin === this.#end || this.#onlyBlank()) {
        return this.#atEnd ? STATES.ended : STATES.needsInput;
      }
      if (!this.#step()) return this.#fault === undefined ? STATES.needsInput : STATES.fault;
    }
    return STATES.full;
  }

  /** Parses one record; false when none came out. */
  #step(): boolean {
    const text = this.#window.subarray(0, this.#end);
    const atEnd = this.#atEnd && this.#options.fileEnd;
    const parsed = this.#grammar.parse(text, this.#begin, atEnd, this.#collector);
    if (parsed.kind === "fault") this.#fault = parsed;
    if (parsed.kind === "incomplete" && this.#atEnd) {
      this.#fault = { kind: "fault", at: this.#begin, fault: FAULT.cutOff, byte: 0 };
    }
    if (parsed.kind !== "record") return false;
    this.#bytes += parsed.at - this.#begin;
    this.#begin = parsed.at;
    this.#records += 1;
    this.#collector.endRecord(this.#bytes);
    return true;
  }

  #onlyBlank(): boolean {
    const first = this.#window[this.#begin];
    if (!this.#options.fileEnd || (first !== LF && first !== CR)) return false;
    const rest = this.#end - this.#begin;
    return (
      rest <= this.#options.recordBytesMax &&
      isBlank(this.#window.subarray(0, this.#end), this.#begin)
    );
  }
}
