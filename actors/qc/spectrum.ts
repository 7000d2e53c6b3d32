/** What a sample's k-mers say: a spectrum's shape, and a sketch as sourmash reads it. */
import { createHash } from "node:crypto";
import { type KeyCounts, type KmerCounts, spectrumOf } from "../native/kmers.ts";
import { SPECTRUM_MAX } from "./limits.ts";

/** A k-mer spectrum in numbers; of a sample, scaled up. */
export interface SpectrumSummary {
  readonly k: number;
  /** k-mers seen, every occurrence; always exact. */
  readonly windows: number;
  readonly distinct: number;
  /** Those that came once. */
  readonly unique: number;
  /** One k-mer of so many was counted; over 1, all but `windows` are estimates. */
  readonly sampledOneOf: number;
  /**
   * Where errors end and the genome begins, and how often the most usual k-mer of it comes; absent
   * where the spectrum only falls: the coverage is too low to tell.
   */
  readonly peak?: {
    /** Below it lie more errors than genome: the lowest place between the two hills. */
    readonly valley: number;
    readonly coverage: number;
    /** Distinct k-mers below the valley: what errors made. */
    readonly errors: number;
    /** Genome k-mers over the coverage: the length of one copy, in bases. */
    readonly genomeSize: number;
  };
  /** Number of k-mers by how often they occur, from 1 on; no trailing zeros. */
  readonly histogram: readonly number[];
}

export function spectrumSummary(k: number, counted: KmerCounts): SpectrumSummary {
  const sampledOneOf = 2 ** counted.halvings;
  const histogram = Array.from(spectrumOf(counted, SPECTRUM_MAX), (n) => n * sampledOneOf);
  const peak = peakOf(histogram);
  let most = histogram.length - 1;
  while (most > 0 && histogram[most] === 0) most -= 1;
  return {
    k,
    windows: counted.windows,
    distinct: counted.keys.length * sampledOneOf,
    unique: histogram[1] ?? 0,
    sampledOneOf,
    ...(peak === undefined ? {} : { peak }),
    histogram: histogram.slice(1, most + 1),
  };
}

/** The first hill behind the first valley; places are occurrences, place 0 is unused. */
function peakOf(histogram: readonly number[]): SpectrumSummary["peak"] {
  const at = (place: number): number => histogram[place] ?? 0;
  // The last place counts all that is more frequent, so it is no hill.
  const last = histogram.length - 2;
  let valley = 1;
  while (valley < last && at(valley + 1) <= at(valley)) valley += 1;
  if (valley >= last) return undefined;
  let coverage = valley;
  for (let place = valley; place <= last; place++) {
    if (at(place) > at(coverage)) coverage = place;
  }
  let errors = 0;
  let genome = 0;
  for (let place = 1; place <= last; place++) {
    if (place < valley) errors += at(place);
    else genome += place * at(place);
  }
  // A gap between two rare counts isn't a hill: it must stand out of what lies around by chance.
  if (at(coverage) < at(valley) + 3 * Math.sqrt(at(valley) + 1)) return undefined;
  return { valley, coverage, errors, genomeSize: Math.round(genome / coverage) };
}

/** A FracMinHash sketch: what `Sketch` keeps, hashes rising. */
export interface SketchOf {
  readonly name: string;
  /** The file that sourmash shows. */
  readonly filename: string;
  readonly k: number;
  readonly maxHash: bigint;
  readonly hashes: KeyCounts;
}

/**
 * Sketches in sourmash's signature JSON, version 0.4, with abundances; one document, in which a
 * name and file hold all their k. Numbers reach 2^64, so they are written digit by digit.
 */
export function sourmashJson(sketches: readonly SketchOf[]): string {
  const of = new Map<string, SketchOf[]>();
  for (const sketch of sketches) {
    const key = JSON.stringify([sketch.name, sketch.filename]);
    of.set(key, [...(of.get(key) ?? []), sketch]);
  }
  return `[${[...of.values()].map(signatureJson).join(",")}]\n`;
}

function signatureJson(sketches: readonly SketchOf[]): string {
  const { name = "", filename = "" } = sketches[0] ?? {};
  const head =
    `"class":"sourmash_signature","email":"","hash_function":"0.murmur64",` +
    `"filename":${JSON.stringify(filename)},"name":${JSON.stringify(name)},"license":"CC0"`;
  return `{${head},"signatures":[${sketches.map(sketchJson).join(",")}],"version":0.4}`;
}

function sketchJson({ k, maxHash, hashes }: SketchOf): string {
  const mins = Array.from(hashes.keys, String);
  const md5sum = createHash("md5").update(String(k)).update(mins.join("")).digest("hex");
  return (
    `{"num":0,"ksize":${k},"seed":42,"max_hash":${maxHash},"mins":[${mins.join(",")}],` +
    `"md5sum":"${md5sum}","abundances":[${hashes.counts.join(",")}],"molecule":"DNA"}`
  );
}

/** The hashes of both parts, key by key. */
export function addSketches(one: KeyCounts, other: KeyCounts): KeyCounts {
  const keys = new BigUint64Array(one.keys.length + other.keys.length);
  const counts = new Float64Array(keys.length);
  let [i, j, n] = [0, 0, 0];
  while (i < one.keys.length || j < other.keys.length) {
    const left = one.keys[i];
    const right = other.keys[j];
    const isLeft = left !== undefined && (right === undefined || left <= right);
    const isRight = right !== undefined && (left === undefined || right <= left);
    keys[n] = (isLeft ? left : right) ?? 0n;
    counts[n] = (isLeft ? (one.counts[i++] ?? 0) : 0) + (isRight ? (other.counts[j++] ?? 0) : 0);
    n += 1;
  }
  return { keys: keys.slice(0, n), counts: counts.slice(0, n) };
}
