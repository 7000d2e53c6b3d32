/**
 * When a link acknowledges by itself. Mostly it needn't: an ack travels with every frame that goes
 * the other way. What nothing answers is acknowledged after LINK_ACK_MS, at once after
 * LINK_ACK_BYTES, and this turn when the other side shows that it waits for one.
 */
import { LINK_ACK_BYTES, LINK_ACK_MS } from "../limits.ts";
import type { Clock } from "../clock.ts";

export class Acks {
  readonly #clock: Clock;
  readonly #send: () => void;
  /** Bytes received since an ack left, and since when. */
  #bytes = 0;
  #since = 0;
  #hasTimer = false;
  #leavesThisTurn = false;

  /** @param send - sends an ack by itself; it calls `left`. */
  constructor(clock: Clock, send: () => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** A numbered frame came. */
  received(bytes: number, now: number): void {
    if (this.#bytes === 0) this.#since = now;
    this.#bytes += bytes;
  }

  /** An ack left, with whatever frame. */
  left(): void {
    this.#bytes = 0;
  }

  /** What came is acknowledged in time. */
  owe(): void {
    if (this.#bytes >= LINK_ACK_BYTES) this.thisTurn();
    else if (this.#bytes > 0 && !this.#hasTimer) this.#within(LINK_ACK_MS);
  }

  /** An ack leaves when this turn has ended, unless one has left with another frame by then. */
  thisTurn(): void {
    if (this.#leavesThisTurn) return;
    this.#leavesThisTurn = true;
    // Also where all was acknowledged: that ack may be lost.
    this.#bytes ||= 1;
    this.#clock.soon(() => {
      this.#leavesThisTurn = false;
      if (this.#bytes > 0) this.#send();
    });
  }

  /** Acks travelled with other frames meanwhile, more often than not: only an old one is due. */
  #within(ms: number): void {
    this.#hasTimer = true;
    this.#clock.after(ms, () => {
      this.#hasTimer = false;
      if (this.#bytes === 0) return;
      const leftMs = this.#since + LINK_ACK_MS - this.#clock.now();
      if (leftMs > 0) this.#within(leftMs);
      else this.#send();
    });
  }
}
