/** Whatever is lost, doubled or killed: each task ends once at its owner, or says why it can't. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { TaskWorld } from "./model.ts";

const LONG = process.env["LIGASE_TEST_LONG"] === "1";
const RUNS = LONG ? 3_000 : 60;
const STEPS = 400;

/** Numbers of [0, 1) by mulberry32. */
function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

test("each task ends once at its owner, and runs no more often than it may", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const world = new TaskWorld(randomOf(seed));
      for (let i = 0; i < STEPS; i += 1) world.step();
      world.settle();
      for (const owner of world.owners) {
        expect([...owner.open.keys()], "open at the end").toEqual([]);
        for (const [number, { group, runs, results, ends }] of owner.tasks) {
          const said = `${owner.key}-${number} ${group.task}`;
          expect(results > 0 || ends.length === 1, `${said} ended`).toBe(true);
          expect(ends.length, `${said} was ended by the head`).toBeLessThanOrEqual(1);
          if (group.maxRetries === 0) expect(runs, `${said} runs`).toBeLessThanOrEqual(1);
        }
      }
      const { tasks, workers } = world.head.state;
      expect([tasks.columns.used, tasks.jobs.size, tasks.bytes, tasks.claimed.size]).toEqual([
        0, 0, 0, 0,
      ]);
      for (const { room } of workers.values()) expect(room.free).toEqual(room.total);
    }),
    { numRuns: RUNS },
  );
});
