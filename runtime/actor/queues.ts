/** The two orders in which calls wait: as they came, and by their deadline. */
import type { Clock } from "../clock.ts";

/** Taken entries after which a queue's array is cut. */
const CUT_AT = 1_024;

/** First in, first out; taking and pushing cost the same at any length. */
export class Fifo<T> {
  /** Places of taken ones are emptied: nothing that was taken is kept alive. */
  #items: (T | undefined)[] = [];
  /** 0 <= head <= items.length; what stands before it was taken. */
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The oldest one, which leaves. */
  take(): T | undefined {
    if (this.#head === this.#items.length) return undefined;
    const item = this.#items[this.#head] as T;
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) this.#clear();
    else if (this.#head >= CUT_AT && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Puts items before all others. */
  prepend(items: readonly T[]): void {
    if (items.length <= this.#head) {
      for (let i = items.length - 1; i >= 0; i--) this.#items[--this.#head] = items[i];
      return;
    }
    this.#items = [...items, ...this.#items.slice(this.#head)];
    this.#head = 0;
  }

  /** All of them, oldest first, which leave. */
  takeAll(): T[] {
    const items = this.#items.slice(this.#head) as T[];
    this.#clear();
    return items;
  }

  #clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}

/** Something that may be over while it still waits. */
export interface Passing {
  readonly isOver: boolean;
}

/** Entries that are over and still queued, before a queue is looked through for them. */
const OVER_KEPT_MAX = 64;

/**
 * First in, first out, of things that may be over before their turn: those never come out, and
 * don't pile up.
 */
export class Line<T extends Passing> {
  readonly #items = new Fifo<T>();
  /** How many of them are over. */
  #over = 0;

  /** Those that aren't over. */
  get length(): number {
    return this.#items.length - this.#over;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  take(): T | undefined {
    for (;;) {
      const item = this.#items.take();
      if (item === undefined || !item.isOver) return item;
      this.#over--;
    }
  }

  prepend(items: readonly T[]): void {
    this.#items.prepend(items);
  }

  takeAll(): T[] {
    this.#over = 0;
    return this.#items.takeAll().filter(({ isOver }) => !isOver);
  }

  remove(isWanted: (item: T) => boolean): T[] {
    const all = this.takeAll();
    const removed: T[] = [];
    for (const item of all) (isWanted(item) ? removed : this.#items).push(item);
    return removed;
  }

  /** One of the queued is over, as it says itself; to be said once for each. */
  noteOver(): void {
    this.#over++;
    if (this.#over <= OVER_KEPT_MAX || this.#over * 2 <= this.#items.length) return;
    this.#items.prepend(this.takeAll());
  }
}

/** Something that has a deadline until it is over. */
export interface Timed extends Passing {
  /** On the clock, ms. */
  readonly deadlineAtMs: number;
  /** Whether its deadline is being watched; written by `Deadlines` alone. */
  isTimed: boolean;
}

/**
 * Deadlines of any number of things with one timer.
 *
 * Invariants: `#heap` is a binary heap by deadline; the timer, while one runs, is due no later than
 * the first of those that aren't over.
 */
export class Deadlines<T extends Timed> {
  readonly #clock: Clock;
  readonly #onDue: (entry: T) => void;
  #heap: T[] = [];
  /** How many of them are over. */
  #over = 0;
  #stopTimer: (() => void) | undefined;
  #timerAtMs = Infinity;

  /** @param onDue - called once for each entry whose deadline passes before it is over. */
  constructor(clock: Clock, onDue: (entry: T) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  add(entry: T): void {
    entry.isTimed = true;
    this.#push(entry);
    if (entry.deadlineAtMs < this.#timerAtMs) this.#arm();
  }

  /** An entry is over, which may have been added; said once. */
  noteOver(entry: T): void {
    if (!entry.isTimed) return;
    entry.isTimed = false;
    this.#over++;
    if (this.#over === this.#heap.length) this.#keep([]);
    else if (this.#over > OVER_KEPT_MAX && this.#over * 2 > this.#heap.length) {
      this.#keep(this.#heap.filter(({ isOver }) => !isOver));
    }
  }

  #keep(entries: T[]): void {
    this.#over = 0;
    // Sorted is a heap too.
    this.#heap = entries.sort((a, b) => a.deadlineAtMs - b.deadlineAtMs);
    if (entries.length === 0) this.#disarm();
  }

  #arm(): void {
    this.#disarm();
    const first = this.#heap[0];
    if (first === undefined) return;
    this.#timerAtMs = first.deadlineAtMs;
    const ms = Math.max(1, Math.ceil(first.deadlineAtMs - this.#clock.now()));
    this.#stopTimer = this.#clock.after(ms, () => this.#onTimer());
  }

  #disarm(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#timerAtMs = Infinity;
  }

  #onTimer(): void {
    this.#stopTimer = undefined;
    this.#timerAtMs = Infinity;
    const now = this.#clock.now();
    const due: T[] = [];
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || (!first.isOver && first.deadlineAtMs > now)) break;
      this.#pop();
      first.isTimed = false;
      if (first.isOver) this.#over--;
      else due.push(first);
    }
    this.#arm();
    for (const entry of due) if (!entry.isOver) this.#onDue(entry);
  }

  #push(entry: T): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as T;
      if (parent.deadlineAtMs <= entry.deadlineAtMs) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as T;
    const n = heap.length;
    if (n === 0) return;
    let at = 0;
    for (;;) {
      let down = at * 2 + 1;
      if (down >= n) break;
      if (down + 1 < n && (heap[down + 1] as T).deadlineAtMs < (heap[down] as T).deadlineAtMs) {
        down++;
      }
      const child = heap[down] as T;
      if (child.deadlineAtMs >= last.deadlineAtMs) break;
      heap[at] = child;
      at = down;
    }
    heap[at] = last;
  }
}
