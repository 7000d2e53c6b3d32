/** A batch under way: flat arrays that grow by doubling. */
import { type RecordBatch, RECORD_FLAGS } from "../records.ts";

export class Collector {
  #names = new Uint8Array(1024);
  #nameEnds: number[] = [0];
  #bases = new Uint8Array(4096);
  #qualities = new Uint8Array(4096);
  #ends: number[] = [0];
  #begins: number[];
  #flags: number[] = [];
  #namesUsed = 0;
  #basesUsed = 0;
  #qualitiesUsed = 0;

  /** @param begin - offset in the stream of the first record. */
  constructor(begin: number) {
    this.#begins = [begin];
  }

  get records(): number {
    return this.#flags.length;
  }

  get bases(): number {
    return this.#basesUsed;
  }

  get qualities(): number {
    return this.#qualitiesUsed;
  }

  addBases(bytes: Uint8Array): void {
    this.#bases = withRoom(this.#bases, this.#basesUsed, bytes.length);
    this.#bases.set(bytes, this.#basesUsed);
    this.#basesUsed += bytes.length;
  }

  addQualities(bytes: Uint8Array): void {
    this.#qualities = withRoom(this.#qualities, this.#qualitiesUsed, bytes.length);
    this.#qualities.set(bytes, this.#qualitiesUsed);
    this.#qualitiesUsed += bytes.length;
  }

  /** Takes back what a record that didn't come out has added. */
  cutTo(bases: number, qualities: number): void {
    this.#basesUsed = bases;
    this.#qualitiesUsed = qualities;
  }

  /** Adds name, end and flags of the record whose bases were added. */
  add(name: Uint8Array, flags: number): void {
    this.#names = withRoom(this.#names, this.#namesUsed, name.length);
    this.#names.set(name, this.#namesUsed);
    this.#namesUsed += name.length;
    this.#nameEnds.push(this.#namesUsed);
    const isEmpty = this.#ends.at(-1) === this.#basesUsed;
    this.#ends.push(this.#basesUsed);
    this.#flags.push(isEmpty ? flags | RECORD_FLAGS.emptyRead : flags);
  }

  /** @param offset - in the stream, of what follows the record. */
  endRecord(offset: number): void {
    this.#begins.push(offset);
  }

  /** The batch; the collector isn't used afterwards. */
  take(): RecordBatch {
    return {
      records: this.#flags.length,
      names: this.#names.subarray(0, this.#namesUsed),
      nameEnds: Int32Array.from(this.#nameEnds),
      bases: this.#bases.subarray(0, this.#basesUsed),
      qualities: this.#qualities.subarray(0, this.#qualitiesUsed),
      ends: Int32Array.from(this.#ends),
      begins: Float64Array.from(this.#begins),
      flags: Uint8Array.from(this.#flags),
    };
  }
}

function withRoom(
  array: Uint8Array<ArrayBuffer>,
  used: number,
  more: number,
): Uint8Array<ArrayBuffer> {
  if (used + more <= array.length) return array;
  const grown = new Uint8Array(Math.max(array.length * 2, used + more));
  grown.set(array.subarray(0, used));
  return grown;
}
