/**
 * Quality control of samples: options and presets, what planning decides from the first reads,
 * summaries of shards that add up, and what is written of them.
 */
export { decodeSummary, encodeSummary } from "./codec.ts";
export {
  counterOptions,
  QC_OPTION_NAMES,
  QC_PRESETS,
  type QcGiven,
  type QcPreset,
  qcSettings,
  type QcSettings,
} from "./options.ts";
export {
  probeSample,
  type QcDecisions,
  qualityLeast,
  type ReadStart,
  readStart,
} from "./probe.ts";
export { REPORT_FILE } from "./seal/merge.ts";
export { askedOf, type QcAsked } from "./shards/decisions.ts";
export { withQc } from "./shards/source.ts";
export { parseSampleSheet, type SampleRow } from "./sheet.ts";
export { fastpJson, type FastpReport, fastpReport, type ReportOf } from "./report.ts";
export { type Repeats, repeatsOf, type Seen } from "./seen.ts";
export { sourmashJson, type SketchOf, spectrumSummary, type SpectrumSummary } from "./spectrum.ts";
export {
  addSummaries,
  emptySummary,
  type Kept,
  SampleCounter,
  type SampleSummary,
  SUMMARY_DEFAULTS,
  type SummaryReads,
  type SummaryShape,
} from "./summary.ts";
export {
  NO_READER_WARNINGS,
  type QcWarning,
  type ReaderWarnings,
  type Warned,
  warningsOf,
} from "./warnings.ts";
