/**
 * Gzip inflated off the event loop: one member or many, every checksum checked, truncation told;
 * restart points on the way, from which any worker goes on; BGZF by blocks on several threads.
 */
import type { ErrorCode } from "../../runtime/errors.ts";
import { READ_CHUNK_BYTES } from "../../runtime/limits.ts";
import { nativeStatus } from "./addon.ts";
import { checkBytes, checkCount } from "./checks.ts";
import { PlainInflater } from "./plain/inflater.ts";

/** A place between two blocks of a gzip file; what is inflated from here on needs nothing else. */
export interface RestartPoint {
  /** Bits of the compressed file before it. */
  readonly bit: number;
  /** Inflated bytes of the file before it. */
  readonly out: number;
  /** Inflated bytes of its member before it, modulo 2^32, and their CRC-32. */
  readonly memberOut: number;
  readonly crc: number;
  /** A member begins here; the window is empty then. */
  readonly atMember: boolean;
  /** The last 32 KiB before it, or as many as its member has. */
  readonly window: Uint8Array;
}

/** A piece of what a gzip file holds. */
export interface Inflated {
  /** Never empty; the consumer owns it. */
  readonly bytes: Uint8Array;
  /** Points within or at the end of this piece. */
  readonly points: readonly RestartPoint[];
  /** Compressed bytes of the file read so far. */
  readonly consumed: number;
  /** Zero bytes after the last member so far; more than 0 is worth a warning. */
  readonly padding: number;
}

/** What a whole gzip stream came to. */
export type GzipEnd = Pick<Inflated, "consumed" | "padding">;

export interface InflateOptions {
  /** Inflated bytes between restart points, at least; 0 (default): none. */
  readonly spacing?: number;
  /** Where to go on; the source then begins at byte floor(bit / 8). */
  readonly from?: RestartPoint;
  /** Upper bound of a piece, bytes; default READ_CHUNK_BYTES. */
  readonly pieceBytes?: number;
  /** For tests. */
  readonly force?: "typescript";
}

/** A damaged stream. */
export class GzipError extends Error {
  readonly code: ErrorCode = "GZIP_CORRUPT";
  /** Compressed bytes read when it was found. */
  readonly byteOffset: number;
  readonly kind: keyof typeof GZIP_FAULTS;

  constructor(kind: keyof typeof GZIP_FAULTS, byteOffset: number) {
    super(MESSAGES[kind]);
    this.kind = kind;
    this.byteOffset = byteOffset;
  }
}

/** The numbers of `enum class GzipFault` in gzip/inflater.h. */
export const GZIP_FAULTS = { header: 1, data: 2, checksum: 3, cut: 4, tail: 5 } as const;

const MESSAGES: Readonly<Record<keyof typeof GZIP_FAULTS, string>> = {
  header: "no gzip member begins where one should",
  data: "the compressed data are damaged",
  checksum: "checksum or length differ from what the file says",
  cut: "the file ends inside a gzip member",
  tail: "bytes that are no gzip member follow the last one",
};

/**
 * What a gzip stream holds, in pieces; at its end, what was read of it in all.
 * @param source - compressed bytes in order; each array is copied before the next is asked for.
 * @throws {GzipError} after all pieces before the damage.
 */
export async function* inflateGzip(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: InflateOptions = {},
): AsyncGenerator<Inflated, GzipEnd> {
  const { spacing = 0, from, pieceBytes = READ_CHUNK_BYTES, force } = options;
  checkCount("spacing", spacing, 0, Number.MAX_SAFE_INTEGER);
  checkCount("pieceBytes", pieceBytes, 1, 2 ** 30);
  if (from !== undefined) checkPoint(from);
  const Native = force === "typescript" ? undefined : nativeStatus().addon?.GzipInflater;
  const raw: RawInflater =
    Native === undefined ? new PlainInflater(spacing, from) : new Native(spacing, from);
  for await (const bytes of source) {
    checkBytes("a piece of the source", bytes);
    raw.feed(bytes);
    yield* pieces(raw, pieceBytes);
  }
  raw.end();
  return yield* pieces(raw, pieceBytes);
}

/** The pieces that what was fed gives. */
async function* pieces(raw: RawInflater, pieceBytes: number): AsyncGenerator<Inflated, GzipEnd> {
  for (;;) {
    const { state, bytes, points, consumed, padding, fault } = await raw.next(pieceBytes);
    if (bytes.length > 0) yield { bytes, points, consumed, padding };
    if (state === INFLATE_STATES.fault) throw new GzipError(kindOf(fault), consumed);
    if (state !== INFLATE_STATES.full) return { consumed, padding };
  }
}

/** @throws {RangeError | TypeError} for a point that can't be one. */
function checkPoint({ bit, out, memberOut, crc, window }: RestartPoint): void {
  checkCount("bit", bit, 0, Number.MAX_SAFE_INTEGER);
  checkCount("out", out, 0, Number.MAX_SAFE_INTEGER);
  checkCount("memberOut", memberOut, 0, 2 ** 32 - 1);
  checkCount("crc", crc, 0, 2 ** 32 - 1);
  checkBytes("window", window);
  checkCount("the window's length", window.length, 0, 32 * 1024);
}

export function kindOf(fault: number): keyof typeof GZIP_FAULTS {
  for (const kind of ["header", "data", "checksum", "cut"] as const) {
    if (GZIP_FAULTS[kind] === fault) return kind;
  }
  return "tail";
}

/** The numbers of `GzipInflater::State` in gzip/inflater.h. */
export const INFLATE_STATES = { full: 0, needsInput: 1, ended: 2, fault: 3 } as const;

/** What C++ and the TypeScript form say of a step. */
export interface RawInflated extends Inflated {
  readonly state: number;
  readonly fault: number;
}

export interface RawInflater {
  feed(bytes: Uint8Array): void;
  end(): void;
  next(most: number): Promise<RawInflated>;
}
