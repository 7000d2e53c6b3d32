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
  peakMemory,
  pythonRate,
  rateOf,
  resultOf,
  withReads,
} from "./sequences.ts";

const PIECE_BYTES = 1024 * 1024;
const NEEDLETAIL_PACKAGE = "needletail==0.7.3";
const NEEDLETAIL = `
import os, sys, time, needletail
begun = time.time()
bases = sum(len(record.seq) for record in needletail.parse_fastx_file(sys.argv[1]))
print(os.path.getsize(sys.argv[1]) / (time.time() - begun) / 1e9)
`;

/** Scans the files that it is given as one text. */
const PASS = `
import { createReadStream } from "node:fs";
import { RecordScanner } from "${new URL("../../actors/native/index.ts", import.meta.url).href}";
const scanner = new RecordScanner({ format: "fastq" });
const take = async () => {
  for (;;) {
    const step = await scanner.next(4096, 4194304);
    if (step.kind === "error") throw new Error(step.error.message);
    if (step.kind === "input" || step.kind === "ended") return;
  }
};
for (const path of process.argv.slice(1)) {
  for await (const piece of createReadStream(path, { highWaterMark: 1048576 })) {
    scanner.feed(piece);
    await take();
  }
}
scanner.end();
await take();
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
        "needletail, Python": () => pythonRate([NEEDLETAIL_PACKAGE], NEEDLETAIL, [path]),
        "igzip -t (no output)": () => commandRate(bytes, "igzip", ["-t", packed]),
      });
      const result = resultOf("fastq", rates, [names, script, gzip, gzipScript]);
      return { ...result, also: { ...result.also, ...(await memory(path)) } };
    }),
};

/** Peak memory of a pass over the file, and over a text of ten of them. */
async function memory(path: string): Promise<Readonly<Record<string, number>>> {
  const once = await peakMemory(PASS, [path]);
  const ten = await peakMemory(
    PASS,
    Array.from({ length: 10 }, () => path),
  );
  return { "memory of one pass, MiB": once, "of ten times the text, MiB": ten };
}

function piecesOf(path: string): AsyncIterable<Uint8Array> {
  return createReadStream(path, { highWaterMark: PIECE_BYTES });
}

async function drain<T>(items: AsyncIterable<T>, use?: (item: T) => unknown): Promise<void> {
  for await (const item of items) use?.(item);
}
