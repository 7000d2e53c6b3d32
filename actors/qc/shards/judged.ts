/**
 * Quality control of one shard: batches as a reader gives them become batches of what is kept,
 * trimmed, and all is counted. A read whose qualities contradict what planning decided is no read
 * of this sample: it is left out, and its place remembered.
 */
import { pickReads, type ReadBatch, readBatchOf, type Reads } from "../../fastq/batch.ts";
import { QC_VERDICTS, type QcReads } from "../../native/qc.ts";
import { counterOptions } from "../options.ts";
import { qualityLeast } from "../probe.ts";
import { SampleCounter, type SampleSummary, type SummaryReads } from "../summary.ts";
import type { ReaderWarnings } from "../warnings.ts";
import type { SampleDecisions } from "./decisions.ts";

/** fastp's names of why a read goes. */
const REASONS = {
  low_quality_reads: QC_VERDICTS.lowQuality,
  too_many_N_reads: QC_VERDICTS.tooManyN,
  too_short_reads: QC_VERDICTS.tooShort,
  too_long_reads: QC_VERDICTS.tooLong,
  low_complexity_reads: QC_VERDICTS.lowComplexity,
} as const;

/** Below it no quality of any encoding lies: readers refuse it. */
const QUALITY_LEAST = 33;

/** What is kept of a batch. */
export interface Judged {
  readonly batch: ReadBatch;
  /** Where each record of it stands among those that the reader gave; rising. */
  readonly places: Int32Array;
}

export class ShardJudge {
  readonly #counter: SampleCounter;
  readonly #mates: 1 | 2;
  readonly #least: number;
  #at = 0;
  /** Places of records that contradict the plan, among those that the reader gave. */
  readonly contradicting: number[] = [];

  constructor({ settings, decisions, shape }: SampleDecisions) {
    this.#counter = new SampleCounter(shape, counterOptions(settings, decisions));
    this.#mates = shape.mates;
    this.#least = qualityLeast(decisions);
  }

  /** Judges the reader's next batch. */
  async take(given: ReadBatch): Promise<Judged> {
    const from = this.#at;
    this.#at += given.records;
    const sound = this.#soundOf(given, from);
    const batch = sound === undefined ? given : pickReads(given, sound);
    const { passed, mates } =
      batch.mate === undefined
        ? await this.#counter.add(summaryReads(batch))
        : await this.#counter.addPairs(summaryReads(batch), summaryReads(batch.mate));
    const places = passed.map((i) => from + (sound?.[i] ?? i));
    return { batch: keptBatch(batch, passed, mates), places };
  }

  summary(warnings: ReaderWarnings): SampleSummary {
    return this.#counter.summary(warnings);
  }

  /** Why records were left out, by fastp's names; of pairs both mates are one record. */
  reasons({ counts }: SampleSummary): Record<string, number> {
    const found = Object.entries(REASONS).map(([name, verdict]) => {
      return [name, (counts.filtered[verdict] ?? 0) / this.#mates] as const;
    });
    return Object.fromEntries(found.filter(([, count]) => count > 0));
  }

  /** Records with no quality below the offset; undefined: all of them. */
  #soundOf(batch: ReadBatch, from: number): number[] | undefined {
    if (this.#least <= QUALITY_LEAST) return undefined;
    const low = [batch, ...(batch.mate === undefined ? [] : [batch.mate])].flatMap((reads) =>
      readsBelow(reads, this.#least),
    );
    if (low.length === 0) return undefined;
    const bad = new Set(low);
    this.contradicting.push(...[...bad].sort((a, b) => a - b).map((i) => from + i));
    return Array.from({ length: batch.records }, (_, i) => i).filter((i) => !bad.has(i));
  }
}

function readsBelow({ qualities, offsets }: Reads, least: number): number[] {
  const found: number[] = [];
  for (let read = 0; read + 1 < offsets.length; read++) {
    const end = offsets[read + 1] ?? 0;
    for (let at = offsets[read] ?? 0; at < end; at++) {
      if ((qualities[at] as number) >= least) continue;
      found.push(read);
      break;
    }
  }
  return found;
}

function summaryReads({ names, nameEnds, bases, qualities, offsets }: Reads): SummaryReads {
  return { names, nameEnds, bases, qualities, ends: offsets };
}

function keptBatch(batch: ReadBatch, passed: Int32Array, mates: readonly QcReads[]): ReadBatch {
  const [first, second] = mates;
  if (first === undefined) throw new Error("no reads of a batch");
  const { format, mate } = batch;
  if (mate === undefined || second === undefined)
    return readBatchOf(named(batch, passed, first), format);
  return readBatchOf(named(batch, passed, first), format, named(mate, passed, second));
}

/** Kept reads under the names that they had. */
function named({ names, nameEnds }: Reads, passed: Int32Array, reads: QcReads) {
  const keptEnds = new Int32Array(passed.length + 1);
  for (const [at, i] of passed.entries()) {
    keptEnds[at + 1] = (keptEnds[at] ?? 0) + (nameEnds[i + 1] ?? 0) - (nameEnds[i] ?? 0);
  }
  const kept = new Uint8Array(keptEnds.at(-1) ?? 0);
  for (const [at, i] of passed.entries()) {
    kept.set(names.subarray(nameEnds[i] ?? 0, nameEnds[i + 1] ?? 0), keptEnds[at] ?? 0);
  }
  return { records: passed.length, names: kept, nameEnds: keptEnds, ...reads };
}
