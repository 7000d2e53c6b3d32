/**
 * A log with a fact of each kind, and a snapshot in its middle, as they were written once: both
 * replay for ever, and give the same state.
 */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { digestOf } from "../../head/core/core.ts";
import { stateSnapshot } from "../../head/core/facts.ts";
import { Replica, replay } from "../../head/daemon/durable/replica.ts";
import { readLog } from "../../head/daemon/log.ts";
import { folderStorage } from "../../runtime/storage/folder.ts";
import { FACTS } from "../unit/head/facts.ts";
import { goldenFolder, recordedState } from "./recorded.ts";

/** Each was made when kinds of facts were added; one more is made for the next, by kinds.ts. */
const GOLDEN = ["kinds", "kinds-2"];

test.each(GOLDEN)("recorded facts of each kind give the same state: %s", async (name) => {
  const text = await readFile(join(goldenFolder(name), "state.json"), "utf8");
  const stateUri = await recordedState(name);
  const replica = await Replica.load({ stateUri, storage: folderStorage });
  expect(replica.base).toBe(5);
  expect(JSON.parse(JSON.stringify(stateSnapshot(replica.state)))).toEqual(JSON.parse(text));
});

test.each(GOLDEN)("and so do the segments without the snapshot: %s", async (name) => {
  const folder = await recordedState(name);
  const whole = digestOf((await replay(folder)).state);
  await rm(join(folder, "snapshot"), { recursive: true });
  expect(digestOf((await replay(folder)).state)).toEqual(whole);
});

test("every kind of fact stands in a recorded log", async () => {
  const kinds = new Set<string>();
  for (const name of GOLDEN) {
    const { facts } = await readLog(await recordedState(name));
    for (const { type } of facts) kinds.add(type);
  }
  expect([...kinds].sort()).toEqual(Object.keys(FACTS).sort());
});
