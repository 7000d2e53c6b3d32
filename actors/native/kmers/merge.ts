/**
 * Two k-mer spectra as one: a merge of rising keys in halves of 32 bits, because arithmetic of
 * bigints is some 20 times as slow. Keys that are sampled away are those that one table over both
 * streams would have dropped.
 */
import type { KmerCounts } from "../kmers.ts";

/** What one table over both streams would hold. @param keysMax - as both were counted with. */
export function merge(one: KmerCounts, other: KmerCounts, keysMax: number): KmerCounts {
  const windows = one.windows + other.windows;
  const both = mergeKeys(one, other);
  const from = Math.max(one.halvings, other.halvings);
  if (one.halvings === other.halvings && both.keys.length <= keysMax) {
    return { ...both, halvings: from, windows };
  }
  const zeros = leadingZeros(both.keys);
  let halvings = from;
  while (countFrom(zeros, halvings) > keysMax) halvings += 1;
  const isKept = (_: unknown, i: number): boolean => (zeros[i] as number) >= halvings;
  return { keys: both.keys.filter(isKept), counts: both.counts.filter(isKept), halvings, windows };
}

function mergeKeys(one: KmerCounts, other: KmerCounts): Pick<KmerCounts, "keys" | "counts"> {
  const keys = new BigUint64Array(one.keys.length + other.keys.length);
  const counts = new Float64Array(keys.length);
  const [a, b, into] = [halvesOf(one.keys), halvesOf(other.keys), halvesOf(keys)];
  let [i, j, n] = [0, 0, 0];
  while (i < a.length || j < b.length) {
    const order = compare(a, i, b, j);
    const from = order <= 0 ? a : b;
    const at = order <= 0 ? i : j;
    into[2 * n] = from[at] as number;
    into[2 * n + 1] = from[at + 1] as number;
    let count = 0;
    if (order <= 0) {
      count += one.counts[i >> 1] as number;
      i += 2;
    }
    if (order >= 0) {
      count += other.counts[j >> 1] as number;
      j += 2;
    }
    counts[n++] = count;
  }
  return { keys: keys.slice(0, n), counts: counts.slice(0, n) };
}

/** Below 0 where the key at i comes first; what is past an end comes last. */
function compare(a: Uint32Array, i: number, b: Uint32Array, j: number): number {
  if (i >= a.length) return 1;
  if (j >= b.length) return -1;
  const high = (a[i + 1] as number) - (b[j + 1] as number);
  return high !== 0 ? high : (a[i] as number) - (b[j] as number);
}

/** The keys' halves, low ones first. */
function halvesOf(keys: BigUint64Array): Uint32Array {
  return new Uint32Array(keys.buffer, keys.byteOffset, keys.length * 2);
}

function countFrom(zeros: Uint8Array, least: number): number {
  let count = 0;
  for (const value of zeros) if (value >= least) count += 1;
  return count;
}

/** Leading zeros of each key's spread bits (the finaliser of MurmurHash3); uint8 [n], 0..64. */
function leadingZeros(keys: BigUint64Array): Uint8Array {
  const halves = halvesOf(keys);
  const zeros = new Uint8Array(keys.length);
  for (let i = 0; i < keys.length; i++) {
    let [low, high] = [halves[2 * i] as number, halves[2 * i + 1] as number];
    low ^= high >>> 1;
    [low, high] = product(low, high, 0xed55_8ccd, 0xff51_afd7);
    low ^= high >>> 1;
    [low, high] = product(low, high, 0x1a85_ec53, 0xc4ce_b9fe);
    low ^= high >>> 1;
    zeros[i] = high === 0 ? 32 + Math.clz32(low) : Math.clz32(high);
  }
  return zeros;
}

/** The low 64 bits of a product, in halves; int32 each. */
function product(low: number, high: number, byLow: number, byHigh: number): [number, number] {
  const [a, b] = [low & 0xffff, low >>> 16];
  const [c, d] = [byLow & 0xffff, byLow >>> 16];
  const least = a * c;
  const middle = b * c + (least >>> 16);
  const other = a * d + (middle % 0x1_0000);
  const carried = b * d + Math.floor(middle / 0x1_0000) + Math.floor(other / 0x1_0000);
  const cross = Math.imul(low, byHigh) + Math.imul(high, byLow);
  return [Math.imul(low, byLow), (carried + cross) | 0];
}
