/**
 * Pure core. What became of each number of an owner: never heard of, a row, or over. Numbers rise
 * by 1 from 1, so that pages of them are full and a lookup is two steps; a page of which all is
 * over is one word, and nothing below `#floor`, where all is over. What this leader never hears of
 * is over when the owner says so.
 *
 * Estimate: 4 B a number in an open page of 4 KiB.
 */
const PAGE_BITS = 10;
const PAGE_NUMBERS = 1 << PAGE_BITS;
const PAGE_MASK = PAGE_NUMBERS - 1;

/** Entries that are no row. */
const UNSEEN = 0;
const OVER = -1;

interface Page {
  /** UNSEEN, OVER, or 1 more than a row. */
  readonly entries: Int32Array;
  over: number;
}

/** What a number may stand for. */
export type Known =
  | { readonly kind: "unseen" | "over" }
  | { readonly kind: "row"; readonly row: number };

const UNSEEN_KNOWN: Known = { kind: "unseen" };
const OVER_KNOWN: Known = { kind: "over" };

export class OwnerNumbers {
  readonly #pages = new Map<number, Page | "over">();
  #floor = 0;
  #open = 0;

  /** Pages that take memory: 4 KiB each. */
  get openPages(): number {
    return this.#open;
  }

  /** Pages known of, those that are over included. */
  get pages(): number {
    return this.#pages.size;
  }

  /** How many more pages there would be if these numbers, which rise, were known. */
  missing(numbers: Uint32Array): number {
    let missing = 0;
    let last = -1;
    for (const number of numbers) {
      const index = number >>> PAGE_BITS;
      if (index === last) continue;
      last = index;
      if (index >= this.#floor && !this.#pages.has(index)) missing += 1;
    }
    return missing;
  }

  /** The row of a number, or -1. */
  rowOf(number: number): number {
    const page = this.#pages.get(number >>> PAGE_BITS);
    if (page === undefined || page === "over") return -1;
    return Math.max(-1, (page.entries[number & PAGE_MASK] ?? 0) - 1);
  }

  get(number: number): Known {
    const index = number >>> PAGE_BITS;
    const page = this.#pages.get(index);
    if (page === "over" || index < this.#floor) return OVER_KNOWN;
    const entry = page?.entries[number & PAGE_MASK] ?? UNSEEN;
    if (entry === UNSEEN) return UNSEEN_KNOWN;
    return entry === OVER ? OVER_KNOWN : { kind: "row", row: entry - 1 };
  }

  /** @param number - unseen. */
  setRow(number: number, row: number): void {
    this.#page(number).entries[number & PAGE_MASK] = row + 1;
  }

  /** As if never heard of. @param number - one that is a row. */
  forget(number: number): void {
    this.#page(number).entries[number & PAGE_MASK] = UNSEEN;
  }

  /** @param number - one that isn't over. */
  setOver(number: number): void {
    const page = this.#page(number);
    page.entries[number & PAGE_MASK] = OVER;
    page.over += 1;
    if (page.over < PAGE_NUMBERS) return;
    this.#pages.set(number >>> PAGE_BITS, "over");
    this.#open -= 1;
    while (this.#pages.get(this.#floor) === "over") this.#raise();
  }

  /**
   * The owner has an outcome of all numbers below this one; a row among them stays till its worker
   * has said so.
   */
  setOverBelow(number: number): void {
    const end = number >>> PAGE_BITS;
    while (this.#floor < end) {
      const page = this.#pages.get(this.#floor);
      if (page !== undefined && page !== "over") {
        if (page.entries.some((entry) => entry > 0)) return;
        this.#open -= 1;
      }
      this.#raise();
    }
  }

  #raise(): void {
    this.#pages.delete(this.#floor);
    this.#floor += 1;
  }

  /** Rows of all numbers that have one. */
  *rows(): Generator<number> {
    for (const page of this.#pages.values()) {
      if (page === "over") continue;
      for (const entry of page.entries) if (entry > 0) yield entry - 1;
    }
  }

  #page(number: number): Page {
    const index = number >>> PAGE_BITS;
    const known = this.#pages.get(index);
    if (known !== undefined && known !== "over") return known;
    const page = { entries: new Int32Array(PAGE_NUMBERS), over: 0 };
    // There is no task 0.
    if (index === 0) page.over = 1;
    this.#pages.set(index, page);
    this.#open += 1;
    return page;
  }
}
