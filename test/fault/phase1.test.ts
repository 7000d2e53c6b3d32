/**
 * Kills in phase 1: whoever dies, the shards are those of an undisturbed run, and none is made
 * twice.
 */
import { describe, expect, test } from "vitest";
import { isAlive } from "../../runtime/processes.ts";
import {
  freeze,
  kill,
  nothingLeft,
  type Part,
  partOf,
  partsOf,
  receipts,
  thaw,
} from "../e2e/processes.ts";
import {
  digestsOf,
  type Ended,
  errorOf,
  factsNamed,
  factsOf,
  namesIn,
  patience,
  resultOf,
  run,
  until,
} from "../e2e/support.ts";
import { expected, inputs, place, useReads } from "./reads-suite.ts";
import { frozenRun, SHARDS, shardTimes } from "./support.ts";

let output: string;
let args: string[];

useReads();

/** A run that stands still, with some receipts in its log. */
async function frozen(options: { executors?: number; committed?: number } = {}) {
  const caught = await frozenRun(place, inputs, { committed: 2, ...options });
  ({ output } = caught);
  args = [...caught.args];
  return caught;
}

/** The next run ends the job: what stood is kept, the rest is as if nothing had happened. */
async function expectResumed(): Promise<void> {
  const before = await factsNamed(output, "shard.committed");
  const times = await shardTimes(output);
  expect(before.length > 0 && before.length < SHARDS, `${before.length} receipts`).toBe(true);
  const ended = await run(place, args);
  report(`resumed after ${ended.seconds.toFixed(1)} s`);
  await expectUndisturbed(ended);
  const after = await factsNamed(output, "shard.committed");
  expect(after.slice(0, before.length)).toEqual(before);
  for (const [name, time] of times) expect((await shardTimes(output)).get(name)).toBe(time);
}

async function expectUndisturbed(ended: Ended): Promise<void> {
  expect(resultOf(ended).shards).toBe(SHARDS);
  expect(await digestsOf(output)).toEqual(expected);
  expect((await factsNamed(output, "shard.committed")).length).toBe(SHARDS);
  const hidden = namesIn(`${output}/embeddings`).filter((name) => name.startsWith("."));
  expect(hidden).toEqual([]);
  await nothingLeft(place);
}

function report(line: string): void {
  process.stdout.write(`  ${expect.getState().currentTestName}: ${line}\n`);
}

describe("the command or its supervisor is killed", () => {
  test("SIGKILL of the command leaves no process, and the next run goes on", async () => {
    const { started } = await frozen();
    const sinceMs = performance.now();
    started.child.kill("SIGKILL");
    report(`nothing left after ${(await nothingLeft(place, sinceMs)).toFixed(1)} s`);
    expect(namesIn(place.temporary)).toEqual([]);
    await expectResumed();
  });

  test("SIGKILL of the supervisor ends the command; the next run sweeps and goes on", async () => {
    const { started } = await frozen();
    // Stopped, it can't notice that its supervisor is gone.
    const head = await partOf(place, "head");
    await freeze(head);
    await kill(await partOf(place, "supervisor"));
    const sinceMs = performance.now();
    const ended = await started.ended;
    const seconds = (performance.now() - sinceMs) / 1_000;
    report(`the command ended after ${seconds.toFixed(1)} s`);
    // It waits for no answer of those that are gone.
    expect(seconds).toBeLessThan(5 * patience());
    expect([errorOf(ended).code, ended.code]).toEqual(["CLUSTER_FAILED", 4]);
    expect(isAlive(head)).toBe(true);
    await expectResumed();
    expect(isAlive(head)).toBe(false);
    expect(namesIn(place.temporary)).toEqual([]);
  });
});

describe("a part is killed, and the same command finishes", () => {
  test("SIGKILL of an executor within a shard", async () => {
    const { started, executor } = await frozen();
    await kill(executor);
    await expectUndisturbed(await started.ended);
  });

  test("SIGKILL of the driver: another one goes on", async () => {
    const { started, executor } = await frozen();
    // The one at a shard stands still: the others are the driver and a spare.
    const others = partsOf(place, "executor").filter(({ pid }) => pid !== executor.pid);
    for (const other of others) await kill(other);
    thaw(executor);
    await expectUndisturbed(await started.ended);
    expect((await factsNamed(output, "program.submitted")).length).toBe(2);
  });

  test.each<Part>(["nats", "head"])("SIGKILL of %s", async (part) => {
    const { started, executor } = await frozen();
    const killed = await partOf(place, part);
    await kill(killed);
    const sinceMs = performance.now();
    await until("it is back", () => partsOf(place, part).some(({ pid }) => pid !== killed.pid));
    report(`back after ${((performance.now() - sinceMs) / 1_000).toFixed(1)} s`);
    thaw(executor);
    await expectUndisturbed(await started.ended);
    const epochs = (await factsOf(output)).filter(({ type }) => type === "epoch");
    expect(epochs.length).toBe(part === "head" ? 2 : 1);
  });

  test("SIGKILL of the agent", async () => {
    const { started, executor } = await frozen();
    const killed = await partOf(place, "agent");
    await kill(killed);
    thaw(executor);
    const ended = await started.ended;
    await expectUndisturbed(ended);
  });

  test("an executor that stands still holds up its own shards alone", async () => {
    const { started, executor } = await frozen({ executors: 2, committed: 0 });
    // One shard is under way in it, and one may wait behind that.
    await until("the other shards are made", async () => (await receipts(output)) >= SHARDS - 2);
    thaw(executor);
    await expectUndisturbed(await started.ended);
  });
});
