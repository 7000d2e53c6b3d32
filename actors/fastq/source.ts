/**
 * FASTQ files as a dataset's source, plain or gzip (told by their first bytes, never by their
 * name). Plain files are cut into byte ranges, gzip files into numbers of records.
 */
import * as v from "valibot";
import type {
  Batch,
  InputPlan,
  InputSpec,
  JsonObject,
  Plan,
  RawRecord,
  ReadOutcome,
  ShardReader,
  ShardRequest,
  Source,
} from "../../runtime/dataset/types.ts";
import { SystemError } from "../../runtime/errors.ts";
import { INPUT_CURSORS_MAX, READ_CHUNK_BYTES, SHARD_BYTES } from "../../runtime/limits.ts";
import { pickReads, type ReadBatch } from "./batch.ts";
import { GzipCursor, planRecords, type RecordRange } from "./gzip.ts";
import { identifyInput, openInput } from "./input.ts";
import { planRanges, rawOfRange, readRange } from "./plain.ts";
import { isBlank } from "./record.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const optionsSchema = v.object({ inputs: v.pipe(v.array(v.string()), v.minLength(1)) });
const byteRange = v.strictObject({ begin: count, end: count });
const recordRange = v.strictObject({ firstRecord: count, records: v.pipe(count, v.minValue(1)) });
const rangeSchema = v.union([byteRange, recordRange]);

/**
 * The source `fastq`; options `{ inputs }`: absolute paths or s3://, at least one. Batches are
 * `ReadBatch`.
 */
export const fastqSource: Source = {
  name: "fastq",
  identify: async (options) => Promise.all(inputsOf(options).map(identifyInput)),
  plan: async (_options, inputs, policy) => planInputs(inputs, policy),
  open: async () => new FastqReader(),
};

/** Formats that are told apart to say something useful; none of them is read. */
const FOREIGN: readonly (readonly [string, readonly number[]])[] = [
  ["Zstandard", [0x28, 0xb5, 0x2f, 0xfd]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58]],
  ["zip", [0x50, 0x4b, 0x03, 0x04]],
  ["CRAM", [0x43, 0x52, 0x41, 0x4d]],
  ["FASTA", [0x3e]],
  ["text with a byte order mark", [0xef, 0xbb, 0xbf]],
];

function inputsOf(options: JsonObject): readonly string[] {
  const parsed = v.safeParse(optionsSchema, options);
  if (parsed.success) return parsed.output.inputs;
  throw new SystemError("USAGE", "the fastq source needs `inputs`, at least one path");
}

async function planInputs(inputs: readonly InputSpec[], policy: Policy): Promise<Plan> {
  const plans: InputPlan[] = [];
  for (const input of inputs) plans.push(await planInput(input, policy));
  return { schema: 1, decisions: {}, inputs: plans };
}

type Policy = ShardRequest["onBadRecord"];

async function planInput(input: InputSpec, policy: Policy): Promise<InputPlan> {
  const file = await openInput(input);
  try {
    const head = Buffer.alloc(READ_CHUNK_BYTES);
    const text = head.subarray(0, await file.readAt(head, 0));
    if (text[0] === 0x1f && text[1] === 0x8b) {
      return { kind: "rule", recordsPerShard: await planRecords(input, SHARD_BYTES, policy) };
    }
    checkStart(text, input);
    return { kind: "ranges", ranges: (await planRanges(file, input.bytes)).map(asJson) };
  } finally {
    await file.close();
  }
}

function asJson(range: { readonly begin: number; readonly end: number }): JsonObject {
  return { begin: range.begin, end: range.end };
}

/** @throws {SystemError} INPUT_EMPTY, FASTQ_NOT_FASTQ. */
function checkStart(text: Buffer, input: InputSpec): void {
  const where = { uri: input.uri, byteOffset: 0, record: 1 };
  if (isBlank(text, 0) && input.bytes === text.length) {
    throw new SystemError("INPUT_EMPTY", "the file holds no record", { uri: input.uri });
  }
  if (text[0] === 0x40) return;
  const foreign = FOREIGN.find(([, magic]) => magic.every((byte, index) => text[index] === byte));
  const looks = foreign === undefined ? "" : ` (this looks like ${foreign[0]})`;
  throw new SystemError("FASTQ_NOT_FASTQ", `the file doesn't begin with '@'${looks}`, where);
}

/** Keeps the cursors of gzip inputs between shards; results are the same without. */
class FastqReader implements ShardReader {
  /** By uri and etag, least recently used first; a cursor in use isn't in here. */
  readonly #cursors = new Map<string, GzipCursor>();

  async *read(request: ShardRequest): AsyncGenerator<ReadBatch, ReadOutcome, void> {
    const range = v.parse(rangeSchema, request.range);
    if ("begin" in range) return yield* readRange(request, range);
    const cursor = await this.#take(request.input, range);
    let usable = false;
    try {
      const outcome = yield* cursor.read(request, range);
      usable = true;
      return outcome;
    } finally {
      await this.#putBack(request.input, cursor, usable);
    }
  }

  pick(batch: Batch, indexes: readonly number[]): ReadBatch {
    return pickReads(batch as ReadBatch, indexes);
  }

  /** In a pass of its own: the kept cursors may be anywhere. */
  async raw(request: ShardRequest, positions: readonly number[]): Promise<readonly RawRecord[]> {
    const range = v.parse(rangeSchema, request.range);
    if ("begin" in range) return rawOfRange(request, range, positions);
    const cursor = await GzipCursor.open(request.input);
    try {
      return await cursor.raw(request, range, positions);
    } finally {
      await cursor.close();
    }
  }

  async close(): Promise<void> {
    const cursors = [...this.#cursors.values()];
    this.#cursors.clear();
    await Promise.all(cursors.map((cursor) => cursor.close()));
  }

  async #take(input: InputSpec, range: RecordRange): Promise<GzipCursor> {
    const key = keyOf(input);
    const kept = this.#cursors.get(key);
    this.#cursors.delete(key);
    if (kept !== undefined && kept.record <= range.firstRecord) return kept;
    await kept?.close();
    return GzipCursor.open(input);
  }

  /** A cursor left in the middle of a shard, by an error or by its consumer, isn't used again. */
  async #putBack(input: InputSpec, cursor: GzipCursor, usable: boolean): Promise<void> {
    const key = keyOf(input);
    if (!usable || this.#cursors.has(key)) return cursor.close();
    this.#cursors.set(key, cursor);
    const oldest = [...this.#cursors.entries()][0];
    if (this.#cursors.size <= INPUT_CURSORS_MAX || oldest === undefined) return;
    this.#cursors.delete(oldest[0]);
    await oldest[1].close();
  }
}

function keyOf(input: InputSpec): string {
  return `${input.uri}\n${input.etag}`;
}
