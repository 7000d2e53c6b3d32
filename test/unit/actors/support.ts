/**
 * What the tests of FASTQ share: files in a folder of their own, and whole inputs read shard by
 * shard.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { type ReadBatch, readBatchOf } from "../../../actors/fastq/batch.ts";
import { type ReadingOptions, RecordReading } from "../../../actors/fastq/reading.ts";
import { fastqSource } from "../../../actors/fastq/source.ts";
import { TextWindow } from "../../../actors/fastq/text/window.ts";
import type {
  InputPlan,
  InputSpec,
  JsonObject,
  ReadOutcome,
  ShardReader,
} from "../../../runtime/dataset/types.ts";
import { SystemError } from "../../../runtime/errors.ts";

/** Reads r0, r1, ... as a batch. */
export function batchOf(sequences: readonly string[]): ReadBatch {
  const bytesOf = (texts: readonly string[]): Uint8Array => Buffer.from(texts.join(""));
  const endsOf = (texts: readonly string[]): Int32Array => {
    let end = 0;
    return Int32Array.from([0, ...texts.map((text) => (end += text.length))]);
  };
  const names = sequences.map((_, i) => `r${i}`);
  return readBatchOf(
    {
      records: sequences.length,
      names: bytesOf(names),
      nameEnds: endsOf(names),
      bases: bytesOf(sequences),
      qualities: bytesOf(sequences.map((bases) => "I".repeat(bases.length))),
      ends: endsOf(sequences),
    },
    "fastq",
  );
}

/** A reading of a text that comes in pieces of these sizes, over and over. */
export function readingInPieces(
  text: Uint8Array,
  sizes: readonly number[],
  options: Partial<ReadingOptions> = {},
): RecordReading {
  let at = 0;
  let turn = 0;
  const next = async (): Promise<Uint8Array> => {
    const piece = text.slice(at, at + (sizes[turn++ % sizes.length] ?? 1));
    at += piece.length;
    return piece;
  };
  const window = new TextWindow({ next, close: async () => {} });
  return new RecordReading(window, {
    ...{ format: "fastq", protein: false, policy: undefined, fileBegin: true, fileEnd: true },
    ...options,
  });
}

/** A read as a test writes it: id and sequence. */
export type Read = readonly [string, string];

/** Real reads kept beside the checkout; tests that use them are skipped where there are none. */
export const DATA =
  process.env["LIGASE_TEST_DATA"] ?? join(import.meta.dirname, "../../../../shared/data");

/** A folder that is gone after the file's tests, and a writer into it. */
export function temporaryFolder(): {
  readonly folder: string;
  write(name: string, data: string | Uint8Array): string;
} {
  const folder = mkdtempSync(join(tmpdir(), "ligase-fastq-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const write = (name: string, data: string | Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, data);
    return path;
  };
  return { folder, write };
}

export async function identify(path: string): Promise<InputSpec> {
  const [input] = await fastqSource.identify({ inputs: [path] });
  if (input === undefined) throw new Error("no input");
  return input;
}

export async function planOf(input: InputSpec): Promise<InputPlan> {
  const [plan] = (await fastqSource.plan({ inputs: [input.uri] }, [input])).inputs;
  if (plan === undefined) throw new Error("no plan");
  return plan;
}

export interface ShardReads {
  readonly reads: readonly Read[];
  readonly batches: readonly number[];
  readonly outcome: ReadOutcome;
}

/** One shard by `reader`. */
export async function readShardOf(
  reader: ShardReader,
  input: InputSpec,
  range: JsonObject,
  batchSize = 1024,
  policy?: "quarantine" | "skip",
): Promise<ShardReads> {
  const reads: Read[] = [];
  const batches: number[] = [];
  const which = { input, inputIndex: 0, shardIndex: 0, range, decisions: {}, batchSize };
  const request = policy === undefined ? which : { ...which, onBadRecord: policy };
  const generator = reader.read(request);
  for (;;) {
    const next = await generator.next();
    if (next.done === true) return { reads, batches, outcome: next.value };
    reads.push(...readsOf(next.value as ReadBatch));
    batches.push(next.value.records);
  }
}

/** All reads of a file, by its plan. */
export async function readAll(path: string, batchSize = 1024): Promise<readonly Read[]> {
  const input = await identify(path);
  const plan = await planOf(input);
  const reader = await fastqSource.open({});
  const reads: Read[] = [];
  try {
    for (let shard = 0; ; shard++) {
      const range = rangeOf(plan, shard);
      if (range === undefined) return reads;
      const part = await readShardOf(reader, input, range, batchSize);
      reads.push(...part.reads);
      if (part.outcome.endOfInput !== undefined) return reads;
    }
  } finally {
    await reader.close();
  }
}

/** The error of reading a whole file. */
export async function failureOf(work: Promise<unknown>): Promise<SystemError> {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof SystemError) return thrown;
  throw new Error(`no SystemError: ${String(thrown)}`);
}

export function readsOf(batch: ReadBatch): readonly Read[] {
  const text = Buffer.from(batch.bases);
  return batch.ids.map((id, index) => {
    const [begin, end] = [batch.offsets[index], batch.offsets[index + 1]];
    return [id, text.toString("latin1", begin, end)];
  });
}

export function fastq(reads: readonly Read[], newline = "\n"): string {
  return reads
    .map(([id, bases]) => [`@${id}`, bases, "+", "I".repeat(bases.length), ""].join(newline))
    .join("");
}

function rangeOf(plan: InputPlan, shard: number): JsonObject | undefined {
  if (plan.kind === "ranges") return plan.ranges[shard];
  const { recordsPerShard: records, detail = {} } = plan;
  return { ...detail, firstRecord: shard * records, records };
}
