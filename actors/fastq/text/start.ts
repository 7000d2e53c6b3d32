/**
 * The beginning of a file: how its text is stored, told by its first bytes, and whether what it
 * holds looks like records.
 */
import { SystemError } from "../../../runtime/errors.ts";
import { READ_CHUNK_BYTES } from "../../../runtime/limits.ts";
import { blockSize } from "../../native/bgzf.ts";
import type { Container, FileSpec } from "../cursor.ts";
import { isBlank } from "../starts.ts";
import { BLOCK_BYTES_MAX } from "./bgzf.ts";
import { GzipText, isDamage } from "./gzip.ts";
import type { OpenedInput } from "./opened.ts";
import { PlainText } from "./plain.ts";
import { ZstdText } from "./zstd.ts";

const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** The beginning of a file. */
export interface Start {
  readonly container: Container;
  readonly isBgzf: boolean;
  /** Of what it holds, without a byte order mark. */
  readonly text: Buffer;
  /** Whether that is all of it. */
  readonly isWhole: boolean;
}

/**
 * The first megabyte of a file's text.
 * @throws {SystemError} INPUT_EMPTY, FASTQ_NOT_FASTQ, GZIP_CORRUPT, ZSTD_CORRUPT.
 */
export async function startOf(file: OpenedInput, spec: FileSpec): Promise<Start> {
  const head = Buffer.alloc(Math.min(BLOCK_BYTES_MAX, spec.bytes));
  await file.readAt(head, 0);
  const container = containerOf(head);
  const source =
    container === "plain"
      ? new PlainText(file, 0, spec.bytes)
      : container === "gzip"
        ? new GzipText(file, 0, spec.bytes)
        : new ZstdText(file, 0, spec.bytes);
  let text = Buffer.alloc(0);
  let isWhole = false;
  let damage: SystemError | undefined;
  try {
    while (text.length < READ_CHUNK_BYTES && !isWhole) {
      const piece = await source.next();
      isWhole = piece.length === 0;
      text = Buffer.concat([text, piece]);
    }
  } catch (thrown) {
    if (!isDamage(thrown)) throw thrown;
    // Where what came before looks like records, the damage is told of by who reads them.
    const code = container === "zstd" ? "ZSTD_CORRUPT" : "GZIP_CORRUPT";
    damage = new SystemError(code, thrown.message, { uri: spec.uri, record: 1 }, thrown);
  } finally {
    await source.close();
  }
  const hasMark = BYTE_ORDER_MARK.every((byte, index) => text[index] === byte);
  const start = { text: hasMark ? text.subarray(BYTE_ORDER_MARK.length) : text, isWhole };
  try {
    checkStart(start, spec.uri);
  } catch (thrown) {
    throw damage ?? thrown;
  }
  const isBgzf = container === "gzip" && (blockSize(head, 0) ?? 0) > 0;
  return { ...start, container, isBgzf };
}

function containerOf(head: Uint8Array): Container {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  const isZstd = head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd;
  const isSkippable = head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18;
  return isZstd || (isSkippable && (head[0] ?? 0) >> 4 === 5) ? "zstd" : "plain";
}

/** Formats that are told apart to say something useful; none of them is read. */
const FOREIGN: readonly (readonly [string, string])[] = [
  ["bzip2", "BZh"],
  ["xz", "\xfd7zXZ"],
  ["zip", "PK\x03\x04"],
  ["7z", "7z\xbc\xaf"],
  ["CRAM", "CRAM"],
  ["BAM", "BAM\x01"],
  ["BCF", "BCF\x02"],
  ["HDF5 (perhaps fast5)", "\x89HDF"],
  ["SRA", "NCBI.sra"],
  ["POD5", "\x8bPOD"],
  ["Parquet", "PAR1"],
  ["SFF", ".sff"],
  ["ABI trace", "ABIF"],
  ["2bit", "\x43\x27\x41\x1a"],
  ["gzip within gzip", "\x1f\x8b"],
  ["SAM", "@HD\t"],
  ["SAM", "@SQ\t"],
  ["VCF", "##fileformat=VCF"],
  ["GFF", "##gff"],
  ["GenBank", "LOCUS "],
  ["EMBL", "ID   "],
  ["HTML", "<"],
  ["text in UTF-16", "\xff\xfe"],
  ["text in UTF-16", "\xfe\xff"],
];

/** @throws {SystemError} INPUT_EMPTY, FASTQ_NOT_FASTQ. */
function checkStart({ text, isWhole }: Pick<Start, "text" | "isWhole">, uri: string): void {
  if (isWhole && isBlank(text)) {
    throw new SystemError("INPUT_EMPTY", "the file holds no record", { uri });
  }
  const first = text.toString("latin1", 0, 32);
  const foreign = FOREIGN.find(([, magic]) => first.startsWith(magic));
  if (foreign === undefined && (first[0] === "@" || first[0] === ">")) return;
  const looks = foreign === undefined ? "" : ` (this looks like ${foreign[0]})`;
  const what = `the file begins neither with '@' nor with '>'${looks}`;
  const isMark = first[0] === "@";
  throw new SystemError("FASTQ_NOT_FASTQ", isMark ? `the file isn't FASTQ${looks}` : what, {
    ...{ uri, byteOffset: 0, record: 1 },
  });
}
