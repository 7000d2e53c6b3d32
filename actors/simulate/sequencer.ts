/**
 * What an instrument makes of a fragment: its bases from one end, the adapter and what follows it
 * where the fragment is shorter than the read, errors by quality, dark cycles of two colours, runs
 * of N.
 */
import type { Strain } from "./community.ts";
import { below, chance, gaussian, type Random } from "./draws.ts";
import type { Fragment } from "./fragments.ts";
import { checkRange, checkWhole, READ_BASES_MAX } from "./limits.ts";
import {
  cycleMeans,
  OFFSET,
  QUALITY_MODELS,
  type QualityModel,
  type QualityTables,
  qualityTables,
  SHIFT_MAX,
} from "./quality.ts";
import { SystemError } from "../../runtime/errors.ts";

export interface SequencerOptions {
  /** Default QUALITY_MODELS.illumina. */
  readonly quality?: QualityModel;
  /** 33 (default) or 64. */
  readonly phred?: 33 | 64;
  /** Read through behind the fragment, for first and second reads. Default TruSeq's. */
  readonly adapters?: readonly [string, string];
  /** No light is G in two colours: behind an adapter, and where a signal dies. Default "four". */
  readonly colours?: "two" | "four";
  /** Share of reads whose signal dies at some cycle; two colours only. Default 0. */
  readonly dark?: number;
  /** Share of reads with a run of 1..`longest` N, of quality 2. */
  readonly noCalls?: { readonly share: number; readonly longest: number };
  /** The letters of A, C, G, T, for lower case or RNA; default "ACGT". */
  readonly letters?: "ACGT" | "acgt" | "ACGU" | "acgu";
}

/** TruSeq's, as in Illumina's own adapter list. */
const TRUSEQ = ["AGATCGGAAGAGCACACGTCTGAACTCCAGTCA", "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT"] as const;
const A = 0;
const G = 2;
const N_QUALITY = 2;
/** Means of all lengths of reads that were met: those of a run are few or all of a range. */
const LENGTHS_KEPT_MAX = 1_024;

/** Holds the latest read: `letters` and `qualities`, both [0, length). */
export class Sequencer {
  readonly letters: Uint8Array;
  /** With the offset 33 or 64. */
  readonly qualities: Uint8Array;
  length = 0;
  /** Bases of the latest read that differ from its fragment or adapter, N and dark ones aside. */
  errors = 0;
  /** Its bases behind the fragment, of the adapter and what follows. */
  adapter = 0;
  /** Its last cycles that were dark. */
  dark = 0;
  readonly #random: Random;
  readonly #options: SequencerOptions;
  readonly #tables: QualityTables;
  readonly #model: QualityModel;
  readonly #adapters: readonly Uint8Array[];
  readonly #alphabet: Uint8Array;
  readonly #phred: number;
  readonly #bases: Uint8Array;
  readonly #means = new Map<number, Uint8Array>();

  /** @throws {SystemError} USAGE for options out of bounds. */
  constructor(options: SequencerOptions, longest: number, random: Random) {
    checkSequencer(options);
    this.#options = options;
    this.#random = random;
    this.#model = options.quality ?? QUALITY_MODELS.illumina;
    this.#phred = options.phred ?? 33;
    this.#tables = qualityTables(this.#model, options.phred ?? 33);
    this.#adapters = (options.adapters ?? TRUSEQ).map((letters) =>
      Uint8Array.from(letters, (letter) => "ACGT".indexOf(letter)),
    );
    this.#alphabet = Buffer.from(options.letters ?? "ACGT", "latin1");
    this.letters = new Uint8Array(longest);
    this.qualities = new Uint8Array(longest);
    this.#bases = new Uint8Array(longest);
  }

  /** Sequences the fragment from its first end (mate 0) or its second (mate 1). */
  read(strain: Strain, fragment: Fragment, mate: 0 | 1): void {
    this.length = fragment.length;
    this.errors = 0;
    this.#layTemplate(strain.bases, fragment, mate);
    const dies = chance(this.#random, this.#options.dark ?? 0);
    const lit = dies ? below(this.#random, this.length + 1) : this.length;
    this.dark = this.length - lit;
    const means = this.#meansOf(this.length);
    const shift = this.#shift();
    const { noCalls } = this.#options;
    if (noCalls !== undefined && this.length > 0 && chance(this.#random, noCalls.share)) {
      const run = Math.min(1 + below(this.#random, noCalls.longest), this.length);
      const begin = below(this.#random, this.length - run + 1);
      this.#call(0, Math.min(lit, begin), { means, shift });
      this.#call(begin + run, lit, { means, shift });
      this.#darken(lit);
      this.letters.fill((this.#alphabet[A] as number) >= 97 ? 110 : 78, begin, begin + run);
      this.qualities.fill(this.#phred + N_QUALITY, begin, begin + run);
      return;
    }
    this.#call(0, lit, { means, shift });
    this.#darken(lit);
  }

  /** True bases of the read, fragment first, then adapter, then what no fragment gives. */
  #layTemplate(genome: Uint8Array, fragment: Fragment, mate: 0 | 1): void {
    const { start, size, length } = fragment;
    const bases = this.#bases;
    const inside = Math.min(size, length);
    if (fragment.reverse === (mate === 1)) {
      bases.set(genome.subarray(start, start + inside));
    } else {
      // The other strand is read backwards, each base as its complement, 3 - base.
      for (let i = 0, from = start + size - 1; i < inside; i++, from--)
        bases[i] = 3 - (genome[from] as number);
    }
    this.adapter = length - inside;
    if (inside === length) return;
    const adapter = this.#adapters[mate] as Uint8Array;
    bases.set(adapter.subarray(0, length - inside), inside);
    const behind = Math.min(length, inside + adapter.length);
    bases.fill(this.#options.colours === "two" ? G : A, behind, length);
  }

  /** Calls the cycles [begin, end): one draw a base, 8 bits for its noise, 24 for its error. */
  #call(
    begin: number,
    end: number,
    at: { readonly means: Uint8Array; readonly shift: number },
  ): void {
    const { noise, written, errors } = this.#tables;
    const { means, shift } = at;
    const random = this.#random;
    const bases = this.#bases;
    const { letters, qualities } = this;
    const alphabet = this.#alphabet;
    const phred = this.#phred;
    for (let i = begin; i < end; i++) {
      const draw = random.next();
      const sum = (means[i] as number) + shift + (noise[draw & 255] as number);
      const quality = written[sum + OFFSET] as number;
      let base = bases[i] as number;
      if (draw >>> 8 < (errors[quality] as number)) {
        base = (base + 1 + below(random, 3)) & 3;
        this.errors++;
      }
      letters[i] = alphabet[base] as number;
      qualities[i] = phred + quality;
    }
  }

  /** G with the greatest quality: the instrument is sure that it sees nothing. */
  #darken(lit: number): void {
    if (lit === this.length) return;
    this.letters.fill(this.#alphabet[G] as number, lit, this.length);
    const best = this.#tables.written[OFFSET + this.#model.max] as number;
    this.qualities.fill(this.#phred + best, lit, this.length);
  }

  #shift(): number {
    const { readSd } = this.#model;
    if (readSd === 0) return 0;
    const shift = Math.round(readSd * gaussian(this.#random));
    return Math.max(-SHIFT_MAX, Math.min(SHIFT_MAX, shift));
  }

  #meansOf(length: number): Uint8Array {
    const known = this.#means.get(length);
    if (known !== undefined) return known;
    if (this.#means.size >= LENGTHS_KEPT_MAX) this.#means.clear();
    const means = cycleMeans(this.#model, length);
    this.#means.set(length, means);
    return means;
  }
}

function checkSequencer({ adapters = TRUSEQ, colours, dark = 0, noCalls }: SequencerOptions) {
  for (const adapter of adapters) {
    if (!/^[ACGT]{0,1000}$/.test(adapter))
      throw new SystemError("USAGE", "simulated adapter: it holds other letters than A C G T");
  }
  checkRange("dark reads", dark, 0, colours === "two" ? 1 : 0);
  if (noCalls === undefined) return;
  checkRange("reads with N", noCalls.share, 0, 1);
  checkWhole("longest run of N", noCalls.longest, 1, READ_BASES_MAX);
}
