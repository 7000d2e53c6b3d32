/** A whole scan of bytes given in pieces, as plain values that can be compared. */
import { namesOf, RecordScanner, type ScanOptions } from "../../../actors/native/scan.ts";

export interface Scanned {
  readonly records: readonly string[];
  readonly begins: readonly number[];
  readonly flags: readonly number[];
  /** Records of each batch. */
  readonly batches: readonly number[];
  readonly error?: string;
}

/** Every way there is to scan on this machine. */
export const WAYS = ["typescript", "plain", "avx2", "avx512"] as const;

/** @param cut - bytes of a piece. */
export function scanAll(
  bytes: Uint8Array,
  options: ScanOptions,
  cut: number = bytes.length,
  recordsMax = 1024,
  basesMax = 2 ** 20,
): Scanned {
  const scanner = new RecordScanner(options);
  const found = { records: [] as string[], begins: [] as number[], flags: [] as number[] };
  const batches: number[] = [];
  let at = 0;
  for (;;) {
    const step = scanner.nextNow(recordsMax, basesMax);
    if (step.kind === "input") {
      const piece = bytes.subarray(at, at + Math.max(1, cut));
      at += piece.length;
      if (piece.length === 0) scanner.end();
      else scanner.feed(piece);
      continue;
    }
    const { batch } = step;
    const [bases, qualities] = [Buffer.from(batch.bases), Buffer.from(batch.qualities)];
    for (const [i, name] of namesOf(batch).entries()) {
      const [begin, end] = [batch.ends[i], batch.ends[i + 1]];
      const parts = [name, bases.toString("latin1", begin, end)];
      if (options.format !== "fasta") parts.push(qualities.toString("latin1", begin, end));
      found.records.push(parts.join("\n"));
    }
    found.begins.push(...batch.begins.subarray(0, batch.records));
    found.flags.push(...batch.flags);
    batches.push(batch.records);
    if (step.kind === "ended") return { ...found, batches };
    if (step.kind === "error") {
      const { code, message, record, byteOffset } = step.error;
      return {
        ...found,
        batches,
        error: `${code} record ${record} byte ${byteOffset}: ${message}`,
      };
    }
  }
}
