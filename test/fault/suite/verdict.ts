/**
 * What became of a job: reads that are lost or stand twice, files that aren't those of the
 * undisturbed run, and what was left behind.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parquetReadObjects } from "hyparquet";
import { sha256Hex } from "../../../runtime/ids.ts";
import { nothingLeft } from "../../e2e/processes.ts";
import { namesIn } from "../../e2e/support.ts";
import { digestsIn, type Job, shardName } from "./job.ts";

export interface Verdict {
  /** Reads of the input that no shard holds. */
  readonly lost: number;
  /** Rows beyond the first of their read, or of their place in the shard. */
  readonly doubled: number;
  /** All else that isn't as in the undisturbed run. */
  readonly wrong: readonly string[];
}

interface Rows {
  readonly ids: readonly string[];
  readonly ordinals: readonly string[];
}

/** What the Parquet of each digest holds: the same bytes are read once. */
const rowsByDigest = new Map<string, Rows>();

/** Looks at all that the job left; what runs yet is waited for. */
export async function verdictOf(job: Job): Promise<Verdict> {
  const wrong: string[] = [];
  await nothingLeft(job.place).catch((thrown: unknown) => wrong.push(String(thrown)));
  const temporary = namesIn(job.place.temporary);
  if (temporary.length > 0) wrong.push(`temporary files: ${temporary.join(", ")}`);
  const folder = join(job.output, "embeddings");
  const found = digestsIn(folder);
  for (const [name, digest] of job.files) {
    if (found.get(name) !== digest) wrong.push(`${name} ${found.has(name) ? "differs" : "lacks"}`);
  }
  const more = [...found.keys()].filter((name) => !job.files.has(name));
  if (more.length > 0) wrong.push(`files too many: ${more.join(", ")}`);
  if (job.netcdf !== null && netcdfOf(job) !== job.netcdf) wrong.push("the NetCDF differs");
  for (const violation of job.worlds.slurm?.violations() ?? []) wrong.push(violation);
  return { ...(await countRows(job, folder, found)), wrong };
}

async function countRows(
  job: Job,
  folder: string,
  found: ReadonlyMap<string, string>,
): Promise<Pick<Verdict, "lost" | "doubled">> {
  const [ids, places] = [new Set<string>(), new Set<string>()];
  let rows = 0;
  for (const [name, digest] of found) {
    if (!/^part-.*\.parquet$/.test(name)) continue;
    const held = rowsByDigest.get(digest) ?? (await rowsOf(join(folder, name)));
    rowsByDigest.set(digest, held);
    const shard = shardName(name);
    const [input] = shard.split("/");
    rows += held.ids.length;
    for (const id of held.ids) ids.add(`${input} ${id}`);
    for (const ordinal of held.ordinals) places.add(`${shard} ${ordinal}`);
  }
  const distinct = Math.min(ids.size, places.size);
  return { lost: Math.max(0, job.reads - distinct), doubled: rows - distinct };
}

/** Rows of a shard; none of a damaged one, whose digest tells of it. */
async function rowsOf(path: string): Promise<Rows> {
  const bytes = readFileSync(path);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  try {
    const rows = await parquetReadObjects({ file, columns: ["read_id", "ordinal"] });
    return {
      ids: rows.map((row) => String(row["read_id"])),
      ordinals: rows.map((row) => String(row["ordinal"])),
    };
  } catch {
    return { ids: [], ordinals: [] };
  }
}

function netcdfOf(job: Job): string | undefined {
  const results = join(job.output, "results");
  const name = namesIn(results).find((one) => one.endsWith(".nc"));
  return name === undefined ? undefined : sha256Hex(readFileSync(join(results, name)));
}
