/** `ligase/actors`: FASTQ, encoders, and the sample. */
export { KmerEmbedder, TOO_SHORT } from "./embedder.ts";
export type { ReadBatch } from "./fastq/batch.ts";
export { sampleOf } from "./fastq/input.ts";
export { fastqSource } from "./fastq/source.ts";
export { minimisers, type Sequences } from "./native/index.ts";
export { type OrfOptions, type Orfs, type ProteinBatch, proteinsOf } from "./proteins/orfs.ts";
export { NO_ORF, type ProteinEncoder, ProteinStage } from "./proteins/stage.ts";
export { parseSampleSheet, type QcAsked, type SampleRow } from "./qc/index.ts";
export { ENCODERS, type Encoder, encoderOf } from "./model.ts";
export { type SampleOptions, writeSample } from "./sample.ts";
export { Embedder, readFastq, type ReadFastqOptions } from "./read-fastq.ts";
export { default as pipeline, type PipelineOptions, type PipelineResult } from "./pipeline.ts";
