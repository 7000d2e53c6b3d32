/**
 * A sample's report in the shape of fastp's JSON, which MultiQC and labs' scripts read. Names and
 * meanings are fastp 0.23.2's; what it has and we don't count is absent or empty.
 */
import { QC_ROW, QC_VERDICTS, type ReadSums } from "../native/qc.ts";
import type { QcSettings } from "./options.ts";
import type { QcDecisions } from "./probe.ts";
import { repeatsOf } from "./seen.ts";
import type { SampleSummary } from "./summary.ts";

/** Of all reads, before or after. */
export interface FastpTotals {
  readonly total_reads: number;
  readonly total_bases: number;
  readonly q20_bases: number;
  readonly q30_bases: number;
  readonly q20_rate: number;
  readonly q30_rate: number;
  readonly read1_mean_length: number;
  readonly read2_mean_length?: number;
  readonly gc_content: number;
}

/** Of one mate, before or after. Curves have a value a position. */
export interface FastpReads {
  readonly total_reads: number;
  readonly total_bases: number;
  readonly q20_bases: number;
  readonly q30_bases: number;
  readonly total_cycles: number;
  readonly quality_curves: Readonly<Record<"A" | "T" | "C" | "G" | "mean", readonly number[]>>;
  readonly content_curves: Readonly<Record<"A" | "T" | "C" | "G" | "N" | "GC", readonly number[]>>;
  readonly kmer_count: Readonly<Record<string, number>>;
  readonly overrepresented_sequences: Readonly<Record<string, number>>;
}

export interface FastpReport {
  readonly summary: {
    readonly sequencing: string;
    readonly before_filtering: FastpTotals;
    readonly after_filtering: FastpTotals;
  };
  readonly filtering_result: Readonly<Record<string, number>>;
  /** `estimated_from_one_of` is ours: present where the rate is an estimate. */
  readonly duplication: { readonly rate: number; readonly estimated_from_one_of?: number };
  readonly insert_size?: {
    readonly peak: number;
    readonly unknown: number;
    readonly histogram: readonly number[];
  };
  readonly adapter_cutting?: {
    readonly adapter_trimmed_reads: number;
    readonly adapter_trimmed_bases: number;
    readonly read1_adapter_sequence: string;
    readonly read2_adapter_sequence?: string;
  };
  readonly read1_before_filtering: FastpReads;
  readonly read2_before_filtering?: FastpReads;
  readonly read1_after_filtering: FastpReads;
  readonly read2_after_filtering?: FastpReads;
  /** MultiQC takes the sample's name from the word behind `-i`. */
  readonly command: string;
}

/** What a report is made of. */
export interface ReportOf {
  readonly sample: string;
  readonly summary: SampleSummary;
  readonly settings: QcSettings;
  readonly decisions: QcDecisions;
}

export function fastpReport({ sample, summary, settings, decisions }: ReportOf): FastpReport {
  const { counts, shape } = summary;
  const isPaired = shape.mates === 2;
  const [before, after] = [counts.before, counts.after].map((all) =>
    all.slice(0, shape.mates).map(readsOf),
  );
  const [before1, before2, after1, after2] = [before?.[0], before?.[1], after?.[0], after?.[1]];
  if (before1 === undefined || after1 === undefined) throw new Error("a summary of no mates");
  const cycles = (before ?? []).map(({ total_cycles }) => `${total_cycles} cycles`);
  const { rate, sampledOneOf } = repeatsOf(summary.reads);
  // Mates are cut by their overlap, too; single reads by a sequence alone.
  const isCutting =
    !settings.disable_adapter_trimming && (isPaired || decisions.adapters[0] !== "");
  return {
    summary: {
      sequencing: `${isPaired ? "paired" : "single"} end (${cycles.join(" + ")})`,
      before_filtering: totalsOf(counts.before.slice(0, shape.mates)),
      after_filtering: totalsOf(counts.after.slice(0, shape.mates)),
    },
    filtering_result: filteredOf(summary, settings),
    duplication: {
      rate,
      ...(sampledOneOf > 1 ? { estimated_from_one_of: sampledOneOf } : {}),
    },
    ...(isPaired ? { insert_size: insertsOf(counts.inserts) } : {}),
    ...(isCutting ? { adapter_cutting: cutOf(summary, decisions) } : {}),
    read1_before_filtering: before1,
    ...(before2 === undefined ? {} : { read2_before_filtering: before2 }),
    read1_after_filtering: after1,
    ...(after2 === undefined ? {} : { read2_after_filtering: after2 }),
    command: `ligase qc -i ${sample.replaceAll(/\s/g, "_")}`,
  };
}

function filteredOf(
  { counts }: SampleSummary,
  settings: QcSettings,
): FastpReport["filtering_result"] {
  const reads = (verdict: keyof typeof QC_VERDICTS): number =>
    counts.filtered[QC_VERDICTS[verdict]] ?? 0;
  const corrected = { corrected_reads: counts.sums[2] ?? 0, corrected_bases: counts.sums[3] ?? 0 };
  const isComplex = settings.low_complexity_filter;
  return {
    passed_filter_reads: reads("passed"),
    ...(settings.correction ? corrected : {}),
    low_quality_reads: reads("lowQuality"),
    too_many_N_reads: reads("tooManyN"),
    ...(isComplex ? { low_complexity_reads: reads("lowComplexity") } : {}),
    too_short_reads: reads("tooShort"),
    too_long_reads: reads("tooLong"),
  };
}

/** The most frequent insert size; of two as frequent, the smaller. */
function insertsOf(inserts: Float64Array): NonNullable<FastpReport["insert_size"]> {
  const histogram = [...inserts.subarray(0, -1)];
  const most = histogram.reduce((peak, count) => Math.max(peak, count), 0);
  return { peak: histogram.indexOf(most), unknown: inserts.at(-1) ?? 0, histogram };
}

function cutOf(
  { counts, shape }: SampleSummary,
  { adapters }: QcDecisions,
): NonNullable<FastpReport["adapter_cutting"]> {
  const [first, second] = adapters.map((adapter) => (adapter === "" ? "unspecified" : adapter));
  return {
    adapter_trimmed_reads: counts.sums[0] ?? 0,
    adapter_trimmed_bases: counts.sums[1] ?? 0,
    read1_adapter_sequence: first ?? "unspecified",
    ...(shape.mates === 2 ? { read2_adapter_sequence: second ?? "unspecified" } : {}),
  };
}

function totalsOf(mates: readonly ReadSums[]): FastpTotals {
  const sum = (of: (sums: ReadSums) => number): number =>
    mates.reduce((all, mate) => all + of(mate), 0);
  const bases = sum((mate) => mate.bases);
  const share = (of: (sums: ReadSums) => number): number => (bases === 0 ? 0 : sum(of) / bases);
  const [first, second] = mates.map((mate) =>
    mate.reads === 0 ? 0 : Math.trunc(mate.bases / mate.reads),
  );
  return {
    total_reads: sum((mate) => mate.reads),
    total_bases: bases,
    q20_bases: sum((mate) => gradedOf(mate, 1)),
    q30_bases: sum((mate) => gradedOf(mate, 2)),
    q20_rate: share((mate) => gradedOf(mate, 1)),
    q30_rate: share((mate) => gradedOf(mate, 2)),
    read1_mean_length: first ?? 0,
    ...(second === undefined ? {} : { read2_mean_length: second }),
    gc_content: share((mate) => baseCount(mate, KINDS.G) + baseCount(mate, KINDS.C)),
  };
}

/** Places of the bases in a row of ReadSums.cycles: their letters' last three bits. */
const KINDS = { A: 1, T: 4, C: 3, G: 7, N: 6 } as const;
const CLASSES = 8;
/** Where sums of qualities begin in a row; three grades of counts come before. */
const QUALITIES = 3 * CLASSES;

function rowsOf({ cycles }: ReadSums): number[] {
  return Array.from({ length: cycles.length / QC_ROW }, (_, row) => row * QC_ROW);
}

/** Counts of a kind in a row, over all grades. */
function kindAt({ cycles }: ReadSums, row: number, kind: number): number {
  const grade = (number: number): number => cycles[row + number * CLASSES + kind] ?? 0;
  return grade(0) + grade(1) + grade(2);
}

function sumOf(cycles: Float64Array, begin: number, end: number): number {
  let sum = 0;
  for (let place = begin; place < end; place++) sum += cycles[place] ?? 0;
  return sum;
}

/** Bases of quality 20 (grade 1) or 30 (grade 2) and more. */
function gradedOf(sums: ReadSums, grade: 1 | 2): number {
  return rowsOf(sums).reduce(
    (all, row) => all + sumOf(sums.cycles, row + grade * CLASSES, row + QUALITIES),
    0,
  );
}

function baseCount(sums: ReadSums, kind: number): number {
  return rowsOf(sums).reduce((all, row) => all + kindAt(sums, row, kind), 0);
}

function readsOf(sums: ReadSums): FastpReads {
  const rows = rowsOf(sums).filter((row) => sumOf(sums.cycles, row, row + QUALITIES) > 0);
  const total = (row: number): number => sumOf(sums.cycles, row, row + QUALITIES);
  const curve = (at: (row: number) => number): number[] => rows.map((row) => sixDigits(at(row)));
  const mean = (row: number): number =>
    sumOf(sums.cycles, row + QUALITIES, row + QC_ROW) / total(row);
  const quality = (kind: number): number[] =>
    curve((row) => {
      const count = kindAt(sums, row, kind);
      return count === 0 ? mean(row) : (sums.cycles[row + QUALITIES + kind] ?? 0) / count;
    });
  const content = (...kinds: readonly number[]): number[] =>
    curve((row) => kinds.reduce((sum, kind) => sum + kindAt(sums, row, kind), 0) / total(row));
  const { A, T, C, G, N } = KINDS;
  return {
    total_reads: sums.reads,
    total_bases: sums.bases,
    q20_bases: gradedOf(sums, 1),
    q30_bases: gradedOf(sums, 2),
    total_cycles: rows.length,
    quality_curves: {
      A: quality(A),
      T: quality(T),
      C: quality(C),
      G: quality(G),
      mean: curve(mean),
    },
    content_curves: {
      A: content(A),
      T: content(T),
      C: content(C),
      G: content(G),
      N: content(N),
      GC: content(G, C),
    },
    kmer_count: fiveMers(sums.fiveMers),
    overrepresented_sequences: {},
  };
}

function sixDigits(value: number): number {
  return Number(value.toPrecision(6));
}

function fiveMers(counts: Float64Array): Record<string, number> {
  const name = (kmer: number): string =>
    [8, 6, 4, 2, 0].map((shift) => "ATCG"[(kmer >> shift) & 3]).join("");
  return Object.fromEntries(Array.from(counts, (count, kmer) => [name(kmer), count]));
}

/**
 * The report as text. An array is one line, and `before_filtering` stands within the first lines:
 * by that MultiQC knows the file.
 */
export function fastpJson(report: FastpReport): string {
  return `${written(report, "")}\n`;
}

function written(value: unknown, indent: string): string {
  if (Array.isArray(value)) return `[${value.map(String).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = `${indent}\t`;
  const lines = Object.entries(value).map(
    ([name, field]) => `${inner}${JSON.stringify(name)}: ${written(field, inner)}`,
  );
  return lines.length === 0 ? "{}" : `{\n${lines.join(",\n")}\n${indent}}`;
}
