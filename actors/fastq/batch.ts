/**
 * A batch of reads. Sequences, qualities and names stand back to back in one byte array each, as
 * the scanner gives them: what walks them byte by byte needs no strings, and nothing is done a read
 * here that its consumer didn't ask for.
 */
import type { BadRecord, Batch, ShardRequest } from "../../runtime/dataset/types.ts";
import { SystemError } from "../../runtime/errors.ts";
import { BATCH_BYTES_MAX, QUARANTINE_BYTES_MAX } from "../../runtime/limits.ts";
import type { RecordBatch } from "../native/records.ts";
import { namesOf } from "../native/scan.ts";
import type { RecordReading } from "./reading.ts";

/** What a row of a side file holds beside the record's bytes, roughly. */
const ROW_BYTES = 256;

/** What records of an input are: reads with qualities, sequences of bases, or of residues. */
export type ReadFormat = "fastq" | "fasta" | "protein";

/** n reads in the order of their file; the consumer owns the arrays. */
export interface Reads {
  readonly records: number;
  /** Names up to the first blank, without `@` or `>`, back to back. */
  readonly names: Uint8Array;
  /** Name i is `names[nameEnds[i], nameEnds[i + 1])`; int32 [n + 1], nameEnds[0] = 0. */
  readonly nameEnds: Int32Array;
  /** The same as strings, made when they are first asked for; [n]. */
  readonly ids: readonly string[];
  /** Sequences as they stand in the file (case, IUPAC and U kept), back to back. */
  readonly bases: Uint8Array;
  /** Quality bytes as they stand in the file, one a base; empty for FASTA. */
  readonly qualities: Uint8Array;
  /** Read i is `bases[offsets[i], offsets[i + 1])`; int32 [n + 1], offsets[0] = 0. */
  readonly offsets: Int32Array;
}

/** Reads of a shard; of pairs, its records are the pairs. */
export interface ReadBatch extends Batch, Reads {
  readonly format: ReadFormat;
  /** The second reads of pairs: read i of `mate` belongs to read i of the batch. */
  readonly mate?: Reads;
}

type Parts = Pick<RecordBatch, "records" | "names" | "nameEnds" | "bases" | "qualities" | "ends">;

class LazyReads implements ReadBatch {
  readonly records: number;
  readonly format: ReadFormat;
  readonly names: Uint8Array;
  readonly nameEnds: Int32Array;
  readonly bases: Uint8Array;
  readonly qualities: Uint8Array;
  readonly offsets: Int32Array;
  declare readonly mate?: Reads;
  #ids: readonly string[] | undefined;

  constructor(parts: Parts, format: ReadFormat, mate?: Parts) {
    this.records = parts.records;
    this.format = format;
    this.names = parts.names;
    this.nameEnds = parts.nameEnds;
    this.bases = parts.bases;
    this.qualities = parts.qualities;
    this.offsets = parts.ends;
    if (mate !== undefined) this.mate = new LazyReads(mate, format);
  }

  get ids(): readonly string[] {
    this.#ids ??= namesOf(this);
    return this.#ids;
  }
}

/** A batch of what a scanner gave. @param mate - as many second reads of the same pairs. */
export function readBatchOf(parts: Parts, format: ReadFormat, mate?: Parts): ReadBatch {
  return new LazyReads(parts, format, mate);
}

/** Reads of a batch by their indexes, which rise, in a batch of its own. */
export function pickReads(batch: ReadBatch, indexes: readonly number[]): ReadBatch {
  const mate = batch.mate === undefined ? undefined : picked(batch.mate, indexes);
  return readBatchOf(picked(batch, indexes), batch.format, mate);
}

function picked(reads: Reads, indexes: readonly number[]): Parts {
  const { names, nameEnds, bases, qualities, offsets } = reads;
  const hasQualities = qualities.length > 0;
  const [pickedNames, pickedNameEnds] = pickedBytes(names, nameEnds, indexes);
  const [pickedBases, ends] = pickedBytes(bases, offsets, indexes);
  return {
    records: indexes.length,
    names: pickedNames,
    nameEnds: pickedNameEnds,
    bases: pickedBases,
    qualities: hasQualities ? pickedBytes(qualities, offsets, indexes)[0] : new Uint8Array(0),
    ends,
  };
}

function pickedBytes(
  bytes: Uint8Array,
  ends: Int32Array,
  indexes: readonly number[],
): readonly [Uint8Array, Int32Array] {
  const beginOf = (index: number): number => ends[index] ?? 0;
  const pickedEnds = new Int32Array(indexes.length + 1);
  for (const [at, index] of indexes.entries()) {
    pickedEnds[at + 1] = (pickedEnds[at] as number) + beginOf(index + 1) - beginOf(index);
  }
  const into = new Uint8Array(pickedEnds[indexes.length] as number);
  for (const [at, index] of indexes.entries()) {
    into.set(bytes.subarray(beginOf(index), beginOf(index + 1)), pickedEnds[at]);
  }
  return [into, pickedEnds];
}

/** The records at `indexes` of a batch, which rise. */
export function pickRecords(batch: RecordBatch, indexes: readonly number[]): Parts {
  return picked(readBatchOf(batch, "fastq"), indexes);
}

/** Records [from, to) of a batch, without a copy of what they hold. */
export function sliceRecords(batch: Parts, from: number, to: number): Parts {
  if (from === 0 && to === batch.records) return batch;
  const { names, nameEnds, bases, qualities, ends } = batch;
  const [nameBegin, begin] = [nameEnds[from] ?? 0, ends[from] ?? 0];
  const [nameEnd, end] = [nameEnds[to] ?? 0, ends[to] ?? 0];
  return {
    records: to - from,
    names: names.subarray(nameBegin, nameEnd),
    nameEnds: shifted(nameEnds, from, to),
    bases: bases.subarray(begin, end),
    qualities: qualities.length === 0 ? qualities : qualities.subarray(begin, end),
    ends: shifted(ends, from, to),
  };
}

function shifted(ends: Int32Array, from: number, to: number): Int32Array {
  const moved = ends.slice(from, to + 1);
  const by = moved[0] as number;
  if (by !== 0) for (let i = 0; i < moved.length; i++) moved[i] = (moved[i] as number) - by;
  return moved;
}

/** Records of several batches, one after the other. */
export function joinRecords(parts: readonly Parts[]): Parts {
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  return {
    records: parts.reduce((sum, { records }) => sum + records, 0),
    names: joined(parts.map(({ names }) => names)),
    nameEnds: joinedEnds(parts.map(({ nameEnds }) => nameEnds)),
    bases: joined(parts.map(({ bases }) => bases)),
    qualities: joined(parts.map(({ qualities }) => qualities)),
    ends: joinedEnds(parts.map(({ ends }) => ends)),
  };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const into = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    into.set(part, at);
    at += part.length;
  }
  return into;
}

function joinedEnds(parts: readonly Int32Array[]): Int32Array {
  const into = new Int32Array(parts.reduce((sum, { length }) => sum + length - 1, 1));
  let at = 1;
  let base = 0;
  for (const part of parts) {
    for (let i = 1; i < part.length; i++) into[at++] = base + (part[i] as number);
    base += part.at(-1) ?? 0;
  }
  return into;
}

/**
 * Where a batch that begins at record `from` is full: after `recordsMax` records, or with the one
 * that brings it to `basesMax` bases.
 */
export function cutOf(
  { records, ends }: Pick<Parts, "records" | "ends">,
  from: number,
  recordsMax: number,
  basesMax: number,
): number {
  const last = Math.min(records, from + recordsMax);
  const bound = (ends[from] as number) + basesMax;
  if ((ends[last] as number) < bound) return last;
  let [low, high] = [from + 1, last];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ends[middle] as number) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

export type RecordParts = Parts;

/** Bad records of a shard, within their bound. */
export class Aside {
  readonly #policy: ShardRequest["onBadRecord"];
  readonly #bad: BadRecord[] = [];
  #records = 0;
  #bytes = 0;

  constructor(policy: ShardRequest["onBadRecord"]) {
    this.#policy = policy;
  }

  get records(): number {
    return this.#records;
  }

  /** @throws {SystemError} QUARANTINE_FULL. */
  add(bad: BadRecord): void {
    this.#records += 1;
    if (this.#policy !== "quarantine") return;
    this.#bytes += bad.bytes.length + ROW_BYTES;
    if (this.#bytes > QUARANTINE_BYTES_MAX) {
      const full = `over ${QUARANTINE_BYTES_MAX} bytes of bad records, the last one: `;
      throw new SystemError("QUARANTINE_FULL", `${full}${bad.what}`);
    }
    this.#bad.push(bad);
  }

  /** What a read's outcome says of them. */
  outcome(): { quarantined: number; skipped: number; bad?: readonly BadRecord[] } {
    if (this.#policy !== "quarantine") return { quarantined: 0, skipped: this.#records };
    return this.#bad.length === 0
      ? { quarantined: 0, skipped: 0 }
      : { quarantined: this.#bad.length, skipped: 0, bad: [...this.#bad] };
  }
}

/**
 * All records up to a number of them, in batches. A text of bad records alone gives one batch of
 * none: what is made of it has its columns from there.
 */
export async function* batchesOf(
  reading: Pick<RecordReading, "records" | "step">,
  options: { readonly batchSize: number; readonly recordsMax: number; readonly format: ReadFormat },
  aside: Aside,
): AsyncGenerator<ReadBatch, void> {
  const { batchSize, recordsMax, format } = options;
  const end = reading.records + recordsMax;
  const collected = new Collected(batchSize);
  while (reading.records < end) {
    const found = await reading.step(end - reading.records);
    if (found === undefined) break;
    if (found.kind === "bad") aside.add(found.bad);
    else for (const parts of collected.add(found.batch)) yield readBatchOf(parts, format);
  }
  const last = collected.rest();
  if (last.records > 0 || (collected.isBlank && aside.records > 0)) {
    yield readBatchOf(last, format);
  }
}

/** Records on their way into batches; the cuts depend on the good records alone. */
class Collected {
  readonly #batchSize: number;
  #parts: RecordParts[] = [];
  #records = 0;
  #bases = 0;
  /** Whether there was no record yet. */
  isBlank = true;

  constructor(batchSize: number) {
    this.#batchSize = batchSize;
  }

  /** Takes records in, and gives the batches that are full. */
  *add(batch: RecordBatch): Generator<RecordParts, void> {
    this.isBlank = false;
    for (let from = 0; from < batch.records; ) {
      const room = this.#batchSize - this.#records;
      const to = cutOf(batch, from, room, BATCH_BYTES_MAX - this.#bases);
      this.#parts.push(sliceRecords(batch, from, to));
      this.#records += to - from;
      this.#bases += (batch.ends[to] as number) - (batch.ends[from] as number);
      from = to;
      if (this.#records >= this.#batchSize || this.#bases >= BATCH_BYTES_MAX) yield this.rest();
    }
  }

  /** What is left, perhaps nothing. */
  rest(): RecordParts {
    const parts = joinRecords(this.#parts);
    this.#parts = [];
    this.#records = 0;
    this.#bases = 0;
    return parts;
  }
}
