/**
 * Pure core. The tasks that a head holds, as columns: a row is one task, ~50 B of numbers beside a
 * piece of the frame in which its arguments came. Rows are used again; columns grow by chunks, so
 * that no growth copies what is there. A row stands in at most one list at a time: the queue in
 * which it waits, or the lane that it was given to.
 *
 * Invariants: a row's state is FREE exactly while it is on the free list; `used` rows aren't free.
 */

/** What is known of a row. */
export const FREE = 0;
/** In the queue of its job and shape. */
export const WAITING = 1;
/** Given to a worker, which may have begun it. */
export const ASSIGNED = 2;
/** Its worker says that it runs. */
export const STARTED = 3;
/** Announced to a new leader, which asks the workers for it first. */
export const ASKED = 4;
/** In no list yet. */
export const LOOSE = 5;

/** It was cancelled: it ends when its worker has let it go. */
export const CANCELLED = 1;
/** Its worker was told to end its executor if need be. */
export const FORCED = 2;
/** Its worker was asked to give it back. */
export const REVOKED = 4;
/** Its owner hasn't announced it to this leader: nobody here has its arguments. */
export const BLANK = 8;

/** No row. */
export const NONE = -1;

const CHUNK_BITS = 16;
const CHUNK_ROWS = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_ROWS - 1;

/** CHUNK_ROWS rows, a column an array. */
class Chunk {
  readonly piece = new Uint32Array(CHUNK_ROWS);
  readonly number = new Uint32Array(CHUNK_ROWS);
  readonly start = new Uint32Array(CHUNK_ROWS);
  readonly end = new Uint32Array(CHUNK_ROWS);
  readonly next = new Int32Array(CHUNK_ROWS);
  readonly previous = new Int32Array(CHUNK_ROWS);
  readonly lane = new Uint32Array(CHUNK_ROWS);
  readonly near = new Uint32Array(CHUNK_ROWS);
  readonly sinceMs = new Float64Array(CHUNK_ROWS);
  readonly weight = new Float32Array(CHUNK_ROWS);
  readonly tries = new Uint16Array(CHUNK_ROWS);
  readonly state = new Uint8Array(CHUNK_ROWS);
  readonly attempt = new Uint8Array(CHUNK_ROWS);
  readonly flags = new Uint8Array(CHUNK_ROWS);
}

/** Rows in an order: the first is the one that is taken next. */
export interface RowList {
  first: number;
  last: number;
  length: number;
}

export function emptyList(): RowList {
  return { first: NONE, last: NONE, length: 0 };
}

export class TaskColumns {
  readonly #chunks: Chunk[] = [];
  /** The first free row; each says the next one. */
  #free = NONE;
  /** Rows that were ever used: all below it are, or are on the free list. */
  #high = 0;
  #used = 0;

  /** Rows that hold a task. */
  get used(): number {
    return this.#used;
  }

  /** All rows are below it. */
  get high(): number {
    return this.#high;
  }

  /** A row for one more task, in no list. */
  add(number: number, piece: number, start: number, end: number): number {
    const row = this.#take();
    const chunk = this.#chunk(row);
    const at = row & CHUNK_MASK;
    chunk.number[at] = number;
    chunk.piece[at] = piece;
    chunk.start[at] = start;
    chunk.end[at] = end;
    chunk.next[at] = NONE;
    chunk.previous[at] = NONE;
    chunk.near[at] = 0;
    chunk.tries[at] = 0;
    chunk.attempt[at] = 0;
    chunk.flags[at] = 0;
    chunk.state[at] = LOOSE;
    return row;
  }

  #take(): number {
    this.#used += 1;
    const row = this.#free;
    if (row !== NONE) {
      this.#free = this.#chunk(row).next[row & CHUNK_MASK] ?? NONE;
      return row;
    }
    if (this.#high === this.#chunks.length * CHUNK_ROWS) this.#chunks.push(new Chunk());
    this.#high += 1;
    return this.#high - 1;
  }

  /** The row is free; it stands in no list any more. */
  remove(row: number): void {
    const chunk = this.#chunk(row);
    const at = row & CHUNK_MASK;
    chunk.state[at] = FREE;
    chunk.next[at] = this.#free;
    this.#free = row;
    this.#used -= 1;
  }

  #chunk(row: number): Chunk {
    const chunk = this.#chunks[row >>> CHUNK_BITS];
    if (chunk === undefined) throw new RangeError(`no task row ${row}`);
    return chunk;
  }

  numberOf(row: number): number {
    return this.#chunk(row).number[row & CHUNK_MASK] ?? 0;
  }

  pieceOf(row: number): number {
    return this.#chunk(row).piece[row & CHUNK_MASK] ?? 0;
  }

  /** Where its arguments lie in its piece. */
  place(row: number, piece: number, start: number, end: number): void {
    const chunk = this.#chunk(row);
    const at = row & CHUNK_MASK;
    chunk.piece[at] = piece;
    chunk.start[at] = start;
    chunk.end[at] = end;
  }

  startOf(row: number): number {
    return this.#chunk(row).start[row & CHUNK_MASK] ?? 0;
  }

  endOf(row: number): number {
    return this.#chunk(row).end[row & CHUNK_MASK] ?? 0;
  }

  stateOf(row: number): number {
    return this.#chunk(row).state[row & CHUNK_MASK] ?? FREE;
  }

  /** @param sinceMs - when it entered that state. */
  enter(row: number, state: number, sinceMs: number): void {
    const chunk = this.#chunk(row);
    chunk.state[row & CHUNK_MASK] = state;
    chunk.sinceMs[row & CHUNK_MASK] = sinceMs;
  }

  sinceMsOf(row: number): number {
    return this.#chunk(row).sinceMs[row & CHUNK_MASK] ?? 0;
  }

  laneOf(row: number): number {
    return this.#chunk(row).lane[row & CHUNK_MASK] ?? 0;
  }

  /** @param weight - the part of one of the lane's slots that it takes. */
  give(row: number, lane: number, weight: number): void {
    const chunk = this.#chunk(row);
    chunk.lane[row & CHUNK_MASK] = lane;
    chunk.weight[row & CHUNK_MASK] = weight;
  }

  weightOf(row: number): number {
    return this.#chunk(row).weight[row & CHUNK_MASK] ?? 0;
  }

  /** Which assignment of the task is the last one, modulo 256. */
  attemptOf(row: number): number {
    return this.#chunk(row).attempt[row & CHUNK_MASK] ?? 0;
  }

  setAttempt(row: number, attempt: number): void {
    this.#chunk(row).attempt[row & CHUNK_MASK] = attempt;
  }

  /** How many of its attempts may have begun and are over. */
  triesOf(row: number): number {
    return this.#chunk(row).tries[row & CHUNK_MASK] ?? 0;
  }

  setTries(row: number, tries: number): void {
    this.#chunk(row).tries[row & CHUNK_MASK] = tries;
  }

  /** The worker that has most of what it reads, by its number; 0 = none. */
  nearOf(row: number): number {
    return this.#chunk(row).near[row & CHUNK_MASK] ?? 0;
  }

  setNear(row: number, near: number): void {
    this.#chunk(row).near[row & CHUNK_MASK] = near;
  }

  has(row: number, flag: number): boolean {
    return ((this.#chunk(row).flags[row & CHUNK_MASK] ?? 0) & flag) !== 0;
  }

  flag(row: number, flag: number): void {
    const chunk = this.#chunk(row);
    chunk.flags[row & CHUNK_MASK] = (chunk.flags[row & CHUNK_MASK] ?? 0) | flag;
  }

  unflag(row: number, flag: number): void {
    const chunk = this.#chunk(row);
    chunk.flags[row & CHUNK_MASK] = (chunk.flags[row & CHUNK_MASK] ?? 0) & ~flag;
  }

  /** The row behind it in its list. */
  nextOf(row: number): number {
    return this.#chunk(row).next[row & CHUNK_MASK] ?? NONE;
  }

  previousOf(row: number): number {
    return this.#chunk(row).previous[row & CHUNK_MASK] ?? NONE;
  }

  append(list: RowList, row: number): void {
    this.#link(list.last, row);
    this.#link(row, NONE);
    if (list.first === NONE) list.first = row;
    list.last = row;
    list.length += 1;
  }

  prepend(list: RowList, row: number): void {
    this.#link(row, list.first);
    this.#link(NONE, row);
    if (list.last === NONE) list.last = row;
    list.first = row;
    list.length += 1;
  }

  /** Takes a row out of the list in which it stands. */
  unlink(list: RowList, row: number): void {
    const next = this.nextOf(row);
    const previous = this.previousOf(row);
    if (list.first === row) list.first = next;
    if (list.last === row) list.last = previous;
    this.#link(previous, next);
    list.length -= 1;
  }

  #link(previous: number, next: number): void {
    if (previous !== NONE) this.#chunk(previous).next[previous & CHUNK_MASK] = next;
    if (next !== NONE) this.#chunk(next).previous[next & CHUNK_MASK] = previous;
  }
}
