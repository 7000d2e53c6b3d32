/**
 * What the first reads of a sample say of all: decided once, by planning, as plain JSON for
 * plan.json. Shards obey; a read that contradicts is a bad record.
 */
import { RECORD_FLAGS, type RecordBatch } from "../native/records.ts";
import { RecordScanner } from "../native/scan.ts";
import { detectAdapter } from "./adapters.ts";
import { ADAPTER_READS_MIN, PROBE_BASES_MAX, PROBE_READS_MAX } from "./limits.ts";
import type { CounterDecisions, QcSettings } from "./options.ts";

/** Decisions of one sample; plain JSON. */
export interface QcDecisions extends CounterDecisions {
  /** Reads that were looked at, of mate 1. */
  readonly probed: number;
  readonly encoding: "phred33" | "phred64" | "solexa64";
  /** Whether the qualities allow of another encoding, too; then it is taken for phred 33. */
  readonly encodingUnsure: boolean;
  /** Whether records go over several lines: the file is then read as one stream. */
  readonly wrapped: boolean;
  /** Whether the instrument's name is one of two colours: what it can't see it calls G. */
  readonly twoColour: boolean;
  /** Why no adapter is given: nobody asked, too few reads to tell, or none was found. */
  readonly adapterSearch: "given" | "off" | "too-few-reads" | "none" | "found";
  /** Lengths of the reads that were looked at, of both mates. */
  readonly readLength: { readonly most: number; readonly median: number };
}

/** The first reads of a file. */
export interface ReadStart {
  readonly batch: RecordBatch;
  readonly wrapped: boolean;
}

/**
 * The reads at a file's beginning, as far as they are whole; records that break the format end it.
 * @param bytes - the beginning of the file's text, inflated. @param isWhole - it's all of it.
 */
export async function readStart(bytes: Uint8Array, isWhole: boolean): Promise<ReadStart> {
  const lines = await scanStart(bytes, isWhole, "fastq");
  if (!lines.isBroken || lines.batch.records > 0) return { batch: lines.batch, wrapped: false };
  const { batch, isBroken } = await scanStart(bytes, isWhole, "wrapped-fastq");
  return isBroken && batch.records === 0
    ? { batch: lines.batch, wrapped: false }
    : { batch, wrapped: true };
}

interface Scanned {
  readonly batch: RecordBatch;
  readonly isBroken: boolean;
}

async function scanStart(
  bytes: Uint8Array,
  isWhole: boolean,
  format: "fastq" | "wrapped-fastq",
): Promise<Scanned> {
  const scanner = new RecordScanner({ format });
  scanner.feed(bytes);
  scanner.end();
  const step = await scanner.next(PROBE_READS_MAX, PROBE_BASES_MAX);
  if (step.kind === "input") throw new Error("a scanner that was ended asks for more");
  // Where the file goes on, its last record here is cut, which is no error of the file.
  const isCut = !isWhole && step.kind === "error" && step.batch.records > 0;
  return { batch: step.batch, isBroken: step.kind === "error" && !isCut };
}

/**
 * What holds for all reads of a sample.
 * @param mates - the first reads of file 1, and of file 2 where there are pairs.
 */
export function probeSample(settings: QcSettings, mates: readonly ReadStart[]): QcDecisions {
  const batches = mates.map(({ batch }) => batch);
  const first = batches[0];
  const { encoding, encodingUnsure } = encodingOf(settings, batches);
  const twoColour = first !== undefined && isTwoColour(first);
  return {
    probed: first?.records ?? 0,
    encoding,
    encodingUnsure,
    phred64: encoding !== "phred33",
    wrapped: mates.some((mate) => mate.wrapped || hasWrapped(mate.batch)),
    twoColour,
    polyG: !settings.disable_trim_poly_g && (settings.trim_poly_g || twoColour),
    readLength: lengthsOf(batches),
    ...adaptersOf(settings, batches),
  };
}

function hasWrapped({ flags }: RecordBatch): boolean {
  return flags.some((bits) => (bits & RECORD_FLAGS.wrappedLines) !== 0);
}

/** fastp's rule: NextSeq 500 and 550, 550Dx, NovaSeq 6000. */
function isTwoColour({ names, nameEnds }: RecordBatch): boolean {
  const name = Buffer.from(names.subarray(0, nameEnds[1] ?? 0)).toString("latin1");
  return ["NS", "NB", "NDX", "A0"].some((prefix) => name.startsWith(prefix));
}

/** Lowest byte of Solexa's qualities (-5), of phred 64; Illumina's highest ones, +33 and +64. */
const SOLEXA_LEAST = 59;
const PHRED64_LEAST = 64;
const PHRED33_USUAL_MOST = 33 + 42;
const PHRED64_USUAL_MOST = 64 + 41;

type Encoding = Pick<QcDecisions, "encoding" | "encodingUnsure">;

/** By the lowest and highest quality: below 59 nothing but 33 is possible. */
function encodingOf(settings: QcSettings, batches: readonly RecordBatch[]): Encoding {
  let [least, most] = [255, 0];
  for (const { qualities } of batches) {
    for (const quality of qualities) {
      if (quality < least) least = quality;
      if (quality > most) most = quality;
    }
  }
  const as64 = least < PHRED64_LEAST ? "solexa64" : "phred64";
  if (settings.phred64 !== undefined) {
    return { encoding: settings.phred64 ? as64 : "phred33", encodingUnsure: false };
  }
  if (least < SOLEXA_LEAST) return { encoding: "phred33", encodingUnsure: false };
  const is64 = most > PHRED33_USUAL_MOST && most <= PHRED64_USUAL_MOST;
  return is64
    ? { encoding: as64, encodingUnsure: false }
    : { encoding: "phred33", encodingUnsure: true };
}

/** The lowest quality byte that the decision allows of; a lower one is a bad record. */
export function qualityLeast({ encoding }: Pick<QcDecisions, "encoding">): number {
  switch (encoding) {
    case "phred33":
      return 33;
    case "solexa64":
      return SOLEXA_LEAST;
    case "phred64":
      // Reads of a Solexa file may begin with good qualities alone.
      return SOLEXA_LEAST;
    default:
      return encoding satisfies never;
  }
}

type Adapters = Pick<QcDecisions, "adapters" | "adapterSearch">;

/** Single reads are searched unless an adapter is given; pairs only when asked, as by fastp. */
function adaptersOf(settings: QcSettings, batches: readonly RecordBatch[]): Adapters {
  if (settings.disable_adapter_trimming) return { adapters: ["", ""], adapterSearch: "off" };
  const isPaired = batches.length > 1;
  const searches = !isPaired || settings.detect_adapter_for_pe;
  const { adapter_sequence: first, adapter_sequence_r2: second } = settings;
  const follows = second === "auto" && !settings.detect_adapter_for_pe && first !== "auto";
  const wanted = [first, follows ? first : second];
  const isEnough = batches.every(({ records }) => records >= ADAPTER_READS_MIN);
  const adapters = wanted.map((sequence, mate) => {
    const batch = batches[mate];
    if (sequence !== "auto") return sequence;
    return searches && batch !== undefined ? detectAdapter(batch, settings.trim_tail1) : "";
  });
  const isAuto = wanted.slice(0, batches.length).includes("auto");
  const found: Adapters["adapters"] = [adapters[0] ?? "", adapters[1] ?? ""];
  if (!isAuto) return { adapters: found, adapterSearch: "given" };
  if (!searches) return { adapters: found, adapterSearch: "off" };
  if (found.some((sequence) => sequence !== "")) return { adapters: found, adapterSearch: "found" };
  return { adapters: found, adapterSearch: isEnough ? "none" : "too-few-reads" };
}

function lengthsOf(batches: readonly RecordBatch[]): QcDecisions["readLength"] {
  const lengths: number[] = [];
  for (const { ends } of batches) {
    for (let i = 0; i + 1 < ends.length; i++) lengths.push((ends[i + 1] ?? 0) - (ends[i] ?? 0));
  }
  lengths.sort((a, b) => a - b);
  return { most: lengths.at(-1) ?? 0, median: lengths[lengths.length >> 1] ?? 0 };
}
