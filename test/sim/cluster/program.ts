/**
 * What the simulated jobs compute: a source that reads nothing (a record is a number), and a stage
 * that makes vectors of them. Whoever runs a batch waits for it in virtual time, or dies of it.
 */
import { source } from "../../../runtime/actor/registry.ts";
import type { Stage } from "../../../runtime/dataset/shard.ts";
import type {
  Batch,
  Plan,
  RawRecord,
  ReadOutcome,
  ShardReader,
  ShardRequest,
  StageDescription,
} from "../../../runtime/dataset/types.ts";
import type { DatasetSpec, Program } from "../../../runtime/messages.ts";

export const PROGRAM: Program = { url: "file:///sim/program.ts", sha256: "a".repeat(64) };
export const RECORDS_PER_SHARD = 6;
export const BATCH_SIZE = 3;
const DIMENSIONS = 2;

/** Records of one batch. */
export interface Numbers extends Batch {
  readonly numbers: readonly number[];
}

export const DESCRIPTION: StageDescription = {
  name: "halves",
  sha256: "d".repeat(64),
  provider: "cpu",
  variant: "cpu-1t",
  dimensions: DIMENSIONS,
  metric: "l2",
};

/**
 * An input holds `bytes` numbers. One whose sample begins with "r" is a rule input, whose end is
 * found on the way; all others are ranges.
 */
source({
  name: "sim-numbers",
  identify: () => Promise.resolve([]),
  plan: (_options, inputs): Promise<Plan> =>
    Promise.resolve({
      schema: 1,
      decisions: { offset: 33 },
      inputs: inputs.map(({ sample, bytes }) => {
        if (isRule(sample)) return { kind: "rule", recordsPerShard: RECORDS_PER_SHARD };
        const firsts = Array.from({ length: shardsOf(bytes) }, (_, i) => RECORDS_PER_SHARD * i);
        const ranges = firsts.map((firstRecord) => ({ firstRecord, records: RECORDS_PER_SHARD }));
        return { kind: "ranges", ranges };
      }),
    }),
  open: () => Promise.resolve(new NumberReader()),
});

function isRule(sample: string): boolean {
  return sample.startsWith("r");
}

/** Shards that so many records make. */
export function shardsOf(records: number): number {
  return Math.max(1, Math.ceil(records / RECORDS_PER_SHARD));
}

export class NumberReader implements ShardReader {
  async *read({
    input,
    range,
    batchSize,
  }: ShardRequest): AsyncGenerator<Numbers, ReadOutcome, void> {
    const { firstRecord, records } = range as { firstRecord: number; records: number };
    const end = Math.min(firstRecord + records, input.bytes);
    for (let first = firstRecord; first < end; first += batchSize) {
      const records = Math.min(batchSize, end - first);
      yield { records, numbers: Array.from({ length: records }, (_, i) => first + i) };
    }
    const outcome = { records: Math.max(0, end - firstRecord), quarantined: 0, skipped: 0 };
    const isLast = isRule(input.sample) && firstRecord + records >= input.bytes;
    return isLast ? { ...outcome, endOfInput: input.bytes } : outcome;
  }

  pick(batch: Batch, indexes: readonly number[]): Numbers {
    const { numbers } = batch as Numbers;
    const kept = indexes.map((index) => numbers[index] ?? 0);
    return { records: kept.length, numbers: kept };
  }

  raw({ range }: ShardRequest, positions: readonly number[]): Promise<RawRecord[]> {
    const { firstRecord } = range as { firstRecord: number };
    const raws = positions.map((position) => {
      const bytes = Buffer.from(`${firstRecord + position}`);
      return { record: firstRecord + position + 1, bytes, length: bytes.length };
    });
    return Promise.resolve(raws);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Whether a number gives no row. */
export function isFiltered(n: number): boolean {
  return n % 7 === 6;
}

/**
 * The stage: every seventh number gives no row; the others give (n, n / 2).
 * @param compute - settles when the batch's time is over, or never.
 */
export function halves(compute: (batch: Numbers) => Promise<void>): Stage {
  return {
    deterministic: true,
    describe: () => DESCRIPTION,
    map: async (batch) => {
      const { numbers, records } = batch as Numbers;
      await compute({ numbers, records });
      const kept = numbers.filter((n) => !isFiltered(n));
      const values = Float32Array.from(kept.flatMap((n) => [n, n / 2]));
      return {
        rows: kept.length,
        columns: { embedding: { kind: "vector", values, dimensions: DIMENSIONS } },
        filtered: kept.length === records ? {} : { seventh: records - kept.length },
      };
    },
  };
}

/** A job over inputs of these sizes, by sample. */
export function specOf(
  inputs: Readonly<Record<string, number>>,
  uri: string,
  idempotency: string,
  onBadRecord: DatasetSpec["onBadRecord"],
): DatasetSpec {
  return {
    schema: 1,
    runtimeVersion: "0.0.0",
    program: PROGRAM,
    source: {
      name: "sim-numbers",
      options: {},
      inputs: Object.entries(inputs).map(([sample, bytes]) => {
        return { uri: `/in/${sample}`, sample, etag: "e", bytes };
      }),
    },
    stage: { actor: "halves", method: "map", constructorArgs: [], batchSize: BATCH_SIZE },
    sink: { kind: "parquet", uri },
    idempotency,
    ...(onBadRecord === undefined ? {} : { onBadRecord }),
  };
}
