/** What quality control and pairs come to in a shard's rows: trimmed reads, fragments, labels. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parquetReadObjects } from "hyparquet";
import { expect, test } from "vitest";
import { KmerEmbedder } from "../../../actors/embedder.ts";
import type { ReadBatch } from "../../../actors/fastq/batch.ts";
import { encoderOf } from "../../../actors/model.ts";
import type { Stage } from "../../../runtime/dataset/shard.ts";
import type { JsonObject } from "../../../runtime/dataset/types.ts";
import { generator } from "../native/simulated.ts";
import { makeShards, planJob, type Texts } from "./support.ts";

const random = generator(3);
const letters = (n: number) => Array.from({ length: n }, () => "ACGT"[random(4)]).join("");
const N = 20;
const inserts = Array.from({ length: N }, () => [letters(120), letters(110)] as const);
const fastq = (reads: readonly string[], quality = "I"): string =>
  reads.map((bases, i) => `@r${i}\n${bases}\n+\n${quality.repeat(bases.length)}\n`).join("");

interface Row {
  readonly read_id: string;
  readonly sample: string;
  readonly label?: string;
  readonly n_tokens: number;
  readonly embedding: readonly number[];
}

async function rowsOf(input: Texts, options: JsonObject): Promise<Row[]> {
  const job = await planJob([input], { recordsPerShard: 1000, ...options });
  const kmer = new KmerEmbedder({ model: encoderOf("kmer") });
  const stage: Stage = {
    deterministic: true,
    describe: () => kmer.describe(),
    map: (batch) => kmer.embed(batch as ReadBatch),
  };
  const [receipts] = await makeShards(job, stage);
  const bytes = readFileSync(join(job.output, receipts?.[0]?.file ?? ""));
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  return (await parquetReadObjects({ file })) as unknown as Row[];
}

test("a pair is one row of `kmer`: both mates' counts, and no 4-mer across them", async () => {
  const mates = [0, 1].map((mate) => fastq(inserts.map((insert) => insert[mate] ?? "")));
  const pairs = await rowsOf({ sample: "gut", texts: mates, label: "well" }, {});
  const joined = inserts.map(([first, second]) => `${first}N${second}`);
  const single = await rowsOf({ sample: "gut", texts: [fastq(joined)] }, {});
  expect(pairs.map(({ n_tokens }) => n_tokens)).toEqual(Array(N).fill(117 + 107));
  expect(pairs.map(({ embedding }) => embedding)).toEqual(single.map((row) => row.embedding));
  expect(pairs.map(({ sample, label }) => `${sample} ${label}`)).toEqual(Array(N).fill("gut well"));
  expect(single[0]).not.toHaveProperty("label");
});

test("a row a mate where that is asked for, both of a fragment by its name", async () => {
  const mates = [0, 1].map((mate) => fastq(inserts.map((insert) => insert[mate] ?? "")));
  const rows = await rowsOf({ sample: "gut", texts: mates }, { mates: "single" });
  expect(rows.map(({ read_id }) => read_id).slice(0, 4)).toEqual(["r0", "r0", "r1", "r1"]);
  expect(rows.map(({ n_tokens }) => n_tokens).slice(0, 4)).toEqual([117, 107, 117, 107]);
});

test("trimmed reads go to the encoder, as they are without quality control", async () => {
  const adapter = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA";
  const cut = inserts.map(([first]) => `${first}${adapter}`);
  const qc = { preset: "short", given: { adapter_sequence: adapter } };
  const trimmed = await rowsOf({ sample: "gut", texts: [fastq(cut)] }, { qc });
  const bare = inserts.map(([first]) => first);
  const plain = await rowsOf({ sample: "gut", texts: [fastq(bare)] }, {});
  expect(trimmed.map(({ embedding }) => embedding)).toEqual(plain.map((row) => row.embedding));
  const counted = await rowsOf({ sample: "gut", texts: [fastq(cut)] }, { qc: { preset: "none" } });
  expect(counted.map(({ n_tokens }) => n_tokens)).toEqual(Array(N).fill(120 + 33 - 3));
});
