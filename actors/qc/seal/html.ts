/**
 * The report of all samples for people: one page, self-contained, without a script and without
 * network. What it says of a sample is what its files say.
 */
import { REPORT_SAMPLES_MAX } from "../limits.ts";
import type { FastpReads, FastpReport, FastpTotals } from "../report.ts";
import type { LengthCounts, SampleQc } from "./sample-qc.ts";
import { escaped, type Line, plotSvg } from "./svg.ts";

/** A sample's files. */
export interface ReportSample {
  readonly sample: string;
  /** How its files' names begin. */
  readonly name: string;
  readonly fastp: FastpReport;
  readonly qc: SampleQc;
}

/** The page; equal samples give equal bytes. */
export function reportHtml(samples: readonly ReportSample[]): string {
  const shown = samples.slice(0, REPORT_SAMPLES_MAX);
  const more =
    samples.length > shown.length
      ? `<p>Pictures of the first ${shown.length} of ${samples.length} samples; the files of the ` +
        "others hold the same numbers.</p>"
      : "";
  return `${[
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; ' +
      "style-src 'unsafe-inline'\">",
    `<title>Quality control</title><style>${STYLE}</style></head><body>`,
    "<h1>Quality control</h1>",
    tableOf(samples),
    more,
    ...shown.map(sectionOf),
    "</body></html>",
  ].join("\n")}\n`;
}

const COLUMNS = [
  "sample",
  "reads in",
  "passed",
  "low quality",
  "too many N",
  "too short",
  "too long",
  "bases after",
  "Q30 after",
  "GC after",
  "duplication",
];

function tableOf(samples: readonly ReportSample[]): string {
  const rows = samples.map(({ sample, name, fastp, qc }, index) => {
    const { before_filtering: before, after_filtering: after } = fastp.summary;
    const result = fastp.filtering_result;
    const link = index < REPORT_SAMPLES_MAX ? `<a href="#${escaped(name)}">` : "<a>";
    const cells = [
      whole(before.total_reads),
      share(result["passed_filter_reads"] ?? 0, before.total_reads),
      ...["low_quality_reads", "too_many_N_reads", "too_short_reads", "too_long_reads"].map(
        (reason) => share(result[reason] ?? 0, before.total_reads),
      ),
      whole(after.total_bases),
      percent(after.q30_rate),
      percent(after.gc_content),
      duplicationOf(qc),
    ];
    const tail = cells.map((cell) => `<td>${cell}</td>`).join("");
    return `<tr><th>${link}${escaped(sample)}</a></th>${tail}</tr>`;
  });
  const head = COLUMNS.map((column) => `<th>${column}</th>`).join("");
  return `<table><thead><tr>${head}</tr></thead><tbody>${rows.join("\n")}</tbody></table>`;
}

function duplicationOf({ duplication: { rate, sampledOneOf } }: SampleQc): string {
  return `${percent(rate)}${sampledOneOf > 1 ? " (estimated)" : ""}`;
}

function sectionOf({ sample, name, fastp, qc }: ReportSample): string {
  const warnings = qc.warnings.map(({ text }) => `<li>${escaped(text)}</li>`).join("");
  return [
    `<section id="${escaped(name)}"><h2>${escaped(sample)}</h2>`,
    warnings === "" ? "" : `<ul class="warnings">${warnings}</ul>`,
    factsOf(fastp, qc),
    '<div class="plots">',
    ...matesOf(fastp).flatMap(({ title, before, after }) => [
      qualityPlot(title, before, after),
      basesPlot(`${title}, before`, before),
      basesPlot(`${title}, after`, after),
    ]),
    lengthPlot(qc),
    ...insertPlot(fastp),
    ...spectrumPlot(qc),
    "</div></section>",
  ].join("\n");
}

/** What was decided and what was done, in a few words each. */
function factsOf(fastp: FastpReport, qc: SampleQc): string {
  const { decisions } = qc;
  const [first, second] = decisions.adapters;
  const adapters = [first, qc.mates === 2 ? second : ""].filter((adapter) => adapter !== "");
  const cut = fastp.adapter_cutting;
  const { before_filtering: before, after_filtering: after } = fastp.summary;
  const facts: readonly (readonly [string, string])[] = [
    ["sequencing", fastp.summary.sequencing],
    ["qualities", `${decisions.encoding}${decisions.encodingUnsure ? ", not sure" : ""}`],
    ["adapter", adapters.length === 0 ? decisions.adapterSearch : adapters.join(", ")],
    [
      "adapters cut",
      cut === undefined
        ? "none"
        : `${whole(cut.adapter_trimmed_reads)} reads, ${whole(cut.adapter_trimmed_bases)} bases`,
    ],
    ["poly-G tails cut", decisions.polyG ? "yes" : "no"],
    ["bases", `${whole(before.total_bases)} before, ${whole(after.total_bases)} after`],
    ["mean length", `${meansOf(before)} before, ${meansOf(after)} after`],
    ...(fastp.insert_size === undefined
      ? []
      : [["insert size", `peak ${fastp.insert_size.peak}`] as const]),
    ...peakFacts(qc),
  ];
  return `<dl>${facts
    .map(([term, value]) => `<div><dt>${term}</dt><dd>${escaped(value)}</dd></div>`)
    .join("")}</dl>`;
}

function meansOf({ read1_mean_length: first, read2_mean_length: second }: FastpTotals): string {
  return second === undefined ? String(first) : `${first} + ${second}`;
}

function peakFacts({ spectrum }: SampleQc): (readonly [string, string])[] {
  if (spectrum === undefined) return [];
  const { k, distinct, unique, sampledOneOf, peak } = spectrum;
  const said = sampledOneOf > 1 ? ` (estimated from one of ${sampledOneOf})` : "";
  const kmers = `${whole(distinct)} distinct, ${whole(unique)} once${said}`;
  if (peak === undefined) return [[`${k}-mers`, kmers]];
  const { coverage, genomeSize } = peak;
  return [
    [`${k}-mers`, kmers],
    ["coverage, genome", `${coverage} x, about ${whole(genomeSize)} bases`],
  ];
}

function matesOf(fastp: FastpReport) {
  const mates = [
    ["Read 1", fastp.read1_before_filtering, fastp.read1_after_filtering],
    ["Read 2", fastp.read2_before_filtering, fastp.read2_after_filtering],
  ] as const;
  return mates.flatMap(([title, before, after]) =>
    before === undefined || after === undefined ? [] : [{ title, before, after }],
  );
}

function qualityPlot(title: string, before: FastpReads, after: FastpReads): string {
  const line = (name: string, reads: FastpReads, colour: number, isDashed: boolean): Line => {
    return { name, colour, isDashed, points: positions(reads.quality_curves.mean) };
  };
  const lines = [line("before", before, 4, true), line("after", after, 0, false)];
  return plotSvg({
    title: `${title}: mean quality`,
    x: "position",
    y: "quality",
    lines,
    yRange: [0, 40],
  });
}

function basesPlot(title: string, { content_curves: curves }: FastpReads): string {
  const lines = (["A", "C", "G", "T", "N", "GC"] as const).map((name, colour): Line => {
    const points = positions(curves[name]).map(([x, y]) => [x, y * 100] as const);
    return { name, colour, points, isDashed: name === "GC" };
  });
  return plotSvg({ title: `${title}: bases`, x: "position", y: "percent", lines, yRange: [0, 60] });
}

function positions(values: readonly number[]): (readonly [number, number])[] {
  return values.map((value, index) => [index + 1, value]);
}

function lengthPlot({ lengths, mates }: SampleQc): string {
  const lines = (when: "before" | "after", colour: number): Line[] =>
    lengths[when].map((counts, mate) => ({
      name: mates === 1 ? when : `${mate + 1} ${when}`,
      colour: colour + mate,
      points: filledLengths(counts),
      isDashed: when === "before",
    }));
  const all = [...lines("before", 4), ...lines("after", 0)];
  return plotSvg({ title: "Lengths", x: "bases", y: "reads", lines: all });
}

/** Lengths in as many bins as a picture has points, each with what falls into it. */
function filledLengths(counts: LengthCounts): (readonly [number, number])[] {
  const [least, most] = [counts[0]?.[0] ?? 0, counts.at(-1)?.[0] ?? 0];
  const width = Math.max(1, Math.ceil((most - least + 1) / BINS));
  const bins = new Map<number, number>();
  for (let at = least - width; at <= most + width; at += width) bins.set(binOf(at, width), 0);
  for (const [length, count] of counts) {
    const bin = binOf(length, width);
    bins.set(bin, (bins.get(bin) ?? 0) + count);
  }
  return [...bins].filter(([bin]) => bin >= 0).sort(([a], [b]) => a - b);
}

const BINS = 200;

function binOf(length: number, width: number): number {
  return Math.floor(length / width) * width;
}

function insertPlot({ insert_size: inserts }: FastpReport): string[] {
  if (inserts === undefined) return [];
  const points = inserts.histogram.map((count, size) => [size, count] as const);
  const lines = [{ name: "pairs", colour: 0, points }];
  const title = `Insert size (${whole(inserts.unknown)} pairs without an overlap)`;
  return [plotSvg({ title, x: "bases", y: "pairs", lines })];
}

function spectrumPlot({ spectrum }: SampleQc): string[] {
  if (spectrum === undefined) return [];
  const points = positions(spectrum.histogram);
  const lines = [{ name: "k-mers", colour: 0, points }];
  const title = `${spectrum.k}-mer spectrum`;
  const scales = { logX: true, logY: true };
  return [plotSvg({ title, x: "occurrences", y: "distinct k-mers", lines, ...scales })];
}

function whole(value: number): string {
  return String(Math.round(value)).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

function percent(rate: number): string {
  return `${(rate * 100).toFixed(2)} %`;
}

function share(count: number, of: number): string {
  return of === 0 ? whole(count) : `${whole(count)} (${percent(count / of)})`;
}

/** Colours that people who see fewer tell apart (Okabe and Ito), on light and on dark. */
const STYLE = `
:root{color-scheme:light dark;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#cc79a7;--c4:#888;
--c5:#e69f00;--c6:#56b4e9;--c7:#b0a000;--faint:#8884}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1120px;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.25rem;margin:2.2rem 0 .4rem}
table{border-collapse:collapse;font-size:13px;display:block;overflow-x:auto}
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid var(--faint);white-space:nowrap}
th:first-child{text-align:left}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(220px,1fr));gap:.2rem 1rem}
dt{font-size:12px;opacity:.7}dd{margin:0;overflow-wrap:anywhere}
.warnings{border-left:4px solid var(--c5);padding:.4rem .4rem .4rem 1.6rem;margin:.6rem 0}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(340px,1fr));gap:1rem}
svg{width:100%;height:auto;border:1px solid var(--faint);border-radius:6px}
svg text{font:11px system-ui,sans-serif;fill:currentColor}svg .title{font-size:13px;font-weight:600}
.grid{stroke:var(--faint);fill:none}.axis{stroke:currentColor;fill:none}
.line{fill:none;stroke-width:1.6}.dashed{stroke-dasharray:4 3}
${[0, 1, 2, 3, 4, 5, 6, 7].map((n) => `.c${n}{stroke:var(--c${n})}`).join("")}
`;
