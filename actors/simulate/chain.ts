/**
 * Order-5 Markov chains over A C G T = 0..3: fitted ones by name, blends of two, walks along them,
 * and what k-mers they lead to in the long run.
 *
 * Invariant of a Chain: `ends` of a row never falls and its fourth is 2^16.
 */
import { below, type Random } from "./draws.ts";
import { checkRange } from "./limits.ts";
import { type TableName, TABLES } from "./tables.ts";

/** Bases that decide the next one. */
export const ORDER = 5;
const CONTEXTS = 4 ** ORDER;
/** Fitted weights are of 256. */
const FITTED_SUM = 256;
const SCALE = 2 ** 16;
/** Steps from a context by chance until a walk counts: the chains forget in far fewer. */
const BURN_IN = 64;
/** Sum of changes at which the long-run distribution stands. */
const SETTLED = 1e-13;
const ROUNDS_MAX = 2_000;

/** Where a genome's chain comes from: a fitted one, or `percent` of a second one blended in. */
export type ChainSpec =
  | TableName
  | { readonly of: TableName; readonly with: TableName; readonly percent: number };

export interface Chain {
  /** Running sums of the weights of A, C, G, T after each context, of 2^16, [4^5, 4]. */
  readonly ends: Int32Array;
}

/**
 * The chain that `spec` names.
 * @throws {SystemError} USAGE for a percentage out of 0..100.
 */
export function chainOf(spec: ChainSpec): Chain {
  if (typeof spec === "string") return { ends: fittedEnds(spec) };
  checkRange("blend, in percent", spec.percent, 0, 100);
  const second = fittedEnds(spec.with);
  const ends = fittedEnds(spec.of).map((end, i) =>
    Math.round((end * (100 - spec.percent) + (second[i] as number) * spec.percent) / 100),
  );
  return { ends };
}

function fittedEnds(name: TableName): Int32Array {
  const thresholds = Buffer.from(TABLES[name].thresholds, "base64");
  return Int32Array.from({ length: CONTEXTS * 4 }, (_, cell) => {
    const sum = cell % 4 === 3 ? FITTED_SUM : thresholds[(cell >> 2) * 3 + (cell % 4)];
    return ((sum as number) * SCALE) / FITTED_SUM;
  });
}

/** A walk of `into.length` bases along the chain, from its long-run distribution. */
export function walk(random: Random, { ends }: Chain, into: Uint8Array): void {
  let context = below(random, CONTEXTS);
  for (let i = -BURN_IN; i < into.length; i++) {
    const draw = random.next() >>> 16;
    const row = context * 4;
    let base = 0;
    while (draw >= (ends[row + base] as number)) base++;
    if (i >= 0) into[i] = base;
    context = (context * 4 + base) & (CONTEXTS - 1);
  }
}

/** Shares of all k-mers, 1 <= k <= 5, in the long run, [4^k]; a k-mer's number as a context's. */
export function kmerShares({ ends }: Chain, k: number): Float64Array {
  let shares = new Float64Array(CONTEXTS).fill(1 / CONTEXTS);
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const next = new Float64Array(CONTEXTS);
    for (let cell = 0; cell < CONTEXTS * 4; cell++) {
      const before = cell % 4 === 0 ? 0 : (ends[cell - 1] as number);
      const flow = ((shares[cell >> 2] as number) * ((ends[cell] as number) - before)) / SCALE;
      next[cell & (CONTEXTS - 1)] = (next[cell & (CONTEXTS - 1)] as number) + flow;
    }
    const change = next.reduce((sum, it, i) => sum + Math.abs(it - (shares[i] as number)), 0);
    shares = next;
    if (change < SETTLED) break;
  }
  const found = new Float64Array(4 ** k);
  for (const [context, share] of shares.entries()) {
    const kmer = context & (4 ** k - 1);
    found[kmer] = (found[kmer] as number) + share;
  }
  return found;
}
