/** The report has fastp's shape and values. fastp-reports.json was made with fastp 0.23.2. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { counterOptions, qcSettings } from "../../../actors/qc/options.ts";
import { type QcDecisions, probeSample } from "../../../actors/qc/probe.ts";
import { fastpJson, type FastpReport, fastpReport } from "../../../actors/qc/report.ts";
import { emptySummary, SampleCounter } from "../../../actors/qc/summary.ts";
import { warningsOf } from "../../../actors/qc/warnings.ts";
import { ADAPTERS, simulatePairs } from "../native/simulated.ts";
import { batchOf } from "./reads.ts";

interface FastpMade {
  /** The report's names, with the kinds of their values. */
  readonly keys: Record<string, unknown>;
  readonly values: Record<string, Record<string, unknown>>;
  /** Mean qualities of mate 1, after. */
  readonly curves: readonly number[];
}

const FASTP = JSON.parse(
  readFileSync(join(import.meta.dirname, "fastp-reports.json"), "utf8"),
) as Readonly<Record<"single" | "pairs", FastpMade>>;
const SHAPE = { k: 21, sketchK: 31, scaled: 100 };
const { first, second } = simulatePairs(78, 300, 60);

async function reportOf(kind: "single" | "pairs"): Promise<FastpReport> {
  const given = kind === "single" ? { adapter_sequence: ADAPTERS[0] } : { correction: true };
  const settings = qcSettings("short", { ...given, low_complexity_filter: true });
  const texts = kind === "single" ? [first] : [first, second];
  const starts = texts.map((text) => ({ batch: batchOf(text), wrapped: false }));
  const decisions = probeSample(settings, starts);
  const mates = kind === "single" ? 1 : 2;
  const counter = new SampleCounter({ ...SHAPE, mates }, counterOptions(settings, decisions));
  const [one, other] = starts.map(({ batch }) => batch);
  if (one === undefined) throw new Error("no reads");
  if (other === undefined) await counter.add(one);
  else await counter.addPairs(one, other);
  return fastpReport({ sample: "gut 1", summary: counter.summary(), settings, decisions });
}

/** Names of all fields with the kinds of their values, as fastp-reports.json has them. */
function kindsOf(value: unknown): unknown {
  if (Array.isArray(value)) return [kindsOf(value[0])];
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      name === "kmer_count" ? { AAAAA: "number" } : kindsOf(field),
    ]),
  );
}

describe.each(["single", "pairs"] as const)("the report of %s", (kind) => {
  test("has fastp's fields, of the same kinds", async () => {
    const { keys } = FASTP[kind];
    const { summary, adapter_cutting: cut, ...others } = keys as Record<string, object>;
    // fastp's own version isn't ours to say; counts by adapter aren't kept.
    const summaryKeys: Record<string, unknown> = { ...summary };
    delete summaryKeys["fastp_version"];
    const cutKeys = Object.fromEntries(
      Object.entries(cut ?? {}).filter(([name]) => !name.endsWith("_adapter_counts")),
    );
    const expected = { ...others, summary: summaryKeys, adapter_cutting: cutKeys };
    expect(kindsOf(await reportOf(kind))).toEqual(expected);
  });

  test("says what fastp says", async () => {
    const report = await reportOf(kind);
    const { summary, filtering_result, duplication, insert_size, adapter_cutting } =
      FASTP[kind].values;
    expect(report.filtering_result).toEqual(filtering_result);
    expect(report.adapter_cutting).toEqual(
      Object.fromEntries(
        Object.entries(adapter_cutting ?? {}).filter(([name]) => !name.endsWith("_counts")),
      ),
    );
    expect(report.summary.sequencing).toBe(summary?.["sequencing"]);
    for (const when of ["before_filtering", "after_filtering"] as const) {
      const theirs = summary?.[when] as Record<string, number>;
      for (const [name, value] of Object.entries(report.summary[when])) {
        expect(Math.abs(value - (theirs[name] ?? Number.NaN)), name).toBeLessThan(1e-6);
      }
    }
    expect(report.duplication.rate).toBeCloseTo(Number(duplication?.["rate"]), 4);
    expect(report.insert_size?.peak).toBe(insert_size?.["peak"]);
    expect(report.insert_size?.unknown).toBe(insert_size?.["unknown"]);
    const means = report.read1_after_filtering.quality_curves.mean;
    expect(means).toHaveLength(FASTP[kind].curves.length);
    for (const [i, mean] of means.entries()) {
      expect(mean).toBeCloseTo(FASTP[kind].curves[i] ?? Number.NaN, 3);
    }
  });
});

test("the text is what MultiQC looks for, and reads back as the report", async () => {
  const report = await reportOf("pairs");
  const text = fastpJson(report);
  expect(JSON.parse(text)).toEqual(report);
  expect(text.split("\n").slice(0, 50).join("\n")).toContain('"before_filtering": {');
  expect(/(-i|--in1)\s(.+?)(?:\s|$)/.exec(report.command)?.[2]).toBe("gut_1");
});

const DECISIONS: QcDecisions = probeSample(qcSettings("short", {}), []);

test("a sample without reads has a report of zeros", () => {
  const settings = qcSettings("none", {});
  const summary = emptySummary({ ...SHAPE, mates: 1 });
  const report = fastpReport({ sample: "none", summary, settings, decisions: DECISIONS });
  expect(report.summary.after_filtering).toMatchObject({ total_reads: 0, gc_content: 0 });
  expect(JSON.parse(fastpJson(report))).toEqual(report);
});

describe("warnings", () => {
  async function warned(text: string, decisions: Partial<QcDecisions> = {}) {
    const settings = qcSettings("short", {});
    const all = { ...DECISIONS, encodingUnsure: false, adapterSearch: "none" as const };
    const counter = new SampleCounter({ ...SHAPE, mates: 1 }, counterOptions(settings, all));
    await counter.add(batchOf(text));
    const summary = counter.summary({ byteOrderMarks: 2, endBlocksMissing: 0, trailingZeros: 0 });
    return warningsOf("s", summary, { ...all, ...decisions });
  }
  const read = (name: string, n: number): string =>
    `@${name}\n${"ACGTTGCA".repeat(n / 8)}\n+\n${"I".repeat(n)}\n`;

  test("are counted, and nothing is said of what wasn't met", async () => {
    const long = await warned(read("a", 800) + read("b", 800));
    expect(long.map(({ warning }) => warning)).toEqual(["byteOrderMarks"]);
    const short = await warned(read("a", 80) + read("a", 80) + read("b", 0) + read("c", 480), {
      encodingUnsure: true,
      adapterSearch: "too-few-reads",
      probed: 4,
    });
    expect(short.map(({ warning, count }) => [warning, count])).toEqual([
      ["byteOrderMarks", 2],
      ["emptyReads", 1],
      ["duplicateIds", 1],
      ["shortMedian", 80],
      ["encodingUnsure", 1],
      ["adapterUnsearched", 4],
    ]);
    for (const { text } of short) expect(text).toMatch(/^sample s: .{10}/);
  });

  test("say when nothing passed", async () => {
    const found = await warned(read("a", 8));
    expect(found).toContainEqual(expect.objectContaining({ warning: "nothingPassed", count: 1 }));
  });
});
