/**
 * Simulated sequencing data, with the truth beside it. The usual calls:
 *
 *     const community = makeCommunity({
 *       seed: 1,
 *       genomes: [
 *         { name: "eco", chain: "escherichia", length: 2_000_000, strains: 2, snpRate: 0.005 },
 *         { name: "akk", chain: "akkermansia", length: 1_500_000 },
 *         { name: "mid", length: 1_000_000,
 *           chain: { of: "akkermansia", with: "shewanella185", percent: 40 } },
 *       ],
 *       abundance: { kind: "log-normal", sigma: 1 },
 *     });
 *     // Read pairs of 150 bases in two bgzf files, and what each of them is in truth.tsv:
 *     await writeSimulated(
 *       { first: "R1.fastq.gz", second: "R2.fastq.gz", truth: "truth.tsv", container: "bgzf" },
 *       simulateReads(community, {
 *         seed: 2, reads: 1_000_000, length: 150, layout: "paired",
 *         insert: { mean: 300, sd: 60 }, duplicates: 0.1,
 *         quality: QUALITY_MODELS.binned, colours: "two", dark: 0.01,
 *         noCalls: { share: 0.001, longest: 20 }, names: { style: "casava" },
 *       }),
 *     );
 *     // Contigs in windows that don't meet, as FASTA:
 *     await writeSimulated(
 *       { first: "contigs.fasta", truth: "contigs.tsv" },
 *       simulateContigs(community, { seed: 3, contigs: 500, length: { min: 1_000, max: 5_000 } }),
 *     );
 *
 * The same options give the same text on every machine. (A compressed file has the same text; its
 * own bytes depend on the zlib that packed it.) Memory: the strains' bases, and a chunk of each
 * stream. Fragments, calls and names have random numbers of their own, so that other qualities
 * leave the fragments as they were.
 *
 * Estimate: one draw and two table look-ups a base, ~6 ns; 2 bytes of text a base: 300 MB/s at
 * best. Measured by CPU time on a busy machine (test/unit/simulate/speed.ts): 85-151 MB/s for reads
 * of 1,000 bases, 69-101 MB/s for pairs of 150. Memory for 10 and 40 times the reads: + 5 MB.
 */
import { Random } from "./draws.ts";
import type { Community, Strain } from "./community.ts";
import {
  type Fragment,
  Fragments,
  type LibraryOptions,
  longestRead,
  shortestRead,
} from "./fragments.ts";
import {
  CHUNK_BYTES,
  checkSeed,
  checkWhole,
  NAME_BYTES_MAX,
  READ_BASES_MAX,
  READS_MAX,
} from "./limits.ts";
import { Sequencer, type SequencerOptions } from "./sequencer.ts";
import {
  type BadKind,
  badKindOf,
  brokenRecord,
  checkText,
  nameOf,
  recordBytesMax,
  type TextOptions,
  writeFastq,
} from "./text.ts";

export interface ReadsOptions extends LibraryOptions, SequencerOptions, TextOptions {
  /** An integer of 32 bits; the same one gives the same text. */
  readonly seed: number;
  /** Fragments: as many records, or pairs of records. */
  readonly reads: number;
  /** single (default): one file; paired: two; interleaved: mates in turn in one. */
  readonly layout?: "single" | "paired" | "interleaved";
}

/** Pieces of the streams, of whole records but for `cut`; valid until the next is asked for. */
export interface Piece {
  /** FASTQ or FASTA. */
  readonly first: Uint8Array;
  /** Second mates of `paired`; else empty. */
  readonly second: Uint8Array;
  /** Lines of a TSV, with the names of its columns in the first one. */
  readonly truth: Uint8Array;
}

/** What was made, all together. */
export interface Summary {
  /** Records in both files. */
  readonly records: number;
  /** Bases in both files. */
  readonly bases: number;
  /** Fragments or contigs of each strain, in the community's order. */
  readonly strains: readonly { readonly name: string; readonly count: number }[];
  readonly duplicates: number;
  readonly errors: number;
  readonly bad: number;
}

/**
 * Columns of the reads' truth, one line a fragment: its number from 0, genome, strain, start on
 * the forward strand from 0, size, strand of the first read, number of the fragment it copies or
 * -1, and for each mate wrong bases, bases behind the fragment and dark cycles; how it is broken.
 */
export const READ_COLUMNS = [
  ...["fragment", "genome", "strain", "start", "size", "strand", "copy_of", "length"],
  ...["errors_1", "adapter_1", "dark_1", "errors_2", "adapter_2", "dark_2", "bad"],
] as const;

const STREAM = { fragments: 11, calls: 12 } as const;

/**
 * Reads of the community, in pieces of about 1 MiB.
 * @throws {SystemError} USAGE for options out of bounds, at the first piece.
 */
export function* simulateReads(
  community: Community,
  options: ReadsOptions,
): Generator<Piece, Summary, void> {
  const run = new Run(community, options);
  for (let number = 0; number < options.reads && !run.cut; number++) {
    if (run.add(number)) yield run.take();
  }
  yield run.take();
  return run.summary();
}

/** One call's state. Invariant: each buffer has room for a record (pair) more. */
class Run {
  /** Whether a `cut` record was written: nothing follows. */
  cut = false;
  readonly #community: Community;
  readonly #options: ReadsOptions;
  readonly #fragments: Fragments;
  readonly #sequencer: Sequencer;
  readonly #first: Buffer;
  readonly #second: Buffer;
  readonly #truth: Buffer;
  readonly #used = { first: 0, second: 0, truth: 0 };
  readonly #counts: Float64Array;
  readonly #sums = { records: 0, bases: 0, duplicates: 0, errors: 0, bad: 0 };

  constructor(community: Community, options: ReadsOptions) {
    checkSeed(options.seed);
    checkWhole("reads", options.reads, 0, READS_MAX);
    checkText(options);
    if (options.bad !== undefined)
      checkWhole("shortest read that is broken", shortestRead(options), 2, READ_BASES_MAX);
    this.#community = community;
    this.#options = options;
    const { seed } = options;
    this.#fragments = new Fragments(community, options, new Random(seed, STREAM.fragments));
    const longest = longestRead(options);
    this.#sequencer = new Sequencer(options, longest, new Random(seed, STREAM.calls));
    const room = CHUNK_BYTES + 2 * recordBytesMax(longest, options);
    this.#first = Buffer.allocUnsafe(room);
    this.#second = Buffer.allocUnsafe(options.layout === "paired" ? room : 0);
    this.#truth = Buffer.allocUnsafe(CHUNK_BYTES + NAME_BYTES_MAX);
    this.#counts = new Float64Array(community.strains.length);
    this.#writeTruth(READ_COLUMNS.join("\t"));
  }

  /** Adds fragment `number`; @returns whether a piece is full. */
  add(number: number): boolean {
    const fragment = this.#fragments.next();
    const strain = this.#community.strains[fragment.strain] as Strain;
    const bad = badKindOf(this.#options, number);
    const first = this.#mate(number, strain, fragment, { mate: 0, bad });
    const paired = (this.#options.layout ?? "single") !== "single" && bad !== "cut";
    const second = paired ? this.#mate(number, strain, fragment, { mate: 1 }) : "0\t0\t0";
    const { start, size, reverse, copyOf, length } = fragment;
    const where = `${start}\t${size}\t${reverse ? "-" : "+"}\t${copyOf}\t${length}`;
    this.#writeTruth(
      `${number}\t${strain.genome}\t${strain.name}\t${where}\t${first}\t${second}\t${bad ?? ""}`,
    );
    this.#counts[fragment.strain] = (this.#counts[fragment.strain] as number) + 1;
    if (copyOf >= 0) this.#sums.duplicates++;
    if (bad !== undefined) this.#sums.bad++;
    this.cut = bad === "cut";
    return Math.max(this.#used.first, this.#used.second, this.#used.truth) >= CHUNK_BYTES;
  }

  /** What was added since the last piece. */
  take(): Piece {
    const { first, second, truth } = this.#used;
    Object.assign(this.#used, { first: 0, second: 0, truth: 0 });
    return {
      first: this.#first.subarray(0, first),
      second: this.#second.subarray(0, second),
      truth: this.#truth.subarray(0, truth),
    };
  }

  summary(): Summary {
    const strains = this.#community.strains.map(({ name }, index) => ({
      name,
      count: this.#counts[index] as number,
    }));
    return { ...this.#sums, strains };
  }

  /** Writes one record; @returns its columns of the truth. */
  #mate(
    number: number,
    strain: Strain,
    fragment: Fragment,
    { mate, bad }: { readonly mate: 0 | 1; readonly bad?: BadKind | undefined },
  ): string {
    const read = this.#sequencer;
    read.read(strain, fragment, mate);
    const labels = this.#options.names?.labels === true;
    const label = labels ? ` genome=${strain.genome} strain=${strain.name}` : "";
    const record = { title: `${nameOf(this.#options, number, mate)}${label}`, read };
    const second = mate === 1 && this.#options.layout === "paired";
    const text = second ? this.#second : this.#first;
    const begin = second ? this.#used.second : this.#used.first;
    const end =
      bad === undefined
        ? writeFastq(text, begin, record, this.#options)
        : begin +
          text.write(brokenRecord(bad, record, this.#options.lineEnd ?? "\n"), begin, "latin1");
    if (second) this.#used.second = end;
    else this.#used.first = end;
    this.#sums.records++;
    this.#sums.bases += read.length;
    this.#sums.errors += read.errors;
    return `${read.errors}\t${read.adapter}\t${read.dark}`;
  }

  #writeTruth(line: string): void {
    this.#used.truth += this.#truth.write(`${line}\n`, this.#used.truth, "latin1");
  }
}
