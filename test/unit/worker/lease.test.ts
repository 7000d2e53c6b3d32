/** The lease of named actors runs out by itself, and only news of a leader renews it. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { NAMED_LEASE_MS } from "../../../runtime/limits.ts";
import { bootMs, Lease } from "../../../worker/lease.ts";

let nowMs = 0;
let over = 0;
beforeEach(() => {
  nowMs = 1_000_000;
  over = 0;
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function newLease(): Lease {
  return new Lease(
    () => {
      over += 1;
    },
    () => nowMs,
  );
}

function pass(ms: number): void {
  nowMs += ms;
  vi.advanceTimersByTime(ms);
}

describe("a lease", () => {
  test("is over before a leader was ever heard, and nobody is told", () => {
    expect(newLease().isOver()).toBe(true);
    pass(2 * NAMED_LEASE_MS);
    expect(over).toBe(0);
  });

  test("lasts from when the leader was heard, not from when that came to be known", () => {
    const lease = newLease();
    lease.renew(nowMs - NAMED_LEASE_MS + 10);
    expect(lease.leftMs()).toBe(10);
    pass(9);
    expect(lease.isOver()).toBe(false);
    pass(1);
    expect(lease.isOver()).toBe(true);
    pass(1);
    expect(over).toBe(1);
  });

  test("goes on with each time the leader is heard; old news change nothing", () => {
    const lease = newLease();
    for (let i = 0; i < 10; i += 1) {
      lease.renew(nowMs);
      lease.renew(nowMs - 5_000);
      pass(NAMED_LEASE_MS - 1);
      expect(lease.isOver()).toBe(false);
    }
    expect(over).toBe(0);
    pass(2);
    expect(over).toBe(1);
    lease.renew(nowMs);
    expect(lease.isOver()).toBe(false);
    pass(NAMED_LEASE_MS + 1);
    expect(over).toBe(2);
  });

  test("is over after a sleep that no timer saw", () => {
    const lease = newLease();
    lease.renew(nowMs);
    nowMs += 60_000;
    expect(lease.isOver()).toBe(true);
    expect(over).toBe(0);
  });
});

test("its clock is the machine's, and goes on", () => {
  vi.useRealTimers();
  const before = bootMs();
  expect(before).toBeGreaterThan(0);
  expect(bootMs()).toBeGreaterThanOrEqual(before);
});
