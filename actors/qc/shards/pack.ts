/**
 * Arrays of whole numbers as few bytes: numbers of 7 bits a byte, lowest first; a run of zeros is a
 * zero and its length; of keys that rise, what each is more than the one before.
 */

const GROUP = 128;
/** Bytes of a number of 64 bits. */
const NUMBER_BYTES_MAX = 10;
const HALF = 2 ** 32;

/** Writes arrays one after the other. */
export class Packer {
  #bytes = new Uint8Array(64 * 1024);
  #used = 0;

  /** @param values - whole numbers, 0 <= value <= 2^53. */
  counts(values: Float64Array): void {
    for (let i = 0; i < values.length; i++) {
      const value = values[i] as number;
      this.#number(value);
      if (value !== 0) continue;
      const begin = i;
      while (values[i + 1] === 0) i++;
      this.#number(i - begin);
    }
  }

  /** @param keys - whole numbers that rise: < 2^53 as numbers, < 2^64 as bigints. */
  rising(keys: Float64Array | BigUint64Array): void {
    if (keys instanceof BigUint64Array) this.#wide(keys);
    else {
      let before = 0;
      for (const key of keys) {
        this.#number(key - before);
        before = key;
      }
    }
  }

  /** All that was written; the caller owns it. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#used);
  }

  /** Halves of 32 bits, because arithmetic of bigints is some 20 times as slow. */
  #wide(keys: BigUint64Array): void {
    const halves = new Uint32Array(keys.buffer, keys.byteOffset, keys.length * 2);
    let [low, high] = [0, 0];
    for (let i = 0; i < halves.length; i += 2) {
      const [nextLow, nextHigh] = [halves[i] as number, halves[i + 1] as number];
      const borrow = nextLow < low ? 1 : 0;
      this.#pair(nextLow - low + borrow * HALF, nextHigh - high - borrow);
      [low, high] = [nextLow, nextHigh];
    }
  }

  /** The low 28 bits first, so that all else fits a number. */
  #pair(low: number, high: number): void {
    if (high < 2 ** 21) {
      this.#number(high * HALF + low);
      return;
    }
    this.#room();
    let rest = high * 16 + Math.floor(low / 2 ** 28);
    for (let shift = 0; shift < 28; shift += 7) {
      this.#bytes[this.#used++] = ((low >>> shift) & 127) | GROUP;
    }
    for (; rest >= GROUP; rest = Math.floor(rest / GROUP)) {
      this.#bytes[this.#used++] = (rest % GROUP) + GROUP;
    }
    this.#bytes[this.#used++] = rest;
  }

  #number(value: number): void {
    this.#room();
    let rest = value;
    for (; rest >= GROUP; rest = Math.floor(rest / GROUP)) {
      this.#bytes[this.#used++] = (rest % GROUP) + GROUP;
    }
    this.#bytes[this.#used++] = rest;
  }

  #room(): void {
    if (this.#used + NUMBER_BYTES_MAX <= this.#bytes.length) return;
    const grown = new Uint8Array(this.#bytes.length * 2);
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/** Reads what a Packer wrote. @throws {RangeError} where the bytes end before. */
export class Unpacker {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whether nothing is left. */
  get isDone(): boolean {
    return this.#at === this.#bytes.length;
  }

  counts(length: number): Float64Array {
    const values = new Float64Array(length);
    for (let i = 0; i < length; i++) {
      const value = this.#number();
      values[i] = value;
      if (value !== 0) continue;
      i += this.#number();
      if (i >= length) throw new RangeError("a run of zeros is too long");
    }
    return values;
  }

  rising(length: number): Float64Array {
    const keys = new Float64Array(length);
    let key = 0;
    for (let i = 0; i < length; i++) {
      key += this.#number();
      keys[i] = key;
    }
    return keys;
  }

  wideRising(length: number): BigUint64Array {
    const keys = new BigUint64Array(length);
    const halves = new Uint32Array(keys.buffer);
    let [low, high] = [0, 0];
    for (let i = 0; i < halves.length; i += 2) {
      const [addedLow, addedHigh] = this.#pair();
      const sum = low + addedLow;
      low = sum % HALF;
      high += addedHigh + (sum >= HALF ? 1 : 0);
      halves[i] = low;
      halves[i + 1] = high;
    }
    return keys;
  }

  #number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= GROUP) {
      const byte = this.#byte();
      value += (byte % GROUP) * scale;
      if (byte < GROUP) return value;
    }
  }

  #pair(): readonly [number, number] {
    let [low, high] = [0, 0];
    for (let bits = 0; ; bits += 7) {
      const byte = this.#byte();
      const group = byte % GROUP;
      if (bits < 28) low += group * 2 ** bits;
      else if (bits === 28) {
        low += (group % 16) * 2 ** 28;
        high += Math.floor(group / 16);
      } else high += group * 2 ** (bits - 32);
      if (byte < GROUP) return [low, high];
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new RangeError("the bytes end within a number");
    return byte;
  }
}
