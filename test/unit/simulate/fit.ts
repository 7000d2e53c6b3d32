/**
 * Fits the order-5 chains of actors/simulate/tables.ts to real genomes and prints that file:
 *
 *     node test/unit/simulate/fit.ts FOLDER > actors/simulate/tables.ts
 *
 * FOLDER holds the FASTA files (gzip) named in GENOMES. Both strands are counted, because reads
 * come from both and a genome's features stand on both. A row's four counts, each + 0.5, become
 * whole weights >= 1 that sum to 256, rounded by largest remainder; three running sums are kept.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { apportion } from "../../../actors/simulate/draws.ts";

const ORDER = 5;
const CONTEXTS = 4 ** ORDER;
const COLUMNS = 88;
/** Base number of each byte, 4 for what is none. */
const BASE_OF = new Uint8Array(256).fill(4);
for (const [base, letters] of ["Aa", "Cc", "Gg", "Tt"].entries())
  for (const letter of letters) BASE_OF[letter.charCodeAt(0)] = base;

/** What is fitted; the first words of the FASTA names are the sequences' own accessions. */
export const GENOMES = [
  { name: "escherichia", file: "GCF_000005845.2_ASM584v2_genomic.fna.gz" },
  { name: "akkermansia", file: "akkermansia.fa.gz" },
  { name: "shewanella185", file: "shew_os185.fa.gz" },
  { name: "shewanella223", file: "shew_os223.fa.gz" },
] as const;

export interface Fit {
  /** The FASTA's name line. */
  readonly title: string;
  /** Bases other than A, C, G, T end a context. */
  readonly bases: number;
  /** Running sums of the weights after A, C and G, uint8 [4^5, 3], base64. */
  readonly thresholds: string;
}

/** Base numbers 0..3 of a FASTA file's sequences; 4 stands for any other letter and a join. */
export function readGenome(path: string): { readonly title: string; readonly bases: Uint8Array } {
  const text = gunzipSync(readFileSync(path));
  const bases = new Uint8Array(text.length);
  let title = "";
  let used = 0;
  for (let i = 0; i < text.length; i++) {
    const byte = text[i] as number;
    if (byte === 10 || byte === 13) continue;
    if (byte !== 62) {
      bases[used++] = BASE_OF[byte] as number;
      continue;
    }
    const end = text.indexOf(10, i);
    if (title === "") title = text.toString("latin1", i + 1, end).trimEnd();
    bases[used++] = 4;
    i = end;
  }
  return { title, bases: bases.subarray(0, used) };
}

/** The same bases of the other strand. */
export function otherStrand(bases: Uint8Array): Uint8Array {
  const other = bases.toReversed();
  for (const [i, base] of other.entries()) if (base < 4) other[i] = 3 - base;
  return other;
}

export function fit(path: string): Fit {
  const { title, bases } = readGenome(path);
  const counts = new Float64Array(CONTEXTS * 4);
  count(counts, bases);
  count(counts, otherStrand(bases));
  const thresholds = Buffer.alloc(CONTEXTS * 3);
  for (let context = 0; context < CONTEXTS; context++) {
    const row = Array.from(counts.subarray(context * 4, context * 4 + 4), (it) => it + 0.5);
    const weights = apportion(252, row).map((weight) => weight + 1);
    let sum = 0;
    for (let base = 0; base < 3; base++) {
      sum += weights[base] as number;
      thresholds[context * 3 + base] = sum;
    }
  }
  const good = bases.filter((base) => base < 4).length;
  return { title, bases: good, thresholds: thresholds.toString("base64") };
}

function count(counts: Float64Array, bases: Uint8Array): void {
  let context = 0;
  let known = 0;
  for (const base of bases) {
    if (base > 3) {
      known = 0;
      continue;
    }
    if (known >= ORDER) {
      const cell = context * 4 + base;
      counts[cell] = (counts[cell] as number) + 1;
    }
    context = (context * 4 + base) % CONTEXTS;
    known++;
  }
}

const HEAD = `/**
 * Order-5 Markov chains of real bacterial genomes, as fitted by test/unit/simulate/fit.ts, which
 * prints this file. Each row of \`thresholds\` holds running sums of three whole weights of 256:
 * what follows five bases is A below the first, C below the second, G below the third, else T.
 * A row's number is its five bases as digits to the base of 4, A C G T = 0..3, the oldest first.
 *
 * Source: the genomes of the sourmash project's repository (BSD-3-Clause, Copyright 2016, The
 * Regents of the University of California), whose sequences come from NCBI, under the accessions
 * named below. Only shares of six-letter words are kept here, no sequence. The two Shewanella are
 * strains of one species: their chains are all but one.
 */

export interface FittedTable {
  /** Accession and name, as in the FASTA. */
  readonly source: string;
  /** Bases that were counted on each strand. */
  readonly bases: number;
  /** uint8 [1024, 3], base64. */
  readonly thresholds: string;
}

export type TableName = keyof typeof TABLES;
`;

function print(folder: string): void {
  const rows = GENOMES.map(({ name, file }) => {
    const { title, bases, thresholds } = fit(join(folder, file));
    const parts = thresholds.match(new RegExp(`.{1,${COLUMNS}}`, "g")) ?? [];
    const text = parts.map((part) => `      "${part}",`).join("\n");
    const source = title.replaceAll('"', "'");
    const grouped = String(bases).replaceAll(/\B(?=(\d{3})+$)/g, "_");
    return `  ${name}: {\n    source: "${source}",\n    bases: ${grouped},
    thresholds: [\n${text}\n    ].join(""),\n  },`;
  });
  process.stdout.write(`${HEAD}
/** By name; all keep to FittedTable. */
export const TABLES = {\n${rows.join("\n")}\n} as const satisfies Record<string, FittedTable>;\n`);
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Error("give the folder of the genomes");
  print(folder);
}
