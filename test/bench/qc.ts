/**
 * Quality control with fastp's defaults (given adapter, no poly-G), from a plain file, no output of
 * reads on either side, two threads each; both must pass as many reads.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { addQcCounts, QcCounter, type QcOptions } from "../../actors/native/index.ts";
import type { Bench } from "./bench.ts";
import { batchesOf, commandRate, inTurns, rateOf, resultOf, withReads } from "./sequences.ts";

const THREADS = 2;
const ADAPTER = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA";
const OPTIONS: Partial<QcOptions> = { adapter: [ADAPTER, ""] };

export const qcBench: Bench = {
  name: "qc",
  run: (times) =>
    withReads(async ({ path, bytes, folder }) => {
      const json = join(folder, "fastp.json");
      const files = ["-i", path, "-j", json, "-h", join(folder, "fastp.html")];
      const words = [...files, "-w", String(THREADS), "-G", "-a", ADAPTER];
      let passed = 0;
      const count = async (): Promise<void> => {
        passed = await passedOf(path);
      };
      const rates = await inTurns(times, {
        ours: () => rateOf(bytes, count),
        "fastp, without its duplication": () =>
          commandRate(bytes, "fastp", [...words, "--dont_eval_duplication"]),
        fastp: () => commandRate(bytes, "fastp", words),
      });
      await checkSame(passed, json);
      return resultOf("qc", rates, []);
    }),
};

/** Reads that pass; batches go to whichever counter is free. */
async function passedOf(path: string): Promise<number> {
  const counters = Array.from({ length: THREADS }, () => new QcCounter(OPTIONS));
  const busy = counters.map((): Promise<unknown> => Promise.resolve());
  let turn = 0;
  for await (const batch of batchesOf(path)) {
    const next = turn % THREADS;
    turn += 1;
    await busy[next];
    busy[next] = counters[next]?.add(batch) ?? Promise.resolve();
  }
  await Promise.all(busy);
  const all = counters.map((counter) => counter.counts()).reduce(addQcCounts);
  return all.filtered[0] ?? 0;
}

async function checkSame(passed: number, json: string): Promise<void> {
  let file: string;
  try {
    file = await readFile(json, "utf8");
  } catch {
    // fastp isn't here.
    return;
  }
  const theirs = (JSON.parse(file) as { filtering_result: { passed_filter_reads: number } })
    .filtering_result.passed_filter_reads;
  if (theirs !== passed) throw new Error(`${passed} reads pass, fastp says ${theirs}`);
}
