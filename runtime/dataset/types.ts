/**
 * What crosses between a source, a mapped stage, the Parquet sink and the head. A dataset is
 * source -> one mapped stage -> sink, run fused: one shard, one executor, one Parquet file.
 */
import type { ErrorCode } from "../errors.ts";

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** Values of one column of n rows. */
export type Column =
  /** float32 [n, d], row-major. */
  | { readonly kind: "vector"; readonly values: Float32Array; readonly dimensions: number }
  /** int32 [n]. */
  | { readonly kind: "int32"; readonly values: Int32Array }
  /** UTF-8 text [n]. */
  | { readonly kind: "utf8"; readonly values: readonly string[] };

/** What a mapped stage returns for one batch; the caller owns it. */
export interface Table {
  /** n >= 0, the same in every column. */
  readonly rows: number;
  /** Every table of a dataset has the same names, kinds and dimensions, in the same order. */
  readonly columns: Readonly<Record<string, Column>>;
  /** Records that gave no row: reason -> count. rows + sum of this = records of the batch. */
  readonly filtered: Readonly<Record<string, number>>;
  /**
   * Records that were taken, where that isn't the number of rows: one of several rows, or records
   * that are only counted.
   */
  readonly passed?: number;
}

/** One input as it stands in a job's spec: part of the job's identity. */
export interface InputSpec {
  /** Absolute path, or s3://. */
  readonly uri: string;
  /** Sample name: the file's stem unless a sheet says otherwise. */
  readonly sample: string;
  /** Changes when the bytes do; `<size>-<mtimeNs>` for a local file. */
  readonly etag: string;
  readonly bytes: number;
  /** The file with the second reads of pairs. */
  readonly mate?: { readonly uri: string; readonly etag: string; readonly bytes: number };
  /** Of pairs in one file: mate 1 and mate 2 by turns. */
  readonly interleaved?: true;
  /** Of FASTA, where its letters aren't to be told by themselves. */
  readonly alphabet?: "dna" | "protein";
  /** What people call all rows of it. */
  readonly label?: string;
}

/** How one input is cut into shards, and what was decided of it. */
export type InputPlan = InputCuts & {
  /** In place of the job's decisions, for the shards of this input. */
  readonly decisions?: JsonObject;
};

type InputCuts =
  /** Shard i is ranges[i]; the source alone knows what a range means. */
  | { readonly kind: "ranges"; readonly ranges: readonly JsonObject[] }
  /**
   * One-stream inputs (plain gzip): shard i is records [i n, (i + 1) n); the count is found on the
   * way.
   */
  | {
      readonly kind: "rule";
      readonly recordsPerShard: number;
      /** What every shard's range holds beside its records. */
      readonly detail?: JsonObject;
    };

/** Made once by the source in an executor, stored by the head as plan.json, never changed. */
export interface Plan {
  readonly schema: 1;
  /** Decisions of the whole job that shards only obey. */
  readonly decisions: JsonObject;
  /** One per input, in the spec's order. */
  readonly inputs: readonly InputPlan[];
}

/** One shard to read. */
export interface ShardRequest {
  readonly input: InputSpec;
  readonly inputIndex: number;
  /** Number of the shard within its input. */
  readonly shardIndex: number;
  /** `ranges[shardIndex]`, or {firstRecord, records} of a rule, with its detail. */
  readonly range: JsonObject;
  /** Its input's, or else the job's. */
  readonly decisions: JsonObject;
  /** Records per yielded batch. */
  readonly batchSize: number;
  /** What becomes of a record that can't be read; left out: it is an error. */
  readonly onBadRecord?: "quarantine" | "skip";
}

/** A record as it stands in the input. */
export interface RawRecord {
  /** 1-based number in the file. */
  readonly record: number;
  /** Of its first byte, in the input's text: inflated, where it is compressed. */
  readonly byteOffset?: number;
  /** Its first bytes, at most QUARANTINE_RECORD_BYTES_MAX; the caller owns them. */
  readonly bytes: Uint8Array;
  /** Bytes that it has in all. */
  readonly length: number;
}

/** A record that is put aside, and why. */
export interface BadRecord extends RawRecord {
  readonly code: ErrorCode;
  readonly what: string;
}

/** What became of a shard's records, returned by the source's generator at its end. */
export interface ReadOutcome {
  /** Records of this shard's range, yielded or not. */
  readonly records: number;
  readonly quarantined: number;
  readonly skipped: number;
  /** The quarantined ones, in the input's order. */
  readonly bad?: readonly BadRecord[];
  /**
   * Set by a rule input when its stream ended in or before this range: records of the whole input.
   */
  readonly endOfInput?: number;
  /** Records that the source itself left out of its batches: reason -> count. */
  readonly filtered?: Readonly<Record<string, number>>;
  /** What isn't wrong enough to refuse, by name: how often it was met; what wasn't isn't there. */
  readonly warnings?: Readonly<Record<string, number>>;
  /** What the source counted in the shard's records: a side file, which `merge` takes. */
  readonly summary?: Uint8Array;
}

/** A batch of records; the source and the stage agree on what else it holds. */
export interface Batch {
  readonly records: number;
}

/**
 * Reads shards; one per executor and job, so it may keep a cursor between shards (never a result).
 */
export interface ShardReader {
  /** @throws {SystemError} with uri, byteOffset and the 1-based record number in the file. */
  read(request: ShardRequest): AsyncGenerator<Batch, ReadOutcome, void>;
  /**
   * The records of a batch at these indexes, which rise. Without it no batch is cut, neither for
   * want of memory nor in search of a record that kills executors.
   */
  pick?(batch: Batch, indexes: readonly number[]): Batch;
  /** Records of a shard by their positions, which rise: 0 is the first one that `read` yields. */
  raw?(request: ShardRequest, positions: readonly number[]): Promise<readonly RawRecord[]>;
  close(): Promise<void>;
}

/** Where records come from. Registered by name with `source()`. */
export interface Source {
  readonly name: string;
  /** The inputs with their etags. @throws {SystemError} INPUT_NOT_FOUND, INPUT_UNREADABLE. */
  identify(options: JsonObject): Promise<readonly InputSpec[]>;
  /** @throws {SystemError} when an input is empty or isn't what it claims to be. */
  plan(
    options: JsonObject,
    inputs: readonly InputSpec[],
    onBadRecord?: ShardRequest["onBadRecord"],
  ): Promise<Plan>;
  /** @param stateFolder - the job's own, for what only saves time. */
  open(options: JsonObject, stateFolder?: string): Promise<ShardReader>;
  /** What is made of shards' summaries; a source whose shards have some has it. */
  readonly merge?: Merge;
}

/** A file that is made at the seal. */
export interface MergedFile {
  /** A name in the output folder, which no shard or side file can have. */
  readonly file: string;
  readonly kind: string;
  /** Left out of a file of all samples. */
  readonly sample?: string;
  readonly bytes: Uint8Array;
}

/** Files of the seal, a pure function of plan and summaries: whoever makes them makes the same. */
export interface Merge {
  /**
   * Files of one sample.
   * @param parts - its inputs by their number, each with its decisions and the summaries of its
   * shards, in order, to be read one at a time.
   */
  sample(
    options: JsonObject,
    parts: readonly MergePart[],
    samples: readonly string[],
  ): Promise<readonly MergedFile[]>;
  /** Files of all samples, out of what was made of each. */
  all(
    options: JsonObject,
    samples: readonly string[],
    read: (file: string) => Promise<Uint8Array | undefined>,
  ): Promise<readonly MergedFile[]>;
}

/** One input of a sample that is merged. */
export interface MergePart {
  readonly input: InputSpec;
  readonly decisions: JsonObject;
  summaries(): AsyncIterable<{ readonly uri: string; readonly bytes: Uint8Array }>;
}

/** What a mapped stage says of itself; goes into the shard's metadata and the manifest. */
export interface StageDescription {
  readonly name: string;
  /** sha256 of the model's bytes. */
  readonly sha256: string;
  /** Where it ran: `cpu`, `cuda`. */
  readonly provider: string;
  /** Device class with instruction set, threads within an operator: `cpu-avx512-1t`. */
  readonly variant: string;
  readonly dimensions: number;
  readonly metric: "l2" | "cosine";
}

/** What a stage's actor has beside the method that is named in `mapBatches`. */
export interface DescribedStage {
  describe(): StageDescription;
  /** Loads what the first batch would load: what goes wrong then is no record's doing. */
  ready?(): Promise<void>;
  /** Whether equal batches give equal bytes; other ones then end the job as an alarm. */
  readonly deterministic?: boolean;
}
