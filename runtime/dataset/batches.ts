/**
 * What a stage is given: the source's batches, cut where memory was short, without the records that
 * kill executors. The cuts depend on the records, the halvings and the exclusion alone.
 */
import { SystemError, toSystemError } from "../errors.ts";
import type { BatchPlace } from "../messages.ts";
import type { Batch, ReadOutcome, ShardReader, Table } from "./types.ts";

/** How batches are cut. */
export interface Cut {
  /** Positions of records that are left out. */
  readonly excluded: ReadonlySet<number>;
  /** How often each batch is cut in half. */
  readonly halvings: number;
  /** The only records that are wanted; all of them unless given. */
  readonly range?: BatchPlace | undefined;
}

/** A batch for the stage; it stands for records [first, first + records), some of them left out. */
export interface Portion extends BatchPlace {
  readonly batch: Batch;
}

/**
 * The portions of a shard, in order; one of which all records are left out has an empty batch.
 * Returns what became of the shard's records, or null when the range ended before.
 */
export async function* portionsOf(
  reads: AsyncGenerator<Batch, ReadOutcome, void>,
  reader: ShardReader,
  cut: Cut,
): AsyncGenerator<Portion, ReadOutcome | null, void> {
  const end = cut.range === undefined ? Infinity : cut.range.first + cut.range.records;
  try {
    for (let at = 0; at < end; ) {
      const next = await reads.next();
      if (next.done === true) return next.value;
      for (const place of placesOf(at, next.value.records, cut)) {
        yield { ...place, batch: without(next.value, at, place, reader, cut.excluded) };
      }
      at += next.value.records;
    }
    return null;
  } finally {
    // A reader that is left in the middle closes its files.
    await reads.return({ records: 0, quarantined: 0, skipped: 0 });
  }
}

/** The parts of a batch of so many records, from position `at` on, that are wanted. */
function placesOf(at: number, records: number, { halvings, range }: Cut): BatchPlace[] {
  const from = Math.max(at, range?.first ?? 0);
  const to = Math.min(at + records, range === undefined ? Infinity : range.first + range.records);
  if (range !== undefined) return from < to ? [{ first: from, records: to - from }] : [];
  if (records === 0) return [{ first: at, records }];
  const size = Math.ceil(records / 2 ** halvings);
  const places: BatchPlace[] = [];
  for (let first = from; first < to; first += size) {
    places.push({ first, records: Math.min(size, to - first) });
  }
  return places;
}

function without(
  batch: Batch,
  at: number,
  { first, records }: BatchPlace,
  reader: ShardReader,
  excluded: ReadonlySet<number>,
): Batch {
  const indexes: number[] = [];
  for (let position = first; position < first + records; position++) {
    if (!excluded.has(position)) indexes.push(position - at);
  }
  if (indexes.length === batch.records) return batch;
  if (reader.pick !== undefined) return reader.pick(batch, indexes);
  throw new SystemError("APPLICATION", "the source can't take a batch apart: it has no `pick`");
}

/** What came of a batch: a table, or no memory for it. */
export type Mapped =
  | { readonly kind: "table"; readonly table: Table }
  | { readonly kind: "no-memory"; readonly error: SystemError };

/**
 * Gives a batch to the stage.
 * @param onBatch - told before where the stage is, and null afterwards: a process that dies in
 * between died of the batch.
 * @throws {SystemError} what the stage throws, but for want of memory.
 */
export async function mapPortion(
  map: (batch: unknown) => Promise<Table>,
  { batch, first, records }: Portion,
  onBatch: ((place: BatchPlace | null) => void) | undefined,
): Promise<Mapped> {
  onBatch?.({ first, records });
  try {
    return { kind: "table", table: await map(batch) };
  } catch (thrown) {
    if (!isOutOfMemory(thrown)) throw thrown;
    const { what } = toSystemError(thrown);
    return { kind: "no-memory", error: new SystemError("OUT_OF_MEMORY", what, {}, thrown) };
  } finally {
    onBatch?.(null);
  }
}

/** How V8, Node, C++ and GPU libraries say that there is no memory. */
const NO_MEMORY = new RegExp(
  [
    "out of memory",
    "allocation failed",
    "failed to allocate",
    "cannot allocate",
    "bad_alloc",
    "alloc_failed",
    "smaller than requested bytes",
  ].join("|"),
  "i",
);
/** An array too large for any memory: less of a batch needs a smaller one. */
const TOO_LARGE = /invalid (typed )?array( buffer)? length|invalid string length/i;

function isOutOfMemory(thrown: unknown): boolean {
  if (thrown instanceof SystemError) return thrown.code === "OUT_OF_MEMORY";
  if (!(thrown instanceof Error)) return false;
  const isTooLarge = thrown instanceof RangeError && TOO_LARGE.test(thrown.message);
  return isTooLarge || NO_MEMORY.test(thrown.message);
}
