/** A source of numbers, a stage that makes vectors of them, and folders for jobs and outputs. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { source } from "../../../runtime/actor/registry.ts";
import type { Stage } from "../../../runtime/dataset/shard.ts";
import type {
  Batch,
  Plan,
  ReadOutcome,
  ShardReader,
  ShardRequest,
  StageDescription,
} from "../../../runtime/dataset/types.ts";
import { SystemError } from "../../../runtime/errors.ts";
import type { DatasetSpec } from "../../../runtime/messages.ts";

export const DIMENSIONS = 3;

/** How often the source was asked for a plan. */
export const asked = { plans: 0 };

interface Numbers extends Batch {
  readonly first: number;
}

/**
 * Inputs hold `bytes` numbers each. One whose sample begins with "r" is a rule input of 10 a shard;
 * all others are ranges of 10.
 */
export const numbers = source({
  name: "numbers",
  identify: () => Promise.resolve([]),
  plan: (_options, inputs): Promise<Plan> => {
    asked.plans += 1;
    return Promise.resolve({
      schema: 1,
      decisions: { offset: 33 },
      inputs: inputs.map(({ sample, bytes }) => {
        if (bytes === 0) throw new SystemError("INPUT_EMPTY", "no numbers", { uri: sample });
        if (sample.startsWith("r")) return { kind: "rule", recordsPerShard: 10 };
        const firsts = Array.from({ length: Math.ceil(bytes / 10) }, (_, i) => 10 * i);
        return {
          kind: "ranges",
          ranges: firsts.map((firstRecord) => ({ firstRecord, records: 10 })),
        };
      }),
    });
  },
  open: () => Promise.resolve(new NumberReader()),
});

export class NumberReader implements ShardReader {
  /** Reads that ended, whether by their end or by their consumer. */
  ended = 0;
  /** Added to what a read says of its records. */
  lie = 0;

  async *read({
    input,
    range,
    batchSize,
  }: ShardRequest): AsyncGenerator<Numbers, ReadOutcome, void> {
    const { firstRecord, records } = range as { firstRecord: number; records: number };
    const end = Math.min(firstRecord + records, input.bytes);
    try {
      for (let first = firstRecord; first < end; first += batchSize) {
        yield await Promise.resolve({ records: Math.min(batchSize, end - first), first });
      }
      const outcome = {
        records: Math.max(0, end - firstRecord) + this.lie,
        quarantined: 0,
        skipped: 0,
      };
      const isLast = input.sample.startsWith("r") && firstRecord + records >= input.bytes;
      return isLast ? { ...outcome, endOfInput: input.bytes } : outcome;
    } finally {
      this.ended += 1;
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export const DESCRIPTION: StageDescription = {
  name: "halves",
  sha256: "d".repeat(64),
  provider: "cpu",
  variant: "cpu-1t",
  dimensions: DIMENSIONS,
  metric: "l2",
};

/** Every seventh number gives no row; the others give (n, n / 2, n / 4). */
export function halves(change: Partial<Stage> = {}): Stage {
  return {
    deterministic: true,
    describe: () => DESCRIPTION,
    map: (batch) => {
      const { first, records } = batch as Numbers;
      const kept = Array.from({ length: records }, (_, i) => first + i).filter((n) => n % 7 !== 6);
      const values = Float32Array.from(kept.flatMap((n) => [n, n / 2, n / 4]));
      return Promise.resolve({
        rows: kept.length,
        columns: { embedding: { kind: "vector", values, dimensions: DIMENSIONS } },
        filtered: kept.length === records ? {} : { seventh: records - kept.length },
      });
    },
    ...change,
  };
}

/** A spec over inputs of these sizes, with an output in a folder that goes when the test ends. */
export async function numbersSpec(inputs: Readonly<Record<string, number>>): Promise<DatasetSpec> {
  return {
    schema: 1,
    runtimeVersion: "0.0.0",
    program: { url: "file:///program.ts", sha256: "a".repeat(64) },
    source: {
      name: "numbers",
      options: {},
      inputs: Object.entries(inputs).map(([sample, bytes]) => {
        return { uri: `/in/${sample}`, sample, etag: "e", bytes };
      }),
    },
    stage: { actor: "halves", method: "map", constructorArgs: [], batchSize: 4 },
    sink: { kind: "parquet", uri: join(await folder(), "out") },
  };
}

export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "lgd-"));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}
