/** A job's plan: made once, obeyed by all, never changed. */
import { readFile, writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import {
  planPath,
  readPlan,
  runPlan,
  shardRequest,
  shardsOfRule,
} from "../../../runtime/dataset/plan.ts";
import { sha256Hex } from "../../../runtime/ids.ts";
import { asked, folder, numbersSpec } from "./fakes.ts";

describe("a plan", () => {
  test("says the shards of each input, and null where they are found on the way", async () => {
    const job = await folder();
    const spec = await numbersSpec({ a: 25, r: 25 });
    const planned = await runPlan(job, spec);
    const sha256 = sha256Hex(await readFile(planPath(job)));
    expect(planned).toEqual({ kind: "planned", planSha256: sha256, shards: [3, null] });
    expect(await readPlan(job)).toMatchObject({
      sha256,
      spec,
      plan: { decisions: { offset: 33 } },
    });
  });

  test("that stands is taken, and the source isn't asked again", async () => {
    const job = await folder();
    const spec = await numbersSpec({ a: 25 });
    const first = await runPlan(job, spec);
    const { plans } = asked;
    expect(await runPlan(job, spec)).toEqual(first);
    expect(asked.plans).toBe(plans);
  });

  test("is one of two that are made at once", async () => {
    const job = await folder();
    const spec = await numbersSpec({ a: 25 });
    const [one, other] = await Promise.all([runPlan(job, spec), runPlan(job, spec)]);
    expect(one).toEqual(other);
  });

  test("of another job is refused", async () => {
    const job = await folder();
    const spec = await numbersSpec({ a: 25 });
    await runPlan(job, spec);
    await expect(runPlan(job, { ...spec, idempotency: "x" })).rejects.toMatchObject({
      code: "STORAGE_FAILED",
      where: { uri: planPath(job) },
    });
  });

  test("isn't made of a bad input; the source says why", async () => {
    const job = await folder();
    await expect(runPlan(job, await numbersSpec({ a: 0 }))).rejects.toMatchObject({
      code: "INPUT_EMPTY",
    });
    await expect(readPlan(job)).rejects.toMatchObject({ code: "STORAGE_FAILED", what: "no plan" });
  });

  test.each(["", "{}", '{"schema":2}', "half a pl"])("damaged as %j is refused", async (text) => {
    const job = await folder();
    await writeFile(planPath(job), text);
    await expect(readPlan(job)).rejects.toMatchObject({ code: "PLAN_DAMAGED" });
  });
});

describe("a shard's request", () => {
  test("is its range of a planned input, or its records by the rule", async () => {
    const job = await folder();
    await runPlan(job, await numbersSpec({ a: 25, r: 25 }));
    const file = await readPlan(job);
    expect(shardRequest(file, 0, 2)).toMatchObject({
      input: { sample: "a" },
      inputIndex: 0,
      shardIndex: 2,
      range: { firstRecord: 20, records: 10 },
      decisions: { offset: 33 },
      batchSize: 4,
    });
    expect(shardRequest(file, 1, 9).range).toEqual({ firstRecord: 90, records: 10 });
    expect(() => shardRequest(file, 0, 3)).toThrow("the plan has no shard 3 of input 0");
    expect(() => shardRequest(file, 2, 0)).toThrow("INTERNAL");
  });

  test("of a rule input ends where its records do, with one shard at least", async () => {
    const job = await folder();
    await runPlan(job, await numbersSpec({ a: 25, r: 25 }));
    const { plan } = await readPlan(job);
    expect([0, 1, 10, 11, 30].map((records) => shardsOfRule(plan, 1, records))).toEqual([
      1, 1, 1, 2, 3,
    ]);
    expect(() => shardsOfRule(plan, 0, 25)).toThrow("INTERNAL");
  });
});
