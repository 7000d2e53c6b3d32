/**
 * Strings from bytes. Names, ids and keys repeat from item to item: short ones come from a table
 * of the last seen, which spares the native call and the allocation (10-20 ns against 60,
 * measured).
 */

/** Strings up to here go through the table. */
const SHORT_MAX = 16;
const SLOTS = 2048;
const table = new Array<string>(SLOTS).fill("");

/** The UTF-8 string `buffer[at..at + n)`; broken UTF-8 becomes U+FFFD. */
export function readString(buffer: Buffer, at: number, n: number): string {
  if (n > SHORT_MAX) return buffer.toString("utf8", at, at + n);
  if (n === 0) return "";
  // Four bytes choose the slot; a clash costs what no table would.
  const ends = byte(buffer, at) * 31 + byte(buffer, at + n - 1) * 7;
  const middle = byte(buffer, at + (n >> 1)) * 57 + byte(buffer, at + (n >> 2)) * 101;
  const slot = (n * 131 + ends + middle) & (SLOTS - 1);
  const known = table[slot] as string;
  if (known.length === n && equals(known, buffer, at)) return known;
  if (!isAscii(buffer, at, n)) return buffer.toString("utf8", at, at + n);
  const fresh = buffer.toString("latin1", at, at + n);
  table[slot] = fresh;
  return fresh;
}

function equals(text: string, buffer: Buffer, at: number): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) !== buffer[at + i]) return false;
  }
  return true;
}

function isAscii(buffer: Buffer, at: number, n: number): boolean {
  let bits = 0;
  for (let i = at; i < at + n; i++) bits |= byte(buffer, i);
  return bits < 0x80;
}

function byte(buffer: Buffer, at: number): number {
  return buffer[at] as number;
}
