/**
 * What isn't wrong enough to refuse an input, yet must be said: once, with how often it was met.
 * Counts add up over shards.
 */
import { ADAPTER_READS_MIN, MEDIAN_LENGTH_MIN } from "./limits.ts";
import type { QcDecisions } from "./probe.ts";
import { repeatsOf } from "./seen.ts";
import type { SampleSummary } from "./summary.ts";

/** Texts; n is the count. What a reader meets comes first, what QC concludes follows. */
const TEXTS = {
  byteOrderMarks: (n) => `${n} of its files begin with a byte order mark, which was passed over`,
  endBlocksMissing: (n) =>
    `${n} of its bgzf files lack the end block: they may have been cut between two blocks`,
  trailingZeros: (n) => `${n} of its gzip files have zero bytes behind the end, passed over`,
  emptyReads: (n) => `reads without a base: ${n}`,
  duplicateIds: (n) => `${n} ids come more than once: was a file given or written twice?`,
  shortMedian: (n) =>
    `the median read has ${n} bases: under ${MEDIAN_LENGTH_MIN}, 4-mers don't tell genomes apart`,
  encodingUnsure: () =>
    "its qualities can't be told from those of phred 64; taken for phred 33 (phred64 says else)",
  solexa: () => "its qualities are Solexa's: taken for phred 64, low ones are a little off",
  adapterUnsearched: (n) =>
    `no adapter was looked for: of ${n} reads none can be told (from ${ADAPTER_READS_MIN} on)`,
  duplicationEstimated: (n) => `its duplication rate is an estimate from one read of ${n}`,
  kmersEstimated: (n) => `its k-mer spectrum is an estimate from one k-mer of ${n}`,
  nothingPassed: (n) => `none of its ${n} reads passed quality control`,
} as const satisfies Readonly<Record<string, (n: number) => string>>;

export type QcWarning = keyof typeof TEXTS;
/** What the reader counts; it adds up over shards and files. */
export type ReaderWarning = Extract<
  QcWarning,
  "byteOrderMarks" | "endBlocksMissing" | "trailingZeros"
>;
export type ReaderWarnings = Readonly<Record<ReaderWarning, number>>;

export const NO_READER_WARNINGS: ReaderWarnings = {
  byteOrderMarks: 0,
  endBlocksMissing: 0,
  trailingZeros: 0,
};

export function addReaderWarnings(one: ReaderWarnings, other: ReaderWarnings): ReaderWarnings {
  return {
    byteOrderMarks: one.byteOrderMarks + other.byteOrderMarks,
    endBlocksMissing: one.endBlocksMissing + other.endBlocksMissing,
    trailingZeros: one.trailingZeros + other.trailingZeros,
  };
}

/** One warning of a sample: its name for machines, its count and its text. */
export interface Warned {
  readonly warning: QcWarning;
  readonly count: number;
  readonly text: string;
}

/** All that must be said of a sample, in the order of the table; what wasn't met isn't there. */
export function warningsOf(
  sample: string,
  summary: SampleSummary,
  decisions: QcDecisions,
): readonly Warned[] {
  const counts = countsOf(summary, decisions);
  const names = Object.keys(TEXTS) as QcWarning[];
  return names
    .map((warning) => ({ warning, count: counts[warning] }))
    .filter(({ count }) => count > 0)
    .map(({ warning, count }) => ({
      warning,
      count,
      text: `sample ${sample}: ${TEXTS[warning](count)}`,
    }));
}

function countsOf(summary: SampleSummary, decisions: QcDecisions): Record<QcWarning, number> {
  const { before, after } = summary.counts;
  const reads = before.reduce((sum, mate) => sum + mate.reads, 0);
  const kept = after.reduce((sum, mate) => sum + mate.reads, 0);
  const median = medianLength(after.map((mate) => mate.lengths));
  const sampled = (oneOf: number): number => (oneOf > 1 ? oneOf : 0);
  const isUnsearched = decisions.adapterSearch === "too-few-reads";
  return {
    ...summary.warnings,
    emptyReads: before.reduce((sum, mate) => sum + (mate.lengths[0] ?? 0), 0),
    duplicateIds: repeatsOf(summary.ids).repeated,
    shortMedian: kept > 0 && median < MEDIAN_LENGTH_MIN ? median : 0,
    encodingUnsure: Number(decisions.encodingUnsure && reads > 0),
    solexa: Number(decisions.encoding === "solexa64"),
    adapterUnsearched: isUnsearched ? decisions.probed : 0,
    duplicationEstimated: sampled(2 ** summary.reads.halvings),
    kmersEstimated: sampled(2 ** summary.kmers.halvings),
    nothingPassed: kept === 0 ? reads : 0,
  };
}

/** The middle read's length in histograms of lengths; 0 without a read. */
export function medianLength(histograms: readonly Float64Array[]): number {
  const lengths = Math.max(0, ...histograms.map((histogram) => histogram.length));
  const at = (length: number): number =>
    histograms.reduce((sum, histogram) => sum + (histogram[length] ?? 0), 0);
  let reads = 0;
  for (let length = 0; length < lengths; length++) reads += at(length);
  let below = 0;
  for (let length = 0; length < lengths; length++) {
    below += at(length);
    if (below > reads / 2) return length;
  }
  return 0;
}
