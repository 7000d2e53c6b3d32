/** Shards, tasks and actors that want the same processors: none of them starves another. */
import { describe, expect, test } from "vitest";
import { SLOT_TURN_MS } from "../../../head/limits.ts";
import { UNITS } from "../../../runtime/resources/resources.ts";
import { assignedBy, committed, specOf, TestHead } from "../head/support.ts";

/** A worker with so many slots that makes the shards of one job. */
class Making {
  readonly head = new TestHead({ nowMs: SLOT_TURN_MS * 2 });
  readonly #jobId: string;

  constructor(slots: number) {
    this.#jobId = this.head.running(specOf("a"), [1_000], slots);
  }

  get load(): number {
    return this.head.state.workers.get("w1")?.load ?? -1;
  }

  /** Processors that nobody holds. */
  get free(): number {
    return (this.head.state.workers.get("w1")?.room.free.cpu ?? -1) / UNITS;
  }

  /** The shard that was begun first is made, while tasks wait or don't; @returns what follows. */
  makeOne(tasksWait: boolean): readonly string[] {
    const [task = "none"] = this.head.state.tasksOf.get(this.#jobId) ?? [];
    const shard = Number(task.split("/").at(-1));
    const attempt = this.head.state.flights.get(task)?.attempt ?? 0;
    this.head.state.tasksWait = tasksWait;
    return assignedBy(this.head.done("w1", task, committed(0, shard), attempt));
  }
}

describe("while tasks wait, shards", () => {
  test("leave them half of the slots, and use all when none does", () => {
    const making = new Making(4);
    expect(making.load).toBeGreaterThan(4);
    while (making.load > 2) expect(making.makeOne(true)).toEqual([]);
    expect([making.load, making.free]).toEqual([2, 2]);
    expect(making.makeOne(true)).toHaveLength(1);
    making.makeOne(false);
    expect(making.load).toBeGreaterThan(4);
    expect(making.free).toBe(0);
  });

  test("have a worker's only slot by turns", () => {
    const making = new Making(1);
    making.head.nowMs = 3 * SLOT_TURN_MS;
    while (making.load > 0) expect(making.makeOne(true)).toEqual([]);
    expect(making.free).toBe(1);
    making.head.nowMs = 4 * SLOT_TURN_MS;
    making.head.state.tasksWait = true;
    expect(assignedBy(making.head.tick(0)).length).toBeGreaterThan(0);
    expect(making.makeOne(true).length).toBeGreaterThan(0);
    expect(making.free).toBe(0);
    making.head.nowMs = 5 * SLOT_TURN_MS;
    while (making.load > 0) expect(making.makeOne(true)).toEqual([]);
  });
});

test("shards that wait for processors that others hold are told of", () => {
  const making = new Making(2);
  making.head.tick();
  // All slots are theirs: more of them wait for what is their own.
  expect(making.head.state.workers.get("w1")?.shardShare).toBe(1);
  expect(making.head.state.shardsWait).toBe(true);
});
