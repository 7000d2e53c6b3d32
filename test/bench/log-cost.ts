/**
 * What the log and every fdatasync cost a job: phase 1 of 200,000 reads of 150 bp, in turn with and
 * without them. Without them means a module that is loaded first and takes them away from the same
 * build. Per cent of the time without; the median of the differences of neighbouring runs.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeSample } from "../../actors/sample.ts";
import { type Bench, type BenchResult, median } from "./bench.ts";
import { ligaseRun } from "./ligase-run.ts";

const READS = 200_000;
const BASES = 150;
const NO_LOG = new URL("./preload/no-log.mjs", import.meta.url);

export const logCostBench: Bench = {
  name: "log-cost",
  async run(times) {
    const folder = await mkdtemp(join(tmpdir(), "ligase-bench-"));
    try {
      const input = join(folder, "reads.fastq");
      await writeSample(input, { seed: 11, reads: READS, length: BASES });
      return await measure(input, times);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function measure(input: string, times: number): Promise<BenchResult> {
  const args = ["--no-solve", "--input", input];
  const [kept, left]: [number[], number[]] = [[], []];
  for (let turn = 0; turn < times; turn += 1) {
    const run = async (log: "kept" | "left", into: number[]): Promise<void> => {
      const env = { NODE_OPTIONS: `--import ${NO_LOG.href}`, LIGASE_BENCH_LOG: log };
      into.push((await ligaseRun(args, env)).seconds.phase1);
    };
    const both = [() => run("kept", kept), () => run("left", left)];
    // The second of two runs may have it easier: each is second as often as first.
    for (const one of turn % 2 === 0 ? both : both.toReversed()) await one();
  }
  const costs = kept.map((seconds, turn) => 100 * (seconds / (left[turn] ?? seconds) - 1));
  const also = { "with them, s": median(kept), "without them, s": median(left) };
  return { name: "log-cost", unit: "%", ours: median(costs), runs: costs, rivals: {}, also };
}
