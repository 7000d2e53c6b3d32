/**
 * Strings from bytes. Names, ids and keys repeat from item to item: short ones come from a table
 * of the last seen, which spares the native call and the allocation (10-20 ns against 60,
 * measured).
 */

/** Strings up to here go through the table. */
const SHORT_MAX = 16;
const SLOTS = 2048;
const table = new Array<string>(SLOTS).fill("");

/** Keys up to here go through a table of their own. */
const KEY_MAX = 40;
const KEY_SLOTS = 2048;
const keys = new Array<string>(KEY_SLOTS).fill("");
/** Whether a key of the table is the engine's own copy of it: as a field's name it is at hand. */
const internal = new Uint8Array(KEY_SLOTS);

/** The UTF-8 string `buffer[at..at + n)`; broken UTF-8 becomes U+FFFD. */
export function readString(buffer: Buffer, at: number, n: number): string {
  if (n > SHORT_MAX) return buffer.toString("utf8", at, at + n);
  if (n === 0) return "";
  const slot = slotOf(buffer, at, n) & (SLOTS - 1);
  const known = table[slot] as string;
  if (known.length === n && equals(known, buffer, at)) return known;
  if (!isAscii(buffer, at, n)) return buffer.toString("utf8", at, at + n);
  const fresh = buffer.toString("latin1", at, at + n);
  table[slot] = fresh;
  return fresh;
}

/** What a key was, besides its text. */
export interface ReadKey {
  text: string;
  /** Its place in the table: the same for the same text; -1 when it isn't there. */
  slot: number;
  /** Whether it stood in the table already. */
  isKnown: boolean;
}

/** Reads a key as `readString` does, into `into`. */
export function readKey(buffer: Buffer, at: number, n: number, into: ReadKey): void {
  if (n > KEY_MAX || n === 0) {
    into.text = readString(buffer, at, n);
    into.slot = -1;
    into.isKnown = n === 0;
    return;
  }
  const slot = slotOf(buffer, at, n) & (KEY_SLOTS - 1);
  const known = keys[slot] as string;
  into.slot = slot;
  into.isKnown = known.length === n && equals(known, buffer, at);
  if (into.isKnown) {
    into.text = internal[slot] === 1 ? known : internalize(known, slot);
    return;
  }
  if (!isAscii(buffer, at, n)) {
    into.text = buffer.toString("utf8", at, at + n);
    into.slot = -1;
    return;
  }
  into.text = buffer.toString("latin1", at, at + n);
  keys[slot] = into.text;
  internal[slot] = 0;
}

/** The engine's own copy of a key that came a second time. */
function internalize(text: string, slot: number): string {
  const [own = text] = Object.keys({ [text]: 0 });
  keys[slot] = own;
  internal[slot] = 1;
  return own;
}

/** Four bytes choose the slot; a clash costs what no table would. */
function slotOf(buffer: Buffer, at: number, n: number): number {
  const ends = byte(buffer, at) * 31 + byte(buffer, at + n - 1) * 7;
  const middle = byte(buffer, at + (n >> 1)) * 57 + byte(buffer, at + (n >> 2)) * 101;
  return n * 131 + ends + middle;
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
