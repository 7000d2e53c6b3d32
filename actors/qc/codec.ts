/**
 * A summary as bytes, for a shard's side file: `LQC1`, the header's length (uint32, little-endian),
 * the header (JSON), then the arrays that it names, of 8 bytes each, little-endian. Equal summaries
 * give equal bytes.
 */
import * as v from "valibot";
import { SystemError } from "../../runtime/errors.ts";
import { SUMMARY_HEADER_BYTES_MAX } from "./limits.ts";
import type { SampleSummary } from "./summary.ts";

const MAGIC = Buffer.from("LQC1");
const HEAD_BYTES = MAGIC.length + 4;
const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const k = v.pipe(whole, v.maxValue(31));
const mate = v.strictObject({ reads: whole, bases: whole });

const headerSchema = v.strictObject({
  schema: v.literal(1),
  shape: v.strictObject({ mates: v.picklist([1, 2]), k, sketchK: k, scaled: whole }),
  before: v.strictTuple([mate, mate]),
  after: v.strictTuple([mate, mate]),
  reads: v.strictObject({ total: whole, halvings: whole }),
  ids: v.strictObject({ total: whole, halvings: whole }),
  kmers: v.strictObject({ windows: whole, halvings: whole }),
  warnings: v.strictObject({
    byteOrderMarks: whole,
    endBlocksMissing: whole,
    trailingZeros: whole,
  }),
  /** Lengths of the arrays, in the order of `arraysOf`. */
  lengths: v.array(whole),
});
type Header = v.InferOutput<typeof headerSchema>;

/** The summary's bytes; the caller owns them. */
export function encodeSummary(summary: SampleSummary): Buffer {
  const arrays = arraysOf(summary);
  const mates = (when: "before" | "after") =>
    [0, 1].map((i) => {
      const { reads = 0, bases = 0 } = summary.counts[when][i] ?? {};
      return { reads, bases };
    });
  const header = Buffer.from(
    JSON.stringify({
      schema: 1,
      shape: summary.shape,
      before: mates("before"),
      after: mates("after"),
      reads: { total: summary.reads.total, halvings: summary.reads.halvings },
      ids: { total: summary.ids.total, halvings: summary.ids.halvings },
      kmers: { windows: summary.kmers.windows, halvings: summary.kmers.halvings },
      warnings: summary.warnings,
      lengths: arrays.map((array) => array.length),
    }),
  );
  const size = Buffer.alloc(4);
  size.writeUInt32LE(header.length);
  const bytes = arrays.map(({ buffer, byteOffset, byteLength }) =>
    Buffer.from(buffer, byteOffset, byteLength),
  );
  return Buffer.concat([MAGIC, size, header, ...bytes]);
}

type Column = Float64Array | BigUint64Array;

/** All arrays of a summary, always in this order; `decodeSummary` takes them in the same. */
function arraysOf({ counts, reads, ids, kmers, sketch }: SampleSummary): readonly Column[] {
  const sums = [counts.before[0], counts.before[1], counts.after[0], counts.after[1]];
  return [
    ...sums.flatMap((one) =>
      one === undefined ? [NONE, NONE, NONE] : [one.cycles, one.fiveMers, one.lengths],
    ),
    ...[counts.filtered, counts.inserts, counts.sums],
    ...[reads.keys, reads.counts, ids.keys, ids.counts],
    ...[kmers.keys, kmers.counts, sketch.keys, sketch.counts],
  ];
}

const NONE = new Float64Array(0);

/**
 * The summary that the bytes say.
 * @param uri - where they come from, for people.
 * @throws {SystemError} SHARD_DAMAGED for what `encodeSummary` doesn't write.
 */
export function decodeSummary(bytes: Uint8Array, uri: string): SampleSummary {
  const { header, at } = headerOf(bytes, uri);
  const body = bytes.byteLength - at;
  const values = header.lengths.reduce((sum, length) => sum + length, 0);
  if (header.lengths.length !== 23 || values * 8 !== body) throw damaged(uri);
  // A copy: arrays of 8 bytes must lie on a multiple of 8.
  const columns = new Columns(new Uint8Array(bytes.subarray(at)).buffer, header.lengths);
  const sums = [...header.before, ...header.after].map(({ reads, bases }) => ({
    reads,
    bases,
    cycles: columns.floats(),
    fiveMers: columns.floats(),
    lengths: columns.floats(),
  }));
  const filtered = columns.floats();
  const inserts = columns.floats();
  const trimmed = columns.floats();
  const summary: SampleSummary = {
    shape: header.shape,
    counts: { before: sums.slice(0, 2), after: sums.slice(2), filtered, inserts, sums: trimmed },
    reads: { total: header.reads.total, ...pair(columns), halvings: header.reads.halvings },
    ids: { total: header.ids.total, ...pair(columns), halvings: header.ids.halvings },
    kmers: { ...widePair(columns), ...header.kmers },
    sketch: widePair(columns),
    warnings: header.warnings,
  };
  const { reads, ids, kmers, sketch } = summary;
  const isEven = [reads, ids, kmers, sketch].every((one) => one.keys.length === one.counts.length);
  if (!isEven) throw damaged(uri);
  return summary;
}

function pair(columns: Columns): { keys: Float64Array; counts: Float64Array } {
  return { keys: columns.floats(), counts: columns.floats() };
}

function widePair(columns: Columns): { keys: BigUint64Array; counts: Float64Array } {
  return { keys: columns.wide(), counts: columns.floats() };
}

function headerOf(bytes: Uint8Array, uri: string): { header: Header; at: number } {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < HEAD_BYTES || !view.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw damaged(uri);
  }
  const size = view.readUInt32LE(MAGIC.length);
  const at = HEAD_BYTES + size;
  if (size > SUMMARY_HEADER_BYTES_MAX || at > view.length) throw damaged(uri);
  try {
    const text = view.toString("utf8", HEAD_BYTES, at);
    return { header: v.parse(headerSchema, JSON.parse(text)), at };
  } catch (thrown) {
    throw damaged(uri, thrown);
  }
}

function damaged(uri: string, cause?: unknown): SystemError {
  return new SystemError("SHARD_DAMAGED", "not a summary of quality control", { uri }, cause);
}

/** Arrays out of one buffer, one after the other. */
class Columns {
  readonly #buffer: ArrayBuffer;
  readonly #lengths: readonly number[];
  #next = 0;
  #at = 0;

  constructor(buffer: ArrayBuffer, lengths: readonly number[]) {
    this.#buffer = buffer;
    this.#lengths = lengths;
  }

  floats(): Float64Array {
    const [at, length] = this.#take();
    return new Float64Array(this.#buffer, at, length);
  }

  wide(): BigUint64Array {
    const [at, length] = this.#take();
    return new BigUint64Array(this.#buffer, at, length);
  }

  #take(): [number, number] {
    const [at, length] = [this.#at, this.#lengths[this.#next] ?? 0];
    this.#next += 1;
    this.#at += length * 8;
    return [at, length];
  }
}
