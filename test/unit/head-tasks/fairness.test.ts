/** Whose turn it is, against an oracle that looks at all that waits each time. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Effect } from "../../../head/core/events.ts";
import { TASK_DONE } from "../../../runtime/tasks/wire.ts";
import {
  eventsOf,
  type Given,
  givenIn,
  groupOf,
  ownerOf,
  TaskHead,
  workerName,
} from "./support.ts";

const WORKER = workerName(1);
const JOBS = [1, 2, 3].map((n) => ownerOf(n));
const PRIORITIES = [0, 0, 0, 7];

interface Waiting {
  readonly job: string;
  readonly number: number;
  readonly priority: number;
}

/** All that waits, in the order in which it came, and how much each job has. */
class Oracle {
  waiting: Waiting[] = [];
  readonly loads = new Map<string, number>();

  /** Takes one that was given. @throws {Error} when it was another one's turn. */
  give({ process, number }: Given): void {
    const given = this.waiting.find((one) => one.job === process && one.number === number);
    if (given === undefined) throw new Error(`${process} ${number} doesn't wait`);
    const wronged = this.waiting.find((other) => this.#isBefore(other, given));
    if (wronged !== undefined) {
      throw new Error(
        `it was the turn of ${JSON.stringify(wronged)}, not ${JSON.stringify(given)}`,
      );
    }
    this.waiting = this.waiting.filter((one) => one !== given);
    this.loads.set(process, this.#load(process) + 1);
  }

  #load(job: string): number {
    return this.loads.get(job) ?? 0;
  }

  #isBefore(other: Waiting, given: Waiting): boolean {
    if (other.priority !== given.priority) return other.priority > given.priority;
    if (other.job === given.job) return other.number < given.number;
    return this.#load(other.job) < this.#load(given.job);
  }

  end({ process }: Given): void {
    this.loads.set(process, this.#load(process) - 1);
  }
}

const submit = fc.record({
  kind: fc.constant("submit" as const),
  job: fc.nat({ max: JOBS.length - 1 }),
  n: fc.integer({ min: 1, max: 12 }),
  priority: fc.constantFrom(...PRIORITIES),
});
const finish = fc.record({ kind: fc.constant("finish" as const), pick: fc.nat() });
const happenings = fc.array(fc.oneof(submit, { weight: 3, arbitrary: finish }), { maxLength: 120 });

test("the most urgent goes first, then the job with the least, then who came first", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), happenings, (slots, all) => {
      const head = new TaskHead();
      const oracle = new Oracle();
      const given: Given[] = [];
      const next = new Map<string, number>();
      let from = 1;
      const take = (effects: readonly Effect[]): void => {
        for (const one of givenIn(effects)) {
          oracle.give(one);
          given.push(one);
        }
      };
      head.join(WORKER, slots);
      for (const one of all) {
        if (one.kind === "submit") {
          const owner = JOBS[one.job] ?? ownerOf(1);
          const { process } = owner;
          const first = next.get(process) ?? 1;
          next.set(process, first + one.n);
          for (let i = 0; i < one.n; i += 1) {
            oracle.waiting.push({ job: process, number: first + i, priority: one.priority });
          }
          take(head.submit({ owner, first, n: one.n, group: groupOf({ priority: one.priority }) }));
        } else if (given.length > 0) {
          const [ended] = given.splice(one.pick % given.length, 1);
          if (ended === undefined) continue;
          oracle.end(ended);
          const owner = JOBS.find(({ process }) => process === ended.process) ?? ownerOf(1);
          const events = [eventsOf([ended], TASK_DONE, { owner })];
          take(head.taskReport(WORKER, { from, events }));
          from += 1;
        }
      }
      while (given.length > 0) {
        const [ended] = given.splice(0, 1);
        if (ended === undefined) break;
        oracle.end(ended);
        const owner = JOBS.find(({ process }) => process === ended.process) ?? ownerOf(1);
        take(head.taskReport(WORKER, { from, events: [eventsOf([ended], TASK_DONE, { owner })] }));
        from += 1;
      }
      expect(oracle.waiting).toEqual([]);
    }),
    { numRuns: 150 },
  );
});
