/** FASTQ as a dataset, and the encoders as registered actors. */
import { actor, source } from "../runtime/actor/registry.ts";
import { type Dataset, dataset, type OnBadRecord } from "../runtime/dataset/dataset.ts";
import { SystemError } from "../runtime/errors.ts";
import { KmerEmbedder } from "./embedder.ts";
import { fastqSource } from "./fastq/source.ts";

const registered = source(fastqSource);

/** Composition vectors of reads: canonical 4-mers, centred log counts. */
export const Embedder = actor("kmer-embedder", KmerEmbedder);

export interface ReadFastqOptions {
  /** What becomes of records that break the format, or executors; `fail` unless given. */
  readonly onBadRecord?: OnBadRecord;
}

/**
 * The records of FASTQ files, plain or gzip, lazily.
 * @param inputs - absolute paths or s3://, one or more; options may follow them.
 */
export function readFastq(...inputs: readonly (string | ReadFastqOptions)[]): Dataset {
  const last = inputs.at(-1);
  const { onBadRecord } = typeof last === "object" ? last : {};
  const paths = typeof last === "object" ? inputs.slice(0, -1) : inputs;
  const named = paths.filter((path) => typeof path === "string");
  if (named.length < paths.length) throw new SystemError("USAGE", "options follow all inputs");
  return dataset(registered, { inputs: named }, onBadRecord);
}
