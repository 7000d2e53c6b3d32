/** Mates in TypeScript: qc/pairs.cpp, where no addon is. */
import type { QcOptions } from "../qc.ts";
import type { TrimSums, Way } from "./qc-trim.ts";

/** Places whose differences decide; over them, a longer overlap may differ as it likes. */
const COMPARED = 50;
const GOOD = 33 + 30;
const POOR = 33 + 14;
const COMPLEMENTS = new Uint8Array(256).fill(78);
for (const pair of ["AT", "TA", "CG", "GC"]) {
  COMPLEMENTS[pair.charCodeAt(0)] = pair.charCodeAt(1);
  COMPLEMENTS[pair.toLowerCase().charCodeAt(0)] = pair.charCodeAt(1);
}

/** Where mate 2, reversed, lies on mate 1. Mates without bases overlap by none. */
export interface Overlap {
  readonly found: boolean;
  readonly offset: number;
  readonly length: number;
  readonly differences: number;
}

export function findOverlap(options: QcOptions, first: Way, second: Way): Overlap {
  const mate = new Uint8Array(second.n);
  for (let i = 0; i < second.n; i++) {
    mate[i] = complementOf(second.bases[second.begin + second.n - i - 1] as number);
  }
  const bases = first.bases.subarray(first.begin, first.begin + first.n);
  for (let offset = 0; offset < first.n - options.overlapRequired; offset++) {
    const length = Math.min(first.n - offset, second.n);
    const differences = differencesOf(options, bases, offset, mate, 0, length);
    if (differences >= 0) return { found: true, offset, length, differences };
  }
  for (let back = 0; back < second.n - options.overlapRequired; back++) {
    const length = Math.min(first.n, second.n - back);
    const differences = differencesOf(options, bases, 0, mate, back, length);
    if (differences >= 0) return { found: true, offset: -back, length, differences };
  }
  return { found: false, offset: 0, length: 0, differences: 0 };
}

/** Differences of n places that agree well enough to be an overlap, else -1. */
function differencesOf(
  options: QcOptions,
  a: Uint8Array,
  beginA: number,
  b: Uint8Array,
  beginB: number,
  n: number,
): number {
  const share = options.overlapDifferencePercent / 100;
  const limit = Math.min(options.overlapDifferenceLimit, Math.trunc(n * share));
  let differences = 0;
  for (let i = 0; i < n; i++) {
    if (a[beginA + i] !== b[beginB + i]) differences++;
    if (i < COMPARED && differences > limit) return -1;
  }
  return differences;
}

function complementOf(base: number): number {
  return COMPLEMENTS[base] as number;
}

/** Pairs of places that lie together, in both batches. */
function placesOf({ offset, length }: Overlap, first: Way, second: Way): [number, number][] {
  const begin1 = first.begin + Math.max(0, offset);
  const begin2 = second.begin + second.n - Math.max(0, -offset) - 1;
  return Array.from({ length }, (_, i) => [begin1 + i, begin2 - i]);
}

/** 1: mate 1's base is the good one; 2: mate 2's; 0: neither, or they agree. */
function better(first: Way, second: Way, p1: number, p2: number): 0 | 1 | 2 {
  if (first.bases[p1] === complementOf(second.bases[p2] as number)) return 0;
  const q1 = first.qualities[p1] as number;
  const q2 = second.qualities[p2] as number;
  if (q1 >= GOOD && q2 <= POOR) return 1;
  return q2 >= GOOD && q1 <= POOR ? 2 : 0;
}

export function isCorrectable(overlap: Overlap, first: Way, second: Way): boolean {
  if (!overlap.found || overlap.differences === 0) return false;
  return placesOf(overlap, first, second).some(([p1, p2]) => better(first, second, p1, p2) !== 0);
}

/** Writes the good base and its quality over the poor one. */
export function correct(overlap: Overlap, first: Way, second: Way, sums: TrimSums): void {
  const changed = new Set<number>();
  for (const [p1, p2] of placesOf(overlap, first, second)) {
    const good = better(first, second, p1, p2);
    if (good === 0) continue;
    if (good === 1) {
      second.bases[p2] = complementOf(first.bases[p1] as number);
      second.qualities[p2] = first.qualities[p1] as number;
    } else {
      first.bases[p1] = complementOf(second.bases[p2] as number);
      first.qualities[p1] = second.qualities[p2] as number;
    }
    changed.add(good);
    (sums[3] as number) += 1;
  }
  (sums[2] as number) += changed.size;
}

/** Cuts what reaches beyond the fragment; whether something did. */
export function trimOverhang(overlap: Overlap, first: Way, second: Way, sums: TrimSums): boolean {
  if (!overlap.found || overlap.offset >= 0) return false;
  const n1 = Math.min(first.n, overlap.length + second.front);
  const n2 = Math.min(second.n, overlap.length + first.front);
  (sums[0] as number) += 2;
  (sums[1] as number) += first.n - n1 + second.n - n2;
  first.n = n1;
  second.n = n2;
  return true;
}
