/** Shards whose receipts were lost: adopted by what they hold, or told of, and never touched. */
import { readdir, readFile, rename, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { shardFile } from "../../../runtime/dataset/names.ts";
import { type PlanFile, readPlan, runPlan } from "../../../runtime/dataset/plan.ts";
import { runShard } from "../../../runtime/dataset/shard.ts";
import { runVerify } from "../../../runtime/dataset/verify.ts";
import type { Outcome } from "../../../runtime/messages.ts";
import { folderStorage } from "../../../runtime/storage/folder.ts";
import { folder, halves, NumberReader, numbersSpec } from "./fakes.ts";

const JOB = "1".repeat(64);
const NEVER = new AbortController().signal;

let file: PlanFile;
let made: Extract<Outcome, { kind: "committed" }>[];
beforeEach(async () => {
  const job = await folder();
  await runPlan(job, await numbersSpec({ a: 35, r: 25 }));
  file = await readPlan(job);
  made = [];
  for (const input of [0, 1]) {
    for (const shard of input === 0 ? [0, 1, 2, 3] : [0, 1, 2]) {
      const parts = { reader: new NumberReader(), stage: halves() };
      const outcome = await runShard(file, JOB, { input, shard }, parts, NEVER);
      if (outcome.kind !== "committed") throw new Error(outcome.kind);
      made.push(outcome);
    }
  }
});

const pathOf = (input: number, shard: number): string =>
  join(file.spec.sink.uri, shardFile(JOB, input, shard));
const verify = (from: number, to: number, input = 0, storage = folderStorage) =>
  runVerify(file, JOB, [{ input, from, to }], storage, NEVER);

test("what stands is found with the receipts that were lost, and what doesn't isn't", async () => {
  await rename(pathOf(0, 2), join(await folder(), "moved"));
  const { found, damaged } = await verify(0, 4);
  const receipts = [0, 1, 3].map((shard) => ({
    input: 0,
    shard,
    receipt: made[shard]?.receipt,
    end: null,
  }));
  expect([found, damaged]).toEqual([receipts, []]);
});

test("a shard in which an input ended says so", async () => {
  const { found } = await verify(0, 3, 1);
  expect(found.map(({ end }) => end)).toEqual([null, null, { records: 25, shards: 3 }]);
});

test("takes ranges of several inputs", async () => {
  const ranges = [
    { input: 0, from: 3, to: 4 },
    { input: 1, from: 0, to: 2 },
  ];
  const { found } = await runVerify(file, JOB, ranges, folderStorage, NEVER);
  expect(found.map(({ input, shard }) => [input, shard])).toEqual([
    [0, 3],
    [1, 0],
    [1, 1],
  ]);
});

test("reads nothing but shards, each once", async () => {
  const read: string[] = [];
  const storage = {
    ...folderStorage,
    readIfPresent: async (uri: string) => {
      read.push(uri);
      return folderStorage.readIfPresent(uri);
    },
  };
  const input = JSON.parse(JSON.stringify(file)) as PlanFile;
  await runVerify(input, JOB, [{ input: 0, from: 0, to: 4 }], storage, NEVER);
  expect(read).toEqual([0, 1, 2, 3].map((shard) => pathOf(0, shard)));
});

test("every byte that is changed, and every cut, is found; the file stays as it is", async () => {
  const path = pathOf(0, 1);
  const sound = await readFile(path);
  for (let at = 0; at < sound.length; at += 13) {
    const bytes = Buffer.from(sound);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
    await writeFile(path, bytes);
    const { found, damaged } = await verify(1, 2);
    expect([found, damaged.length], `byte ${at} of ${sound.length}`).toEqual([[], 1]);
    expect(await readFile(path)).toEqual(bytes);
  }
  for (const length of [0, 4, 12, Math.floor(sound.length / 2), sound.length - 1]) {
    await writeFile(path, sound);
    await truncate(path, length);
    expect((await verify(1, 2)).damaged, `${length} bytes`).toMatchObject([{ input: 0, shard: 1 }]);
    expect((await stat(path)).size).toBe(length);
  }
  await writeFile(path, Buffer.concat([sound, Buffer.from("more")]));
  expect((await verify(1, 2)).damaged).toHaveLength(1);
});

test("a sound shard of another range under the name is the determinism alarm", async () => {
  await writeFile(pathOf(0, 1), await readFile(pathOf(0, 2)));
  await expect(verify(0, 4)).rejects.toMatchObject({
    code: "DETERMINISM_ALARM",
    where: { uri: pathOf(0, 1) },
  });
});

test("a sound shard of another plan isn't taken by its name alone", async () => {
  const other = { ...file, spec: { ...file.spec, stage: { ...file.spec.stage, batchSize: 8 } } };
  const range = { input: 0, from: 0, to: 1 };
  await expect(runVerify(other, JOB, [range], folderStorage, NEVER)).rejects.toMatchObject({
    code: "DETERMINISM_ALARM",
  });
});

test("can be cancelled between two files", async () => {
  const range = { input: 0, from: 0, to: 4 };
  const stop = AbortSignal.abort();
  await expect(runVerify(file, JOB, [range], folderStorage, stop)).rejects.toMatchObject({
    code: "CANCELLED",
  });
  expect(await readdir(file.spec.sink.uri)).toHaveLength(made.length);
});
