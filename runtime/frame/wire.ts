/**
 * The type bytes of MessagePack that cross, and our extension types. `bin` doesn't: bytes are
 * blobs.
 */

export const NIL = 0xc0;
export const FALSE = 0xc2;
export const TRUE = 0xc3;
export const EXT8 = 0xc7;
export const FLOAT32 = 0xca;
export const FLOAT64 = 0xcb;
export const UINT8 = 0xcc;
export const UINT16 = 0xcd;
export const UINT32 = 0xce;
/** 64-bit integers are always a bigint: numbers over 32 bits travel as FLOAT64. */
export const UINT64 = 0xcf;
export const INT8 = 0xd0;
export const INT16 = 0xd1;
export const INT32 = 0xd2;
export const INT64 = 0xd3;
export const FIXEXT1 = 0xd4;
export const FIXEXT4 = 0xd6;
export const FIXEXT8 = 0xd7;
export const STR8 = 0xd9;
export const STR16 = 0xda;
export const STR32 = 0xdb;
export const ARRAY16 = 0xdc;
export const ARRAY32 = 0xdd;
export const MAP16 = 0xde;
export const MAP32 = 0xdf;

/** FIXEXT1, data 0. */
export const EXT_UNDEFINED = 0;
/**
 * FIXEXT4: kind (a row of `BLOB_KINDS`), 0, index u16 little-endian; the n-th of a frame has
 * index n.
 */
export const EXT_BLOB = 1;
/**
 * EXT8 of OBJECT_REF_BYTES: id 16 bytes, size u64, job u64, the node's role and 6 bytes, role 0 for
 * none; then 1 and the index u16 of the blob with the object itself, or 0 and 0. Little-endian.
 */
export const EXT_OBJECT_REF = 2;
/** The timestamp of MessagePack, type -1, in its three forms. */
export const EXT_DATE = 0xff;

export const OBJECT_REF_BYTES = 42;

/**
 * What decoding costs, in units of ~25 ns, besides the one that every value costs. Both sides
 * count alike, so that what a sender packs is never refused for it.
 */
export const COST_STRING = 4;
export const COST_ARRAY = 2;
export const COST_MAP = 3;
/** A key costs as a string; the first one of its text in a frame costs this more. */
export const COST_NEW_KEY = 40;
/** A key that `isOddKey`. */
export const COST_ODD_KEY = 20;
export const COST_BIGINT = 1;
export const COST_DATE = 3;
export const COST_BLOB = 15;
export const COST_OBJECT_REF = 55;
export const COST_ERROR = 80;

/**
 * Whether a key, the `n`-th of its object, makes the engine work: `__proto__`, which has to be
 * defined, or an index far behind the fields before it; for the one field "1023" it would make
 * room of 12 KB.
 */
export function isOddKey(key: string, n: number): boolean {
  const first = key.charCodeAt(0);
  if (first === 95) return key === "__proto__";
  if (!(first >= 48 && first <= 57) || key.length > 10) return false;
  return Number(key) > 64 + 2 * n;
}
