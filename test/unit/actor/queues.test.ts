/** The queues against plain models, by random operations. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Deadlines, Fifo, Line, type Timed } from "../../../runtime/actor/queues.ts";
import { FakeClock } from "./support.ts";

describe("Fifo", () => {
  test("is an array's push and shift, at any length", () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ op: fc.constant("push" as const), n: fc.integer({ min: 1, max: 3_000 }) }),
        fc.record({ op: fc.constant("take" as const), n: fc.integer({ min: 1, max: 3_000 }) }),
        fc.record({ op: fc.constant("prepend" as const), n: fc.integer({ min: 0, max: 3 }) }),
        fc.record({ op: fc.constant("takeAll" as const), n: fc.constant(1) }),
      ),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const fifo = new Fifo<number>();
        const model: number[] = [];
        let next = 0;
        for (const { op, n } of all) {
          const fresh = Array.from({ length: n }, () => next++);
          if (op === "push") {
            for (const one of fresh) fifo.push(one);
            model.push(...fresh);
          } else if (op === "prepend") {
            fifo.prepend(fresh);
            model.unshift(...fresh);
          } else if (op === "takeAll") {
            expect(fifo.takeAll()).toEqual(model.splice(0));
          } else {
            const taken = fresh.map(() => fifo.take());
            expect(taken).toEqual(fresh.map(() => model.shift()));
          }
          expect(fifo.length).toBe(model.length);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe("Line", () => {
  test("never gives what is over, keeps the order, and knows how many are left", () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.nat(500)), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(steps, (all) => {
        const line = new Line<{ id: number; isOver: boolean }>();
        let model: { id: number; isOver: boolean }[] = [];
        let next = 0;
        for (const [op, n] of all) {
          if (op === 0) {
            for (let i = 0; i < n; i += 1) {
              const one = { id: next++, isOver: false };
              line.push(one);
              model.push(one);
            }
          } else if (op === 1) {
            for (let i = 0; i < n; i += 1) expect(line.take()).toBe(model.shift());
          } else if (op === 2) {
            // Every third one is over, however many that are.
            for (const one of model.filter(({ id }) => id % 3 === n % 3)) {
              one.isOver = true;
              line.noteOver();
            }
            model = model.filter(({ isOver }) => !isOver);
          } else if (op === 3) {
            const first = { id: next++, isOver: false };
            line.prepend([first]);
            model.unshift(first);
          } else {
            const removed = line.remove(({ id }) => id % 5 === n % 5);
            expect(removed).toEqual(model.filter(({ id }) => id % 5 === n % 5));
            model = model.filter(({ id }) => id % 5 !== n % 5);
          }
          expect(line.length).toBe(model.length);
        }
        expect(line.takeAll()).toEqual(model);
      }),
      { numRuns: 100 },
    );
  });
});

describe("Deadlines", () => {
  class Entry implements Timed {
    isOver = false;
    isTimed = false;
    readonly deadlineAtMs: number;
    constructor(deadlineAtMs: number) {
      this.deadlineAtMs = deadlineAtMs;
    }
  }

  test("call each entry that isn't over once, in time, with one timer", () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 2 }), fc.nat(300)), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(steps, (all) => {
        const clock = new FakeClock();
        const due: Entry[] = [];
        const deadlines = new Deadlines<Entry>(clock, (entry) => {
          entry.isOver = true;
          due.push(entry);
        });
        const entries: Entry[] = [];
        for (const [op, n] of all) {
          if (op === 0) {
            for (let i = 0; i <= n; i += 1) {
              const entry = new Entry(clock.now() + 1 + ((i * 37 + n) % 200));
              entries.push(entry);
              deadlines.add(entry);
            }
          } else if (op === 1) {
            clock.pass(n);
          } else {
            for (const entry of entries.filter((one, i) => !one.isOver && i % 7 < n % 7)) {
              entry.isOver = true;
              deadlines.noteOver(entry);
            }
          }
          const now = clock.now();
          const left = entries.filter(({ isOver }) => !isOver);
          expect(left.every(({ deadlineAtMs }) => deadlineAtMs > now)).toBe(true);
          expect(due.every(({ deadlineAtMs }) => deadlineAtMs <= now)).toBe(true);
          expect(clock.timers).toBeLessThanOrEqual(1);
          if (left.length > 0) expect(clock.timers).toBe(1);
        }
        expect(new Set(due).size).toBe(due.length);
      }),
      { numRuns: 100 },
    );
  });

  test("no timer is left when all are over", () => {
    const clock = new FakeClock();
    const deadlines = new Deadlines<Entry>(clock, () => undefined);
    const entries = [5, 3, 9].map((ms) => new Entry(clock.now() + ms));
    for (const entry of entries) deadlines.add(entry);
    for (const entry of entries) {
      entry.isOver = true;
      deadlines.noteOver(entry);
    }
    expect(clock.timers).toBe(0);
  });
});
