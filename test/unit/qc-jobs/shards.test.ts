/** Quality control in shards: decided once, counted exactly, accounted for, made again alike. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { decodeSummary } from "../../../actors/qc/index.ts";
import { readPlan } from "../../../runtime/dataset/plan.ts";
import { runShard } from "../../../runtime/dataset/shard.ts";
import { runVerify } from "../../../runtime/dataset/verify.ts";
import type { Receipt } from "../../../runtime/messages.ts";
import { storageOf } from "../../../runtime/storage/open.ts";
import { ADAPTERS, simulatePairs } from "../native/simulated.ts";
import {
  folder,
  JOB,
  make,
  makeShards,
  mergeAll,
  planFiles,
  planJob,
  takesAll,
  textSource,
} from "./support.ts";

const QC = { preset: "short", given: {}, spectrum: 13, sketch: 21, scaled: 10 };
const { first, second } = simulatePairs(3, 900, 100);
const pairs = { sample: "gut", texts: [first, second] };
const signal = new AbortController().signal;

/** Records of the plan's first shard, by the stage or aside. */
function accounted({ rows, passed = rows, filtered, quarantined, skipped }: Receipt): number {
  const out = Object.values(filtered).reduce((sum, count) => sum + count, 0);
  return passed + out + quarantined + skipped;
}

describe("files of the seal", () => {
  const one = { sample: "lungs", texts: [first], label: "sick" };
  const lanes = [
    { sample: "gut", texts: [first, second], label: "well" },
    { sample: "lungs", texts: [simulatePairs(4, 300, 90).first], label: "sick" },
    { sample: "gut", texts: [second, first], label: "well" },
  ];

  test("are the same however the shards were cut", async () => {
    const files = await Promise.all(
      [150, 450, 100_000].map(async (recordsPerShard) => {
        const made = await make(await planJob(lanes, { qc: QC, recordsPerShard }));
        return made.reports.map(({ file, sha256 }) => ({ file, sha256 }));
      }),
    );
    expect(files[0]).toEqual(files[2]);
    expect(files[1]).toEqual(files[2]);
    expect(files[0]?.map(({ file }) => file)).toEqual([
      ...["gut.fastp.json", "gut.qc.json", "gut.sig"],
      ...["lungs.fastp.json", "lungs.qc.json", "lungs.sig", "report.html"],
    ]);
  });

  test("lanes of a sample are added, and another sample is another", async () => {
    const made = await make(await planJob(lanes, { qc: QC }));
    expect(made.json("gut.fastp.json")).toMatchObject({
      summary: { before_filtering: { total_reads: 3600 } },
    });
    expect(made.json("lungs.fastp.json")).toMatchObject({
      summary: { before_filtering: { total_reads: 300 } },
    });
    expect(made.json("gut.qc.json")).toMatchObject({ sample: "gut", label: "well", mates: 2 });
  });

  test("of a sample of FASTQ and FASTA tell of its reads, whichever comes first", async () => {
    const place = folder();
    const write = (name: string, text: string) => {
      writeFileSync(join(place, name), text);
      return { uri: join(place, name), sample: "gut" };
    };
    const [fastq, fasta] = [write("x.fastq", first), write("x.fasta", ">c\nACGTACGTAC\n")];
    for (const inputs of [
      [fastq, fasta],
      [fasta, fastq],
    ]) {
      const made = await make(await planFiles(inputs, { qc: QC }));
      expect(made.json("gut.fastp.json")).toMatchObject({
        summary: { before_filtering: { total_reads: 900 } },
      });
      const kept = made.receipts.map(([receipt]) => receipt && accounted(receipt));
      expect(kept).toEqual(inputs.map((input) => (input === fasta ? 1 : 900)));
    }
  });

  test("have plain names, each sample its own", async () => {
    const samples = ["A b", "a_b", "ö", "../x"].map((sample) => ({ ...one, sample }));
    const made = await make(await planJob(samples, { qc: { ...QC, sketch: 0 } }));
    const names = made.reports.filter(({ kind }) => kind === "fastp").map(({ file }) => file);
    expect(names).toEqual([
      ...["A_b.fastp.json", "a_b-2.fastp.json", "sample_.fastp.json", "sample..__x.fastp.json"].map(
        (name) => name.replace("sample..__x", "sample.._x"),
      ),
    ]);
  });

  test("merged again they stand; other bytes in their place are an alarm", async () => {
    const job = await planJob([one], { qc: QC });
    const { receipts, reports } = await make(job);
    expect(await mergeAll(job, receipts)).toEqual(reports);
    writeFileSync(join(job.output, "lungs.sig"), "mine");
    await expect(mergeAll(job, receipts)).rejects.toMatchObject({ code: "DETERMINISM_ALARM" });
  });

  test("a summary that is gone or damaged isn't passed over", async () => {
    const job = await planJob([one], { qc: QC });
    const { receipts } = await make(job);
    const name = receipts[0]?.[1]?.summary?.file ?? "";
    const path = join(job.output, name);
    const bytes = readFileSync(path);
    const flipped = Buffer.from(bytes);
    flipped[flipped.length >> 1] = (flipped[flipped.length >> 1] ?? 0) ^ 1;
    writeFileSync(path, flipped);
    const damaged = { code: "SHARD_DAMAGED", where: { uri: path } };
    await expect(mergeAll(job, receipts)).rejects.toMatchObject(damaged);
    rmSync(path);
    await expect(mergeAll(job, receipts)).rejects.toMatchObject(damaged);
  });
});

describe("a shard", () => {
  test("accounts for each record, by fastp's names; batches are of what is kept", async () => {
    const job = await planJob([{ ...pairs, label: "well" }], { qc: QC });
    const { receipts, given } = await make(job);
    const all = receipts.flat();
    expect(all.map(accounted)).toEqual(all.map(({ records }) => records));
    expect(all.reduce((sum, { records }) => sum + records, 0)).toBe(900);
    const reasons = new Set(all.flatMap(({ filtered }) => Object.keys(filtered)));
    expect([...reasons].sort()).toEqual(["low_quality_reads", "too_short_reads"]);
    for (const batch of given) {
      expect(batch.ids).toHaveLength(batch.records);
      expect(batch.mate?.records).toBe(batch.records);
      expect(batch.offsets.at(-1)).toBe(batch.bases.length);
    }
  });

  test("of pairs gives a row a mate where that is asked for", async () => {
    const options = { qc: { ...QC, preset: "none" }, mates: "single" };
    const { receipts, given } = await make(await planJob([pairs], options));
    expect(receipts.flat().reduce((sum, { rows }) => sum + rows, 0)).toBe(1800);
    const [batch] = given;
    expect(batch?.ids.slice(0, 4)).toEqual(["r0", "r0", "r1", "r1"]);
    const readOf = (text: string, read: number) => text.split("\n")[4 * read + 1];
    const bases = (i: number) =>
      Buffer.from(batch?.bases.subarray(batch.offsets[i], batch.offsets[i + 1]) ?? []).toString();
    const wanted = [readOf(first, 0), readOf(second, 0), readOf(first, 1)];
    expect([bases(0), bases(1), bases(2)]).toEqual(wanted);
  });

  test("without quality control has no summary, and its plan no decisions", async () => {
    const job = await planJob([pairs], {});
    const { plan } = await readPlan(job.jobFolder);
    expect(plan.inputs[0]).not.toHaveProperty("decisions");
    const { stage } = takesAll();
    const [receipts] = await makeShards(job, stage);
    expect(receipts?.[0]).not.toHaveProperty("summary");
    expect(readdirSync(job.output).filter((name) => name.endsWith(".lqc"))).toEqual([]);
  });

  test("names its summary, and is made again where that is gone: with the same bytes", async () => {
    const job = await planJob([pairs], { qc: QC });
    const { stage } = takesAll();
    const [receipts] = await makeShards(job, stage);
    const receipt = receipts?.[0];
    const name = receipt?.summary?.file ?? "";
    expect(name).toBe(`qc-00000-000000-${JOB.slice(0, 12)}.lqc`);
    const bytes = readFileSync(join(job.output, name));
    expect(bytes).toHaveLength(receipt?.summary?.bytes ?? 0);
    expect(decodeSummary(bytes, name).counts.before[0]?.reads).toBe(500);
    const file = await readPlan(job.jobFolder);
    const storage = storageOf(job.output);
    const ranges = [{ input: 0, from: 0, to: 2 }];
    const found = async () =>
      (await runVerify(file, JOB, ranges, storage, signal)).found.map((it) => it.shard);
    expect(await found()).toEqual([0, 1]);
    rmSync(join(job.output, name));
    expect(await found()).toEqual([1]);
    const again = await makeShards(job, stage);
    expect(again).toEqual([receipts]);
    expect(readFileSync(join(job.output, name))).toEqual(bytes);
    writeFileSync(join(job.output, name), "short");
    expect(await runVerify(file, JOB, ranges, storage, signal)).toMatchObject({
      damaged: [{ input: 0, shard: 0 }],
    });
  });

  test("without a poisonous record puts aside that very record of the file", async () => {
    const job = await planJob([{ sample: "one", texts: [first] }], { qc: QC }, "quarantine");
    const file = await readPlan(job.jobFolder);
    const reader = await textSource.open(job.spec.source.options);
    const { stage, given } = takesAll();
    await runShard(file, "f".repeat(64), { input: 0, shard: 0 }, { reader, stage }, signal);
    const position = 200;
    const ids = given.flatMap((batch) => batch.ids);
    const exclusion = { number: 1, records: [{ position, reason: "signal 11" }] };
    const where = { input: 0, shard: 0, exclusion };
    const outcome = await runShard(file, JOB, where, { reader, stage }, signal);
    if (outcome.kind !== "committed") throw new Error(outcome.kind);
    const { receipt } = outcome;
    expect(accounted(receipt)).toBe(500);
    const aside = readFileSync(join(job.output, receipt.quarantine?.file ?? ""), "utf8");
    const row = JSON.parse(aside) as { text: string; record: number };
    expect(row.text).toMatch(new RegExp(`^@${ids[position]} `));
    expect(first.split("\n")[4 * (row.record - 1)]).toBe(row.text.split("\n")[0]);
  });
});

describe("what planning decided", () => {
  const good = "h".repeat(60);
  const bases = "ACGTTGCA".repeat(8).slice(0, 60);
  const read = (name: string, quality = good): string => `@${name}\n${bases}\n+\n${quality}\n`;
  // Planning looks at the first 10,000 reads: the contradiction comes later.
  const many = Array.from({ length: 10_100 }, (_, i) =>
    read(`q${i}`, i === 10_050 ? `${good.slice(1)}#` : good),
  ).join("");
  const options = { qc: { preset: "none", sketch: 0 }, recordsPerShard: 10_100 };

  test("holds for a later read: a quality below the offset is a bad record", async () => {
    const inputs = [{ sample: "old", texts: [many] }];
    const job = await planJob(inputs, options);
    const { plan } = await readPlan(job.jobFolder);
    expect(plan.inputs[0]?.decisions).toMatchObject({
      qc: { decisions: { encoding: "phred64", probed: 10_000 } },
    });
    await expect(makeShards(job, takesAll().stage)).rejects.toMatchObject({
      code: "FASTQ_BAD_RECORD",
      where: { record: 10_051, byteOffset: many.indexOf("@q10050") },
    });
    const skipped = await make(await planJob(inputs, options, "skip"));
    expect(skipped.receipts[0]?.[0]).toMatchObject({ records: 10_100, rows: 10_099, skipped: 1 });
    const aside = await make(await planJob(inputs, options, "quarantine"));
    const receipt = aside.receipts[0]?.[0];
    expect(receipt).toMatchObject({ records: 10_100, rows: 10_099, quarantined: 1 });
    expect(aside.file(receipt?.quarantine?.file ?? "").toString()).toContain("@q10050");
  });

  test("is one for all lanes of a sample, by its first reads; a sample's own", async () => {
    const adapters = ADAPTERS[0];
    const lanes = [
      { sample: "a", texts: [read("x")] },
      { sample: "b", texts: [read("NB501:1", "I".repeat(60))] },
      { sample: "a", texts: [read("y", "#".repeat(60))] },
    ];
    const given = { adapter_sequence: adapters };
    const job = await planJob(lanes, { qc: { preset: "short", given } });
    const { plan } = await readPlan(job.jobFolder);
    const [a, b, again] = plan.inputs.map(({ decisions }) => decisions);
    expect(again).toEqual(a);
    expect(a).toMatchObject({ qc: { decisions: { twoColour: false, adapterSearch: "given" } } });
    expect(b).toMatchObject({ qc: { decisions: { twoColour: true, polyG: true } } });
  });

  test("what isn't an option is refused before anything is read", async () => {
    const options = { qc: { preset: "short", given: { lenght_required: 3 } } };
    await expect(textSource.identify(options)).rejects.toMatchObject({ code: "USAGE" });
  });
});
