/**
 * The calls of one process to actors elsewhere: a port for each actor, a link for each way to a
 * process that hosts some. Who knows where actors are attaches ports to links, and again when a
 * life or a link was lost.
 */
import { errorWithoutStack, SystemError } from "../errors.ts";
import { CALLS_PENDING_MAX, SETTLED_ITEMS_MAX, SETTLED_MS } from "../limits.ts";
import { type Clock, processClock } from "../clock.ts";
import type { Call, CallOptions } from "./calls/call.ts";
import {
  CANCEL,
  callerItem,
  END,
  ERROR,
  GONE,
  GRANT,
  ITEM,
  type ItemHandlers,
  type ItemLink,
  OK,
  SETTLED,
  WINDOW,
} from "./items.ts";
import { type CallTarget, Port, type PortSpace } from "./calls/port.ts";
import { Watches } from "./calls/watches.ts";

/**
 * The calls on one link.
 *
 * Invariant: a call is in `#calls` from its sending to its one last answer, also when its caller
 * has given it up: only the answer gives the credit back.
 */
export class CallerLink<L extends ItemLink = ItemLink> {
  readonly link: L;
  /** The ports whose calls go over it. */
  readonly ports = new Set<Port>();
  readonly #clock: Clock;
  readonly #calls = new Map<number, Call>();
  /** Items given to `send` so far. */
  #sent = 0;
  /** Calls with retries that are settled and not yet said to be. */
  #settled: number[] = [];
  #isOver = false;

  constructor(
    clock: Clock,
    open: (handlers: ItemHandlers) => L,
    onReset: (error: SystemError) => void,
  ) {
    this.#clock = clock;
    this.link = open({
      onItems: (items) => this.#take(items),
      onReset: (error, unsent) => {
        this.#isOver = true;
        for (const port of [...this.ports]) port.detach(error, this.#sent - unsent);
        onReset(error);
      },
      onReady: () => {
        for (const port of [...this.ports]) port.pump();
      },
    });
  }

  /** It was reset. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get isStalled(): boolean {
    return this.link.stalled;
  }

  /** @throws {SystemError} as `Link.send`; the call isn't on the link then. */
  send(call: Call): void {
    call.ordinal = ++this.#sent;
    this.#calls.set(call.id, call);
    if (this.#calls.size === 1) this.link.keepAlive(true);
    try {
      this.link.send(call.item(this.#clock));
    } catch (thrown) {
      // Reset amid this: the port has dealt with all of its calls.
      if (this.#isOver) return;
      this.#sent--;
      call.ordinal = 0;
      this.#remove(call.id);
      throw thrown;
    }
  }

  /** Nobody waits for the call's answer any more. */
  cancel(id: number): void {
    this.#say([CANCEL, id]);
  }

  grant(id: number, items: number): void {
    this.#say([GRANT, id, items]);
  }

  /** The port's calls in the order they were sent, which leave. */
  takeCallsOf(port: Port): Call[] {
    const calls: Call[] = [];
    for (const call of this.#calls.values()) if (call.port === port) calls.push(call);
    for (const { id } of calls) this.#remove(id);
    return calls;
  }

  /** Control goes behind the call it is about: also where that one waits on a stalled link. */
  #say(item: readonly unknown[]): void {
    if (!this.link.isOpen) return;
    if (this.link.stalled) {
      this.#sent++;
      this.link.send(item);
    } else this.link.sendControl(item);
  }

  /** @throws {SystemError} FRAME_INVALID, which resets the link. */
  #take(items: readonly unknown[]): void {
    for (const value of items) {
      const item = callerItem(value);
      if (item[0] === WINDOW) {
        for (const port of this.ports) if (port.actorId === item[1]) port.setWindow(item[2]);
        continue;
      }
      const call = this.#calls.get(item[1]);
      // Late: its port left this link.
      if (call === undefined) continue;
      const { port } = call;
      if (item[0] === ITEM) {
        port.took(call, item[2]);
        continue;
      }
      this.#remove(call.id);
      if (call.isRetry) this.#noteSettled(call.id);
      switch (item[0]) {
        case OK:
          port.succeed(call, item[2]);
          break;
        case END:
          port.succeed(call, undefined);
          break;
        case ERROR:
          port.refuse(call, errorWithoutStack(item[2]));
          break;
        case GONE:
          port.refuseGone(call, errorWithoutStack(item[2]));
          break;
        default:
          item satisfies never;
      }
      port.answered(call);
    }
  }

  #remove(id: number): void {
    if (this.#calls.delete(id) && this.#calls.size === 0) this.link.keepAlive(false);
  }

  #noteSettled(id: number): void {
    this.#settled.push(id);
    if (this.#settled.length >= SETTLED_ITEMS_MAX) this.#saySettled();
    else if (this.#settled.length === 1) this.#clock.after(SETTLED_MS, () => this.#saySettled());
  }

  #saySettled(): void {
    if (this.#settled.length === 0) return;
    const ids = this.#settled;
    this.#settled = [];
    this.#say([SETTLED, ids]);
  }
}

export interface ActorCallerOptions {
  readonly clock?: Clock;
  /**
   * An actor isn't in its process any more, though the process is: its port is detached, an attach
   * or a fail must follow.
   */
  readonly onActorGone?: (actorId: string, error: SystemError) => void;
  /** A call was made to an actor that is attached to no link; it waits. */
  readonly onWanted?: (actorId: string) => void;
}

/** One per process: its calls' numbers rise over all links, so that a call keeps its number. */
export class ActorCaller {
  readonly #clock: Clock;
  readonly #ports = new Map<string, Port>();
  readonly #space: PortSpace;

  constructor(options: ActorCallerOptions = {}) {
    const { clock = processClock, onActorGone = () => {}, onWanted = () => {} } = options;
    this.#clock = clock;
    let lastId = 0;
    const watches = new Watches(clock);
    this.#space = { watches, nextId: () => ++lastId, onActorGone, onWanted };
  }

  /**
   * A link for calls.
   * @param open - opens it with these handlers.
   * @param onReset - called once, when every port on it is detached.
   */
  open<L extends ItemLink>(
    open: (handlers: ItemHandlers) => L,
    onReset: (error: SystemError) => void,
  ): CallerLink<L> {
    return new CallerLink(this.#clock, open, onReset);
  }

  /**
   * An actor that calls may be made to; they wait until it is attached. Twice is as good as once.
   */
  adopt(actorId: string, options: { readonly maxPendingCalls?: number } = {}): CallTarget {
    const known = this.#ports.get(actorId);
    if (known !== undefined) return known;
    const pendingMax = options.maxPendingCalls ?? CALLS_PENDING_MAX;
    const port = new Port(this.#space, actorId, pendingMax);
    this.#ports.set(actorId, port);
    return port;
  }

  /**
   * Its life is at this link's other end: calls go, those kept for another try first. False when
   * the link is over already; the calls wait on.
   */
  attach(actorId: string, link: CallerLink): boolean {
    return this.#port(actorId).attach(link);
  }

  /** Its life is lost. */
  detach(actorId: string, error: SystemError): void {
    this.#ports.get(actorId)?.detach(error, Infinity);
  }

  /** It is dead for good. */
  fail(actorId: string, error: SystemError): void {
    this.#ports.get(actorId)?.fail(error);
  }

  /**
   * Nothing is kept of it any more: what is under way is answered ACTOR_DIED or OUTCOME_UNKNOWN,
   * and its target refuses what comes later.
   */
  forget(actorId: string, error = new SystemError("ACTOR_DIED", "the handle was given up")): void {
    this.fail(actorId, error);
    this.#ports.delete(actorId);
  }

  /** Its calls without an answer; 0 for an actor that isn't known. */
  pendingOf(actorId: string): number {
    return this.#ports.get(actorId)?.pending ?? 0;
  }

  /** @throws {SystemError} INTERNAL when it wasn't adopted. */
  target(actorId: string): CallTarget {
    return this.#port(actorId);
  }

  call(actorId: string, method: string, args: unknown[], options?: CallOptions): Promise<unknown> {
    return this.#port(actorId).call(method, args, options);
  }

  stream(
    actorId: string,
    method: string,
    args: unknown[],
    options?: CallOptions,
  ): AsyncGenerator<unknown, void, void> {
    return this.#port(actorId).stream(method, args, options);
  }

  /** Fails all that wait or come later. */
  close(error: SystemError): void {
    for (const port of this.#ports.values()) port.fail(error);
  }

  #port(actorId: string): Port {
    const port = this.#ports.get(actorId);
    if (port === undefined) throw new SystemError("INTERNAL", `actor ${actorId} wasn't adopted`);
    return port;
  }
}
