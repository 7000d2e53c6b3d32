/**
 * The calls of this process to one actor, over all its lives: in the order they were made, as many
 * unanswered as the actor has credit for, the others waiting here.
 *
 * What a reset does to a call made before it: sent without retries it is OUTCOME_UNKNOWN, never
 * sent without retries ACTOR_DIED, because it stood behind lost ones; with retries left it is kept
 * and sent again, in order, before every other. Calls made after it wait for the next life.
 *
 * Invariants: `unanswered` <= `window` when a call is sent; `unanswered` = calls on the link of
 * which neither an answer nor a first item came; pending <= `pendingMax` when a call is taken.
 */
import { SystemError } from "../../errors.ts";
import { CALL_WINDOW } from "../../limits.ts";
import {
  Call,
  type CallOptions,
  cancelled,
  checkOptions,
  deadlineExceeded,
  neverSent,
  outcomeUnknown,
  type Settler,
  snapshot,
} from "./call.ts";
import type { CallerLink } from "../caller.ts";
import { Line } from "../queues.ts";
import type { Watches } from "./watches.ts";
import { RemoteStream, type StreamPort } from "./stream.ts";

/** What makes calls to one actor: a port, or whatever finds one for each call. */
export interface CallTarget {
  readonly actorId: string;
  /** What the method returned. @throws {SystemError} through the promise. */
  call(method: string, args: unknown[], options?: CallOptions): Promise<unknown>;
  /** What the generator yields. */
  stream(
    method: string,
    args: unknown[],
    options?: CallOptions,
  ): AsyncGenerator<unknown, void, void>;
}

/** What a port has of its process. */
export interface PortSpace {
  readonly watches: Watches;
  nextId(): number;
  /** The actor isn't in its process any more; the port is detached. */
  onActorGone(actorId: string, error: SystemError): void;
  /** A call was made while the actor is attached to no link. */
  onWanted(actorId: string): void;
}

export class Port implements CallTarget {
  readonly actorId: string;
  readonly pendingMax: number;
  readonly #space: PortSpace;
  readonly #waiting = new Line<Call>();
  /** To be sent again at the next attach. */
  #kept: Call[] = [];
  #link: CallerLink | undefined;
  #window = CALL_WINDOW;
  #unanswered = 0;
  /** Streams of which items have come. */
  #streams = 0;
  /** The host said that the actor isn't there; the answers still due are waited for. */
  #gone: SystemError | undefined;
  /** No life will come. */
  #dead: SystemError | undefined;

  constructor(space: PortSpace, actorId: string, pendingMax: number) {
    this.#space = space;
    this.actorId = actorId;
    this.pendingMax = pendingMax;
  }

  /** Calls without an answer: sent and waiting ones, and open streams. */
  get pending(): number {
    return this.#unanswered + this.#streams + this.#waiting.length + this.#kept.length;
  }

  call(method: string, args: unknown[], options?: CallOptions): Promise<unknown> {
    const settler = Promise.withResolvers<unknown>();
    try {
      this.#submit(this.#newCall(method, args, settler), options);
    } catch (thrown) {
      settler.reject(thrown);
    }
    return settler.promise;
  }

  stream(
    method: string,
    args: unknown[],
    options?: CallOptions,
  ): AsyncGenerator<unknown, void, void> {
    let call: Call | undefined;
    const port: StreamPort = {
      start: (stream) => {
        call = this.#newCall(method, args, undefined);
        call.stream = stream;
        this.#submit(call, options);
      },
      grant: (items) => {
        if (call !== undefined && call.ordinal > 0) this.#link?.grant(call.id, items);
      },
      cancel: () => {
        if (call !== undefined) this.giveUp(call, cancelled(this.actorId, undefined));
      },
      soon: (callback) => this.#space.watches.clock.soon(callback),
    };
    return new RemoteStream(port);
  }

  /**
   * Its calls go over this link from now on; those that were kept first. False when that link is
   * over already: the calls wait on.
   */
  attach(link: CallerLink): boolean {
    if (link.isOver) return false;
    if (this.#dead !== undefined || this.#link === link) return true;
    if (this.#link !== undefined) {
      this.detach(new SystemError("ACTOR_DIED", "the actor moved"), Infinity);
    }
    this.#link = link;
    link.ports.add(this);
    this.#waiting.prepend(this.#takeKept());
    this.pump();
    return true;
  }

  /** @param lastSent - the ordinal of the last item of its link that left. */
  detach(error: SystemError, lastSent: number): void {
    const link = this.#link;
    if (link === undefined) return;
    this.#leave(link);
    for (const call of link.takeCallsOf(this)) {
      const left = call.ordinal <= lastSent;
      call.ordinal = 0;
      if (!call.isOver) this.#keepOrFail(call, error, left);
    }
    this.#keepOrFailWaiting(error);
  }

  /** No further life: all that wait fail now, and every later call. */
  fail(error: SystemError): void {
    if (this.#dead !== undefined) return;
    this.#dead = error;
    this.detach(error, Infinity);
    for (const call of this.#takeKept()) this.#keepOrFail(call, error, false);
    this.#keepOrFailWaiting(error);
  }

  /** Sends what waits, as far as credit and link allow. */
  pump(): void {
    while (this.#waiting.length > 0 && this.#maySend()) {
      const call = this.#waiting.take() as Call;
      try {
        this.#send(call);
      } catch (thrown) {
        this.#fail(call, thrown as SystemError, true);
      }
    }
  }

  /** The call's last answer came; it is over for its caller, or was before. */
  answered(call: Call): void {
    if (call.hasItems) this.#streams--;
    else this.#unanswered--;
    call.ordinal = 0;
    this.#next();
  }

  /** A stream's item came. */
  took(call: Call, value: unknown): void {
    if (!call.hasItems) {
      // From now on it waits for its consumer, not for the actor.
      call.hasItems = true;
      this.#unanswered--;
      this.#streams++;
      this.pump();
    }
    if (!call.isOver) call.stream?.take(value);
  }

  succeed(call: Call, value: unknown): void {
    if (call.isOver) return;
    call.succeed(value);
    this.#space.watches.forget(call);
  }

  /** What the method threw, or the host's reason. */
  refuse(call: Call, error: SystemError): void {
    if (!call.isOver) this.#fail(call, error, false);
  }

  /** The actor isn't at the other end. @param error - says whether the call had started. */
  refuseGone(call: Call, error: SystemError): void {
    if (this.#gone === undefined) {
      this.#gone = error;
      this.#keepOrFailWaiting(error);
    }
    if (!call.isOver) this.#keepOrFail(call, error, error.code !== "ACTOR_DIED", true);
  }

  /** The caller doesn't wait any longer. */
  giveUp(call: Call, error: SystemError): void {
    if (call.isOver) return;
    this.#fail(call, error, true);
    if (call.ordinal > 0) this.#link?.cancel(call.id);
    else if (!this.#forgetKept(call)) this.#waiting.noteOver();
  }

  setWindow(calls: number): void {
    this.#window = calls;
    this.pump();
  }

  #newCall(method: string, args: unknown[], settler: Settler | undefined): Call {
    return new Call(this.#space.nextId(), this, method, args, settler);
  }

  /** Takes a call: sends it now or lets it wait. @throws {SystemError} when it isn't taken. */
  #submit(call: Call, options: CallOptions | undefined): void {
    if (this.#dead !== undefined) throw neverSent(this.actorId, this.#dead);
    if (this.pending >= this.pendingMax) {
      const what = `${this.pendingMax} calls of the actor wait for an answer`;
      throw new SystemError("OVERLOADED", what, { actorId: this.actorId });
    }
    if (options !== undefined) this.#apply(call, options);
    const leavesNow = this.#waiting.length === 0 && this.#maySend();
    if (!leavesNow || call.isRetry) call.args = snapshot(call.args as unknown[]);
    if (leavesNow) this.#send(call);
    else this.#waiting.push(call);
    if (options !== undefined) this.#space.watches.watch(call);
    if (this.#link === undefined) this.#space.onWanted(this.actorId);
  }

  #apply(call: Call, options: CallOptions): void {
    checkOptions(options);
    const { signal, deadlineMs, retries = 0 } = options;
    if (signal?.aborted === true) throw cancelled(this.actorId, signal.reason);
    if (deadlineMs !== undefined) {
      if (deadlineMs === 0) throw deadlineExceeded(this.actorId);
      call.deadlineAtMs = this.#space.watches.clock.now() + deadlineMs;
    }
    call.signal = signal;
    call.retriesLeft = retries;
    call.isRetry = retries > 0;
  }

  #maySend(): boolean {
    const link = this.#link;
    return (
      link !== undefined &&
      this.#gone === undefined &&
      this.#unanswered < this.#window &&
      !link.isStalled
    );
  }

  #send(call: Call): void {
    this.#unanswered++;
    try {
      this.#link?.send(call);
    } catch (thrown) {
      this.#unanswered--;
      throw thrown;
    }
    if (!call.isRetry) call.args = undefined;
  }

  /** One answer less is due. */
  #next(): void {
    if (this.#gone === undefined) {
      if (this.#waiting.length > 0) this.pump();
      return;
    }
    if (this.#unanswered > 0 || this.#streams > 0) return;
    const error = this.#gone;
    this.#leave(this.#link);
    this.#space.onActorGone(this.actorId, error);
  }

  #leave(link: CallerLink | undefined): void {
    link?.ports.delete(this);
    this.#link = undefined;
    this.#gone = undefined;
    this.#unanswered = 0;
    this.#streams = 0;
    this.#window = CALL_WINDOW;
  }

  #keepOrFailWaiting(error: SystemError): void {
    for (const call of this.#waiting.takeAll()) this.#keepOrFail(call, error, false);
  }

  /**
   * A call whose link or actor is lost.
   * @param left - it may have run.
   * @param wasSent - it reached the actor's process, so that going again takes one of its retries.
   */
  #keepOrFail(call: Call, error: SystemError, left: boolean, wasSent = left): void {
    call.mayHaveRun ||= left;
    const mayGoAgain = call.isRetry && !call.hasItems && (!wasSent || call.retriesLeft > 0);
    if (mayGoAgain && this.#dead === undefined) {
      if (wasSent) call.retriesLeft--;
      this.#kept.push(call);
      return;
    }
    const { actorId } = this;
    const failure = call.mayHaveRun ? outcomeUnknown(actorId, error) : neverSent(actorId, error);
    this.#fail(call, failure, false);
  }

  #fail(call: Call, error: SystemError, atOnce: boolean): void {
    call.fail(error, atOnce);
    this.#space.watches.forget(call);
  }

  /** The kept ones in the order in which they were made, which leave. */
  #takeKept(): Call[] {
    const kept = this.#kept.sort((a, b) => a.id - b.id);
    this.#kept = [];
    return kept;
  }

  #forgetKept(call: Call): boolean {
    const at = this.#kept.indexOf(call);
    if (at >= 0) this.#kept.splice(at, 1);
    return at >= 0;
  }
}
