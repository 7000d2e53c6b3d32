/**
 * Pairs of reads: two files in step, or one file whose reads are mates by turns. Mates are told by
 * their names, which agree up to the first blank but for `/1` and `/2` at their ends. The first
 * read without its mate ends it: from there on every pair would be a wrong one.
 *
 * Of a pair with one bad record both are put aside, as one record.
 */
import type { BadRecord, RawRecord } from "../../runtime/dataset/types.ts";
import { SystemError, type Where } from "../../runtime/errors.ts";
import { BATCH_BYTES_MAX, QUARANTINE_RECORD_BYTES_MAX } from "../../runtime/limits.ts";
import { namesOf } from "../native/scan.ts";
import type { RecordBatch } from "../native/records.ts";
import {
  type Aside,
  cutOf,
  joinRecords,
  pickRecords,
  type ReadBatch,
  readBatchOf,
  type ReadFormat,
  type RecordParts,
  sliceRecords,
} from "./batch.ts";
import type { Cursor } from "./cursor.ts";

/** Records of one mate that are read at a time. */
const STEP_RECORDS = 4 * 1024;
/** Reads behind an unlike one in which its mate is looked for, to say which one is missing. */
const LOOK_RECORDS = 4 * 1024;

type Mate = 0 | 1;

/** Reads of one mate that follow each other, or a bad one. */
type Item =
  | {
      readonly kind: "reads";
      readonly parts: RecordParts;
      /** Place of each: number and offset of a read of the parts. */
      readonly placeOf: (index: number) => Place;
      readonly rawOf: (index: number) => Pick<RawRecord, "bytes" | "length">;
    }
  | { readonly kind: "bad"; readonly bad: BadRecord };

type Place = Required<Pick<Where, "record" | "byteOffset">>;

/** The next reads of one mate. */
class Queue {
  readonly items: Item[] = [];
  /** Of the first item's reads, those that are passed. */
  at = 0;

  /** The first item with something left. */
  head(): Item | undefined {
    return this.items[0];
  }

  /** Passes over reads of the first item, or over a bad one. */
  pass(records: number): void {
    const first = this.items[0];
    this.at += records;
    if (first?.kind === "reads" && this.at < first.parts.records) return;
    this.items.shift();
    this.at = 0;
  }
}

export class PairReading {
  readonly #cursors: readonly [Cursor] | readonly [Cursor, Cursor];
  readonly #queues = [new Queue(), new Queue()] as const;
  #pairs: number;

  /** @param cursors - of the two files, at the same record; or of the interleaved one. */
  constructor(cursors: readonly [Cursor] | readonly [Cursor, Cursor]) {
    this.#cursors = cursors;
    this.#pairs = cursors[0].records / (cursors.length === 1 ? 2 : 1);
  }

  /** Pairs before this place. */
  get records(): number {
    return this.#pairs;
  }

  /** Whether the cursors stand at this very place. */
  get isAligned(): boolean {
    return this.#queues.every(({ items }) => items.length === 0);
  }

  /** Passes over pairs; mates aren't looked at. */
  async skip(pairs: number): Promise<void> {
    const reads = this.#cursors.length === 1 ? 2 * pairs : pairs;
    await Promise.all(this.#cursors.map((cursor) => cursor.skip(reads)));
    const perPair = this.#cursors.length === 1 ? 2 : 1;
    this.#pairs = Math.min(...this.#cursors.map(({ records }) => Math.floor(records / perPair)));
  }

  /**
   * Pairs up to a number of them, in batches.
   * @throws {SystemError} PAIRS_DIFFER; what the cursors say.
   */
  async *batches(
    options: {
      readonly batchSize: number;
      readonly recordsMax: number;
      readonly format: ReadFormat;
    },
    aside: Aside,
  ): AsyncGenerator<ReadBatch, void> {
    const { batchSize, recordsMax, format } = options;
    const end = this.#pairs + recordsMax;
    let [mates, records, bases]: [[RecordParts[], RecordParts[]], number, number] = [
      [[], []],
      0,
      0,
    ];
    let isBlank = true;
    const flush = (): ReadBatch => {
      const [first, second] = mates;
      const batch = readBatchOf(joinRecords(first), format, joinRecords(second));
      [mates, records, bases] = [[[], []], 0, 0];
      isBlank = false;
      return batch;
    };
    while (this.#pairs < end) {
      const heads = await this.#heads(end);
      if (heads === undefined) break;
      const [one, other] = heads;
      if (one.kind === "bad" || other.kind === "bad") {
        aside.add(this.#putAside(one, other));
        continue;
      }
      const limits = { records: Math.min(batchSize - records, end - this.#pairs), bases };
      const pair = this.#take(one, other, limits);
      mates[0].push(pair[0]);
      mates[1].push(pair[1]);
      records += pair[0].records;
      bases += pair[0].bases.length + pair[1].bases.length;
      if (records >= batchSize || bases >= BATCH_BYTES_MAX) yield flush();
    }
    if (records > 0 || (isBlank && aside.records > 0)) yield flush();
  }

  /** The next good pair as it stands, one read after the other. */
  async raw(bytesMax: number): Promise<RawRecord | undefined> {
    for (;;) {
      const heads = await this.#heads(this.#pairs + 1);
      if (heads === undefined) return undefined;
      const [one, other] = heads;
      if (one.kind === "bad" || other.kind === "bad") {
        this.#putAside(one, other);
        continue;
      }
      const raw = joinedRaw(this.#rawOf(0, one), this.#rawOf(1, other), bytesMax);
      this.#pass(1);
      return { ...raw, record: this.#pairs };
    }
  }

  async ended(): Promise<boolean> {
    if (!this.isAligned) return false;
    const ended = await Promise.all(this.#cursors.map((cursor) => cursor.ended()));
    if (ended.every((it) => it)) return true;
    if (ended.some((it) => it)) await this.#heads(this.#pairs + 1);
    return false;
  }

  /** The next items of both mates before pair `end`; undefined at the end of both. */
  async #heads(end: number): Promise<readonly [Item, Item] | undefined> {
    await this.#fill(0, end);
    await this.#fill(1, end);
    const [one, other] = [this.#queues[0].head(), this.#queues[1].head()];
    if (one === undefined && other === undefined) return undefined;
    if (one === undefined || other === undefined) throw this.#alone(one, other);
    return [one, other];
  }

  async #fill(mate: Mate, end: number): Promise<void> {
    const queue = this.#queues[mate];
    const cursor = this.#cursors.length === 1 ? this.#cursors[0] : this.#cursors[mate];
    const isShared = this.#cursors.length === 1;
    while (queue.head() === undefined) {
      const wanted = Math.min(STEP_RECORDS, (isShared ? 2 * end : end) - cursor.records);
      const found = await cursor.step(wanted);
      if (found === undefined) return;
      if (found.kind === "bad") {
        const to = isShared ? (found.first % 2 === 0 ? 0 : 1) : mate;
        this.#queues[to].items.push({ kind: "bad", bad: found.bad });
      } else if (isShared) {
        this.#deal(found);
      } else {
        queue.items.push(itemOf(found, undefined));
      }
    }
  }

  /** Deals the reads of an interleaved file to both mates. */
  #deal(found: Extract<Awaited<ReturnType<Cursor["step"]>>, { kind: "reads" }>): void {
    for (const mate of [0, 1] as const) {
      const indexes: number[] = [];
      for (let i = (found.first + mate) % 2; i < found.batch.records; i += 2) indexes.push(i);
      if (indexes.length > 0) this.#queues[mate].items.push(itemOf(found, indexes));
    }
  }

  /** Pairs of both heads, as many as fit. */
  #take(
    one: Extract<Item, { kind: "reads" }>,
    other: Extract<Item, { kind: "reads" }>,
    limits: { readonly records: number; readonly bases: number },
  ): readonly [RecordParts, RecordParts] {
    const [first, second] = this.#queues;
    const left = Math.min(one.parts.records - first.at, other.parts.records - second.at);
    const room = Math.min(left, limits.records);
    const sums = sumsOf(one.parts.ends, first.at, other.parts.ends, second.at, room);
    const pairs = cutOf({ records: room, ends: sums }, 0, room, BATCH_BYTES_MAX - limits.bases);
    const taken = [
      sliceRecords(one.parts, first.at, first.at + pairs),
      sliceRecords(other.parts, second.at, second.at + pairs),
    ] as const;
    const unlike = firstUnlike(...taken);
    if (unlike >= 0) throw this.#unlike(one, other, unlike);
    this.#pass(pairs);
    return taken;
  }

  #pass(pairs: number): void {
    for (const queue of this.#queues) queue.pass(pairs);
    this.#pairs += pairs;
  }

  #putAside(one: Item, other: Item): BadRecord {
    const bad = [one, other].find((item) => item.kind === "bad");
    if (bad?.kind !== "bad") throw new SystemError("INTERNAL", "a good pair is put aside");
    const mate = bad === one ? 1 : 2;
    const { code, what } = bad.bad;
    const raw = joinedRaw(
      this.#rawOf(0, one),
      this.#rawOf(1, other),
      2 * QUARANTINE_RECORD_BYTES_MAX,
    );
    this.#pass(1);
    return { ...raw, code, what: `read ${mate} of the pair: ${what}`, record: this.#pairs };
  }

  #rawOf(mate: Mate, item: Item): RawRecord {
    if (item.kind === "bad") return item.bad;
    const index = this.#queues[mate].at;
    return { ...item.placeOf(index), ...item.rawOf(index) };
  }

  /** One mate's file goes on where the other's has ended. */
  #alone(one: Item | undefined, other: Item | undefined): SystemError {
    const mate = one === undefined ? 1 : 0;
    const item = one ?? other;
    const { name, place } = this.#describe(mate, item);
    const file = this.#nameOf(mate === 0 ? 1 : 0);
    const what = `${name} has no mate: ${file} ends after ${this.#pairs} reads`;
    return new SystemError("PAIRS_DIFFER", what, place);
  }

  #unlike(one: Item, other: Item, at: number): SystemError {
    const [first, second] = [this.#describe(0, one, at), this.#describe(1, other, at)];
    const isLater = (item: Item, mate: Mate, stem: string): boolean =>
      this.#stemsBehind(item, mate, at).includes(stem);
    // Whose mate comes later is here too early: a read before its mate is missing.
    if (isLater(one, 0, second.stem)) return missing(first, second, this.#nameOf(1));
    if (isLater(other, 1, first.stem)) return missing(second, first, this.#nameOf(0));
    const { uri, record, byteOffset } = second.place;
    const there = `${uri}, record ${record}, byte ${byteOffset}`;
    const what = `${first.name} and ${second.name} (${there}) are no mates`;
    return new SystemError("PAIRS_DIFFER", what, first.place);
  }

  #stemsBehind(item: Item, mate: Mate, at: number): readonly string[] {
    if (item.kind !== "reads") return [];
    const from = this.#queues[mate].at + at + 1;
    const to = Math.min(item.parts.records, from + LOOK_RECORDS);
    if (from >= to) return [];
    return namesOf(sliceRecords(item.parts, from, to)).map((name) => stemOf(name, mate));
  }

  #describe(mate: Mate, item: Item | undefined, at = 0) {
    const { uri } = this.#cursors.length === 1 ? this.#cursors[0] : this.#cursors[mate];
    if (item?.kind !== "reads") {
      const { record = 0, byteOffset = 0 } = item?.bad ?? {};
      return { name: `record ${record}`, stem: "", place: { uri, record, byteOffset } };
    }
    const index = this.#queues[mate].at + at;
    const [id = ""] = namesOf(sliceRecords(item.parts, index, index + 1));
    return { name: `read ${id}`, stem: stemOf(id, mate), place: { uri, ...item.placeOf(index) } };
  }

  #nameOf(mate: Mate): string {
    return this.#cursors.length === 1 ? "the file" : this.#cursors[mate].uri;
  }
}

interface Described {
  readonly name: string;
  readonly place: Place & Required<Pick<Where, "uri">>;
}

/** @param alone - has no mate: at its mate's place stands another read. */
function missing(alone: Described, there: Described, file: string): SystemError {
  const { record, byteOffset } = there.place;
  const where = `record ${record}, byte ${byteOffset}`;
  const what = `${alone.name} has no mate: in ${file} at its place (${where}) stands ${there.name}`;
  return new SystemError("PAIRS_DIFFER", what, alone.place);
}

function itemOf(
  found: Extract<Awaited<ReturnType<Cursor["step"]>>, { kind: "reads" }>,
  indexes: readonly number[] | undefined,
): Item {
  const { batch, first, origin, text } = found;
  const indexOf = (index: number): number => indexes?.[index] ?? index;
  const beginOf = (index: number): number => batch.begins[index] as number;
  return {
    kind: "reads",
    parts: indexes === undefined ? batch : pickRecords(batch, indexes),
    placeOf: (index) => ({
      record: first + indexOf(index) + 1,
      byteOffset: origin + beginOf(indexOf(index)),
    }),
    rawOf: (index) => rawOf(batch, text, indexOf(index)),
  };
}

function rawOf(
  { begins }: RecordBatch,
  text: Buffer | undefined,
  index: number,
): Pick<RawRecord, "bytes" | "length"> {
  const base = begins[0] as number;
  const [begin, end] = [(begins[index] as number) - base, (begins[index + 1] as number) - base];
  const length = end - begin;
  if (text === undefined) return { bytes: new Uint8Array(0), length };
  const kept = text.subarray(begin, begin + Math.min(length, QUARANTINE_RECORD_BYTES_MAX));
  return { bytes: Uint8Array.from(kept), length };
}

/** Two records one after the other, at the first one's place. */
function joinedRaw(one: RawRecord, other: RawRecord, bytesMax: number): RawRecord {
  const bytes = Buffer.concat([one.bytes, other.bytes]).subarray(0, bytesMax);
  return { ...one, bytes: Uint8Array.from(bytes), length: one.length + other.length };
}

/** Bases of pairs from the first one on; [n + 1]. */
function sumsOf(
  one: Int32Array,
  oneAt: number,
  other: Int32Array,
  otherAt: number,
  pairs: number,
): Int32Array {
  const base = (one[oneAt] as number) + (other[otherAt] as number);
  const sums = new Int32Array(pairs + 1);
  for (let i = 1; i <= pairs; i++) {
    sums[i] = (one[oneAt + i] as number) + (other[otherAt + i] as number) - base;
  }
  return sums;
}

/** Index of the first two reads whose names are no mates'; -1: all are. */
export function firstUnlike(one: RecordParts, other: RecordParts): number {
  const [a, b] = [bytesOf(one.names), bytesOf(other.names)];
  if (a.equals(b) && bytesOf(one.nameEnds).equals(bytesOf(other.nameEnds))) return -1;
  for (let i = 0; i < one.records; i++) {
    const [begin, otherBegin] = [one.nameEnds[i] as number, other.nameEnds[i] as number];
    let [end, otherEnd] = [one.nameEnds[i + 1] as number, other.nameEnds[i + 1] as number];
    if (isNumbered(a, begin, end, ONE) && isNumbered(b, otherBegin, otherEnd, TWO)) {
      [end, otherEnd] = [end - 2, otherEnd - 2];
    }
    const isSame = end - begin === otherEnd - otherBegin && same(a, begin, end, b, otherBegin);
    if (!isSame) return i;
  }
  return -1;
}

const SLASH = 47;
const ONE = 49;
const TWO = 50;

function isNumbered(name: Buffer, begin: number, end: number, number: number): boolean {
  return end - begin >= 2 && name[end - 2] === SLASH && name[end - 1] === number;
}

function same(a: Buffer, begin: number, end: number, b: Buffer, otherBegin: number): boolean {
  const shift = otherBegin - begin;
  for (let i = end - 1; i >= begin; i--) if (a[i] !== b[i + shift]) return false;
  return true;
}

function stemOf(id: string, mate: Mate): string {
  const suffix = mate === 0 ? "/1" : "/2";
  return id.endsWith(suffix) ? id.slice(0, -2) : id;
}

function bytesOf(array: Uint8Array | Int32Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}
