/** Sequences as a dataset, with quality control, and the encoders as registered actors. */
import { actor, source } from "../runtime/actor/registry.ts";
import { type Dataset, dataset, type OnBadRecord } from "../runtime/dataset/dataset.ts";
import type { JsonObject } from "../runtime/dataset/types.ts";
import { SystemError } from "../runtime/errors.ts";
import { KmerEmbedder } from "./embedder.ts";
import { fastqSource } from "./fastq/source.ts";
import type { SampleRow } from "./qc/sheet.ts";
import { askedOf, type QcAsked } from "./qc/shards/decisions.ts";
import { withQc } from "./qc/shards/source.ts";

const registered = source(withQc(fastqSource));

/** Composition vectors of reads: canonical 4-mers, centred log counts. */
export const Embedder = actor("kmer-embedder", KmerEmbedder);

export interface ReadFastqOptions {
  /** What becomes of records that break the format, or executors; `fail` unless given. */
  readonly onBadRecord?: OnBadRecord;
  /** Rows of a sample sheet, beside or instead of files; see `parseSampleSheet`. */
  readonly samples?: readonly SampleRow[];
  /** Whether files without a sheet hold pairs, mate 1 and mate 2 by turns. */
  readonly interleaved?: boolean;
  /**
   * Quality control and trimming: a preset (`none` counts and changes nothing) and fastp's options
   * over it. Left out: none is done, and no report is made.
   */
  readonly qc?: QcAsked;
  /** Of pairs: one row a fragment (the default: both mates in one batch), or one row a mate. */
  readonly mates?: "fragment" | "single";
}

/**
 * The records of FASTQ and FASTA files, compressed or not, lazily.
 * @param inputs - absolute paths or s3://; options may follow them.
 * @throws {SystemError} USAGE for options that aren't known.
 */
export function readFastq(...inputs: readonly (string | ReadFastqOptions)[]): Dataset {
  const last = inputs.at(-1);
  const options = typeof last === "object" ? last : {};
  const paths = typeof last === "object" ? inputs.slice(0, -1) : inputs;
  const named = paths.filter((path) => typeof path === "string");
  if (named.length < paths.length) throw new SystemError("USAGE", "options follow all inputs");
  const { onBadRecord, samples = [], interleaved = false, qc, mates } = options;
  const files = interleaved ? named.map((uri) => ({ uri, interleaved: true })) : named;
  const asked = {
    ...(qc === undefined ? {} : { qc: JSON.parse(JSON.stringify(qc)) as JsonObject }),
    ...(mates === undefined ? {} : { mates }),
  };
  askedOf(asked);
  return dataset(
    registered,
    { inputs: [...files, ...sampleInputs(samples)], ...asked },
    onBadRecord,
  );
}

/** Rows as inputs; where one has a label, all have, or their shards would differ in columns. */
function sampleInputs(rows: readonly SampleRow[]): JsonObject[] {
  const isLabelled = rows.some(({ label }) => label !== undefined);
  return rows.map(({ sample, files: [uri, mate], label = "" }) => ({
    uri,
    sample,
    ...(mate === undefined ? {} : { mate }),
    ...(isLabelled ? { label } : {}),
  }));
}
