/** The search for poison records: what it finds, in how many probes, what it doesn't blame. */
import { describe, expect, test } from "vitest";
import {
  afterProbe,
  isHopeless,
  newSuspect,
  nextProbe,
  type Suspect,
} from "../../../head/core/poison/bisect.ts";
import { randomOf } from "../link/faults.ts";

/** A whole search, each probe answered by `kills`; how many probes it took. */
function searched(
  first: number,
  records: number,
  kills: (from: number, to: number) => boolean,
): { readonly suspect: Suspect; readonly probes: number } {
  let suspect = newSuspect({ first, records }, "SIGSEGV");
  for (let probes = 0; ; probes += 1) {
    const next = nextProbe(suspect);
    if (next === null || isHopeless(suspect)) return { suspect, probes };
    expect(next.first).toBeGreaterThanOrEqual(first);
    expect(next.first + next.records).toBeLessThanOrEqual(first + records);
    const died = kills(next.first, next.first + next.records) ? "SIGSEGV" : null;
    suspect = afterProbe(suspect, { ...next, died });
    expect(probes).toBeLessThan(100_000);
  }
}

const killsAt =
  (poison: readonly number[]) =>
  (from: number, to: number): boolean =>
    poison.some((at) => at >= from && at < to);

const positionsOf = ({ found }: Suspect): number[] => found.map(({ position }) => position);

describe("a search", () => {
  test("finds exactly the poison records, in p (log2 n + 3) probes", () => {
    const random = randomOf(7);
    for (let round = 0; round < 3_000; round += 1) {
      const records = 1 + Math.floor(random() * (round % 10 === 0 ? 1_024 : 40));
      const first = Math.floor(random() * 5_000);
      const wanted = 1 + Math.floor(random() * Math.min(4, records));
      const poison = [
        ...new Set(Array.from({ length: wanted }, () => first + Math.floor(random() * records))),
      ].sort((a, b) => a - b);
      const { suspect, probes } = searched(first, records, killsAt(poison));
      if (isHopeless(suspect)) {
        // Three records from the batch's begin on, and nothing else was tried.
        expect(positionsOf(suspect)).toEqual([first, first + 1, first + 2]);
        continue;
      }
      expect(positionsOf(suspect)).toEqual(poison);
      expect(probes).toBeLessThanOrEqual(poison.length * (Math.ceil(Math.log2(records)) + 3));
    }
  });

  test("of one record in 1,024 takes 13 probes at most", () => {
    for (const at of [0, 1, 511, 512, 1_022, 1_023]) {
      expect(searched(0, 1_024, killsAt([at])).probes).toBeLessThanOrEqual(13);
    }
  });

  test("blames nobody for a death by chance, whenever it comes", () => {
    const { suspect } = searched(0, 64, () => false);
    expect(suspect.found).toEqual([]);
    // One death among the probes leads to records that live.
    for (let strike = 0; strike < 6; strike += 1) {
      let count = 0;
      const once = searched(0, 64, () => count++ === strike);
      expect(once.suspect.found).toEqual([]);
    }
  });

  test("finds nothing where only many records together kill", () => {
    const { suspect } = searched(0, 64, (from, to) => to - from > 8);
    expect(suspect.found).toEqual([]);
    expect(suspect.lived).toBe(true);
  });

  test("ends where every record kills: it isn't the records", () => {
    const { suspect, probes } = searched(0, 1_024, () => true);
    expect(isHopeless(suspect)).toBe(true);
    expect(probes).toBeLessThan(40);
  });

  test("takes no result that it didn't ask for", () => {
    const suspect = newSuspect({ first: 0, records: 8 }, "SIGSEGV");
    for (const probe of [
      { first: 4, records: 4 },
      { first: 0, records: 8 },
    ]) {
      expect(afterProbe(suspect, { ...probe, died: null })).toBe(suspect);
    }
  });
});
