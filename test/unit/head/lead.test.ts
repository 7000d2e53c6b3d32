/** Taking the lead: one head of several, with all that was recorded. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { stateSnapshot } from "../../../head/core/facts.ts";
import { replay } from "../../../head/daemon/durable/replica.ts";
import { LogWriter, momentOf } from "../../../head/daemon/lead.ts";
import { leadOf, leadPorts } from "./leads.ts";
import { committed, MANIFEST, specOf, TestHead } from "./support.ts";

async function stateFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lgl-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The facts of a sealed dataset, without the epoch. */
function facts() {
  const head = new TestHead();
  const id = head.running(specOf("a"), [1]);
  head.done("w1", `shard/${id}/0/0`, committed(0, 0));
  head.feed({ type: "sealed", jobId: id, manifestSha256: MANIFEST });
  return { facts: head.facts.slice(1), head };
}

describe("a head that takes the lead", () => {
  test("begins the first epoch in an empty folder, and the next one after it", async () => {
    const folder = await stateFolder();
    const first = await leadOf(folder);
    const second = await leadOf(folder);
    expect([first.log.epoch.number, second.log.epoch.number]).toEqual([1, 2]);
    expect(first.log.epoch.leader).not.toBe(second.log.epoch.leader);
    expect(second.state.epoch).toEqual(second.log.epoch);
    expect([first.log.tail, second.log.tail]).toEqual([1, 2]);
  });

  test("fences the one before it, whose next append fails and leaves nothing", async () => {
    const folder = await stateFolder();
    const before = await leadOf(folder);
    const now = await leadOf(folder);
    const late = { type: "dataset.reopened", jobId: "x", atMs: 1 } as const;
    await expect(before.log.append([late])).rejects.toMatchObject({ code: "LOG_FENCED" });
    await now.log.append([]);
    await expect(before.log.append([late])).rejects.toMatchObject({ code: "LOG_FENCED" });
    expect((await replay(folder)).state.facts).toBe(2);
  });

  test("is one of many who try at once; the others learn that they don't lead", async () => {
    const folder = await stateFolder();
    await leadOf(folder);
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => leadOf(folder)));
    const led = tries.filter(({ status }) => status === "fulfilled");
    expect(led.length).toBeGreaterThan(0);
    const refused = tries.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    for (const reason of refused) expect(reason).toMatchObject({ code: "LOG_FENCED" });
    // Each of those who led did so in an epoch of its own.
    const { state, next } = await replay(folder);
    expect(state.epoch.number).toBe(1 + led.length);
    expect(next).toBe(2 + led.length);
  });

  test("has the state that the facts before it made", async () => {
    const folder = await stateFolder();
    const first = await leadOf(folder);
    const recorded = facts();
    await first.log.append(recorded.facts.slice(0, 2));
    await first.log.append(recorded.facts.slice(2));
    const second = await leadOf(folder);
    const { datasets } = stateSnapshot(second.state) as { datasets: unknown };
    const live = stateSnapshot(recorded.head.state.durable) as { datasets: unknown };
    expect(datasets).toEqual(live.datasets);
    expect(second.state.facts).toBe(recorded.facts.length + 2);
  });
});

test("a writer appends each group under the next number", async () => {
  const folder = await stateFolder();
  const ports = leadPorts(folder);
  const { log } = await leadOf(folder);
  expect(log.tail).toBe(1);
  await log.append([{ type: "epoch", number: 1, leader: "x" }]);
  expect(log.tail).toBe(2);
  const stale = new LogWriter(ports, log.epoch, 2, momentOf(ports));
  await expect(stale.append([])).rejects.toMatchObject({ code: "LOG_FENCED" });
  expect(stale.tail).toBe(1);
});
