/**
 * The log of one real run of the sample, recorded once: what it says must never come to mean
 * something else. A change of `apply` that breaks this breaks the resume of every run that exists.
 */
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { digestOf, newHeadState, decide } from "../../head/core/core.ts";
import { stateSnapshot } from "../../head/core/facts.ts";
import { replay } from "../../head/daemon/durable/replica.ts";
import { readLog } from "../../head/daemon/log.ts";
import { leadOf } from "../unit/head/leads.ts";

const GOLDEN = fileURLToPath(new URL("../golden", import.meta.url));

test("recorded facts of the sample run give the same state through apply", async () => {
  const { state, next } = await replay(GOLDEN);
  const recorded: unknown = JSON.parse(await readFile(join(GOLDEN, "sample-state.json"), "utf8"));
  expect(stateSnapshot(state)).toEqual(recorded);
  expect(next).toBeGreaterThan(10);
  expect(digestOf(state).facts).toBe((await readLog(GOLDEN)).facts.length);
});

test("that state is the finished sample: all its reads, sealed and solved", async () => {
  const { state } = await replay(GOLDEN);
  const [dataset] = state.datasets.values();
  const receipts = dataset?.inputs.flatMap((input) => [...input.receipts.values()]) ?? [];
  expect(dataset?.state.kind).toBe("sealed");
  expect(receipts.reduce((sum, { records }) => sum + records, 0)).toBe(20_000);
  expect([...state.solves.values()].map((solve) => solve.state.kind)).toEqual(["succeeded"]);
  expect([...state.programs.values()].map((job) => job.state.kind)).toEqual(["returned"]);
});

test("a head that leads from it has nothing to do", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lgr-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await cp(join(GOLDEN, "log"), join(folder, "log"), { recursive: true });
  const { state: durable } = await leadOf(folder);
  const config = { stateFolder: folder, solverSha256: "5".repeat(64), slurm: "private" } as const;
  const state = newHeadState(durable, config, 0);
  for (const nowMs of [0, 10_000, 20_000]) {
    expect(decide(state, { type: "tick" }, nowMs)).toEqual({ facts: [], effects: [] });
  }
});

/** A state with the recorded facts of named actors. */
async function namedActors(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lgr-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await cp(join(GOLDEN, "actors"), join(folder, "log"), { recursive: true });
  return folder;
}

test("recorded facts of named actors give the same state through apply", async () => {
  const { state, next } = await replay(await namedActors());
  const recorded: unknown = JSON.parse(await readFile(join(GOLDEN, "actors-state.json"), "utf8"));
  expect(stateSnapshot(state)).toEqual(recorded);
  expect(next).toBe(3);
});

test("a head that leads from them waits for word of each life before another", async () => {
  const { state: durable } = await replay(await namedActors());
  const config = { stateFolder: "/state", solverSha256: null, slurm: "none" } as const;
  const state = newHeadState(durable, config, 0);
  const entries = [...state.actors.entries.values()];
  expect(entries.map(({ record, state: now }) => `${record.options.name} ${now}`)).toEqual([
    "counter restarting",
    "reader pending",
  ]);
  expect(entries[1]?.record.args).toEqual([new Date(0), Uint8Array.of(1, 2, 3)]);
  expect([...state.actors.unproven.keys()]).toEqual(["counter", "gone"]);
});
