/** The two halves of a link by themselves: numbers that wrap, bounds, forgetting. */
import { describe, expect, it } from "vitest";
import { LINK_UNACKED_BYTES_MAX } from "../../../runtime/limits.ts";
import { Inbox } from "../../../runtime/link/inbox.ts";
import { Outbox } from "../../../runtime/link/outbox.ts";
import { distance, next } from "../../../runtime/link/sequence.ts";

const LAST = 2 ** 32 - 1;
const frame = (fill: number, bytes = 50): Uint8Array => new Uint8Array(bytes).fill(fill);

describe("sequence numbers", () => {
  it("wrap", () => {
    expect(next(LAST)).toBe(0);
    expect(distance(0, LAST)).toBe(1);
    expect(distance(LAST - 3, 4)).toBe(-8);
    expect(distance(2 ** 31 + 5, 2 ** 31 + 2)).toBe(3);
  });
});

describe("the outbox", () => {
  it("forgets what is acknowledged and no more, over the wrap too", () => {
    const outbox = new Outbox(LAST - 2);
    for (let i = 0; i < 6; i++) outbox.push(frame(i));
    expect([outbox.oldest, outbox.following, outbox.size, outbox.bytes]).toEqual([
      LAST - 2,
      3,
      6,
      300,
    ]);
    expect(outbox.acknowledge(LAST - 3)).toBe(0);
    expect(outbox.acknowledge(0)).toBe(4);
    expect([outbox.oldest, outbox.size, outbox.bytes]).toEqual([1, 2, 100]);
    expect(outbox.acknowledge(LAST)).toBe(0);
    expect(outbox.acknowledge(3)).toBe(undefined);
    expect(outbox.from(2, 1_000).map(([first]) => first)).toEqual([5]);
    expect(outbox.acknowledge(2)).toBe(2);
    expect([outbox.size, outbox.bytes, outbox.following]).toEqual([0, 0, 3]);
  });

  it("gives frames from a number on, within the bytes asked for", () => {
    const outbox = new Outbox();
    for (let i = 1; i <= 10; i++) outbox.push(frame(i, 100));
    const firsts = (sequence: number, bytes: number) =>
      outbox.from(sequence, bytes).map(([first]) => first);
    expect(firsts(4, 250)).toEqual([4, 5, 6]);
    expect(firsts(9, 10_000)).toEqual([9, 10]);
    outbox.acknowledge(4);
    expect(firsts(4, 10_000)).toEqual([]);
    expect(firsts(11, 10_000)).toEqual([]);
    expect(firsts(2 ** 31, 10_000)).toEqual([]);
  });

  it("goes on for ever without growing", () => {
    const outbox = new Outbox(LAST - 5_000);
    for (let i = 0; i < 10_000; i++) {
      outbox.push(frame(i & 255));
      outbox.push(frame(i & 255));
      outbox.acknowledge((outbox.oldest + 1) >>> 0);
      expect(outbox.size).toBeLessThan(3);
    }
    expect([outbox.size, outbox.bytes]).toEqual([0, 0]);
    expect(outbox.following).toBe((LAST - 5_000 + 20_000) >>> 0);
  });
});

describe("the inbox", () => {
  it("knows the due frame, duplicates, and those ahead, over the wrap too", () => {
    const inbox = new Inbox(LAST);
    expect(inbox.place(LAST, frame(1))).toBe("due");
    inbox.advance();
    expect([inbox.due, inbox.last]).toEqual([0, LAST]);
    expect(inbox.place(LAST, frame(1))).toBe("duplicate");
    expect(inbox.place(2, frame(2))).toBe("ahead");
    expect(inbox.place(2, frame(2))).toBe("duplicate");
    expect(inbox.place(1, frame(3))).toBe("ahead");
    expect([inbox.hasGap, inbox.pull()]).toEqual([true, undefined]);
    inbox.advance();
    expect(inbox.pull()?.[0]).toBe(3);
    inbox.advance();
    expect(inbox.pull()?.[0]).toBe(2);
    inbox.advance();
    expect([inbox.hasGap, inbox.due, inbox.pull()]).toEqual([false, 3, undefined]);
  });

  it("keeps a bounded number of bytes ahead, whatever the frames' sizes", () => {
    for (const bytes of [40, 500_000]) {
      const inbox = new Inbox();
      let kept = 0;
      while (kept < 30_000 && inbox.place(kept + 2, frame(kept, bytes)) === "ahead") kept++;
      expect(kept * bytes).toBeLessThanOrEqual(LINK_UNACKED_BYTES_MAX);
      expect(kept).toBeLessThan(30_000);
      expect(inbox.place(1, frame(1))).toBe("due");
      inbox.advance();
      while (inbox.pull() !== undefined) inbox.advance();
      expect(inbox.due).toBe(kept + 2);
      expect(inbox.place(kept + 3, frame(0, bytes))).toBe("ahead");
    }
  });

  it("keeps frames in memory of their own", () => {
    const inbox = new Inbox();
    const chunk = frame(7, 64);
    inbox.place(2, chunk.subarray(0, 50));
    chunk.fill(0);
    inbox.advance();
    const kept = inbox.pull();
    expect([kept?.[0], kept?.length, kept?.buffer.byteLength]).toEqual([7, 50, 50]);
  });
});
