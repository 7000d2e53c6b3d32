/** Progress: golden frames of the pure renderer, rates, and what reaches a terminal or a file. */
import { describe, expect, test } from "vitest";
import { frameOf, grouped, plainOf, redraw, timeLeft } from "../../../head/cli/progress/frame.ts";
import { Pace } from "../../../head/cli/progress/pace.ts";
import { Progress } from "../../../head/cli/progress/progress.ts";

const SAID = {
  line: "embedding: 12/40 shards",
  more: ["1:05 left", "96,000 reads/s", "1,234,567 reads"],
  fraction: 0.3,
};

describe("a frame", () => {
  test.each([
    [
      100,
      "embedding: 12/40 shards, 1:05 left, 96,000 reads/s, 1,234,567 reads [######--------------]",
    ],
    [80, "embedding: 12/40 shards, 1:05 left, 96,000 reads/s [######--------------]"],
    [70, "embedding: 12/40 shards, 1:05 left, 96,000 reads/s [#####-----------]"],
    [50, "embedding: 12/40 shards, 1:05 left [####--------]"],
    [40, "embedding: 12/40 shards [####---------]"],
    [30, "embedding: 12/40 shards"],
    [10, "embedding"],
    [1, ""],
  ])("of %i columns", (width, frame) => {
    expect(frameOf(SAID, width)).toBe(frame);
  });

  test("never reaches the last column, whatever is said", () => {
    for (let width = 1; width < 200; width++) {
      expect(frameOf(SAID, width).length, `${width}`).toBeLessThan(Math.max(1, width));
    }
  });

  test("has a full bar at its end, an empty one at its begin, and none where nobody knows", () => {
    expect(frameOf({ line: "a: b", fraction: 1.2 }, 80)).toBe(`a: b [${"#".repeat(20)}]`);
    expect(frameOf({ line: "a: b", fraction: -1 }, 80)).toBe(`a: b [${"-".repeat(20)}]`);
    expect(frameOf({ line: "a: b", more: ["c"] }, 80)).toBe("a: b, c");
  });

  test("shows what would move the cursor", () => {
    expect(frameOf({ line: "a\u001b[2J", more: ["b\n"] }, 80)).toBe("a\\u001b[2J, b\\n");
    expect(plainOf({ line: "a", more: ["b\r"] })).toBe("a, b\\r");
  });

  test("takes the place of the one before in one write, without clearing it first", () => {
    expect(redraw("old text", "new", 80)).toBe("\rnew\u001b[K");
    // A terminal that became narrower wrapped it over three rows.
    expect(redraw("x".repeat(79), "new", 30)).toBe("\u001b[2A\rnew\u001b[J");
  });

  test("has times and numbers that are read at a glance", () => {
    expect([0, 6.2, 65, 750, 3_600, 7_505].map(timeLeft)).toEqual([
      "0:00 left",
      "0:07 left",
      "1:05 left",
      "12:30 left",
      "1:00:00 left",
      "2:05:05 left",
    ]);
    expect([0, 999, 1_000, 1_234_567.4].map(grouped)).toEqual(["0", "999", "1,000", "1,234,567"]);
  });
});

describe("a pace", () => {
  test("is unknown before a shard has come, then that of what came", () => {
    const pace = new Pace();
    expect(pace.add({ atMs: 0, done: 3, reads: 300 }, 10)).toEqual({});
    expect(pace.add({ atMs: 1_000, done: 3, reads: 300 }, 10)).toEqual({});
    expect(pace.add({ atMs: 2_000, done: 5, reads: 500 }, 10)).toEqual({
      readsPerS: 100,
      leftS: 5,
    });
    // What stood before it looked isn't its pace; one that stalls sinks.
    expect(pace.add({ atMs: 4_000, done: 5, reads: 500 }, 10)).toEqual({
      readsPerS: 50,
      leftS: 10,
    });
    expect(pace.add({ atMs: 4_000, done: 5, reads: 500 }, null).leftS).toBeUndefined();
  });

  test("forgets what is older than half a minute", () => {
    const pace = new Pace();
    pace.add({ atMs: 0, done: 0, reads: 0 }, 100);
    pace.add({ atMs: 1_000, done: 50, reads: 5_000 }, 100);
    pace.add({ atMs: 60_000, done: 51, reads: 5_100 }, 100);
    const { readsPerS } = pace.add({ atMs: 90_000, done: 60, reads: 6_000 }, 100);
    expect(readsPerS).toBeCloseTo(900 / 30, 6);
  });
});

function screen(isTTY: boolean, columns = 80) {
  const state = { text: "", nowMs: 0, columns };
  const write = (piece: string): boolean => {
    state.text += piece;
    return true;
  };
  const target = {
    isTTY,
    write,
    get columns() {
      return state.columns;
    },
  };
  const progress = new Progress(target, () => state.nowMs);
  const at = (nowMs: number, line: string): void => {
    state.nowMs = nowMs;
    progress.say(line);
  };
  return { state, progress, at };
}

describe("on a terminal", () => {
  test("a phase is one line, drawn over; the next one begins another", () => {
    const { state, progress, at } = screen(true);
    at(0, "a: 1");
    at(50, "a: 2");
    at(200, "a: 3");
    at(300, "a: 3");
    at(310, "b: 1");
    progress.end();
    expect(state.text).toBe("\ra: 1\u001b[K\ra: 3\u001b[K\nb: 1\n");
  });

  test("the end leaves the cursor at the begin of a line, once", () => {
    const { state, progress, at } = screen(true);
    progress.end();
    at(0, "a: 1");
    progress.end();
    progress.end();
    expect(state.text).toBe("\ra: 1\u001b[K\n");
    expect(process.listenerCount("exit")).toBe(process.listeners("exit").length);
  });

  test("a narrower one is drawn anew within its width", () => {
    const { state, at } = screen(true);
    at(0, "phase: a rather long line");
    state.columns = 12;
    at(200, "phase: a rather long line");
    expect(state.text.endsWith("\u001b[2A\rphase: a ra\u001b[J")).toBe(true);
  });
});

describe("elsewhere", () => {
  test("each phase's first line comes at once, then changes, and a word every 10 s", () => {
    const { state, progress, at } = screen(false);
    at(0, "a: 1");
    at(500, "a: 2");
    at(2_100, "a: 3");
    at(9_000, "a: 3");
    at(12_200, "a: 3");
    at(12_300, "b: 1");
    progress.end();
    expect(state.text).toBe("a: 1\na: 3\na: 3 (for 12 s)\nb: 1\n");
  });
});
