/**
 * The 40 bytes that every frame starts with, little-endian. An agent that forwards a frame reads
 * these alone; so does a stream that looks for a frame's end.
 *
 * Invariants: 40 <= headerLength + 40 <= length = bytes of the whole frame <= FRAME_BYTES_MAX.
 */
import { SystemError } from "../errors.ts";
import type { ProcessId } from "../ids.ts";
import { FRAME_BYTES_MAX } from "../limits.ts";

export const FRAME_VERSION = 1;
/** Bytes of the prefix. */
export const PREFIX_BYTES = 40;
/** Lane of acks, credits, cancels and closes: needs no credits. */
export const LANE_CONTROL = 0;
/** Lane of calls, replies and stream items. */
export const LANE_DATA = 1;
/** The sender is the side that accepted the link; without it, the side that opened it. */
export const FLAG_ACCEPTOR = 1;
/** Bare prefix: is the process there? Its agent answers for it when it can see that it runs. */
export const FLAG_PING = 2;
/** Bare prefix: it is. */
export const FLAG_PONG = 4;
/** The source's process ended; its agent says so in its name. The value is the reason. */
export const FLAG_DIED = 8;
/** The sender knows nothing of this link any more. */
export const FLAG_RESET = 16;
/** Bare prefix: frames from `sequence` on are missing, send them again. */
export const FLAG_RESEND = 32;
/** Bare prefix: `sequence` is the last frame sent, say how far you are. */
export const FLAG_SYNC = 64;
/** Flag bits that this version knows; a frame with any other is refused. */
export const FRAME_FLAGS_KNOWN = 127;

export type Lane = typeof LANE_CONTROL | typeof LANE_DATA;

/** What a sender says about a frame; its lengths follow from the content. */
export interface PrefixFields {
  readonly lane: Lane;
  /** Bits of FRAME_FLAGS_KNOWN. */
  readonly flags: number;
  readonly destination: ProcessId;
  readonly source: ProcessId;
  /** u32: the link between the two processes. */
  readonly link: number;
  /** u32: number of this frame in its direction of the link, over both lanes; wraps. */
  readonly sequence: number;
  /** u32: last frame of the other direction that was received with all before it. */
  readonly ack: number;
}

export interface Prefix extends PrefixFields {
  /** Bytes of the whole frame, prefix included. */
  readonly length: number;
  /** Bytes of the header that follows the prefix; blobs come after it. */
  readonly headerLength: number;
}

// Offsets in the prefix; version, lane and flags are the first four bytes.
const AT_LENGTH = 4;
const AT_DESTINATION = 8;
const AT_SOURCE = 16;
const AT_LINK = 24;
const AT_SEQUENCE = 28;
const AT_ACK = 32;
const AT_HEADER_LENGTH = 36;

/**
 * Writes the prefix at the start of `bytes`; ids that aren't 16 hex digits are a mistake of ours.
 */
export function writePrefix(
  bytes: Uint8Array,
  fields: PrefixFields,
  lengths: { readonly length: number; readonly headerLength: number },
): void {
  bytes[0] = FRAME_VERSION;
  bytes[1] = fields.lane;
  bytes[2] = fields.flags;
  bytes[3] = fields.flags >>> 8;
  writeU32(bytes, AT_LENGTH, lengths.length);
  writeProcess(bytes, AT_DESTINATION, fields.destination);
  writeProcess(bytes, AT_SOURCE, fields.source);
  writeU32(bytes, AT_LINK, fields.link);
  writeU32(bytes, AT_SEQUENCE, fields.sequence);
  writeU32(bytes, AT_ACK, fields.ack);
  writeU32(bytes, AT_HEADER_LENGTH, lengths.headerLength);
}

/** The header's length alone, of bytes that are at least a prefix. */
export function readHeaderLength(bytes: Uint8Array): number {
  return readU32(bytes, AT_HEADER_LENGTH);
}

/** Puts a newer ack into a built frame, as a resend needs it. */
export function writeAck(frame: Uint8Array, ack: number): void {
  writeU32(frame, AT_ACK, ack);
}

/** Numbers a built frame: it is numbered when it leaves, not when it was packed. */
export function writeSequence(frame: Uint8Array, sequence: number): void {
  writeU32(frame, AT_SEQUENCE, sequence);
}

/** A frame that is its prefix alone: pure acks, PING, PONG, RESEND, SYNC, RESET. */
export function bareFrame(fields: PrefixFields): Uint8Array {
  const frame = new Uint8Array(PREFIX_BYTES);
  writePrefix(frame, fields, { length: PREFIX_BYTES, headerLength: 0 });
  return frame;
}

/**
 * Whether an undecoded frame is the link layer's: its link isn't 0, or it tells of a process that
 * ended. @throws {SystemError} FRAME_INVALID when it is under 40 bytes.
 */
export function isLinkFrame(frame: Uint8Array): boolean {
  if (frame.length < PREFIX_BYTES) throw invalid("shorter than its prefix", frame.length);
  return readU32(frame, AT_LINK) !== 0 || (byte(frame, 2) & FLAG_DIED) !== 0;
}

/**
 * The checked prefix of one whole frame.
 *
 * @throws {SystemError} FRAME_VERSION, FRAME_TOO_LARGE, or FRAME_INVALID when a length, the lane
 * or a flag is wrong.
 */
export function readPrefix(bytes: Uint8Array): Prefix {
  const length = frameLengthOf(bytes, 0, bytes.length);
  if (bytes.length < PREFIX_BYTES) throw invalid("shorter than its prefix", bytes.length);
  if (length !== bytes.length)
    throw invalid(`says ${length} bytes, has ${bytes.length}`, AT_LENGTH);
  const lane = byte(bytes, 1);
  if (lane !== LANE_CONTROL && lane !== LANE_DATA) throw invalid(`lane ${lane}`, 1);
  const flags = byte(bytes, 2) | (byte(bytes, 3) << 8);
  if ((flags & ~FRAME_FLAGS_KNOWN) !== 0) throw invalid(`flags ${flags}`, 2);
  const headerLength = readU32(bytes, AT_HEADER_LENGTH);
  if (headerLength > length - PREFIX_BYTES) {
    throw invalid(`header of ${headerLength} bytes in ${length}`, AT_HEADER_LENGTH);
  }
  return {
    lane,
    flags,
    length,
    destination: readProcess(bytes, AT_DESTINATION),
    source: readProcess(bytes, AT_SOURCE),
    link: readU32(bytes, AT_LINK),
    sequence: readU32(bytes, AT_SEQUENCE),
    ack: readU32(bytes, AT_ACK),
    headerLength,
  };
}

/** Bytes of a stream that must be there before `frameLengthOf` can answer. */
export const FRAME_LENGTH_BYTES = AT_LENGTH + 4;

/**
 * Length of the frame that starts at `offset`, of which the bytes up to `end` have come.
 *
 * @throws {SystemError} FRAME_VERSION, FRAME_TOO_LARGE, or FRAME_INVALID when it is under 40
 * bytes or fewer than FRAME_LENGTH_BYTES are there.
 */
export function frameLengthOf(bytes: Uint8Array, offset: number, end: number): number {
  if (end - offset < FRAME_LENGTH_BYTES) throw invalid("shorter than its prefix", end - offset);
  const version = byte(bytes, offset);
  if (version !== FRAME_VERSION) {
    throw new SystemError("FRAME_VERSION", `frame version ${version}, not ${FRAME_VERSION}`);
  }
  const length = readU32(bytes, offset + AT_LENGTH);
  if (length > FRAME_BYTES_MAX) {
    throw new SystemError(
      "FRAME_TOO_LARGE",
      `a frame of ${length} bytes; at most ${FRAME_BYTES_MAX}`,
    );
  }
  if (length < PREFIX_BYTES) throw invalid(`length ${length}`, AT_LENGTH);
  return length;
}

/** Where an undecoded frame goes. @throws {SystemError} FRAME_INVALID when it is under 40 bytes. */
export function destinationOf(frame: Uint8Array): ProcessId {
  if (frame.length < PREFIX_BYTES) throw invalid("shorter than its prefix", frame.length);
  return readProcess(frame, AT_DESTINATION);
}

/** Who sent an undecoded frame. @throws {SystemError} FRAME_INVALID when it is under 40 bytes. */
export function sourceOf(frame: Uint8Array): ProcessId {
  if (frame.length < PREFIX_BYTES) throw invalid("shorter than its prefix", frame.length);
  return readProcess(frame, AT_SOURCE);
}

// Ids come back as interned strings: a direct-mapped table of the last ones seen, so that a frame
// costs two compares and no new string. A collision costs one conversion.
const KNOWN = 512;
const knownHigh = new Uint32Array(KNOWN);
const knownLow = new Uint32Array(KNOWN);
const knownIds = new Array<ProcessId>(KNOWN).fill("0000000000000000" as ProcessId);

/** The u64 at `offset` as a ProcessId. */
export function readProcess(bytes: Uint8Array, offset: number): ProcessId {
  const low = readU32(bytes, offset);
  const high = readU32(bytes, offset + 4);
  const slot = (low ^ (high >>> 7)) & (KNOWN - 1);
  if (knownLow[slot] === low && knownHigh[slot] === high) return knownIds[slot] as ProcessId;
  const id = (hex32(high) + hex32(low)) as ProcessId;
  knownHigh[slot] = high;
  knownLow[slot] = low;
  knownIds[slot] = id;
  return id;
}

/** Writes a ProcessId as a u64. */
export function writeProcess(bytes: Uint8Array, offset: number, id: ProcessId): void {
  if (id.length !== 16) throw new SystemError("INTERNAL", `not a process id: ${id}`);
  writeU32(bytes, offset, parseHex32(id, 8));
  writeU32(bytes, offset + 4, parseHex32(id, 0));
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, "0");
}

function parseHex32(text: string, start: number): number {
  let value = 0;
  for (let i = start; i < start + 8; i++) {
    const c = text.charCodeAt(i);
    // Digits stand at 48..57, `a`..`f` at 97..102.
    const digit = c <= 57 ? c - 48 : c - 87;
    if (digit < 0 || digit > 15 || (c > 57 && c < 97)) {
      throw new SystemError("INTERNAL", `not a process id: ${text}`);
    }
    value = (value << 4) | digit;
  }
  return value >>> 0;
}

/** u32 at `offset`, little-endian. The caller has checked the length. */
export function readU32(bytes: Uint8Array, offset: number): number {
  const high = byte(bytes, offset + 2) | (byte(bytes, offset + 3) << 8);
  return (byte(bytes, offset) | (byte(bytes, offset + 1) << 8) | (high << 16)) >>> 0;
}

export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value;
  bytes[offset + 1] = value >>> 8;
  bytes[offset + 2] = value >>> 16;
  bytes[offset + 3] = value >>> 24;
}

function byte(bytes: Uint8Array, offset: number): number {
  return bytes[offset] as number;
}

function invalid(what: string, byteOffset: number): SystemError {
  return new SystemError("FRAME_INVALID", `broken prefix: ${what}`, { byteOffset });
}
