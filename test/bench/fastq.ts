/**
 * Reading FASTQ with all checks, from a file in the page cache, GB/s of text on one core at a time;
 * beside it needletail's Python binding, and inflating beside igzip.
 */
import { createReadStream } from "node:fs";
import { promisify } from "node:util";
import { execFile } from "node:child_process";
import { inflateGzip, namesOf } from "../../actors/native/index.ts";
import type { Bench } from "./bench.ts";
import {
  batchesOf,
  commandRate,
  inTurns,
  pythonRate,
  rateOf,
  resultOf,
  withReads,
} from "./sequences.ts";

const PIECE_BYTES = 1024 * 1024;
const NEEDLETAIL = `
import os, sys, time, needletail
begun = time.time()
bases = sum(len(record.seq) for record in needletail.parse_fastx_file(sys.argv[1]))
print(os.path.getsize(sys.argv[1]) / (time.time() - begun) / 1e9)
`;

export const fastqBench: Bench = {
  name: "fastq",
  run: (times) =>
    withReads(async ({ path, bytes }) => {
      await promisify(execFile)("gzip", ["-k", "-6", path]);
      const packed = `${path}.gz`;
      const names = "with every name as a string";
      const script = "the TypeScript form";
      const gzip = "gzip inflated, with its checksums";
      const gzipScript = "gzip inflated by the TypeScript form";
      const rates = await inTurns(times, {
        ours: () => rateOf(bytes, () => drain(batchesOf(path))),
        [names]: () => rateOf(bytes, () => drain(batchesOf(path), namesOf)),
        [script]: () =>
          rateOf(bytes, () => drain(batchesOf(path, { format: "fastq", force: "typescript" }))),
        [gzip]: () => rateOf(bytes, () => drain(inflateGzip(piecesOf(packed)))),
        [gzipScript]: () =>
          rateOf(bytes, () => drain(inflateGzip(piecesOf(packed), { force: "typescript" }))),
        "needletail, Python": () => pythonRate(NEEDLETAIL, [path]),
        "igzip -t (no output)": () => commandRate(bytes, "igzip", ["-t", packed]),
      });
      return resultOf("fastq", rates, [names, script, gzip, gzipScript]);
    }),
};

function piecesOf(path: string): AsyncIterable<Uint8Array> {
  return createReadStream(path, { highWaterMark: PIECE_BYTES });
}

async function drain<T>(items: AsyncIterable<T>, use?: (item: T) => unknown): Promise<void> {
  for await (const item of items) use?.(item);
}
