/** What TypeScript checks before C++ computes. */

/** @throws {TypeError} for what isn't bytes, and for bytes whose memory went elsewhere. */
export function checkBytes(name: string, bytes: Uint8Array): void {
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`${name} isn't a Uint8Array`);
  checkAttached(name, bytes);
}

/** @throws {TypeError} for an array that was transferred, or that its buffer no longer holds. */
export function checkAttached(name: string, array: ArrayBufferView): void {
  const { buffer } = array;
  if (buffer instanceof ArrayBuffer && buffer.detached) {
    throw new TypeError(`${name} was transferred: its memory is elsewhere`);
  }
}

/** @throws {RangeError} for what isn't a whole number in [least, most]. */
export function checkCount(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${name} is ${value}; it must be a whole number in ${least}..${most}`);
}

/**
 * Ends of n pieces of `length` values: n + 1 of them, from 0 on, none falling, the last `length`.
 * @throws {RangeError} otherwise.
 */
export function checkEnds(name: string, ends: Int32Array, length: number): void {
  checkAttached(name, ends);
  let before = 0;
  for (const end of ends) {
    if (end < before) throw new RangeError(`${name} falls from ${before} to ${end}`);
    before = end;
  }
  if (ends.length > 0 && ends[0] === 0 && before === length) return;
  throw new RangeError(`${name} must begin with 0 and end with ${length}`);
}
