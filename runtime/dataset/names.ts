/** Names of shards, both ways, and of their side files: they sort as rows do, and say whose. */
import { short12 } from "../ids.ts";

/** `part-<input>-<shard>-<job12>.parquet`. */
export function shardFile(jobId: string, input: number, shard: number): string {
  const number = `${String(input).padStart(5, "0")}-${String(shard).padStart(6, "0")}`;
  return `part-${number}-${short12(jobId)}.parquet`;
}

/** Which shard of a job has this name; undefined for any other name. */
export function shardNamed(
  jobId: string,
  name: string,
): { readonly input: number; readonly shard: number } | undefined {
  const [, inputText, shardText] =
    /^part-(\d{5,})-(\d{6,})-[0-9a-f]{12}\.parquet$/.exec(name) ?? [];
  const [input, shard] = [Number(inputText), Number(shardText)];
  return name === shardFile(jobId, input, shard) ? { input, shard } : undefined;
}

/** The side file of what a shard's source counted: `qc-<input>-<shard>-<job12>.lqc`. */
export function summaryFile(shard: string): string {
  return shard.replace(/^part-(.*)\.parquet$/, "qc-$1.lqc");
}

/**
 * The side file of a shard: `quarantine-<input>-<shard>-<job12>-<exclusion>.jsonl`; 0 stands for no
 * exclusion.
 */
export function sideFile(shard: string, exclusion: number): string {
  return shard.replace(/^part-(.*)\.parquet$/, `quarantine-$1-${exclusion}.jsonl`);
}
