/** Reads for quality control's tests, the same for the same seed; and batches of texts. */
import { RecordScanner, type RecordBatch } from "../../../actors/native/index.ts";
import { generator } from "../native/simulated.ts";

export interface SingleReads {
  readonly seed: number;
  readonly reads: number;
  readonly length: number;
  /** What a read goes on with behind its fragment. */
  readonly adapter: string;
  /** One read of so many ends in it. */
  readonly oneOf: number;
  /** One base of so many is wrong. */
  readonly wrongOneOf: number;
}

/** FASTQ of single reads of a random genome, some of which reach into an adapter. */
export function singleReads(options: SingleReads): string {
  const { seed, reads, length, adapter, oneOf, wrongOneOf } = options;
  const random = generator(seed);
  const letters = (n: number): string =>
    Array.from({ length: n }, () => "ACGT"[random(4)]).join("");
  const genome = letters(200_000);
  const quality = "I".repeat(length);
  const records: string[] = [];
  for (let i = 0; i < reads; i++) {
    const begin = random(genome.length - length);
    const ends = random(oneOf) === 0 ? random(length) : length;
    let read = `${genome.slice(begin, begin + ends)}${adapter}${letters(length)}`.slice(0, length);
    if (random(wrongOneOf) < length) {
      const at = random(length);
      read = `${read.slice(0, at)}${"ACGTN"[random(5)]}${read.slice(at + 1)}`;
    }
    records.push(`@r${i}\n${read}\n+\n${quality}\n`);
  }
  return records.join("");
}

export function batchOf(text: string, format: "fastq" | "wrapped-fastq" = "fastq"): RecordBatch {
  const scanner = new RecordScanner({ format });
  scanner.feed(Buffer.from(text, "latin1"));
  scanner.end();
  const step = scanner.nextNow(2 ** 20, 2 ** 28);
  if (step.kind !== "ended") throw new Error(JSON.stringify(step));
  return step.batch;
}

/** The records [begin, end) of a batch. */
export function sliced(batch: RecordBatch, begin: number, end: number): RecordBatch {
  const part = (ends: Int32Array): [number, number, Int32Array] => {
    const [from, to] = [ends[begin] ?? 0, ends[end] ?? 0];
    return [from, to, ends.slice(begin, end + 1).map((value) => value - from)];
  };
  const [from, to, ends] = part(batch.ends);
  const [nameFrom, nameTo, nameEnds] = part(batch.nameEnds);
  return {
    records: end - begin,
    names: batch.names.subarray(nameFrom, nameTo),
    nameEnds,
    bases: batch.bases.subarray(from, to),
    qualities: batch.qualities.subarray(from, to),
    ends,
    begins: batch.begins.slice(begin, end + 1),
    flags: batch.flags.slice(begin, end),
  };
}
