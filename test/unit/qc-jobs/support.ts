/**
 * Quality control by the path that a job takes: plan, shards, merge, with files in between. The
 * texts' source cuts where it is told, so that few reads make many shards.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type ReadBatch, pickReads, readBatchOf } from "../../../actors/fastq/batch.ts";
import { type FastqInput, fastqSource } from "../../../actors/fastq/source.ts";
import type { RecordBatch } from "../../../actors/native/index.ts";
import { withQc } from "../../../actors/qc/index.ts";
import { source, sourceNamed } from "../../../runtime/actor/registry.ts";
import { runMerge } from "../../../runtime/dataset/seal/merge.ts";
import { readPlan, runPlan } from "../../../runtime/dataset/plan.ts";
import { runShard, type Stage } from "../../../runtime/dataset/shard.ts";
import type {
  InputSpec,
  JsonObject,
  RawRecord,
  ReadOutcome,
  ShardReader,
  ShardRequest,
  Source,
  Table,
} from "../../../runtime/dataset/types.ts";
import type { DatasetSpec, Receipt, ReportFile } from "../../../runtime/messages.ts";
import { storageOf } from "../../../runtime/storage/open.ts";
import { batchOf, sliced } from "../qc/reads.ts";

export const JOB = "0123456789ab".padEnd(64, "0");

/** A folder that goes when the test ends. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "ligase-qc-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A file of reads, and perhaps of their mates. */
export interface Texts {
  readonly sample: string;
  readonly texts: readonly string[];
  readonly label?: string;
}

/** FASTQ texts in files, as a source that cuts shards of `recordsPerShard`. */
const texts: Source = {
  name: "texts",
  identify: () => Promise.resolve([]),
  plan: (options, inputs) => {
    const recordsPerShard = Number(options["recordsPerShard"]);
    const planned = inputs.map((input) => {
      const { records } = load(input.uri);
      const firsts = Array.from(
        { length: Math.max(1, Math.ceil(records / recordsPerShard)) },
        (_, i) => i * recordsPerShard,
      );
      const ranges = firsts.map((firstRecord) => {
        return { firstRecord, records: Math.min(recordsPerShard, records - firstRecord) };
      });
      return { kind: "ranges", ranges } as const;
    });
    return Promise.resolve({ schema: 1, decisions: {}, inputs: planned });
  },
  open: () => Promise.resolve(new TextReader()),
};
export const textSource = source(withQc(texts));
/** The product's own, of files. */
export const fileSource = source(withQc(fastqSource));

const loaded = new Map<string, RecordBatch>();

function load(path: string): RecordBatch {
  const batch = loaded.get(path) ?? batchOf(readFileSync(path, "latin1"));
  loaded.set(path, batch);
  return batch;
}

class TextReader implements ShardReader {
  async *read(request: ShardRequest): AsyncGenerator<ReadBatch, ReadOutcome, void> {
    const { input, range, batchSize } = request;
    const { firstRecord, records } = range as { firstRecord: number; records: number };
    const [first, second] = [load(input.uri), input.mate && load(input.mate.uri)];
    for (let at = firstRecord; at < firstRecord + records; at += batchSize) {
      const end = Math.min(at + batchSize, firstRecord + records);
      const mate = second && sliced(second, at, end);
      yield await Promise.resolve(readBatchOf(sliced(first, at, end), "fastq", mate));
    }
    return { records, quarantined: 0, skipped: 0 };
  }

  pick(batch: ReadBatch, indexes: readonly number[]): ReadBatch {
    return pickReads(batch, indexes);
  }

  raw({ input, range }: ShardRequest, positions: readonly number[]): Promise<RawRecord[]> {
    const { firstRecord } = range as { firstRecord: number };
    const { begins } = load(input.uri);
    const text = readFileSync(input.uri);
    const raws = positions.map((position) => {
      const [begin = 0, end = 0] = begins.slice(firstRecord + position);
      const bytes = Uint8Array.from(text.subarray(begin, end));
      return { record: firstRecord + position + 1, byteOffset: begin, bytes, length: bytes.length };
    });
    return Promise.resolve(raws);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A stage that takes all that it is given, and keeps what it was. */
export function takesAll(): { readonly stage: Stage; readonly given: ReadBatch[] } {
  const given: ReadBatch[] = [];
  const map = (value: unknown): Promise<Table> => {
    const batch = value as ReadBatch;
    given.push(batch);
    const vectors = new Float32Array(batch.records);
    const columns = {
      embedding: { kind: "vector", values: vectors, dimensions: 1 },
      read_id: { kind: "utf8", values: batch.ids },
    } as const;
    return Promise.resolve({ rows: batch.records, columns, filtered: {} });
  };
  const describe = () => {
    const digest = { sha256: "d".repeat(64), provider: "cpu", variant: "cpu-1t" };
    return { name: "all", ...digest, dimensions: 1, metric: "l2" } as const;
  };
  return { stage: { deterministic: true, describe, map }, given };
}

export interface Job {
  readonly spec: DatasetSpec;
  readonly jobFolder: string;
  readonly output: string;
}

/** A job over texts: its inputs in files, its plan made. */
export async function planJob(
  inputs: readonly Texts[],
  options: JsonObject,
  onBadRecord?: "quarantine" | "skip",
): Promise<Job> {
  const place = folder();
  const files = inputs.map((input, i) => specOf(place, input, i));
  const all = { recordsPerShard: 500, ...options };
  return planned(place, { name: textSource.name, options: all, inputs: files }, onBadRecord);
}

/** A job over files, by the product's own reader. */
export async function planFiles(inputs: FastqInput[], asked: JsonObject): Promise<Job> {
  const options = { ...asked, inputs };
  const specs = await fileSource.identify(options);
  return planned(folder(), { name: fileSource.name, options, inputs: [...specs] });
}

async function planned(
  place: string,
  from: DatasetSpec["source"],
  onBadRecord?: "quarantine" | "skip",
): Promise<Job> {
  const output = join(place, "out");
  const spec: DatasetSpec = {
    schema: 1,
    runtimeVersion: "0.0.0",
    program: { url: "file:///program.ts", sha256: "a".repeat(64) },
    source: from,
    stage: { actor: "all", method: "map", constructorArgs: [], batchSize: 128 },
    sink: { kind: "parquet", uri: output },
    ...(onBadRecord === undefined ? {} : { onBadRecord }),
  };
  await runPlan(place, spec);
  return { spec, jobFolder: place, output };
}

function specOf(place: string, { sample, texts: [first = "", second], label }: Texts, i: number) {
  const write = (text: string, mate: number) => {
    const uri = join(place, `${i}-${mate}.fq`);
    writeFileSync(uri, text, "latin1");
    return { uri, etag: "e", bytes: text.length };
  };
  const spec: InputSpec = {
    sample,
    ...write(first, 1),
    ...(second === undefined ? {} : { mate: write(second, 2) }),
    ...(label === undefined ? {} : { label }),
  };
  return spec;
}

export interface Made {
  readonly receipts: readonly (readonly Receipt[])[];
  readonly reports: readonly ReportFile[];
  /** A file of the output. */
  file(name: string): Buffer;
  json(name: string): never;
  readonly given: readonly ReadBatch[];
}

/** All shards of a job, then its merges. */
export async function make(job: Job): Promise<Made> {
  const { stage, given } = takesAll();
  const receipts = await makeShards(job, stage);
  const reports = await mergeAll(job, receipts);
  const file = (name: string): Buffer => readFileSync(join(job.output, name));
  const json = (name: string) => JSON.parse(file(name).toString("utf8")) as never;
  return { receipts, reports, file, json, given };
}

export async function makeShards({ spec, jobFolder }: Job, stage: Stage): Promise<Receipt[][]> {
  const file = await readPlan(jobFolder);
  const reader = await sourceNamed(spec.source.name).open(spec.source.options, jobFolder);
  const all: Receipt[][] = [];
  for (const [input, planned] of file.plan.inputs.entries()) {
    const ofInput: Receipt[] = [];
    let shards = planned.kind === "ranges" ? planned.ranges.length : Number.POSITIVE_INFINITY;
    for (let shard = 0; shard < shards; shard++) {
      const where = { input, shard };
      const signal = new AbortController().signal;
      const outcome = await runShard(file, JOB, where, { reader, stage }, signal);
      if (outcome.kind === "past-end") shards = outcome.end.shards;
      else if (outcome.kind === "committed") {
        ofInput.push(outcome.receipt);
        shards = outcome.end?.shards ?? shards;
      } else throw new Error(JSON.stringify(outcome));
    }
    all.push(ofInput);
  }
  await reader.close();
  return all;
}

/** Each sample's files and those of all, as the head asks for them. */
export async function mergeAll(
  { spec, jobFolder, output }: Job,
  receipts: readonly (readonly Receipt[])[],
): Promise<ReportFile[]> {
  const file = await readPlan(jobFolder);
  const counted = Array.from(spec.source.inputs.entries()).filter(([input]) => {
    return receipts[input]?.[0]?.summary !== undefined;
  });
  const samples = Map.groupBy(counted, ([, { sample }]) => sample);
  const units = [...samples.values()].map((inputs) =>
    inputs.map(([input]) => ({ input, shards: receipts[input]?.length ?? 0 })),
  );
  const reports: ReportFile[] = [];
  for (const inputs of [...units, null]) {
    const work = { jobId: JOB, inputs };
    const signal = new AbortController().signal;
    const outcome = await runMerge(file, work, storageOf(output), signal);
    if (outcome.kind !== "merged") throw new Error(JSON.stringify(outcome));
    reports.push(...outcome.reports);
  }
  return reports;
}
