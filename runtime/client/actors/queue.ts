/**
 * Calls that wait for a member, first come first served; any may leave the row.
 *
 * Invariant: `size` entries of the row haven't gone; those that have are skipped and dropped.
 */

interface Entry<Item> {
  readonly item: Item;
  /** Takes off what bounds its wait. */
  readonly release: () => void;
  gone: boolean;
}

/** Places at the row's front that are empty before they are cut off. */
const FRONT_MAX = 1_024;

export class Queue<Item> {
  #row: Entry<Item>[] = [];
  #front = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** @param isFirst - before all others. @returns what `remove` takes. */
  push(item: Item, release: () => void, isFirst = false): Entry<Item> {
    const entry = { item, release, gone: false };
    this.#size += 1;
    if (!isFirst) this.#row.push(entry);
    else if (this.#front > 0) this.#row[(this.#front -= 1)] = entry;
    else this.#row.unshift(entry);
    return entry;
  }

  remove(entry: Entry<Item>): void {
    if (entry.gone) return;
    entry.gone = true;
    this.#size -= 1;
  }

  /** The first one, its wait over; undefined when nobody waits. */
  shift(): Item | undefined {
    for (;;) {
      const first = this.#row[this.#front];
      if (first === undefined) return undefined;
      this.#front += 1;
      if (this.#front >= FRONT_MAX || this.#front === this.#row.length) {
        this.#row = this.#row.slice(this.#front);
        this.#front = 0;
      }
      if (first.gone) continue;
      this.remove(first);
      first.release();
      return first.item;
    }
  }
}
