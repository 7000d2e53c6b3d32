/**
 * The encoder and its shards against Python: onnx regenerates the graph, numpy the rows, pyarrow
 * reads.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KmerEmbedder } from "../../actors/embedder.ts";
import { readBatchOf } from "../../actors/fastq/batch.ts";
import { fastqSource } from "../../actors/fastq/source.ts";
import { encoderOf } from "../../actors/model.ts";
import { writeSample } from "../../actors/sample.ts";
import { ShardWriter } from "../../runtime/dataset/parquet.ts";
import { ROW_GROUP_ROWS } from "../../runtime/limits.ts";

const ROOT = join(import.meta.dirname, "../..");
const CACHE = resolve(ROOT, process.env["LIGASE_CACHE"] || ".cache");
const PYTHON = process.env["LIGASE_PYTHON"] ?? join(CACHE, "python/bin/python");
const KMER = join(ROOT, "actors/kmer");
const folder = mkdtempSync(join(tmpdir(), "ligase-kmer-"));
const METADATA = { "ligase.key": 'a "quoted" value' };

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a Python program prints, as JSON. */
function python(code: string, ...args: string[]): unknown {
  const text = execFileSync(PYTHON, ["-c", code, ...args], { timeout: 60_000, encoding: "utf8" });
  return JSON.parse(text);
}

test("the graph is what its generator makes, byte by byte", () => {
  execFileSync(PYTHON, [join(KMER, "generate.py"), folder], { timeout: 60_000 });
  for (const name of ["kmer.onnx", "model.json"]) {
    expect(readFileSync(join(folder, name))).toEqual(readFileSync(join(KMER, name)));
  }
});

describe("a shard of simulated and odd reads", () => {
  const fastq = join(folder, "reads.fq");
  const shard = join(folder, "shard.parquet");
  let rows = 0;

  beforeAll(async () => {
    await writeSample(fastq, { seed: 5, reads: ROW_GROUP_ROWS + 200, length: 150 });
    const odd = ["N".repeat(40), "ACGT", `${"acguN-RY".repeat(3)}${"uUtTgGcCaA".repeat(9)}`, ""];
    const records = odd.map((bases, i) => `@odd${i}\n${bases}\n+\n${"I".repeat(bases.length)}\n`);
    writeFileSync(fastq, readFileSync(fastq, "utf8") + records.join(""));
    const made = await shardOf(fastq);
    writeFileSync(shard, made.bytes);
    rows = made.rows;
  });

  test("has the rows that numpy computes from the raw reads, to 1e-5", () => {
    const result = python(NUMPY, fastq, shard);
    expect(result).toEqual({ rows, names: true, tokens: true, filtered: 3, close: true });
    expect(rows).toBe(ROW_GROUP_ROWS + 201);
  });

  test("is read by pyarrow as what the solver expects", () => {
    expect(python(PYARROW, shard)).toEqual({
      columns: ["embedding", "ordinal", "read_id", "n_tokens", "sample"],
      type: "fixed_size_list<element: float not null>[136]",
      nullable: [false, false, false, false, false],
      groups: [ROW_GROUP_ROWS, 201],
      ordinal: true,
      samples: ["reads"],
      finite: true,
      metadata: METADATA,
      createdBy: "ligase",
    });
  });
});

test("a shard without rows is read by pyarrow, with its columns", async () => {
  const embedder = new KmerEmbedder({ model: encoderOf("kmer") });
  const [bytes, ends] = [new Uint8Array(0), new Int32Array(1)];
  const parts = { records: 0, names: bytes, nameEnds: ends, bases: bytes, qualities: bytes, ends };
  const none = readBatchOf(parts, "fastq");
  const writer = new ShardWriter({ sample: "none" });
  writer.append(await embedder.embed(none));
  const path = join(folder, "none.parquet");
  writeFileSync(path, writer.finish(METADATA).bytes);
  expect(python(PYARROW, path)).toMatchObject({
    type: "fixed_size_list<element: float not null>[136]",
    groups: [],
    metadata: METADATA,
  });
});

async function shardOf(path: string) {
  const [input] = await fastqSource.identify({ inputs: [path] });
  if (input === undefined) throw new Error("no input");
  const embedder = new KmerEmbedder({ model: encoderOf("kmer") });
  const writer = new ShardWriter({ sample: input.sample });
  const reader = await fastqSource.open({});
  const request = { input, inputIndex: 0, shardIndex: 0, decisions: {}, batchSize: 1_000 };
  const range = { begin: 0, end: input.bytes };
  for await (const batch of reader.read({ ...request, range })) {
    writer.append(await embedder.embed(batch as Parameters<KmerEmbedder["embed"]>[0]));
  }
  await reader.close();
  return writer.finish(METADATA);
}

/** The encoder from its definition, with nothing in common with the graph or the tokenizer. */
const NUMPY = `
import itertools, json, sys
import numpy as np
import pyarrow.parquet as pq

lines = open(sys.argv[1]).read().split("\\n")
names = [name[1:].split(" ")[0] for name in lines[0::4]]
reads = list(zip(names, [bases.upper().replace("U", "T") for bases in lines[1::4]]))
mate = str.maketrans("ACGT", "TGCA")
kmers = map("".join, itertools.product("ACGT", repeat=4))
order = [kmer for kmer in kmers if kmer <= kmer.translate(mate)[::-1]]
index = {}
for number, kmer in enumerate(order):
    index[kmer] = index[kmer.translate(mate)[::-1]] = number
assert len(order) == 136
names, tokens, rows = [], [], []
for name, sequence in reads:
    windows = [sequence[i:i + 4] for i in range(len(sequence) - 3)]
    found = [index[window] for window in windows if window in index]
    if len(found) < 32:
        continue
    logs = np.log(np.bincount(found, minlength=136) + 0.5)
    names.append(name), tokens.append(len(found)), rows.append(logs - logs.mean())
table = pq.read_table(sys.argv[2])
vectors = table["embedding"].combine_chunks().flatten().to_numpy().reshape(-1, 136)
print(json.dumps({
    "rows": table.num_rows,
    "names": table["read_id"].to_pylist() == names,
    "tokens": table["n_tokens"].to_pylist() == tokens,
    "filtered": len(reads) - len(rows),
    "close": bool(np.abs(vectors - np.array(rows)).max() < 1e-5),
}))
`;

const PYARROW = `
import json, sys
import numpy as np
import pyarrow.parquet as pq

file = pq.ParquetFile(sys.argv[1])
table = file.read()
schema = table.schema
vectors = table["embedding"].combine_chunks().flatten().to_numpy()
print(json.dumps({
    "columns": schema.names,
    "type": str(schema.field("embedding").type),
    "nullable": [schema.field(name).nullable for name in schema.names],
    "groups": [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)],
    "ordinal": table["ordinal"].to_pylist() == list(range(table.num_rows)),
    "samples": sorted(set(table["sample"].to_pylist())),
    "finite": bool(np.isfinite(vectors).all()),
    "metadata": json.loads(file.metadata.metadata[b"ligase"]),
    "createdBy": file.metadata.created_by,
}))
`;
