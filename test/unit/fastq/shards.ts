/** Whole inputs, shard by shard. */
import { planInput } from "../../../actors/fastq/plan.ts";
import { fastqSource } from "../../../actors/fastq/source.ts";
import type {
  InputPlan,
  InputSpec,
  JsonObject,
  ReadOutcome,
} from "../../../runtime/dataset/types.ts";
import { type Read, readShardOf } from "../actors/support.ts";

/** What a shard of a plan reads. */
export function rangeOf(plan: InputPlan, shard: number): JsonObject | undefined {
  if (plan.kind === "ranges") return plan.ranges[shard];
  const { recordsPerShard: records, detail } = plan;
  return { ...detail, firstRecord: shard * records, records };
}

/** An input's shards of about so many bytes, read by new readers, and what each one said. */
export async function inShards(input: InputSpec, shardBytes: number, state?: string) {
  const plan = await planInput(input, undefined, shardBytes);
  const reads: Read[] = [];
  const outcomes: ReadOutcome[] = [];
  for (let shard = 0; ; shard++) {
    const range = rangeOf(plan, shard);
    if (range === undefined) break;
    const reader = await fastqSource.open({}, state);
    const part = await readShardOf(reader, input, range, 7);
    await reader.close();
    reads.push(...part.reads);
    outcomes.push(part.outcome);
    if (part.outcome.endOfInput !== undefined) break;
  }
  return { plan, reads, outcomes };
}

/** The counts of all shards. */
export function warningsOf(outcomes: readonly ReadOutcome[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { warnings = {} } of outcomes) {
    for (const [name, n] of Object.entries(warnings)) sums[name] = (sums[name] ?? 0) + n;
  }
  return sums;
}
