/**
 * When a link acts without being asked: it asks for acks that don't come, for frames that are
 * missing, for room in its carrier and for signs of life. One timer a link, alive only while one
 * of these is due.
 *
 * A timer that fires much too late tells that this process itself slept: the other side's silence
 * of that time doesn't count.
 */
import {
  LINK_LATE_MS,
  LINK_PING_MS,
  LINK_RESEND_MS,
  LINK_ROOM_MS,
  LINK_SILENCE_MS,
  LINK_SYNC_MAX_MS,
  LINK_SYNC_MS,
} from "../limits.ts";
import type { Clock } from "../clock.ts";

/** What is watched, and what is done about it. */
export interface WatchPorts {
  /** Whether frames wait for their ack; data waits for its carrier alone; a frame is missing. */
  readonly unacked: () => boolean;
  readonly waiting: () => boolean;
  readonly gap: () => boolean;
  readonly onSync: () => void;
  readonly onGap: () => void;
  readonly onRoom: () => void;
  readonly onPing: () => void;
  readonly onSilence: (ms: number) => void;
}

export class Watch {
  /** When the other side was last heard. */
  heardAt: number;
  readonly #clock: Clock;
  readonly #ports: WatchPorts;
  #keptAlive = false;
  #stopped = false;
  /** Since when something is pending without a break; silence before doesn't count. */
  #pendingSince: number | undefined;
  /** When acks last moved on, or the first frame without one left. */
  #progressAt = 0;
  #syncMs = LINK_SYNC_MS;
  #gapAt: number | undefined;
  #pingedAt = 0;
  #timerAt = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, ports: WatchPorts) {
    this.#clock = clock;
    this.#ports = ports;
    this.heardAt = clock.now();
  }

  get isKeptAlive(): boolean {
    return this.#keptAlive;
  }

  keepAlive(pending: boolean): void {
    if (this.#keptAlive === pending) return;
    this.#keptAlive = pending;
    if (pending) this.look();
  }

  heard(): void {
    this.heardAt = this.#clock.now();
  }

  /** A frame was handed over; `size` are without ack, this one included. */
  sent(size: number): void {
    if (size > 1) return;
    this.#progressAt = this.#clock.now();
    this.look();
  }

  progressed(): void {
    this.#progressAt = this.#clock.now();
    this.#syncMs = LINK_SYNC_MS;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Sees to it that the timer fires when the next thing is due. */
  look(): void {
    if (this.#stopped) return;
    const due = this.#due(this.#clock.now());
    if (due >= this.#timerAt || due === Number.POSITIVE_INFINITY) return;
    this.#cancel?.();
    this.#timerAt = due;
    const ms = Math.max(0, due - this.#clock.now());
    this.#cancel = this.#clock.after(ms, () => this.#onTimer());
  }

  /** When the next thing is due; infinity for never. */
  #due(now: number): number {
    const { unacked, waiting, gap } = this.#ports;
    const isPending = this.#keptAlive || unacked() || waiting() || gap();
    this.#pendingSince = isPending ? (this.#pendingSince ?? now) : undefined;
    this.#gapAt = gap() ? (this.#gapAt ?? now) : undefined;
    let due = Number.POSITIVE_INFINITY;
    if (unacked()) due = this.#progressAt + this.#syncMs;
    if (waiting()) due = Math.min(due, now + LINK_ROOM_MS);
    if (this.#gapAt !== undefined) due = Math.min(due, this.#gapAt + LINK_RESEND_MS);
    if (this.#pendingSince === undefined) return due;
    const silentSince = Math.max(this.heardAt, this.#pendingSince);
    const pingAt = Math.max(silentSince, this.#pingedAt) + LINK_PING_MS;
    return Math.min(due, pingAt, silentSince + LINK_SILENCE_MS);
  }

  #onTimer(): void {
    const now = this.#clock.now();
    if (now - this.#timerAt > LINK_LATE_MS) this.heardAt = now;
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#cancel = undefined;
    this.#act(now);
    this.look();
  }

  #act(now: number): void {
    const { unacked, waiting, gap, onSync, onGap, onRoom, onPing, onSilence } = this.#ports;
    if (waiting()) onRoom();
    if (unacked() && now >= this.#progressAt + this.#syncMs) {
      this.#progressAt = now;
      this.#syncMs = Math.min(this.#syncMs * 2, LINK_SYNC_MAX_MS);
      onSync();
    }
    if (gap() && this.#gapAt !== undefined && now >= this.#gapAt + LINK_RESEND_MS) {
      this.#gapAt = now;
      onGap();
    }
    if (this.#pendingSince === undefined) return;
    const silentSince = Math.max(this.heardAt, this.#pendingSince);
    if (now >= silentSince + LINK_SILENCE_MS) {
      onSilence(Math.round(now - silentSince));
      return;
    }
    if (now < Math.max(silentSince, this.#pingedAt) + LINK_PING_MS) return;
    this.#pingedAt = now;
    onPing();
  }
}
