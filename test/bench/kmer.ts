/**
 * A FracMinHash sketch (k 21) of a plain FASTQ file on one core at a time, GB/s of text, beside
 * `mash sketch` of as many hashes; also composition vectors for the encoder.
 */
import { join } from "node:path";
import { countTetramers, KmerTable, Sketch } from "../../actors/native/index.ts";
import type { Bench } from "./bench.ts";
import { batchesOf, commandRate, inTurns, rateOf, resultOf, withReads } from "./sequences.ts";

const K = 21;
const SCALED = 1000;

export const kmerBench: Bench = {
  name: "kmer",
  run: (times) =>
    withReads(async ({ path, bytes, folder }) => {
      const tetramers = "canonical 4-mers of each read";
      const table = "spectrum, sampled from a million k-mers on";
      const mash = [
        "sketch",
        "-r",
        "-k",
        String(K),
        "-s",
        "1000",
        "-o",
        join(folder, "mash"),
        path,
      ];
      const rates = await inTurns(times, {
        ours: () => rateOf(bytes, () => sketchOf(path)),
        [tetramers]: () => rateOf(bytes, () => eachBatch(path, countTetramers)),
        [table]: () => rateOf(bytes, () => spectrum(path)),
        "mash sketch": () => commandRate(bytes, "mash", mash),
      });
      return resultOf("kmer", rates, [tetramers, table]);
    }),
};

async function sketchOf(path: string): Promise<void> {
  const sketch = new Sketch(K, SCALED);
  await eachBatch(path, (batch) => sketch.add(batch));
  if (sketch.hashes().keys.length === 0) throw new Error("an empty sketch");
}

async function spectrum(path: string): Promise<void> {
  const table = new KmerTable(K);
  await eachBatch(path, (batch) => table.add(batch));
}

async function eachBatch(
  path: string,
  use: (batch: { readonly bases: Uint8Array; readonly ends: Int32Array }) => Promise<unknown>,
): Promise<void> {
  for await (const batch of batchesOf(path)) await use(batch);
}
