/**
 * How an input is cut into shards. What it is, is told by its first bytes, never by its name. Plain
 * and BGZF files are cut at record starts; what can't be entered in its middle (plain gzip, zstd,
 * pairs, records over several lines) is one stream, cut by numbers of records.
 */
import type {
  InputPlan,
  InputSpec,
  JsonObject,
  ShardRequest,
} from "../../runtime/dataset/types.ts";
import { SystemError } from "../../runtime/errors.ts";
import { INPUT_LOOKS_AHEAD, RECORD_BYTES_MAX, SHARD_BYTES } from "../../runtime/limits.ts";
import { PROBE_BYTES_MAX, PROBE_RECORDS } from "../limits.ts";
import { describeFault, FAULT, type Format } from "../native/faults.ts";
import { RECORD_FLAGS } from "../native/records.ts";
import { RecordScanner } from "../native/scan.ts";
import type { FileSpec } from "./cursor.ts";
import { openInput } from "./input.ts";
import { INCOMPLETE, lookForRecord } from "./starts.ts";
import {
  type BlockRangeOf,
  type ByteRange,
  grammarOf,
  type RangeDetail,
  RecordStream,
} from "./stream.ts";
import { findBlockStart, ratioOf } from "./text/blocks.ts";
import type { OpenedInput } from "./text/opened.ts";
import { type Start, startOf } from "./text/start.ts";

type Policy = ShardRequest["onBadRecord"];

/** Bytes of the first look for a record start; holds some hundred short reads. */
const LOOK_BYTES = 64 * 1024;
/** Share of letters that no nucleotide has from which a FASTA file is taken for proteins. */
const RESIDUES_SHARE = 0.05;

/** @throws {SystemError} INPUT_EMPTY, FASTQ_NOT_FASTQ, what a reader says. */
export async function planInput(
  input: InputSpec,
  policy: Policy,
  shardBytes: number = SHARD_BYTES,
): Promise<InputPlan> {
  const file = await openInput(input);
  try {
    const start = await startOf(file, input);
    const { mate, interleaved = false } = input;
    const mateStart = mate === undefined ? undefined : await startOfMate(mate);
    const starts = mateStart === undefined ? [start] : [start, mateStart];
    const format = formatOf(input, starts);
    const isPaired = mate !== undefined || interleaved;
    if (isPaired || format === "wrapped-fastq" || (start.container !== "plain" && !start.isBgzf)) {
      const isUsual = !isPaired && start.container === "gzip";
      const detail: RangeDetail = {
        ...(format === undefined ? {} : { format }),
        ...(isUsual ? {} : { containers: starts.map(({ container }) => container) }),
      };
      const recordsPerShard = await planRecords(input, detail, shardBytes, policy);
      const json = detail as JsonObject;
      return { kind: "rule", recordsPerShard, ...(isUsual && !format ? {} : { detail: json }) };
    }
    const named = format === undefined ? {} : { format };
    const scanned = grammarOf(format).format;
    const ranges = start.isBgzf
      ? await planBlocks(file, input.bytes, shardBytes, scanned)
      : await planRanges(file, input.bytes, shardBytes, scanned);
    return { kind: "ranges", ranges: ranges.map((range) => ({ ...range, ...named })) };
  } finally {
    await file.close();
  }
}

async function startOfMate(mate: FileSpec): Promise<Start> {
  const file = await openInput(mate);
  try {
    return await startOf(file, mate);
  } finally {
    await file.close();
  }
}

/** The grammar of an input's files; undefined: FASTQ of four lines. */
function formatOf(input: InputSpec, starts: readonly Start[]): RangeDetail["format"] {
  const kinds = starts.map(({ text }) => text[0]);
  if (kinds.some((kind) => kind !== kinds[0])) {
    const { uri } = input.mate ?? input;
    throw new SystemError("FASTQ_NOT_FASTQ", "one file of the pair is FASTA, one is FASTQ", {
      uri,
    });
  }
  if (kinds[0] === 0x40) return starts.some(isWrapped) ? "wrapped-fastq" : undefined;
  const { alphabet } = input;
  if (alphabet !== undefined) return alphabet === "protein" ? "protein" : "fasta";
  return starts.some(({ text }) => isProtein(text)) ? "protein" : "fasta";
}

/**
 * Whether records go over several lines: the beginning is sound only when it is read so. A file
 * whose first such record comes later is refused there.
 */
function isWrapped({ text, isWhole }: Start): boolean {
  const four = soundness(text, isWhole, "fastq");
  if (four.isSound) return false;
  const wrapped = soundness(text, isWhole, "wrapped-fastq");
  return wrapped.isSound && (wrapped.isWrapped || wrapped.records === 0);
}

/** What is said of a text that ends where its file goes on. */
const CUT_OFF = describeFault(FAULT.cutOff, 0, "fastq", 0).message;

function soundness(text: Buffer, isWhole: boolean, format: Format) {
  const scanner = new RecordScanner({ format, fileEnd: isWhole });
  scanner.feed(text);
  scanner.end();
  let [records, isWrapped] = [0, false];
  for (;;) {
    const step = scanner.nextNow(PROBE_RECORDS, PROBE_BYTES_MAX);
    if (step.kind === "input") return { isSound: false, isWrapped, records };
    records += step.batch.records;
    isWrapped ||= step.batch.flags.some((bits) => (bits & RECORD_FLAGS.wrappedLines) !== 0);
    if (step.kind === "batch") continue;
    const isCut = step.kind === "error" && !isWhole && step.error.message === CUT_OFF;
    return { isSound: step.kind === "ended" || isCut, isWrapped, records };
  }
}

function isProtein(text: Buffer): boolean {
  let [letters, residues] = [0, 0];
  for (const line of text.toString("latin1").split("\n")) {
    if (line.startsWith(">")) continue;
    letters += line.length;
    residues += line.match(/[EFILOPQJZ]/gi)?.length ?? 0;
  }
  return residues > RESIDUES_SHARE * letters;
}

/**
 * Records of one shard of a stream, from the mean size of its first records.
 * @throws {SystemError} INPUT_EMPTY for one without any, what a reader says.
 */
export async function planRecords(
  input: InputSpec,
  detail: RangeDetail,
  shardBytes: number = SHARD_BYTES,
  policy?: Policy,
): Promise<number> {
  const stream = await RecordStream.open(input, detail, { policy });
  try {
    const { records, bytes } = await stream.probe(PROBE_RECORDS, PROBE_BYTES_MAX);
    if (records === 0) {
      throw new SystemError("INPUT_EMPTY", "the file holds no record", { uri: input.uri });
    }
    return Math.max(1, Math.round((shardBytes * records) / bytes));
  } finally {
    await stream.close();
  }
}

/**
 * Ranges that tile the file, cut at the first record start at or after each multiple of
 * `shardBytes`; a multiple inside a record that reaches the next multiple makes no cut.
 *
 * @param size - bytes of the file, > 0.
 */
export async function planRanges(
  file: Pick<OpenedInput, "readAt">,
  size: number,
  shardBytes: number = SHARD_BYTES,
  format: Format = "fastq",
): Promise<readonly ByteRange[]> {
  const look = (from: number, limit: number) => findRecordStart(file, size, from, limit, format);
  const starts = await looks(size, shardBytes, look);
  const begins = [0, ...starts];
  return begins.map((begin, index) => ({ begin, end: begins[index + 1] ?? size }));
}

/** What is found at multiples of a step, in order; each look is a round trip in S3. */
async function looks<Place>(
  size: number,
  step: number,
  look: (from: number, limit: number) => Promise<Place | undefined>,
): Promise<Place[]> {
  const found: Place[] = [];
  for (let first = step; first < size; first += INPUT_LOOKS_AHEAD * step) {
    const under: Promise<Place | undefined>[] = [];
    for (let at = first; at < Math.min(size, first + INPUT_LOOKS_AHEAD * step); at += step) {
      under.push(look(at, Math.min(at + step, size)));
    }
    for (const place of await Promise.all(under)) if (place !== undefined) found.push(place);
  }
  return found;
}

/** The first record start in [from, limit), or undefined. 0 < from < limit <= size. */
async function findRecordStart(
  file: Pick<OpenedInput, "readAt">,
  size: number,
  from: number,
  limit: number,
  format: Format,
): Promise<number | undefined> {
  // From one byte before: a line begins at `from` itself when that byte is a line feed.
  const base = from - 1;
  for (let bytes = LOOK_BYTES; ; bytes *= 2) {
    const wanted = Math.min(bytes, size - base);
    const text = Buffer.allocUnsafe(wanted);
    await file.readAt(text, base);
    const found = lookForRecord(text, base + wanted === size, format);
    if (found !== INCOMPLETE) {
      const start = found === undefined ? limit : base + found;
      return start < limit ? start : undefined;
    }
    if (wanted > limit - base + 2 * RECORD_BYTES_MAX) return undefined;
  }
}

/** Ranges that tile a BGZF file, cut near each multiple of what gives `shardBytes` of text. */
async function planBlocks(
  file: OpenedInput,
  size: number,
  shardBytes: number,
  format: Format,
): Promise<readonly BlockRangeOf[]> {
  const step = Math.max(1, Math.round(shardBytes * (await ratioOf(file, size))));
  const look = (from: number, limit: number) => findBlockStart(file, size, from, limit, format);
  const starts = await looks(size, step, look);
  const begins = [{ block: 0, skip: 0 }, ...starts];
  return begins.map((begin, index) => {
    const { block: endBlock, skip: endSkip } = begins[index + 1] ?? { block: size, skip: 0 };
    return { ...begin, endBlock, endSkip };
  });
}
