/** What planning decides from a sample's first reads. adapters.json was made with fastp 0.23.2. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { detectAdapter } from "../../../actors/qc/adapters.ts";
import { qcSettings } from "../../../actors/qc/options.ts";
import { probeSample, qualityLeast, readStart } from "../../../actors/qc/probe.ts";
import { dataFile, hasData } from "../native/data.ts";
import { hasFastp } from "../native/fastp.ts";
import { batchOf, type SingleReads, singleReads } from "./reads.ts";

interface AdapterCase extends SingleReads {
  readonly name: string;
  /** What fastp found. */
  readonly found: string;
}

const ADAPTER_CASES = JSON.parse(
  readFileSync(join(import.meta.dirname, "adapters.json"), "utf8"),
) as readonly AdapterCase[];
const SETTINGS = qcSettings("short", {});

function start(text: string) {
  return { batch: batchOf(text), wrapped: false };
}

function read(name: string, bases: string, qualities: string): string {
  return `@${name}\n${bases}\n+\n${qualities}\n`;
}

describe("the adapter", () => {
  test.each(ADAPTER_CASES)("$name: as fastp finds it", (options) => {
    expect(detectAdapter(batchOf(singleReads(options)))).toBe(options.found);
  });

  test.runIf(hasFastp)("fastp finds what adapters.json says", () => {
    const isLong = process.env["LIGASE_TEST_LONG"] === "1";
    for (const options of isLong ? ADAPTER_CASES : ADAPTER_CASES.slice(0, 1)) {
      expect(fastpAdapter(singleReads(options)), options.name).toBe(options.found);
    }
  });

  test("is found though more than 2,048 reads show it", () => {
    // fastp 0.23.2 multiplies such a count beyond 32 bits.
    const adapter = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA";
    const often = { adapter, reads: 10_000, length: 60, oneOf: 2, wrongOneOf: 1000 };
    expect(detectAdapter(batchOf(singleReads({ seed: 30, ...often })))).toBe(adapter);
  });

  test("of pairs is looked for when asked; one that is given holds for both mates", () => {
    const [one] = ADAPTER_CASES;
    if (one === undefined) throw new Error("no case");
    const mate = start(singleReads(one));
    const of = (given: Record<string, unknown>, mates: number) =>
      probeSample(qcSettings("short", given), [mate, mate].slice(0, mates));
    expect(of({}, 1)).toMatchObject({ adapters: [one.found, ""], adapterSearch: "found" });
    expect(of({}, 2)).toMatchObject({ adapters: ["", ""], adapterSearch: "off" });
    const asked = of({ detect_adapter_for_pe: true }, 2);
    expect(asked).toMatchObject({ adapters: [one.found, one.found], adapterSearch: "found" });
    const given = of({ adapter_sequence: "ACGTAC" }, 2);
    expect(given).toMatchObject({ adapters: ["ACGTAC", "ACGTAC"], adapterSearch: "given" });
    const off = of({ disable_adapter_trimming: true }, 1);
    expect(off).toMatchObject({ adapters: ["", ""], adapterSearch: "off" });
  });

  test("isn't looked for in too few reads, and that is said", () => {
    const decisions = probeSample(SETTINGS, [start(read("a", "ACGT", "IIII"))]);
    expect(decisions).toMatchObject({ adapters: ["", ""], adapterSearch: "too-few-reads" });
  });
});

function fastpAdapter(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "ligase-fastp-"));
  try {
    const [reads, json, html] = ["in.fq", "out.json", "out.html"].map((n) => join(folder, n));
    writeFileSync(reads ?? "", text);
    const words = ["-w", "1", "--dont_eval_duplication", "-i", reads, "-j", json, "-h", html];
    spawnSync("fastp", words.map(String), { stdio: "ignore", timeout: 60_000 });
    const file = JSON.parse(readFileSync(json ?? "", "utf8")) as {
      adapter_cutting?: { read1_adapter_sequence: string };
    };
    return file.adapter_cutting?.read1_adapter_sequence ?? "";
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe("the quality encoding", () => {
  test.each([
    ["low qualities are of 33", "#5:I", {}, "phred33", false],
    ["Illumina 1.3 is of 64", "Bhhd", {}, "phred64", false],
    ["Solexa's lowest are below 64", ";hh@", {}, "solexa64", false],
    ["good reads alone don't tell: 33, unsure", "IIII", {}, "phred33", true],
    ["the best of HiFi isn't taken for 64", "~~z~", {}, "phred33", true],
    ["who says 64 is believed", "IIII", { phred64: true }, "phred64", false],
    ["who says 33 is believed", "Bhhd", { phred64: false }, "phred33", false],
  ] as const)("%s", (_, qualities, given, encoding, encodingUnsure) => {
    const settings = qcSettings("short", given);
    const decisions = probeSample(settings, [start(read("a", "ACGT", qualities))]);
    const phred64 = encoding !== "phred33";
    expect(decisions).toMatchObject({ encoding, encodingUnsure, phred64 });
    expect(qualityLeast(decisions)).toBe(phred64 ? 59 : 33);
  });

  test.runIf(hasData)("of real files is as their names say, or unsure", async () => {
    for (const [folder, name, encoding, unsure] of [
      ["cutadapt", "illumina64.fastq", "phred64", false],
      ["biopython-quality", "sanger_full_range_original_sanger.fastq", "phred33", false],
      ["biopython-quality", "illumina_full_range_original_illumina.fastq", "phred33", true],
    ] as const) {
      const mate = await readStart(dataFile(folder, name), true);
      const found = probeSample(SETTINGS, [mate]);
      expect([found.encoding, found.encodingUnsure], name).toEqual([encoding, unsure]);
    }
  });
});

describe("the instrument", () => {
  test.each([
    ["NS500123:1:A", true],
    ["NB501234:1:A", true],
    ["NDX55001:1:A", true],
    ["A00123:8:H", true],
    ["A01:1", true],
    ["M00123:8:H", false],
    ["ND5:1", false],
    ["SRR1.1", false],
  ])("%s has two colours: %s", (name, twoColour) => {
    const mate = [start(read(name, "ACGT", "#III"))];
    expect(probeSample(SETTINGS, mate)).toMatchObject({ twoColour, polyG: twoColour });
    const off = qcSettings("short", { disable_trim_poly_g: true });
    expect(probeSample(off, mate).polyG).toBe(false);
    const on = qcSettings("short", { trim_poly_g: true });
    expect(probeSample(on, mate).polyG).toBe(true);
  });
});

describe("the first reads", () => {
  test("are all whole ones of a cut text", async () => {
    const text = read("a", "ACGT", "#III") + read("b", "AC", "II");
    const cut = await readStart(Buffer.from(text.slice(0, -2)), false);
    expect(cut).toMatchObject({ wrapped: false, batch: { records: 1 } });
    expect((await readStart(Buffer.from(text), true)).batch.records).toBe(2);
  });

  test("over several lines are known as such", async () => {
    const mate = await readStart(Buffer.from("@a\nACGT\nACG\n+\n####\nIII\n"), true);
    expect(mate).toMatchObject({ wrapped: true, batch: { records: 1 } });
    expect(probeSample(SETTINGS, [mate]).wrapped).toBe(true);
  });

  test("tell the read length; of none all is said that can be", () => {
    const text = ["A", "ACG", "ACGTA"].map((bases) => read("r", bases, bases)).join("");
    expect(probeSample(SETTINGS, [start(text)]).readLength).toEqual({ most: 5, median: 3 });
    const none = probeSample(SETTINGS, [start("")]);
    expect(none).toMatchObject({ probed: 0, readLength: { most: 0, median: 0 } });
    expect(JSON.parse(JSON.stringify(none))).toEqual(none);
  });
});
