/**
 * An encoder of proteins as a stage over reads: each read's open reading frames are encoded, a row
 * each, with where they lie. A read without one gives no row and is counted.
 */
import type {
  Column,
  DescribedStage,
  StageDescription,
  Table,
} from "../../runtime/dataset/types.ts";
import type { ReadBatch } from "../fastq/batch.ts";
import { type OrfOptions, type ProteinBatch, proteinsOf } from "./orfs.ts";

/** Why a read gives no row: no open reading frame is long enough. */
export const NO_ORF = "no_orf";

/** What encodes proteins; a stage asks one batch after the other. */
export interface ProteinEncoder {
  /**
   * Vectors of a batch's proteins.
   * @returns float32 [n, d], row-major; the caller owns it.
   */
  encode(proteins: ProteinBatch): Promise<Float32Array>;
  describe(): StageDescription;
  /** Loads what the first batch would load. */
  ready?(): Promise<void>;
  /** Whether equal batches give equal bytes. */
  readonly deterministic?: boolean;
}

/**
 * A stage's class as `actor()` takes it: `class ProtBert extends ProteinStage { constructor(o) {
 * super(new Encoder(o), o.orf); } }`.
 */
export class ProteinStage implements DescribedStage {
  readonly deterministic: boolean;
  readonly #encoder: ProteinEncoder;
  readonly #options: OrfOptions;

  constructor(encoder: ProteinEncoder, options: OrfOptions = {}) {
    this.#encoder = encoder;
    this.#options = options;
    this.deterministic = encoder.deterministic === true;
  }

  async ready(): Promise<void> {
    await this.#encoder.ready?.();
  }

  /**
   * A row for each protein, in the reads' order: `embedding` [n, d], `read_id`; of DNA also
   * `orf_frame`, `orf_begin`, `orf_end` (bases of the read as it stands) and `orf_aa` (residues).
   * @throws {RangeError} for pairs, and when the encoder gives another number of vectors.
   */
  async embed(batch: ReadBatch): Promise<Table> {
    const proteins = await proteinsOf(batch, this.#options);
    const { dimensions } = this.describe();
    const rows = proteins.reads.length;
    const values = await this.#encoder.encode(proteins);
    if (values.length !== rows * dimensions) {
      throw new RangeError(`${values.length} values for ${rows} proteins of ${dimensions}`);
    }
    const passed = new Set(proteins.reads).size;
    const without = batch.records - passed;
    return {
      rows,
      columns: {
        embedding: { kind: "vector", values, dimensions },
        read_id: { kind: "utf8", values: proteins.ids },
        ...orfColumns(proteins),
      },
      filtered: without === 0 ? {} : { [NO_ORF]: without },
      ...(passed === rows ? {} : { passed }),
    };
  }

  describe(): StageDescription {
    return this.#encoder.describe();
  }
}

function orfColumns({ orfs, ends }: ProteinBatch): Record<string, Column> {
  if (orfs === undefined) return {};
  const lengths = Int32Array.from(orfs.frames, (_, i) => (ends[i + 1] ?? 0) - (ends[i] ?? 0));
  return {
    orf_frame: { kind: "int32", values: orfs.frames },
    orf_begin: { kind: "int32", values: orfs.begins },
    orf_end: { kind: "int32", values: orfs.stops },
    orf_aa: { kind: "int32", values: lengths },
  };
}
