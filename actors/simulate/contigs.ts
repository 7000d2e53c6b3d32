/**
 * Contigs: windows of a community's strains that don't meet, in random order and on either strand,
 * as FASTA. (Windows that overlap leak one into the other and flatter every method.)
 */
import { type Community, disjointStarts, shuffle, type Strain } from "./community.ts";
import { apportion, below, chance, Random } from "./draws.ts";
import {
  CHUNK_BYTES,
  checkRange,
  checkSeed,
  checkWhole,
  CONTIGS_MAX,
  GENOME_BASES_MAX,
  NAME_BYTES_MAX,
} from "./limits.ts";
import type { Piece, Summary } from "./reads.ts";
import { checkText, recordBytesMax, type TextOptions, writeLines } from "./text.ts";
import { SystemError } from "../../runtime/errors.ts";

export interface ContigsOptions extends Pick<TextOptions, "lineEnd" | "lineWidth"> {
  /** An integer of 32 bits; the same one gives the same text. */
  readonly seed: number;
  /** In all; each strain has its share of them, to within one. */
  readonly contigs: number;
  /** Bases, or the range that each length is drawn from, evenly. */
  readonly length: number | { readonly min: number; readonly max: number };
  /** Share of bases replaced by another: an assembly's errors. Default 0. */
  readonly errorRate?: number;
  /** Puts ` genome=<name> strain=<name>` behind the name. Default false. */
  readonly labels?: boolean;
}

/** Columns of the contigs' truth; `start` counts from 0 on the forward strand. */
export const CONTIG_COLUMNS = [
  ...["contig", "genome", "strain", "start", "length", "strand", "errors"],
] as const;

interface Window {
  readonly strain: number;
  readonly start: number;
  readonly length: number;
}

const STREAM = { windows: 21, letters: 22 } as const;
const LETTERS = Buffer.from("ACGT");

/**
 * Contigs `contig_<i>` of the community, in pieces of about 1 MiB.
 * @throws {SystemError} USAGE for options out of bounds, and when a strain is too short for its
 * share of windows, at the first piece.
 */
export function* simulateContigs(
  community: Community,
  options: ContigsOptions,
): Generator<Piece, Summary, void> {
  checkContigs(options);
  const windows = placeWindows(community, options);
  const random = new Random(options.seed, STREAM.letters);
  const longest = windows.reduce((most, { length }) => Math.max(most, length), 0);
  const first = Buffer.allocUnsafe(CHUNK_BYTES + recordBytesMax(longest, options));
  const truth = Buffer.allocUnsafe(CHUNK_BYTES + NAME_BYTES_MAX);
  const letters = new Uint8Array(longest);
  const second = Buffer.alloc(0);
  const sums = { records: 0, bases: 0, errors: 0, duplicates: 0, bad: 0 };
  const counts = new Float64Array(community.strains.length);
  let end = 0;
  let truthEnd = truth.write(`${CONTIG_COLUMNS.join("\t")}\n`, "latin1");
  for (const [index, window] of windows.entries()) {
    const strain = community.strains[window.strain] as Strain;
    const reverse = chance(random, 0.5);
    const errors = copyWindow(letters, strain, window, { reverse, random, options });
    const label = options.labels === true ? ` genome=${strain.genome} strain=${strain.name}` : "";
    const { lineEnd = "\n" } = options;
    end += first.write(`>contig_${index}${label}${lineEnd}`, end, "latin1");
    end = writeLines(first, end, letters, window.length, options);
    const where = `${window.start}\t${window.length}\t${reverse ? "-" : "+"}\t${errors}`;
    const line = `contig_${index}\t${strain.genome}\t${strain.name}\t${where}\n`;
    truthEnd += truth.write(line, truthEnd, "latin1");
    sums.records++;
    sums.bases += window.length;
    sums.errors += errors;
    counts[window.strain] = (counts[window.strain] as number) + 1;
    if (end < CHUNK_BYTES && truthEnd < CHUNK_BYTES) continue;
    yield { first: first.subarray(0, end), second, truth: truth.subarray(0, truthEnd) };
    end = 0;
    truthEnd = 0;
  }
  yield { first: first.subarray(0, end), second, truth: truth.subarray(0, truthEnd) };
  const strains = community.strains.map(({ name }, i) => ({ name, count: counts[i] as number }));
  return { ...sums, strains };
}

/** Windows of all strains in random order. */
function placeWindows({ strains }: Community, options: ContigsOptions): Window[] {
  const random = new Random(options.seed, STREAM.windows);
  const counts = apportion(
    options.contigs,
    strains.map(({ share }) => share),
  );
  const windows = strains.flatMap(({ bases, name }, strain) => {
    const lengths = Array.from({ length: counts[strain] as number }, () =>
      drawLength(random, options.length),
    );
    const wanted = lengths.reduce((sum, length) => sum + length, 0);
    if (wanted > bases.length) {
      const what = `${name} has ${bases.length} bases, its contigs need ${wanted}`;
      throw new SystemError("USAGE", `simulated contigs: ${what}; longer genomes or fewer contigs`);
    }
    return disjointStarts(random, bases.length, lengths).map((start, index) => ({
      strain,
      start,
      length: lengths[index] as number,
    }));
  });
  shuffle(random, windows);
  return windows;
}

function drawLength(random: Random, length: ContigsOptions["length"]): number {
  if (typeof length === "number") return length;
  return length.min + below(random, length.max - length.min + 1);
}

/** Puts the window's letters into `letters`; @returns how many bases were replaced. */
function copyWindow(
  letters: Uint8Array,
  { bases }: Strain,
  { start, length }: Window,
  how: { readonly reverse: boolean; readonly random: Random; readonly options: ContigsOptions },
): number {
  const { reverse, random } = how;
  const { errorRate = 0 } = how.options;
  let errors = 0;
  for (let i = 0; i < length; i++) {
    const from = reverse ? start + length - 1 - i : start + i;
    let base = reverse ? 3 - (bases[from] as number) : (bases[from] as number);
    if (errorRate > 0 && chance(random, errorRate)) {
      base = (base + 1 + below(random, 3)) & 3;
      errors++;
    }
    letters[i] = LETTERS[base] as number;
  }
  return errors;
}

function checkContigs(options: ContigsOptions): void {
  const { length, errorRate = 0 } = options;
  checkSeed(options.seed);
  checkText(options);
  checkWhole("contigs", options.contigs, 0, CONTIGS_MAX);
  checkRange("contigs' error rate", errorRate, 0, 0.75);
  const [min, max] = typeof length === "number" ? [length, length] : [length.min, length.max];
  checkWhole("longest contig", max, 1, GENOME_BASES_MAX);
  checkWhole("shortest contig", min, 1, max);
}
