/**
 * What other people's tools make of our reports: MultiQC reads the fastp-shaped JSON, sourmash the
 * signature, and its own sketch of the same reads is the same. Long: the tools are installed at
 * first use.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunResult } from "../../head/cli/result.ts";
import { cleanUp, makeInputs, newPlace, type Place, resultOf, start } from "../e2e/support.ts";
import { pythonWith } from "../python-packages.ts";

const LONG = process.env["LIGASE_TEST_LONG"] === "1";
const LIMIT_MS = 900_000;
const execute = promisify(execFile);
let place: Place;
let inputs: readonly string[];
let result: RunResult;

beforeAll(async () => {
  if (!LONG) return;
  place = await newPlace();
  inputs = await makeInputs(place, { files: 2, reads: 4_000, length: 300 });
  const words = ["qc", ...inputs, "--qc", "none", "--output", place.path("out"), "--json"];
  result = resultOf(await start(place, words).ended);
}, LIMIT_MS);
afterAll(() => cleanUp());

/** A tool of an environment, run to its end in the place's folder. */
async function tool(bin: string | undefined, name: string, ...words: readonly string[]) {
  if (bin === undefined) throw new Error(`${name} can't be installed here`);
  return execute(join(bin, name), [...words], { cwd: place.folder, timeout: LIMIT_MS });
}

const reportOf = (kind: string, sample: string): string =>
  result.reports.find((one) => one.kind === kind && one.sample === sample)?.uri ?? "";

test.runIf(LONG)(
  "MultiQC finds the reports by itself and shows what fastp would have said",
  async () => {
    const bin = await pythonWith("multiqc==1.30");
    const words = ["--no-ansi", "-o", "multiqc", "--data-format", "json", join("out", "qc")];
    await tool(bin, "multiqc", ...words);
    const file = place.path("multiqc", "multiqc_data", "multiqc_data.json");
    const { report_general_stats_data: shown } = JSON.parse(readFileSync(file, "utf8")) as {
      readonly report_general_stats_data: { readonly fastp?: Readonly<Record<string, object>> };
    };
    expect(Object.keys(shown.fastp ?? {}).toSorted()).toEqual(["reads-0", "reads-1"]);
    for (const sample of Object.values(shown.fastp ?? {})) {
      expect(sample).toMatchObject({
        before_filtering_total_reads: 4_000,
        filtering_result_passed_filter_reads: 4_000,
        after_filtering_total_bases: 1_200_000,
        pct_surviving: 100,
      });
    }
  },
  LIMIT_MS,
);

test.runIf(LONG)(
  "sourmash reads the signatures, and its own of the same reads compare as equal",
  async () => {
    const bin = await pythonWith("sourmash==4.9.4");
    const ours = ["reads-0", "reads-1"].map((sample) => reportOf("sourmash", sample));
    const [sketch] = (
      JSON.parse(readFileSync(ours[0] ?? "", "utf8")) as {
        readonly signatures: readonly { readonly ksize: number; readonly max_hash: number }[];
      }[]
    ).flatMap(({ signatures }) => signatures);
    const k = sketch?.ksize ?? 0;
    const scaled = Math.round(2 ** 64 / (sketch?.max_hash ?? 1));
    const made = ["sketch", "dna", "-p", `k=${k},scaled=${scaled},abund`];
    await tool(bin, "sourmash", ...made, ...inputs, "-o", "theirs.zip", "--name-from-first");
    const compared = ["compare", ...ours, "theirs.zip", "-k", String(k), "--csv", "all.csv"];
    await tool(bin, "sourmash", ...compared);
    const [, ...rows] = readFileSync(place.path("all.csv"), "utf8").trim().split("\n");
    const table = rows.map((row) => row.split(",").map(Number));
    // Ours 0, 1, then theirs in either order.
    const at = (a: number, b: number): number => table[a]?.[b] ?? Number.NaN;
    const [first, second] = at(0, 2) > at(0, 3) ? ([2, 3] as const) : ([3, 2] as const);
    // Angles of abundances: sourmash rounds its own to 1e-8.
    for (const same of [at(0, first), at(1, second)]) expect(same).toBeCloseTo(1, 6);
    expect(at(0, 1)).toBeCloseTo(at(first, second), 6);
    expect(at(0, 1)).toBeLessThan(0.99);
  },
  LIMIT_MS,
);
