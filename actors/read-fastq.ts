/** FASTQ as a dataset, and the encoders as registered actors. */
import { actor, source } from "../runtime/actor/registry.ts";
import { type Dataset, dataset } from "../runtime/dataset/dataset.ts";
import { KmerEmbedder } from "./embedder.ts";
import { fastqSource } from "./fastq/source.ts";

const registered = source(fastqSource);

/** Composition vectors of reads: canonical 4-mers, centred log counts. */
export const Embedder = actor("kmer-embedder", KmerEmbedder);

/**
 * The records of FASTQ files, plain or gzip, lazily.
 * @param inputs - absolute paths, one or more.
 */
export function readFastq(...inputs: readonly string[]): Dataset {
  return dataset(registered, { inputs });
}
