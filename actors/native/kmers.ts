/**
 * k-mers of sequences: composition vectors, spectra, FracMinHash sketches, minimisers. A k-mer and
 * its reverse complement are one; U is T, either case counts, a window with anything else gives
 * none.
 */
import { KMER_KEYS_MAX } from "../limits.ts";
import { LEVELS, type Level, nativeStatus } from "./addon.ts";
import { checkBytes, checkCount, checkEnds } from "./checks.ts";
import { merge } from "./kmers/merge.ts";
import * as plain from "./plain/kmers.ts";
import type { RawTranslate } from "./translate.ts";

/** Sequences back to back: read i is bases[ends[i], ends[i + 1]); of a RecordBatch, two arrays. */
export interface Sequences {
  readonly bases: Uint8Array;
  readonly ends: Int32Array;
}

export type Force = "typescript" | undefined;

export const TETRAMERS = 136;

/**
 * Counts of canonical 4-mers; int32 [n, 136], row-major, in the order of actors/kmer's tokens.
 * @throws {RangeError | TypeError} when bases and ends don't fit together.
 */
export async function countTetramers(sequences: Sequences, force?: Force): Promise<Int32Array> {
  const { bases, ends } = checked(sequences);
  return rawOf(force).countTetramers(bases, ends);
}

/**
 * For each sequence the least of its spread k-mers, uint64 [n]; 2^64 - 1 without any. Sequences
 * that share stretches tend to share it: sorted or parted by it, like lies with like.
 * @param k - 1..31.
 */
export async function minimisers(
  sequences: Sequences,
  k: number,
  force?: Force,
): Promise<BigUint64Array> {
  const { bases, ends } = checked(sequences);
  checkCount("k", k, 1, 31);
  return rawOf(force).minimisers(bases, ends, k);
}

/** Counts by k-mer or by hash, keys rising; uint64 [n], float64 [n]. */
export interface KeyCounts {
  readonly keys: BigUint64Array;
  readonly counts: Float64Array;
}

/** A spectrum: exact while halvings is 0, else of a sample of 1 / 2^halvings of all k-mers. */
export interface KmerCounts extends KeyCounts {
  readonly halvings: number;
  /** k-mers seen, every occurrence; exact. */
  readonly windows: number;
}

/** Counts k-mers of one stream. One call at a time. */
export class KmerTable {
  readonly #raw: RawKmerTable;

  /** @param k - 1..31. @param keysMax - from more k-mers on they are sampled. */
  constructor(k: number, keysMax: number = KMER_KEYS_MAX, force?: Force) {
    checkCount("k", k, 1, 31);
    checkCount("keysMax", keysMax, 1, KMER_KEYS_MAX);
    const { KmerTable: Raw } = rawOf(force);
    this.#raw = new Raw(k, keysMax);
  }

  async add(sequences: Sequences): Promise<void> {
    const { bases, ends } = checked(sequences);
    await this.#raw.add(bases, ends);
  }

  counts(): KmerCounts {
    return this.#raw.table();
  }
}

/** What one table over both streams would hold. */
export function addKmerCounts(
  one: KmerCounts,
  other: KmerCounts,
  keysMax: number = KMER_KEYS_MAX,
): KmerCounts {
  return merge(one, other, keysMax);
}

/** The number of k-mers by how often they occur, 1..most; the last place also counts more. */
export function spectrumOf({ counts }: KeyCounts, most: number): Float64Array {
  checkCount("most", most, 1, 2 ** 20);
  const histogram = new Float64Array(most + 1);
  for (const count of counts) {
    const place = Math.min(count, most);
    histogram[place] = (histogram[place] ?? 0) + 1;
  }
  return histogram;
}

/** A FracMinHash sketch of one stream, with sourmash's hashes. One call at a time. */
export class Sketch {
  readonly k: number;
  readonly maxHash: bigint;
  readonly #raw: RawSketch;

  /** @param k - 1..31. @param scaled - keeps one hash of so many, 1..2^31. */
  constructor(k: number, scaled: number, force?: Level | "typescript") {
    checkCount("k", k, 1, 31);
    checkCount("scaled", scaled, 1, 2 ** 31);
    this.k = k;
    this.maxHash = scaled === 1 ? 2n ** 64n - 1n : BigInt(Math.round(2 ** 64 / scaled));
    const isScript = force === "typescript";
    const { Sketch: Raw } = rawOf(isScript ? force : undefined);
    this.#raw = new Raw(k, this.maxHash, LEVELS[isScript ? "plain" : (force ?? "avx512")]);
  }

  async add(sequences: Sequences): Promise<void> {
    const { bases, ends } = checked(sequences);
    await this.#raw.add(bases, ends);
  }

  /** The kept hashes and how often each came; sketches of parts add up key by key. */
  hashes(): KeyCounts {
    return this.#raw.table();
  }
}

/** @throws {RangeError | TypeError} when they don't fit together. */
export function checked(sequences: Sequences): Sequences {
  checkBytes("bases", sequences.bases);
  checkEnds("ends", sequences.ends, sequences.bases.length);
  return sequences;
}

function rawOf(force: Force): RawCounting {
  return (force === undefined ? nativeStatus().addon : undefined) ?? plain.counting;
}

export interface RawKmerTable {
  add(bases: Uint8Array, ends: Int32Array): Promise<void>;
  table(): KmerCounts;
}

export interface RawSketch {
  add(bases: Uint8Array, ends: Int32Array): Promise<void>;
  table(): KeyCounts;
}

/** What C++ and the TypeScript form export. */
export interface RawCounting {
  countTetramers(bases: Uint8Array, ends: Int32Array): Promise<Int32Array>;
  minimisers(bases: Uint8Array, ends: Int32Array, k: number): Promise<BigUint64Array>;
  readonly KmerTable: new (k: number, keysMax: number) => RawKmerTable;
  readonly Sketch: new (k: number, maxHash: bigint, level: number) => RawSketch;
}

export interface RawKmers extends RawCounting {
  readonly translate: RawTranslate;
}
