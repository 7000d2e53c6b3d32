import { describe, expect, it } from "vitest";
import { FrameBatcher } from "../../../runtime/frame/batcher.ts";
import { decodeFrame } from "../../../runtime/frame/codec.ts";
import {
  FRAME_BYTES_MAX,
  FRAME_DEPTH_MAX,
  FRAME_ITEMS_MAX,
  FRAME_VALUES_MAX,
} from "../../../runtime/limits.ts";
import { FIELDS, REF, systemErrorOf } from "./fixtures.ts";

/** A batcher whose turns the test ends, and the items of each frame that it sent. */
function setUp(names?: readonly string[]) {
  const frames: unknown[][] = [];
  const flushes: (() => void)[] = [];
  let sequence = 0;
  const batcher = new FrameBatcher({
    prefix: () => ({ ...FIELDS, sequence: sequence++ }),
    send: (bytes, items) => {
      const { prefix, value } = decodeFrame(bytes);
      expect(prefix.sequence).toBe(frames.length);
      expect(value).toHaveLength(items);
      frames.push(value as unknown[]);
    },
    schedule: (flush) => flushes.push(flush),
    ...(names === undefined ? {} : { names }),
  });
  return { batcher, frames, flushes };
}

describe("a batcher", () => {
  it("sends all items of one turn in one frame, in order", () => {
    const { batcher, frames, flushes } = setUp();
    const items = [1, "two", { three: [3n] }, null, undefined, REF, [Float64Array.of(1, 2)]];
    for (const item of items) batcher.add(item);
    expect(frames).toHaveLength(0);
    expect(batcher.pending).toBe(items.length);
    expect(flushes).toHaveLength(1);
    flushes[0]?.();
    expect(frames).toStrictEqual([items]);
    expect(batcher.pending).toBe(0);
  });

  it("flushes by itself after the turn", async () => {
    const sent = new Promise<number>((resolve) => {
      const batcher = new FrameBatcher({
        prefix: () => FIELDS,
        send: (_frame, items) => resolve(items),
      });
      batcher.add("a");
      batcher.add("b");
    });
    await expect(sent).resolves.toBe(2);
  });

  it("flushes at once when it is full, and schedules once a turn", () => {
    const { batcher, frames, flushes } = setUp();
    const items = Array.from({ length: FRAME_ITEMS_MAX * 2 + 3 }, (_, i) => i);
    for (const item of items) batcher.add(item);
    expect(frames.map((frame) => frame.length)).toEqual([FRAME_ITEMS_MAX, FRAME_ITEMS_MAX]);
    expect(flushes).toHaveLength(1);
    flushes[0]?.();
    expect(frames.flat()).toStrictEqual(items);
    flushes[0]?.();
    expect(frames).toHaveLength(3);
    batcher.add("next turn");
    expect(flushes).toHaveLength(2);
  });

  it.each([
    ["text", (i: number) => `${i} ${"x".repeat(100_000)}`],
    ["bytes", (i: number) => new Uint8Array(100_001).fill(i)],
    [
      "both",
      (i: number) => ({ i, text: "y".repeat(60_000), bytes: new Float64Array(7_000).fill(i) }),
    ],
  ])("spills to the next frame when the next item doesn't fit: %s", (_name, make) => {
    const { batcher, frames } = setUp();
    const items = Array.from({ length: 17 }, (_, i) => make(i));
    for (const item of items) batcher.add(item);
    batcher.flush();
    expect(frames.flat()).toStrictEqual(items);
    expect(frames.length).toBeGreaterThan(2);
    expect(frames.length).toBeLessThan(6);
  });

  it("spills when the frame's values are full", () => {
    const { batcher, frames } = setUp();
    const items = Array.from({ length: 5 }, () => new Array<number>(FRAME_VALUES_MAX / 4).fill(1));
    for (const item of items) batcher.add(item);
    batcher.flush();
    expect(frames.map((frame) => frame.length)).toEqual([3, 2]);
    expect(frames.flat()).toStrictEqual(items);
  });

  it("fails the sender of an item that no frame holds, and nobody else", () => {
    const { batcher, frames } = setUp();
    batcher.add("before");
    const error = systemErrorOf(() => batcher.add({ text: "x".repeat(FRAME_BYTES_MAX) }));
    expect(error.code).toBe("FRAME_TOO_LARGE");
    expect(error.what).toContain("send it in parts");
    expect(systemErrorOf(() => batcher.add(new Uint8Array(FRAME_BYTES_MAX))).code).toBe(
      "FRAME_TOO_LARGE",
    );
    batcher.add("after");
    batcher.flush();
    expect(frames.flat()).toStrictEqual(["before", "after"]);
  });

  it("fails the sender of an item that doesn't cross, and nobody else, blobs included", () => {
    const { batcher, frames } = setUp();
    batcher.add([Uint8Array.of(1)]);
    const bad = [Uint8Array.of(2), { deep: new Map() }];
    expect(systemErrorOf(() => batcher.add(bad)).what).toContain("$[1].deep");
    batcher.add([Uint8Array.of(3)]);
    batcher.flush();
    expect(frames).toStrictEqual([[[Uint8Array.of(1)], [Uint8Array.of(3)]]]);
  });

  it("names the fields of a tuple in its errors", () => {
    const { batcher } = setUp(["kind", "args"]);
    const error = systemErrorOf(() => batcher.add(["call", [{ x: new Set() }]]));
    expect(error.what).toContain("$.args[0].x");
  });

  it("sends what an item was when it was added", () => {
    const { batcher, frames } = setUp();
    const item = { n: 1, bytes: Uint8Array.of(1), buffer: Uint8Array.of(1).buffer };
    batcher.add(item);
    item.n = 2;
    item.bytes[0] = 2;
    new Uint8Array(item.buffer)[0] = 2;
    batcher.flush();
    expect(frames[0]).toStrictEqual([
      { n: 1, bytes: Uint8Array.of(1), buffer: Uint8Array.of(1).buffer },
    ]);
  });

  it("refuses an item over the frame's depth, where the receiver would refuse all", () => {
    const { batcher, frames } = setUp();
    const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);
    // The header and the array of items are two levels.
    batcher.add(nested(FRAME_DEPTH_MAX - 2));
    expect(systemErrorOf(() => batcher.add(nested(FRAME_DEPTH_MAX - 1))).code).toBe(
      "NOT_SERIALIZABLE",
    );
    batcher.flush();
    expect(frames).toStrictEqual([[nested(FRAME_DEPTH_MAX - 2)]]);
  });

  it("sends nothing of what it was told to discard", () => {
    const { batcher, frames, flushes } = setUp();
    batcher.add(1);
    batcher.add(2);
    expect(batcher.discard()).toBe(2);
    flushes[0]?.();
    expect(frames).toHaveLength(0);
    batcher.add(3);
    batcher.flush();
    expect(frames).toStrictEqual([[3]]);
  });

  it("isn't upset by an item's getter that adds, flushes or discards", () => {
    const { batcher, frames } = setUp();
    batcher.add("before");
    const meddle = [() => batcher.add("inner"), () => batcher.flush(), () => batcher.discard()];
    for (const act of meddle) {
      const item = {
        text: "x".repeat(50),
        get swallowed() {
          return systemErrorOf(act).code;
        },
      };
      batcher.add(item);
    }
    batcher.flush();
    const packed = { text: "x".repeat(50), swallowed: "NOT_SERIALIZABLE" };
    expect(frames).toStrictEqual([["before", packed, packed, packed]]);
  });

  it("takes an item that is added while a frame leaves", () => {
    const frames: unknown[] = [];
    const batcher = new FrameBatcher({
      prefix: () => FIELDS,
      send: (bytes) => {
        frames.push(decodeFrame(bytes).value);
        if (frames.length === 1) batcher.add("late");
      },
      schedule: () => {},
    });
    batcher.add("first");
    batcher.flush();
    batcher.flush();
    expect(frames).toStrictEqual([["first"], ["late"]]);
  });
});
