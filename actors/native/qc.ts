/**
 * Quality control with the rules and defaults of fastp 0.23.2: trims, judges and counts reads,
 * single or in pairs. What is counted are sums, so that counts of shards add up exactly.
 *
 * One difference is meant: fastp forgets to count what it trims by a table of adapters.
 */
import { QC_ADAPTERS_MAX, QC_CYCLES_MAX } from "../limits.ts";
import { LEVELS, type Level, nativeStatus } from "./addon.ts";
import { checkBytes, checkCount, checkEnds } from "./checks.ts";
import { PlainQcCounter } from "./plain/qc-counter.ts";

/** A sliding window of fastp: its width in bases, and the mean quality it must have. */
export interface QcWindow {
  readonly window: number;
  readonly mean: number;
}

/** Options; names after fastp's, 0 turns a bound off where nothing else is said. */
export interface QcOptions {
  readonly qualityFilter: boolean;
  /** A base is qualified from this quality on. */
  readonly qualifiedPhred: number;
  /** Most bases that may be unqualified, percent. */
  readonly unqualifiedPercent: number;
  readonly averageQuality: number;
  /** Most bases that may be N. */
  readonly unknownLimit: number;
  readonly lengthFilter: boolean;
  readonly lengthRequired: number;
  readonly lengthLimit: number;
  /** Least share of bases that differ from the next, percent. */
  readonly complexity: number;
  /** Windows from the front, from the tail, and to the right; window 0: off. */
  readonly cutFront: QcWindow;
  readonly cutTail: QcWindow;
  readonly cutRight: QcWindow;
  /** Bases cut off, and most bases kept, of mates 1 and 2. */
  readonly trimFront: readonly [number, number];
  readonly trimTail: readonly [number, number];
  readonly maxLength: readonly [number, number];
  /** Shortest tail that is trimmed. */
  readonly polyG: number;
  readonly polyX: number;
  /** Whether adapters are trimmed: by overlap of mates, then by sequence. */
  readonly adapters: boolean;
  /** Of mates 1 and 2; empty: none. */
  readonly adapter: readonly [string, string];
  readonly adapterTable: readonly string[];
  /** Whether poor bases of overlapping mates are corrected. */
  readonly correction: boolean;
  readonly overlapRequired: number;
  readonly overlapDifferenceLimit: number;
  readonly overlapDifferencePercent: number;
  readonly phred64: boolean;
  /** Positions with a row of their own; those behind share one. */
  readonly cyclesMax: number;
}

const OFF: QcWindow = { window: 0, mean: 20 };

/** What fastp does when it is given nothing but files, detection of adapters and poly-G aside. */
export const QC_DEFAULTS: QcOptions = {
  qualityFilter: true,
  qualifiedPhred: 15,
  unqualifiedPercent: 40,
  averageQuality: 0,
  unknownLimit: 5,
  lengthFilter: true,
  lengthRequired: 15,
  lengthLimit: 0,
  complexity: 0,
  cutFront: OFF,
  cutTail: OFF,
  cutRight: OFF,
  trimFront: [0, 0],
  trimTail: [0, 0],
  maxLength: [0, 0],
  polyG: 0,
  polyX: 0,
  adapters: true,
  adapter: ["", ""],
  adapterTable: [],
  correction: false,
  overlapRequired: 30,
  overlapDifferenceLimit: 5,
  overlapDifferencePercent: 20,
  phred64: false,
  cyclesMax: QC_CYCLES_MAX,
};

/** Why a read stays or goes: fastp's numbers. Of two mates the larger counts. */
export const QC_VERDICTS = {
  passed: 0,
  tooManyN: 12,
  tooShort: 16,
  tooLong: 17,
  lowQuality: 20,
  lowComplexity: 24,
} as const;

/** Reads that QC takes: of a RecordBatch, these three arrays. */
export interface QcReads {
  readonly bases: Uint8Array;
  readonly qualities: Uint8Array;
  readonly ends: Int32Array;
}

/** What became of n reads; the consumer owns it. */
export interface QcOutcome {
  /** Numbers of QC_VERDICTS, each read's own; a pair stays when both are `passed`; uint8 [n]. */
  readonly verdicts: Uint8Array;
  /** Read i keeps bases[begins[i], begins[i] + lengths[i]); int32 [n]. */
  readonly begins: Int32Array;
  readonly lengths: Int32Array;
  /** As they came, but for corrected bases and for qualities, whose offset is 33 now. */
  readonly bases: Uint8Array;
  readonly qualities: Uint8Array;
}

/** Sums over reads; float64, exact to 2^53. */
export interface ReadSums {
  readonly reads: number;
  readonly bases: number;
  /**
   * Rows of QC_ROW sums, one a position: counts of qualities < 20, < 30 and from 30 on by the
   * base's last three bits (A 1, C 3, T 4, N 6, G 7), then sums of qualities by the same.
   */
  readonly cycles: Float64Array;
  /** Counts of 5-mers, first base highest, A 0, T 1, C 2, G 3; [1024]. */
  readonly fiveMers: Float64Array;
  /** lengths[n] reads have n bases; the last place of cyclesMax + 1 also counts longer ones. */
  readonly lengths: Float64Array;
}

export const QC_ROW = 32;

/** What a counter has counted; `addQcCounts` adds two. */
export interface QcCounts {
  /** Of mates 1 and 2, as they came and as they were kept. */
  readonly before: readonly ReadSums[];
  readonly after: readonly ReadSums[];
  /** Reads by verdict, both mates of a pair under the worse one; [32]. */
  readonly filtered: Float64Array;
  /** Pairs by insert size; the last place: no overlap, or a longer one; [513]. */
  readonly inserts: Float64Array;
  /**
   * Reads and bases trimmed by adapters, reads and bases corrected, then reads with a trimmed
   * poly-A, -T, -C, -G tail, then the bases of those; [12].
   */
  readonly sums: Float64Array;
}

/** Counts one stream of reads. One call at a time. */
export class QcCounter {
  readonly #raw: RawQcCounter;

  /** @param force - "typescript" or an instruction set, for tests. */
  constructor(options: Partial<QcOptions> = {}, force?: Level | "typescript") {
    const all = { ...QC_DEFAULTS, ...options };
    checkOptions(all);
    const addon = force === "typescript" ? undefined : nativeStatus().addon;
    const level = LEVELS[force === undefined || force === "typescript" ? "avx512" : force];
    this.#raw = addon === undefined ? new PlainQcCounter(all) : new addon.QcCounter(all, level);
  }

  /** Trims, judges and counts single reads, off the event loop. @throws {RangeError | TypeError} */
  async add(reads: QcReads): Promise<QcOutcome> {
    checkReads(reads);
    const [outcome] = await this.#raw.add([reads]);
    if (outcome === undefined) throw new Error("no outcome of a batch");
    return outcome;
  }

  /** The same for pairs: read i of one and read i of the other. */
  async addPairs(first: QcReads, second: QcReads): Promise<readonly [QcOutcome, QcOutcome]> {
    checkReads(first);
    checkReads(second);
    const [one, other] = await this.#raw.add([first, second]);
    if (one === undefined || other === undefined) throw new Error("no outcome of a pair");
    return [one, other];
  }

  /** All counts so far; the consumer owns them. */
  counts(): QcCounts {
    return this.#raw.counts();
  }
}

/** The counts of both parts. */
export function addQcCounts(one: QcCounts, other: QcCounts): QcCounts {
  const both = (name: "before" | "after") =>
    one[name].map((sums, mate) => addSums(sums, other[name][mate]));
  return {
    before: both("before"),
    after: both("after"),
    filtered: addArrays(one.filtered, other.filtered),
    inserts: addArrays(one.inserts, other.inserts),
    sums: addArrays(one.sums, other.sums),
  };
}

function addSums(one: ReadSums, other: ReadSums | undefined): ReadSums {
  if (other === undefined) return one;
  return {
    reads: one.reads + other.reads,
    bases: one.bases + other.bases,
    cycles: addArrays(one.cycles, other.cycles),
    fiveMers: addArrays(one.fiveMers, other.fiveMers),
    lengths: addArrays(one.lengths, other.lengths),
  };
}

function addArrays(one: Float64Array, other: Float64Array): Float64Array {
  const [long, short] = one.length < other.length ? [other, one] : [one, other];
  return long.map((value, i) => value + (short[i] ?? 0));
}

function checkReads({ bases, qualities, ends }: QcReads): void {
  checkBytes("bases", bases);
  checkBytes("qualities", qualities);
  checkEnds("ends", ends, bases.length);
  if (qualities.length !== bases.length) throw new RangeError("not one quality a base");
}

function checkOptions(options: QcOptions): void {
  for (const name of ["cutFront", "cutTail", "cutRight"] as const) {
    checkCount(`${name}.window`, options[name].window, 0, 1000);
    checkCount(`${name}.mean`, options[name].mean, 1, 93);
  }
  const counts = {
    qualifiedPhred: 93,
    unqualifiedPercent: 100,
    averageQuality: 93,
    complexity: 100,
    overlapDifferencePercent: 100,
    unknownLimit: 2 ** 30,
    lengthRequired: 2 ** 30,
    lengthLimit: 2 ** 30,
    polyG: 2 ** 30,
    polyX: 2 ** 30,
    overlapRequired: 2 ** 30,
    overlapDifferenceLimit: 2 ** 30,
    cyclesMax: QC_CYCLES_MAX,
  } as const;
  for (const [name, most] of Object.entries(counts)) {
    checkCount(name, options[name as keyof typeof counts], 0, most);
  }
  for (const name of ["trimFront", "trimTail", "maxLength"] as const) {
    for (const value of options[name]) checkCount(name, value, 0, 2 ** 30);
  }
  checkCount("the number of adapters", options.adapterTable.length, 0, QC_ADAPTERS_MAX);
}

/** The counter as C++ and the TypeScript form have it; one batch, or two of mates. */
export interface RawQcCounter {
  add(batches: readonly QcReads[]): Promise<readonly QcOutcome[]>;
  counts(): QcCounts;
}

export interface RawQc {
  readonly QcCounter: new (options: QcOptions, level: number) => RawQcCounter;
}
