/** One shard in one executor, on the real sink: computed, committed once, or adopted. */
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parquetReadObjects } from "hyparquet";
import { describe, expect, test } from "vitest";
import { type PlanFile, readPlan, runPlan } from "../../../runtime/dataset/plan.ts";
import { shardFile } from "../../../runtime/dataset/names.ts";
import { runShard, type Stage } from "../../../runtime/dataset/shard.ts";
import type { ShardRequest } from "../../../runtime/dataset/types.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { sha256Hex } from "../../../runtime/ids.ts";
import type { Outcome, Receipt } from "../../../runtime/messages.ts";
import { DESCRIPTION, folder, halves, NumberReader, numbersSpec } from "./fakes.ts";

const JOB = "1".repeat(64);
const NEVER = new AbortController().signal;

async function planned(inputs: Readonly<Record<string, number>>): Promise<PlanFile> {
  const job = await folder();
  await runPlan(job, await numbersSpec(inputs));
  return readPlan(job);
}

interface Run {
  readonly input?: number;
  readonly shard?: number;
  readonly jobId?: string;
  readonly stage?: Stage;
  readonly reader?: NumberReader;
  readonly signal?: AbortSignal;
}

function run(file: PlanFile, options: Run = {}): Promise<Outcome> {
  const { input = 0, shard = 0, jobId = JOB, stage = halves(), signal = NEVER } = options;
  const reader = options.reader ?? new NumberReader();
  return runShard(file, jobId, { input, shard }, { reader, stage }, signal);
}

async function receiptFrom(outcome: Promise<Outcome>): Promise<Receipt> {
  const settled = await outcome;
  if (settled.kind !== "committed") throw new Error(`not committed: ${settled.kind}`);
  return settled.receipt;
}

const pathOf = (file: PlanFile, name: string) => join(file.spec.sink.uri, name);

/** A source that met something to be said. */
class WarningReader extends NumberReader {
  override async *read(request: ShardRequest): ReturnType<NumberReader["read"]> {
    return { ...(yield* super.read(request)), warnings: { marks: 2 } };
  }
}

describe("a shard", () => {
  test("says what its source met, also when it is adopted", async () => {
    const file = await planned({ a: 25 });
    const made = await receiptFrom(run(file, { reader: new WarningReader() }));
    expect(made.warnings).toEqual({ marks: 2 });
    expect(await receiptFrom(run(file))).toEqual(made);
  });

  test("stands under its name with the bytes, rows and counts that its receipt says", async () => {
    const file = await planned({ a: 25 });
    const receipt = await receiptFrom(run(file, { shard: 1 }));
    expect(receipt.file).toBe(`part-00000-000001-${JOB.slice(0, 12)}.parquet`);
    const bytes = await readFile(pathOf(file, receipt.file));
    expect(receipt).toMatchObject({
      rows: 9,
      records: 10,
      filtered: { seventh: 1 },
      rowGroups: [9],
      sha256: sha256Hex(bytes),
      bytes: bytes.length,
      stage: DESCRIPTION,
    });
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
    const rows = await parquetReadObjects({ file: buffer });
    expect(rows[0]).toMatchObject({ embedding: [10, 5, 2.5], ordinal: 0, sample: "a" });
    expect(await readdir(file.spec.sink.uri)).toEqual([receipt.file]);
  });

  test("has the same bytes in another folder, for another job, in another run", async () => {
    const one = await receiptFrom(run(await planned({ a: 25 })));
    const other = await receiptFrom(run(await planned({ a: 25 }), { jobId: "2".repeat(64) }));
    expect(other.file).not.toBe(one.file);
    expect([other.contentKey, other.sha256]).toEqual([one.contentKey, one.sha256]);
  });

  test("has another key for another range, sample, batch size, encoder or variant", async () => {
    const keys = new Set<string>();
    const described = (change: object) =>
      halves({ describe: () => ({ ...DESCRIPTION, ...change }) });
    const a = await planned({ a: 25 });
    const larger = { ...a.spec, stage: { ...a.spec.stage, batchSize: 8 } };
    const runs = [
      run(a),
      run(a, { shard: 1 }),
      run(await planned({ b: 25 })),
      run(await planned({ x: 25, a: 25 }), { input: 1 }),
      run({ ...a, spec: { ...larger, sink: (await planned({ a: 1 })).spec.sink } }),
      run(await planned({ a: 25 }), { stage: described({ sha256: "0".repeat(64) }) }),
      run(await planned({ a: 25 }), { stage: described({ variant: "cuda" }) }),
    ];
    for (const one of runs) keys.add((await receiptFrom(one)).contentKey);
    expect(keys.size).toBe(runs.length);
  });
});

describe("a shard that stands", () => {
  test("is adopted with its first receipt, and nothing is computed", async () => {
    const file = await planned({ r: 25 });
    const first = await run(file, { shard: 2 });
    expect(first).toMatchObject({ kind: "committed", end: { records: 25, shards: 3 } });
    const before = await stat(pathOf(file, shardFile(JOB, 0, 2)), { bigint: true });
    const reader = new NumberReader();
    expect(await run(file, { shard: 2, reader })).toEqual(first);
    expect(reader.ended).toBe(0);
    const after = await stat(pathOf(file, shardFile(JOB, 0, 2)), { bigint: true });
    expect([after.ino, after.mtimeNs]).toEqual([before.ino, before.mtimeNs]);
  });

  test("with another content key is the determinism alarm, not adopted by existence", async () => {
    const file = await planned({ a: 25 });
    const { file: name } = await receiptFrom(run(file));
    const stage = halves({ describe: () => ({ ...DESCRIPTION, sha256: "0".repeat(64) }) });
    const before = await readFile(pathOf(file, name));
    await expect(run(file, { stage })).rejects.toMatchObject({
      code: "DETERMINISM_ALARM",
      where: { uri: pathOf(file, name) },
    });
    expect(await readFile(pathOf(file, name))).toEqual(before);
  });

  test("is adopted where another kind of machine made it", async () => {
    const file = await planned({ a: 25 });
    const first = await run(file);
    const stage = halves({ describe: () => ({ ...DESCRIPTION, variant: "cuda" }) });
    expect(await run(file, { stage })).toEqual(first);
  });

  test("that isn't a shard at all is refused, never replaced", async () => {
    const file = await planned({ a: 25 });
    await mkdir(file.spec.sink.uri);
    const path = pathOf(file, shardFile(JOB, 0, 0));
    await writeFile(path, "PAR1 and something else");
    await expect(run(file)).rejects.toMatchObject({ code: "SHARD_DAMAGED", where: { uri: path } });
    expect(await readFile(path, "utf8")).toBe("PAR1 and something else");
  });

  test("of two that were computed at once is one when their bytes agree", async () => {
    const file = await planned({ a: 25 });
    const receipts = await Promise.all([1, 2, 3].map(() => receiptFrom(run(file))));
    expect(new Set(receipts.map(({ sha256 }) => sha256)).size).toBe(1);
    expect(await readdir(file.spec.sink.uri)).toHaveLength(1);
  });

  test("and one computed meanwhile with other bytes is the determinism alarm", async () => {
    const file = await planned({ a: 25 });
    // The same stage by its own account, yet other values: while it computes, the true one commits.
    const wrong = halves({
      map: async (batch) => {
        await run(file);
        const table = await halves().map(batch);
        const { embedding } = table.columns;
        if (embedding?.kind === "vector") embedding.values.fill(9);
        return table;
      },
    });
    await expect(run(file, { stage: wrong })).rejects.toMatchObject({ code: "DETERMINISM_ALARM" });
  });
});

describe("a rule input", () => {
  test("says its end with the shard that reaches it, and past-end beyond", async () => {
    const file = await planned({ r: 25 });
    expect(await run(file, { shard: 1 })).toMatchObject({ kind: "committed", end: null });
    const end = { records: 25, shards: 3 };
    expect(await run(file, { shard: 2 })).toMatchObject({ kind: "committed", end });
    expect(await run(file, { shard: 3 })).toEqual({ kind: "past-end", end });
    expect(await readdir(file.spec.sink.uri)).toHaveLength(2);
  });

  test("whose records fill its last shard ends with that one", async () => {
    const file = await planned({ r: 30 });
    const end = { records: 30, shards: 3 };
    expect(await run(file, { shard: 2 })).toMatchObject({ kind: "committed", end });
    expect(await run(file, { shard: 3 })).toEqual({ kind: "past-end", end });
  });
});

describe("a shard that fails", () => {
  test("by a stage that loses records leaves no file, and its reader is closed", async () => {
    const file = await planned({ a: 25 });
    const reader = new NumberReader();
    const lossy = halves({
      map: async (batch) => ({ ...(await halves().map(batch)), filtered: { lost: 9 } }),
    });
    await expect(run(file, { stage: lossy, reader })).rejects.toMatchObject({
      code: "APPLICATION",
      what: "the stage was given 4 records and accounts for 13",
    });
    expect(reader.ended).toBe(1);
    await expect(readdir(file.spec.sink.uri)).rejects.toThrow("ENOENT");
  });

  test("by a source that miscounts leaves no file: in = passed + filtered + the rest", async () => {
    const file = await planned({ a: 25 });
    const reader = new NumberReader();
    reader.lie = 1;
    await expect(run(file, { reader })).rejects.toMatchObject({
      code: "INTERNAL",
      what: "the source read 11 records, 10 came out",
    });
    await expect(readdir(file.spec.sink.uri)).rejects.toThrow("ENOENT");
  });

  test("by a stage that throws says what it threw, and its reader is closed", async () => {
    const file = await planned({ a: 25 });
    const reader = new NumberReader();
    const error = new SystemError("MODEL_INVALID", "no such model");
    const stage = halves({ map: () => Promise.reject(error) });
    await expect(run(file, { stage, reader })).rejects.toBe(error);
    expect(reader.ended).toBe(1);
  });

  test("because it was cancelled stops before the next batch and leaves no file", async () => {
    const file = await planned({ a: 25 });
    const reader = new NumberReader();
    const abort = new AbortController();
    let batches = 0;
    const stage = halves({
      map: (batch) => {
        batches += 1;
        if (batches === 2) abort.abort();
        return halves().map(batch);
      },
    });
    const { signal } = abort;
    await expect(run(file, { stage, reader, signal })).rejects.toMatchObject({ code: "CANCELLED" });
    expect([batches, reader.ended]).toEqual([2, 1]);
    await expect(readdir(file.spec.sink.uri)).rejects.toThrow("ENOENT");
  });

  test("in a folder that can't be written says so with the path", async () => {
    const file = await planned({ a: 25 });
    await writeFile(file.spec.sink.uri, "a file in the way");
    await expect(run(file)).rejects.toMatchObject({ code: "OUTPUT_UNWRITABLE" });
  });
});
