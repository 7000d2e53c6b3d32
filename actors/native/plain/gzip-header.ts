/** The header of a gzip member. Source: RFC 1952, section 2.3. */

const EXTRA = 4;
const NAME = 8;
const COMMENT = 16;
const HEADER_CHECK = 2;

/** Bytes of the header that `bytes` begin with; 0: it is none; undefined: more bytes are needed. */
export function headerSize(bytes: Uint8Array): number | undefined {
  const magic = [0x1f, 0x8b, 8];
  const isWrong = magic.some((byte, i) => i < bytes.length && bytes[i] !== byte);
  if (isWrong) return 0;
  if (bytes.length < 10) return undefined;
  const flags = bytes[3] as number;
  if ((flags & 0xe0) !== 0) return 0;
  let at = 10;
  if ((flags & EXTRA) !== 0) {
    if (bytes.length < at + 2) return undefined;
    at += 2 + ((bytes[at] as number) | ((bytes[at + 1] as number) << 8));
  }
  for (const text of [NAME, COMMENT]) {
    if ((flags & text) === 0) continue;
    const end = bytes.indexOf(0, at);
    if (end < 0) return undefined;
    at = end + 1;
  }
  if ((flags & HEADER_CHECK) !== 0) at += 2;
  return at <= bytes.length ? at : undefined;
}
