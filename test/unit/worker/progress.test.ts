/** Where an executor says it is, and how long it may be there. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { BATCH_LOOK_MS } from "../../../runtime/limits.ts";
import { BatchWatch, ProgressFile, readProgress } from "../../../worker/machine/progress.ts";

const folder = mkdtempSync(join(tmpdir(), "lgp-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TASK = `probe/${"f".repeat(64)}/12345/123456/1234567/65536`;

describe("a progress file", () => {
  test("says the last batch, whatever was written before, and nothing between batches", () => {
    const path = join(folder, "one.at");
    const file = new ProgressFile(path);
    expect(readProgress(path)).toBeUndefined();
    file.write(TASK, 3, { first: 1_000_000, records: 65_536 });
    expect(readProgress(path)).toEqual({
      task: TASK,
      attempt: 3,
      first: 1_000_000,
      records: 65_536,
    });
    file.write("shard/a/0/0", 0, { first: 8, records: 8 });
    expect(readProgress(path)).toEqual({ task: "shard/a/0/0", attempt: 0, first: 8, records: 8 });
    file.write("shard/a/0/0", 0, null);
    expect(readProgress(path)).toBeUndefined();
    expect(statSync(path).size).toBe(512);
    file.close();
  });

  test("that can't be written or holds something else says nothing, and harms nobody", () => {
    const nowhere = new ProgressFile(join(folder, "none", "x.at"));
    nowhere.write(TASK, 0, { first: 0, records: 1 });
    for (const text of ["[1]", "no", '["t",-1,0,0]', '["t",0,0]', "null"]) {
      const path = join(folder, "other.at");
      writeFileSync(path, text);
      expect(readProgress(path)).toBeUndefined();
    }
  });
});

describe("a watch", () => {
  const at = { task: "t", attempt: 0, first: 0, records: 8 };
  const next = { ...at, first: 8 };

  /** Looks every `everyMs` up to `untilMs`; the limit when it was over it, and when. */
  function watched(limitMs: number, everyMs: number, untilMs: number, where = () => at) {
    const watch = new BatchWatch();
    watch.limit("t", limitMs);
    for (let nowMs = 10_000; nowMs <= 10_000 + untilMs; nowMs += everyMs) {
      const over = watch.look(nowMs, where);
      if (over !== undefined) return nowMs - 10_000;
    }
    return undefined;
  }

  test("ends a batch that is over its limit, and not by much", () => {
    const overMs = watched(2_000, 100, 10_000) ?? 0;
    expect(overMs).toBeGreaterThanOrEqual(2_000);
    expect(overMs).toBeLessThanOrEqual(2_000 + 2_000 / 8 + 200);
  });

  test("lets one go on that moves, or that has no limit", () => {
    let looks = 0;
    const moving = () => ((looks += 1) % 2 === 0 ? at : next);
    expect(watched(2_000, 100, 20_000, moving)).toBeUndefined();
    expect(watched(0, 100, 20_000)).toBeUndefined();
  });

  test("doesn't count the time that its own process slept", () => {
    const watch = new BatchWatch();
    watch.limit("t", 10 * BATCH_LOOK_MS);
    expect(watch.look(10_000, () => at)).toBeUndefined();
    expect(watch.look(10_000_000, () => at)).toBeUndefined();
  });

  test("looks no more once nothing with a limit is there", () => {
    const watch = new BatchWatch();
    watch.limit("t", 1_000);
    watch.forget("t");
    const look = () => {
      throw new Error("it looked");
    };
    expect(watch.look(10_000, look)).toBeUndefined();
  });
});
