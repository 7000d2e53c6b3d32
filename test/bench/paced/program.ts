/**
 * The program of the benches of faults: a dataset of shards that take a given time, each of which
 * says in a journal when and in which process it begins. Shards in the executors of a held agent
 * wait until it is let go.
 */
import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import {
  actor,
  type Batch,
  type Cluster,
  dataset,
  type DescribedStage,
  type ShardRequest,
  type Source,
  source,
  type StageDescription,
  type Table,
} from "ligase";

export interface PacedOptions {
  readonly shards: number;
  /** Milliseconds of each. */
  readonly shardMs: number;
  /** Absolute path of the output. */
  readonly output: string;
  /** A line for each beginning: milliseconds since 1970, pid, shard. */
  readonly journal: string;
  /** Shards whose executor's parent is `<pid>` wait while the file `<hold>.<pid>` is there. */
  readonly hold: string;
}

interface PacedBatch extends Batch {
  readonly shard: number;
}

const LOOK_MS = 5;
const DIMENSIONS = 4;

const pacedSource: Source = {
  name: "paced",
  identify: async ({ output }) => [
    { uri: "/paced", sample: "paced", etag: JSON.stringify(output), bytes: 1 },
  ],
  plan: async ({ shards }) => {
    const ranges = Array.from({ length: Number(shards) }, (_, shard) => ({ shard }));
    return { schema: 1, decisions: {}, inputs: [{ kind: "ranges", ranges }] };
  },
  open: async () => ({
    async *read({ range }: ShardRequest) {
      const batch: PacedBatch = { records: 1, shard: Number(range["shard"]) };
      yield batch;
      return { records: 1, quarantined: 0, skipped: 0 };
    },
    close: async () => undefined,
  }),
};

class Paced implements DescribedStage {
  readonly #options: PacedOptions;

  constructor(options: PacedOptions) {
    this.#options = options;
  }

  describe(): StageDescription {
    const about = { name: "paced", sha256: "0".repeat(64), provider: "cpu", variant: "cpu" };
    return { ...about, dimensions: DIMENSIONS, metric: "l2" };
  }

  async work({ shard }: PacedBatch): Promise<Table> {
    const { journal, hold, shardMs } = this.#options;
    appendFileSync(journal, `${Date.now()} ${process.pid} ${shard}\n`);
    await delay(shardMs);
    while (existsSync(`${hold}.${process.ppid}`)) await delay(LOOK_MS);
    const values = new Float32Array(DIMENSIONS).fill(shard);
    const embedding = { kind: "vector", values, dimensions: DIMENSIONS } as const;
    return { rows: 1, columns: { embedding }, filtered: {} };
  }
}

/** What is spawned to see whether work is handed out. */
class Probe {
  pid(): number {
    return process.pid;
  }
}

const registered = source(pacedSource);
export const ProbeActor = actor("probe", Probe);
export const PacedActor = actor("paced", Paced);

/** One argument: PacedOptions as JSON. */
export default async function paced(_cluster: Cluster, argv: readonly string[]): Promise<string> {
  const options = JSON.parse(argv[0] ?? "") as PacedOptions;
  const { shards, output } = options;
  const sealed = await dataset(registered, { shards, output })
    .mapBatches(PacedActor, { method: "work", constructorArgs: [options] })
    .writeParquet(output);
  return sealed.jobId;
}
