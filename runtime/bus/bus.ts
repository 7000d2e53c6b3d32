/**
 * The port to the bus: at most once, unordered between senders, in order from one. It carries, it
 * doesn't remember; what must arrive is resent by the link above. Implemented over NATS and by the
 * simulator.
 */
import type { Identity } from "../ids.ts";

/**
 * `disconnected`: it tries to come back by itself. `closed`: for good, by us or for a refused
 * key.
 */
export type BusState = "connected" | "disconnected" | "closed";

/** A publish or a subscription that the server refused this identity. */
export interface Denial {
  readonly operation: "publish" | "subscription";
  readonly subject: string;
}

export interface BusCounters {
  /** Publishes and subscriptions that the server refused. */
  denied: number;
  /** Messages given up because the bus was disconnected. */
  dropped: number;
}

/** Called with each message. `bytes` may start at any address; the listener may keep them. */
export type BusListener = (subject: string, bytes: Uint8Array) => void;

export interface Bus {
  readonly identity: Identity;
  readonly counters: Readonly<BusCounters>;

  /**
   * Sends bytes, at most once; while disconnected they are dropped and counted. The bus owns the
   * bytes from now on: they must not change. Bounds: FRAME_BYTES_MAX.
   */
  publish(subject: string, bytes: Uint8Array): void;

  /**
   * Asks whether anybody hears a subject: empty bytes go there. Where the server knows of nobody,
   * it sends empty bytes to `answer`, which this identity must hear; no answer says nothing. A
   * carrier that can't tell lacks this.
   */
  knock?(subject: string, answer: string): void;

  /** Hears a subject (`*` stands for one name) until the bus closes, over reconnections too. */
  subscribe(subject: string, onMessage: BusListener): void;

  /**
   * Settles when the server has taken all that was published and subscribed before.
   * @throws {SystemError} NATS_UNREACHABLE when the connection was lost meanwhile: what was
   * subscribed is said again when it is back, what was published may be lost.
   */
  flush(): Promise<void>;

  onState(listener: (state: BusState) => void): void;
  onDenied(listener: (denial: Denial) => void): void;

  /** Sends what is waiting, then ends the connection and every subscription. */
  close(): Promise<void>;
}
