/** fastp's own counts of some reads, and ours in the same form. 0.23.2 is Debian's package. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { QC_ROW, type QcCounts, type ReadSums } from "../../../actors/native/qc.ts";

export const hasFastp = version() === "fastp 0.23.2";

/** What both sides are reduced to. */
export type Counted = Readonly<Record<string, unknown>>;

/** It writes its version to standard error. */
function version(): string {
  const { stdout, stderr } = spawnSync("fastp", ["--version"], { encoding: "utf8" });
  return `${stdout ?? ""}${stderr ?? ""}`.trim();
}

/** @param texts - FASTQ, one of single reads or two of mates. @param args - parted by spaces. */
export function fastpJson(texts: readonly string[], args: string): Counted {
  const folder = mkdtempSync(join(tmpdir(), "ligase-fastp-"));
  try {
    const files = texts.map((text, i) => {
      const file = join(folder, `${i}.fq`);
      writeFileSync(file, text);
      return file;
    });
    const inputs = files.flatMap((file, i) => [i === 0 ? "-i" : "-I", file]);
    const json = join(folder, "out.json");
    const quick = ["-w", "1", "--dont_eval_duplication"];
    const words = [...inputs, ...quick, "-j", json, "-h", join(folder, "out.html")];
    execFileSync("fastp", [...words, ...args.split(" ")], { stdio: "pipe", timeout: 60_000 });
    return reduced(JSON.parse(readFileSync(json, "utf8")), texts.length);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface FastpStats {
  readonly total_reads: number;
  readonly total_bases: number;
  readonly q20_bases: number;
  readonly q30_bases: number;
  readonly quality_curves: Readonly<Record<string, readonly number[]>>;
  readonly content_curves: Readonly<Record<string, readonly number[]>>;
  readonly kmer_count: Readonly<Record<string, number>>;
}

type FastpFile = Readonly<Record<string, FastpStats>> & {
  readonly filtering_result: Readonly<Record<string, number>>;
  readonly adapter_cutting?: Readonly<Record<string, number>>;
  readonly insert_size?: { readonly peak: number; readonly histogram: readonly number[] };
};

function reduced(file: FastpFile, mates: number): Counted {
  const stats: Record<string, unknown> = {};
  for (let mate = 1; mate <= mates; mate++) {
    for (const when of ["before", "after"]) {
      const name = `read${mate}_${when}_filtering`;
      const found = file[name];
      if (found === undefined) throw new Error(`fastp says nothing of ${name}`);
      const { total_reads, total_bases, q20_bases, q30_bases, kmer_count } = found;
      const counts = { total_reads, total_bases, q20_bases, q30_bases };
      const curves = [found.quality_curves, found.content_curves];
      stats[name] = { ...counts, kmer_count, curves: curves.map(rounded) };
    }
  }
  const { adapter_trimmed_reads, adapter_trimmed_bases } = file.adapter_cutting ?? {};
  const { corrected_reads, corrected_bases, ...filtered } = file.filtering_result;
  return {
    ...stats,
    filtered: { low_complexity_reads: 0, ...filtered },
    corrected: [corrected_reads ?? 0, corrected_bases ?? 0],
    adapters: [adapter_trimmed_reads ?? 0, adapter_trimmed_bases ?? 0],
    inserts: mates === 2 ? file.insert_size?.histogram : undefined,
    peak: mates === 2 ? file.insert_size?.peak : undefined,
  };
}

/** fastp writes six digits. */
function rounded(curves: Readonly<Record<string, readonly number[]>>): Counted {
  return Object.fromEntries(
    Object.entries(curves).map(([name, all]) => [name, all.map(sixDigits)]),
  );
}

/** Six digits as C++ writes them: of two that are as near, the even one. */
function sixDigits(value: number): number {
  // Twenty digits tell a tie: these are quotients of small numbers.
  const tie = /^(\d\.\d{4}[02468])50*(e.*)$/.exec(value.toExponential(20));
  return Number(tie === null ? value.toPrecision(6) : `${tie[1]}${tie[2]}`);
}

/** Our counts in the same form. */
export function jsonOf(counts: QcCounts, mates: number): Counted {
  const stats: Record<string, unknown> = {};
  for (let mate = 0; mate < mates; mate++) {
    stats[`read${mate + 1}_before_filtering`] = statsOf(counts.before[mate]);
    stats[`read${mate + 1}_after_filtering`] = statsOf(counts.after[mate]);
  }
  const filtered = (number: number): number => counts.filtered[number] ?? 0;
  const sums = counts.sums;
  const inserts = [...counts.inserts].slice(0, -1);
  return {
    ...stats,
    filtered: {
      passed_filter_reads: filtered(0),
      low_quality_reads: filtered(20),
      too_many_N_reads: filtered(12),
      low_complexity_reads: filtered(24),
      too_short_reads: filtered(16),
      too_long_reads: filtered(17),
    },
    corrected: [sums[2], sums[3]],
    adapters: [sums[0], sums[1]],
    inserts: mates === 2 ? inserts : undefined,
    peak: mates === 2 ? inserts.indexOf(Math.max(...inserts)) : undefined,
  };
}

const KINDS = { A: 1, T: 4, C: 3, G: 7, N: 6 } as const;

function statsOf(sums: ReadSums | undefined): Counted {
  if (sums === undefined) throw new Error("no such mate");
  const rows = sums.cycles.length / QC_ROW;
  const at = (row: number, place: number): number => sums.cycles[row * QC_ROW + place] ?? 0;
  const count = (row: number, kind: number) =>
    at(row, kind) + at(row, 8 + kind) + at(row, 16 + kind);
  const all = [0, 1, 2, 3, 4, 5, 6, 7];
  const sumOf = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0);
  const perRow = (f: (row: number) => number) => Array.from({ length: rows }, (_, row) => f(row));
  const total = (row: number): number => sumOf(all.map((kind) => count(row, kind)));
  const graded = (from: number): number =>
    sumOf(perRow((row) => sumOf(all.map((kind) => at(row, from + kind)))));
  const mean = (row: number): number => sumOf(all.map((kind) => at(row, 24 + kind))) / total(row);
  const quality: Record<string, number[]> = { mean: perRow(mean) };
  const content: Record<string, number[]> = {
    GC: perRow((row) => (count(row, KINDS.G) + count(row, KINDS.C)) / total(row)),
  };
  for (const [base, kind] of Object.entries(KINDS)) {
    const meanOf = (row: number): number => at(row, 24 + kind) / count(row, kind);
    if (base !== "N") {
      quality[base] = perRow((row) => (count(row, kind) === 0 ? mean(row) : meanOf(row)));
    }
    content[base] = perRow((row) => count(row, kind) / total(row));
  }
  return {
    total_reads: sums.reads,
    total_bases: sums.bases,
    q20_bases: graded(8) + graded(16),
    q30_bases: graded(16),
    kmer_count: fiveMers(sums.fiveMers),
    curves: [rounded(quality), rounded(content)],
  };
}

function fiveMers(counts: Float64Array): Counted {
  const name = (kmer: number): string =>
    [8, 6, 4, 2, 0].map((shift) => "ATCG"[(kmer >> shift) & 3]).join("");
  return Object.fromEntries([...counts].map((count, kmer) => [name(kmer), count]));
}
