/**
 * What a driver writes: source -> mapBatches -> writeParquet. Nothing runs until `writeParquet`,
 * which submits one job; submitting the same twice is one job, and what stands isn't made again.
 */
import type { ActorType } from "../actor/registry.ts";
import type { Cluster } from "../client/cluster.ts";
import { currentCluster } from "../client/current.ts";
import { SystemError } from "../errors.ts";
import { canonicalJson } from "../ids.ts";
import { DEADLINE_MS_MAX } from "../limits.ts";
import type { Continuation, DatasetSpec } from "../messages.ts";
import { type Demand, type DemandOptions, demandOf } from "../resources/demand.ts";
import { checkUri } from "../storage/uri.ts";
import { checkNames } from "../usage.ts";
import { runtimeVersion } from "../version.ts";
import type { JsonObject, Source } from "./types.ts";

export interface MapOptions extends DemandOptions {
  /** Name of the method that takes a batch and returns a Table. */
  readonly method: string;
  /** Records a batch. Bounds: 1..65,536. */
  readonly batchSize?: number;
  /** JSON values: they are part of the job's identity. */
  readonly constructorArgs?: readonly unknown[];
  /**
   * Milliseconds that one batch may take before its executor is ended; 0 = any time. No part of the
   * job's identity. Default: BATCH_TIMEOUT_MS.
   */
  readonly batchTimeoutMs?: number;
}

/**
 * What becomes of a record that is malformed, or that ends every executor it is given to: the job
 * fails, or it goes on without the record, which is counted and (`quarantine`) written with its
 * reason to a side file beside the output.
 */
export type OnBadRecord = "fail" | "quarantine" | "skip";

export interface WriteOptions {
  /** Runs after the seal, also when the driver is dead by then. */
  readonly onSealed?: Continuation | undefined;
  /** `fail` unless given, here or where the records are read; part of the job's identity. */
  readonly onBadRecord?: OnBadRecord | undefined;
  /** Makes an equal spec another job. Never a secret. */
  readonly idempotency?: string | undefined;
}

/** A sealed dataset. */
export interface Sealed {
  readonly jobId: string;
  /** Path of the manifest. */
  readonly manifest: string;
  /** What `onSealed` became; null without one. */
  readonly continuation: { readonly id: string; wait(): Promise<unknown> } | null;
}

const BATCH_SIZE = 1024;
const BATCH_SIZE_MAX = 65_536;

const MAP_OPTIONS: readonly (keyof MapOptions)[] = [
  ...(["method", "batchSize", "constructorArgs", "batchTimeoutMs"] as const),
  ...(["concurrency", "numCpus", "numGpus", "memory", "labels"] as const),
];

/** Records of a registered source, lazily. */
export class Dataset {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  /** The dataset with every batch given to an actor's method; its tables are the rows. */
  mapBatches(type: ActorType, options: MapOptions): MappedDataset {
    checkNames(options, MAP_OPTIONS);
    const { method, batchSize = BATCH_SIZE, constructorArgs = [], batchTimeoutMs } = options;
    if (!Number.isSafeInteger(batchSize) || batchSize < 1 || batchSize > BATCH_SIZE_MAX) {
      throw new SystemError("USAGE", `batchSize is 1..${BATCH_SIZE_MAX}, not ${batchSize}`);
    }
    if (batchTimeoutMs !== undefined && !isTimeout(batchTimeoutMs)) {
      throw new SystemError(
        "USAGE",
        `batchTimeoutMs is 0..${DEADLINE_MS_MAX}, not ${batchTimeoutMs}`,
      );
    }
    const args = JSON.parse(canonicalJson([...constructorArgs])) as unknown[];
    const stage = { actor: type.name, method, constructorArgs: args, batchSize };
    const asked = { batchTimeoutMs, demand: demandOf(options) };
    return new MappedDataset(this.#records, stage, asked);
  }
}

/** Where records come from, and what becomes of bad ones. */
interface Records {
  readonly source: Source;
  readonly options: JsonObject;
  readonly onBadRecord: OnBadRecord | undefined;
}

function isTimeout(ms: number): boolean {
  return Number.isSafeInteger(ms) && ms >= 0 && ms <= DEADLINE_MS_MAX;
}

/** What is asked of a job and isn't what it is: another time it may be asked otherwise. */
export interface Asked {
  readonly batchTimeoutMs?: number | undefined;
  readonly demand?: Demand | undefined;
}

export class MappedDataset {
  readonly #records: Records;
  readonly #stage: DatasetSpec["stage"];
  readonly #asked: Asked;

  constructor(records: Records, stage: DatasetSpec["stage"], asked: Asked = {}) {
    this.#records = records;
    this.#stage = stage;
    this.#asked = asked;
  }

  /**
   * Runs the dataset on the current cluster and settles at its seal.
   *
   * @param uri - absolute path of a folder, or `s3://bucket/prefix`; it becomes shards,
   * `manifest.json`, `_SUCCESS`.
   * @throws {SystemError} USAGE; what ended the job: bad input, another job's folder, a shard that
   * failed.
   */
  async writeParquet(uri: string, options: WriteOptions = {}): Promise<Sealed> {
    checkUri(uri);
    const cluster: Cluster = currentCluster();
    const { source, options: readOptions } = this.#records;
    const { idempotency, onSealed = null } = options;
    const policy = this.#policy(options.onBadRecord);
    const inputs = await source.identify(readOptions);
    return cluster.runDataset(
      {
        schema: 1,
        runtimeVersion,
        program: cluster.program,
        source: { name: source.name, options: readOptions, inputs: [...inputs] },
        stage: this.#stage,
        sink: { kind: "parquet", uri },
        ...(policy === "fail" ? {} : { onBadRecord: policy }),
        ...(idempotency === undefined ? {} : { idempotency }),
      },
      onSealed,
      this.#asked,
    );
  }

  /** One policy for reading and computing, wherever it was given. */
  #policy(wanted: OnBadRecord | undefined): OnBadRecord {
    const { onBadRecord } = this.#records;
    if (wanted === undefined || onBadRecord === undefined || wanted === onBadRecord) {
      return wanted ?? onBadRecord ?? "fail";
    }
    const what = `onBadRecord is ${onBadRecord} for reading and ${wanted} for writing: say one`;
    throw new SystemError("USAGE", what);
  }
}

/**
 * The records of a source, lazily. `options` is JSON and part of the job's identity.
 * @param onBadRecord - see OnBadRecord; `writeParquet` may say it instead.
 */
export function dataset(source: Source, options: JsonObject, onBadRecord?: OnBadRecord): Dataset {
  return new Dataset({ source, options, onBadRecord });
}
