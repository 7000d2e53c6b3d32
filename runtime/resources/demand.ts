/** How a dataset asks for its shards to be made: what `mapBatches` takes beside what the job is. */
import * as v from "valibot";
import { count } from "../bus/message-parts.ts";
import { checkCount, usage } from "../usage.ts";
import {
  ANY_NODE,
  type LabelRequest,
  ONE_CPU,
  resourcesOf,
  selectorOf,
  shape,
  shapeKey,
} from "./resources.ts";
import { SHARDS_AT_ONCE_MAX } from "./limits.ts";

/** How a dataset's shards are to be made; no part of what the job is. */
export const demand = v.object({
  /** Shards under way at once: `min` of them go before other jobs' that have theirs. */
  concurrency: v.exactOptional(
    v.pipe(
      v.object({ min: count, max: v.pipe(count, v.minValue(1)) }),
      v.check(({ min, max }) => min <= max),
    ),
  ),
  /** What each takes of its worker; one processor unless given. */
  shape: v.exactOptional(shape),
});
export type Demand = v.InferOutput<typeof demand>;

/** What a user says of a dataset's shards. */
export interface DemandOptions {
  /** Shards under way at once: at most this many; of two numbers, the first go before others. */
  readonly concurrency?: number | readonly [number, number];
  /** Processors of each shard. Default 1. */
  readonly numCpus?: number;
  /** GPUs of each shard; a fraction is a share of one. Default 0. */
  readonly numGpus?: number;
  /** Bytes of memory of each shard, as far as placement is concerned. */
  readonly memory?: number;
  /** Which nodes make them, by their labels. */
  readonly labels?: LabelRequest;
}

/** What was said, as the head takes it. @throws {SystemError} USAGE naming what is off. */
export function demandOf(options: DemandOptions): Demand {
  const { concurrency, numCpus, numGpus, memory, labels } = options;
  const request = {
    ...(numCpus === undefined ? {} : { cpu: numCpus }),
    ...(numGpus === undefined ? {} : { gpu: numGpus }),
    ...(memory === undefined ? {} : { memory }),
  };
  const wanted = {
    resources: resourcesOf(request, "mapBatches", ONE_CPU.resources, SAID),
    labels: labels === undefined ? ANY_NODE : selectorOf(labels),
  };
  return {
    ...(concurrency === undefined ? {} : { concurrency: concurrencyOf(concurrency) }),
    ...(shapeKey(wanted) === shapeKey(ONE_CPU) ? {} : { shape: wanted }),
  };
}

/** How `mapBatches` calls what others call cpu and gpu. */
const SAID = { cpu: "numCpus", gpu: "numGpus", memory: "memory" };

function concurrencyOf(said: number | readonly [number, number]): { min: number; max: number } {
  if (typeof said === "number") {
    checkCount("concurrency", said, 1, SHARDS_AT_ONCE_MAX);
    return { min: 0, max: said };
  }
  if (!Array.isArray(said) || said.length !== 2) {
    throw usage(`concurrency is a number or [least, most], not ${JSON.stringify(said)}`);
  }
  const [min, max] = said as readonly [number, number];
  checkCount("concurrency's most", max, 1, SHARDS_AT_ONCE_MAX);
  checkCount("concurrency's least", min, 0, max);
  return { min, max };
}
