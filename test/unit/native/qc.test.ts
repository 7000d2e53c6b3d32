/** Quality control: C++ and TypeScript count the same, and what fastp counts. */
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import {
  addQcCounts,
  QC_DEFAULTS,
  QcCounter,
  type QcCounts,
  type QcOptions,
  type QcReads,
} from "../../../actors/native/qc.ts";
import { RecordScanner } from "../../../actors/native/scan.ts";
import { dataFile, hasData } from "./data.ts";
import { fastpJson, hasFastp, jsonOf } from "./fastp.ts";
import { ADAPTERS, generator, simulatePairs } from "./simulated.ts";

const FORCES = ["typescript", "plain", "avx2", "avx512"] as const;

function readsOf(text: string | Uint8Array): QcReads {
  const scanner = new RecordScanner({ format: "fastq" });
  scanner.feed(typeof text === "string" ? Buffer.from(text) : text);
  scanner.end();
  const step = scanner.nextNow(2 ** 20, 2 ** 28);
  if (step.kind !== "ended") throw new Error(JSON.stringify(step));
  return step.batch;
}

const WINDOW = { window: 4, mean: 20 };
/** Options by the arguments that fastp takes for them. */
const CASES: readonly (readonly [string, Partial<QcOptions>])[] = [
  ["-A -G", { adapters: false }],
  ["-G -Q -L -A", { adapters: false, qualityFilter: false, lengthFilter: false }],
  [`-G -a ${ADAPTERS[0]} --adapter_sequence_r2 ${ADAPTERS[1]}`, { adapter: ADAPTERS }],
  ["-A -g -x", { adapters: false, polyG: 10, polyX: 10 }],
  ["-A -G -5 -3", { adapters: false, cutFront: WINDOW, cutTail: WINDOW }],
  [
    "-A -G -r -W 6 -M 25 -e 20",
    { adapters: false, cutRight: { window: 6, mean: 25 }, averageQuality: 20 },
  ],
  [
    "-A -G -f 3 -t 5 -F 2 -T 1 -b 60 -y -Y 40 -l 30 --length_limit 58",
    {
      adapters: false,
      trimFront: [3, 2],
      trimTail: [5, 1],
      maxLength: [60, 60],
      complexity: 40,
      lengthRequired: 30,
      lengthLimit: 58,
    },
  ],
  [
    "-A -G -q 20 -u 25 -n 1",
    { adapters: false, qualifiedPhred: 20, unqualifiedPercent: 25, unknownLimit: 1 },
  ],
];
const PAIR_CASES: readonly (readonly [string, Partial<QcOptions>])[] = [
  ["-G", {}],
  ["-G -c", { correction: true }],
  ["-g -x -5 -3 -c", { correction: true, polyG: 10, polyX: 10, cutFront: WINDOW, cutTail: WINDOW }],
  [
    "-G -A -c --overlap_len_require 20 --overlap_diff_limit 8 --overlap_diff_percent_limit 10",
    {
      adapters: false,
      correction: true,
      overlapRequired: 20,
      overlapDifferenceLimit: 8,
      overlapDifferencePercent: 10,
    },
  ],
];

describe("every way of counting gives the same", () => {
  const { first, second } = simulatePairs(5, 400, 100);
  const [one, other] = [readsOf(first), readsOf(second)];

  test.each(CASES)("single reads, %s", async (_, options) => {
    const results = await Promise.all(
      FORCES.map(async (force) => {
        const counter = new QcCounter(options, force);
        return { outcome: await counter.add(one), counts: counter.counts() };
      }),
    );
    for (const result of results) expect(result).toEqual(results[0]);
  });

  test.each([...CASES, ...PAIR_CASES])("pairs, %s", async (_, options) => {
    const results = await Promise.all(
      FORCES.map(async (force) => {
        const counter = new QcCounter(options, force);
        return { outcome: await counter.addPairs(one, other), counts: counter.counts() };
      }),
    );
    for (const result of results) expect(result).toEqual(results[0]);
  });

  test("odd bases, lengths and qualities, a table of adapters, few cycles", async () => {
    const random = generator(11);
    let text = "";
    for (let i = 0; i < 300; i++) {
      const n = random(40);
      const bases = Array.from({ length: n }, () => "ACGTNacgtuRY.-*GGGGG"[random(20)]).join("");
      const quality = Array.from({ length: n }, () => String.fromCharCode(33 + random(94))).join(
        "",
      );
      text += `@r\n${bases}\n+\n${quality}\n`;
    }
    const options = { adapterTable: ["ACGTAC", "GGGGG"], polyX: 3, polyG: 2, cyclesMax: 17 };
    const results = await Promise.all(
      FORCES.map(async (force) => {
        const counter = new QcCounter({ ...options, phred64: true, correction: true }, force);
        const outcome = await counter.addPairs(readsOf(text), readsOf(text));
        return { outcome, counts: counter.counts() };
      }),
    );
    for (const result of results) expect(result).toEqual(results[0]);
    expect(results[0]?.counts.before[0]?.cycles).toHaveLength(18 * 32);
  });

  test("the counts of two parts add up to those of the whole", async () => {
    const whole = new QcCounter(PAIR_CASES[2]?.[1]);
    await whole.addPairs(one, other);
    const parts: QcCounts[] = [];
    for (const [begin, end] of [
      [0, 130],
      [130, 400],
    ] as const) {
      const counter = new QcCounter(PAIR_CASES[2]?.[1]);
      await counter.addPairs(slice(one, begin, end), slice(other, begin, end));
      parts.push(counter.counts());
    }
    const [left, right] = parts;
    expect(left !== undefined && right !== undefined && addQcCounts(left, right)).toEqual(
      whole.counts(),
    );
  });
});

function slice({ bases, qualities, ends }: QcReads, begin: number, end: number): QcReads {
  const [from, to] = [ends[begin] ?? 0, ends[end] ?? 0];
  return {
    bases: bases.subarray(from, to),
    qualities: qualities.subarray(from, to),
    ends: ends.slice(begin, end + 1).map((value) => value - from),
  };
}

describe.runIf(hasFastp)("fastp counts the same", () => {
  const { first, second } = simulatePairs(21, 3000, 100);

  test.each(CASES)("single reads, %s", async (args, options) => {
    const counter = new QcCounter(options);
    await counter.add(readsOf(first));
    expect(jsonOf(counter.counts(), 1)).toEqual(fastpJson([first], args));
  });

  test.each([...CASES, ...PAIR_CASES])("pairs, %s", async (args, options) => {
    const counter = new QcCounter(options);
    await counter.addPairs(readsOf(first), readsOf(second));
    expect(jsonOf(counter.counts(), 2)).toEqual(fastpJson([first, second], args));
  });

  test.runIf(hasData)("real reads: single, of phred 64, and pairs", async () => {
    const [one, two] = ["reads_1.fq.gz", "reads_2.fq.gz"].map((name) =>
      gunzipSync(dataFile("seqkit", name)).toString("latin1"),
    );
    const pairs = new QcCounter({ correction: true });
    await pairs.addPairs(readsOf(one ?? ""), readsOf(two ?? ""));
    expect(jsonOf(pairs.counts(), 2)).toEqual(fastpJson([one ?? "", two ?? ""], "-G -c"));
    const real = gunzipSync(dataFile("seqkit", "Illimina1.8.fq.gz")).toString("latin1");
    const single = new QcCounter({ adapter: [ADAPTERS[0], ""], polyX: 10 });
    await single.add(readsOf(real));
    expect(jsonOf(single.counts(), 1)).toEqual(fastpJson([real], `-G -x -a ${ADAPTERS[0]}`));
    const old = dataFile("cutadapt", "illumina64.fastq").toString("latin1");
    const phred64 = new QcCounter({ phred64: true, adapters: false });
    await phred64.add(readsOf(old));
    expect(jsonOf(phred64.counts(), 1)).toEqual(fastpJson([old], "-6 -A -G"));
  });
});

describe("what can't be counted", () => {
  const good = {
    bases: Buffer.from("ACGT"),
    qualities: Buffer.from("IIII"),
    ends: Int32Array.of(0, 4),
  };

  test("is refused before it is counted", async () => {
    const counter = new QcCounter();
    const short = { ...good, qualities: Buffer.from("III") };
    await expect(counter.add(short)).rejects.toThrow("not one quality a base");
    const wild = { ...good, ends: Int32Array.of(0, 3, 1, 4) };
    await expect(counter.add(wild)).rejects.toThrow("ends falls");
    const outside = { ...good, ends: Int32Array.of(0, 5) };
    await expect(counter.add(outside)).rejects.toThrow("end with 4");
    const twice = { ...good, ends: Int32Array.of(0, 2, 4) };
    await expect(counter.addPairs(good, twice)).rejects.toThrow("different numbers");
    expect(counter.counts().before[0]?.reads).toBe(0);
    expect(() => new QcCounter({ cutFront: { window: -1, mean: 20 } })).toThrow(RangeError);
    expect(() => new QcCounter({ ...QC_DEFAULTS, polyG: 0.5 })).toThrow(RangeError);
  });
});
