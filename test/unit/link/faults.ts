/** A carrier that misbehaves as it is told, in front of any other. */
import type { Carrier } from "../../../runtime/link/carrier.ts";
import type { Clock } from "../../../runtime/clock.ts";

/** What happens to frames that are sent from now on; each number is a share of them. */
export interface Faults {
  drop: number;
  duplicate: number;
  /** These come later, by up to 10 ms; those behind overtake them. */
  reorder: number;
  /** Milliseconds that each frame takes. */
  delayMs: number;
  /** Drops the frames it is true for. */
  swallow: ((frame: Uint8Array) => boolean) | undefined;
}

export function noFaults(): Faults {
  return { drop: 0, duplicate: 0, reorder: 0, delayMs: 0, swallow: undefined };
}

/** Numbers in [0, 1) that follow from the seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a faulty carrier has passed on. */
export interface Traffic {
  frames: number;
  bytes: number;
}

export function faultyCarrier(
  inner: Carrier,
  options: {
    readonly faults: Faults;
    readonly clock: Clock;
    readonly random: () => number;
    readonly traffic: Traffic;
  },
): Carrier {
  const { faults, clock, random, traffic } = options;
  const pass = (frame: Uint8Array): void => {
    const { delayMs, reorder } = faults;
    const late = random() < reorder ? delayMs + random() * 10 : delayMs;
    if (late > 0) clock.after(late, () => inner.send(frame));
    else inner.send(frame);
  };
  return {
    kind: inner.kind,
    get bufferedBytes() {
      return inner.bufferedBytes;
    },
    send: (frame) => {
      traffic.frames++;
      traffic.bytes += frame.length;
      if (faults.swallow?.(frame) === true || random() < faults.drop) return;
      pass(frame);
      if (random() < faults.duplicate) pass(frame);
    },
    close: () => inner.close(),
  };
}
