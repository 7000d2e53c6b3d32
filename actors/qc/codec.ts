/**
 * A summary as bytes, for a shard's side file: `LQC1`, the header's length (uint32, little-endian),
 * the header (JSON), the arrays that it names, packed (pack.ts), and the crc32c of all before
 * (uint32, little-endian). Equal summaries give equal bytes.
 */
import * as v from "valibot";
import { SystemError } from "../../runtime/errors.ts";
import { crc32cUpdate } from "../../runtime/storage/crc32c.ts";
import { SUMMARY_HEADER_BYTES_MAX, SUMMARY_VALUES_MAX } from "./limits.ts";
import { Packer, Unpacker } from "./shards/pack.ts";
import type { SampleSummary } from "./summary.ts";

const MAGIC = Buffer.from("LQC1");
const HEAD_BYTES = MAGIC.length + 4;
const CHECK_BYTES = 4;
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
  /** Lengths of the arrays, in the order of `columnsOf`. */
  lengths: v.array(v.pipe(whole, v.maxValue(SUMMARY_VALUES_MAX))),
});
type Header = v.InferOutput<typeof headerSchema>;

/** The summary's bytes; the caller owns them. */
export function encodeSummary(summary: SampleSummary): Buffer {
  const columns = columnsOf(summary);
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
      lengths: columns.map(({ values }) => values.length),
    }),
  );
  const packer = new Packer();
  for (const column of columns) {
    if (column.kind === "counts") packer.counts(column.values);
    else packer.rising(column.values);
  }
  const size = Buffer.alloc(4);
  size.writeUInt32LE(header.length);
  const bytes = Buffer.concat([MAGIC, size, header, packer.bytes(), Buffer.alloc(CHECK_BYTES)]);
  const end = bytes.length - CHECK_BYTES;
  bytes.writeUInt32LE(crc32cUpdate(0, bytes.subarray(0, end)) >>> 0, end);
  return bytes;
}

/** Whole numbers, many of them 0; or keys that rise. */
type SummaryColumn =
  | { readonly kind: "counts"; readonly values: Float64Array }
  | { readonly kind: "keys"; readonly values: Float64Array | BigUint64Array };

/** All arrays of a summary, always in this order; `decodeSummary` takes them in the same. */
function columnsOf({ counts, reads, ids, kmers, sketch }: SampleSummary): readonly SummaryColumn[] {
  const sums = [counts.before[0], counts.before[1], counts.after[0], counts.after[1]];
  const summed = sums.flatMap((one) =>
    one === undefined ? [NONE, NONE, NONE] : [one.cycles, one.fiveMers, one.lengths],
  );
  return [
    ...[...summed, counts.filtered, counts.inserts, counts.sums].map(countsOf),
    ...[reads, ids, kmers, sketch].flatMap(({ keys, counts: often }) => [
      { kind: "keys", values: keys } as const,
      countsOf(often),
    ]),
  ];
}

function countsOf(values: Float64Array): SummaryColumn {
  return { kind: "counts", values };
}

const NONE = new Float64Array(0);
const COLUMNS = 23;

/**
 * The summary that the bytes say.
 * @param uri - where they come from, for people.
 * @throws {SystemError} SHARD_DAMAGED for what `encodeSummary` doesn't write.
 */
export function decodeSummary(bytes: Uint8Array, uri: string): SampleSummary {
  const { header, body } = partsOf(bytes, uri);
  try {
    return summaryOf(header, body);
  } catch (thrown) {
    throw damaged(uri, thrown);
  }
}

function summaryOf(header: Header, body: Uint8Array): SampleSummary {
  const unpacker = new Unpacker(body);
  const lengths = header.lengths[Symbol.iterator]();
  const next = (): number => lengths.next().value ?? 0;
  const counts = (): Float64Array => unpacker.counts(next());
  const sums = [...header.before, ...header.after].map(({ reads, bases }) => ({
    reads,
    bases,
    cycles: counts(),
    fiveMers: counts(),
    lengths: counts(),
  }));
  const [filtered, inserts, trimmed] = [counts(), counts(), counts()];
  const seen = () => ({ keys: unpacker.rising(next()), counts: counts() });
  const wide = () => ({ keys: unpacker.wideRising(next()), counts: counts() });
  const summary: SampleSummary = {
    shape: header.shape,
    counts: { before: sums.slice(0, 2), after: sums.slice(2), filtered, inserts, sums: trimmed },
    reads: { total: header.reads.total, ...seen(), halvings: header.reads.halvings },
    ids: { total: header.ids.total, ...seen(), halvings: header.ids.halvings },
    kmers: { ...wide(), ...header.kmers },
    sketch: wide(),
    warnings: header.warnings,
  };
  const { reads, ids, kmers, sketch } = summary;
  const isEven = [reads, ids, kmers, sketch].every((one) => one.keys.length === one.counts.length);
  if (!isEven || !unpacker.isDone) throw new RangeError("its arrays don't fit together");
  return summary;
}

function partsOf(bytes: Uint8Array, uri: string): { header: Header; body: Uint8Array } {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = view.length - CHECK_BYTES;
  if (end < HEAD_BYTES || !view.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged(uri);
  if (crc32cUpdate(0, view.subarray(0, end)) >>> 0 !== view.readUInt32LE(end)) throw damaged(uri);
  const size = view.readUInt32LE(MAGIC.length);
  const at = HEAD_BYTES + size;
  if (size > SUMMARY_HEADER_BYTES_MAX || at > end) throw damaged(uri);
  try {
    const text = view.toString("utf8", HEAD_BYTES, at);
    const header = v.parse(headerSchema, JSON.parse(text));
    if (header.lengths.length !== COLUMNS) throw damaged(uri);
    return { header, body: view.subarray(at, end) };
  } catch (thrown) {
    throw damaged(uri, thrown);
  }
}

function damaged(uri: string, cause?: unknown): SystemError {
  return new SystemError("SHARD_DAMAGED", "not a summary of quality control", { uri }, cause);
}
