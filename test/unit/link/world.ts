/** Two processes with a way between them, as the conformance suite sees them. */
import { SystemError } from "../../../runtime/errors.ts";
import { newProcessId, type ProcessId } from "../../../runtime/ids.ts";
import type { Carrier } from "../../../runtime/link/carrier.ts";
import type { Clock } from "../../../runtime/clock.ts";
import type { Link } from "../../../runtime/link/link.ts";
import type { LinkHandlers } from "../../../runtime/link/ports.ts";
import { LinkTable } from "../../../runtime/link/table.ts";
import { type Faults, faultyCarrier, noFaults, randomOf, type Traffic } from "./faults.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** All that a link told its handler. */
export class Recorder implements LinkHandlers {
  readonly items: unknown[] = [];
  readonly resets: { readonly error: SystemError; readonly unsent: number }[] = [];
  ready = 0;

  onItems(items: readonly unknown[]): void {
    this.items.push(...items);
  }

  onReset(error: SystemError, unsent: number): void {
    this.resets.push({ error, unsent });
  }

  onReady(): void {
    this.ready++;
  }
}

/** One of the two processes. */
export interface End {
  readonly process: ProcessId;
  readonly table: LinkTable;
  /** To the other end. */
  readonly carrier: Carrier;
  /** What happens to the frames it sends. */
  readonly faults: Faults;
  readonly traffic: Traffic;
  /** Links that the other end opened, in their order. */
  readonly accepted: { readonly link: Link; readonly seen: Recorder }[];
}

export interface World {
  readonly a: End;
  readonly b: End;
  /** Waits for a condition, no longer than 20 s of the world's time. */
  until(what: string, condition: () => boolean): Promise<void>;
  /** Ends the way for good, where it can end. */
  readonly cut?: () => void;
}

/** An end whose frames leave by `inner`, with faults. */
export function newEnd(options: {
  readonly inner: Carrier;
  readonly clock: Clock;
  readonly seed: number;
  readonly process?: ProcessId;
  readonly vouch?: (process: ProcessId) => boolean | undefined;
}): End {
  const { inner, clock, seed, vouch } = options;
  const process = options.process ?? newProcessId();
  const [faults, traffic] = [noFaults(), { frames: 0, bytes: 0 }];
  const accepted: End["accepted"] = [];
  const accept = (link: Link): LinkHandlers => {
    const seen = new Recorder();
    accepted.push({ link, seen });
    return seen;
  };
  const table = new LinkTable({
    self: process,
    clock,
    accept,
    ...(vouch === undefined ? {} : { vouch }),
  });
  const carrier = faultyCarrier(inner, { faults, clock, random: randomOf(seed), traffic });
  return { process, table, carrier, faults, traffic, accepted };
}

/** A link from one end to the other, and what it tells. */
export function openLink(from: End, to: End): { readonly link: Link; readonly seen: Recorder } {
  const seen = new Recorder();
  return { link: from.table.open(to.process, from.carrier, seen), seen };
}

/** Two ends over a simulated bus, in virtual time. Frames arrive in a turn of their own. */
export function simulatedWorld(
  options: {
    readonly seed?: number;
    readonly vouch?: (process: ProcessId) => boolean | undefined;
  } = {},
): World & { readonly clock: VirtualClock } {
  const clock = new VirtualClock();
  const { seed = 1, vouch } = options;
  let isCut = false;
  const way = (other: () => End): Carrier => ({
    kind: "simulated",
    bufferedBytes: 0,
    close: () => {},
    send: (frame) => {
      clock.soon(() => {
        if (!isCut) other().table.take(frame, other().carrier);
      });
    },
  });
  const rest = { clock, ...(vouch === undefined ? {} : { vouch }) };
  const a: End = newEnd({ ...rest, inner: way(() => b), seed });
  const b: End = newEnd({ ...rest, inner: way(() => a), seed: seed + 1 });
  const until = (what: string, condition: () => boolean): Promise<void> => {
    const limit = clock.now() + 20_000;
    while (!condition()) if (!clock.step(limit)) throw new Error(`never: ${what}`);
    return Promise.resolve();
  };
  const cut = (): void => {
    isCut = true;
    const error = new SystemError("SOCKET_FAILED", "cut");
    for (const { table, carrier } of [a, b]) table.carrierClosed(carrier, error);
  };
  return { a, b, clock, until, cut };
}
