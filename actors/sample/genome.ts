/**
 * Synthetic genomes that are told apart by composition, as real ones are, and not trivially:
 * order-5 Markov chains with a table of their own for each genome, and segments that all of them
 * share. (Independent random bases would be a toy: every method separates them.)
 */
import { Random } from "./random.ts";

/** Bases that decide the next one. */
const ORDER = 5;
const CONTEXTS = 4 ** ORDER;
/** Weights of a context's four bases are integers; their sum stays far below 2^21. */
const WEIGHT = 1_000;
/** Share of a genome that stands in the other genomes too. */
const SHARED_PERCENT = 8;
const SHARED_SEGMENTS = 6;

/** A genome as base numbers 0..3 (A C G T). */
export interface Genome {
  readonly name: string;
  readonly bases: Uint8Array;
}

/** Per cent of G and C that each genome's chain leans to, and how strongly contexts differ. */
const KINDS = [
  { name: "g0", gc: 38 },
  { name: "g1", gc: 46 },
  { name: "g2", gc: 54 },
  { name: "g3", gc: 61 },
] as const;

/** Four genomes of `length` bases each; length >= 10,000. */
export function makeGenomes(seed: number, length: number): readonly Genome[] {
  const segment = Math.floor((length * SHARED_PERCENT) / 100 / SHARED_SEGMENTS);
  const sharedTable = makeTable(new Random(seed, 1), 50);
  const shared = Array.from({ length: SHARED_SEGMENTS }, (_, index) =>
    walk(new Random(seed, 2 + index), sharedTable, segment),
  );
  return KINDS.map(({ name, gc }, index) => {
    const random = new Random(seed, 100 + index);
    const bases = walk(random, makeTable(random, gc), length);
    const stride = Math.floor(length / SHARED_SEGMENTS);
    for (const [place, conserved] of shared.entries()) {
      bases.set(conserved, place * stride + random.below(stride - segment));
    }
    return { name, bases };
  });
}

/**
 * Cumulative weights of the four bases after each context, int32 [4^5, 4]. A context's weights are
 * its composition's, each scaled by 0.5 to 1.5.
 */
function makeTable(random: Random, gc: number): Int32Array {
  const table = new Int32Array(CONTEXTS * 4);
  for (let context = 0; context < CONTEXTS; context++) {
    let sum = 0;
    for (let base = 0; base < 4; base++) {
      const share = base === 1 || base === 2 ? gc : 100 - gc;
      sum += Math.floor((share * (WEIGHT / 2 + random.below(WEIGHT))) / 100);
      table[context * 4 + base] = sum;
    }
  }
  return table;
}

function walk(random: Random, table: Int32Array, length: number): Uint8Array {
  const bases = new Uint8Array(length);
  let context = random.below(CONTEXTS);
  for (let i = 0; i < length; i++) {
    const row = context * 4;
    const draw = random.below(table[row + 3] as number);
    let base = 0;
    while (draw >= (table[row + base] as number)) base++;
    bases[i] = base;
    context = (context * 4 + base) & (CONTEXTS - 1);
  }
  return bases;
}
