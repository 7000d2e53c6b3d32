/**
 * Shards as Parquet: their bytes are a function of rows and metadata, and they say what they hold.
 */
import { parquetReadObjects } from "hyparquet";
import { describe, expect, test } from "vitest";
import { readShard, ShardWriter } from "../../../runtime/dataset/parquet.ts";
import type { Table } from "../../../runtime/dataset/types.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { ROW_GROUP_ROWS } from "../../../runtime/limits.ts";

const DIMENSIONS = 5;
const ROWS = 2 * ROW_GROUP_ROWS + 1_000;
const METADATA = { "ligase.key": "value", other: "ü €" };

describe("a shard's bytes", () => {
  const once = shardOf([ROWS]);

  test.each([1, 7, 1_000, 1_024, ROW_GROUP_ROWS - 1, ROW_GROUP_ROWS, ROW_GROUP_ROWS + 1])(
    "are the same when its rows come in tables of %i",
    (size) => {
      const sizes = Array.from({ length: Math.ceil(ROWS / size) }, (_, i) =>
        Math.min(size, ROWS - i * size),
      );
      const { bytes, rowGroups } = shardOf(sizes);
      expect(Buffer.compare(bytes, once.bytes)).toBe(0);
      expect(rowGroups).toEqual([ROW_GROUP_ROWS, ROW_GROUP_ROWS, 1_000]);
    },
  );

  test("are the same whatever the order in which metadata was put together", () => {
    const { "ligase.key": key, other } = METADATA;
    const { bytes } = shardOf([ROWS], { other, "ligase.key": key });
    expect(Buffer.compare(bytes, once.bytes)).toBe(0);
  });

  test("are others for other rows, metadata or sample", () => {
    expect(Buffer.compare(shardOf([ROWS - 1]).bytes, once.bytes)).not.toBe(0);
    expect(Buffer.compare(shardOf([ROWS], { other: "x" }).bytes, once.bytes)).not.toBe(0);
    expect(Buffer.compare(shardOf([ROWS], METADATA, "s2").bytes, once.bytes)).not.toBe(0);
  });

  test("end at a whole row group when the rows do", () => {
    expect(shardOf([ROW_GROUP_ROWS]).rowGroups).toEqual([ROW_GROUP_ROWS]);
  });

  test("don't change when a table is written over after it was given", () => {
    const writer = new ShardWriter({ sample: "s" });
    const table = tableOf(0, 10);
    writer.append(table);
    const vector = table.columns["embedding"];
    if (vector?.kind === "vector") vector.values.fill(9);
    const { bytes } = writer.finish(METADATA);
    expect(Buffer.compare(bytes, shardOf([10]).bytes)).toBe(0);
  });
});

describe("a shard says", () => {
  test("what it holds, from its own footer", () => {
    const { bytes } = shardOf([ROWS]);
    expect(readShard(bytes)).toEqual({
      metadata: METADATA,
      rows: ROWS,
      rowGroups: [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 1_000],
      dimensions: DIMENSIONS,
    });
  });

  test("the same as a view into other bytes", () => {
    const { bytes } = shardOf([20]);
    const memory = new Uint8Array(bytes.length + 64);
    memory.set(bytes, 13);
    const view = memory.subarray(13, 13 + bytes.length);
    expect(readShard(view)).toEqual(readShard(bytes));
  });

  test("that it has no rows, and keeps its columns", () => {
    const shard = shardOf([0]);
    expect([shard.rows, shard.rowGroups]).toEqual([0, []]);
    expect(readShard(shard.bytes)).toEqual({
      metadata: METADATA,
      rows: 0,
      rowGroups: [],
      dimensions: DIMENSIONS,
    });
  });

  test("its rows, in order and numbered from 0", async () => {
    const { bytes } = shardOf([3, 0, 2]);
    const rows = await parquetReadObjects({ file: bytes.slice().buffer });
    expect(rows).toEqual(
      Array.from({ length: 5 }, (_, row) => ({
        embedding: Array.from({ length: DIMENSIONS }, (_, i) => Math.fround(row + i / 7)),
        ordinal: row,
        read_id: idOf(row),
        n_tokens: row * 2,
        sample: "s",
      })),
    );
  });

  test("no sample when it was given none", async () => {
    const writer = new ShardWriter();
    writer.append(tableOf(0, 1));
    const { bytes } = writer.finish({});
    const [row] = await parquetReadObjects({ file: bytes.slice().buffer });
    expect(Object.keys(row ?? {})).toEqual(["embedding", "ordinal", "read_id", "n_tokens"]);
  });
});

describe("a shard refuses", () => {
  const { embedding, ...others } = tableOf(0, 2).columns;
  test.each<[string, Table["columns"]]>([
    ["a column less", others],
    ["another dimension", { ...tableOf(0, 2).columns, embedding: vector(4, 2) }],
    ["other rows than it says", { ...tableOf(0, 2).columns, embedding: vector(DIMENSIONS, 3) }],
    ["another order", { ...others, ...(embedding === undefined ? {} : { embedding }) }],
    [
      "another kind",
      { ...tableOf(0, 2).columns, read_id: { kind: "int32", values: new Int32Array(2) } },
    ],
  ])("a later table with %s", (_, columns) => {
    const writer = new ShardWriter();
    writer.append(tableOf(0, 2));
    expect(() => writer.append({ rows: 2, columns, filtered: {} })).toThrow(SystemError);
  });

  test("to be finished without a table", () => {
    expect(() => new ShardWriter().finish({})).toThrow(/INTERNAL/);
  });

  test("to be read from other bytes, or cut ones", () => {
    const { bytes } = shardOf([100]);
    for (const other of [Buffer.from("hello"), new Uint8Array(0), bytes.subarray(0, -9)]) {
      expect(() => readShard(other)).toThrow(/STORAGE_FAILED/);
    }
  });
});

function shardOf(
  sizes: readonly number[],
  metadata: Record<string, string> = METADATA,
  sample = "s",
) {
  const writer = new ShardWriter({ sample });
  let row = 0;
  for (const size of sizes) {
    writer.append(tableOf(row, size));
    row += size;
  }
  expect(writer.rows).toBe(row);
  return writer.finish(metadata);
}

function tableOf(firstRow: number, rows: number): Table {
  const numbers = Array.from({ length: rows }, (_, i) => firstRow + i);
  const values = numbers.flatMap((row) =>
    Array.from({ length: DIMENSIONS }, (_, i) => row + i / 7),
  );
  return {
    rows,
    columns: {
      embedding: { kind: "vector", values: Float32Array.from(values), dimensions: DIMENSIONS },
      read_id: { kind: "utf8", values: numbers.map(idOf) },
      n_tokens: { kind: "int32", values: Int32Array.from(numbers, (row) => row * 2) },
    },
    filtered: {},
  };
}

function vector(dimensions: number, rows: number): Table["columns"][string] {
  return { kind: "vector", values: new Float32Array(dimensions * rows), dimensions };
}

/** Names of one and of several bytes a letter. */
function idOf(row: number): string {
  return row % 3 === 0 ? `röw→${row}` : `row${row}`;
}
