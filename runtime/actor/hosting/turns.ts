/**
 * Who runs when. An actor runs at most `maxConcurrency` calls at once, in the order they came; an
 * async method holds its turn until it settles, a generator from one `yield` to the next.
 *
 * A short synchronous call on an idle actor is the hot path: it is run as it comes, answered as it
 * returns, without an object or a microtask of its own. Everything else is a TakenCall.
 *
 * Invariant: outside of `#pump`, an actor with room and waiting calls is in `#ready`.
 */
import { SystemError, toSystemError } from "../../errors.ts";
import { STREAMS_OPEN_MAX, TURN_SLICE_MS } from "../../limits.ts";
import { type CallContext, calls, type ContextSource, turn } from "../context.ts";
import { CALL, type CallItem, END, ERROR, OK } from "../items.ts";
import { Fifo } from "../queues.ts";
import type { Hosted } from "./hosted.ts";
import { Outflow, type Step } from "./outflow.ts";
import { asyncFunction, invoke, isThenable, methodOf } from "./methods.ts";
import { isIterator, type Session } from "./session.ts";
import { type HostSpace, TakenCall } from "./taken.ts";

/** Calls between two looks at the clock, at most. */
const STRIDE_MAX = 16;
/** Milliseconds between two looks under which they may become rarer. */
const STRIDE_MS = 0.5;

/** The call of a synchronous method, for the few that ask; one object for all of them. */
class SyncTurn implements ContextSource {
  readonly #space: HostSpace;
  session: Session | undefined;
  hosted: Hosted | undefined;
  #made: TakenCall | undefined;

  constructor(space: HostSpace) {
    this.#space = space;
  }

  start(session: Session, hosted: Hosted): void {
    this.session = session;
    this.hosted = hosted;
    this.#made = undefined;
  }

  get context(): CallContext {
    const { session, hosted } = this;
    if (session === undefined || hosted === undefined) throw new SystemError("INTERNAL", "no turn");
    this.#made ??= new TakenCall(this.#space, session, hosted, [CALL, 0, "", "", []]);
    return this.#made.context;
  }
}

export class Turns {
  readonly #space: HostSpace;
  /** Ends an actor that may run no longer; false from it means so. */
  readonly #mayRun: (hosted: Hosted) => boolean;
  readonly #sync: SyncTurn;
  readonly #ready = new Fifo<Hosted>();
  #soon = false;
  /** The slice under way: its number, its end, and when the clock is looked at again. */
  #number = 0;
  #endAtMs = 0;
  #lookedAtMs = 0;
  #stride = 1;
  #untilLook = 1;
  /** The actor whose time runs, and since when. */
  #charged: Hosted | undefined;
  #chargedAtMs = 0;

  constructor(space: HostSpace, mayRun: (hosted: Hosted) => boolean) {
    this.#space = space;
    this.#mayRun = mayRun;
    this.#sync = new SyncTurn(space);
  }

  /** A turn of the event loop begins, in which calls may run for TURN_SLICE_MS. */
  begin(): void {
    const now = this.#space.clock.now();
    this.#number++;
    this.#endAtMs = now + TURN_SLICE_MS;
    this.#lookedAtMs = now;
    this.#untilLook = this.#stride;
    this.#chargedAtMs = now;
  }

  end(): void {
    this.#charge(undefined);
  }

  /** Whether the actor may go on; asked once a turn. */
  checks(hosted: Hosted): boolean {
    if (hosted.mayRun === undefined || hosted.checkedTurn === this.#number) return !hosted.isOver;
    hosted.checkedTurn = this.#number;
    return this.#mayRun(hosted);
  }

  /** Whether a plain call may run as it comes. */
  isFree(session: Session, hosted: Hosted): boolean {
    const isNext = hosted.hasRoom && hosted.waiting.length === 0 && !session.holds(hosted);
    return isNext && this.#hasTime();
  }

  /** Runs a plain call of an actor that is free. */
  runNow(session: Session, hosted: Hosted, item: CallItem): void {
    const id = item[1];
    if (this.#charged !== hosted) this.#charge(hosted);
    const before = turn.source;
    let value: unknown;
    hosted.active++;
    try {
      const called = methodOf(hosted, item[3]);
      if (Object.getPrototypeOf(called) === asyncFunction) {
        hosted.active--;
        this.#start(new TakenCall(this.#space, session, hosted, item));
        return;
      }
      this.#sync.start(session, hosted);
      turn.source = this.#sync;
      value = Reflect.apply(called, hosted.instance, item[4]);
      turn.source = before;
      if (isThenable(value)) {
        this.#wait(new TakenCall(this.#space, session, hosted, item), value);
        return;
      }
    } catch (thrown) {
      turn.source = before;
      hosted.active--;
      hosted.failed++;
      // It may have ended its own actor: the host has answered then.
      session.answer([ERROR, id, toSystemError(thrown, "APPLICATION").toData()]);
      return;
    }
    hosted.active--;
    const sent = session.answer([OK, id, value]);
    if (sent[0] === OK) hosted.answered++;
    else hosted.failed++;
  }

  /** A call waits for its turn or its link, or runs at once. */
  enqueue(call: TakenCall): void {
    const { hosted } = call;
    if (isHeldBack(call)) {
      call.session.held.add(call);
      return;
    }
    hosted.waiting.push(call);
    if (hosted.hasRoom) this.#pump(hosted);
  }

  /** Lets a stream go on that was parked, or end wherever it waits for its link. */
  resume(call: TakenCall): void {
    const { hosted, outflow } = call;
    if (outflow === undefined || hosted.isOver) return;
    if (call.isHeld && outflow.isClosing) call.session.held.remove(call);
    else if (!outflow.isParked) return;
    outflow.isParked = false;
    this.enqueue(call);
  }

  /** A caller's link has room: what waited for it goes on, before what came later. */
  ready(session: Session): void {
    for (const hosted of session.held.actors) {
      hosted.waiting.prepend(session.held.take(hosted));
      if (hosted.hasRoom) this.#runSoon(hosted);
    }
  }

  /** Returns from the generator of an actor that ended, without waiting for a turn. */
  finish(call: TakenCall): void {
    const { outflow } = call;
    if (outflow === undefined) return;
    outflow.isClosing = true;
    if (!outflow.isStepping) this.#step(call, outflow);
  }

  #hasTime(): boolean {
    if (--this.#untilLook > 0) return true;
    const now = this.#space.clock.now();
    const spent = now - this.#lookedAtMs;
    this.#lookedAtMs = now;
    const isLeft = now < this.#endAtMs;
    this.#stride = isLeft && spent < STRIDE_MS ? Math.min(STRIDE_MAX, this.#stride * 2) : 1;
    this.#untilLook = this.#stride;
    return isLeft;
  }

  /** Time from now on is this actor's. */
  #charge(hosted: Hosted | undefined): void {
    if (this.#charged === hosted) return;
    const now = this.#space.clock.now();
    if (this.#charged !== undefined) this.#charged.busyMs += now - this.#chargedAtMs;
    this.#charged = hosted;
    this.#chargedAtMs = now;
  }

  /** Runs what waits, while there are room and time. */
  #pump(hosted: Hosted): void {
    while (hosted.hasRoom && hosted.waiting.length > 0) {
      if (!this.checks(hosted)) return;
      if (!this.#hasTime()) {
        this.#runSoon(hosted);
        return;
      }
      const call = hosted.waiting.take();
      if (call === undefined) return;
      if (isHeldBack(call)) call.session.held.add(call);
      else if (call.outflow === undefined) this.#start(call);
      else this.#step(call, call.outflow);
    }
  }

  #runSoon(hosted: Hosted): void {
    if (!hosted.isReady) {
      hosted.isReady = true;
      this.#ready.push(hosted);
    }
    if (this.#soon) return;
    this.#soon = true;
    this.#space.clock.soon(() => {
      this.#soon = false;
      this.begin();
      for (let next = this.#ready.take(); next !== undefined; next = this.#ready.take()) {
        next.isReady = false;
        this.#pump(next);
        // Time is up: it stands behind the others now.
        if (next.isReady) break;
      }
      this.end();
    });
  }

  /** Something that held a turn came to its end: the next one goes on, within a slice of time. */
  #release(call: TakenCall, sinceMs: number): void {
    const { hosted } = call;
    const now = this.#space.clock.now();
    hosted.running.delete(call);
    hosted.active--;
    hosted.busyMs += now - sinceMs;
    if (hosted.isOver) {
      if (hosted.active === 0) hosted.onIdle?.();
    } else if (hosted.waiting.length === 0) return;
    else if (now < this.#endAtMs) {
      this.#pump(hosted);
      this.end();
    } else this.#runSoon(hosted);
  }

  #start(call: TakenCall): void {
    const { hosted } = call;
    if (this.#charged !== hosted) this.#charge(hosted);
    if (call.deadlineAtMs <= this.#space.clock.now()) {
      const error = new SystemError("DEADLINE_EXCEEDED", "the deadline passed while it waited");
      this.#fail(call, error);
      return;
    }
    hosted.active++;
    call.isRunning = true;
    let value: unknown;
    try {
      value = calls.run(call, invoke, call);
      if (isThenable(value)) {
        this.#wait(call, value);
        return;
      }
    } catch (thrown) {
      hosted.active--;
      this.#fail(call, call.failure(thrown));
      return;
    }
    hosted.active--;
    if (call.isStream) this.#open(call, value);
    else this.#succeed(call, value);
  }

  /** The call holds its turn until the promise settles. */
  #wait(call: TakenCall, value: PromiseLike<unknown>): void {
    const { hosted } = call;
    const sinceMs = this.#space.clock.now();
    hosted.running.add(call);
    call.isRunning = true;
    const promise = value instanceof Promise ? (value as Promise<unknown>) : Promise.resolve(value);
    promise.then(
      (settled) => {
        if (call.isStream) this.#fail(call, notStream(call));
        else this.#succeed(call, settled);
        this.#release(call, sinceMs);
      },
      (thrown: unknown) => {
        this.#fail(call, call.failure(thrown));
        this.#release(call, sinceMs);
      },
    );
  }

  #succeed(call: TakenCall, value: unknown): void {
    if (call.isOver) return;
    call.hosted.answered++;
    call.answer([OK, call.id, value]);
  }

  #fail(call: TakenCall, error: SystemError): void {
    if (call.isOver) return;
    call.hosted.failed++;
    call.answer([ERROR, call.id, error.toData()]);
  }

  /** A streaming method gave its generator: its first step comes next. */
  #open(call: TakenCall, value: unknown): void {
    const { hosted } = call;
    if (!isIterator(value)) this.#fail(call, notStream(call));
    else if (hosted.streams.size >= STREAMS_OPEN_MAX) {
      this.#fail(call, new SystemError("OVERLOADED", `${STREAMS_OPEN_MAX} streams are open`));
    } else {
      call.outflow = new Outflow(value, call.extras.window ?? 1);
      hosted.streams.add(call);
      call.session.noteStream(1);
      this.#step(call, call.outflow);
    }
  }

  #step(call: TakenCall, outflow: Outflow): void {
    const { hosted } = call;
    if (this.#charged !== hosted) this.#charge(hosted);
    hosted.active++;
    outflow.isStepping = true;
    let step: Step;
    try {
      step = calls.run(call, () => outflow.step());
    } catch (thrown) {
      hosted.active--;
      this.#close(call, call.failure(thrown));
      return;
    }
    if (!isThenable(step)) {
      hosted.active--;
      this.#stepped(call, outflow, step);
      return;
    }
    const sinceMs = this.#space.clock.now();
    Promise.resolve(step).then(
      (result) => {
        this.#stepped(call, outflow, result);
        this.#release(call, sinceMs);
      },
      (thrown: unknown) => {
        this.#close(call, call.failure(thrown));
        this.#release(call, sinceMs);
      },
    );
  }

  /** A step is done: its item leaves, and the next one waits for a turn, or for its consumer. */
  #stepped(call: TakenCall, outflow: Outflow, { done, value }: IteratorResult<unknown>): void {
    outflow.isStepping = false;
    if (done === true || outflow.isClosed) {
      this.#close(call, undefined);
      return;
    }
    if (!outflow.isClosing) {
      try {
        outflow.sent(call.session.sendItem(call.id, value));
      } catch (thrown) {
        this.#fail(call, toSystemError(thrown));
        outflow.isClosing = true;
      }
    }
    if (outflow.isClosing) this.#step(call, outflow);
    else if (!outflow.mayGo) outflow.isParked = true;
    // Behind those that wait: `#pump` or `#release`, which called us, goes on with the next one.
    else call.hosted.waiting.push(call);
  }

  /** The generator is done. @param error - what it threw. */
  #close(call: TakenCall, error: SystemError | undefined): void {
    const { hosted } = call;
    if (!hosted.streams.delete(call)) return;
    call.session.noteStream(-1);
    if (error !== undefined) this.#fail(call, error);
    else if (!call.isOver) {
      hosted.answered++;
      call.answer([END, call.id]);
    }
  }
}

/** Whether it has to wait for its link: what it gives couldn't leave. A stream may always end. */
function isHeldBack({ session, hosted, outflow }: TakenCall): boolean {
  return outflow?.isClosing !== true && session.holds(hosted);
}

function notStream({ method }: TakenCall): SystemError {
  return new SystemError("USAGE", `the method ${method} doesn't stream: declare it \`async *\``);
}
