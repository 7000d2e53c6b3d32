/**
 * How the reads of a batch are put into runs of the session: by length, so that padding is bounded,
 * and in record order within a length. A function of the token counts alone.
 */
import { SESSION_ROWS_MAX, SESSION_TOKENS_MAX } from "../../runtime/limits.ts";

/**
 * Reads of one run; every one has at most `length` tokens, and more than 7/8 of it or length - 16.
 */
export interface Run {
  /** l of the session's input [b, l]. */
  readonly length: number;
  /**
   * Indices into the batch, rising. 1 <= b <= SESSION_ROWS_MAX; b l <= SESSION_TOKENS_MAX or b =
   * 1.
   */
  readonly reads: readonly number[];
}

/**
 * Runs that hold every read with at least `tokensMin` tokens once.
 * @param counts - tokens of each read, int32 [n].
 */
export function composeRuns(counts: Int32Array, tokensMin: number): readonly Run[] {
  const byLength = new Map<number, number[]>();
  for (let read = 0; read < counts.length; read++) {
    const tokens = counts[read] as number;
    if (tokens < tokensMin) continue;
    const length = paddedLength(tokens);
    const reads = byLength.get(length);
    if (reads === undefined) byLength.set(length, [read]);
    else reads.push(read);
  }
  const lengths = [...byLength.keys()].sort((a, b) => a - b);
  return lengths.flatMap((length) => cut(length, byLength.get(length) ?? []));
}

/** Rounded up to an eighth of the power of two below, at least to a multiple of 16. */
export function paddedLength(tokens: number): number {
  const power = 31 - Math.clz32(Math.max(1, tokens - 1));
  const step = Math.max(16, 2 ** (power - 3));
  return Math.ceil(tokens / step) * step;
}

function cut(length: number, reads: readonly number[]): readonly Run[] {
  const rows = Math.min(SESSION_ROWS_MAX, Math.max(1, Math.floor(SESSION_TOKENS_MAX / length)));
  const runs: Run[] = [];
  for (let begin = 0; begin < reads.length; begin += rows) {
    runs.push({ length, reads: reads.slice(begin, begin + rows) });
  }
  return runs;
}
