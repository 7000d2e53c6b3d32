/**
 * The sample for whoever has no reads at hand: single reads of four simulated bacteria, made by
 * `actors/simulate` alone, with the truth in each name. One seed, one file.
 *
 * Estimate for 20,000 reads of 1,000 bases: 4 x 10^7 bytes at ~100 MB/s, 0.4 s.
 */
import { open, rename, stat, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { SystemError, toSystemError } from "../runtime/errors.ts";
import { hasCode, makeFolder } from "../runtime/storage/local.ts";
import { genomesOf } from "./simulated.ts";
import { type Community, makeCommunity } from "./simulate/community.ts";
import { simulateReads } from "./simulate/reads.ts";

export interface SampleOptions {
  /** An integer of 32 bits; the same one gives the same bytes. */
  readonly seed: number;
  /** Reads, 1..10^7. */
  readonly reads: number;
  /** Bases of each read, 50..10^5. */
  readonly length: number;
}

/** 20,000 reads of 1,000 bases: ~41 MB of FASTQ. */
const SAMPLE: SampleOptions = { seed: 20_261_122, reads: 20_000, length: 1_000 };
const GENOME_BASES_MIN = 500_000;
/** The genomes that the sample's reads are from. @throws {SystemError} USAGE. */
export function sampleCommunity({ seed, length }: Omit<SampleOptions, "reads">): Community {
  const bases = Math.max(GENOME_BASES_MIN, 4 * length);
  return makeCommunity({ seed, genomes: genomesOf(4).map((one) => ({ ...one, length: bases })) });
}

/**
 * Writes the sample as plain FASTQ to `path`, which is replaced. Reads are named
 * `sim_<i> genome=<name> strain=<name>`.
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
export function* sampleChunks(options: SampleOptions): Generator<Uint8Array, void, void> {
  const { seed, reads, length } = options;
  const named = { names: { labels: true } };
  const pieces = simulateReads(sampleCommunity(options), { seed, reads, length, ...named });
  for (const { first } of pieces) yield first;
}

/**
 * Makes the sample unless it stands; a standing one is left, because its time is part of its
 * identity.
 * @returns `path`. @throws {SystemError} OUTPUT_UNWRITABLE.
 */
export async function ensureSample(path: string): Promise<string> {
  try {
    await stat(path);
    return path;
  } catch (thrown) {
    if (!hasCode(thrown, "ENOENT")) throw toSystemError(thrown, "OUTPUT_UNWRITABLE");
  }
  const temp = `${path}.${process.pid}.tmp`;
  try {
    await makeFolder(dirname(path));
    await writeSample(temp, SAMPLE);
    await rename(temp, path);
    return path;
  } catch (thrown) {
    // On a full disk it holds the space that the log needs to say so.
    await unlink(temp).catch(() => undefined);
    throw toSystemError(thrown, "OUTPUT_UNWRITABLE");
  }
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
