/** A pool's size: within its bounds, enough for its load, and steady. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { emptyHistory, poolSize, takeLoad } from "../../../head/core/pools/size.ts";
import {
  POOL_IDLE_MS,
  POOL_SAMPLES_MAX,
  POOL_SHRINK_MS,
  POOL_WINDOW_MS,
} from "../../../runtime/limits.ts";
import type { PoolLoad } from "../../../runtime/messages.ts";

const REPORT_MS = 100;

/** A client and its pool, of which each member is there `startMs` after it is wanted. */
class Pool {
  readonly history = emptyHistory();
  readonly bounds;
  nowMs = 0;
  wanted = 0;
  /** When each member is there; the rest of what it does lies in `owedMs`. */
  #readyAtMs: number[] = [];
  #waiting = 0;
  #busyMs = 0;
  readonly #startMs: number;
  readonly sizes: number[] = [];

  constructor(min: number, max: number, concurrency = 1, startMs = 200) {
    this.bounds = { min, max, concurrency };
    this.#startMs = startMs;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** So long with calls coming at a rate, each of `serviceMs`. */
  run(forMs: number, rate: (atMs: number) => number, serviceMs: number): void {
    for (let leftMs = forMs; leftMs > 0; leftMs -= REPORT_MS) {
      this.nowMs += REPORT_MS;
      this.#waiting += (rate(this.nowMs) * REPORT_MS) / 1_000;
      const ready = this.#readyAtMs.filter((atMs) => atMs <= this.nowMs).length;
      const slots = ready * this.bounds.concurrency;
      const workMs = Math.min(slots * REPORT_MS, this.#waiting * serviceMs);
      this.#busyMs += workMs;
      const answered = Math.floor(this.#busyMs / serviceMs);
      this.#busyMs -= answered * serviceMs;
      this.#waiting = Math.max(0, this.#waiting - workMs / serviceMs);
      const calls = Math.ceil(this.#waiting);
      const inFlight = Math.min(slots, calls);
      this.#report({ backlog: calls - inFlight, inFlight, answered, busyMs: answered * serviceMs });
    }
  }

  #report(load: PoolLoad): void {
    takeLoad(this.history, load, this.bounds.concurrency, this.nowMs);
    this.wanted = poolSize(this.history, this.bounds, this.nowMs).wanted;
    this.sizes.push(this.wanted);
    this.#readyAtMs = this.#readyAtMs.slice(0, this.wanted);
    while (this.#readyAtMs.length < this.wanted) {
      this.#readyAtMs.push(this.nowMs + this.#startMs);
    }
  }

  /** How often it shrank in the last so many milliseconds. */
  shrunkWithin(ms: number): number {
    const sizes = this.sizes.slice(-ms / REPORT_MS);
    return sizes.filter((size, index) => size < (sizes[index - 1] ?? 0)).length;
  }
}

const loads = fc.array(
  fc.record({
    afterMs: fc.nat({ max: 20_000 }),
    backlog: fc.nat({ max: 100_000 }),
    inFlight: fc.nat({ max: 2_000 }),
    answered: fc.nat({ max: 100_000 }),
    busyMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
  }),
  { minLength: 1, maxLength: 60 },
);
const bounds = fc
  .tuple(fc.nat({ max: 20 }), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 64 }))
  .map(([min, more, concurrency]) => ({ min, max: min + more, concurrency }));

test("whatever is reported, it is between its bounds, and keeps a bounded history", () => {
  fc.assert(
    fc.property(bounds, loads, (size, reports) => {
      const history = emptyHistory();
      let nowMs = 0;
      for (const { afterMs, ...load } of reports) {
        nowMs += afterMs;
        takeLoad(history, load, size.concurrency, nowMs);
        const { wanted, reason } = poolSize(history, size, nowMs);
        expect(wanted).toBeGreaterThanOrEqual(size.min);
        expect(wanted).toBeLessThanOrEqual(size.max);
        expect(Number.isInteger(wanted)).toBe(true);
        expect(reason).toMatch(/^\d+( \(.*\))?: ./);
        if (load.backlog > 0) expect(wanted).toBeGreaterThan(0);
      }
      expect(history.samples.length).toBeLessThanOrEqual(POOL_SAMPLES_MAX);
    }),
    { numRuns: 300 },
  );
});

test("under a steady load it comes to rest at what the load needs, with nothing waiting", () => {
  const load = fc.record({
    rate: fc.integer({ min: 1, max: 400 }),
    serviceMs: fc.integer({ min: 1, max: 400 }),
    concurrency: fc.integer({ min: 1, max: 8 }),
  });
  fc.assert(
    fc.property(load, ({ rate, serviceMs, concurrency }) => {
      const pool = new Pool(0, 500, concurrency);
      pool.run(90_000, () => rate, serviceMs);
      const least = (rate * serviceMs) / 1_000 / concurrency;
      expect(pool.wanted).toBeGreaterThanOrEqual(Math.ceil(least * 0.99));
      expect(pool.wanted).toBeLessThanOrEqual(Math.ceil(least * 1.5) + 2);
      expect(pool.waiting).toBeLessThan(Math.max(2, rate / 2));
      // A load on the edge of one more member has it, or not, for 15 s at least.
      expect(pool.shrunkWithin(30_000)).toBeLessThanOrEqual(2);
    }),
    { numRuns: 20 },
  );
});

test("a load that comes and goes within seconds doesn't make it thrash", () => {
  const wave = fc.record({
    periodMs: fc.integer({ min: 1_000, max: POOL_SHRINK_MS - 3_000 }),
    rate: fc.integer({ min: 10, max: 300 }),
    serviceMs: fc.integer({ min: 5, max: 200 }),
  });
  fc.assert(
    fc.property(wave, ({ periodMs, rate, serviceMs }) => {
      const pool = new Pool(0, 200);
      const isOn = (atMs: number): boolean => atMs % periodMs < periodMs / 2;
      pool.run(120_000, (atMs) => (isOn(atMs) ? rate : 0), serviceMs);
      const settled = pool.sizes.slice(-600);
      const [least, most] = [Math.min(...settled), Math.max(...settled)];
      expect(least).toBeGreaterThanOrEqual(Math.max(1, Math.floor(most * 0.4)));
      expect(pool.shrunkWithin(60_000)).toBeLessThanOrEqual(4);
    }),
    { numRuns: 20 },
  );
});

describe("a pool", () => {
  test("works a backlog off: a burst of 400 calls of 100 ms within seconds of 16 members", () => {
    const pool = new Pool(0, 16);
    pool.run(100, () => 4_000, 100);
    pool.run(5_000, () => 0, 100);
    expect(Math.max(...pool.sizes)).toBe(16);
    expect(pool.waiting).toBe(0);
  });

  test("of long calls has a member for each that waits, and no more", () => {
    const pool = new Pool(0, 16);
    pool.run(100, () => 60, 60_000);
    pool.run(20_000, () => 0, 60_000);
    expect(Math.max(...pool.sizes)).toBe(6);
  });

  test("that is quick needs one member, whatever is under way at once", () => {
    const pool = new Pool(0, 16, 1, 0);
    pool.run(30_000, () => 5_000, 0.05);
    expect(Math.max(...pool.sizes.slice(20))).toBe(1);
  });

  test("goes to zero after an idle time, and wakes at once", () => {
    const pool = new Pool(0, 8);
    pool.run(5_000, () => 50, 50);
    expect(pool.wanted).toBeGreaterThan(0);
    pool.run(POOL_IDLE_MS - 1_000, () => 0, 50);
    expect(pool.wanted).toBeGreaterThan(0);
    pool.run(2_000, () => 0, 50);
    expect(pool.wanted).toBe(0);
    pool.run(REPORT_MS, () => 10, 50);
    expect(pool.wanted).toBe(1);
  });

  test("keeps its minimum without any load, and says why", () => {
    const pool = new Pool(3, 8);
    pool.run(POOL_WINDOW_MS, () => 0, 50);
    const { wanted, reason } = poolSize(pool.history, pool.bounds, pool.nowMs);
    expect([wanted, reason]).toEqual([3, "3 (its minimum): no call yet"]);
  });
});
