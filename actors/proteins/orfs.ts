/**
 * Reads as proteins: a DNA read's open reading frames, or a protein record itself. Frames are read
 * from stop to stop and may be open at the ends; never are frames averaged.
 */
import type { Batch } from "../../runtime/dataset/types.ts";
import type { ReadBatch } from "../fastq/batch.ts";
import { translate, type TranslateOptions } from "../native/index.ts";

/** n proteins of a batch of reads, in the reads' order; the consumer owns it. */
export interface ProteinBatch extends Batch {
  /** Reads that it was made of; those without a protein are none of `reads`. */
  readonly records: number;
  /** Residues as capital letters, X where a codon isn't certain; back to back. */
  readonly residues: Uint8Array;
  /** Protein i is residues[ends[i], ends[i + 1]); int32 [n + 1]. */
  readonly ends: Int32Array;
  /** The read it is of; int32 [n], rising. */
  readonly reads: Int32Array;
  /** Names of the reads that they are of; [n]. */
  readonly ids: readonly string[];
  /** Where it lies; absent of records that are proteins themselves. */
  readonly orfs?: Orfs;
}

/** Places of open reading frames; int32 [n] each. */
export interface Orfs {
  /** 1, 2, 3, or -1, -2, -3 on the other strand, counted from that strand's begin. */
  readonly frames: Int32Array;
  /** Its bases are [begins[i], stops[i]) of the read as it stands. */
  readonly begins: Int32Array;
  readonly stops: Int32Array;
}

/** How reads become proteins: NCBI's code, `longest` or `all` frames, the least length. */
export interface OrfOptions extends Pick<TranslateOptions, "code" | "lengthMin"> {
  readonly orf?: "longest" | "all";
}

/**
 * The proteins of a batch.
 * @throws {RangeError} for an unknown code, or for pairs: a protein is of one read, so these are to
 * come a mate a record.
 */
export async function proteinsOf(
  batch: ReadBatch,
  options: OrfOptions = {},
): Promise<ProteinBatch> {
  const { records, bases, offsets, format } = batch;
  if (batch.mate !== undefined) throw new RangeError("proteins of pairs: ask for a row a mate");
  if (format === "protein") return themselves(batch);
  const found = await translate({ bases, ends: offsets }, { orf: "longest", ...options });
  const { residues, ends, sequences, frames, begins, stops } = found;
  return {
    records,
    residues,
    ends,
    reads: sequences,
    ids: idsOf(batch, sequences),
    orfs: { frames, begins, stops },
  };
}

/** An empty record has nothing to encode. */
function themselves(batch: ReadBatch): ProteinBatch {
  const { records, bases, offsets } = batch;
  const lengthOf = (read: number): number => (offsets[read + 1] ?? 0) - (offsets[read] ?? 0);
  const reads = Int32Array.from({ length: records }, (_, read) => read).filter(lengthOf);
  const ends = new Int32Array(reads.length + 1);
  for (const [at, read] of reads.entries()) ends[at + 1] = (ends[at] ?? 0) + lengthOf(read);
  return { records, residues: bases.map(capital), ends, reads, ids: idsOf(batch, reads) };
}

function capital(letter: number): number {
  return letter >= 97 && letter <= 122 ? letter - 32 : letter;
}

function idsOf({ ids }: ReadBatch, reads: Int32Array): string[] {
  return Array.from(reads, (read) => ids[read] ?? "");
}
