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
export async function medianReadLength(uri: string): Promise<number> {
  const start = await storageOf(uri).readRange(uri, 0, READ_CHUNK_BYTES);
  return medianOf(inflateStart(start));
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

function medianOf(text: Buffer): number {
  const lines = text.toString("latin1").split("\n");
  const lengths: number[] = [];
  for (let line = 1; line + 2 < lines.length; line += 4) {
    lengths.push((lines[line] ?? "").trimEnd().length);
  }
  lengths.sort((a, b) => a - b);
  return lengths[lengths.length >> 1] ?? 0;
}
