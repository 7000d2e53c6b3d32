/**
 * The one linear scan of a received header, before anything is built from it: it bounds the
 * number of values, what they cost and the depth, holds every length against the end, and lets
 * through only the types of `wire.ts`. What passes can be decoded without a further bounds check.
 *
 * Estimate: one branch a byte of type, ~10 types a call, 256 calls: ~12 us. It doesn't recurse and
 * allocates nothing.
 */
import { SystemError } from "../errors.ts";
import { FRAME_COST_MAX, FRAME_DEPTH_MAX, FRAME_VALUES_MAX } from "../limits.ts";
import * as wire from "./wire.ts";

// Values still to come at each open level; one scan at a time, since it never yields.
const open = new Int32Array(FRAME_DEPTH_MAX + 2);

/** By type byte: what a value costs besides the one that each costs. */
const EXTRA_COST = extraCosts();
const REF_OVER_DATE = wire.COST_OBJECT_REF - wire.COST_DATE;
/** A date's longest form behind its type byte; a ref is longer. */
const LONG_DATE_BYTES = 14;
const BLOB_OVER_DATE = wire.COST_BLOB - wire.COST_DATE;

function extraCosts(): Uint8Array {
  const costs = new Uint8Array(256);
  costs.fill(wire.COST_MAP, 0x80, 0x90);
  costs.fill(wire.COST_ARRAY, 0x90, 0xa0);
  costs.fill(wire.COST_STRING, 0xa0, 0xc0);
  for (const type of [wire.STR8, wire.STR16, wire.STR32]) costs[type] = wire.COST_STRING;
  for (const type of [wire.ARRAY16, wire.ARRAY32]) costs[type] = wire.COST_ARRAY;
  for (const type of [wire.MAP16, wire.MAP32]) costs[type] = wire.COST_MAP;
  for (const type of [wire.UINT64, wire.INT64]) costs[type] = wire.COST_BIGINT;
  for (const type of [wire.FIXEXT4, wire.FIXEXT8, wire.EXT8]) costs[type] = wire.COST_DATE;
  return costs;
}

/** What the last scan found. */
export interface Scanned {
  values: number;
  /** In units of ~25 ns; new keys not included. */
  cost: number;
  /** Keys of all maps. */
  keys: number;
}

// One result for all scans: it is read before the next.
const scanned: Scanned = { values: 0, cost: 0, keys: 0 };

/**
 * What is in the header `bytes[start..end)`, which holds exactly one root value.
 *
 * @param bytes - a frame. Bounds: 0 <= start <= end <= bytes.length.
 * @throws {SystemError} FRAME_INVALID with the byte offset; nothing else is ever thrown.
 */
export function scanHeader(bytes: Uint8Array, start: number, end: number): Readonly<Scanned> {
  let at = start;
  let values = 0;
  let extra = 0;
  let keys = 0;
  let depth = 0;
  // Values left on this level; a finished level is left at once, so that empty ones can't pile up.
  let left = 1;
  while (true) {
    while (left === 0) {
      if (depth === 0) {
        if (at !== end) throw refused("bytes after the value", at);
        return found(values, extra, keys);
      }
      left = open[--depth] as number;
    }
    left--;
    if (++values > FRAME_VALUES_MAX) throw refused(`over ${FRAME_VALUES_MAX} values`, at);
    if (at >= end) throw refused("a value is cut off", at);
    const type = bytes[at++] as number;
    let children = -1;
    if (type < 0x80 || type >= 0xe0) continue;
    extra += EXTRA_COST[type] as number;
    if (values + extra > FRAME_COST_MAX) throw refused("too costly to decode", at);
    if (type < 0x90) children = (type & 15) * 2;
    else if (type < 0xa0) children = type & 15;
    else if (type < 0xc0) at += type & 31;
    else {
      const size = sizeOf(bytes, at, end, type);
      if (size >= 0) at += size;
      else {
        // Containers answer with the complement of their children.
        children = ~size;
        at += type === wire.ARRAY16 || type === wire.MAP16 ? 2 : 4;
      }
      if (type === wire.FIXEXT4 && bytes[at - 5] === wire.EXT_BLOB) extra += BLOB_OVER_DATE;
      else if (type === wire.EXT8 && size > LONG_DATE_BYTES) extra += REF_OVER_DATE;
    }
    if (at > end) throw refused("a length passes the end", at);
    if (children < 0) continue;
    if (depth >= FRAME_DEPTH_MAX) throw refused(`deeper than ${FRAME_DEPTH_MAX}`, at);
    if (children > end - at) throw refused("a count passes the end", at);
    if (type < 0x90 || type >= wire.MAP16) {
      keys += children >>> 1;
      if (children === 2 && bytes[at] === wire.NIL) extra += wire.COST_ERROR;
    }
    open[depth++] = left;
    left = children;
  }
}

function found(values: number, extra: number, keys: number): Readonly<Scanned> {
  const cost = values + extra;
  if (cost > FRAME_COST_MAX) throw refused("too costly to decode", 0);
  scanned.values = values;
  scanned.cost = cost;
  scanned.keys = keys;
  return scanned;
}

/** Bytes of content after the type byte, or the complement of the number of children. */
function sizeOf(bytes: Uint8Array, at: number, end: number, type: number): number {
  switch (type) {
    case wire.NIL:
    case wire.FALSE:
    case wire.TRUE:
      return 0;
    case wire.UINT8:
    case wire.INT8:
      return 1;
    case wire.UINT16:
    case wire.INT16:
      return 2;
    case wire.UINT32:
    case wire.INT32:
    case wire.FLOAT32:
      return 4;
    case wire.UINT64:
    case wire.INT64:
    case wire.FLOAT64:
      return 8;
    case wire.STR8:
      return 1 + number(bytes, at, end, 1);
    case wire.STR16:
      return 2 + number(bytes, at, end, 2);
    case wire.STR32:
      return 4 + number(bytes, at, end, 4);
    case wire.ARRAY16:
      return ~number(bytes, at, end, 2);
    case wire.ARRAY32:
      return ~count(bytes, at, end, 1);
    case wire.MAP16:
      return ~(number(bytes, at, end, 2) * 2);
    case wire.MAP32:
      return ~count(bytes, at, end, 2);
    default:
      return extensionSize(bytes, at, end, type);
  }
}

/** A 32-bit count, refused before its complement could overflow. */
function count(bytes: Uint8Array, at: number, end: number, each: 1 | 2): number {
  const items = number(bytes, at, end, 4);
  if (items > FRAME_VALUES_MAX) throw refused(`over ${FRAME_VALUES_MAX} values`, at);
  return items * each;
}

/** Exactly four extensions pass; everything else has no meaning here and would reach a decoder. */
function extensionSize(bytes: Uint8Array, at: number, end: number, type: number): number {
  // `undefined` past the end: compares unequal to every type.
  const first = at < end ? bytes[at] : undefined;
  const second = at + 1 < end ? bytes[at + 1] : undefined;
  if (type === wire.FIXEXT1 && first === wire.EXT_UNDEFINED && second === 0) return 2;
  if (type === wire.FIXEXT4 && (first === wire.EXT_DATE || first === wire.EXT_BLOB)) return 5;
  if (type === wire.FIXEXT8 && first === wire.EXT_DATE) return 9;
  if (type === wire.EXT8 && first === 12 && second === wire.EXT_DATE) return 14;
  if (type === wire.EXT8 && first === wire.OBJECT_REF_BYTES && second === wire.EXT_OBJECT_REF) {
    return 2 + wire.OBJECT_REF_BYTES;
  }
  throw refused(`type 0x${type.toString(16)} isn't allowed`, at - 1);
}

function number(bytes: Uint8Array, at: number, end: number, width: 1 | 2 | 4): number {
  if (end - at < width) throw refused("a length is cut off", at);
  let value = 0;
  for (let i = at; i < at + width; i++) value = value * 256 + (bytes[i] as number);
  return value;
}

function refused(what: string, byteOffset: number): SystemError {
  return new SystemError("FRAME_INVALID", `broken header: ${what}`, { byteOffset });
}
