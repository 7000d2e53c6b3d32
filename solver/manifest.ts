/**
 * The contract of phase 2: the sealed list of shards. Written last, by the head, beside them;
 * the only thing the solver reads to learn what exists. Frozen by test/golden/manifest.json, which
 * both this file and the C++ reader are tested on.
 */
import * as v from "valibot";

export const MANIFEST_FILE = "manifest.json";
export const SUCCESS_FILE = "_SUCCESS";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const hex = (digits: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${digits}}$`)));

/** One Parquet file. Row g of the whole set is row `g - firstRow` of the shard that holds it. */
const shard = v.strictObject({
  /** File name beside the manifest; no folder part. */
  file: v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/)),
  /** Index into `inputs`; shards stand in the order of (input, range). */
  input: count,
  rows: count,
  /** Sum of `rows` of all shards before this one. */
  firstRow: count,
  bytes: count,
  crc32c: hex(8),
  sha256: hex(64),
  /** Rows of each row group; their sum is `rows`. */
  rowGroups: v.array(count),
});

/** A file with the records of a shard that were put aside, beside the manifest. */
const sideFile = v.strictObject({
  file: v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/)),
  /** Index into `inputs`. */
  input: count,
  records: count,
  bytes: count,
  sha256: hex(64),
});

/** A file with what the source counted in the records of a shard, beside the manifest. */
const summary = v.omit(sideFile, ["records"]);

/** A file for people and other programs, made of those of all shards. */
const report = v.strictObject({
  file: v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/)),
  /** `fastp`, `sourmash`, `spectrum`, `warnings`, `html`. */
  kind: v.string(),
  /** Left out of a file of all samples. */
  sample: v.exactOptional(v.string()),
  bytes: count,
  sha256: hex(64),
});

/** How many records went where; in = passed + filtered + quarantined + skipped. */
const reads = v.strictObject({
  in: count,
  passed: count,
  filtered: count,
  quarantined: count,
  skipped: count,
});

export const manifestSchema = v.strictObject({
  schema: v.literal(1),
  jobId: hex(64),
  /** Rows of all shards. */
  rows: count,
  /**
   * d, the width of the `embedding` column: FixedSizeList<float32>[d]; 0 of a set without rows that
   * was only counted: phase 2 takes none.
   */
  dimensions: count,
  metric: v.picklist(["l2", "cosine"]),
  encoder: v.strictObject({ name: v.string(), sha256: hex(64), provider: v.string() }),
  /** In the order of the command line; `uri` as the job's spec names it. */
  inputs: v.array(
    v.strictObject({
      uri: v.string(),
      sample: v.string(),
      /** The file with the second reads of pairs, and what people call its rows, if any. */
      mate: v.exactOptional(v.string()),
      label: v.exactOptional(v.string()),
      reads,
      /** What its source met that isn't wrong enough to refuse: name -> count. For people. */
      warnings: v.exactOptional(v.record(v.string(), count)),
    }),
  ),
  reads,
  /** Why records were filtered: reason -> count; the sum is `reads.filtered`. */
  filteredReasons: v.record(v.string(), count),
  shards: v.array(shard),
  /** Left out when no record was put aside. For people: no reader of vectors looks at them. */
  quarantine: v.optional(v.array(sideFile)),
  /** Left out where nothing was counted. For people as well. */
  summaries: v.optional(v.array(summary)),
  reports: v.optional(v.array(report)),
});

export type Manifest = v.InferOutput<typeof manifestSchema>;
export type ManifestSideFile = NonNullable<Manifest["quarantine"]>[number];
export type ManifestShard = Manifest["shards"][number];
export type ReadCounts = Manifest["reads"];

/** The manifest's bytes: indented JSON, keys in the schema's order, one final newline. */
export function manifestBytes(manifest: Manifest): Uint8Array {
  checkManifest(manifest);
  return Buffer.from(`${JSON.stringify(v.parse(manifestSchema, manifest), null, 1)}\n`);
}

/**
 * A manifest from its bytes.
 * @throws {Error} naming the field that breaks the schema or a sum.
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  const manifest = v.parse(manifestSchema, JSON.parse(Buffer.from(bytes).toString("utf8")));
  checkManifest(manifest);
  return manifest;
}

function checkManifest(manifest: Manifest): void {
  let row = 0;
  for (const item of manifest.shards) {
    if (item.firstRow !== row) throw new Error(`manifest: ${item.file} firstRow isn't ${row}`);
    const inGroups = item.rowGroups.reduce((sum, rows) => sum + rows, 0);
    if (inGroups !== item.rows) throw new Error(`manifest: ${item.file} row groups don't add up`);
    if (item.input >= manifest.inputs.length)
      throw new Error(`manifest: ${item.file} has no input`);
    row += item.rows;
  }
  if (manifest.dimensions === 0 && row > 0) throw new Error("manifest: rows of no dimensions");
  if (row !== manifest.rows) throw new Error("manifest: rows don't add up");
  const { reads } = manifest;
  const aside = manifest.quarantine?.reduce((sum, { records }) => sum + records, 0);
  if (aside !== undefined && aside !== reads.quarantined) {
    throw new Error("manifest: quarantined reads don't add up");
  }
  const out = reads.passed + reads.filtered + reads.quarantined + reads.skipped;
  if (reads.in !== out) throw new Error("manifest: reads don't add up");
}
