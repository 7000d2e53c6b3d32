/**
 * Which adapter the first reads of a sample end in, by the rule of fastp's evaluator: 10-mers that
 * are far too frequent are grown in both directions along what nearly all reads agree on.
 *
 * One difference is meant: fastp multiplies counts in 32 bits, so that a 10-mer of 2,048 reads or
 * more can be taken for a rare one.
 */
import type { QcReads } from "../native/qc.ts";
import { ADAPTER_READS_MIN } from "./limits.ts";

const SEED = 10;
const SEEDS = 4 ** SEED;
const SEEDS_TRIED = 10;
/** Places that are taken for the sample's own. */
const BEGIN = 20;
/** How much more frequent than the average a seed must be, and how often it must come. */
const FOLD_MIN = 20;
const COUNT_MIN = 10;
/** A next base is agreed on by this share of at least so many reads. */
const AGREED = 0.95;
const AGREED_READS_MIN = 50;

const NO_BASE = 4;
const LETTERS = "ATCG";
const NUMBERS = new Uint8Array(256).fill(NO_BASE);
for (const [number, letter] of Array.from(LETTERS).entries()) {
  NUMBERS[letter.charCodeAt(0)] = number;
}
const N = 78;

/**
 * The usual ones of those that fastp knows; what begins with one is cut to it. Of a rarer one only
 * what reads agree on to their ends is found. Source: Illumina, "Adapter Sequences" (TruSeq,
 * Nextera, small RNA); MGI, adapters of DNBSEQ.
 */
const KNOWN: readonly string[] = [
  "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA",
  "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT",
  "AGATCGGAAGAGCGGTTCAGCAGGAATGCCGAG",
  "AGATCGGAAGAGCTCGTATGCCGTCTTCTGCTTG",
  "ACACTCTTTCCCTACACGACGCTCTTCCGATCT",
  "CTGTCTCTTATACACATCTCCGAGCCCACGAGAC",
  "CTGTCTCTTATACACATCTCTGAGCGGGCTGGCAAGGC",
  "CTGTCTCTTATACACATCTCTGATGGCGCGAGGGAGGC",
  "CTGTCTCTTATACACATCTGACGCTGCCGACGA",
  "GATCGTCGGACTGTAGAACTCTGAACGTGTAGA",
  "AAGTCGGAGGCCAAGCGGTCTTAGGAAGACAA",
  "AAGTCGGATCGTAGCCATGTCGTTCTGTGAGCCAAGGAGTTG",
];

/**
 * The adapter, or "" for none that is sure.
 * @param reads - a sample's first reads of one mate; fewer than 10,000 give "".
 * @param trimTail - bases at the ends that are cut off anyway; the last one is never looked at.
 */
export function detectAdapter(reads: QcReads, trimTail = 0): string {
  if (reads.ends.length - 1 < ADAPTER_READS_MIN) return "";
  const tail = Math.max(1, trimTail);
  const counts = new Uint32Array(SEEDS);
  overSeeds(reads, tail, (seed) => {
    (counts[seed] as number) += 1;
  });
  const { seeds, total } = frequentSeeds(counts);
  for (const seed of seeds) {
    const count = counts[seed] ?? 0;
    if (count < COUNT_MIN || count * SEEDS < total * FOLD_MIN) break;
    if (changesOf(textOf(seed)) < 3) continue;
    const found = grow(reads, tail, seed);
    if (found !== "") return found;
  }
  return "";
}

/** Calls take(seed, its place, begin and end of its read) for each 10-mer of ACGT. */
function overSeeds(
  { bases, ends }: QcReads,
  tail: number,
  take: (seed: number, at: number, begin: number, end: number) => void,
): void {
  for (let i = 0; i + 1 < ends.length; i++) {
    const [begin, end] = [ends[i] as number, ends[i + 1] as number];
    let [seed, run] = [0, 0];
    for (let at = begin + BEGIN; at < end - tail; at++) {
      const number = NUMBERS[bases[at] as number] as number;
      run = number === NO_BASE ? 0 : run + 1;
      seed = ((seed << 2) | (number & 3)) & (SEEDS - 1);
      if (run >= SEED) take(seed, at - SEED + 1, begin, end);
    }
  }
}

/** The most frequent seeds that aren't of one base, of G and C, or poly-G; and all their counts. */
function frequentSeeds(counts: Uint32Array): { seeds: readonly number[]; total: number } {
  let total = 0;
  let seeds: number[] = [];
  let least = 0;
  for (let seed = 1; seed < SEEDS; seed++) {
    const count = counts[seed] as number;
    if (count === 0 || !isVaried(seed)) continue;
    total += count;
    if (count < least) continue;
    seeds.push(seed);
    // Of equal ones fastp takes the later first.
    seeds.sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0) || b - a);
    seeds = seeds.slice(0, SEEDS_TRIED);
    if (seeds.length === SEEDS_TRIED) least = counts[seeds.at(-1) ?? 0] ?? 0;
  }
  return { seeds, total };
}

function isVaried(seed: number): boolean {
  const of = [0, 0, 0, 0];
  for (let i = 0; i < SEED; i++) {
    const number = (seed >> (2 * i)) & 3;
    of[number] = (of[number] ?? 0) + 1;
  }
  const isOfFew = of.some((count) => count >= SEED - 4);
  const isOfGc = (of[2] ?? 0) + (of[3] ?? 0) >= SEED - 2;
  return !isOfFew && !isOfGc && seed >> 12 !== 0xff;
}

function textOf(seed: number): string {
  return Array.from({ length: SEED }, (_, i) => LETTERS[(seed >> (2 * (SEED - 1 - i))) & 3]).join(
    "",
  );
}

function changesOf(text: string): number {
  return Array.from(text.slice(1)).filter((letter, i) => letter !== text[i]).length;
}

function grow(reads: QcReads, tail: number, seed: number): string {
  const behind: Place[] = [];
  const before: Place[] = [];
  overSeeds(reads, tail, (found, at, begin, end) => {
    if (found !== seed) return;
    behind.push({ at: at + SEED, left: end - tail - at - SEED });
    before.push({ at: at - 1, left: at - begin });
  });
  const right = agreed(reads.bases, behind, 1);
  const left = agreed(reads.bases, before, -1);
  const adapter = `${Array.from(left.path).reverse().join("")}${textOf(seed)}${right.path}`;
  const known = KNOWN.find((one) => adapter.startsWith(one));
  if (known !== undefined) return known;
  return right.isWhole && left.isWhole ? adapter : "";
}

/** A place of a read, and how many bases of it are left from there on. */
interface Place {
  readonly at: number;
  readonly left: number;
}

/** What reads agree on from their places on; whole when they ran out rather than disagreed. */
function agreed(bases: Uint8Array, places: readonly Place[], step: 1 | -1): Agreed {
  let path = "";
  let under = places;
  for (let depth = 0; ; depth++) {
    const isHere = (place: Place): boolean =>
      depth < place.left && bases[place.at + depth * step] !== N;
    const here = under.filter(isHere);
    if (here.length < AGREED_READS_MIN) return { path, isWhole: true };
    const of = new Map<number, Place[]>();
    for (const place of here) {
      const base = bases[place.at + depth * step] ?? N;
      of.set(base, pushed(of, base, place));
    }
    const dominant = [...of].find(([, all]) => all.length / here.length >= AGREED);
    if (dominant === undefined) return { path, isWhole: false };
    path += String.fromCharCode(dominant[0]);
    under = dominant[1];
  }
}

interface Agreed {
  readonly path: string;
  readonly isWhole: boolean;
}

function pushed(of: ReadonlyMap<number, Place[]>, base: number, place: Place): Place[] {
  const all = of.get(base) ?? [];
  all.push(place);
  return all;
}
