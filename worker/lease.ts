/**
 * The lease of named actors: they end before another life of them may begin elsewhere. It counts
 * from when the last report that a leader has confirmed was sent. That leader received it later,
 * and counts its worker's silence from then: what is silence to it never lasts longer than the
 * lease has. NAMED_RESTART_MS is more than NAMED_LEASE_MS by what clocks may differ. How late
 * reports, commands or orders come makes no difference. Nor has a life that begins a lease of its
 * own: the command that places it confirms a report, and the silence for which the life would be
 * given up counts from the last of these, not from the placing. Times are of the clock that goes
 * on while the machine sleeps.
 */
import { uptime } from "node:os";
import { type Clock, processClock } from "../runtime/clock.ts";
import { NAMED_LEASE_MS } from "../runtime/limits.ts";

/** Milliseconds since the machine's boot, its sleep included: equal for all its processes. */
export function bootMs(): number {
  return uptime() * 1_000;
}

/** An agent's: when its reports were sent, and which of them the lease counts from. */
export class ReportTimes {
  readonly #now: () => number;
  /** By number, those that may still be confirmed; in the order in which they were sent. */
  readonly #sentMs = new Map<number, number>();
  #leaseMs = Number.NEGATIVE_INFINITY;

  constructor(now: () => number = bootMs) {
    this.#now = now;
  }

  /** When the lease began. */
  get leaseMs(): number {
    return this.#leaseMs;
  }

  /** Reports for which a confirmation is waited. */
  get size(): number {
    return this.#sentMs.size;
  }

  /** A report leaves; that time was read before. */
  sent(number: number, atMs: number): void {
    this.#sentMs.set(number, atMs);
    // What is as old as a lease can't renew one.
    for (const [older, sentMs] of this.#sentMs) {
      if (sentMs + NAMED_LEASE_MS > atMs) return;
      this.#sentMs.delete(older);
    }
  }

  /** A leader has received the report of that number. One that wasn't sent here means nothing. */
  confirm(number: number): void {
    const sentMs = this.#sentMs.get(number);
    if (sentMs === undefined) return;
    this.#leaseMs = Math.max(this.#leaseMs, sentMs);
    for (const older of this.#sentMs.keys()) {
      this.#sentMs.delete(older);
      if (older === number) return;
    }
  }

  /** Whether a lease that there was has been over for longer than that. */
  isOverFor(graceMs: number): boolean {
    if (this.#leaseMs === Number.NEGATIVE_INFINITY) return false;
    return this.#now() - this.#leaseMs > NAMED_LEASE_MS + graceMs;
  }
}

/** An executor's. */
export class Lease {
  readonly #now: () => number;
  readonly #onOver: () => void;
  readonly #clock: Clock;
  #fromMs = Number.NEGATIVE_INFINITY;
  #isWaiting = false;

  /**
   * @param onOver - called whenever the lease has run out, from a timer.
   * @param clock - its timers alone are asked.
   */
  constructor(onOver: () => void, now: () => number = bootMs, clock: Clock = processClock) {
    this.#onOver = onOver;
    this.#clock = clock;
    this.#now = now;
  }

  /** It counts from that time, unless it already does from a later one. */
  renew(fromMs: number): void {
    this.#fromMs = Math.max(this.#fromMs, fromMs);
    if (!this.#isWaiting) this.#wait();
  }

  /** Milliseconds that are left; 0 when it is over. Reads the clock: ask once per turn. */
  leftMs(): number {
    return Math.max(0, this.#fromMs + NAMED_LEASE_MS - this.#now());
  }

  isOver(): boolean {
    return this.leftMs() === 0;
  }

  #wait(): void {
    this.#isWaiting = true;
    // One millisecond more: a timer may come a little early.
    this.#clock.after(this.leftMs() + 1, () => {
      this.#isWaiting = false;
      if (this.isOver()) this.#onOver();
      else this.#wait();
    });
  }
}
