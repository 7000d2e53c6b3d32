/**
 * Simulated files from a few plain options: what `ligase simulate` asks. Whoever wants more calls
 * `actors/simulate` itself.
 */
import { SystemError } from "../runtime/errors.ts";
import { type GenomeOptions, makeCommunity } from "./simulate/community.ts";
import { type Written, writeSimulated } from "./simulate/containers.ts";
import { simulateContigs } from "./simulate/contigs.ts";
import { checkRange, checkWhole } from "./simulate/limits.ts";
import { QUALITY_MODELS } from "./simulate/quality.ts";
import { simulateReads } from "./simulate/reads.ts";
import type { TableName } from "./simulate/tables.ts";

/** Least and most; equal ones are one value. */
type Range = readonly [number, number];

export interface SimulatedOptions {
  readonly first: string;
  /** Second mates; with it the reads are pairs. */
  readonly second?: string;
  readonly truth?: string;
  readonly container: "plain" | "gzip" | "bgzf";
  readonly seed: number;
  readonly genomes: number;
  readonly genomeLength: number;
  readonly strains: number;
  /** Sigma of log-normal shares; absent: even. */
  readonly abundance?: number;
  readonly kind: "reads" | "contigs";
  /** Fragments or contigs. */
  readonly count: number;
  readonly length: Range;
  /** Mean and standard deviation of fragments. */
  readonly insert?: Range;
  readonly quality: string;
  readonly duplicates: number;
  /** Share of reads with a run of N. */
  readonly unknown: number;
  readonly phred64: boolean;
  readonly polyG: boolean;
  readonly labels: boolean;
}

const GENOMES_MAX = 64;
/** Longest run of N, and the share of reads that go dark in two colours. */
const UNKNOWN_LONGEST = 20;
const DARK = 0.02;
const PAIR_INSERT: Range = [300, 60];
const CHAINS: readonly TableName[] = ["escherichia", "akkermansia", "shewanella185"];

/**
 * Names and chains of `count` genomes of different composition: three as they were fitted, then
 * blends of two, so that none is trivially apart from all others.
 */
export function genomesOf(count: number): readonly Pick<GenomeOptions, "name" | "chain">[] {
  checkWhole("number of genomes", count, 1, GENOMES_MAX);
  return Array.from({ length: count }, (_, index) => {
    const name = `g${index}`;
    const of = CHAINS[index % CHAINS.length] as TableName;
    const round = Math.floor(index / CHAINS.length);
    if (round === 0) return { name, chain: of };
    const other = CHAINS[(index + 1) % CHAINS.length] as TableName;
    // Shares of rounds are spread by the golden ratio: no two of 64 meet.
    const percent = Math.round(25 + 50 * ((round * 0.618_034) % 1));
    return { name, chain: { of, with: other, percent } };
  });
}

/**
 * Writes them.
 * @throws {SystemError} USAGE for options out of bounds; OUTPUT_UNWRITABLE.
 */
export async function simulateFiles(options: SimulatedOptions): Promise<Written> {
  const { seed, genomes, genomeLength, strains, abundance, kind } = options;
  if (abundance !== undefined) checkRange("sigma of the abundance", abundance, 0, 10);
  const community = makeCommunity({
    seed,
    genomes: genomesOf(genomes).map((one) => ({ ...one, length: genomeLength, strains })),
    ...(abundance === undefined ? {} : { abundance: { kind: "log-normal", sigma: abundance } }),
  });
  const { first, second, truth, container } = options;
  if (kind === "contigs" && second !== undefined) {
    throw new SystemError("USAGE", "contigs have no second mates");
  }
  const files = { first, ...(second && { second }), ...(truth && { truth }), container };
  const [min, max] = options.length;
  const { labels, count } = options;
  const pieces =
    kind === "contigs"
      ? simulateContigs(community, { seed, contigs: count, length: { min, max }, labels })
      : simulateReads(community, { ...readsOptions(options), seed, reads: count });
  return writeSimulated(files, pieces);
}

function readsOptions(options: SimulatedOptions) {
  const { second, duplicates, unknown, labels, polyG } = options;
  const [min, max] = options.length;
  const insert = options.insert ?? (second === undefined ? undefined : PAIR_INSERT);
  return {
    layout: second === undefined ? ("single" as const) : ("paired" as const),
    length: { min, max },
    ...(insert === undefined ? {} : { insert: { mean: insert[0], sd: insert[1] } }),
    quality: modelOf(options.quality),
    duplicates,
    ...(unknown === 0 ? {} : { noCalls: { share: unknown, longest: UNKNOWN_LONGEST } }),
    phred: options.phred64 ? (64 as const) : (33 as const),
    ...(polyG ? { colours: "two" as const, dark: DARK } : {}),
    // An instrument of two colours is told by its name.
    names: { labels, style: polyG ? ("casava" as const) : ("plain" as const) },
  };
}

function modelOf(name: string) {
  const model = Object.entries(QUALITY_MODELS).find(([known]) => known === name)?.[1];
  if (model !== undefined) return model;
  throw new SystemError("USAGE", `no model of qualities is named '${name}'`);
}
