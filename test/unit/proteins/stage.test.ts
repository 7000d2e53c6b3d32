/** Reads as proteins: which frames, where they lie, and that each read is accounted for. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { parquetReadObjects } from "hyparquet";
import { describe, expect, test } from "vitest";
import { readBatchOf } from "../../../actors/fastq/batch.ts";
import { proteinsOf } from "../../../actors/proteins/orfs.ts";
import { NO_ORF, type ProteinEncoder, ProteinStage } from "../../../actors/proteins/stage.ts";
import { translate } from "../../../actors/native/index.ts";
import { dataFile, hasData } from "../native/data.ts";
import { generator } from "../native/simulated.ts";
import { batchOf } from "../qc/reads.ts";
import { makeShards, planJob } from "../qc-jobs/support.ts";

const LETTERS = "ACDEFGHIKLMNPQRSTVWY";

/** How often each residue comes: an encoder that anybody can check. */
const composition: ProteinEncoder = {
  deterministic: true,
  encode: ({ residues, ends, reads }) => {
    const rows = Array.from(reads, (_, i) => {
      const protein = Buffer.from(residues.subarray(ends[i], ends[i + 1])).toString("latin1");
      return Array.from(LETTERS, (letter) => protein.split(letter).length - 1);
    });
    return Promise.resolve(Float32Array.from(rows.flat()));
  },
  describe: () => ({
    name: "composition",
    sha256: "c".repeat(64),
    provider: "cpu",
    variant: "cpu-1t",
    dimensions: LETTERS.length,
    metric: "l2",
  }),
};

/** One frame without a stop; all others have one in each 24 bases. */
const unit = "GCCTACCTACTAGGCTTTAAGTTG";
const gene = `TAA${unit.repeat(6)}TGACC`;
const residues = "AYLLGFKL".repeat(6);
const texts = [
  ["gene", gene],
  ["none", unit],
  ["empty", ""],
].map(([name, bases = ""]) => `@${name}\n${bases}\n+\n${"I".repeat(bases.length)}\n`);
const reads = readBatchOf(batchOf(texts.join("")), "fastq");

const seqkit = spawnSync("seqkit", ["version"]).status === 0;

describe("a batch of reads", () => {
  test("gives the longest frame of each, with its place in the read as it stands", async () => {
    const found = await proteinsOf(reads);
    expect([found.records, [...found.reads], found.ids]).toEqual([3, [0], ["gene"]]);
    expect(Buffer.from(found.residues).toString()).toBe(residues);
    expect(found.orfs).toEqual({
      frames: Int32Array.of(1),
      begins: Int32Array.of(3),
      stops: Int32Array.of(3 + 6 * unit.length),
    });
  });

  test("gives all frames where that is asked for, and shorter ones", async () => {
    const [longest, all] = await Promise.all([
      proteinsOf(reads, { lengthMin: 3 }),
      proteinsOf(reads, { lengthMin: 3, orf: "all" }),
    ]);
    expect(new Set(longest.reads).size).toBe(longest.reads.length);
    expect(all.reads.length).toBeGreaterThan(longest.reads.length);
    expect([...all.reads]).toEqual([...all.reads].sort((a, b) => a - b));
  });

  test("of proteins is itself, in capitals, without empty ones", async () => {
    const batch = readBatchOf(batchOf("@a\nmkv\n+\nIII\n@b\n\n+\n\n@c\nV\n+\nI\n"), "protein");
    const { residues: letters, ends, reads: of, orfs } = await proteinsOf(batch);
    expect(Buffer.from(letters).toString()).toBe("MKVV");
    expect([[...ends], [...of], orfs]).toEqual([[0, 3, 4], [0, 2], undefined]);
  });

  test.runIf(seqkit && hasData)("in six frames is what seqkit translate gives", async () => {
    const text = gunzipSync(dataFile("seqkit", "reads_1.fq.gz")).toString("latin1");
    const lines = text.split("\n");
    const fasta = lines.flatMap((line, i) => (i % 4 < 2 ? [line.replace(/^@/, ">")] : []));
    const args = ["translate", "-f", "6", "-T", "11", "-w", "0"];
    const out = execFileSync("seqkit", args, {
      input: `${fasta.join("\n")}\n`,
      maxBuffer: 2 ** 28,
    });
    const wanted = out.toString().split("\n");
    const { bases, ends } = batchOf(text);
    const { residues: all, ends: stops } = await translate(
      { bases, ends },
      { orf: "frames", code: 11 },
    );
    const letters = Buffer.from(all).toString("latin1");
    const ours = Array.from(stops.subarray(1), (stop, i) => letters.slice(stops[i], stop));
    expect(ours).toHaveLength(15_000);
    expect(ours).toEqual(wanted.filter((line, i) => i % 2 === 1));
  });

  test("of pairs isn't taken for reads", async () => {
    const pairs = readBatchOf(batchOf(texts.join("")), "fastq", batchOf(texts.join("")));
    await expect(proteinsOf(pairs)).rejects.toThrow("a row a mate");
  });
});

describe("a stage of proteins", () => {
  test("gives a row a protein, and counts reads without one", async () => {
    const table = await new ProteinStage(composition).embed(reads);
    expect(table).toMatchObject({ rows: 1, filtered: { [NO_ORF]: 2 } });
    expect(table).not.toHaveProperty("passed");
    const counts = Array.from(LETTERS, (letter) => residues.split(letter).length - 1);
    expect(table.columns["embedding"]).toMatchObject({ values: Float32Array.from(counts) });
    expect(table.columns["orf_aa"]).toMatchObject({ values: Int32Array.of(48) });
  });

  test("of all frames makes a shard of more rows than reads, each read accounted for", async () => {
    const random = generator(5);
    const records = Array.from({ length: 60 }, (_, i) => {
      const bases = Array.from({ length: 400 }, () => "ACGT"[random(4)]).join("");
      return `@s${i}\n${bases}\n+\n${"I".repeat(400)}\n`;
    });
    const job = await planJob([{ sample: "soil", texts: [records.join("")] }], {});
    const stage = new ProteinStage(composition, { orf: "all", code: 11 });
    const parts = {
      deterministic: stage.deterministic,
      describe: () => stage.describe(),
      map: (batch: unknown) => stage.embed(batch as typeof reads),
    };
    const [receipts] = await makeShards(job, parts);
    const receipt = receipts?.[0];
    const { rows = 0, passed = 0, filtered = {} } = receipt ?? {};
    expect(rows).toBeGreaterThan(60);
    expect(passed + (filtered[NO_ORF] ?? 0)).toBe(60);

    const bytes = readFileSync(join(job.output, receipt?.file ?? ""));
    const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
    const table = await parquetReadObjects({ file });
    expect(table).toHaveLength(rows);
    for (const row of table) {
      const { orf_frame: frame, orf_begin: begin, orf_end: end, orf_aa: length } = row;
      expect(end - begin).toBe(3 * length);
      expect(length).toBeGreaterThanOrEqual(30);
      expect(frame > 0 ? begin % 3 : (400 - end) % 3).toBe(Math.abs(frame) - 1);
    }
  });
});
