/**
 * FASTQ and FASTA files as a dataset's source. Ranges of a file are read by themselves; a shard of
 * a one-stream input begins where the reader stands, or at the nearest place that any reader of the
 * job left behind, or else at the input's beginning: its records are the same.
 */
import * as v from "valibot";
import type {
  Batch,
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
import { canonicalJson } from "../../runtime/ids.ts";
import {
  INPUT_CURSORS_MAX,
  INPUT_LOOKS_AHEAD,
  QUARANTINE_RECORD_BYTES_MAX,
} from "../../runtime/limits.ts";
import { POINT_STRIDE_BYTES } from "../limits.ts";
import { Aside, pickReads, type ReadBatch } from "./batch.ts";
import { IdCounter } from "./ids.ts";
import { identifyInput } from "./input.ts";
import { planInput } from "./plan.ts";
import { Points } from "./text/points.ts";
import { addCounts, rangeSchema, type RecordRange, RecordStream } from "./stream.ts";

const inputSchema = v.strictObject({
  uri: v.string(),
  /** The file with the second reads of pairs. */
  mate: v.exactOptional(v.string()),
  /** Of pairs in one file. */
  interleaved: v.exactOptional(v.boolean()),
  sample: v.exactOptional(v.pipe(v.string(), v.minLength(1))),
  label: v.exactOptional(v.string()),
  alphabet: v.exactOptional(v.picklist(["dna", "protein"])),
});
const optionsSchema = v.object({
  inputs: v.pipe(v.array(v.union([v.string(), inputSchema])), v.minLength(1)),
});
/** An input as a program names it: a path or s3://, with what is known of it. */
export type FastqInput = v.InferOutput<typeof optionsSchema>["inputs"][number];

/**
 * The source `fastq`; options `{ inputs }`: absolute paths or s3://, at least one, see FastqInput.
 * Batches are `ReadBatch`.
 */
export const fastqSource: Source = {
  name: "fastq",
  identify: async (options) => Promise.all(inputsOf(options).map(identified)),
  plan: async (_options, inputs, policy) => planInputs(inputs, policy),
  open: async (_options, state) => new FastqReader(state),
};

function inputsOf(options: JsonObject): readonly FastqInput[] {
  const parsed = v.safeParse(optionsSchema, options);
  if (parsed.success) return parsed.output.inputs;
  const [issue] = parsed.issues;
  const what = `the fastq source needs \`inputs\`, at least one path: ${issue.message}`;
  throw new SystemError("USAGE", what);
}

async function identified(named: FastqInput): Promise<InputSpec> {
  if (typeof named === "string") return identifyInput(named);
  const { uri, mate, interleaved, sample, label, alphabet } = named;
  if (mate !== undefined && interleaved === true) {
    throw new SystemError("USAGE", "pairs are in two files or interleaved, not both", { uri });
  }
  const [file, second] = await Promise.all([
    identifyInput(uri),
    mate === undefined ? undefined : identifyInput(mate),
  ]);
  return {
    ...file,
    ...(sample === undefined ? {} : { sample }),
    ...(second === undefined
      ? {}
      : { mate: { uri: second.uri, etag: second.etag, bytes: second.bytes } }),
    ...(interleaved === true ? { interleaved } : {}),
    ...(alphabet === undefined ? {} : { alphabet }),
    ...(label === undefined ? {} : { label }),
  };
}

/** Some inputs at a time: each look at one is a round trip in S3, and holds its first megabyte. */
async function planInputs(
  inputs: readonly InputSpec[],
  policy: ShardRequest["onBadRecord"],
): Promise<Plan> {
  const plans: Plan["inputs"][number][] = [];
  for (let from = 0; from < inputs.length; from += INPUT_LOOKS_AHEAD) {
    const some = inputs.slice(from, from + INPUT_LOOKS_AHEAD);
    const settled = await Promise.allSettled(some.map((input) => planInput(input, policy)));
    for (const one of settled) {
      // Of several that can't be planned the first one is told of, whichever was looked at first.
      if (one.status === "rejected") throw one.reason;
      plans.push(one.value);
    }
  }
  return { schema: 1, decisions: {}, inputs: plans };
}

/** Keeps the streams of one-stream inputs between shards; results are the same without. */
class FastqReader implements ShardReader {
  readonly #state: string | undefined;
  /** By what they are of, least recently used first; a stream in use isn't in here. */
  readonly #streams = new Map<string, RecordStream>();
  readonly #points = new Map<string, Points>();

  /** @param state - the job's folder, where there is one. */
  constructor(state: string | undefined) {
    this.#state = state;
  }

  async *read(request: ShardRequest): AsyncGenerator<ReadBatch, ReadOutcome, void> {
    const range = v.parse(rangeSchema, request.range);
    const ids = new IdCounter();
    const reads =
      "firstRecord" in range ? this.#readRecords(request, range) : readRange(request, range);
    try {
      for (;;) {
        const next = await reads.next();
        if (next.done === true) return withWarnings(next.value, ids.warnings());
        ids.add(next.value);
        yield next.value;
      }
    } finally {
      await reads.return({ records: 0, quarantined: 0, skipped: 0 });
    }
  }

  pick(batch: Batch, indexes: readonly number[]): ReadBatch {
    return pickReads(batch as ReadBatch, indexes);
  }

  /** In a pass of its own: the kept streams may be anywhere. */
  async raw(request: ShardRequest, positions: readonly number[]): Promise<readonly RawRecord[]> {
    const { input, onBadRecord: policy } = request;
    const range = v.parse(rangeSchema, request.range);
    const options = { policy, keepsText: true };
    const isRule = "firstRecord" in range;
    const stream = isRule
      ? await RecordStream.open(input, range, options)
      : await RecordStream.openRange(input, range, options);
    try {
      if (isRule) await stream.skip(range.firstRecord);
      const raws = await rawOf(stream, positions);
      await stream.checkUnchanged();
      return await stream.inFile(raws);
    } finally {
      await stream.close();
    }
  }

  async close(): Promise<void> {
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    await Promise.all(streams.map((stream) => stream.close()));
  }

  async *#readRecords(
    request: ShardRequest,
    range: RecordRange,
  ): AsyncGenerator<ReadBatch, ReadOutcome, void> {
    const { firstRecord, records } = range;
    const { onBadRecord: policy, batchSize } = request;
    const stream = await this.#take(request, range);
    let usable = false;
    try {
      await stream.checkUnchanged();
      await this.#advance(stream, request, range);
      const aside = new Aside(policy);
      const recordsMax = firstRecord + records - stream.records;
      if (recordsMax > 0) yield* stream.batches({ batchSize, recordsMax }, aside);
      const ended = await stream.ended();
      await stream.checkUnchanged();
      if (!ended) await this.#leave(stream, request, range);
      usable = true;
      const found = {
        ...(firstRecord === 0 ? stream.beginWarnings() : {}),
        ...(ended ? stream.endWarnings() : {}),
      };
      const read = Math.max(0, stream.records - firstRecord);
      const outcome = withWarnings({ records: read, ...aside.outcome() }, found);
      return ended ? { ...outcome, endOfInput: stream.records } : outcome;
    } finally {
      await this.#putBack(request, range, stream, usable);
    }
  }

  /** Brings a stream to the shard's begin; leaves marks where others may begin. */
  async #advance(stream: RecordStream, request: ShardRequest, range: RecordRange): Promise<void> {
    const { firstRecord, records } = range;
    while (stream.records < firstRecord) {
      const before = stream.records;
      const next = Math.min(firstRecord, before - (before % records) + records);
      await stream.skip(next - before);
      if (stream.records === before || stream.records < next) return;
      await this.#leave(stream, request, range);
    }
  }

  async #leave(stream: RecordStream, request: ShardRequest, range: RecordRange): Promise<void> {
    const { input } = request;
    const at = stream.records;
    // Of a large input only some: there are at most some thousand marks.
    const stride = range.records * Math.max(1, Math.ceil(input.bytes / POINT_STRIDE_BYTES));
    if (at === 0 || at % stride !== 0) return;
    const points = this.#pointsOf(request, range);
    const marks = points === undefined ? undefined : stream.marks();
    if (marks !== undefined) await points?.leave(at, marks);
  }

  async #take(request: ShardRequest, range: RecordRange): Promise<RecordStream> {
    const { input, onBadRecord: policy } = request;
    const { firstRecord } = range;
    const key = keyOf(request, range);
    const kept = this.#streams.get(key);
    this.#streams.delete(key);
    const isBefore = kept !== undefined && kept.records <= firstRecord;
    if (isBefore && kept.records === firstRecord) return kept;
    const from = isBefore ? kept.records : 0;
    const points = this.#pointsOf(request, range);
    const marks = firstRecord === 0 ? undefined : await points?.best(firstRecord, from);
    if (isBefore && marks === undefined) return kept;
    await kept?.close();
    return RecordStream.open(input, range, { policy }, marks);
  }

  #pointsOf(request: ShardRequest, range: RecordRange): Points | undefined {
    if (this.#state === undefined) return undefined;
    const key = keyOf(request, range);
    const points =
      this.#points.get(key) ?? new Points(this.#state, request.inputIndex, JSON.parse(key));
    this.#points.set(key, points);
    return points;
  }

  /** A stream left in the middle of a shard, by an error or by its consumer, isn't used again. */
  async #putBack(
    request: ShardRequest,
    range: RecordRange,
    stream: RecordStream,
    usable: boolean,
  ): Promise<void> {
    const key = keyOf(request, range);
    if (!usable || this.#streams.has(key)) return stream.close();
    this.#streams.set(key, stream);
    const oldest = [...this.#streams.entries()][0];
    if (this.#streams.size <= INPUT_CURSORS_MAX || oldest === undefined) return;
    this.#streams.delete(oldest[0]);
    await oldest[1].close();
  }
}

/** What a stream's places depend on beside their records' numbers. */
function keyOf({ input, onBadRecord }: ShardRequest, range: RecordRange): string {
  const { uri, etag, mate, interleaved } = input;
  const { format, containers } = range;
  const key = { uri, etag, mate, interleaved, format, containers, onBadRecord };
  return canonicalJson(
    Object.fromEntries(Object.entries(key).filter(([, it]) => it !== undefined)),
  );
}

async function* readRange(
  { input, batchSize, onBadRecord: policy }: ShardRequest,
  range: Exclude<v.InferOutput<typeof rangeSchema>, RecordRange>,
): AsyncGenerator<ReadBatch, ReadOutcome, void> {
  const stream = await RecordStream.openRange(input, range, { policy });
  try {
    const aside = new Aside(policy);
    yield* stream.batches({ batchSize, recordsMax: Number.MAX_SAFE_INTEGER }, aside);
    await stream.checkUnchanged();
    const { bad, ...outcome } = aside.outcome();
    const shifted = bad === undefined ? {} : { bad: await stream.inFile(bad) };
    const found = addCounts(stream.beginWarnings(), stream.endWarnings());
    return withWarnings({ records: stream.records, ...outcome, ...shifted }, found);
  } finally {
    await stream.close();
  }
}

/** Good records by their positions, which rise, from the stream's place on. */
async function rawOf(
  stream: RecordStream,
  positions: readonly number[],
): Promise<readonly RawRecord[]> {
  const raws: RawRecord[] = [];
  let good = 0;
  for (const position of positions) {
    for (; good < position; good += 1) await stream.raw(0);
    const raw = await stream.raw(QUARANTINE_RECORD_BYTES_MAX);
    if (raw === undefined) throw new SystemError("INTERNAL", "the stream has no such record");
    raws.push(raw);
    good += 1;
  }
  return raws;
}

function withWarnings(outcome: ReadOutcome, found: Readonly<Record<string, number>>): ReadOutcome {
  const warnings = addCounts(outcome.warnings ?? {}, found);
  return Object.keys(warnings).length === 0 ? outcome : { ...outcome, warnings };
}
