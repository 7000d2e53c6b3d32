/**
 * The records of an input, or of a part of it, whatever it is stored in: one file, or two whose
 * reads are mates. A stream stands between two records (of pairs: between two pairs) and only moves
 * forward.
 */
import * as v from "valibot";
import type { BadRecord, InputSpec, RawRecord, ShardRequest } from "../../runtime/dataset/types.ts";
import type { Format } from "../native/faults.ts";
import { type Aside, batchesOf, type ReadBatch, type ReadFormat } from "./batch.ts";
import { type Before, type Container, Cursor, type CursorOptions, type Mark } from "./cursor.ts";
import { openInput } from "./input.ts";
import { PairReading } from "./pairs.ts";
import type { Grammar } from "./reading.ts";
import { BgzfText } from "./text/bgzf.ts";
import type { OpenedInput } from "./text/opened.ts";
import { PlainText } from "./text/plain.ts";
import type { TextSource } from "./text/window.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
/** Absent: FASTQ of four lines. */
const format = v.exactOptional(v.picklist(["wrapped-fastq", "fasta", "protein"]));
const container = v.picklist(["plain", "gzip", "zstd"]);
const byteRange = v.strictObject({ begin: count, end: count, format });
const blockRange = v.strictObject({
  ...{ block: count, skip: count, endBlock: count, endSkip: count, format },
});
const recordRange = v.strictObject({
  firstRecord: count,
  records: v.pipe(count, v.minValue(1)),
  format,
  /** Of each file; absent: one gzip file. */
  containers: v.exactOptional(v.pipe(v.array(container), v.minLength(1), v.maxLength(2))),
});
/** What a shard of a plan reads. */
export const rangeSchema = v.union([byteRange, blockRange, recordRange]);
/** Bytes [begin, end) of a plain file: whole records. 0 <= begin < end <= size. */
export type ByteRange = v.InferOutput<typeof byteRange>;
export type BlockRangeOf = v.InferOutput<typeof blockRange>;
/** Records [firstRecord, firstRecord + records) of a stream; records >= 1. */
export type RecordRange = v.InferOutput<typeof recordRange>;
/** What of a range is the same for all shards of an input. */
export type RangeDetail = Pick<RecordRange, "format" | "containers">;

type Named = RecordRange["format"];

export function grammarOf(named: Named): Grammar {
  if (named === undefined) return { format: "fastq", protein: false };
  if (named === "protein") return { format: "fasta", protein: true };
  return { format: named, protein: false };
}

function readFormatOf(named: Named): ReadFormat {
  return named === undefined || named === "wrapped-fastq" ? "fastq" : named;
}

export interface StreamOptions {
  readonly policy: ShardRequest["onBadRecord"];
  /** Whether raw records are wanted. */
  readonly keepsText?: boolean;
}

/** What a stream's batches are. */
export interface BatchOptions {
  readonly batchSize: number;
  /** Records, of pairs: pairs, up to which is read. */
  readonly recordsMax: number;
}

export class RecordStream {
  readonly #cursors: readonly [Cursor] | readonly [Cursor, Cursor];
  readonly #pairs: PairReading | undefined;
  readonly #format: ReadFormat;

  private constructor(
    cursors: readonly [Cursor] | readonly [Cursor, Cursor],
    isPaired: boolean,
    named: Named,
  ) {
    this.#cursors = cursors;
    this.#pairs = isPaired ? new PairReading(cursors) : undefined;
    this.#format = readFormatOf(named);
  }

  /**
   * All of an input, from its beginning or from marks of its files.
   * @throws {SystemError} INPUT_CHANGED, INPUT_NOT_FOUND, INPUT_UNREADABLE.
   */
  static async open(
    input: InputSpec,
    { format: named, containers }: RangeDetail,
    options: StreamOptions,
    marks?: readonly Mark[],
  ): Promise<RecordStream> {
    const { mate, interleaved = false } = input;
    const isPaired = mate !== undefined || interleaved;
    const cursorOptions = optionsOf(named, options, isPaired);
    const [one = "gzip", other = "gzip"]: readonly Container[] = containers ?? [];
    const first = await Cursor.open(input, one, cursorOptions, marks?.[0]);
    if (mate === undefined) return new RecordStream([first], isPaired, named);
    try {
      const second = await Cursor.open(mate, other, cursorOptions, marks?.[1]);
      return new RecordStream([first, second], isPaired, named);
    } catch (thrown) {
      await first.close();
      throw thrown;
    }
  }

  /** One range of a file that can be read from its middle on. */
  static async openRange(
    input: InputSpec,
    range: ByteRange | BlockRangeOf,
    options: StreamOptions,
  ): Promise<RecordStream> {
    const file = await openInput(input);
    const grammar = grammarOf(range.format);
    const isBegin = "begin" in range ? range.begin === 0 : range.block === 0 && range.skip === 0;
    const isEnd = "begin" in range ? range.end === input.bytes : range.endBlock === input.bytes;
    const text = {
      file,
      source: textOf(file, input.bytes, range),
      fileBegin: isBegin,
      // A range of FASTA ends before a name: its last record is as whole as the file's.
      fileEnd: isEnd || grammar.format === "fasta",
      at: { records: 0, bytes: "begin" in range ? range.begin : 0 },
      before: () => (isBegin ? NOTHING : countBefore(file, input.bytes, range, grammar.format)),
    };
    const cursor = new Cursor(input.uri, text, optionsOf(range.format, options, false));
    return new RecordStream([cursor], false, range.format);
  }

  /** Records before this place; of a range: from its begin on. */
  get records(): number {
    return this.#pairs?.records ?? this.#cursors[0].records;
  }

  /** Bytes of all files' texts before this place. */
  get offset(): number {
    return this.#cursors.reduce((sum, cursor) => sum + cursor.offset, 0);
  }

  /** Passes over records, good or bad; fewer at the end. */
  async skip(records: number): Promise<void> {
    await (this.#pairs ?? this.#cursors[0]).skip(records);
  }

  /**
   * Reads the first records; the stream is spent afterwards.
   * @returns how many there are up to the limits, and the bytes of their text.
   */
  async probe(recordsMax: number, bytesMax: number): Promise<Before> {
    const perPair = this.#pairs !== undefined && this.#cursors.length === 1 ? 2 : 1;
    const countOf = (cursor: Cursor): number => Math.floor(cursor.records / perPair);
    for (let read = 1; read > 0 && countOf(this.#cursors[0]) < recordsMax; ) {
      const before = this.#cursors[0].records;
      for (const cursor of this.#cursors) await passSome(cursor, PROBE_STEP * perPair, bytesMax);
      read = this.#cursors[0].offset < bytesMax ? this.#cursors[0].records - before : 0;
    }
    return { records: Math.min(...this.#cursors.map(countOf)), bytes: this.offset };
  }

  /** The next records in batches, up to a number of them. @throws {SystemError} with its place. */
  batches(options: BatchOptions, aside: Aside): AsyncGenerator<ReadBatch, void> {
    const all = { ...options, format: this.#format };
    return this.#pairs?.batches(all, aside) ?? batchesOf(this.#cursors[0], all, aside);
  }

  /** The next good record as it stands; undefined at the end. */
  async raw(bytesMax: number): Promise<RawRecord | undefined> {
    return await (this.#pairs ?? this.#cursors[0]).raw(bytesMax);
  }

  /** Whether no record is left. Reads on until it knows. */
  async ended(): Promise<boolean> {
    return await (this.#pairs ?? this.#cursors[0]).ended();
  }

  /** This place, if every file can be read from here on. */
  marks(): readonly Mark[] | undefined {
    if (this.#pairs?.isAligned === false) return undefined;
    const marks = this.#cursors.map((cursor) => cursor.mark()).filter((it) => it !== undefined);
    return marks.length === this.#cursors.length ? marks : undefined;
  }

  /** What must be said of the files' begins. */
  beginWarnings(): Readonly<Record<string, number>> {
    const marks = this.#cursors.reduce((sum, cursor) => sum + cursor.byteOrderMarks, 0);
    return marks === 0 ? {} : { byteOrderMarks: marks };
  }

  /** What must be said of their ends, when all was read. */
  endWarnings(): Readonly<Record<string, number>> {
    return this.#cursors.map((cursor) => cursor.endWarnings()).reduce(addCounts, {});
  }

  /** Records by their numbers and places in the file. */
  async inFile<Raw extends RawRecord | BadRecord>(records: readonly Raw[]): Promise<Raw[]> {
    if (records.length === 0) return [];
    const before = await this.#cursors[0].before();
    return records.map((it) => ({
      ...it,
      record: it.record + before.records,
      byteOffset: (it.byteOffset ?? 0) + before.bytes,
    }));
  }

  async checkUnchanged(): Promise<void> {
    await Promise.all(this.#cursors.map((cursor) => cursor.checkUnchanged()));
  }

  async close(): Promise<void> {
    await Promise.all(this.#cursors.map((cursor) => cursor.close()));
  }
}

const PROBE_STEP = 100;

async function passSome(cursor: Cursor, records: number, bytesMax: number): Promise<void> {
  const end = cursor.records + records;
  while (cursor.records < end && cursor.offset < bytesMax) {
    if ((await cursor.step(end - cursor.records)) === undefined) return;
  }
}

/** Both counts, by name. */
export function addCounts(
  one: Readonly<Record<string, number>>,
  other: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const sums = { ...one };
  for (const [name, n] of Object.entries(other)) sums[name] = (sums[name] ?? 0) + n;
  return sums;
}

function optionsOf(
  named: Named,
  { policy, keepsText = false }: StreamOptions,
  isPaired: boolean,
): CursorOptions {
  // Of a pair that is put aside the good mate's text is wanted, too.
  const keeps = isPaired && (keepsText || policy === "quarantine");
  return { ...grammarOf(named), policy, keepsText: keeps };
}

function textOf(file: OpenedInput, size: number, range: ByteRange | BlockRangeOf): TextSource {
  if ("begin" in range) return new PlainText(file, range.begin, range.end);
  return new BgzfText(file, size, range);
}

const NOTHING: Promise<Before> = Promise.resolve({ records: 0, bytes: 0 });
const LF = 10;
const GREATER = 62;

/** What stands before a range: records, and bytes where its own offsets don't count them. */
async function countBefore(
  file: OpenedInput,
  size: number,
  range: ByteRange | BlockRangeOf,
  format: Format,
): Promise<Before> {
  const isPlain = "begin" in range;
  const source = isPlain
    ? new PlainText(file, 0, range.begin)
    : new BgzfText(file, size, {
        ...{ block: 0, skip: 0, endBlock: range.block, endSkip: range.skip },
      });
  let [lines, names, bytes] = [0, 0, 0];
  let isLineBegin = true;
  for (let text = await source.next(); text.length > 0; text = await source.next()) {
    if (isLineBegin && text[0] === GREATER) names += 1;
    for (let at = text.indexOf(LF); at >= 0; at = text.indexOf(LF, at + 1)) {
      lines += 1;
      if (text[at + 1] === GREATER) names += 1;
    }
    isLineBegin = text.at(-1) === LF;
    bytes += text.length;
  }
  await source.close();
  const records = format === "fasta" ? names : Math.floor(lines / 4);
  return { records, bytes: isPlain ? 0 : bytes };
}
