/**
 * A stage with traps: reads whose names stand in `traps.json` beside this file do to their executor
 * what it says. The file is no part of the job, so that shards without traps are those of a job
 * without any.
 */
import { appendFileSync, readFileSync, writeSync } from "node:fs";
import { actor, type Cluster, type OnBadRecord, type Table } from "ligase";
import { type ReadBatch, readFastq } from "ligase/actors";

type Trap = "abort" | "segfault" | "exit" | "loop" | "heap" | "no-memory" | "never-memory";

/** Records of a batch for which there is memory, if it holds a read that wants much. */
const MEMORY_RECORDS = 3;

class Trapped {
  readonly deterministic = true;
  readonly #traps = JSON.parse(
    readFileSync(new URL("./traps.json", import.meta.url), "utf8"),
  ) as Readonly<Record<string, Trap>>;

  /** The trap of no read is that of loading. */
  ready(): Promise<void> {
    spring(this.#traps[""], 0);
    return Promise.resolve();
  }

  /** The lengths of reads; a batch leaves a line of its first read's name and its size. */
  lengths(batch: ReadBatch): Table {
    const line = `${batch.ids[0]} ${batch.records}\n`;
    appendFileSync(new URL("./batches", import.meta.url), line);
    for (const id of batch.ids) spring(this.#traps[id], batch.records);
    const lengths = batch.ids.map((_, i) => (batch.offsets[i + 1] ?? 0) - (batch.offsets[i] ?? 0));
    const values = Float32Array.from(lengths.flatMap((length) => [length, batch.records]));
    const embedding = { kind: "vector" as const, values, dimensions: 2 };
    const readId = { kind: "utf8" as const, values: batch.ids };
    return { rows: batch.records, columns: { embedding, read_id: readId }, filtered: {} };
  }

  describe() {
    const sha256 = "0".repeat(64);
    const metric = "l2" as const;
    return { name: "lengths", sha256, provider: "cpu", variant: "any", dimensions: 2, metric };
  }
}

function spring(trap: Trap | undefined, records: number): void {
  switch (trap) {
    case "abort":
      process.abort();
      break;
    case "segfault":
      process.kill(process.pid, "SIGSEGV");
      for (;;);
    case "exit":
      process.exit(3);
      break;
    case "loop":
      for (;;);
    case "heap":
      if (records <= MEMORY_RECORDS) break;
      // V8's last words when its heap is full: filling gigabytes would take minutes.
      writeSync(2, "FATAL ERROR: Reached heap limit - JavaScript heap out of memory\n");
      process.abort();
      break;
    case "no-memory":
      if (records > MEMORY_RECORDS) throw new RangeError("Array buffer allocation failed");
      break;
    case "never-memory":
      throw new RangeError("Array buffer allocation failed");
    default:
  }
}

export const Lengths = actor("lengths", Trapped);

/** One job; what its manifest says stands in the output. */
export default async function main(_cluster: Cluster, argv: string[]): Promise<string> {
  const [output = "", policy = "fail", batchTimeoutMs = "60000", ...inputs] = argv;
  const sealed = await readFastq(...inputs, { onBadRecord: policy as OnBadRecord })
    .mapBatches(Lengths, {
      method: "lengths",
      batchSize: 8,
      batchTimeoutMs: Number(batchTimeoutMs),
    })
    .writeParquet(output);
  return sealed.manifest;
}
