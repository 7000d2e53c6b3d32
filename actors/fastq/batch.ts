/**
 * A batch of reads and the one way it is built. Sequences stand back to back in one byte array,
 * because a tokenizer walks them byte by byte and an array of strings would cost more than the
 * walk.
 */
import type { Batch } from "../../runtime/dataset/types.ts";
import { BATCH_BYTES_MAX } from "../../runtime/limits.ts";

/** Reads in the order of their file; the consumer owns it. */
export interface ReadBatch extends Batch {
  /** Names up to the first blank, without the `@`; [n]. */
  readonly ids: readonly string[];
  /** Sequences as they stand in the file (case, IUPAC and U kept), back to back. */
  readonly bases: Uint8Array;
  /** Read i is `bases[offsets[i], offsets[i + 1])`; int32 [n + 1], offsets[0] = 0. */
  readonly offsets: Int32Array;
}

/** Reads of a batch by their indexes, in a batch of its own. */
export function pickReads(batch: ReadBatch, indexes: readonly number[]): ReadBatch {
  const { offsets, bases, ids } = batch;
  const beginOf = (index: number): number => offsets[index] ?? 0;
  const length = indexes.reduce((sum, i) => sum + beginOf(i + 1) - beginOf(i), 0);
  const picked = {
    records: indexes.length,
    ids: indexes.map((index) => ids[index] ?? ""),
    bases: new Uint8Array(length),
    offsets: new Int32Array(indexes.length + 1),
  };
  let end = 0;
  for (const [at, index] of indexes.entries()) {
    picked.bases.set(bases.subarray(beginOf(index), beginOf(index + 1)), end);
    end += beginOf(index + 1) - beginOf(index);
    picked.offsets[at + 1] = end;
  }
  return picked;
}

/**
 * Collects reads until `recordsMax` of them, or BATCH_BYTES_MAX of sequence, are there. Both bounds
 * depend on the records alone, so the cuts do too.
 */
export class BatchBuilder {
  readonly #recordsMax: number;
  #ids: string[] = [];
  #offsets: Int32Array;
  #bases = new Uint8Array(64 * 1024);
  #used = 0;

  /** @param recordsMax - >= 1. */
  constructor(recordsMax: number) {
    this.#recordsMax = recordsMax;
    this.#offsets = new Int32Array(recordsMax + 1);
  }

  get records(): number {
    return this.#ids.length;
  }

  get full(): boolean {
    return this.#ids.length >= this.#recordsMax || this.#used >= BATCH_BYTES_MAX;
  }

  /** The array to write the next sequence to, with room for `length` bytes from `used` on. */
  room(length: number): Uint8Array {
    if (this.#used + length > this.#bases.length) {
      const grown = new Uint8Array(Math.max(this.#bases.length * 2, this.#used + length));
      grown.set(this.#bases.subarray(0, this.#used));
      this.#bases = grown;
    }
    return this.#bases;
  }

  get used(): number {
    return this.#used;
  }

  /** Adds the read whose `length` bytes were written to `room`. */
  push(id: string, length: number): void {
    this.#used += length;
    this.#ids.push(id);
    this.#offsets[this.#ids.length] = this.#used;
  }

  /** What was collected; the builder starts anew with arrays of its own. */
  take(): ReadBatch {
    const records = this.#ids.length;
    const batch = {
      records,
      ids: this.#ids,
      bases: this.#bases.subarray(0, this.#used),
      offsets: this.#offsets.subarray(0, records + 1),
    };
    this.#ids = [];
    this.#offsets = new Int32Array(this.#recordsMax + 1);
    this.#bases = new Uint8Array(this.#bases.length);
    this.#used = 0;
    return batch;
  }
}
