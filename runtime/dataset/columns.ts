/**
 * One row group's worth of each column: filled from tables of any size, then handed to Arrow
 * without a copy. A column's arrays are given away with `take`, so each group has arrays of its
 * own.
 */
import {
  type Data,
  DataType,
  Field,
  FixedSizeList,
  Float32,
  Int32,
  makeData,
  Schema,
  Utf8,
} from "apache-arrow";
import { ROW_GROUP_ROWS } from "../limits.ts";
import type { Column } from "./types.ts";

/** A column of at most ROW_GROUP_ROWS rows that is being filled. */
export interface GroupColumn {
  readonly type: DataType;
  /** Whether rows of this column may go here: same kind, same dimensions, that many rows. */
  accepts(column: Column, rows: number): boolean;
  /** Copies rows [begin, end) of `column`, which is accepted, to the group's rows from `at` on. */
  append(column: Column, begin: number, end: number, at: number): void;
  /** The group's first `rows` rows; the column is empty afterwards. */
  take(rows: number): Data;
}

/** An empty group column for rows like those of `column`. */
export function groupColumn(column: Column): GroupColumn {
  switch (column.kind) {
    case "vector":
      return new VectorColumn(column.dimensions);
    case "int32":
      return new Int32Column();
    case "utf8":
      return new TextColumn();
    default:
      return column satisfies never;
  }
}

/** The Arrow schema of these columns; nothing in it is nullable. */
export function schemaOf(
  columns: readonly (readonly [string, Pick<GroupColumn, "type">])[],
): Schema {
  return new Schema(columns.map(([name, { type }]) => new Field(name, type, false)));
}

/** A type whose vectors have `dimensions` float32, none of them null. */
function vectorType(dimensions: number): DataType {
  return new FixedSizeList(dimensions, new Field("element", new Float32(), false));
}

class VectorColumn implements GroupColumn {
  readonly #dimensions: number;
  readonly type: DataType;
  #values: Float32Array | undefined;

  constructor(dimensions: number) {
    this.#dimensions = dimensions;
    this.type = vectorType(dimensions);
  }

  accepts(column: Column, rows: number): boolean {
    if (column.kind !== "vector" || column.dimensions !== this.#dimensions) return false;
    return column.values.length === rows * this.#dimensions;
  }

  append(column: Column, begin: number, end: number, at: number): void {
    if (column.kind !== "vector") return;
    this.#values ??= new Float32Array(ROW_GROUP_ROWS * this.#dimensions);
    const rows = column.values.subarray(begin * this.#dimensions, end * this.#dimensions);
    this.#values.set(rows, at * this.#dimensions);
  }

  take(rows: number): Data {
    const length = rows * this.#dimensions;
    const data = (this.#values ?? new Float32Array(0)).subarray(0, length);
    this.#values = undefined;
    const child = makeData({ type: new Float32(), length, nullCount: 0, data });
    return makeData({
      type: this.type as FixedSizeList<Float32>,
      length: rows,
      nullCount: 0,
      child,
    });
  }
}

class Int32Column implements GroupColumn {
  readonly type = new Int32();
  #values: Int32Array | undefined;

  accepts(column: Column, rows: number): boolean {
    return column.kind === "int32" && column.values.length === rows;
  }

  append(column: Column, begin: number, end: number, at: number): void {
    if (column.kind !== "int32") return;
    this.#values ??= new Int32Array(ROW_GROUP_ROWS);
    this.#values.set(column.values.subarray(begin, end), at);
  }

  take(rows: number): Data {
    const data = (this.#values ?? new Int32Array(0)).subarray(0, rows);
    this.#values = undefined;
    return makeData({ type: this.type, length: rows, nullCount: 0, data });
  }
}

class TextColumn implements GroupColumn {
  readonly type = new Utf8();
  #texts: string[] = [];

  accepts(column: Column, rows: number): boolean {
    return column.kind === "utf8" && column.values.length === rows;
  }

  append(column: Column, begin: number, end: number): void {
    if (column.kind !== "utf8") return;
    for (let row = begin; row < end; row++) this.#texts.push(column.values[row] as string);
  }

  take(rows: number): Data {
    const data = textData(this.#texts.slice(0, rows));
    this.#texts = [];
    return data;
  }
}

/** Texts as one Arrow column of UTF-8. */
export function textData(texts: readonly string[]): Data {
  const valueOffsets = new Int32Array(texts.length + 1);
  const joined = texts.join("");
  const data = Buffer.from(joined, "utf8");
  // One byte a UTF-16 unit means ASCII alone; else each text is measured.
  const ascii = data.length === joined.length;
  let end = 0;
  for (const [index, text] of texts.entries()) {
    end += ascii ? text.length : Buffer.byteLength(text, "utf8");
    valueOffsets[index + 1] = end;
  }
  return makeData({ type: new Utf8(), length: texts.length, nullCount: 0, valueOffsets, data });
}
