/**
 * `npm run bench -- NAME [--runs N] [--json]`: each figure as the median of its runs with their
 * spread, rivals beside it, and how busy the machine was with other things. The last line of
 * standard output is JSON with --json.
 */
import { availableParallelism, cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { type Bench, type BenchResult, quantile } from "./bench.ts";
import { busRestartBench } from "./bus-restart.ts";
import { callsBench, callsNatsBench } from "./calls.ts";
import { createBench } from "./create.ts";
import { durableBench } from "./durable.ts";
import { failoverBench } from "./failover.ts";
import { fanOutBench } from "./fan-out.ts";
import { fastqBench } from "./fastq.ts";
import { killedBench } from "./killed.ts";
import { killedWorkerBench } from "./killed-worker.ts";
import { kmerBench } from "./kmer.ts";
import { latencyBench } from "./latency.ts";
import { logCostBench } from "./log-cost.ts";
import { manyToManyBench } from "./n-n.ts";
import { objectsBench } from "./objects.ts";
import { pausedWorkerBench } from "./paused-worker.ts";
import { pipelineBench } from "./pipeline.ts";
import { qcBench } from "./qc.ts";
import { queueBench } from "./queue.ts";
import { sampleBench } from "./sample.ts";
import { startBench } from "./start.ts";
import { transferBench } from "./transfer.ts";
import { tasksBench } from "./tasks.ts";

const BENCHES: readonly Bench[] = [
  busRestartBench,
  callsBench,
  callsNatsBench,
  createBench,
  durableBench,
  failoverBench,
  fanOutBench,
  fastqBench,
  killedBench,
  killedWorkerBench,
  kmerBench,
  latencyBench,
  logCostBench,
  manyToManyBench,
  objectsBench,
  pausedWorkerBench,
  pipelineBench,
  qcBench,
  queueBench,
  sampleBench,
  startBench,
  tasksBench,
  transferBench,
];
/** Runs that are told one by one; of more, the spread says enough. */
const RUNS_SHOWN = 10;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    runs: { type: "string", default: "5" },
  },
});
const runs = Number(values.runs);
const chosen = BENCHES.filter(({ name }) => positionals.includes(name));
if (chosen.length === 0 || !Number.isInteger(runs) || runs < 1) {
  process.stderr.write(`which? ${BENCHES.map(({ name }) => name).join(", ")}\n`);
  process.exitCode = 2;
} else {
  process.stderr.write(`${cpus()[0]?.model ?? "unknown"} x ${availableParallelism()}\n`);
  for (const bench of chosen) await runOne(bench);
}

async function runOne(bench: Bench): Promise<void> {
  const loadBefore = load();
  const result = await bench.run(runs);
  const loadAfter = load();
  for (const line of linesOf(result)) process.stdout.write(`${line}\n`);
  process.stdout.write(`  load of the machine: ${loadBefore} before, ${loadAfter} after\n`);
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ ...result, loadBefore, loadAfter })}\n`);
  }
}

function linesOf({ name, unit, ours, rivals, runs: all, also = {} }: BenchResult): string[] {
  const shown = all.length > RUNS_SHOWN ? `${all.length} runs` : all.map(round).join(", ");
  const spread = `${round(Math.min(...all))} to ${round(Math.max(...all))}`;
  const quarters = `quartiles ${round(quantile(all, 0.25))}, ${round(quantile(all, 0.75))}`;
  const further = Object.entries({ ...also, ...rivals });
  return [
    `${name}: ${round(ours)} ${unit} (median of ${shown}; ${spread}, ${quarters})`,
    ...further.map(
      ([what, figure]) => `  ${what}: ${typeof figure === "number" ? round(figure) : figure}`,
    ),
  ];
}

/** Runnable processes of the last minute, ours included; two cores are busy at 2. */
function load(): number {
  return round(loadavg()[0] ?? 0);
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
