/**
 * The project's Parquet sink, remembering: equal rows and metadata give the bytes that they gave
 * before, and equal bytes the account. Encoding a shard costs as much as simulating a second.
 */
import {
  type ShardAccount,
  type ShardBytes,
  readShard as read,
  ShardWriter as Writer,
} from "../../../runtime/dataset/parquet.ts";
import type { Table } from "../../../runtime/dataset/types.ts";
import { hashBytes } from "../core/trace.ts";

export * from "../../../runtime/dataset/parquet.ts";

const written = new Map<string, ShardBytes>();
const accounts = new Map<string, { readonly bytes: Uint8Array; readonly account: ShardAccount }>();

export class ShardWriter {
  readonly #options: { readonly sample?: string };
  readonly #tables: Table[] = [];
  #rows = 0;

  constructor(options: { readonly sample?: string } = {}) {
    this.#options = options;
  }

  get rows(): number {
    return this.#rows;
  }

  append(table: Table): void {
    this.#tables.push(table);
    this.#rows += table.rows;
  }

  finish(metadata: Readonly<Record<string, string>>): ShardBytes {
    const key = JSON.stringify([this.#options, metadata, this.#tables.map(keyOf)]);
    const known = written.get(key) ?? this.#write(metadata);
    written.set(key, known);
    // The caller writes into them.
    return { ...known, bytes: Buffer.from(known.bytes) };
  }

  #write(metadata: Readonly<Record<string, string>>): ShardBytes {
    const writer = new Writer(this.#options);
    for (const table of this.#tables) writer.append(table);
    const made = writer.finish(metadata);
    return { ...made, bytes: Buffer.from(made.bytes) };
  }
}

function keyOf({ rows, columns, filtered }: Table): unknown {
  const values = Object.entries(columns).map(([name, column]) => [name, [...column.values]]);
  return [rows, values, filtered];
}

export function readShard(bytes: Uint8Array): ShardAccount {
  const key = `${bytes.length}/${hashBytes(bytes)}`;
  const known = accounts.get(key);
  if (known !== undefined && Buffer.compare(known.bytes, bytes) === 0) return known.account;
  const account = read(bytes);
  accounts.set(key, { bytes: Buffer.from(bytes), account });
  return account;
}
