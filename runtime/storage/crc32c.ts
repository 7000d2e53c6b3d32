/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), the check of log segments and shards.
 * Slicing by 16 over aligned 32-bit words: 16 table look-ups advance 16 bytes, so that the loop
 * isn't bound to one dependent look-up a byte.
 */

const POLYNOMIAL = 0x82f63b78 | 0;
const SLICES = 16;
const TABLES = makeTables();

/**
 * The CRC-32C of `bytes` as 8 hex digits. Endianness: words are read little-endian, as all hosts
 * are.
 */
export function crc32c(bytes: Uint8Array): string {
  return (crc32cUpdate(0, bytes) >>> 0).toString(16).padStart(8, "0");
}

/**
 * The CRC of what `crc` covers followed by `bytes`; start with 0.
 * @returns an int32; `>>> 0` makes it unsigned.
 */
export function crc32cUpdate(crc: number, bytes: Uint8Array): number {
  const head = Math.min(bytes.length, -bytes.byteOffset & 3);
  const blocks = ((bytes.length - head) / SLICES) | 0;
  let state = updateBytes(~crc, bytes, 0, head);
  if (blocks > 0) {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + head, blocks * 4);
    state = updateBlocks(state, words);
  }
  return ~updateBytes(state, bytes, head + blocks * SLICES, bytes.length);
}

function updateBytes(start: number, bytes: Uint8Array, begin: number, end: number): number {
  const table = TABLES;
  let state = start;
  for (let i = begin; i < end; i++) {
    state = (state >>> 8) ^ at(table, (state ^ (bytes[i] as number)) & 255);
  }
  return state;
}

function updateBlocks(start: number, words: Int32Array): number {
  const t = TABLES;
  let state = start;
  for (let i = 0; i < words.length; i += 4) {
    const a = (words[i] as number) ^ state;
    const b = words[i + 1] as number;
    const c = words[i + 2] as number;
    const d = words[i + 3] as number;
    state =
      at(t, 3840 + (a & 255)) ^
      at(t, 3584 + ((a >>> 8) & 255)) ^
      at(t, 3328 + ((a >>> 16) & 255)) ^
      at(t, 3072 + (a >>> 24)) ^
      at(t, 2816 + (b & 255)) ^
      at(t, 2560 + ((b >>> 8) & 255)) ^
      at(t, 2304 + ((b >>> 16) & 255)) ^
      at(t, 2048 + (b >>> 24)) ^
      at(t, 1792 + (c & 255)) ^
      at(t, 1536 + ((c >>> 8) & 255)) ^
      at(t, 1280 + ((c >>> 16) & 255)) ^
      at(t, 1024 + (c >>> 24)) ^
      at(t, 768 + (d & 255)) ^
      at(t, 512 + ((d >>> 8) & 255)) ^
      at(t, 256 + ((d >>> 16) & 255)) ^
      at(t, d >>> 24);
  }
  return state;
}

/** Table k maps a byte to its effect k bytes later; the index is always in range. */
function at(table: Int32Array, index: number): number {
  return table[index] as number;
}

function makeTables(): Int32Array {
  const tables = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let state = byte;
    for (let bit = 0; bit < 8; bit++) state = (state >>> 1) ^ (state & 1 ? POLYNOMIAL : 0);
    tables[byte] = state;
  }
  for (let i = 256; i < tables.length; i++) {
    const before = at(tables, i - 256);
    tables[i] = (before >>> 8) ^ at(tables, before & 255);
  }
  return tables;
}
