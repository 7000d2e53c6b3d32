/**
 * At the seal: a sample's summaries become its reports. Sums are exact whatever the shards were; of
 * more distinct reads or k-mers than are kept, a sample by hash stands for all, and the files say
 * so. Memory: two summaries, whatever their number.
 */
import { basename } from "node:path";
import type { JsonObject, Merge, MergedFile, MergePart } from "../../../runtime/dataset/types.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { Sketch } from "../../native/kmers.ts";
import { decodeSummary } from "../codec.ts";
import { SUMMARIES_AT_ONCE } from "../limits.ts";
import { fastpJson, fastpReport } from "../report.ts";
import { repeatsOf } from "../seen.ts";
import { decisionsOf, type SampleDecisions } from "../shards/decisions.ts";
import { sourmashJson, spectrumSummary } from "../spectrum.ts";
import { addSummaries, emptySummary, type SampleSummary } from "../summary.ts";
import { warningsOf } from "../warnings.ts";
import { reportHtml } from "./html.ts";
import { sampleNames } from "./names.ts";
import { parseSampleQc, type SampleQc, sampleQcJson } from "./sample-qc.ts";

/** Name of the report of all samples. */
export const REPORT_FILE = "report.html";

/**
 * Files of each sample: `<sample>.fastp.json` (MultiQC reads it), `<sample>.qc.json` (decisions,
 * options, warnings, spectrum, lengths), `<sample>.sig` (sourmash reads it); and `report.html` of
 * all of them.
 */
export const mergeQc: Merge = { sample: mergeSample, all: mergeAll };

async function mergeSample(
  _options: JsonObject,
  parts: readonly MergePart[],
  samples: readonly string[],
): Promise<readonly MergedFile[]> {
  const [part] = parts;
  const decided = part === undefined ? undefined : decisionsOf(part.decisions).qc;
  if (part === undefined || decided === undefined) {
    throw new SystemError("INTERNAL", "a sample without quality control has summaries");
  }
  const { sample } = part.input;
  const name = sampleNames(samples).get(sample) ?? sample;
  const summary = await addAll(decided, parts);
  const { settings, decisions } = decided;
  const fastp = fastpJson(fastpReport({ sample, summary, settings, decisions }));
  return [
    { file: `${name}.fastp.json`, kind: "fastp", sample, bytes: Buffer.from(fastp) },
    { file: `${name}.qc.json`, kind: "qc", sample, bytes: sampleBytes(part, decided, summary) },
    ...sketchFile(part, name, summary),
  ];
}

/** Groups first, because what grows with the sample is copied at each addition. */
async function addAll(
  { shape }: SampleDecisions,
  parts: readonly MergePart[],
): Promise<SampleSummary> {
  let total = emptySummary(shape);
  let group = emptySummary(shape);
  let inGroup = 0;
  for (const part of parts) {
    for await (const { uri, bytes } of part.summaries()) {
      group = addSummaries(group, decodeSummary(bytes, uri));
      inGroup += 1;
      if (inGroup < SUMMARIES_AT_ONCE) continue;
      total = addSummaries(total, group);
      group = emptySummary(shape);
      inGroup = 0;
    }
  }
  return addSummaries(total, group);
}

function sampleBytes(
  { input }: MergePart,
  { settings, decisions, shape }: SampleDecisions,
  summary: SampleSummary,
): Buffer {
  const { sample, label } = input;
  const { rate, distinct, sampledOneOf } = repeatsOf(summary.reads);
  const lengths = (when: "before" | "after") =>
    summary.counts[when].slice(0, shape.mates).map((mate) => histogramOf(mate.lengths));
  const qc: SampleQc = {
    schema: 1,
    sample,
    ...(label === undefined ? {} : { label }),
    mates: shape.mates,
    decisions,
    settings,
    duplication: { rate, distinct, sampledOneOf },
    lengths: { before: lengths("before"), after: lengths("after") },
    ...(shape.k === 0 ? {} : { spectrum: spectrumSummary(shape.k, summary.kmers) }),
    warnings: warningsOf(sample, summary, decisions),
  };
  return Buffer.from(sampleQcJson(qc));
}

/** Lengths that occur, and how many reads have them. */
function histogramOf(lengths: Float64Array): [number, number][] {
  return Array.from(lengths.entries()).filter(([, count]) => count > 0);
}

function sketchFile(
  { input }: MergePart,
  name: string,
  { shape, sketch }: SampleSummary,
): readonly MergedFile[] {
  const { sketchK: k, scaled } = shape;
  if (k === 0) return [];
  const { sample, uri } = input;
  const { maxHash } = new Sketch(k, scaled);
  const json = sourmashJson([
    { name: sample, filename: basename(uri), k, maxHash, hashes: sketch },
  ]);
  return [{ file: `${name}.sig`, kind: "sourmash", sample, bytes: Buffer.from(json) }];
}

async function mergeAll(
  _options: JsonObject,
  samples: readonly string[],
  read: (file: string) => Promise<Uint8Array | undefined>,
): Promise<readonly MergedFile[]> {
  const reports = [];
  for (const [sample, name] of sampleNames(samples)) {
    const [fastp, qc] = [await read(`${name}.fastp.json`), await read(`${name}.qc.json`)];
    // A sample of FASTA has neither.
    if (fastp === undefined || qc === undefined) continue;
    const text = Buffer.from(fastp).toString("utf8");
    reports.push({ sample, name, fastp: JSON.parse(text), qc: parseSampleQc(qc) });
  }
  const html = reportHtml(reports);
  return [{ file: REPORT_FILE, kind: "html", bytes: Buffer.from(html) }];
}
