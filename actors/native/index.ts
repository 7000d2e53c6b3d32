/**
 * Sequences at native speed: what actors use of the addon. Each function has a TypeScript form with
 * equal results, which takes over where the addon isn't built.
 */
export { nativeStatus, type NativeStatus } from "./addon.ts";
export { blockSize, type BlocksInflated, hasEndBlock, inflateBlocks } from "./bgzf.ts";
export { type Format, type RecordError } from "./faults.ts";
export {
  GzipError,
  type Inflated,
  inflateGzip,
  type InflateOptions,
  type RestartPoint,
} from "./gzip.ts";
export { RECORD_FLAGS, type RecordBatch } from "./records.ts";
export { namesOf, RecordScanner, type ScanOptions, type ScanStep } from "./scan.ts";
export {
  addKmerCounts,
  countTetramers,
  type KeyCounts,
  type KmerCounts,
  KmerTable,
  minimisers,
  type Sequences,
  Sketch,
  spectrumOf,
} from "./kmers.ts";
export {
  addQcCounts,
  QC_DEFAULTS,
  QC_ROW,
  QC_VERDICTS,
  QcCounter,
  type QcCounts,
  type QcOptions,
  type QcOutcome,
  type QcReads,
  type ReadSums,
} from "./qc.ts";
export { type Frames, translate, type TranslateOptions } from "./translate.ts";
