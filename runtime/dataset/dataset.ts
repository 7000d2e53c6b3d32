/**
 * What a driver writes: source -> mapBatches -> writeParquet. Nothing runs until `writeParquet`,
 * which submits one job; submitting the same twice is one job, and what stands isn't made again.
 */
import { isAbsolute } from "node:path";
import type { ActorType } from "../actor/registry.ts";
import type { Cluster } from "../client/cluster.ts";
import { currentCluster } from "../client/current.ts";
import { SystemError } from "../errors.ts";
import { canonicalJson } from "../ids.ts";
import type { Continuation, DatasetSpec } from "../messages.ts";
import { runtimeVersion } from "../version.ts";
import type { JsonObject, Source } from "./types.ts";

export interface MapOptions {
  /** Name of the method that takes a batch and returns a Table. */
  readonly method: string;
  /** Records a batch. Bounds: 1..65,536. */
  readonly batchSize?: number;
  /** JSON values: they are part of the job's identity. */
  readonly constructorArgs?: readonly unknown[];
}

export interface WriteOptions {
  /** Runs after the seal, also when the driver is dead by then. */
  readonly onSealed?: Continuation | undefined;
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

/** Records of a registered source, lazily. */
export class Dataset {
  readonly #source: Source;
  readonly #options: JsonObject;

  constructor(source: Source, options: JsonObject) {
    this.#source = source;
    this.#options = options;
  }

  /** The dataset with every batch given to an actor's method; its tables are the rows. */
  mapBatches(type: ActorType, options: MapOptions): MappedDataset {
    const { method, batchSize = BATCH_SIZE, constructorArgs = [] } = options;
    if (!Number.isSafeInteger(batchSize) || batchSize < 1 || batchSize > BATCH_SIZE_MAX) {
      throw new SystemError("USAGE", `batchSize is 1..${BATCH_SIZE_MAX}, not ${batchSize}`);
    }
    const args = JSON.parse(canonicalJson([...constructorArgs])) as unknown[];
    const stage = { actor: type.name, method, constructorArgs: args, batchSize };
    return new MappedDataset(this.#source, this.#options, stage);
  }
}

export class MappedDataset {
  readonly #source: Source;
  readonly #options: JsonObject;
  readonly #stage: DatasetSpec["stage"];

  constructor(source: Source, options: JsonObject, stage: DatasetSpec["stage"]) {
    this.#source = source;
    this.#options = options;
    this.#stage = stage;
  }

  /**
   * Runs the dataset on the current cluster and settles at its seal.
   *
   * @param uri - absolute path of a folder; it becomes shards, `manifest.json`, `_SUCCESS`.
   * @throws {SystemError} what ended the job: bad input, another job's folder, a shard that failed.
   */
  async writeParquet(uri: string, options: WriteOptions = {}): Promise<Sealed> {
    if (!isAbsolute(uri)) throw new SystemError("USAGE", "the output is an absolute path", { uri });
    const cluster: Cluster = currentCluster();
    const inputs = await this.#source.identify(this.#options);
    const { idempotency, onSealed = null } = options;
    return cluster.runDataset(
      {
        schema: 1,
        runtimeVersion,
        program: cluster.program,
        source: { name: this.#source.name, options: this.#options, inputs: [...inputs] },
        stage: this.#stage,
        sink: { kind: "parquet", uri },
        ...(idempotency === undefined ? {} : { idempotency }),
      },
      onSealed,
    );
  }
}

/** The records of a source, lazily. `options` is JSON and part of the job's identity. */
export function dataset(source: Source, options: JsonObject): Dataset {
  return new Dataset(source, options);
}
