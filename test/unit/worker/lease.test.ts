/** The lease of named actors runs out by itself, and only reports that were confirmed renew it. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { NAMED_LEASE_MS } from "../../../runtime/limits.ts";
import { bootMs, Lease, ReportTimes } from "../../../worker/lease.ts";

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
  test("is over before it ever began, and nobody is told", () => {
    expect(newLease().isOver()).toBe(true);
    pass(2 * NAMED_LEASE_MS);
    expect(over).toBe(0);
  });

  test("lasts from when the report was sent, not from when its confirmation came", () => {
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

  test("goes on with each later report; earlier ones change nothing", () => {
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

describe("an agent's lease", () => {
  const newTimes = () => new ReportTimes(() => nowMs);

  test("counts from when the confirmed report was sent, however late that is known", () => {
    const times = newTimes();
    expect(times.leaseMs).toBe(Number.NEGATIVE_INFINITY);
    times.sent(7, nowMs);
    nowMs += 1_000;
    times.sent(8, nowMs);
    nowMs += 5_000;
    times.confirm(7);
    expect(times.leaseMs).toBe(nowMs - 6_000);
    times.confirm(8);
    expect(times.leaseMs).toBe(nowMs - 5_000);
  });

  test("doesn't go back, and what wasn't sent here means nothing", () => {
    const times = newTimes();
    for (const number of [7, 8, 9]) times.sent(number, nowMs + number);
    times.confirm(8);
    for (const number of [7, 8, 10, 0, 1e12]) times.confirm(number);
    expect(times.leaseMs).toBe(nowMs + 8);
    times.confirm(9);
    expect(times.leaseMs).toBe(nowMs + 9);
  });

  test("forgets reports that could renew nothing any more", () => {
    const times = newTimes();
    for (let number = 1; number <= 100_000; number += 1) {
      times.sent(number, nowMs);
      nowMs += 10;
    }
    expect(times.size).toBeLessThanOrEqual(NAMED_LEASE_MS / 10);
    times.confirm(1);
    expect(times.leaseMs).toBe(Number.NEGATIVE_INFINITY);
    times.confirm(100_000);
    expect([times.leaseMs, times.size]).toEqual([nowMs - 10, 0]);
  });

  test("is long over when there was one and its grace is too", () => {
    const times = newTimes();
    nowMs += 1e9;
    expect(times.isOverFor(1_000)).toBe(false);
    times.sent(1, nowMs);
    times.confirm(1);
    nowMs += NAMED_LEASE_MS + 1_000;
    expect(times.isOverFor(1_000)).toBe(false);
    nowMs += 1;
    expect(times.isOverFor(1_000)).toBe(true);
  });
});

test("its clock is the machine's, and goes on", () => {
  vi.useRealTimers();
  const before = bootMs();
  expect(before).toBeGreaterThan(0);
  expect(bootMs()).toBeGreaterThanOrEqual(before);
});
