/** All chance of a simulation: numbers that follow from its seed, in an order that it decides. */
import { randomOf } from "../../unit/link/faults.ts";

/** A stream of chance. Streams of different names are independent of each other. */
export class Random {
  readonly #seed: number;
  readonly #next: () => number;

  constructor(seed: number) {
    this.#seed = seed;
    this.#next = randomOf(seed);
    // The first numbers of neighbouring seeds are alike.
    for (let i = 0; i < 4; i += 1) this.#next();
  }

  /** A stream of its own: what it gives doesn't depend on how often another one is asked. */
  fork(name: string): Random {
    let hash = this.#seed ^ 0x9e3779b9;
    for (let i = 0; i < name.length; i += 1)
      hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
    return new Random(hash >>> 0);
  }

  /** In [0, 1). */
  unit(): number {
    return this.#next();
  }

  chance(share: number): boolean {
    return this.#next() < share;
  }

  /** In [from, to). */
  between(from: number, to: number): number {
    return from + (to - from) * this.#next();
  }

  /** A whole number in [0, n). */
  below(n: number): number {
    return Math.floor(this.#next() * n);
  }

  /** Mostly near the mean's half, sometimes many times the mean. */
  exponential(mean: number): number {
    return -Math.log(1 - this.#next()) * mean;
  }

  /** @throws {RangeError} of nothing. */
  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError("nothing to pick from");
    return item;
  }

  hex(digits: number): string {
    let text = "";
    while (text.length < digits) text += this.below(16).toString(16);
    return text;
  }

  /** In the form of a random UUID. */
  uuid(): string {
    return [8, 4, 4, 4, 12].map((digits) => this.hex(digits)).join("-");
  }
}
