/** Sequence numbers are u32 and wrap: 1,600 frames a second do so in a month. */

/** The number after this one. */
export function next(sequence: number): number {
  return (sequence + 1) >>> 0;
}

/** How far `a` is after `b`; negative when it is before. Right within 2^31 of each other. */
export function distance(a: number, b: number): number {
  return (a - b) | 0;
}
