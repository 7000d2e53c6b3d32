/** What the benches of sequences share: a file of reads, its batches, and rivals by command. */
import { execFile } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type RecordBatch, RecordScanner, type ScanOptions } from "../../actors/native/index.ts";
import { writeSample } from "../../actors/sample.ts";
import { which } from "../../deploy/setup/process.mjs";
import { pythonWith } from "../python-packages.ts";
import { type BenchResult, median } from "./bench.ts";

/** 170 MB of FASTQ. */
const READS = 500_000;
const BASES = 150;
const PIECE_BYTES = 1024 * 1024;
const RECORDS_MAX = 4096;
const BASES_MAX = 4 * 1024 * 1024;
const RIVAL_MS = 300_000;

/** A file of reads in a folder that goes away afterwards. */
export async function withReads<T>(
  use: (file: {
    readonly path: string;
    readonly bytes: number;
    readonly folder: string;
  }) => Promise<T>,
  reads: number = READS,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "ligase-bench-"));
  try {
    const path = join(folder, "reads.fastq");
    await writeSample(path, { seed: 11, reads, length: BASES });
    return await use({ path, bytes: (await stat(path)).size, folder });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The records of a plain file. */
export async function* batchesOf(
  path: string,
  options: ScanOptions = { format: "fastq" },
): AsyncGenerator<RecordBatch, void> {
  const scanner = new RecordScanner(options);
  const pieces = createReadStream(path, { highWaterMark: PIECE_BYTES })[Symbol.asyncIterator]();
  for (;;) {
    const step = await scanner.next(RECORDS_MAX, BASES_MAX);
    if (step.kind === "error") throw new Error(step.error.message);
    if (step.kind !== "input") yield step.batch;
    if (step.kind === "ended") return;
    if (step.kind !== "input") continue;
    const { value, done } = await pieces.next();
    if (done === true) scanner.end();
    else scanner.feed(value);
  }
}

/** GB/s of `bytes` that `work` takes. */
export async function rateOf(bytes: number, work: () => Promise<unknown>): Promise<number> {
  const begunMs = performance.now();
  await work();
  return bytes / (performance.now() - begunMs) / 1e6;
}

/** A command's rate, or undefined where the program isn't there. @param args - its arguments. */
export async function commandRate(
  bytes: number,
  program: string,
  args: readonly string[],
): Promise<number | undefined> {
  const path = which(program);
  if (path === undefined) return undefined;
  const options = { timeout: RIVAL_MS, maxBuffer: 64 * 1024 * 1024 };
  return rateOf(bytes, () => promisify(execFile)(path, [...args], options));
}

/**
 * GB/s that a Python script of ours prints, where its packages can be had; else undefined.
 * @param packages - as pip takes them.
 */
export async function pythonRate(
  packages: readonly string[],
  script: string,
  args: readonly string[],
): Promise<number | undefined> {
  const bin = await pythonWith(...packages);
  if (bin === undefined) return undefined;
  const run = promisify(execFile);
  const python = join(bin, "python");
  const { stdout } = await run(python, ["-c", script, ...args], { timeout: RIVAL_MS });
  return Number(stdout.trim());
}

/** Peak memory, MiB, of a script of ours in a process of its own. */
export async function peakMemory(script: string, args: readonly string[]): Promise<number> {
  const words = ["--input-type=module", "-e", `${script}\n${SAY_PEAK}`, ...args];
  const { stdout } = await promisify(execFile)(process.execPath, words, { timeout: RIVAL_MS });
  return Number(stdout.trim()) / 1024;
}

const SAY_PEAK = "console.log(process.resourceUsage().maxRSS);";

/** Each way once a turn, so that a machine that slows down slows down everyone. */
export async function inTurns(
  turns: number,
  ways: Readonly<Record<string, () => Promise<number | undefined>>>,
): Promise<Readonly<Record<string, readonly number[]>>> {
  const rates: Record<string, number[]> = Object.fromEntries(
    Object.keys(ways).map((name) => [name, []]),
  );
  for (let turn = 0; turn < turns; turn += 1) {
    for (const [name, way] of Object.entries(ways)) {
      const rate = await way();
      if (rate !== undefined) rates[name]?.push(rate);
    }
  }
  return rates;
}

/** The result of a bench: the first way is the figure, `also` ours too, the others rivals. */
export function resultOf(
  name: string,
  rates: Readonly<Record<string, readonly number[]>>,
  also: readonly string[],
): BenchResult {
  const [first, ...others] = Object.entries(rates);
  const runs = first?.[1] ?? [];
  const figure = (all: readonly number[]): number | "not run" =>
    all.length === 0 ? "not run" : median(all);
  const rivals = others.filter(([way]) => !also.includes(way));
  const ours = others.filter(([way, all]) => also.includes(way) && all.length > 0);
  return {
    name,
    unit: "GB/s",
    ours: median(runs),
    runs,
    rivals: Object.fromEntries(rivals.map(([way, all]) => [way, figure(all)])),
    also: Object.fromEntries(ours.map(([way, all]) => [`${way}, GB/s`, median(all)])),
  };
}
