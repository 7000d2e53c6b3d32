/**
 * The job that faults strike, and what an undisturbed run makes of it. Every run has the same
 * inputs and the same output path, so that it is the same job: each of its files must come out with
 * the same bytes, the manifest too.
 */
import { readFileSync, rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { writeSample } from "../../../actors/sample.ts";
import { sha256Hex } from "../../../runtime/ids.ts";
import { namesIn, type Place, resultOf, run } from "../../e2e/support.ts";
import { LogWatch } from "./log-watch.ts";
import type { FakeSlurm } from "../../slurm/fake.ts";
import type { S3World } from "./s3.ts";

/** One shard each, ~0.06 s of work. */
const PLAIN_FILES = 34;
const PLAIN_FILES_SHORT = 12;
const PLAIN_READS = 700;
const GZIP_FILES = 3;
/** ~18 MB of text: three shards, of which only reading tells. */
const LONG_GZIP_READS = 17_500;
const BASES = 500;
/** Reads of each of two files of a job with a solve. */
const SOLVE_READS = 3_000;

/** Where the job writes, and whether it solves: on a real Slurm, or on a fake one. */
export type JobKind = "plain" | "solve" | "slurm" | "s3";

/** What a run has beside its machine. */
export interface Worlds {
  readonly s3?: S3World;
  readonly slurm?: FakeSlurm;
}

export interface Job {
  readonly place: Place;
  readonly kind: JobKind;
  /** Arguments of `ligase run`, but executors. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly inputs: readonly string[];
  /** Its output and its state as folders, wherever they are. */
  readonly output: string;
  readonly state: string;
  readonly worlds: Worlds;
  readonly reads: number;
  /** `<input>/<shard>` of all shards, in the order in which they are handed out. */
  readonly order: readonly string[];
  /** sha256 by name of all that stands in the folder of embeddings. */
  readonly files: ReadonlyMap<string, string>;
  readonly netcdf: string | null;
  /** Seconds of the undisturbed command. */
  readonly seconds: number;
}

/**
 * Inputs of a kind of the job, and an undisturbed run of it.
 * @param worlds - what its kind needs.
 */
export async function prepareJob(
  place: Place,
  kind: JobKind,
  worlds: Worlds = {},
  isShort = false,
): Promise<Job> {
  const files = isShort ? PLAIN_FILES_SHORT : PLAIN_FILES;
  const solves = kind === "solve" || kind === "slurm";
  const inputs = solves ? await solveInputs(place, kind) : await manyInputs(place, kind, files);
  const where = placesOf(place, kind, worlds);
  const args = [...FORMS[kind], "--input", ...inputs, ...where.args];
  const { output, state, env } = where;
  const watch = new LogWatch(state);
  // One executor: its receipts come in the order in which shards are handed out.
  const ended = await run(place, [...args, "--executors", "1"], { env });
  watch.stop();
  const { reads, netcdf } = resultOf(ended);
  const job: Job = {
    ...{ place, kind, args, env, inputs, output, state, worlds },
    reads: reads.in,
    order: [...watch.receipts().keys()],
    files: digestsIn(join(output, "embeddings")),
    netcdf: netcdf === null ? null : sha256Hex(await readFile(netcdf)),
    seconds: ended.seconds,
  };
  clear(job);
  return job;
}

/** Removes all that a run left: the next one isn't a second run of it. */
export function clear({ output, state }: Job): void {
  for (const folder of [output, state]) rmSync(folder, { recursive: true, force: true });
}

const FORMS: Readonly<Record<JobKind, readonly string[]>> = {
  plain: ["--no-solve"],
  s3: ["--no-solve"],
  solve: ["--slurm", "private", "--ranks", "2"],
  // The bytes don't depend on the ranks; a fake starts one.
  slurm: ["--slurm", "system", "--ranks", "1"],
};

/** The same job on another fake Slurm: it counts what ran, and each run begins anew. */
export function withSlurm(job: Job, slurm: FakeSlurm): Job {
  const { env } = placesOf(job.place, "slurm", { slurm });
  return { ...job, env, worlds: { ...job.worlds, slurm } };
}

function placesOf(place: Place, kind: JobKind, { s3, slurm }: Worlds) {
  if (kind === "s3") {
    if (s3 === undefined) throw new Error("a job in S3 needs a server");
    const args = ["--output", s3.uri("out"), "--state", s3.uri("state")];
    const env = { ...s3.env, XDG_STATE_HOME: place.folder };
    return { output: s3.folder("out"), state: s3.folder("state"), args, env };
  }
  const output = place.path(kind);
  const { PATH = "", SLURM_CONF = "" } = slurm?.env ?? {};
  const env: Readonly<Record<string, string>> = kind === "slurm" ? { PATH, SLURM_CONF } : {};
  return { output, state: join(output, ".ligase"), args: ["--output", output], env };
}

/** sha256 by name of every file of a folder, hidden ones too. */
export function digestsIn(folder: string): ReadonlyMap<string, string> {
  const names = namesIn(folder);
  return new Map(names.map((name) => [name, sha256Hex(readFileSync(join(folder, name)))] as const));
}

/** `<input>/<shard>` of a shard's file. */
export function shardName(file: string): string {
  const [, input, shard] = /^part-(\d+)-(\d+)-/.exec(file) ?? [];
  return `${Number(input)}/${Number(shard)}`;
}

/** In files of a name of their own: two kinds of one suite don't share them. */
async function manyInputs(place: Place, kind: JobKind, files: number): Promise<string[]> {
  const plain = Array.from({ length: files }, (_, i) => place.path(`${kind}-${i}.fastq`));
  for (const [i, path] of plain.entries()) await reads(path, 100 + i, PLAIN_READS);
  const packed = Array.from({ length: GZIP_FILES }, (_, i) =>
    place.path(`${kind}-packed-${i}.fastq.gz`),
  );
  for (const [i, path] of packed.entries()) await readsPacked(path, 200 + i, PLAIN_READS);
  const long = place.path(`${kind}-long.fastq.gz`);
  await readsPacked(long, 300, LONG_GZIP_READS);
  // Its shards are made one after the other: they shouldn't be the last ones.
  return [...packed, ...plain.slice(0, 8), long, ...plain.slice(8)];
}

async function solveInputs(place: Place, kind: JobKind): Promise<string[]> {
  const paths = [place.path(`${kind}-one.fastq`), place.path(`${kind}-other.fastq.gz`)];
  await reads(paths[0] ?? "", 1, SOLVE_READS);
  await readsPacked(paths[1] ?? "", 2, SOLVE_READS);
  return paths;
}

async function reads(path: string, seed: number, count: number): Promise<void> {
  await writeSample(path, { seed, reads: count, length: BASES });
}

async function readsPacked(path: string, seed: number, count: number): Promise<void> {
  const plain = `${path}.plain`;
  await reads(plain, seed, count);
  await writeFile(path, gzipSync(readFileSync(plain), { level: 1 }));
  rmSync(plain);
}
