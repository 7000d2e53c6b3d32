/**
 * A probe in an executor of its own: the stage over a few records of a shard. Nothing of it is
 * kept; whether the executor lives is all that is asked.
 */
import { SystemError } from "../errors.ts";
import type { Outcome, Work } from "../messages.ts";
import { mapPortion, portionsOf } from "./batches.ts";
import { type PlanFile, shardRequest } from "./plan.ts";
import type { ShardParts } from "./shard.ts";

type ProbeWork = Pick<
  Extract<Work, { kind: "probe" }>,
  "input" | "shard" | "first" | "records" | "run" | "exclusion"
>;

/**
 * Runs the stage over the probe's records, or says where they lie.
 * @throws {SystemError} what source or stage say; CANCELLED.
 */
export async function runProbe(
  file: PlanFile,
  { input, shard, first, records, run, exclusion }: ProbeWork,
  { reader, stage, onBatch }: ShardParts,
  signal: AbortSignal,
): Promise<Outcome> {
  const request = shardRequest(file, input, shard);
  if (!run) {
    const positions = Array.from({ length: records }, (_, index) => first + index);
    const raws = (await reader.raw?.(request, positions)) ?? [];
    const places = raws.map(({ record, byteOffset }, index) => {
      const place = { position: first + index, record };
      return byteOffset === undefined ? place : { ...place, byteOffset };
    });
    return { kind: "probed", places };
  }
  const excluded = new Set(exclusion?.records.map(({ position }) => position));
  const cut = { excluded, halvings: 0, range: { first, records } };
  for await (const portion of portionsOf(reader.read(request), reader, cut)) {
    if (signal.aborted) throw new SystemError("CANCELLED", "the probe was cancelled");
    if (portion.batch.records === 0) continue;
    const mapped = await mapPortion(stage.map, portion, onBatch);
    if (mapped.kind === "table") continue;
    const batch = { first: portion.first, records: portion.records };
    return { kind: "failed", error: mapped.error.toData(), batch };
  }
  return { kind: "probed", places: [] };
}
