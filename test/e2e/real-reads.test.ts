/** The whole path on public reads, where they are kept beside the checkout. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DATA } from "../unit/actors/support.ts";
import { check } from "./python.ts";
import { cleanUp, newPlace, type Place, resultOf, run } from "./support.ts";

let place: Place;
beforeEach(async () => {
  place = await newPlace();
});
afterEach(() => cleanUp());

interface Set {
  readonly name: string;
  readonly files: readonly string[];
  readonly reads: number;
  /** Those with 32 words of four unambiguous bases, counted by itself. */
  readonly passed: number;
}

const SETS: readonly Set[] = [
  { name: "fastp", files: ["fastp/R1.fq", "fastp/R2.fq"], reads: 18, passed: 17 },
  {
    name: "seqkit",
    files: ["seqkit/reads_1.fq.gz", "seqkit/reads_2.fq.gz"],
    reads: 5_000,
    passed: 5_000,
  },
  {
    name: "needletail",
    files: ["needletail/PRJNA271013_head.fq.gz"],
    reads: 2_000,
    passed: 2_000,
  },
];

describe.skipIf(!existsSync(DATA))("real reads", () => {
  test.each(SETS)("of $name become shards and a NetCDF that others can read", async (set) => {
    const inputs = set.files.map((file) => join(DATA, file));
    const output = place.path("out");
    const args = ["--slurm", "private", "--input", ...inputs, "--output", output];
    const result = resultOf(await run(place, args));
    expect(result.reads.in).toBe(set.reads);
    expect(result.reads.passed + result.reads.filtered).toBe(set.reads);
    expect(result.rows).toBe(set.passed);
    expect(result.slurm).toMatchObject({ state: "COMPLETED", exitCode: 0 });
    const short = result.warnings.filter((text) => text.includes("too short"));
    expect(short.length).toBe(set.files.length);
    const embeddings = join(output, "embeddings");
    expect(await check(place, "shards", embeddings)).toMatchObject({ rows: result.rows });
    const found = await check(place, "result", result.netcdf ?? "", embeddings);
    const { nodes, k } = found as { nodes: number; k: number };
    expect(k).toBe(Math.min(15, nodes - 1));
  });
});
