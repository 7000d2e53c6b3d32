/**
 * Which member of a pool takes the next call: the one with the fewest under way, in turn among
 * equals. A member gets as much work ahead as POOL_AHEAD_MS hold, so that short calls keep it busy
 * over the way there and back, and long ones wait where the next free member finds them.
 *
 * Invariant: a member that takes calls has `inFlight` < its bound.
 */
import { POOL_AHEAD_MS, POOL_MEMBER_CALLS_MAX } from "../../limits.ts";

/** What choosing needs to know of a member. */
export interface Load {
  /** Whether it is alive and may get new calls. */
  readonly takesCalls: boolean;
  readonly inFlight: number;
}

/** Weight of the newest call in the mean. */
const NEWEST = 0.1;

export class Balance<Member extends Load> {
  readonly #concurrency: number;
  #turn = 0;
  /** Mean milliseconds that one call keeps a member's place busy; 0 = not measured yet. */
  #serviceMs = 0;

  /** @param concurrency - calls that one member runs at once. */
  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  /** Calls that one member may hold now. */
  get depth(): number {
    if (this.#serviceMs === 0) return this.#concurrency;
    const ahead = Math.ceil((POOL_AHEAD_MS / this.#serviceMs) * this.#concurrency);
    return Math.max(this.#concurrency, Math.min(ahead, POOL_MEMBER_CALLS_MAX));
  }

  /** The member for the next call; undefined when none takes one now. */
  choose(members: readonly Member[]): Member | undefined {
    const { depth } = this;
    let best: Member | undefined;
    let bestAt = 0;
    for (let i = 0; i < members.length; i += 1) {
      const at = (this.#turn + i) % members.length;
      const member = members[at];
      if (member === undefined || !member.takesCalls || member.inFlight >= depth) continue;
      if (best !== undefined && member.inFlight >= best.inFlight) continue;
      [best, bestAt] = [member, at];
    }
    if (best !== undefined) this.#turn = bestAt + 1;
    return best;
  }

  /**
   * A call was answered.
   * @param elapsedMs - since it left; @param company - calls that its member held then, with it.
   * @returns the milliseconds that it kept a place of its member busy, as estimated.
   */
  answered(elapsedMs: number, company: number): number {
    const busyMs = elapsedMs / Math.max(1, company / this.#concurrency);
    const mean =
      this.#serviceMs === 0 ? busyMs : this.#serviceMs + NEWEST * (busyMs - this.#serviceMs);
    this.#serviceMs = Math.max(mean, Number.MIN_VALUE);
    return busyMs;
  }
}
