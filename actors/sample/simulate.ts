/**
 * A sample for whoever has none at hand: reads of synthetic genomes, with substitution errors that
 * keep to the qualities, from both strands, and the truth in each name. One seed, one file.
 *
 * Estimate for 20,000 reads of 1,000 bases: 2 x 10^7 draws and 4 x 10^7 bytes, ~0.4 s; measured 0.4
 * s.
 */
import { open } from "node:fs/promises";
import { SystemError } from "../../runtime/errors.ts";
import { type Genome, makeGenomes } from "./genome.ts";
import { Random } from "./random.ts";

export interface SampleOptions {
  /** An integer; the same one gives the same bytes. */
  readonly seed: number;
  /** Reads, 1..10^7. */
  readonly reads: number;
  /** Bases of each read, 50..10^5. */
  readonly length: number;
}

const GENOME_BASES_MIN = 500_000;
const LETTERS = Buffer.from("ACGT");
const QUALITY_MAX = 40;
const QUALITY_MIN = 3;
/** Bytes that are collected before they are written. */
const CHUNK_BYTES = 1024 * 1024;

/** Error probabilities 10^(-q/10) as thresholds for 24 random bits. */
const ERROR_LIMIT = Int32Array.from({ length: QUALITY_MAX + 1 }, (_, quality) =>
  Math.round(10 ** (-quality / 10) * 2 ** 24),
);

/**
 * Writes the sample as plain FASTQ to `path`, which is replaced. Reads are named
 * `sim_<i> genome=<name> pos=<0-based, forward strand> strand=<+|->`.
 * @throws {SystemError} USAGE for options out of bounds.
 */
export async function writeSample(path: string, options: SampleOptions): Promise<void> {
  checkOptions(options);
  const file = await open(path, "w");
  try {
    for (const chunk of sampleChunks(options)) await file.writeFile(chunk);
  } finally {
    await file.close();
  }
}

/** The sample's bytes, in pieces; each is valid until the next is asked for. */
export function* sampleChunks(options: SampleOptions): Generator<Buffer, void, void> {
  const { seed, reads, length } = options;
  const genomes = makeGenomes(seed, Math.max(GENOME_BASES_MIN, 4 * length));
  const random = new Random(seed);
  const means = meanQualities(length);
  const recordBytesMax = 2 * length + 128;
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES + recordBytesMax);
  let used = 0;
  for (let read = 0; read < reads; read++) {
    used = writeRead(chunk, used, read, { genomes, random, means, length });
    if (used < CHUNK_BYTES) continue;
    yield chunk.subarray(0, used);
    used = 0;
  }
  if (used > 0) yield chunk.subarray(0, used);
}

interface Model {
  readonly genomes: readonly Genome[];
  readonly random: Random;
  /** Mean quality at each place of a read. */
  readonly means: Uint8Array;
  readonly length: number;
}

/** Writes one record from `begin` on; @returns its end. */
function writeRead(chunk: Buffer, begin: number, read: number, model: Model): number {
  const { genomes, random, length } = model;
  const genome = genomes[random.below(genomes.length)] as Genome;
  const position = random.below(genome.bases.length - length);
  const reverse = (random.next() & 1) === 1;
  const strand = reverse ? "-" : "+";
  const name = `@sim_${read} genome=${genome.name} pos=${position} strand=${strand}\n`;
  const sequence = begin + chunk.write(name, begin, "latin1");
  const quality = sequence + length + 3;
  chunk.write("\n+\n", sequence + length, "latin1");
  // The reverse strand is read backwards, each base as its complement, 3 - base.
  const first = reverse ? position + length - 1 : position;
  copyBases(chunk, { sequence, quality }, genome.bases, { first, reverse }, model);
  chunk[quality + length] = 10;
  return quality + length + 1;
}

function copyBases(
  chunk: Buffer,
  to: { readonly sequence: number; readonly quality: number },
  bases: Uint8Array,
  from: { readonly first: number; readonly reverse: boolean },
  { random, means, length }: Model,
): void {
  const step = from.reverse ? -1 : 1;
  const flip = from.reverse ? 3 : 0;
  // A read as a whole is better or worse than the mean, by up to 4.
  const shift = random.below(9) - 4;
  for (let i = 0; i < length; i++) {
    const draw = random.next();
    const noise = (draw & 7) - (draw & 8 ? 4 : 3);
    const wanted = (means[i] as number) + shift + noise;
    const quality = Math.min(QUALITY_MAX, Math.max(QUALITY_MIN, wanted));
    // 3 ^ base is 3 - base.
    let base = (bases[from.first + step * i] as number) ^ flip;
    if (draw >>> 8 < (ERROR_LIMIT[quality] as number)) base = (base + 1 + ((draw >>> 4) % 3)) & 3;
    chunk[to.sequence + i] = LETTERS[base] as number;
    chunk[to.quality + i] = 33 + quality;
  }
}

/** Declines along the read, faster towards its end: 37 to 22. */
function meanQualities(length: number): Uint8Array {
  return Uint8Array.from(
    { length },
    (_, place) => 37 - Math.floor((15 * place ** 2) / length ** 2),
  );
}

function checkOptions({ seed, reads, length }: SampleOptions): void {
  const valid =
    Number.isSafeInteger(seed) &&
    Number.isSafeInteger(reads) &&
    reads >= 1 &&
    reads <= 10_000_000 &&
    Number.isSafeInteger(length) &&
    length >= 50 &&
    length <= 100_000;
  if (!valid)
    throw new SystemError("USAGE", "a sample needs a seed, 1 to 10^7 reads of 50 to 10^5 bases");
}
