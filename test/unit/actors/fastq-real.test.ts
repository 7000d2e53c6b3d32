/** Public FASTQ files from other readers' test suites; skipped where they aren't kept. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { DATA, failureOf, type Read, readAll } from "./support.ts";

describe.skipIf(!existsSync(DATA))("real files", () => {
  test.each([
    ["fastp/R1.fq", 9],
    ["fastp/R2.fq", 9],
    ["seqkit/reads_1.fq.gz", 2_500],
    ["seqkit/reads_2.fq.gz", 2_500],
    ["seqkit/Illimina1.8.fq.gz", 10_000],
    ["seqkit/Illimina1.5.fq", 1],
    ["needletail/PRJNA271013_head.fq.gz", 2_000],
    ["htslib-fastq/minimal.fq", 1],
    ["htslib-fastq/interleaved.fq", 10],
    ["cutadapt/nextseq.fastq", 2],
    ["cutadapt/illumina.fastq.gz", 100],
    ["biopython-quality/zero_length.fastq", 5],
    ["biopython-quality/example_dos.fastq", 3],
    ["biopython-quality/example.fastq.bgz", 3],
    ["biopython-quality/example_dos.fastq.bgz", 3],
    ["biopython-quality/misc_rna_original_sanger.fastq", 4],
    ["biopython-quality/misc_dna_original_sanger.fastq", 4],
    ["biopython-quality/sanger_93.fastq", 1],
  ])("%s holds its %i reads, each as four plain lines say", async (name, count) => {
    const reads = await readAll(join(DATA, name));
    expect(reads).toEqual(byFourLines(readFileSync(join(DATA, name))));
    expect(reads.length).toBe(count);
  });

  test.each(["tricky.fastq", "longreads_original_sanger.fastq"])(
    "%s, with sequences over several lines, is refused and says so",
    async (name) => {
      const error = await failureOf(readAll(join(DATA, "biopython-quality", name)));
      expect(error.code).toBe("FASTQ_BAD_RECORD");
      expect(error.what).toContain("stand on one line each");
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

/** The reads of a valid file, by the simplest means. */
function byFourLines(data: Buffer): readonly Read[] {
  const text = (data[0] === 0x1f ? gunzipSync(data) : data).toString("utf8");
  const lines = text.split(/\r?\n/);
  const count = Math.floor(lines.length / 4);
  return Array.from({ length: count }, (_, i): Read => {
    return [(lines[4 * i] ?? "").slice(1).split(/\s/)[0] ?? "", lines[4 * i + 1] ?? ""];
  });
}
