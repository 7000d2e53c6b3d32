/** Two ends of a link in memory, a clock that stands still, and a caller and a host on them. */
import {
  ActorCaller,
  type ActorCallerOptions,
  type CallerLink,
} from "../../../runtime/actor/caller.ts";
import { ActorHost, type ActorHostOptions, type NewLife } from "../../../runtime/actor/host.ts";
import { CALL, CALL_WITH, type ItemHandlers, type ItemLink } from "../../../runtime/actor/items.ts";
import type { ActorClass } from "../../../runtime/actor/registry.ts";
import { SystemError } from "../../../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { LANE_DATA, type PrefixFields } from "../../../runtime/frame/prefix.ts";
import type { ProcessId } from "../../../runtime/ids.ts";
import type { Clock } from "../../../runtime/clock.ts";

export const CALLER = "a".repeat(16) as ProcessId;
export const HOST = "b".repeat(16) as ProcessId;
const FIELDS: PrefixFields = {
  ...{ lane: LANE_DATA, flags: 0, link: 1, sequence: 1, ack: 0 },
  ...{ destination: HOST, source: CALLER },
};

/** Time that passes when a test says so. */
export class FakeClock implements Clock {
  #now = 1_000;
  #timers: { at: number; run: () => void }[] = [];
  #soon: (() => void)[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  soon(run: () => void): void {
    this.#soon.push(run);
  }

  /** Time that a synchronous method takes. */
  spend(ms: number): void {
    this.#now += ms;
  }

  get timers(): number {
    return this.#timers.length;
  }

  pass(ms: number): void {
    this.#now += ms;
    for (;;) {
      const due = this.#timers.find(({ at }) => at <= this.#now);
      if (due === undefined) return;
      this.#timers = this.#timers.filter((one) => one !== due);
      due.run();
    }
  }

  /** Ends the turn; whether there was anything to do. */
  turn(): boolean {
    const run = this.#soon;
    this.#soon = [];
    for (const one of run) one();
    return run.length > 0;
  }
}

/** One end: what it sends waits until the test delivers it. */
export class FakeLink implements ItemLink {
  readonly other: ProcessId;
  stalled = false;
  isOpen = true;
  keptAlive = false;
  handlers: ItemHandlers | undefined;
  /** Items that wait, as the other side will decode them. */
  out: unknown[] = [];
  /** All that it ever sent. */
  readonly sent: (readonly unknown[])[] = [];
  resetWith: SystemError | undefined;

  constructor(other: ProcessId) {
    this.other = other;
  }

  /** How many of `out` were given to `send`. */
  #counted = 0;

  send(item: unknown): number {
    const bytes = this.#pack(item);
    this.#counted++;
    return bytes;
  }

  sendControl(item: unknown): void {
    this.#pack(item);
  }

  /** All that waits, which leaves. */
  take(): unknown[] {
    const items = this.out;
    this.out = [];
    this.#counted = 0;
    return items;
  }

  #pack(item: unknown): number {
    if (!this.isOpen) throw new SystemError("ACTOR_DIED", "the link is over");
    const frame = encodeFrame(FIELDS, [item]);
    const [copy] = decodeFrame(frame).value as [readonly unknown[]];
    this.out.push(copy);
    this.sent.push(copy);
    return frame.length;
  }

  keepAlive(pending: boolean): void {
    this.keptAlive = pending;
  }

  reset(error: SystemError): void {
    this.resetWith = error;
    this.over(error);
  }

  over(error: SystemError): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    const unsent = this.#counted;
    this.take();
    this.handlers?.onReset(error, unsent);
  }
}

export const LOST = new SystemError("SOCKET_FAILED", "the socket broke");

/** A link between a caller and a host. */
export class Wire {
  readonly near = new FakeLink(HOST);
  readonly far: FakeLink;
  readonly callerLink: CallerLink;
  /** Resets that the owner of the caller heard of. */
  readonly resets: SystemError[] = [];

  constructor(caller: ActorCaller, host: ActorHost, from: ProcessId = CALLER) {
    this.far = new FakeLink(from);
    this.far.handlers = host.accept(this.far);
    const open = (handlers: ItemHandlers): FakeLink => {
      this.near.handlers = handlers;
      return this.near;
    };
    this.callerLink = caller.open(open, (error) => void this.resets.push(error));
  }

  /** Takes what waits at one end to the other; whether there was anything. */
  toHost(): boolean {
    return carry(this.near, this.far);
  }

  toCaller(): boolean {
    return carry(this.far, this.near);
  }

  /** Both ends hear of it; what waits is lost. */
  cut(error = LOST): void {
    this.near.over(error);
    this.far.over(error);
  }
}

function carry(from: FakeLink, to: FakeLink): boolean {
  const items = from.take();
  if (items.length === 0) return false;
  try {
    if (to.isOpen) to.handlers?.onItems(items);
  } catch (thrown) {
    to.reset(thrown as SystemError);
  }
  return true;
}

/** Lets promises go on. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** A caller and a host with one wire, on one clock. */
export class Bench {
  readonly clock = new FakeClock();
  readonly gone: [string, SystemError][] = [];
  readonly wanted: string[] = [];
  readonly caller: ActorCaller;
  readonly host: ActorHost;
  readonly wires: Wire[] = [];

  constructor(options: { caller?: ActorCallerOptions; host?: ActorHostOptions } = {}) {
    this.caller = new ActorCaller({
      clock: this.clock,
      onActorGone: (actorId, error) => void this.gone.push([actorId, error]),
      onWanted: (actorId) => void this.wanted.push(actorId),
      ...options.caller,
    });
    this.host = new ActorHost({ clock: this.clock, ...options.host });
  }

  wire(from?: ProcessId): Wire {
    const wire = new Wire(this.caller, this.host, from);
    this.wires.push(wire);
    return wire;
  }

  /** Creates an actor `x` of a class. */
  create(actorClass: ActorClass, life: Partial<NewLife> = {}): void {
    const type = { kind: "actor", name: "x", threads: false, class: actorClass } as const;
    this.host.create({ actorId: "x", incarnation: 0, type, args: [], ...life });
  }

  /** A wire with `x` attached. */
  attached(options: { maxPendingCalls?: number } = {}): Wire {
    this.caller.adopt("x", options);
    const wire = this.wire();
    this.caller.attach("x", wire.callerLink);
    return wire;
  }

  /** Until nothing moves any more. */
  async rest(): Promise<void> {
    for (let quiet = 0; quiet < 2; ) {
      let moved = this.clock.turn();
      for (const wire of this.wires) {
        moved = wire.toHost() || moved;
        moved = wire.toCaller() || moved;
      }
      quiet = moved ? 0 : quiet + 1;
      await breathe();
    }
  }
}

/** What came of promises: values, or codes of errors. */
export async function outcomes(promises: readonly Promise<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((one) =>
    one.status === "fulfilled" ? one.value : (one.reason as SystemError).code,
  );
}

/** What came of one promise so far. */
export async function now(promise: Promise<unknown>): Promise<unknown> {
  let found: unknown = "pending";
  promise.then(
    (value) => {
      found = value;
    },
    (error: SystemError) => {
      found = error.code;
    },
  );
  await breathe();
  return found;
}

/** A class whose calls wait for the test, and tell when they start. */
export function gated() {
  const gates: PromiseWithResolvers<unknown>[] = [];
  const started: unknown[] = [];
  class Gated {
    async go(name: unknown): Promise<unknown> {
      started.push(name);
      const gate = Promise.withResolvers<unknown>();
      gates.push(gate);
      return gate.promise;
    }
    at(name: unknown): unknown {
      started.push(name);
      return name;
    }
  }
  return { Gated, gates, started };
}

/** A bench with an actor `x` and a way to call it. */
export function hosting(actorClass: new () => object, life = {}) {
  const bench = new Bench();
  bench.create(actorClass, life);
  const wire = bench.attached();
  const call = (method: string, args: unknown[] = [], options = {}): Promise<unknown> => {
    const promise = bench.caller.call("x", method, args, options);
    promise.catch(() => undefined);
    return promise;
  };
  return { bench, wire, call };
}

/** Calls that were sent over a wire. */
export function calls(wire: Wire): (readonly unknown[])[] {
  return wire.near.sent.filter(([kind]) => kind === CALL || kind === CALL_WITH);
}

/** Answers a call by hand, as if it were the host. */
export function answer(wire: Wire, item: readonly unknown[]): void {
  wire.near.handlers?.onItems([item]);
}

/** A bench with `x` attached, and a way to call it. */
export function calling(maxPendingCalls?: number) {
  const bench = new Bench();
  const wire = bench.attached(maxPendingCalls === undefined ? {} : { maxPendingCalls });
  const call = (method: string, options = {}): Promise<unknown> => {
    const promise = bench.caller.call("x", method, [], options);
    // A test looks at it later, or never.
    promise.catch(() => undefined);
    return promise;
  };
  return { bench, wire, call, port: bench.caller.target("x") };
}
