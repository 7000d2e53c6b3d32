/** Shards with trouble: records left out, batches cut, variants that meet, probes. */
import { appendFile, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { parquetReadObjects } from "hyparquet";
import { describe, expect, test } from "vitest";
import { source } from "../../../runtime/actor/registry.ts";
import { type PlanFile, readPlan, runPlan } from "../../../runtime/dataset/plan.ts";
import { runProbe } from "../../../runtime/dataset/probe.ts";
import { runShard, type ShardWork, type Stage } from "../../../runtime/dataset/shard.ts";
import { runVerify } from "../../../runtime/dataset/verify.ts";
import type {
  BadRecord,
  Batch,
  RawRecord,
  ReadOutcome,
  ShardReader,
  ShardRequest,
} from "../../../runtime/dataset/types.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { sha256Hex } from "../../../runtime/ids.ts";
import type { BatchPlace, DatasetSpec, Outcome, Receipt } from "../../../runtime/messages.ts";
import { folderStorage } from "../../../runtime/storage/folder.ts";
import type { Storage } from "../../../runtime/storage/storage.ts";
import { DESCRIPTION, folder, numbersSpec } from "./fakes.ts";

const JOB = "1".repeat(64);
const NEVER = new AbortController().signal;

interface Values extends Batch {
  readonly values: readonly number[];
}

/** A shard's records: 0, 1, ..., 19, but for the bad ones, which are put aside or passed over. */
class ValueReader implements ShardReader {
  readonly #bad: readonly number[];

  constructor(bad: readonly number[] = []) {
    this.#bad = bad;
  }

  async *read({ batchSize, onBadRecord }: ShardRequest): AsyncGenerator<Values, ReadOutcome, void> {
    const values = this.#good();
    for (let at = 0; at < values.length; at += batchSize) {
      const some = values.slice(at, at + batchSize);
      yield await Promise.resolve({ records: some.length, values: some });
    }
    const bad = this.#bad.map((value): BadRecord => {
      return { ...rawOf(value), code: "FASTQ_BAD_RECORD", what: "bad" };
    });
    return onBadRecord === "skip"
      ? { records: 20, quarantined: 0, skipped: bad.length }
      : { records: 20, quarantined: bad.length, skipped: 0, bad };
  }

  pick(batch: Batch, indexes: readonly number[]): Values {
    const { values } = batch as Values;
    return { records: indexes.length, values: indexes.map((index) => values[index] ?? -1) };
  }

  raw(_request: ShardRequest, positions: readonly number[]): Promise<RawRecord[]> {
    return Promise.resolve(positions.map((position) => rawOf(this.#good()[position] ?? -1)));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #good(): number[] {
    return Array.from({ length: 20 }, (_, i) => i).filter((value) => !this.#bad.includes(value));
  }
}

function rawOf(value: number): RawRecord {
  const bytes = Buffer.from(`value ${value}\n`);
  return { record: value + 1, byteOffset: 10 * value, bytes, length: bytes.length };
}

source({
  name: "values",
  identify: () => Promise.resolve([]),
  plan: (_options, inputs) =>
    Promise.resolve({
      schema: 1,
      decisions: {},
      inputs: inputs.map(() => ({ kind: "ranges" as const, ranges: [{}] })),
    }),
  open: () => Promise.resolve(new ValueReader()),
});

async function planned(onBadRecord?: "quarantine" | "skip"): Promise<PlanFile> {
  const job = await folder();
  const numbers = await numbersSpec({ a: 20 });
  const policy = onBadRecord === undefined ? {} : { onBadRecord };
  const spec: DatasetSpec = {
    ...numbers,
    ...policy,
    source: { ...numbers.source, name: "values" },
  };
  await runPlan(job, { ...spec, stage: { ...spec.stage, batchSize: 8 } });
  return readPlan(job);
}

/** A row a record, with its batch's size: what a batch is composed of shows in the bytes. */
function sized(change: Partial<Stage> = {}): Stage {
  return {
    deterministic: true,
    describe: () => ({ ...DESCRIPTION, dimensions: 2 }),
    map: (batch) => {
      const { values, records } = batch as Values;
      const rows = Float32Array.from(values.flatMap((value) => [value, records]));
      const embedding = { kind: "vector" as const, values: rows, dimensions: 2 };
      return Promise.resolve({ rows: records, columns: { embedding }, filtered: {} });
    },
    ...change,
  };
}

interface Run extends Partial<ShardWork> {
  readonly stage?: Stage;
  readonly bad?: readonly number[];
  readonly storage?: Storage;
  readonly onBatch?: (place: BatchPlace | null) => void;
}

function run(file: PlanFile, { stage = sized(), bad, storage, onBatch, ...work }: Run = {}) {
  const told = onBatch === undefined ? {} : { onBatch };
  const parts = { reader: new ValueReader(bad), stage, ...told };
  return runShard(file, JOB, { input: 0, shard: 0, ...work }, parts, NEVER, storage);
}

function receiptOf(outcome: Outcome): Receipt {
  if (outcome.kind === "committed") return outcome.receipt;
  throw new Error(`not committed: ${JSON.stringify(outcome)}`);
}

async function rowsOf(file: PlanFile, receipt: Receipt): Promise<number[][]> {
  const bytes = await readFile(join(file.spec.sink.uri, receipt.file));
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const rows = await parquetReadObjects({ file: buffer });
  return rows.map(({ embedding }) => Array.from(embedding as Iterable<number>));
}

const excluding = (...positions: number[]) => ({
  number: 1,
  records: positions.map((position) => ({ position, reason: "SIGSEGV" })),
});

describe("records that are left out", () => {
  test("are put aside beside the bad ones, in the input's order, before the shard", async () => {
    const file = await planned("quarantine");
    const made: string[] = [];
    const storage: Storage = {
      ...folderStorage,
      createIfAbsent: (uri, bytes) => {
        made.push(uri.slice(file.spec.sink.uri.length + 1));
        return folderStorage.createIfAbsent(uri, bytes);
      },
    };
    // Records 3 and 9 are bad: positions 4 and 17 are those of 5 and 19.
    const done = await run(file, { exclusion: excluding(4, 17), bad: [3, 9], storage });
    const receipt = receiptOf(done);
    const { quarantine } = receipt;
    expect(made).toEqual([quarantine?.file, receipt.file]);
    expect(quarantine?.file).toBe(`quarantine-00000-000000-${JOB.slice(0, 12)}-1.jsonl`);
    expect(receipt).toMatchObject({ records: 20, rows: 16, quarantined: 4, skipped: 0 });
    const bytes = await readFile(join(file.spec.sink.uri, quarantine?.file ?? ""));
    expect(quarantine).toMatchObject({ records: 4, bytes: bytes.length, sha256: sha256Hex(bytes) });
    const lines = bytes.toString("utf8").trimEnd().split("\n");
    const poison = { code: "POISON_RECORD", what: "it ends its executor: SIGSEGV" };
    const bad = { code: "FASTQ_BAD_RECORD", what: "bad" };
    const wanted = [
      [3, bad],
      [5, poison],
      [9, bad],
      [19, poison],
    ] as const;
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
      wanted.map(([value, why]) => {
        const text = `value ${value}\n`;
        return { record: value + 1, byteOffset: 10 * value, ...why, bytes: text.length, text };
      }),
    );
    const kept = (await rowsOf(file, receipt)).map(([value]) => value);
    expect(kept).toEqual([0, 1, 2, 4, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18]);
  });

  test("are only counted under skip; all of them leave a shard with columns alone", async () => {
    const file = await planned("skip");
    const all = Array.from({ length: 20 }, (_, position) => position);
    const receipt = receiptOf(await run(file, { exclusion: excluding(...all) }));
    expect(receipt).toMatchObject({ rows: 0, skipped: 20, quarantined: 0, rowGroups: [] });
    expect(receipt.quarantine).toBeUndefined();
    expect(await readdir(file.spec.sink.uri)).toEqual([receipt.file]);
  });

  test("are part of the key; of sound records alone any policy makes the same bytes", async () => {
    const [strict, put, passed] = [
      await planned(),
      await planned("quarantine"),
      await planned("skip"),
    ];
    const plain = receiptOf(await run(strict));
    expect(receiptOf(await run(put)).sha256).toBe(plain.sha256);
    expect(receiptOf(await run(passed)).contentKey).toBe(plain.contentKey);
    const one = receiptOf(await run(await planned("skip"), { exclusion: excluding(3) }));
    const other = receiptOf(await run(await planned("skip"), { exclusion: excluding(4) }));
    const again = receiptOf(await run(await planned("skip"), { exclusion: excluding(3) }));
    expect(new Set([plain, one, other].map((it) => it.contentKey)).size).toBe(3);
    expect(again.sha256).toBe(one.sha256);
  });
});

describe("a side file", () => {
  test("leaves its shard's bytes those of any job that has the same records", async () => {
    const file = await planned("quarantine");
    const parts = () => ({ reader: new ValueReader([3]), stage: sized() });
    const where = { input: 0, shard: 0, exclusion: excluding(4) };
    const [one, other] = [
      receiptOf(await runShard(file, JOB, where, parts(), NEVER)),
      receiptOf(await runShard(file, "2".repeat(64), where, parts(), NEVER)),
    ];
    expect([other.sha256, other.quarantine?.sha256]).toEqual([one.sha256, one.quarantine?.sha256]);
    const names = [one, other].map(({ file: name, quarantine }) => [name, quarantine?.file]);
    const jobs = [JOB, "2".repeat(64)].map((id) => id.slice(0, 12));
    expect(names).toEqual(
      jobs.map((id) => [
        `part-00000-000000-${id}.parquet`,
        `quarantine-00000-000000-${id}-1.jsonl`,
      ]),
    );
  });

  const verify = (file: PlanFile) =>
    runVerify(file, JOB, [{ input: 0, from: 0, to: 1 }], folderStorage, NEVER);

  test("that is gone is made again with its shard, by what the shard says of itself", async () => {
    const file = await planned("quarantine");
    const receipt = receiptOf(await run(file, { exclusion: excluding(4), bad: [3] }));
    const path = join(file.spec.sink.uri, receipt.quarantine?.file ?? "");
    const bytes = await readFile(path);
    expect((await verify(file)).found).toMatchObject([{ input: 0, shard: 0, receipt }]);
    await rm(path);
    // What has no side file isn't found standing: so its shard is given out again.
    expect(await verify(file)).toMatchObject({ found: [], damaged: [] });
    // Whoever gives it out may not know of the exclusion any more.
    expect(receiptOf(await run(file, { bad: [3] }))).toEqual(receipt);
    expect(await readFile(path)).toEqual(bytes);
  });

  test("of another size is damaged: it is named and left as it is", async () => {
    const file = await planned("quarantine");
    const receipt = receiptOf(await run(file, { bad: [3] }));
    const side = receipt.quarantine?.file ?? "";
    const path = join(file.spec.sink.uri, side);
    await appendFile(path, "more");
    const bytes = await readFile(path);
    const wrong = { code: "SHARD_DAMAGED", where: { uri: path } };
    await expect(run(file, { bad: [3] })).rejects.toMatchObject(wrong);
    const { found, damaged } = await verify(file);
    expect([found, damaged.length]).toEqual([[], 1]);
    expect(damaged[0]?.what).toContain(`${side} has ${bytes.length} bytes`);
    expect(await readFile(path)).toEqual(bytes);
  });
});

describe("batches that are cut", () => {
  test("are cut in halves by records, and the variant says how often", async () => {
    const file = await planned();
    const places: unknown[] = [];
    const onBatch = (place: BatchPlace | null) => places.push(place);
    const receipt = receiptOf(await run(file, { halvings: 1, onBatch }));
    const cuts = [0, 4, 8, 12, 16, 18].map((first) => ({ first, records: first < 16 ? 4 : 2 }));
    expect(places).toEqual(cuts.flatMap((place) => [place, null]));
    expect(receipt.stage.variant).toBe("cpu-1t-h1");
    expect((await rowsOf(file, receipt)).map(([value]) => value)).toEqual(
      Array.from({ length: 20 }, (_, i) => i),
    );
  });

  test("come to one record each, however often they are cut", async () => {
    const places: BatchPlace[] = [];
    const onBatch = (place: BatchPlace | null) => void (place !== null && places.push(place));
    await run(await planned(), { halvings: 9, onBatch });
    expect(places).toHaveLength(20);
  });

  test.each([
    ["V8", () => new RangeError("Array buffer allocation failed")],
    ["V8, of a length", () => new RangeError("Invalid typed array length: 9e15")],
    ["C++", () => new Error("std::bad_alloc")],
    ["a GPU", () => new Error("CUDA failure 2: out of memory ; GPU=0")],
    ["ONNX Runtime", () => new Error("Failed to allocate memory for requested buffer")],
    ["its arena", () => new Error("Available memory of 1 is smaller than requested bytes of 2")],
    ["the stage", () => new SystemError("OUT_OF_MEMORY", "too much")],
  ])("are asked for when %s has no memory", async (_who, error) => {
    const places: unknown[] = [];
    const map: Stage["map"] = (batch) => {
      return (batch as Values).values.includes(9) ? Promise.reject(error()) : sized().map(batch);
    };
    const onBatch = (place: BatchPlace | null) => places.push(place);
    const done = await run(await planned(), { stage: sized({ map }), onBatch });
    const batch = { first: 8, records: 8 };
    expect(done).toMatchObject({ kind: "failed", error: { code: "OUT_OF_MEMORY" }, batch });
    expect(places).toEqual([{ first: 0, records: 8 }, null, batch, null]);
  });

  test("aren't for any other error, which ends the shard as it is", async () => {
    const map = () => Promise.reject(new RangeError("Maximum call stack size exceeded"));
    const done = run(await planned(), { stage: sized({ map }) });
    await expect(done).rejects.toThrow("call stack");
  });
});

describe("two variants of a shard", () => {
  /** While a batch is computed, this other attempt commits. */
  const meanwhile = (file: PlanFile, other: Run, change: Partial<Stage> = {}): Stage => {
    let isFirst = true;
    return sized({
      map: async (batch) => {
        if (isFirst) await run(file, other);
        isFirst = false;
        return (change.map ?? sized().map)(batch);
      },
      ...(change.deterministic === undefined ? {} : { deterministic: change.deterministic }),
    });
  };

  test("meet: the first one stands, and the other says so", async () => {
    const file = await planned("quarantine");
    const done = await run(file, { stage: meanwhile(file, { halvings: 2 }) });
    expect(done).toMatchObject({ kind: "committed", outdone: true });
    expect(receiptOf(done).stage.variant).toBe("cpu-1t-h2");
    // And whoever comes later takes it, with whatever exclusion it was sent.
    const late = await run(file, { exclusion: excluding(1) });
    expect(receiptOf(late)).toEqual(receiptOf(done));
  });

  test("of one key are an alarm only of a stage that calls itself deterministic", async () => {
    const map: Stage["map"] = async (batch) => {
      const table = await sized().map(batch);
      const { embedding } = table.columns;
      if (embedding?.kind === "vector") embedding.values.fill(7);
      return table;
    };
    const strict = await planned();
    const alarm = run(strict, { stage: meanwhile(strict, {}, { map }) });
    await expect(alarm).rejects.toMatchObject({ code: "DETERMINISM_ALARM" });
    const free = await planned();
    const done = await run(free, { stage: meanwhile(free, {}, { map, deterministic: false }) });
    expect(done).toMatchObject({ kind: "committed", outdone: true });
    expect((await rowsOf(free, receiptOf(done)))[3]).toEqual([3, 8]);
  });
});

describe("a probe", () => {
  const probe = async (first: number, records: number, more: object = {}) => {
    const seen: number[] = [];
    const places: (BatchPlace | null)[] = [];
    const map: Stage["map"] = (batch) => {
      seen.push(...(batch as Values).values);
      return sized().map(batch);
    };
    const file = await planned("quarantine");
    const onBatch = (place: BatchPlace | null) => places.push(place);
    const parts = { reader: new ValueReader([0]), stage: sized({ map }), onBatch };
    const work = { input: 0, shard: 0, first, records, run: true, ...more };
    const outcome = await runProbe(file, work, parts, NEVER);
    return { outcome, seen, places, names: await readdir(file.spec.sink.uri).catch(() => []) };
  };

  test("gives the stage its records alone, and leaves nothing", async () => {
    const probed = await probe(9, 3);
    // Record 0 is bad: position 9 is record 10's.
    expect(probed).toEqual({
      outcome: { kind: "probed", places: [] },
      seen: [10, 11, 12],
      places: [{ first: 9, records: 3 }, null],
      names: [],
    });
    expect((await probe(9, 3, { exclusion: excluding(10) })).seen).toEqual([10, 12]);
    expect((await probe(9, 1, { exclusion: excluding(9) })).seen).toEqual([]);
  });

  test("says where a record lies without touching the stage", async () => {
    const { outcome, seen } = await probe(9, 1, { run: false });
    expect(seen).toEqual([]);
    const places = [{ position: 9, record: 11, byteOffset: 100 }];
    expect(outcome).toEqual({ kind: "probed", places });
  });
});
