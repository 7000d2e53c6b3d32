/**
 * A sample in numbers. Summaries of its shards add up exactly, in any order and grouping: sums and
 * histograms, and samples that depend on what was counted alone.
 */
import { strict as assert } from "node:assert";
import {
  addKmerCounts,
  type KeyCounts,
  KmerTable,
  type KmerCounts,
  type Sequences,
  Sketch,
} from "../native/kmers.ts";
import {
  addQcCounts,
  QC_VERDICTS,
  QcCounter,
  type QcCounts,
  type QcOptions,
  type QcOutcome,
  type QcReads,
  type ReadSums,
} from "../native/qc.ts";
import type { RecordBatch } from "../native/records.ts";
import { ID_KEYS_MAX, READ_KEYS_MAX } from "./limits.ts";
import { addSeen, NOTHING_SEEN, type Seen, SeenCounter } from "./seen.ts";
import { addSketches } from "./spectrum.ts";
import { addReaderWarnings, NO_READER_WARNINGS, type ReaderWarnings } from "./warnings.ts";

/** What must be equal of summaries that are added: the same for all shards of a sample. */
export interface SummaryShape {
  readonly mates: 1 | 2;
  /**
   * Lengths of the spectrum's and of the sketch's k-mers, 1..31; 0: none is made. A spectrum costs
   * five times what all else does, and most of a summary's bytes.
   */
  readonly k: number;
  readonly sketchK: number;
  /** One of so many hashes is in the sketch. */
  readonly scaled: number;
}

/** k-mers as k-mer tools have them by default: spectra of 21, sketches of 31 and 1 in 1,000. */
export const SUMMARY_DEFAULTS = { k: 21, sketchK: 31, scaled: 1000 } as const;

export interface SampleSummary {
  readonly shape: SummaryShape;
  readonly counts: QcCounts;
  /** Reads as they came; of pairs, both mates are one. */
  readonly reads: Seen;
  /** Ids as they came, of mate 1. */
  readonly ids: Seen;
  /** k-mers and sketch of what was kept. */
  readonly kmers: KmerCounts;
  readonly sketch: KeyCounts;
  readonly warnings: ReaderWarnings;
}

const NO_SUMS: ReadSums = {
  reads: 0,
  bases: 0,
  cycles: new Float64Array(0),
  fiveMers: new Float64Array(1024),
  lengths: new Float64Array(0),
};

/** The summary of no reads, which adds nothing. */
export function emptySummary(shape: SummaryShape): SampleSummary {
  const keys = new BigUint64Array(0);
  const counts = new Float64Array(0);
  return {
    shape,
    counts: {
      before: [NO_SUMS, NO_SUMS],
      after: [NO_SUMS, NO_SUMS],
      filtered: new Float64Array(32),
      inserts: new Float64Array(513),
      sums: new Float64Array(12),
    },
    reads: NOTHING_SEEN,
    ids: NOTHING_SEEN,
    kmers: { keys, counts, halvings: 0, windows: 0 },
    sketch: { keys, counts },
    warnings: NO_READER_WARNINGS,
  };
}

/** The summary of both parts' reads. Associative, commutative, `emptySummary` its zero. */
export function addSummaries(one: SampleSummary, other: SampleSummary): SampleSummary {
  assert.deepEqual(one.shape, other.shape, "summaries of unlike shape");
  return {
    shape: one.shape,
    counts: addQcCounts(one.counts, other.counts),
    reads: addSeen(one.reads, other.reads, READ_KEYS_MAX),
    ids: addSeen(one.ids, other.ids, ID_KEYS_MAX),
    kmers: addKmerCounts(one.kmers, other.kmers),
    sketch: addSketches(one.sketch, other.sketch),
    warnings: addReaderWarnings(one.warnings, other.warnings),
  };
}

/** What QcCounter takes, and the names. */
export type SummaryReads = Pick<RecordBatch, "names" | "nameEnds" | "bases" | "qualities" | "ends">;

/** Quality control of one shard of a sample: what is kept, and its summary. One call at a time. */
export class SampleCounter {
  readonly #shape: SummaryShape;
  readonly #counter: QcCounter;
  readonly #reads = new SeenCounter(READ_KEYS_MAX);
  readonly #ids = new SeenCounter(ID_KEYS_MAX);
  readonly #kmers: KmerTable | undefined;
  readonly #sketch: Sketch | undefined;

  /** @param options - of `counterOptions`. */
  constructor(shape: SummaryShape, options: QcOptions) {
    this.#shape = shape;
    this.#counter = new QcCounter(options);
    this.#kmers = shape.k === 0 ? undefined : new KmerTable(shape.k);
    const { sketchK, scaled } = shape;
    this.#sketch = sketchK === 0 ? undefined : new Sketch(sketchK, scaled);
  }

  /** Trims, judges and counts single reads. */
  async add(reads: SummaryReads): Promise<Kept> {
    assert.equal(this.#shape.mates, 1, "single reads of a sample of pairs");
    this.#ids.addNames(reads.names, reads.nameEnds);
    this.#reads.addReads(reads);
    const outcome = await this.#counter.add(reads);
    const passed = passedOf([outcome]);
    const kept = keptOf(outcome, passed, reads.ends);
    await this.#count(kept);
    return { passed, mates: [kept] };
  }

  /** The same for pairs; a pair stays when both mates pass. */
  async addPairs(first: SummaryReads, second: SummaryReads): Promise<Kept> {
    assert.equal(this.#shape.mates, 2, "pairs of a sample of single reads");
    this.#ids.addNames(first.names, first.nameEnds);
    this.#reads.addReads(first, second);
    const outcomes = await this.#counter.addPairs(first, second);
    const passed = passedOf(outcomes);
    const ends = [first.ends, second.ends] as const;
    const mates = outcomes.map((outcome, i) =>
      keptOf(outcome, passed, i === 0 ? ends[0] : ends[1]),
    );
    for (const kept of mates) await this.#count(kept);
    return { passed, mates };
  }

  /** All that was counted so far; the consumer owns it. */
  summary(warnings: ReaderWarnings = NO_READER_WARNINGS): SampleSummary {
    const none = emptySummary(this.#shape);
    return {
      shape: this.#shape,
      counts: this.#counter.counts(),
      reads: this.#reads.seen(),
      ids: this.#ids.seen(),
      kmers: this.#kmers?.counts() ?? none.kmers,
      sketch: this.#sketch?.hashes() ?? none.sketch,
      warnings,
    };
  }

  async #count(kept: Sequences): Promise<void> {
    await this.#kmers?.add(kept);
    await this.#sketch?.add(kept);
  }
}

/** Reads that passed, trimmed; of pairs, both mates' in the same order. */
export interface Kept {
  /** Places in the batch, rising; int32 [n]. */
  readonly passed: Int32Array;
  /** n reads each, back to back; qualities have the offset 33. */
  readonly mates: readonly QcReads[];
}

function passedOf(outcomes: readonly QcOutcome[]): Int32Array {
  const reads = outcomes[0]?.verdicts.length ?? 0;
  const places = new Int32Array(reads);
  let n = 0;
  for (let i = 0; i < reads; i++) {
    if (outcomes.every(({ verdicts }) => verdicts[i] === QC_VERDICTS.passed)) places[n++] = i;
  }
  return places.slice(0, n);
}

function keptOf(outcome: QcOutcome, passed: Int32Array, given: Int32Array): QcReads {
  const { begins, lengths, bases: all } = outcome;
  // Where nothing is cut or left out, nothing is copied.
  const kept = lengths.reduce((sum, length) => sum + length, 0);
  if (passed.length === lengths.length && kept === all.length) {
    return { bases: all, qualities: outcome.qualities, ends: given };
  }
  const ends = new Int32Array(passed.length + 1);
  for (const [at, i] of passed.entries()) ends[at + 1] = (ends[at] ?? 0) + (lengths[i] ?? 0);
  const bases = new Uint8Array(ends.at(-1) ?? 0);
  const qualities = new Uint8Array(bases.length);
  for (const [at, i] of passed.entries()) {
    const [begin, n] = [begins[i] ?? 0, lengths[i] ?? 0];
    bases.set(outcome.bases.subarray(begin, begin + n), ends[at] ?? 0);
    qualities.set(outcome.qualities.subarray(begin, begin + n), ends[at] ?? 0);
  }
  return { bases, qualities, ends };
}
