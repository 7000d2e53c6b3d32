/** Public FASTQ files from other readers' test suites; skipped where they aren't kept. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { DATA, failureOf, readAll } from "./support.ts";

describe.skipIf(!existsSync(DATA))("real files", () => {
  test.each([
    ["fastp/R1.fq", 9],
    ["fastp/R2.fq", 9],
    ["seqkit/reads_1.fq.gz", 2_500],
    ["seqkit/reads_2.fq.gz", 2_500],
    ["seqkit/Illimina1.8.fq.gz", 10_000],
    ["needletail/PRJNA271013_head.fq.gz", 2_000],
    ["biopython-quality/tricky.fastq", 4],
    ["biopython-quality/zero_length.fastq", 3],
    ["biopython-quality/example_dos.fastq", 3],
    ["biopython-quality/example.fastq.bgz", 3],
    ["biopython-quality/misc_rna_original_sanger.fastq", 3],
    ["biopython-quality/misc_dna_original_sanger.fastq", 4],
    ["biopython-quality/sanger_93.fastq", 1],
  ])("%s holds %i reads", async (name, reads) => {
    expect((await readAll(join(DATA, name))).length).toBe(reads);
  });

  test.each(["fastp/R1.fq", "seqkit/Illimina1.5.fq", "htslib-fastq/minimal.fq", "cutadapt/nextseq.fastq"])(
    "%s is read or refused by code, never silently short",
    async (name) => {
      const outcome = await readAll(join(DATA, name)).catch((error: unknown) => error);
      if (Array.isArray(outcome)) expect(outcome.length).toBeGreaterThan(0);
      else expect((await failureOf(Promise.reject(outcome))).exit).toBe(3);
    },
  );

  test("every file that Biopython refuses is refused, with its place", async () => {
    const folder = join(DATA, "biopython-quality");
    const names = readdirSync(folder).filter((name) => name.startsWith("error_"));
    expect(names.length).toBe(22);
    for (const name of names) {
      const error = await failureOf(readAll(join(folder, name)));
      expect([name, error.exit, typeof error.where.record]).toEqual([name, 3, "number"]);
    }
  });
});
