/** Public FASTQ files from other readers' test suites; skipped where they aren't kept. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { fastqSource } from "../../../actors/fastq/source.ts";
import { DATA, failureOf, type Read, readAll, readShardOf } from "./support.ts";

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

  test("every valid file of Biopython's is read, with its records over any lines", async () => {
    const folder = join(DATA, "biopython-quality");
    const names = readdirSync(folder).filter((name) => /^(?!error_).*\.fastq/.test(name));
    expect(names.length).toBe(40);
    let records = 0;
    for (const name of names) {
      const expected = byLengths(readFileSync(join(folder, name)));
      const reads = await readAll(join(folder, name));
      expect([name, reads]).toEqual([name, expected]);
      records += reads.length;
    }
    expect(records).toBe(141);
    expect(await readAll(join(DATA, "htslib-fastq", "multiline.fq"))).toEqual(
      byLengths(readFileSync(join(DATA, "htslib-fastq", "multiline.fq"))),
    );
  });

  test.each([
    ["biopython-quality/example.fasta", 3],
    ["seqkit/titin.fas", 1],
    ["sourmash/akkermansia.fa.gz", 1],
    ["sourmash/shew_os185.fa.gz", 1],
    ["sourmash/GCF_000005845.2_ASM584v2_genomic.fna.gz", 1],
  ])("%s holds its %i sequences, whole", async (name, count) => {
    const data = readFileSync(join(DATA, name));
    const text = (data[0] === 0x1f ? gunzipSync(data) : data).toString("latin1");
    const expected = text
      .split(/^>/m)
      .slice(1)
      .map((part) => part.split(/\r?\n/))
      .map(([id = "", ...lines]): Read => [id.split(/\s/)[0] ?? "", lines.join("")]);
    expect(await readAll(join(DATA, name))).toEqual(expected);
    expect(expected.length).toBe(count);
  });

  test.each([
    [{ uri: "fastp/R1.fq", mate: "fastp/R2.fq" }, 9],
    [{ uri: "seqkit/reads_1.fq.gz", mate: "seqkit/reads_2.fq.gz" }, 2_500],
    [{ uri: "cutadapt/paired.1.fastq", mate: "cutadapt/paired.2.fastq" }, 5],
    [{ uri: "htslib-fastq/r1.fq", mate: "htslib-fastq/r2.fq" }, 5],
    [{ uri: "htslib-fastq/interleaved.fq", interleaved: true }, 5],
    [{ uri: "htslib-fastq/interleaved_casava.fq", interleaved: true }, 5],
    [{ uri: "cutadapt/interleaved.fastq", interleaved: true }, 5],
  ])("pairs of %j are mates", async ({ uri, ...pair }, count) => {
    const mate = "mate" in pair ? { mate: join(DATA, pair.mate) } : pair;
    const options = { inputs: [{ uri: join(DATA, uri), ...mate }] };
    const inputs = await fastqSource.identify(options);
    const [plan] = (await fastqSource.plan(options, inputs)).inputs;
    const [input] = inputs;
    if (plan?.kind !== "rule" || input === undefined) throw new Error("no rule");
    const range = { ...plan.detail, firstRecord: 0, records: plan.recordsPerShard };
    const reader = await fastqSource.open({});
    const { outcome } = await readShardOf(reader, input, range);
    await reader.close();
    expect(outcome).toMatchObject({ records: count, endOfInput: count });
  });

  test("every file that Biopython refuses is refused, with code, record and byte", async () => {
    const folder = join(DATA, "biopython-quality");
    const names = readdirSync(folder).filter((name) => name.startsWith("error_"));
    expect(names.length).toBe(22);
    for (const name of names) {
      const error = await failureOf(readAll(join(folder, name)));
      const { record = 0, byteOffset = -1 } = error.where;
      expect([name, error.code, error.exit]).toEqual([name, expect.stringMatching(/^FASTQ_/), 3]);
      expect([name, record >= 1 && byteOffset >= 0]).toEqual([name, true]);
      expect([name, byteOffset <= readFileSync(join(folder, name)).length]).toEqual([name, true]);
    }
  });
});

/** The reads of a valid file whose records may go over any lines, by the simplest means. */
function byLengths(data: Buffer): readonly Read[] {
  const text = (data[0] === 0x1f ? gunzipSync(data) : data).toString("latin1");
  const lines = text.replace(/(\r?\n)+$/, "").split(/\r?\n/);
  const reads: Read[] = [];
  for (let at = 0; at < lines.length; ) {
    const id = (lines[at++] ?? "").slice(1).split(/\s/)[0] ?? "";
    let bases = "";
    while (at < lines.length && !lines[at]?.startsWith("+")) bases += lines[at++];
    at += 1;
    let quality = lines[at++] ?? "";
    while (quality.length < bases.length) quality += lines[at++];
    reads.push([id, bases]);
  }
  return reads;
}

/** The reads of a valid file, by the simplest means. */
function byFourLines(data: Buffer): readonly Read[] {
  const text = (data[0] === 0x1f ? gunzipSync(data) : data).toString("utf8");
  const lines = text.split(/\r?\n/);
  const count = Math.floor(lines.length / 4);
  return Array.from({ length: count }, (_, i): Read => {
    return [(lines[4 * i] ?? "").slice(1).split(/\s/)[0] ?? "", lines[4 * i + 1] ?? ""];
  });
}
