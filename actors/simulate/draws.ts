/**
 * Draws from distributions that are the same on every machine and in every version of the engine:
 * integers, and doubles made by + - * / and the square root alone, which IEEE 754 rounds one way.
 * (Math.log, Math.exp, Math.cos and ** may differ in their last digit, and a simulated file with
 * them.)
 */

const LN_TERMS = 14;
const EXP_TERMS = 20;

/**
 * Random numbers by a seed: sfc32 (Doty-Humphrey, 128 bits of state), seeded through splitmix32.
 * The same seed gives the same numbers on every machine: 32-bit integer arithmetic alone.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param seed - an integer; @param stream - numbers of different streams don't meet. */
  constructor(seed: number, stream = 0) {
    let state = (Math.imul(seed | 0, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b)) | 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let mixed = state ^ (state >>> 16);
      mixed = Math.imul(mixed, 0x21f0aaad);
      mixed ^= mixed >>> 15;
      mixed = Math.imul(mixed, 0x735a2d97);
      return mixed ^ (mixed >>> 15);
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    for (let i = 0; i < 12; i++) this.next();
  }

  /** The next 32 bits, as an integer 0..2^32 - 1. */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
}

/** A whole number 0..limit - 1; 1 <= limit <= 2^30, bias < limit / 2^32. */
export function below(random: Random, limit: number): number {
  return Math.floor((random.next() * limit) / 2 ** 32);
}

/** A number of [0, 1) with 32 bits. */
export function uniform(random: Random): number {
  return random.next() / 2 ** 32;
}

/** True with this probability, to within 2^-32. */
export function chance(random: Random, probability: number): boolean {
  return random.next() < probability * 2 ** 32;
}

/** A draw of the standard normal distribution. Source: Marsaglia's polar method. */
export function gaussian(random: Random): number {
  for (;;) {
    const x = 2 * uniform(random) - 1;
    const y = 2 * uniform(random) - 1;
    const square = x * x + y * y;
    if (square > 0 && square < 1) return x * Math.sqrt((-2 * naturalLog(square)) / square);
  }
}

/** ln x for a finite x > 0, to within 1e-14 of its size: 2 artanh((m - 1)/(m + 1)) + k ln 2. */
export function naturalLog(x: number): number {
  let mantissa = x;
  let exponent = 0;
  for (; mantissa > Math.SQRT2; exponent++) mantissa /= 2;
  for (; mantissa < Math.SQRT1_2; exponent--) mantissa *= 2;
  const ratio = (mantissa - 1) / (mantissa + 1);
  let sum = 0;
  for (let term = LN_TERMS; term >= 0; term--) sum = sum * ratio * ratio + 1 / (2 * term + 1);
  return 2 * ratio * sum + exponent * Math.LN2;
}

/** e^x for |x| <= 700, to within 1e-13 of its size: a Taylor series on |r| <= ln 2 / 2. */
export function exponential(x: number): number {
  const exponent = Math.round(x / Math.LN2);
  const rest = x - exponent * Math.LN2;
  let sum = 1;
  for (let term = EXP_TERMS; term >= 1; term--) sum = 1 + (sum * rest) / term;
  const factor = exponent < 0 ? 0.5 : 2;
  for (let i = Math.abs(exponent); i > 0; i--) sum *= factor;
  return sum;
}

/** The probability that a base of Phred quality q is wrong: 10^(-q/10). */
export function errorOfQuality(quality: number): number {
  return exponential((-quality / 10) * Math.LN10);
}

/** Indexes with given shares. Invariant: `ends` never falls and ends with 2^32. */
export class Shares {
  readonly #ends: Float64Array;

  /** @param weights - finite, none negative, sum > 0; a weight of 0 is never drawn. */
  constructor(weights: readonly number[]) {
    const sum = weights.reduce((total, weight) => total + weight, 0);
    let running = 0;
    this.#ends = Float64Array.from(weights, (weight) => {
      running += weight;
      return Math.round((running / sum) * 2 ** 32);
    });
    // Rounding of the sum must not let the last draws fall behind the last positive weight.
    const last = weights.findLastIndex((weight) => weight > 0);
    this.#ends.fill(2 ** 32, last);
  }

  pick(random: Random): number {
    const draw = random.next();
    let low = 0;
    let high = this.#ends.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (draw < (this.#ends[middle] as number)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/**
 * Whole numbers with the given shares that sum to `total`: each share is rounded down, what is
 * left goes to the largest remainders, ties to the first.
 */
export function apportion(total: number, shares: readonly number[]): number[] {
  const sum = shares.reduce((running, share) => running + share, 0);
  const exact = shares.map((share) => (share / sum) * total);
  const counts = exact.map(Math.floor);
  let left = total - counts.reduce((running, count) => running + count, 0);
  const order = exact
    .map((value, index) => ({ index, rest: value - Math.floor(value) }))
    .toSorted((a, b) => b.rest - a.rest || a.index - b.index);
  for (const { index } of order) {
    if (left-- <= 0) break;
    counts[index] = (counts[index] as number) + 1;
  }
  return counts;
}
