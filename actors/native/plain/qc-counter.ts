/** Quality control in TypeScript: qc/counter.cpp, where no addon is. */
import {
  QC_VERDICTS,
  type QcCounts,
  type QcOptions,
  type QcOutcome,
  type QcReads,
  type RawQcCounter,
} from "../qc.ts";
import { correct, findOverlap, isCorrectable, type Overlap, trimOverhang } from "./qc-pairs.ts";
import { PlainStats } from "./qc-stats.ts";
import { cutEnds, judge, trimAdapters, trimPolyG, trimPolyX, type Way } from "./qc-trim.ts";

const INSERT_MAX = 512;
const MATES = [0, 1] as const;

export class PlainQcCounter implements RawQcCounter {
  readonly #options: QcOptions;
  readonly #before: readonly PlainStats[];
  readonly #after: readonly PlainStats[];
  readonly #filtered = new Float64Array(32);
  readonly #inserts = new Float64Array(INSERT_MAX + 1);
  readonly #sums = new Float64Array(12);

  constructor(options: QcOptions) {
    this.#options = options;
    this.#before = MATES.map(() => new PlainStats(options.cyclesMax));
    this.#after = MATES.map(() => new PlainStats(options.cyclesMax));
  }

  async add(batches: readonly QcReads[]): Promise<readonly QcOutcome[]> {
    const copies = batches.map((batch) => this.#copy(batch));
    const reads = (batches[0]?.ends.length ?? 1) - 1;
    if (batches.some(({ ends }) => ends.length !== reads + 1)) {
      throw new RangeError("mates have different numbers of reads");
    }
    const outcomes = copies.map((copy) => emptyOutcome(copy, reads));
    for (let i = 0; i < reads; i++) {
      const ways = copies.map((copy) => wayOf(copy, i));
      this.#addRead(ways, outcomes, i);
    }
    return outcomes;
  }

  counts(): QcCounts {
    return {
      before: this.#before.map((stats) => stats.sums()),
      after: this.#after.map((stats) => stats.sums()),
      filtered: this.#filtered.slice(),
      inserts: this.#inserts.slice(),
      sums: this.#sums.slice(),
    };
  }

  /** One read, or the two of a pair. */
  #addRead(ways: readonly Way[], outcomes: readonly QcOutcome[], i: number): void {
    for (const [mate, { bases, qualities, begin, n }] of ways.entries()) {
      this.#before[mate]?.add(bases, qualities, begin, n);
    }
    const [first, second] = ways;
    if (first === undefined) return;
    if (second === undefined) this.#trimSingle(first);
    else this.#trimPair(first, second);
    const verdicts = ways.map((way) => judge(this.#options, way));
    const worse = Math.max(...verdicts);
    (this.#filtered[worse] as number) += ways.length;
    for (const [mate, way] of ways.entries()) {
      const outcome = outcomes[mate];
      if (outcome === undefined) continue;
      outcome.verdicts[i] = verdicts[mate] ?? 0;
      outcome.begins[i] = way.begin;
      outcome.lengths[i] = way.gone ? 0 : way.n;
      if (worse !== QC_VERDICTS.passed) continue;
      this.#after[mate]?.add(way.bases, way.qualities, way.begin, way.n);
    }
  }

  #trimSingle(way: Way): void {
    const { polyG, polyX, adapters, maxLength } = this.#options;
    cutEnds(this.#options, 0, way);
    if (way.gone) return;
    if (polyG > 0) trimPolyG(polyG, way);
    if (adapters) trimAdapters(this.#options, 0, false, way, this.#sums);
    if (polyX > 0) trimPolyX(polyX, way, this.#sums);
    if (maxLength[0] > 0) way.n = Math.min(way.n, maxLength[0]);
  }

  /** What needs both mates is done only while neither is gone. */
  #trimPair(first: Way, second: Way): void {
    const { polyG, polyX, adapters, correction, maxLength } = this.#options;
    const ways = [first, second] as const;
    for (const mate of MATES) cutEnds(this.#options, mate, ways[mate]);
    if (first.gone || second.gone) return;
    for (const way of ways) if (polyG > 0) trimPolyG(polyG, way);
    const overlap = findOverlap(this.#options, first, second);
    this.#countInsert(overlap, first, second);
    if (correction && isCorrectable(overlap, first, second)) {
      correct(overlap, first, second, this.#sums);
    }
    if (adapters) {
      const done = trimOverhang(overlap, first, second, this.#sums);
      for (const mate of MATES) trimAdapters(this.#options, mate, done, ways[mate], this.#sums);
    }
    for (const way of ways) if (polyX > 0) trimPolyX(polyX, way, this.#sums);
    for (const mate of MATES) {
      const most = maxLength[mate];
      if (most > 0) ways[mate].n = Math.min(ways[mate].n, most);
    }
  }

  #countInsert({ found, offset, length }: Overlap, first: Way, second: Way): void {
    const sum = offset > 0 ? first.n + second.n - length : length;
    const size = found ? Math.min(INSERT_MAX, sum + first.front + second.front) : INSERT_MAX;
    (this.#inserts[size] as number) += 1;
  }

  #copy({ bases, qualities, ends }: QcReads): QcReads {
    // A Buffer's own `slice` shares its memory.
    const copied = new Uint8Array(qualities);
    if (this.#options.phred64) {
      for (const [i, quality] of copied.entries()) copied[i] = Math.max(33, quality - 31);
    }
    return { bases: new Uint8Array(bases), qualities: copied, ends };
  }
}

function emptyOutcome({ bases, qualities }: QcReads, reads: number): QcOutcome {
  return {
    verdicts: new Uint8Array(reads),
    begins: new Int32Array(reads),
    lengths: new Int32Array(reads),
    bases,
    qualities,
  };
}

function wayOf({ bases, qualities, ends }: QcReads, i: number): Way {
  const begin = ends[i] as number;
  const n = (ends[i + 1] as number) - begin;
  return { bases, qualities, begin, n, front: 0, gone: false };
}
