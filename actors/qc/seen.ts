/**
 * How often the same comes again: reads (duplicates) or ids. Exact up to a number of distinct ones;
 * beyond it, a sample by hash, halved as often as needed.
 *
 * What two parts have seen adds up to what one pass sees, in any order: the sample of a set depends
 * on the set alone.
 */
import type { QcReads } from "../native/qc.ts";

/** Hashes have 53 bits, so that a number holds one. */
const HASH_BITS = 53;
const FREE = -1;

/** What was seen; exact while halvings is 0. */
export interface Seen {
  /** All that was added, sampled or not; exact. */
  readonly total: number;
  /** Hashes that are kept, rising; each < 2^(53 - halvings); float64 [n]. */
  readonly keys: Float64Array;
  /** How often each came; float64 [n]. */
  readonly counts: Float64Array;
  readonly halvings: number;
}

export const NOTHING_SEEN: Seen = {
  total: 0,
  keys: new Float64Array(0),
  counts: new Float64Array(0),
  halvings: 0,
};

/** Counts what comes again in one stream. */
export class SeenCounter {
  readonly #keysMax: number;
  #slots = new Float64Array(1024).fill(FREE);
  #counts = new Float64Array(1024);
  #size = 0;
  #halvings = 0;
  #total = 0;

  /** @param keysMax - distinct ones from which on they are sampled; >= 1. */
  constructor(keysMax: number) {
    this.#keysMax = keysMax;
  }

  /** Adds single reads, or pairs: of a pair both sequences together are one. */
  addReads(first: QcReads, second?: QcReads): void {
    const hash = new Hash();
    const ends = [first, second].map((mate) => (mate === undefined ? undefined : viewOf(mate)));
    const [one, other] = ends;
    for (let i = 0; i + 1 < first.ends.length; i++) {
      hash.begin();
      if (one !== undefined) hash.add(one, first.ends[i] ?? 0, first.ends[i + 1] ?? 0);
      if (other !== undefined && second !== undefined) {
        hash.add(other, second.ends[i] ?? 0, second.ends[i + 1] ?? 0);
      }
      this.add(hash.end());
    }
  }

  /** Adds names that lie back to back, as a batch has them. */
  addNames(names: Uint8Array, nameEnds: Int32Array): void {
    this.addReads({ bases: names, qualities: names, ends: nameEnds });
  }

  /** @param hash - a whole number in [0, 2^53). */
  add(hash: number): void {
    this.#total += 1;
    if (hash >= 2 ** (HASH_BITS - this.#halvings)) return;
    const slot = this.#slotOf(hash);
    (this.#counts[slot] as number) += 1;
    if (this.#slots[slot] !== FREE) return;
    this.#slots[slot] = hash;
    this.#size += 1;
    if (this.#size > this.#keysMax) this.#thin();
    else if (this.#size * 2 > this.#slots.length) this.#rebuild(this.#slots.length * 2);
  }

  /** All that was seen so far; the consumer owns it. */
  seen(): Seen {
    const keys = new Float64Array(this.#size);
    let n = 0;
    for (let slot = 0; slot < this.#slots.length; slot++) {
      const key = this.#slots[slot] as number;
      if (key !== FREE) keys[n++] = key;
    }
    keys.sort();
    const counts = new Float64Array(n);
    for (let i = 0; i < n; i++) counts[i] = this.#counts[this.#slotOf(keys[i] as number)] as number;
    return { total: this.#total, keys, counts, halvings: this.#halvings };
  }

  #slotOf(hash: number): number {
    const mask = this.#slots.length - 1;
    // The low bits are as good as any; sampling is by the high ones.
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const key = this.#slots[slot];
      if (key === FREE || key === hash) return slot;
    }
  }

  #thin(): void {
    while (this.#size > this.#keysMax && this.#halvings < HASH_BITS) {
      this.#halvings += 1;
      this.#rebuild(this.#slots.length);
    }
  }

  #rebuild(length: number): void {
    const [slots, counts] = [this.#slots, this.#counts];
    const bound = 2 ** (HASH_BITS - this.#halvings);
    this.#slots = new Float64Array(length).fill(FREE);
    this.#counts = new Float64Array(length);
    this.#size = 0;
    for (const [i, key] of slots.entries()) {
      if (key === FREE || key >= bound) continue;
      const slot = this.#slotOf(key);
      this.#slots[slot] = key;
      this.#counts[slot] = counts[i] ?? 0;
      this.#size += 1;
    }
  }
}

/** What one counter over both streams has seen. @param keysMax - as both were counted with. */
export function addSeen(one: Seen, other: Seen, keysMax: number): Seen {
  const total = one.total + other.total;
  const from = Math.max(one.halvings, other.halvings);
  const both = merged(one, other, 2 ** (HASH_BITS - from));
  let halvings = from;
  let size = both.keys.length;
  // Keys rise, so a sample is a beginning of them.
  while (size > keysMax && halvings < HASH_BITS) {
    halvings += 1;
    const bound = 2 ** (HASH_BITS - halvings);
    while (size > 0 && (both.keys[size - 1] ?? 0) >= bound) size -= 1;
  }
  return { total, keys: both.keys.slice(0, size), counts: both.counts.slice(0, size), halvings };
}

function merged(one: Seen, other: Seen, bound: number): Pick<Seen, "keys" | "counts"> {
  const keys = new Float64Array(one.keys.length + other.keys.length);
  const counts = new Float64Array(keys.length);
  let [i, j, n] = [0, 0, 0];
  for (;;) {
    const left = one.keys[i] ?? Infinity;
    const right = other.keys[j] ?? Infinity;
    const key = Math.min(left, right);
    if (key >= bound) break;
    keys[n] = key;
    counts[n] =
      (left === key ? (one.counts[i++] ?? 0) : 0) + (right === key ? (other.counts[j++] ?? 0) : 0);
    n += 1;
  }
  return { keys: keys.subarray(0, n), counts: counts.subarray(0, n) };
}

/** How much of what was seen had come before. */
export interface Repeats {
  /** Share of all that came again, 0..1. */
  readonly rate: number;
  /** Distinct ones; of a sample, scaled up. */
  readonly distinct: number;
  /** Those that came more than once, each counted once; of a sample, scaled up. */
  readonly repeated: number;
  /** One of so many was counted; over 1, all figures are estimates. */
  readonly sampledOneOf: number;
}

export function repeatsOf({ keys, counts, halvings }: Seen): Repeats {
  const sampledOneOf = 2 ** halvings;
  const sum = counts.reduce((all, count) => all + count, 0);
  const repeated = counts.reduce((all, count) => all + Number(count > 1), 0);
  return {
    rate: sum === 0 ? 0 : (sum - keys.length) / sum,
    distinct: keys.length * sampledOneOf,
    repeated: repeated * sampledOneOf,
    sampledOneOf,
  };
}

function viewOf({ bases }: QcReads): DataView {
  return new DataView(bases.buffer, bases.byteOffset, bases.byteLength);
}

/** Two unlike 32-bit hashes side by side, over pieces whose lengths count. */
class Hash {
  #a = 0;
  #b = 0;

  begin(): void {
    this.#a = 0;
    this.#b = 0x2545_f491;
  }

  add(bytes: DataView, begin: number, end: number): void {
    const whole = end - ((end - begin) & 3);
    let [a, b] = [this.#a, this.#b];
    for (let at = begin; at < whole; at += 4) {
      const word = bytes.getInt32(at, true);
      a = mixed(a, word);
      b = stirred(b, word);
    }
    let rest = 0;
    for (let at = whole; at < end; at++) rest = (rest << 8) | bytes.getUint8(at);
    for (const word of [rest, end - begin]) {
      a = mixed(a, word);
      b = stirred(b, word);
    }
    this.#a = a;
    this.#b = b;
  }

  /** @returns 53 bits. */
  end(): number {
    const a = finished((this.#a + this.#b) | 0);
    const b = finished((this.#b + Math.imul(a, 5)) | 0);
    return (a >>> 11) * 2 ** 32 + (b >>> 0);
  }
}

/** MurmurHash3's step. */
function mixed(hash: number, word: number): number {
  const first = Math.imul(word, 0xcc9e_2d51);
  const spread = Math.imul((first << 15) | (first >>> 17), 0x1b87_3593);
  const both = hash ^ spread;
  return (Math.imul((both << 13) | (both >>> 19), 5) + 0xe654_6b64) | 0;
}

/** Another step, so that what collides in one doesn't in the other. */
function stirred(hash: number, word: number): number {
  const both = Math.imul(hash ^ word, 0x9e37_79b1);
  const folded = both ^ (both >>> 15);
  return (folded << 7) | (folded >>> 25);
}

/** MurmurHash3's end. */
function finished(hash: number): number {
  let x = hash;
  x = Math.imul(x ^ (x >>> 16), 0x85eb_ca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35);
  return x ^ (x >>> 16);
}
