/**
 * The options that a person brings along from a Ray Data script, each honoured or refused by name
 * with what to do instead: nothing is taken and then ignored. The guide shows this table.
 */
import { SystemError } from "../../../runtime/errors.ts";

export interface RayOption {
  /** Ray's name. */
  readonly name: string;
  /** Where a Ray Data script has it. */
  readonly of: "read" | "map_batches" | "write_parquet" | "model";
  /** The option here; absent: it is refused. */
  readonly here?: string;
  /** What to know, or what to do instead. */
  readonly say: string;
}

/** The table, in the order of a script. */
export const RAY_OPTIONS: readonly RayOption[] = [
  { name: "input", of: "read", here: "--input", say: "files, s3://, or - for standard input" },
  {
    ...{ name: "paths", of: "read" },
    say: "name the files as arguments or with --input",
  },
  {
    ...{ name: "seq_col", of: "read" },
    say: "FASTQ and FASTA have one sequence a record and no columns; write your table as FASTA",
  },
  {
    ...{ name: "id_col", of: "read" },
    say: "a record's name is its id, and becomes the column read_id",
  },
  {
    ...{ name: "label_col", of: "read" },
    say: "labels come from the column `label` of --samples",
  },
  {
    ...{ name: "file_extensions", of: "read" },
    say: "formats are told by a file's first bytes, never by its name",
  },
  {
    ...{ name: "compression", of: "read" },
    say: "gzip, bgzf and zstd are told by a file's first bytes; shards say theirs themselves",
  },
  {
    ...{ name: "filesystem", of: "read" },
    say: "the name says it: a path, or s3:// with the environment's AWS settings",
  },
  {
    ...{ name: "ignore_missing_paths", of: "read" },
    say: "every input must be there: take the missing one out",
  },
  {
    ...{ name: "override_num_blocks", of: "read" },
    say: "shards are cut by bytes, so that they are the same on any number of machines",
  },
  {
    ...{ name: "shuffle", of: "read" },
    say: "rows keep the order of the input, whoever makes them",
  },
  { name: "model_name", of: "model", here: "--encoder", say: "the encoder's name" },
  {
    ...{ name: "device", of: "model" },
    say: "--num-gpus 1 asks for a GPU; without it the encoder runs on the CPU",
  },
  {
    ...{ name: "batch_size", of: "map_batches", here: "--batch-size" },
    say: "records that an encoder gets at once",
  },
  {
    ...{ name: "concurrency", of: "map_batches", here: "--concurrency" },
    say: "shards that are made at once: n, or least,most",
  },
  {
    ...{ name: "num_gpus", of: "map_batches", here: "--num-gpus" },
    say: "of each shard while it is made; fractions count",
  },
  {
    ...{ name: "num_cpus", of: "map_batches" },
    say: "a shard takes one core; --executors says how many are made at once on this machine",
  },
  {
    ...{ name: "compute", of: "map_batches" },
    say: "--concurrency says how many encoders work at once",
  },
  {
    ...{ name: "batch_format", of: "map_batches" },
    say: "encoders get bases, names and qualities as arrays",
  },
  {
    ...{ name: "max_restarts", of: "map_batches" },
    say: "what dies is made again; a record that kills twice is put aside, see --on-bad-record",
  },
  { name: "output", of: "write_parquet", here: "--output", say: "a folder, or s3://" },
  {
    ...{ name: "try_create_dir", of: "write_parquet", here: "always" },
    say: "folders are made; false is refused",
  },
  {
    ...{ name: "min_rows_per_file", of: "write_parquet" },
    say: "shards are cut by bytes of input, so that none waits for another; readers take the set",
  },
  {
    ...{ name: "max_rows_per_file", of: "write_parquet" },
    say: "shards are cut by bytes of input; row groups inside them are of equal size",
  },
  {
    ...{ name: "mode", of: "write_parquet" },
    say: "an output is one job's: the same again goes on with it, --fresh makes another beside it",
  },
  {
    ...{ name: "partition_cols", of: "write_parquet" },
    say: "the columns `sample` and `label` are in every shard; the manifest says whose it is",
  },
];

const dashed = (name: string): string => `--${name.replaceAll("_", "-")}`;
const REFUSED = new Map(
  RAY_OPTIONS.filter(({ here }) => here === undefined).map((one) => [dashed(one.name), one]),
);

/**
 * The words of a command that reads sequences as the parser takes them: names of options with `-`
 * for fastp's and Ray's `_`, and Ray's own names where the same thing has another one here.
 * @throws {SystemError} USAGE for an option of Ray's that isn't honoured, with what to do instead.
 */
export function translated(words: readonly string[]): string[] {
  const end = words.indexOf("--");
  const options = end === -1 ? words : words.slice(0, end);
  const result: string[] = [];
  for (let i = 0; i < options.length; i += 1) {
    const word = options[i] ?? "";
    const [typed = "", ...rest] = word.split("=");
    const name = /^--[a-z][a-z0-9_-]*$/.test(typed) ? typed.replaceAll("_", "-") : typed;
    const value = rest.length === 0 ? "" : `=${rest.join("=")}`;
    const refused = REFUSED.get(name);
    if (refused !== undefined) {
      const what = `${typed} is Ray's and has no counterpart here: ${refused.say}`;
      throw new SystemError("USAGE", what);
    }
    if (name === "--try-create-dir") {
      if (value === "" && isFlag(options[i + 1])) i += 1;
      const said = value === "" ? options[i] : value.slice(1);
      if (isFlag(said) && !isTrue(said)) {
        const what = `${typed}: folders are always made; name one that stands, or none`;
        throw new SystemError("USAGE", what);
      }
    } else result.push(`${name === "--model-name" ? "--encoder" : name}${value}`);
  }
  return end === -1 ? result : [...result, ...words.slice(end)];
}

function isFlag(text: string | undefined): text is string {
  return text !== undefined && /^(true|false|1|0|yes|no)$/i.test(text);
}

function isTrue(text: string): boolean {
  return /^(true|1|yes)$/i.test(text);
}
