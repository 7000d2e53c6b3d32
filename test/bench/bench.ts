/** What a bench is, and how its figure is printed. One file a number that we publish. */

export interface BenchResult {
  readonly name: string;
  readonly unit: string;
  /** Median of our runs. */
  readonly ours: number;
  /** Median of each rival's runs in the same session; one that isn't installed is "not run". */
  readonly rivals: Readonly<Record<string, number | "not run">>;
  /** Runs of ours, in order. */
  readonly runs: readonly number[];
  /** Further measured figures of the same runs, by name with unit. */
  readonly also?: Readonly<Record<string, number>>;
}

export interface Bench {
  readonly name: string;
  /** @param runs - how often each side runs. */
  run(runs: number): Promise<BenchResult>;
}

/** Milliseconds of one thing done often, none of them a rival's. */
export function spreadOf(name: string, tookMs: readonly number[]): BenchResult {
  const also = { "p99, ms": quantile(tookMs, 0.99), "slowest, ms": Math.max(...tookMs) };
  return { name, unit: "ms", ours: median(tookMs), runs: tookMs, rivals: {}, also };
}

/** The middle value; the mean of the two middle ones of an even number. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  if (upper === undefined || lower === undefined) throw new Error("no value");
  return (upper + lower) / 2;
}

/** The smallest value that is no less than `share` of all. @param share - in (0, 1]. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const found = sorted[Math.ceil(share * sorted.length) - 1];
  if (found === undefined) throw new Error("no value");
  return found;
}
