/** A look at the first reads of a file. */
import { constants, gunzipSync } from "node:zlib";
import { READ_CHUNK_BYTES } from "../../runtime/limits.ts";
import { storageOf } from "../../runtime/storage/open.ts";

/** At gzip's best ratio, 1:1032, this inflates to 66 MiB. */
const PROBE_GZIP_BYTES = 64 * 1024;

/**
 * Median length of the first reads, in bases; 0 when no whole read was found.
 * @param uri - a FASTQ file that was planned: it is FASTQ, plain or gzip.
 */
export async function medianReadLength(uri: string): Promise<number | undefined> {
  const start = await storageOf(uri).readRange(uri, 0, READ_CHUNK_BYTES);
  return medianOf(inflateStart(start).toString("latin1"));
}

function inflateStart(bytes: Buffer): Buffer {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const compressed = bytes.subarray(0, PROBE_GZIP_BYTES);
  try {
    // The stream is cut here, which isn't an error of the file.
    return gunzipSync(compressed, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    // What is wrong with the file is the reader's to say.
    return Buffer.alloc(0);
  }
}

/** Of the whole records in it; undefined where it is no text of records. */
function medianOf(text: string): number | undefined {
  const lengths = (text.startsWith(">") ? fastaLengths(text) : fastqLengths(text)).toSorted(
    (a, b) => a - b,
  );
  return lengths[lengths.length >> 1];
}

function fastqLengths(text: string): number[] {
  if (!text.startsWith("@")) return [];
  const lines = text.split("\n");
  const lengths: number[] = [];
  for (let line = 1; line + 2 < lines.length; line += 4) {
    lengths.push((lines[line] ?? "").trimEnd().length);
  }
  return lengths;
}

/** A last record that is cut counts as far as it is there, if it is the only one. */
function fastaLengths(text: string): number[] {
  const records = text.slice(1).split("\n>");
  const whole = records.length > 1 ? records.slice(0, -1) : records;
  return whole.map((record) => {
    const [, ...lines] = record.split("\n");
    return lines.reduce((sum, line) => sum + line.trimEnd().length, 0);
  });
}
