/**
 * Translation in six frames, and open reading frames: from stop to stop, open at the ends of the
 * sequence; the longest one of a sequence or all, never an average of frames.
 */
import { ORF_LENGTH_MIN } from "../limits.ts";
import { nativeStatus } from "./addon.ts";
import { checkCount } from "./checks.ts";
import { geneticCode } from "./codes.ts";
import { checked, type Force, type Sequences } from "./kmers.ts";
import { translatePlain } from "./plain/translate.ts";

/** Stretches of residues, back to back; the consumer owns the arrays. */
export interface Frames {
  /** Residues as capital letters; X where a codon isn't certain, `*` for a stop. */
  readonly residues: Uint8Array;
  /** Stretch i is residues[ends[i], ends[i + 1]); int32 [n + 1]. */
  readonly ends: Int32Array;
  /** The sequence it is of; int32 [n], rising. */
  readonly sequences: Int32Array;
  /** 1, 2, 3, or -1, -2, -3 on the other strand, counted from that strand's begin; int32 [n]. */
  readonly frames: Int32Array;
  /** Its bases are [begins[i], stops[i]) of the sequence as it stands; int32 [n]. */
  readonly begins: Int32Array;
  readonly stops: Int32Array;
}

export interface TranslateOptions {
  /** NCBI's number; default 1, the standard code. */
  readonly code?: number;
  /**
   * `frames`: all six, whole. `longest` (default): the longest open reading frame of a sequence, of
   * equal ones the first in the order +1 +2 +3 -1 -2 -3. `all`: all of them, in that order.
   */
  readonly orf?: "frames" | "longest" | "all";
  /** Shorter reading frames are left out; default ORF_LENGTH_MIN residues. */
  readonly lengthMin?: number;
}

/**
 * The frames of sequences, off the event loop. A sequence without a long enough one gives none.
 * @throws {RangeError | TypeError} for an unknown code, or when bases and ends don't fit together.
 */
export async function translate(
  sequences: Sequences,
  options: TranslateOptions = {},
  force?: Force,
): Promise<Frames> {
  const { code = 1, orf = "longest", lengthMin = ORF_LENGTH_MIN } = options;
  const { bases, ends } = checked(sequences);
  checkCount("lengthMin", lengthMin, 1, 2 ** 30);
  const raw = (force === undefined ? nativeStatus().addon?.translate : undefined) ?? translatePlain;
  return raw(bases, ends, geneticCode(code), MODES[orf], lengthMin);
}

/** The numbers of `enum class FrameMode` in kmers/frames.h. */
export const MODES = { frames: 0, longest: 1, all: 2 } as const;

export type RawTranslate = (
  bases: Uint8Array,
  ends: Int32Array,
  code: string,
  mode: number,
  lengthMin: number,
) => Promise<Frames>;
