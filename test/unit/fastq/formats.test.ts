/** What records may look like: FASTQ over several lines, FASTA of bases and of residues. */
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ReadBatch } from "../../../actors/fastq/batch.ts";
import { planInput } from "../../../actors/fastq/plan.ts";
import { fastqSource } from "../../../actors/fastq/source.ts";
import { failureOf, identify, type Read, readAll, temporaryFolder } from "../actors/support.ts";
import { bgzfOf } from "./bgzf.ts";
import { inShards } from "./shards.ts";

const { write } = temporaryFolder();

const WRAPPED = "@a x\nACG\nT\n+a x\n@+I\n@\n@b\n\n+\n\n@c\nA\nC\n+\n+\n@\n";

describe("FASTQ over several lines", () => {
  const READS: readonly Read[] = [
    ["a", "ACGT"],
    ["b", ""],
    ["c", "AC"],
  ];

  test.each([
    ["plain", WRAPPED],
    ["with CRLF", WRAPPED.replaceAll("\n", "\r\n")],
    ["in gzip", gzipSync(WRAPPED)],
    ["in BGZF", bgzfOf(Buffer.from(WRAPPED), 10)],
  ])("is told and read as one stream: %s", async (name, data) => {
    const input = await identify(write(`wrapped-${name.replaceAll(/\W/g, "")}`, data));
    const { plan, reads } = await inShards(input, 20);
    expect(plan.kind).toBe("rule");
    expect(reads).toEqual(READS);
  });

  test("a long one too, of which the first look sees no whole record", async () => {
    const lines = "ACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGTACGT\n".repeat(30_000);
    const quality = lines.replaceAll(/[ACGT]/g, "I");
    const path = write("long-wrapped.fq", `@long\n${lines}+\n${quality}@b\nA\nC\n+\n!\n!\n`);
    expect((await readAll(path)).map(([id, bases]) => [id, bases.length])).toEqual([
      ["long", 30_000 * 56],
      ["b", 2],
    ]);
  });

  test("is refused where four lines a record end amid the file", async () => {
    const four = `@a\n${"ACGT".repeat(50)}\n+\n${"IIII".repeat(50)}\n`.repeat(5_000);
    const path = write("late.fq", `${four}@b\nAC\nGT\n+\nIIII\n`);
    const error = await failureOf(readAll(path));
    expect(error.where).toEqual({ uri: path, record: 5_001, byteOffset: four.length + 6 });
    expect(error.what).toContain("stand on one line each");
  });

  test.each([
    ["skip", 1],
    ["quarantine", 1],
  ] as const)("loses but the bad record with %s", async (policy, bad) => {
    const text = `${WRAPPED}@d\nAC\nG!\n+\n@III\n@e\nA\nC\n+\nI\nI\n`;
    const input = await identify(write("bad-wrapped.fq", `${text}${WRAPPED}`));
    const detail = { format: "wrapped-fastq", containers: ["plain"] };
    const range = { ...detail, firstRecord: 0, records: 100 };
    const reader = await fastqSource.open({});
    const which = { input, inputIndex: 0, shardIndex: 0, decisions: {}, batchSize: 10 };
    const batches = reader.read({ ...which, range, onBadRecord: policy });
    const ids: string[] = [];
    for (;;) {
      const next = await batches.next();
      if (next.done === true) {
        expect(next.value.quarantined + next.value.skipped).toBe(bad);
        break;
      }
      ids.push(...(next.value as ReadBatch).ids);
    }
    await reader.close();
    expect(ids).toEqual(["a", "b", "c", "e", "a", "b", "c"]);
  });
});

describe("FASTA", () => {
  test("of bases is cut between records, and its lines are joined", async () => {
    const letters = fc.string({ unit: fc.constantFrom("A", "c", "N", "u", "-"), maxLength: 30 });
    const record = fc.record({
      id: fc.stringMatching(/^[!-~]{1,6}$/),
      lines: fc.array(
        letters.filter((line) => line !== ""),
        { maxLength: 5 },
      ),
    });
    const sample = fc.record({
      records: fc.array(record, { minLength: 1, maxLength: 30 }),
      end: fc.constantFrom("\n", "\r\n"),
      shardBytes: fc.integer({ min: 1, max: 200 }),
      isBgzf: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(sample, async ({ records, end, shardBytes, isBgzf }) => {
        const text = records.map(({ id, lines }) => [`>${id} x`, ...lines, ""].join(end)).join("");
        const data = isBgzf ? bgzfOf(Buffer.from(text), 25) : Buffer.from(text);
        const input = await identify(write("split.fa", data));
        const { reads, plan } = await inShards(input, shardBytes);
        expect(plan.kind).toBe("ranges");
        expect(reads).toEqual(records.map(({ id, lines }) => [id, lines.join("")]));
      }),
      { numRuns: 60, endOnFailure: true },
    );
  });

  const PROTEIN = ">p one\nMEFLPQJZ*\nKKL\n>q\nMSTNPKPQRKTKRNTNRRPQDVKF\n";

  test("of residues is told by its letters", async () => {
    const input = await identify(write("protein.faa", PROTEIN));
    const plan = await planInput(input, undefined);
    expect(plan).toEqual({
      kind: "ranges",
      ranges: [{ begin: 0, end: PROTEIN.length, format: "protein" }],
    });
    expect((await inShards(input, 20)).reads).toEqual([
      ["p", "MEFLPQJZ*KKL"],
      ["q", "MSTNPKPQRKTKRNTNRRPQDVKF"],
    ]);
  });

  test("of letters that may be either is taken as it is said", async () => {
    const path = write("either.fa", ">a\nACGT\n");
    const options = { inputs: [{ uri: path, alphabet: "protein" }] };
    const [input] = await fastqSource.identify(options);
    const plans = await fastqSource.plan(options, input === undefined ? [] : [input]);
    expect(plans.inputs[0]).toMatchObject({ ranges: [{ format: "protein" }] });
  });

  test("with one wrong letter among bases is refused at its place, in any range", async () => {
    const good = ">a\nACGTACGT\n".repeat(20);
    const path = write("wrong.fa", `${good}>b\nACGT\nACET\n${good}`);
    const error = await failureOf(inShards(await identify(path), 50));
    expect({ code: error.code, where: error.where }).toEqual({
      code: "FASTA_BAD_RECORD",
      where: { uri: path, record: 21, byteOffset: good.length + 10 },
    });
  });

  test("in gzip is one stream", async () => {
    const input = await identify(write("zipped.faa.gz", gzipSync(PROTEIN)));
    const { plan, reads } = await inShards(input, 20);
    expect(plan).toMatchObject({ kind: "rule", detail: { format: "protein" } });
    expect(reads.map(([id]) => id)).toEqual(["p", "q"]);
  });

  test("has no qualities", async () => {
    const input = await identify(write("none.fa", ">a\nAC\n"));
    const reader = await fastqSource.open({});
    const range = { begin: 0, end: 6, format: "fasta" };
    const which = { input, inputIndex: 0, shardIndex: 0, decisions: {}, batchSize: 10, range };
    const { value } = await reader.read(which).next();
    expect(value).toMatchObject({ format: "fasta", records: 1, ids: ["a"] });
    expect((value as ReadBatch).qualities).toHaveLength(0);
    await reader.close();
  });
});
