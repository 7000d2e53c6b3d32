/**
 * A community of genomes: each a walk along its chain, with islands from another chain (genes
 * from elsewhere), segments that all genomes share but for a few substitutions (as ribosomal RNA
 * is), strains that differ by single bases, and a share of the fragments for each strain.
 *
 * Independent random bases would be a toy: every method separates them. A chain is less of one and
 * still kinder than nature: the 4-mer profiles of its windows (centred log-ratios) lie nearer to
 * their mean than a real genome's do (root mean square distance at 5 kb: 2.25 against 3.03 for
 * E. coli, 2.47 against 3.45 for Akkermansia; at 1 kb 4.89 against 5.57, 5.23 against 6.23).
 * Islands of a blended chain widen it.
 */
import { type ChainSpec, chainOf, walk } from "./chain.ts";
import { below, chance, exponential, gaussian, Random } from "./draws.ts";
import {
  checkLabel,
  checkRange,
  checkSeed,
  checkWhole,
  COMMUNITY_BASES_MAX,
  GENOME_BASES_MAX,
  GENOME_BASES_MIN,
  STRAINS_MAX,
} from "./limits.ts";
import { SystemError } from "../../runtime/errors.ts";

export interface GenomeOptions {
  /** The label of its reads: a short word, no other genome's. */
  readonly name: string;
  readonly chain: ChainSpec;
  /** Bases, GENOME_BASES_MIN..GENOME_BASES_MAX. */
  readonly length: number;
  /** Default 1: the genome itself. The others are copies with substitutions. */
  readonly strains?: number;
  /** Share of bases in which a further strain differs from the first; default 0.01. */
  readonly snpRate?: number;
  /** Pieces walked along another chain; `share` of the genome, each of `length` bases. */
  readonly islands?: {
    readonly chain: ChainSpec;
    readonly share: number;
    readonly length: number;
  };
}

export interface ConservedOptions {
  /** Different ancestral segments. */
  readonly families: number;
  /** Places of each in each genome. */
  readonly copies: number;
  /** Bases of a segment. */
  readonly length: number;
  /** Share of bases that a copy has in common with its ancestor. */
  readonly identity: number;
}

/**
 * Shares of the fragments (not of the cells), over all strains in order: the same for each; e to
 * the sigma times a normal draw; or given weights, one a strain.
 */
export type Abundance =
  | { readonly kind: "even" }
  | { readonly kind: "log-normal"; readonly sigma: number }
  | { readonly kind: "given"; readonly weights: readonly number[] };

export interface CommunityOptions {
  /** An integer; the same one gives the same bases. */
  readonly seed: number;
  readonly genomes: readonly GenomeOptions[];
  /** Default: two families with three copies each of 1,500 bases, 0.95 of them in common. */
  readonly conserved?: ConservedOptions | null;
  /** Default even. */
  readonly abundance?: Abundance;
}

/** Where a conserved segment stands; 0 <= start, start + length <= bases. */
export interface Segment {
  readonly family: number;
  readonly start: number;
  readonly length: number;
}

export interface Strain {
  readonly genome: string;
  /** `<genome>.<number from 0>`. */
  readonly name: string;
  /** Base numbers 0..3. */
  readonly bases: Uint8Array;
  /** Of all fragments, 0..1; they sum to 1. */
  readonly share: number;
  readonly conserved: readonly Segment[];
  /** Bases in which it differs from the genome's first strain. */
  readonly snps: number;
}

export interface Community {
  readonly strains: readonly Strain[];
}

/** As ribosomal operons: a few places, a few thousand bases, near each other in all. */
const CONSERVED: ConservedOptions = { families: 2, copies: 3, length: 1_500, identity: 0.95 };
const SNP_RATE = 0.01;
/** Numbers of the random streams: each genome has a block of its own. */
const STREAM = { ancestors: 1, abundance: 2, genome: 1_000, perGenome: 16_384 } as const;

/**
 * The community's strains, genome by genome.
 * @throws {SystemError} USAGE for options out of bounds.
 */
export function makeCommunity(options: CommunityOptions): Community {
  checkCommunity(options);
  const { seed, genomes, conserved = CONSERVED } = options;
  const ancestors = conserved === null ? [] : makeAncestors(options, conserved);
  const bare = genomes.flatMap((genome, index) => {
    const stream = STREAM.genome + index * STREAM.perGenome;
    return makeStrains(seed, stream, genome, { ancestors, conserved });
  });
  const weights = weightsOf(options, bare.length);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return {
    strains: bare.map((strain, index) => ({ ...strain, share: (weights[index] as number) / sum })),
  };
}

interface Shared {
  readonly ancestors: readonly Uint8Array[];
  readonly conserved: ConservedOptions | null;
}

/** Ancestral segments are walks along the first genome's chain. */
function makeAncestors({ seed, genomes }: CommunityOptions, it: ConservedOptions): Uint8Array[] {
  const random = new Random(seed, STREAM.ancestors);
  const [first] = genomes;
  if (first === undefined) return [];
  return Array.from({ length: it.families }, () => {
    const bases = new Uint8Array(it.length);
    walk(random, chainOf(first.chain), bases);
    return bases;
  });
}

type Bare = Omit<Strain, "share">;

function makeStrains(seed: number, stream: number, genome: GenomeOptions, shared: Shared): Bare[] {
  const random = new Random(seed, stream);
  const bases = new Uint8Array(genome.length);
  walk(random, chainOf(genome.chain), bases);
  addIslands(random, bases, genome);
  const conserved = addConserved(random, bases, shared);
  return Array.from({ length: genome.strains ?? 1 }, (_, index) => {
    const name = `${genome.name}.${index}`;
    if (index === 0) return { genome: genome.name, name, bases, conserved, snps: 0 };
    const copy = bases.slice();
    const snps = mutate(new Random(seed, stream + index), copy, genome.snpRate ?? SNP_RATE);
    return { genome: genome.name, name, bases: copy, conserved, snps };
  });
}

function addIslands(random: Random, bases: Uint8Array, { islands }: GenomeOptions): void {
  if (islands === undefined) return;
  const chain = chainOf(islands.chain);
  const count = Math.round((bases.length * islands.share) / islands.length);
  for (const start of disjointStarts(random, bases.length, equal(count, islands.length)))
    walk(random, chain, bases.subarray(start, start + islands.length));
}

function addConserved(random: Random, bases: Uint8Array, shared: Shared): Segment[] {
  const { ancestors, conserved } = shared;
  if (conserved === null) return [];
  const { length, copies, identity } = conserved;
  const families = ancestors.flatMap((_, family) => equal(copies, family));
  shuffle(random, families);
  const starts = disjointStarts(random, bases.length, equal(families.length, length));
  return starts.map((start, place) => {
    const family = families[place] as number;
    const copy = (ancestors[family] as Uint8Array).slice();
    mutate(random, copy, 1 - identity);
    bases.set(copy, start);
    return { family, start, length };
  });
}

/** Replaces each base by another with this probability; @returns how many were. */
function mutate(random: Random, bases: Uint8Array, rate: number): number {
  let changed = 0;
  for (let i = 0; i < bases.length; i++) {
    if (!chance(random, rate)) continue;
    bases[i] = ((bases[i] as number) + 1 + below(random, 3)) & 3;
    changed++;
  }
  return changed;
}

/**
 * Starts of pieces of these lengths in this order that don't meet within `total`, every such
 * placing as likely as another; the lengths' sum is <= total.
 */
export function disjointStarts(
  random: Random,
  total: number,
  lengths: readonly number[],
): number[] {
  const slack = total - lengths.reduce((sum, length) => sum + length, 0);
  const gaps = Float64Array.from(lengths, () => below(random, slack + 1)).sort();
  let used = 0;
  return lengths.map((length, index) => {
    const start = (gaps[index] as number) + used;
    used += length;
    return start;
  });
}

/** Puts `items` in a random order, in place. Source: Fisher and Yates. */
export function shuffle(random: Random, items: unknown[]): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = below(random, i + 1);
    const held = items[i];
    items[i] = items[j];
    items[j] = held;
  }
}

function weightsOf({ seed, abundance = { kind: "even" } }: CommunityOptions, n: number): number[] {
  switch (abundance.kind) {
    case "even":
      return equal(n, 1);
    case "log-normal": {
      const random = new Random(seed, STREAM.abundance);
      return Array.from({ length: n }, () => exponential(abundance.sigma * gaussian(random)));
    }
    case "given":
      return [...abundance.weights];
    default:
      return abundance satisfies never;
  }
}

function equal(count: number, value: number): number[] {
  return Array.from({ length: count }, () => value);
}

function checkCommunity({ seed, genomes, conserved = CONSERVED, abundance }: CommunityOptions) {
  checkSeed(seed);
  checkWhole("number of genomes", genomes.length, 1, STRAINS_MAX);
  const names = new Set(genomes.map(({ name }) => name));
  if (names.size < genomes.length)
    throw new SystemError("USAGE", "simulated genomes: two of them have one name");
  let bases = 0;
  for (const genome of genomes) {
    checkGenome(genome);
    bases += genome.length * (genome.strains ?? 1);
  }
  checkWhole("bases of all strains", bases, GENOME_BASES_MIN, COMMUNITY_BASES_MAX);
  if (conserved !== null) checkConserved(conserved, genomes);
  if (abundance?.kind === "log-normal") checkRange("sigma", abundance.sigma, 0, 10);
  if (abundance?.kind !== "given") return;
  const strains = genomes.reduce((sum, { strains: n = 1 }) => sum + n, 0);
  checkWhole("number of weights", abundance.weights.length, strains, strains);
  for (const weight of abundance.weights) checkRange("weight", weight, 0, 1e9);
  checkRange("sum of weights", Math.max(...abundance.weights), 1e-9, 1e9);
}

function checkGenome({ name, length, strains = 1, snpRate = 0, islands }: GenomeOptions): void {
  checkLabel("genome's name", name);
  checkWhole("genome, in bases", length, GENOME_BASES_MIN, GENOME_BASES_MAX);
  checkWhole("strains of a genome", strains, 1, STRAINS_MAX);
  checkRange("snpRate", snpRate, 0, 0.75);
  if (islands === undefined) return;
  checkRange("islands' share", islands.share, 0, 0.9);
  checkWhole("island, in bases", islands.length, 1, Math.floor(length / 10));
}

function checkConserved(it: ConservedOptions, genomes: readonly GenomeOptions[]): void {
  const shortest = Math.min(...genomes.map(({ length }) => length));
  checkWhole("families", it.families, 0, 1_000);
  checkWhole("copies", it.copies, 0, 1_000);
  checkWhole("conserved segment, in bases", it.length, 1, GENOME_BASES_MAX);
  checkRange("identity", it.identity, 0.25, 1);
  checkWhole("conserved bases", it.families * it.copies * it.length, 0, shortest);
}
