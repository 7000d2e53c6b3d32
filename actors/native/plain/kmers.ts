/** k-mers in TypeScript: kmers/kmers.cpp and murmur.cpp, where no addon is. */
import type { KeyCounts, KmerCounts, RawCounting, RawKmerTable, RawSketch } from "../kmers.ts";

const MASK = 2n ** 64n - 1n;
const NO_BASE = 4;
const NUMBERS = new Uint8Array(256).fill(NO_BASE);
for (const [number, letters] of ["Aa", "Cc", "Gg", "TtUu"].entries()) {
  for (const letter of letters) NUMBERS[letter.charCodeAt(0)] = number;
}

/** Calls take(canonical k-mer) for each window of bases[begin, end). */
function overKmers(
  bases: Uint8Array,
  begin: number,
  end: number,
  k: number,
  take: (kmer: bigint) => void,
): void {
  const mask = 2n ** BigInt(2 * k) - 1n;
  const top = BigInt(2 * (k - 1));
  let [forward, backward, run] = [0n, 0n, 0];
  for (let i = begin; i < end; i++) {
    const number = NUMBERS[bases[i] as number] as number;
    if (number === NO_BASE) {
      run = 0;
      continue;
    }
    forward = ((forward << 2n) | BigInt(number)) & mask;
    backward = (backward >> 2n) | (BigInt(3 - number) << top);
    if (++run >= k) take(forward < backward ? forward : backward);
  }
}

/** Calls visit(i, begin, end) for each sequence. */
function overSequences(ends: Int32Array, visit: (i: number, begin: number, end: number) => void) {
  for (let i = 0; i + 1 < ends.length; i++) visit(i, ends[i] as number, ends[i + 1] as number);
}

/** Spreads the bits of a number; a bijection (the finaliser of MurmurHash3). */
function spread(value: bigint): bigint {
  let x = value;
  x ^= x >> 33n;
  x = (x * 0xff51afd7ed558ccdn) & MASK;
  x ^= x >> 33n;
  x = (x * 0xc4ceb9fe1a85ec53n) & MASK;
  return x ^ (x >> 33n);
}

/** Number of a 4-mer -> its place among the canonical ones. */
function tetramerPlaces(): Int32Array {
  const places = new Int32Array(256);
  let next = 0;
  for (let kmer = 0; kmer < 256; kmer++) {
    let mate = 0;
    for (let i = 0; i < 4; i++) mate = (mate << 2) | (3 - ((kmer >> (2 * i)) & 3));
    places[kmer] = mate < kmer ? (places[mate] as number) : next++;
  }
  return places;
}

const PLACES = tetramerPlaces();

function isSampled(kmer: bigint, halvings: number): boolean {
  return spread(kmer) >> BigInt(64 - halvings) === 0n;
}

/** Drops k-mers until there are at most keysMax; @returns the halvings then. */
function thin(counts: Map<bigint, number>, keysMax: number, begin: number): number {
  let halvings = begin;
  while (counts.size > keysMax) {
    halvings += 1;
    for (const key of counts.keys()) if (!isSampled(key, halvings)) counts.delete(key);
  }
  return halvings;
}

function sorted(counts: ReadonlyMap<bigint, number>): KeyCounts {
  const keys = BigUint64Array.from(counts.keys()).sort();
  return { keys, counts: Float64Array.from(keys, (key) => counts.get(key) ?? 0) };
}

class PlainKmerTable implements RawKmerTable {
  readonly #k: number;
  readonly #keysMax: number;
  readonly #counts = new Map<bigint, number>();
  #halvings = 0;
  #windows = 0;

  constructor(k: number, keysMax: number) {
    this.#k = k;
    this.#keysMax = keysMax;
  }

  async add(bases: Uint8Array, ends: Int32Array): Promise<void> {
    overSequences(ends, (_, begin, end) => {
      overKmers(bases, begin, end, this.#k, (kmer) => this.#count(kmer));
    });
  }

  table(): KmerCounts {
    return { ...sorted(this.#counts), halvings: this.#halvings, windows: this.#windows };
  }

  #count(kmer: bigint): void {
    this.#windows += 1;
    if (!isSampled(kmer, this.#halvings)) return;
    this.#counts.set(kmer, (this.#counts.get(kmer) ?? 0) + 1);
    this.#halvings = thin(this.#counts, this.#keysMax, this.#halvings);
  }
}

class PlainSketch implements RawSketch {
  readonly #k: number;
  readonly #maxHash: bigint;
  readonly #hashes = new Map<bigint, number>();

  constructor(k: number, maxHash: bigint) {
    this.#k = k;
    this.#maxHash = maxHash;
  }

  async add(bases: Uint8Array, ends: Int32Array): Promise<void> {
    const letters = Buffer.alloc(this.#k);
    overSequences(ends, (_, begin, end) => {
      overKmers(bases, begin, end, this.#k, (kmer) => {
        for (let i = 0; i < this.#k; i++) {
          const number = Number((kmer >> BigInt(2 * (this.#k - 1 - i))) & 3n);
          letters[i] = "ACGT".charCodeAt(number);
        }
        const hash = murmurHash(letters, 42n);
        if (hash <= this.#maxHash) this.#hashes.set(hash, (this.#hashes.get(hash) ?? 0) + 1);
      });
    });
  }

  table(): KeyCounts {
    return sorted(this.#hashes);
  }
}

const C1 = 0x87c37b91114253d5n;
const C2 = 0x4cf5ad432745937fn;

function rotated(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & MASK;
}

function mixed(value: bigint, first: bigint, bits: bigint, second: bigint): bigint {
  return (rotated((value * first) & MASK, bits) * second) & MASK;
}

/** MurmurHash3 x64 128, first half. */
function murmurHash(bytes: Buffer, seed: bigint): bigint {
  let [h1, h2] = [seed, seed];
  const blocks = bytes.length >> 4;
  for (let i = 0; i < blocks; i++) {
    h1 ^= mixed(bytes.readBigUInt64LE(16 * i), C1, 31n, C2);
    h1 = ((rotated(h1, 27n) + h2) * 5n + 0x52dce729n) & MASK;
    h2 ^= mixed(bytes.readBigUInt64LE(16 * i + 8), C2, 33n, C1);
    h2 = ((rotated(h2, 31n) + h1) * 5n + 0x38495ab5n) & MASK;
  }
  const tail = Buffer.alloc(16);
  bytes.copy(tail, 0, 16 * blocks);
  h2 ^= mixed(tail.readBigUInt64LE(8), C2, 33n, C1);
  h1 ^= mixed(tail.readBigUInt64LE(0), C1, 31n, C2);
  h1 ^= BigInt(bytes.length);
  h2 ^= BigInt(bytes.length);
  h1 = (h1 + h2) & MASK;
  h2 = (h2 + h1) & MASK;
  return (spread(h1) + spread(h2)) & MASK;
}

export const counting: RawCounting = {
  countTetramers: async (bases, ends) => {
    const counts = new Int32Array((ends.length - 1) * 136);
    overSequences(ends, (i, begin, end) => {
      overKmers(bases, begin, end, 4, (kmer) => {
        const place = i * 136 + (PLACES[Number(kmer)] as number);
        counts[place] = (counts[place] as number) + 1;
      });
    });
    return counts;
  },
  minimisers: async (bases, ends, k) => {
    const least = new BigUint64Array(ends.length - 1).fill(MASK);
    overSequences(ends, (i, begin, end) => {
      overKmers(bases, begin, end, k, (kmer) => {
        const value = spread(kmer);
        if (value < (least[i] as bigint)) least[i] = value;
      });
    });
    return least;
  },
  KmerTable: PlainKmerTable,
  Sketch: PlainSketch,
};
