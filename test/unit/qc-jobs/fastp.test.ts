/** What a job's shards count and its seal merges is what fastp 0.23.2 says of the same reads. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { FastpReport } from "../../../actors/qc/index.ts";
import { dataFile, hasData } from "../native/data.ts";
import { hasFastp } from "../native/fastp.ts";
import { ADAPTERS, simulatePairs } from "../native/simulated.ts";
import { singleReads } from "../qc/reads.ts";
import { folder, type Made, make, planFiles, planJob } from "./support.ts";

const SHARD_RECORDS = 700;

interface Case {
  readonly name: string;
  readonly texts: () => readonly string[];
  readonly given?: Readonly<Record<string, boolean | number | string>>;
  /** What fastp is given for the same. */
  readonly args?: string;
}

const ends = { seed: 31, length: 100, adapter: ADAPTERS[0], oneOf: 3, wrongOneOf: 400 };
const pairs = (seed: number) => () => {
  const { first, second } = simulatePairs(seed, 2500, 100);
  return [first, second];
};

const SIMULATED: readonly Case[] = [
  {
    name: "adapters of single reads, found",
    texts: () => [singleReads({ ...ends, reads: 12_000 })],
  },
  {
    name: "poly-G of an instrument of two colours",
    texts: () => [renamed(simulatePairs(7, 3000, 100).first, "A00123:8:H0:1:1101")],
  },
  {
    // Of more than some thousand reads fastp leaves a few as they are, each time others.
    name: "qualities of phred 64",
    texts: () => [phred64(simulatePairs(8, 900, 100).first)],
    args: "--phred64",
  },
  { name: "pairs, cut by their overlap", texts: pairs(9) },
  {
    name: "pairs, corrected, with sliding windows",
    texts: pairs(10),
    given: { correction: true, cut_front: true, cut_tail: true, trim_poly_x: true },
    args: "--correction --cut_front --cut_tail --trim_poly_x",
  },
];

const REAL: readonly Case[] = [
  { name: "fastp's own pairs", texts: () => [text("fastp", "R1.fq"), text("fastp", "R2.fq")] },
  {
    name: "pairs of 2,500",
    texts: () => [text("seqkit", "reads_1.fq.gz"), text("seqkit", "reads_2.fq.gz")],
  },
];

/** The long suite's: they show nothing that the others don't. */
const MORE: readonly Case[] = [
  { name: "10,000 single reads", texts: () => [text("seqkit", "Illimina1.8.fq.gz")] },
  { name: "2,000 single reads", texts: () => [text("needletail", "PRJNA271013_head.fq.gz")] },
  { name: "NextSeq", texts: () => [text("cutadapt", "nextseq.fastq")] },
  { name: "phred 64", texts: () => [text("cutadapt", "illumina64.fastq")], args: "--phred64" },
];

describe.runIf(hasFastp)("a job of several shards counts what fastp counts", () => {
  test.each(SIMULATED)("$name", check, 60_000);
  test.runIf(hasData).each(REAL)("$name (real reads)", check, 60_000);
  const isLong = hasData && process.env["LIGASE_TEST_LONG"] === "1";
  test.runIf(isLong).each(MORE)("$name (real reads)", check, 60_000);
});

async function check({ texts, given = {}, args = "" }: Case): Promise<void> {
  const all = texts();
  const fastp = fastpSays(all, args);
  const qc = { preset: "short", given: { ...given, ...phredOf(args) } };
  const job = await planJob([{ sample: "gut", texts: all }], {
    qc,
    recordsPerShard: SHARD_RECORDS,
  });
  const made = await make(job);
  const reads = fastp.summary.before_filtering.total_reads / all.length;
  expect(made.receipts[0]).toHaveLength(Math.ceil(reads / SHARD_RECORDS));
  compare(fastp, made, all.length);
}

function compare(fastp: FastpReport, made: Made, mates: number): void {
  const ours = comparable(made.json("gut.fastp.json"));
  const theirs = comparable(fastp);
  expect(ours).toEqual(theirs);
  // Its rate is a filter's estimate, ours is exact.
  const report: FastpReport = made.json("gut.fastp.json");
  expect(Math.abs(report.duplication.rate - fastp.duplication.rate)).toBeLessThan(1e-4);

  const passed = fastp.filtering_result["passed_filter_reads"] ?? 0;
  const records = made.given.reduce((sum, batch) => sum + batch.records, 0);
  expect(records * mates).toBe(passed);
  const bases = made.given.reduce(
    (sum, it) => sum + it.bases.length + (it.mate?.bases.length ?? 0),
    0,
  );
  expect(bases).toBe(fastp.summary.after_filtering.total_bases);
}

describe.runIf(hasFastp)("files, by the product's own reader", () => {
  const write = (name: string, content: string | Uint8Array): string => {
    const path = join(folder(), name);
    writeFileSync(path, content);
    return path;
  };
  const qc = { preset: "short" };

  test("of several shards, plain and compressed, count what fastp counts", async () => {
    const reads = singleReads({ ...ends, seed: 5, reads: 40_000 });
    const fastp = fastpSays([reads], "");
    const files = [write("gut.fastq", reads), write("gut.fastq.gz", gzipSync(reads, { level: 1 }))];
    for (const file of files) {
      const made = await make(await planFiles([file], { qc }));
      expect(made.receipts[0]?.length).toBeGreaterThan(1);
      compare(fastp, made, 1);
    }
  }, 30_000);

  test("of pairs, in two files and in one, count what fastp counts", async () => {
    const { first, second } = simulatePairs(12, 800, 100);
    const fastp = fastpSays([first, second], "");
    const records = (reads: string) => reads.split(/^(?=@r)/m);
    const mates = records(second);
    const turns = records(first).map((record, i) => `${record}${mates[i]}`);
    const two = { uri: write("1.fq", first), mate: write("2.fq", second), sample: "gut" };
    const one = { uri: write("both.fq", turns.join("")), interleaved: true, sample: "gut" };
    for (const input of [two, one]) {
      const made = await make(await planFiles([input], { qc }));
      expect(made.receipts).toHaveLength(1);
      compare(fastp, made, 2);
    }
  }, 60_000);
});

/** What fastp decides by its option, our planning by the reads: both are the same, and said. */
function phredOf(args: string): { phred64?: boolean } {
  return args.includes("--phred64") ? { phred64: true } : {};
}

function fastpSays(texts: readonly string[], args: string): FastpReport {
  const place = folder();
  const inputs = texts.flatMap((content, i) => {
    const file = join(place, `${i}.fq`);
    writeFileSync(file, content, "latin1");
    return [i === 0 ? "-i" : "-I", file];
  });
  const json = join(place, "fastp.json");
  const out = ["-j", json, "-h", join(place, "fastp.html"), "-w", "1"];
  const words = args.split(" ").filter((word) => word !== "");
  execFileSync("fastp", [...inputs, ...out, ...words], { stdio: "pipe", timeout: 60_000 });
  return JSON.parse(readFileSync(json, "utf8")) as FastpReport;
}

/** All that both count, with six digits of what are quotients. */
function comparable(report: FastpReport) {
  const { summary, filtering_result, adapter_cutting, insert_size } = report;
  const mates = [
    report.read1_before_filtering,
    report.read2_before_filtering,
    report.read1_after_filtering,
    report.read2_after_filtering,
  ];
  const totals = (of: FastpReport["summary"]["before_filtering"]) => ({
    ...of,
    ...{ q20_rate: 0, q30_rate: 0, gc_content: of.gc_content.toFixed(5) },
  });
  return {
    before: totals(summary.before_filtering),
    after: totals(summary.after_filtering),
    filtering_result,
    adapters: {
      reads: adapter_cutting?.adapter_trimmed_reads ?? 0,
      bases: adapter_cutting?.adapter_trimmed_bases ?? 0,
      sequence: adapter_cutting?.read1_adapter_sequence ?? "unspecified",
    },
    peak: insert_size?.peak,
    inserts: insert_size?.histogram,
    mates: mates.map((mate) =>
      mate === undefined
        ? undefined
        : {
            ...{ reads: mate.total_reads, bases: mate.total_bases, cycles: mate.total_cycles },
            ...{ q20: mate.q20_bases, q30: mate.q30_bases, kmers: mate.kmer_count },
            curves: [mate.quality_curves, mate.content_curves].map(rounded),
          },
    ),
  };
}

/** Five digits: of two sixth ones that are as near, each side takes another. */
function rounded(curves: Readonly<Record<string, readonly number[]>>) {
  return Object.fromEntries(
    Object.entries(curves).map(([name, all]) => [name, all.map((it) => it.toPrecision(5))]),
  );
}

function text(...names: readonly string[]): string {
  const bytes = dataFile(...names);
  const isGzip = names.at(-1)?.endsWith(".gz") === true;
  return (isGzip ? gunzipSync(bytes) : bytes).toString("latin1");
}

function renamed(reads: string, name: string): string {
  return reads.replaceAll(/^@r(\d+)/gm, `@${name}:$1`);
}

/** The quality lines, moved up by 31. */
function phred64(reads: string): string {
  const lines = reads.split("\n");
  return lines
    .map((line, i) =>
      i % 4 === 3
        ? Buffer.from(Buffer.from(line, "latin1").map((q) => q + 31)).toString("latin1")
        : line,
    )
    .join("\n");
}
