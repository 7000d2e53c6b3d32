/**
 * Pure core. The search for the records of a batch that kill executors, as a value that facts move
 * on: a leader that takes over goes on where the last one was.
 *
 * The first poison record is searched by halving; it counts when two executors died of it alone.
 * Then the rest of the batch is tried at once, and halved again only if it kills. So n records with
 * p poisonous ones take p (log2 n + 3) probes at most.
 *
 * Invariants: first <= low <= high <= end; every record in [first, low) is settled: found, or one
 * that executors lived through. `isKnown`: [low, high) killed one, or must, because its batch did
 * and what lies before it didn't.
 */
import type { BatchPlace, PoisonRecord } from "../../../runtime/messages.ts";

/** A batch that killed two executors. Never changed: each probe makes the next value. */
export interface Suspect {
  readonly first: number;
  readonly end: number;
  /** What the batch's executors died of. */
  readonly reason: string;
  readonly low: number;
  readonly high: number;
  readonly isKnown: boolean;
  /** Whether an executor lived through any part of the batch. */
  readonly lived: boolean;
  /** Executors that died of record `low` alone. */
  readonly alone: number;
  readonly found: readonly PoisonRecord[];
}

/** What an executor made of a range: null when it lived. */
export interface Probed extends BatchPlace {
  readonly died: string | null;
}

/** Deaths of one record alone that make it poison: one may be chance. */
const ALONE_MAX = 2;
/** Poison records, and nothing else, from which a batch isn't searched on. */
const HOPELESS_FOUND = 3;

export function newSuspect({ first, records }: BatchPlace, reason: string): Suspect {
  const end = first + records;
  const range = { first, end, low: first, high: end };
  return { ...range, reason, isKnown: true, lived: false, alone: 0, found: [] };
}

/** Whether it isn't the records: each one kills, whichever an executor is given. */
export function isHopeless({ lived, found }: Suspect): boolean {
  return !lived && found.length >= HOPELESS_FOUND;
}

/** The records to try next, or null: all are settled. */
export function nextProbe({ low, high, isKnown }: Suspect): BatchPlace | null {
  if (low >= high) return null;
  if (!isKnown || high - low === 1) return { first: low, records: high - low };
  return { first: low, records: (high - low) >> 1 };
}

/** The search after one more probe; the same when it isn't the one that was asked for. */
export function afterProbe(suspect: Suspect, { first, records, died }: Probed): Suspect {
  const next = nextProbe(suspect);
  if (next === null || next.first !== first || next.records !== records) return suspect;
  const { low, high, end, isKnown } = suspect;
  if (died !== null) {
    const narrowed = { ...suspect, high: low + records, isKnown: true, reason: died };
    return records === 1 ? afterLoneDeath(narrowed) : narrowed;
  }
  // What is left is harmless; or a record is, of a batch that killed before: chance did.
  const lived = true;
  if (!isKnown || high - low === 1) return { ...suspect, lived, low: end, high: end };
  return { ...suspect, lived, low: low + records };
}

/** One more executor died of record `low` alone. */
function afterLoneDeath(suspect: Suspect): Suspect {
  const { low, end, alone, found, reason } = suspect;
  if (alone + 1 < ALONE_MAX) return { ...suspect, alone: alone + 1 };
  const rest = { low: low + 1, high: end, isKnown: false, alone: 0 };
  return { ...suspect, ...rest, found: [...found, { position: low, reason }] };
}
