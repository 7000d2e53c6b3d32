/** Messages between agent and executor: packed, in order, and none keeps others from crossing. */
import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { SystemError } from "../../../runtime/errors.ts";
import { FRAME_ITEMS_MAX } from "../../../runtime/limits.ts";
import { Packer } from "../../../worker/packing.ts";

/** Frames that hold messages of 10 in sum. */
function newPacker() {
  const frames: number[][] = [];
  const refused: number[] = [];
  const packer = new Packer<number>(
    (messages) => {
      if (messages.reduce((sum, bytes) => sum + bytes, 0) > 10) {
        throw new SystemError("FRAME_TOO_LARGE", "too large");
      }
      frames.push([...messages]);
    },
    (message) => refused.push(message),
  );
  return { packer, frames, refused };
}

describe("a packer", () => {
  test("sends what one turn gave it as one frame, at its end or when told", async () => {
    const { packer, frames } = newPacker();
    packer.add(1);
    packer.add(2);
    expect(frames).toEqual([]);
    await setImmediate();
    expect(frames).toEqual([[1, 2]]);
    packer.add(3);
    packer.flush();
    await setImmediate();
    expect(frames).toEqual([[1, 2], [3]]);
  });

  test("splits what doesn't fit, keeps the order, and refuses only what never fits", () => {
    const { packer, frames, refused } = newPacker();
    for (const message of [6, 5, 11, 1, 4, 9]) packer.add(message);
    packer.flush();
    expect(frames.flat()).toEqual([6, 5, 1, 4, 9]);
    expect(refused).toEqual([11]);
  });

  test("waits with no more messages than one frame takes", () => {
    const { packer, frames } = newPacker();
    for (let i = 0; i < FRAME_ITEMS_MAX; i += 1) packer.add(0);
    expect(frames.flat()).toHaveLength(FRAME_ITEMS_MAX);
  });
});
