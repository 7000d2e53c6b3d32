/** Objects of a cluster of two nodes: fetched, copied, listed, lost and made again. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { objectsText } from "../../head/cli/objects/list.ts";
import { memoryText } from "../../head/cli/objects/memory.ts";
import { joinCluster } from "../../runtime/bus/join.ts";
import { joinAsClient } from "../../runtime/client/connect.ts";
import { leaveConfig } from "../../runtime/config-file.ts";
import type { ObjectRef } from "../../runtime/frame/object-ref.ts";
import { BytesOf, Gate, Large, LargeMarked } from "./programs/tasks.ts";
import { statusWhen } from "./cluster.ts";
import { cleanUp, environment, until } from "./support.ts";
import { linesOf, newJournal, open, runnerOf, startTasks, type TaskCluster } from "./tasks.ts";

const MAIN = fileURLToPath(new URL("../../worker/main.ts", import.meta.url));
const BYTES = 3_000_000;
const THERE = { labels: { in: { zone: ["b"] } }, result: "object" } as const;

let tasks: TaskCluster;
let second: ChildProcess;
let far: string;

beforeAll(async () => {
  tasks = await startTasks({ executors: 1, join: true });
  const { place, own, client } = tasks;
  const connection = await joinCluster(own.embedded.joinUrl ?? "");
  far = connection.identity;
  const runtimeDir = place.path("w2");
  await mkdir(runtimeDir, { mode: 0o700 });
  const config = place.path("w2.json");
  const offer = { labels: { zone: "b" } };
  const how = { runtimeDir, mark: "00ffeeddccbbaa99", executors: 1, offer, host: "elsewhere" };
  await leaveConfig(config, { ...connection, ...how });
  const stdio = ["pipe", "ignore", "inherit"] as const;
  second = spawn(process.execPath, [MAIN, config], { stdio: [...stdio], env: environment(place) });
  await statusWhen(client, "two workers", ({ workers }) => workers === 2);
}, 60_000);

afterAll(async () => {
  second.kill("SIGKILL");
  await tasks.stop();
  await cleanUp();
});

async function made(options: object): Promise<ObjectRef<Uint8Array>> {
  return (await tasks.client.submit(Large, [BYTES], options)) as unknown as ObjectRef<Uint8Array>;
}

test("an object of another node is fetched once, and both are listed", async () => {
  const { client } = tasks;
  const ref = await made(THERE);
  expect(ref.node).toBe(far);
  const all = await Promise.all([client.get(ref), client.get(ref)]);
  expect(all.map((bytes) => bytes.length)).toEqual([BYTES, BYTES]);
  const page = await client.objects({ filter: { object: ref.id } });
  expect(page.entries.map(({ state }) => state).sort()).toEqual(["copy", "shared"]);
  expect(page.entries.find(({ node }) => node === far)?.state).toBe("shared");
  expect(objectsText(page)).toContain(ref.id);
  const memory = await client.memory();
  expect(memory).toHaveLength(2);
  expect(memoryText(memory)).toContain("3 MB");
  // The task runs where its argument is, which is its node's own.
  expect(await client.submit(BytesOf, [ref as never])).toBe(BYTES);
  await client.release(ref);
  await until("both are gone", async () => {
    return (await client.objects({ filter: { object: ref.id } })).total === 0;
  });
}, 60_000);

test("a lost object of a pure task is made again, once for all, under its name", async () => {
  const { client, own } = tasks;
  const none = { url: "file:///none.ts", sha256: "0".repeat(64) };
  const loaded = { actors: new Map(), tasks: new Map(), main: undefined };
  const other = await joinAsClient(own.embedded.connection, none, loaded, async () => {});
  const ref = await made({ pure: true, result: "object" });
  const plain = await made({ result: "object" });
  await other.release([ref, plain]);
  const all = await Promise.all([1, 2, 3].map(() => client.get(ref)));
  expect(all.map((bytes) => bytes.length)).toEqual([BYTES, BYTES, BYTES]);
  expect((await client.objects({ filter: { object: ref.id } })).total).toBe(1);
  await expect(client.get(plain)).rejects.toMatchObject({ code: "OBJECT_LOST" });
  await other.close();
}, 60_000);

test("tasks whose argument is lost run when it is made again, once for all", async () => {
  const { client, own } = tasks;
  const { journal } = newJournal(tasks);
  const none = { url: "file:///none.ts", sha256: "0".repeat(64) };
  const loaded = { actors: new Map(), tasks: new Map(), main: undefined };
  const other = await joinAsClient(own.embedded.connection, none, loaded, async () => {});
  const options = { pure: true, result: "object" } as const;
  const ref = await client.submit(LargeMarked, [journal, BYTES], options);
  const plain = await made({ result: "object" });
  await other.release([ref, plain]);
  const once = { maxRetries: 0 };
  const all = [1, 2, 3, 4].map(() => client.submit(BytesOf, [ref as never], once));
  expect(await Promise.all(all)).toEqual([BYTES, BYTES, BYTES, BYTES]);
  expect(linesOf(journal)).toHaveLength(2);
  const lost = { code: "OBJECT_LOST", where: { object: plain.id } };
  const failing = client.submit(BytesOf, [plain as never]);
  await expect(failing).rejects.toMatchObject(lost);
  await expect(failing).rejects.toThrow(/released by .* at 20/);
  await other.close();
}, 60_000);

test("objects go with their node, and a pure task's are made again as arguments", async () => {
  const { client } = tasks;
  const held = newJournal(tasks);
  const { journal } = newJournal(tasks);
  const [here, there] = [await made(THERE), await made(THERE)];
  await client.get(here);
  // The near node's executor is taken, so the far one makes it; no label binds it there.
  const near = { labels: { notIn: { zone: ["b"] } } };
  const gate = client.submit(Gate, [held.journal, held.gate, 1], near);
  await runnerOf(held.journal);
  const options = { pure: true, result: "object" } as const;
  const making = client.submit(LargeMarked, [journal, BYTES], options);
  const ref = await making;
  expect(ref.node).toBe(far);
  // Else it would be a task that runs there yet, and is run again for itself.
  await until("the head knows that it is done", async () => {
    const { entries } = await client.list("tasks");
    return !entries.some(({ taskId }) => taskId === making.id);
  });
  second.kill("SIGKILL");
  open(held.gate);
  expect(await gate).toBe(1);
  const once = { ...near, maxRetries: 0 };
  const all = [1, 2].map(() => client.submit(BytesOf, [ref as never], once));
  const lost = { code: "OBJECT_LOST", where: { object: there.id, node: far } };
  await expect(client.get(there)).rejects.toMatchObject(lost);
  await expect(client.submit(BytesOf, [there as never], near)).rejects.toMatchObject(lost);
  expect(await Promise.all(all)).toEqual([BYTES, BYTES]);
  expect(linesOf(journal)).toHaveLength(2);
  // What was fetched is still here.
  expect((await client.get(here)).length).toBe(BYTES);
}, 60_000);
