/** Objects as a user has them: between a client, actors and tasks of a real embedded cluster. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Cluster, connect, type ObjectRef } from "../../runtime/index.ts";
import { sharedRoot } from "../../runtime/objects/index.ts";
import { kill } from "./processes.ts";
import { processOf } from "./actors.ts";
import { Holder, squares, total } from "./programs/objects.ts";
import { until } from "./support.ts";

const program = new URL("./programs/objects.ts", import.meta.url);
const LENGTH = 200_000;
let cluster: Cluster;

beforeAll(async () => {
  cluster = await connect({ program, executors: 2 });
}, 120_000);

afterAll(async () => {
  await cluster.close();
});

/** Folders of a job's objects on this machine. */
function foldersOf({ job }: ObjectRef): string[] {
  const stores = existsSync(sharedRoot()) ? readdirSync(sharedRoot()) : [];
  const folders = stores.map((store) => join(sharedRoot(), store, "jobs", job));
  return folders.filter((folder) => existsSync(folder) && readdirSync(folder).length > 0);
}

test("a client's object is read by an actor, and an actor's by a client", async () => {
  const holder = await cluster.spawn(Holder, []);
  for (const length of [10, LENGTH]) {
    const ref = await cluster.put(new Float64Array(length).fill(1));
    expect(await holder.sum({ ref })).toBe(length);
    const made = await holder.put(length, 2);
    const got = await cluster.get(made as ObjectRef<Float64Array>);
    expect([got.length, got[0], got.at(-1)]).toEqual([length, 2, 2]);
    expect(await cluster.get([ref, made])).toEqual([new Float64Array(length).fill(1), got]);
  }
});

test("an actor's view outlives the object and its client's release", async () => {
  const holder = await cluster.spawn(Holder, []);
  const ref = await cluster.put(new Float64Array(LENGTH).fill(3));
  expect(await holder.keep({ ref })).toBe(LENGTH);
  await cluster.release(ref);
  expect(await holder.kept()).toBe(3 * LENGTH);
  await expect(holder.sum({ ref })).rejects.toMatchObject({ code: "OBJECT_LOST" });
});

test("an owned actor's objects outlive it, as its owner's", async () => {
  const holder = await cluster.spawn(Holder, []);
  const made = (await holder.put(LENGTH, 4)) as ObjectRef<Float64Array>;
  const mine = await cluster.put(new Float64Array(LENGTH));
  expect(made.job).toBe(mine.job);
  await kill(processOf(await holder.pid()));
  expect((await cluster.get(made))[7]).toBe(4);
});

describe("tasks", () => {
  test("get the value of a top-level ref, and a nested one as a ref", async () => {
    const ref = await cluster.put(new Float64Array(LENGTH).fill(1));
    const said = await cluster.submit(total, [ref, { ref }]).result;
    expect(said).toMatchObject({ sum: LENGTH, boxed: ref.id });
    expect(said.pid).not.toBe(process.pid);
  });

  test("put their result where it was made, and pass it on", async () => {
    const ref = await cluster.put(new Float64Array(LENGTH).fill(3));
    const made = await cluster.submit(squares, [ref], { result: "object" }).result;
    expect(made.job).toBe(ref.job);
    const waited = await cluster.wait([made, ref], { timeoutMs: 60_000 });
    expect(waited).toEqual({ ready: [made, ref], pending: [] });
    const { sum } = await cluster.submit(total, [
      made as ObjectRef<Float64Array<ArrayBuffer>>,
      null,
    ]).result;
    expect(sum).toBe(9 * LENGTH);
  });
});

test("nothing of a client is left when it closed", async () => {
  const other = await connect({ program, executors: 1 });
  const made: ObjectRef[] = [await other.put(new Float64Array(LENGTH))];
  const holder = await other.spawn(Holder, []);
  made.push(await holder.put(LENGTH, 1));
  expect(made.flatMap(foldersOf)).toHaveLength(2);
  await other.close();
  await until("its objects are gone", () => made.flatMap(foldersOf).length === 0);
});
