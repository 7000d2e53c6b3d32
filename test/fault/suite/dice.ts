/** Chance that follows from a seed: a run of the suite is drawn from it, and drawn again by it. */

export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** In [0, 1). Source: mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, `from <= it < to`. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from));
  }

  /** @throws {Error} when there is nothing to pick from. */
  pick<T>(from: readonly T[]): T {
    const picked = from[this.whole(0, from.length)];
    if (picked === undefined) throw new Error("nothing to pick from");
    return picked;
  }
}
