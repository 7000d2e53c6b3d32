/**
 * Quality control with fastp's defaults (given adapter, no poly-G), from a plain file, no output of
 * reads on either side, two threads each; both must count the same.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  addQcCounts,
  QC_DEFAULTS,
  QC_VERDICTS,
  QcCounter,
  type QcOptions,
} from "../../actors/native/index.ts";
import { SampleCounter, SUMMARY_DEFAULTS } from "../../actors/qc/index.ts";
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
      const all = "with duplication, ids and a sketch, as shards do it";
      let ours: Outcome = {};
      const count = async (): Promise<void> => {
        ours = await outcomeOf(path);
      };
      const rates = await inTurns(times, {
        ours: () => rateOf(bytes, count),
        [all]: () => rateOf(bytes, () => summarise(path)),
        "fastp, without its duplication": () =>
          commandRate(bytes, "fastp", [...words, "--dont_eval_duplication"]),
        fastp: () => commandRate(bytes, "fastp", words),
      });
      await checkSame(ours, json);
      return resultOf("qc", rates, [all]);
    }),
};

/** What both sides count, under fastp's names. */
type Outcome = Readonly<Record<string, number>>;

/** Batches go to whichever counter is free. */
async function outcomeOf(path: string): Promise<Outcome> {
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
  const [after] = all.after;
  return {
    passed_filter_reads: all.filtered[QC_VERDICTS.passed] ?? 0,
    low_quality_reads: all.filtered[QC_VERDICTS.lowQuality] ?? 0,
    too_many_N_reads: all.filtered[QC_VERDICTS.tooManyN] ?? 0,
    too_short_reads: all.filtered[QC_VERDICTS.tooShort] ?? 0,
    adapter_trimmed_reads: all.sums[0] ?? 0,
    adapter_trimmed_bases: all.sums[1] ?? 0,
    total_reads: after?.reads ?? 0,
    total_bases: after?.bases ?? 0,
  };
}

/** The product's own counter: what `ligase qc` does beside reading and reports, k-mers aside. */
async function summarise(path: string): Promise<void> {
  const shape = { mates: 1, ...SUMMARY_DEFAULTS, k: 0 } as const;
  const options = { ...QC_DEFAULTS, ...OPTIONS };
  const counters = Array.from({ length: THREADS }, () => new SampleCounter(shape, options));
  const busy = counters.map((): Promise<unknown> => Promise.resolve());
  let turn = 0;
  for await (const batch of batchesOf(path)) {
    const next = turn % THREADS;
    turn += 1;
    await busy[next];
    busy[next] = counters[next]?.add(batch) ?? Promise.resolve();
  }
  await Promise.all(busy);
}

async function checkSame(ours: Outcome, json: string): Promise<void> {
  let file: string;
  try {
    file = await readFile(json, "utf8");
  } catch {
    // fastp isn't here.
    return;
  }
  const { filtering_result, adapter_cutting, summary } = JSON.parse(file) as {
    readonly filtering_result: Outcome;
    readonly adapter_cutting?: Outcome;
    readonly summary: { readonly after_filtering: Outcome };
  };
  const theirs = { ...filtering_result, ...adapter_cutting, ...summary.after_filtering };
  for (const [name, count] of Object.entries(ours)) {
    const other = theirs[name] ?? 0;
    if (other !== count) throw new Error(`${name}: ${count} here, ${other} with fastp`);
  }
}
