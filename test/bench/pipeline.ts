/**
 * Phase 1 of the main job, light model: 200,000 reads of 150 bp to sealed Parquet shards, reads/s
 * from submission to seal on a started cluster. Rivals run their own kmer job on reads of the same
 * number and length (folder PEERS_BASE, see the peers' set-up); Ray's figure, too, is without its
 * start.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { writeSample } from "../../actors/sample.ts";
import { type Bench, type BenchResult, median } from "./bench.ts";
import { ligaseRun } from "./ligase-run.ts";

const READS = 200_000;
const BASES = 150;
const RIVAL_MS = 180_000;
const PEERS = fileURLToPath(new URL("../../../shared/peers/", import.meta.url));

/** Name, script and arguments after the model; DATA and OUT are put in. */
const RIVALS: readonly (readonly [string, string, readonly string[]])[] = [
  ["bare ONNX Runtime, 2 processes", "job_bare.py", ["DATA", "1024", "2", "1", "4"]],
  ["plain Python, 1 process", "job_plain.py", ["DATA/r", "OUT", "1024", "1", "1"]],
  ["plain Python, 2 processes", "job_plain.py", ["DATA/r", "OUT", "1024", "2", "1"]],
  ["Ray Data", "job_ray.py", ["DATA/r", "OUT", "1024", "2", "1"]],
];

export const pipelineBench: Bench = {
  name: "pipeline",
  async run(times) {
    const folder = await mkdtemp(join(tmpdir(), "ligase-bench-"));
    try {
      return await measure(folder, times);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function measure(folder: string, times: number): Promise<BenchResult> {
  const input = join(folder, "reads.fastq");
  await writeSample(input, { seed: 11, reads: READS, length: BASES });
  const runs: number[] = [];
  const rivals: Record<string, number[]> = {};
  // Turn by turn, so that a machine that slows down slows down everyone.
  for (let turn = 0; turn < times; turn += 1) {
    const { seconds, reads } = await ligaseRun(["--no-solve", "--input", input]);
    runs.push(reads.in / seconds.phase1);
    for (const [name, script, args] of RIVALS) {
      const figure = await rival(script, args, join(folder, `out-${turn}`));
      if (figure !== undefined) (rivals[name] ??= []).push(figure);
    }
  }
  const medians = RIVALS.map(([name]) => {
    const figures = rivals[name];
    return [name, figures === undefined ? ("not run" as const) : median(figures)] as const;
  });
  const ours = median(runs);
  return { name: "pipeline", unit: "reads/s", ours, rivals: Object.fromEntries(medians), runs };
}

async function rival(
  script: string,
  args: readonly string[],
  out: string,
): Promise<number | undefined> {
  const base = process.env["PEERS_BASE"];
  const python = join(base ?? "", "v/bin/python");
  if (base === undefined || !existsSync(python) || !existsSync(join(PEERS, script)))
    return undefined;
  const filled = args.map((arg) => arg.replace("DATA", join(base, "data")).replace("OUT", out));
  try {
    const run = promisify(execFile);
    const { stdout } = await run(python, [join(PEERS, script), "kmer", ...filled], {
      timeout: RIVAL_MS,
      cwd: PEERS,
    });
    const figures = [...stdout.matchAll(/(\d+) reads\/s/g)].map((match) => Number(match[1]));
    return figures[0];
  } catch {
    return undefined;
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}
