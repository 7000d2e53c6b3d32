/**
 * `npm run bench -- NAME [--runs N] [--json]`. The last line of standard output is JSON with
 * --json.
 */
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import type { Bench } from "./bench.ts";
import { pipelineBench } from "./pipeline.ts";
import { sampleBench } from "./sample.ts";

const BENCHES: readonly Bench[] = [pipelineBench, sampleBench];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    runs: { type: "string", default: "5" },
  },
});
const chosen = BENCHES.filter(({ name }) => positionals.includes(name));
if (chosen.length === 0) {
  process.stderr.write(`which? ${BENCHES.map(({ name }) => name).join(", ")}\n`);
  process.exitCode = 2;
}
process.stderr.write(`${cpus()[0]?.model ?? "unknown"} x ${availableParallelism()}\n`);
for (const bench of chosen) {
  const result = await bench.run(Number(values.runs));
  const { name, unit, ours, rivals, runs, also = {} } = result;
  process.stdout.write(`${name}: ${round(ours)} ${unit} (${runs.map(round).join(", ")})\n`);
  for (const [what, figure] of Object.entries({ ...also, ...rivals })) {
    process.stdout.write(`  ${what}: ${typeof figure === "number" ? round(figure) : figure}\n`);
  }
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}
