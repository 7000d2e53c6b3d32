/**
 * Qualities and the errors that keep to them: a mean for each cycle, a shift for each read, noise
 * for each base, the instrument's range and bins. A base of the quality that is written, q, is
 * wrong with probability 10^(-q/10), to within 2^-24, and each of the three others equally often.
 */
import { errorOfQuality, naturalLog } from "./draws.ts";
import { checkRange, checkWhole } from "./limits.ts";

export interface QualityModel {
  /** Mean qualities at equal distances from the first cycle to the last; lines between them. */
  readonly means: readonly number[];
  /** Standard deviation of a read's shift as a whole, normal. */
  readonly readSd: number;
  /** Standard deviation of a base's noise, logistic. */
  readonly baseSd: number;
  /** 2 <= min <= max <= 93; below 2 a base would be wrong more often than a guess. */
  readonly min: number;
  readonly max: number;
  /** Qualities that the instrument reports, rising; a base takes the nearest, of two the higher. */
  readonly bins?: readonly number[];
  /** False writes the true bases whatever the qualities say. Default true. */
  readonly errors?: boolean;
}

/** Models by name: shapes of the usual instruments, not fits to one run. */
export const QUALITY_MODELS = {
  /** Four colours, unbinned: rises over the first cycles, falls towards the end. */
  illumina: { means: [32, 37, 37, 36, 35, 33, 30, 26], readSd: 2, baseSd: 3, min: 2, max: 41 },
  /** Two colours, four bins. */
  binned: {
    ...{ means: [36, 37, 37, 36, 35, 34, 32], readSd: 2, baseSd: 4, min: 2, max: 37 },
    bins: [2, 12, 23, 37],
  },
  /** Single molecules: the same all along, reads differ. */
  long: { means: [15], readSd: 3, baseSd: 4, min: 2, max: 50 },
  /** 40 everywhere, and no errors. */
  perfect: { means: [40], readSd: 0, baseSd: 0, min: 2, max: 40, errors: false },
} as const satisfies Record<string, QualityModel>;

const DRAWS = 256;
/** Widest shift and noise; means are <= 93, so that every sum is an index of `written`. */
export const SHIFT_MAX = 60;
export const OFFSET = 2 * SHIFT_MAX;
const SUMS = OFFSET + 94 + 2 * SHIFT_MAX;
/** Logistic: scale = sd sqrt(3) / pi. */
const LOGISTIC_SCALE = Math.sqrt(3) / Math.PI;

/** A model's tables; the loop over a read's bases reads them. */
export interface QualityTables {
  /** Noise of a base by 8 random bits. */
  readonly noise: Int8Array;
  /** The quality that is written for mean + shift + noise + OFFSET. */
  readonly written: Uint8Array;
  /** Of 2^24 draws, how many are errors, by quality. */
  readonly errors: Int32Array;
}

/** @throws {SystemError} USAGE for a model out of bounds. */
export function qualityTables(model: QualityModel, phred: 33 | 64): QualityTables {
  checkModel(model, phred);
  const noise = Int8Array.from({ length: DRAWS }, (_, draw) => {
    const odds = (draw + 0.5) / (DRAWS - draw - 0.5);
    const wide = model.baseSd * LOGISTIC_SCALE * naturalLog(odds);
    return Math.max(-SHIFT_MAX, Math.min(SHIFT_MAX, Math.round(wide)));
  });
  const written = Uint8Array.from({ length: SUMS }, (_, sum) => {
    const quality = Math.max(model.min, Math.min(model.max, sum - OFFSET));
    return nearest(quality, model.bins);
  });
  const errors = Int32Array.from({ length: 94 }, (_, quality) =>
    model.errors === false ? 0 : Math.round(errorOfQuality(quality) * 2 ** 24),
  );
  return { noise, written, errors };
}

function nearest(quality: number, bins: readonly number[] = []): number {
  const above = bins.find((bin) => bin >= quality);
  const below = bins.findLast((bin) => bin <= quality);
  if (above === undefined || below === undefined) return above ?? below ?? quality;
  return above - quality <= quality - below ? above : below;
}

/** Mean quality of each of `length` cycles, whole numbers. */
export function cycleMeans({ means }: QualityModel, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, cycle) => {
    const place = length > 1 ? (cycle * (means.length - 1)) / (length - 1) : 0;
    const index = Math.min(Math.floor(place), means.length - 2);
    if (index < 0) return Math.round(means[0] as number);
    const [from = 0, to = 0] = means.slice(index, index + 2);
    return Math.round(from + (to - from) * (place - index));
  });
}

function checkModel({ means, readSd, baseSd, min, max, bins }: QualityModel, phred: number): void {
  checkWhole("number of mean qualities", means.length, 1, 10_000);
  for (const mean of means) checkRange("mean quality", mean, 0, 93);
  checkRange("readSd", readSd, 0, 30);
  checkRange("baseSd", baseSd, 0, 30);
  checkWhole("greatest quality", max, 2, 126 - phred);
  checkWhole("least quality", min, 2, max);
  for (const [index, bin] of (bins ?? []).entries())
    checkWhole("quality bin", bin, index === 0 ? 2 : (bins?.[index - 1] ?? 0) + 1, max);
}
