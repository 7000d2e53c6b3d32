/** `ligase/actors`: FASTQ, encoders, and the sample. */
export { KmerEmbedder, TOO_SHORT } from "./embedder.ts";
export type { ReadBatch } from "./fastq/batch.ts";
export { sampleOf } from "./fastq/input.ts";
export { fastqSource } from "./fastq/source.ts";
export { ENCODERS, type Encoder, encoderOf } from "./model.ts";
export { type SampleOptions, writeSample } from "./sample/simulate.ts";
export { Embedder, readFastq, type ReadFastqOptions } from "./read-fastq.ts";
export { default as pipeline, type PipelineOptions, type PipelineResult } from "./pipeline.ts";
