/** Sums over reads in TypeScript: qc/stats.cpp, where no addon is. */
import type { ReadSums } from "../qc.ts";

const CLASSES = 8;
const GRADES = 3;
const ROW = GRADES * CLASSES + CLASSES;
const NO_BASE = 255;
/** Byte -> number of the base, A 0, T 1, C 2, G 3. */
const NUMBERS = new Uint8Array(256).fill(NO_BASE);
for (const [number, base] of ["A", "T", "C", "G"].entries()) NUMBERS[base.charCodeAt(0)] = number;

export class PlainStats {
  readonly #cyclesMax: number;
  #reads = 0;
  #bases = 0;
  #cycles = new Float64Array(0);
  readonly #fiveMers = new Float64Array(1024);
  #lengths = new Float64Array(0);

  constructor(cyclesMax: number) {
    this.#cyclesMax = cyclesMax;
  }

  /** Adds the read bases[begin, begin + n) with its qualities, offset 33. */
  add(bases: Uint8Array, qualities: Uint8Array, begin: number, n: number): void {
    const length = Math.min(n, this.#cyclesMax + 1);
    this.#cycles = grown(this.#cycles, length * ROW);
    this.#lengths = grown(this.#lengths, length + 1);
    this.#lengths[length] = (this.#lengths[length] ?? 0) + 1;
    this.#reads += 1;
    this.#bases += n;
    const [cycles, fiveMers] = [this.#cycles, this.#fiveMers];
    let kmer = 0;
    let run = 0;
    for (let i = 0; i < n; i++) {
      const base = bases[begin + i] as number;
      const quality = qualities[begin + i] as number;
      const grade = Number(quality >= 53) + Number(quality >= 63);
      const row = Math.min(i, this.#cyclesMax) * ROW;
      const kind = base & 7;
      (cycles[row + grade * CLASSES + kind] as number) += 1;
      (cycles[row + GRADES * CLASSES + kind] as number) += quality - 33;
      const number = NUMBERS[base] as number;
      run = number === NO_BASE ? 0 : run + 1;
      kmer = ((kmer << 2) | (number & 3)) & 1023;
      if (run >= 5) (fiveMers[kmer] as number) += 1;
    }
  }

  sums(): ReadSums {
    return {
      reads: this.#reads,
      bases: this.#bases,
      cycles: this.#cycles.slice(),
      fiveMers: this.#fiveMers.slice(),
      lengths: this.#lengths.slice(),
    };
  }
}

function grown(array: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  if (array.length >= length) return array;
  const longer = new Float64Array(length);
  longer.set(array);
  return longer;
}
