/**
 * Tables to the bytes of one Parquet shard, and a shard's own account of itself back.
 *
 * A shard's bytes are a function of its rows and metadata alone: row groups are cut at
 * ROW_GROUP_ROWS whatever the tables' sizes, and nothing in the file names a time, a host or this
 * library's release. Snappy, by measurement (136 floats, microseconds of CPU and bytes a row,
 * digest included; EPYC): none 1.5 and 591, snappy 2.1 and 231, zstd 4.3 and 122, byte-stream-split
 * with zstd 6.3 and 396. The 0.6 us come back in the second digest, the write and every later read.
 */
import {
  Table as ArrowTable,
  FixedSizeList,
  makeData,
  RecordBatch,
  type Schema,
  Struct,
  tableFromIPC,
  tableToIPC,
  Utf8,
} from "apache-arrow";
import { type FileMetaData, parquetMetadata } from "hyparquet";
import {
  Compression,
  EnabledStatistics,
  Table as WasmTable,
  type WriterProperties,
  WriterPropertiesBuilder,
  writeParquet,
} from "parquet-wasm";
import * as v from "valibot";
import { SystemError } from "../errors.ts";
import { canonicalJson } from "../ids.ts";
import { ROW_GROUP_ROWS } from "../limits.ts";
import { type GroupColumn, groupColumn, schemaOf, textData } from "./columns.ts";
import type { Column, Table } from "./types.ts";

/** Name of the column that numbers a shard's rows, int32 0..n-1; it follows the vector column. */
export const ORDINAL = "ordinal";
/** Name of the constant column that says which sample the rows are of; the last one. */
export const SAMPLE = "sample";
/** Name of the constant column with what people call the rows, where they do; behind SAMPLE. */
export const LABEL = "label";

const CREATED_BY = "ligase";
/**
 * The one key of ours in a shard's key-value metadata: JSON, keys sorted. One key, because the
 * writer keeps them in a hash map with a random seed, so that the order of several would be random
 * too.
 */
export const METADATA_KEY = "ligase";

const metadataSchema = v.record(v.string(), v.string());

/** A shard's bytes and what its receipt says of them. */
export interface ShardBytes {
  readonly bytes: Uint8Array;
  readonly rows: number;
  /** Rows of each row group; empty for a shard without rows. */
  readonly rowGroups: number[];
}

/** What a shard says of itself. */
export interface ShardAccount {
  readonly metadata: Readonly<Record<string, string>>;
  readonly rows: number;
  readonly rowGroups: number[];
  /** d of the vector column; undefined when there is none. */
  readonly dimensions: number | undefined;
}

/** Collects a shard's tables in order and makes its bytes. Holds all rows until `finish`. */
export class ShardWriter {
  /** Constant columns and their values, behind all others. */
  readonly #constants: readonly (readonly [string, string])[];
  readonly #batches: RecordBatch[] = [];
  #schema: Schema | undefined;
  #group: readonly (readonly [string, GroupColumn])[] = [];
  #groupRows = 0;
  #rows = 0;

  /** @param options - values of the constant columns; without one there is no such column. */
  constructor(options: { readonly sample?: string; readonly label?: string } = {}) {
    const { sample, label } = options;
    this.#constants = [
      ...(sample === undefined ? [] : [[SAMPLE, sample] as const]),
      ...(label === undefined ? [] : [[LABEL, label] as const]),
    ];
  }

  /** Rows so far. */
  get rows(): number {
    return this.#rows;
  }

  /**
   * Adds the table's rows; what it holds is copied.
   * @throws {SystemError} INTERNAL when its columns differ from the first table's.
   */
  append(table: Table): void {
    const columns = this.#withOrdinal(table);
    if (this.#schema === undefined) {
      this.#group = columns.map(([name, column]) => [name, groupColumn(column)]);
      const constants = this.#constants.map(([name]) => [name, { type: new Utf8() }] as const);
      this.#schema = schemaOf([...this.#group, ...constants]);
    }
    this.#check(columns, table.rows);
    for (let begin = 0; begin < table.rows; ) {
      const end = Math.min(table.rows, begin + ROW_GROUP_ROWS - this.#groupRows);
      for (const [index, [, group]] of this.#group.entries()) {
        const column = columns[index]?.[1];
        if (column !== undefined) group.append(column, begin, end, this.#groupRows);
      }
      this.#groupRows += end - begin;
      begin = end;
      if (this.#groupRows === ROW_GROUP_ROWS) this.#closeGroup(this.#schema);
    }
    this.#rows += table.rows;
  }

  /**
   * The shard. The writer is spent.
   * @param metadata - what `readShard` gives back; in the file it is one JSON value.
   * @throws {SystemError} INTERNAL when no table was added: then no column is known.
   */
  finish(metadata: Readonly<Record<string, string>>): ShardBytes {
    if (this.#schema === undefined) {
      throw new SystemError("INTERNAL", "a shard needs a table, though it may have no rows");
    }
    if (this.#groupRows > 0) this.#closeGroup(this.#schema);
    const rowGroups = this.#batches.map((batch) => batch.numRows);
    const stream = tableToIPC(new ArrowTable(this.#schema, this.#batches), "stream");
    const properties = writerProperties(this.#schema, metadata);
    const bytes = writeParquet(WasmTable.fromIPCStream(stream), properties);
    return { bytes, rows: this.#rows, rowGroups };
  }

  /** The columns with the ordinals of these rows after the first vector column. */
  #withOrdinal(table: Table): readonly (readonly [string, Column])[] {
    const columns = Object.entries(table.columns);
    const values = Int32Array.from({ length: table.rows }, (_, row) => this.#rows + row);
    const vector = columns.findIndex(([, column]) => column.kind === "vector");
    columns.splice(vector + 1, 0, [ORDINAL, { kind: "int32", values }]);
    return columns;
  }

  #check(columns: readonly (readonly [string, Column])[], rows: number): void {
    const same =
      columns.length === this.#group.length &&
      this.#group.every(([name, group], index) => {
        const [found, column] = columns[index] ?? [];
        return found === name && column !== undefined && group.accepts(column, rows);
      });
    if (same) return;
    const names = columns.map(([name, { kind }]) => `${name} ${kind}`).join(", ");
    const what = `a table of a shard has other columns than the first one, or other rows: ${names}`;
    throw new SystemError("INTERNAL", what);
  }

  #closeGroup(schema: Schema): void {
    const rows = this.#groupRows;
    const children = this.#group.map(([, column]) => column.take(rows));
    for (const [, value] of this.#constants) {
      children.push(textData(new Array<string>(rows).fill(value)));
    }
    const type = new Struct(schema.fields);
    const data = makeData({ type, length: rows, nullCount: 0, children });
    this.#batches.push(new RecordBatch(schema, data));
    this.#groupRows = 0;
  }
}

/**
 * What a shard's footer says.
 * @param bytes - the whole file, or at least its end with the footer.
 * @throws {SystemError} STORAGE_FAILED when it isn't a readable Parquet file.
 */
export function readShard(bytes: Uint8Array): ShardAccount {
  try {
    // A copy: memory behind a Buffer may hold others' bytes too, and its `slice` copies nothing.
    const { buffer } = Uint8Array.from(bytes);
    const footer = parquetMetadata(buffer);
    const pairs = footer.key_value_metadata ?? [];
    const own = pairs.find(({ key }) => key === METADATA_KEY)?.value ?? "{}";
    return {
      metadata: v.parse(metadataSchema, JSON.parse(own)),
      rows: Number(footer.num_rows),
      rowGroups: footer.row_groups.map((group) => Number(group.num_rows)),
      dimensions: dimensionsOf(footer),
    };
  } catch (thrown) {
    throw new SystemError("STORAGE_FAILED", "the shard isn't a readable Parquet file", {}, thrown);
  }
}

function dimensionsOf(footer: FileMetaData): number | undefined {
  const schema = footer.key_value_metadata?.find(({ key }) => key === "ARROW:schema")?.value;
  if (schema === undefined) return undefined;
  const { fields } = tableFromIPC(Buffer.from(schema, "base64")).schema;
  const vector = fields.map((field) => field.type).find((type) => type instanceof FixedSizeList);
  return vector instanceof FixedSizeList ? vector.listSize : undefined;
}

function writerProperties(
  schema: Schema,
  metadata: Readonly<Record<string, string>>,
): WriterProperties {
  const builder = new WriterPropertiesBuilder()
    .setCreatedBy(CREATED_BY)
    .setCompression(Compression.SNAPPY)
    .setDictionaryEnabled(false)
    .setStatisticsEnabled(EnabledStatistics.None)
    .setMaxRowGroupSize(ROW_GROUP_ROWS)
    .setKeyValueMetadata(new Map([[METADATA_KEY, canonicalJson(metadata)]]));
  return [SAMPLE, LABEL]
    .filter((name) => schema.fields.some((field) => field.name === name))
    .reduce((built, name) => built.setColumnDictionaryEnabled(name, true), builder)
    .build();
}
