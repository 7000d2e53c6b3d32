/** Fragments of a community's strains as a library holds them: sizes, strands, PCR duplicates. */
import type { Community, Strain } from "./community.ts";
import { below, chance, gaussian, Random, Shares } from "./draws.ts";
import { checkRange, checkWhole, DUPLICATE_WINDOW, READ_BASES_MAX } from "./limits.ts";

/** Sizes of fragments: normal, redrawn while under `min` or over the genome. */
export interface InsertOptions {
  readonly mean: number;
  readonly sd: number;
  /** Default 20. */
  readonly min?: number;
}

export interface LibraryOptions {
  /** Bases of a read, or the range that each fragment's read length is drawn from, evenly. */
  readonly length: number | { readonly min: number; readonly max: number };
  /** Without it a fragment is as long as its read. */
  readonly insert?: InsertOptions;
  /** Share of fragments that are copies of one of the latest 4,096 originals. Default 0. */
  readonly duplicates?: number;
}

/** Invariant: 0 <= start, start + size <= bases of its strain. */
export interface Fragment {
  /** Index into the community's strains. */
  readonly strain: number;
  /** Of the fragment's first base on the forward strand, from 0. */
  readonly start: number;
  readonly size: number;
  /** Whether the first read begins at the fragment's end, on the other strand. */
  readonly reverse: boolean;
  /** Bases of each of its reads. */
  readonly length: number;
  /** Number of the fragment that it is a copy of, or -1. */
  readonly copyOf: number;
}

const INSERT_MIN = 20;
/** Redraws of a size until the nearest allowed one is taken; the chance of it is < 1e-20. */
const REDRAWS_MAX = 200;

/** An endless source; the same fragments for the same random numbers. */
export class Fragments {
  readonly #strains: readonly Strain[];
  readonly #shares: Shares;
  readonly #library: LibraryOptions;
  readonly #random: Random;
  readonly #latest: Fragment[] = [];
  #made = 0;

  /** @throws {SystemError} USAGE for options out of bounds, or a strain shorter than a fragment. */
  constructor({ strains }: Community, library: LibraryOptions, random: Random) {
    checkLibrary(strains, library);
    this.#strains = strains;
    this.#shares = new Shares(strains.map(({ share }) => share));
    this.#library = library;
    this.#random = random;
  }

  next(): Fragment {
    const random = this.#random;
    const number = this.#made++;
    const { duplicates = 0 } = this.#library;
    if (duplicates > 0 && chance(random, duplicates) && this.#latest.length > 0)
      return this.#latest[below(random, this.#latest.length)] as Fragment;
    const strain = this.#shares.pick(random);
    const length = this.#readLength();
    const total = (this.#strains[strain] as Strain).bases.length;
    const size = this.#size(length, total);
    const start = below(random, total - size + 1);
    const fragment = { strain, start, size, reverse: chance(random, 0.5), length, copyOf: -1 };
    if (duplicates > 0) this.#remember(number, fragment);
    return fragment;
  }

  #remember(number: number, fragment: Fragment): void {
    const copy = { ...fragment, copyOf: number };
    if (this.#latest.length < DUPLICATE_WINDOW) this.#latest.push(copy);
    else this.#latest[below(this.#random, DUPLICATE_WINDOW)] = copy;
  }

  #readLength(): number {
    const { length } = this.#library;
    if (typeof length === "number") return length;
    return length.min + below(this.#random, length.max - length.min + 1);
  }

  #size(length: number, total: number): number {
    const { insert } = this.#library;
    if (insert === undefined) return length;
    const { mean, sd, min = INSERT_MIN } = insert;
    for (let i = 0; i < REDRAWS_MAX; i++) {
      const size = Math.round(mean + sd * gaussian(this.#random));
      if (size >= min && size <= total) return size;
    }
    return Math.max(min, Math.min(total, Math.round(mean)));
  }
}

/** The longest read of a library. */
export function longestRead({ length }: LibraryOptions): number {
  return typeof length === "number" ? length : length.max;
}

/** The shortest read of a library. */
export function shortestRead({ length }: LibraryOptions): number {
  return typeof length === "number" ? length : length.min;
}

function checkLibrary(strains: readonly Strain[], library: LibraryOptions): void {
  const { length, insert, duplicates = 0 } = library;
  const shortest = strains.reduce((least, { bases }) => Math.min(least, bases.length), Infinity);
  const longest = insert === undefined ? Math.min(READ_BASES_MAX, shortest) : READ_BASES_MAX;
  checkWhole("read, in bases", longestRead(library), 0, longest);
  if (typeof length !== "number") checkWhole("shortest read, in bases", length.min, 0, length.max);
  checkRange("duplicates", duplicates, 0, 0.99);
  if (insert === undefined) return;
  checkWhole("shortest insert", insert.min ?? INSERT_MIN, 1, shortest);
  checkRange("mean insert", insert.mean, insert.min ?? INSERT_MIN, shortest);
  checkRange("insert's sd", insert.sd, 0, insert.mean);
}
