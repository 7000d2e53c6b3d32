/**
 * The actors that live in this process, and the calls that come for them. An actor's calls run in
 * the order they came from each caller, `maxConcurrency` of them at once; each is answered once.
 *
 * When an actor ends, calls that wait are ACTOR_DIED and those that run OUTCOME_UNKNOWN. When a
 * caller's link is over, its waiting calls are dropped and its running ones aborted, except those
 * with retries, which it may ask for again over another link.
 */
import { SystemError, toSystemError } from "../errors.ts";
import { ACTOR_DISPOSE_MS, MAILBOX_MAX } from "../limits.ts";
import { type Clock, processClock } from "../clock.ts";
import { type ActorStats, Hosted, type Life } from "./hosting/hosted.ts";
import { KeptReplies } from "./hosting/replies.ts";
import { Session } from "./hosting/session.ts";
import { type HostSpace, TakenCall } from "./hosting/taken.ts";
import { Turns } from "./hosting/turns.ts";
import {
  CALL,
  CALL_WITH,
  CANCEL,
  type CallExtras,
  type CallItem,
  type CallWithItem,
  ERROR,
  GONE,
  GRANT,
  hostItem,
  type ItemHandlers,
  type ItemLink,
  SETTLED,
} from "./items.ts";
import { Deadlines } from "./queues.ts";
import type { ActorType } from "./registry.ts";

export type { ActorStats } from "./hosting/hosted.ts";

/** An actor to create. */
export interface NewLife extends Life {
  readonly type: ActorType;
  readonly args: readonly unknown[];
}

export interface ActorHostOptions {
  readonly clock?: Clock;
  /** An actor's `mayRun` said no: it has ended. */
  readonly onLeaseOver?: (actorId: string, incarnation: number) => void;
}

const NO_EXTRAS: CallExtras = {};

export class ActorHost {
  readonly #actors = new Map<string, Hosted>();
  readonly #clock: Clock;
  readonly #onLeaseOver: (actorId: string, incarnation: number) => void;
  readonly #replies: KeptReplies;
  readonly #space: HostSpace;
  readonly #turns: Turns;
  /** The actor last called: most calls come many in a row. */
  #last: Hosted | undefined;

  constructor(options: ActorHostOptions = {}) {
    const { clock = processClock, onLeaseOver = () => undefined } = options;
    this.#clock = clock;
    this.#onLeaseOver = onLeaseOver;
    this.#replies = new KeptReplies(clock, (call) => this.#turns.enqueue(call));
    const deadlines = new Deadlines<TakenCall>(clock, (call) => {
      call.abort(new SystemError("DEADLINE_EXCEEDED", "the call's deadline passed"));
    });
    this.#space = {
      clock,
      replies: this.#replies,
      watchDeadline: (call) => deadlines.add(call),
      forgetDeadline: (call) => deadlines.noteOver(call),
    };
    this.#turns = new Turns(this.#space, (hosted) => this.#mayRun(hosted));
  }

  /** @throws {SystemError} APPLICATION with what the constructor threw; INTERNAL when it lives. */
  create({ type, args, ...life }: NewLife): void {
    const { actorId } = life;
    if (this.#actors.has(actorId)) throw new SystemError("INTERNAL", `${actorId} lives here`);
    try {
      this.#actors.set(actorId, new Hosted(life, new type.class(...(args as never[]))));
    } catch (thrown) {
      throw toSystemError(thrown, "APPLICATION");
    }
  }

  /**
   * Ends one life: when this returns, its callers are answered and its name is free. The promise
   * resolves when its generators have returned and its own `[Symbol.asyncDispose]` or
   * `[Symbol.dispose]` has run, ACTOR_DISPOSE_MS at the latest; false when there is no such life.
   */
  async end(actorId: string, incarnation: number, error: SystemError): Promise<boolean> {
    const hosted = this.#actors.get(actorId);
    if (hosted?.incarnation !== incarnation) return false;
    this.#actors.delete(actorId);
    if (this.#last === hosted) this.#last = undefined;
    hosted.isOver = true;
    const where = { ...error.where, actorId };
    const unknown = new SystemError("OUTCOME_UNKNOWN", `the actor ended: ${error.what}`, where);
    for (const call of [...hosted.streams, ...hosted.running]) {
      call.abort(unknown);
      this.#answerGone(call, unknown);
    }
    const died = new SystemError("ACTOR_DIED", `the actor ended: ${error.what}`, where);
    for (const call of hosted.waiting.takeAll()) this.#answerGone(call, died);
    for (const session of hosted.sessions) {
      for (const call of session.held.take(hosted)) this.#answerGone(call, died);
      session.actors.delete(hosted);
    }
    for (const call of [...hosted.streams]) this.#turns.finish(call);
    await this.#dispose(hosted);
    return true;
  }

  /** Takes the calls that come over a link. */
  accept(link: ItemLink): ItemHandlers {
    const session = new Session(link);
    return {
      onItems: (items) => this.#take(session, items),
      onReset: (error) => this.#close(session, error),
      onReady: () => this.#turns.ready(session),
    };
  }

  /** Of one actor, or of all. */
  stats(actorId?: string): ActorStats[] {
    const wanted = actorId === undefined ? [...this.#actors.values()] : [this.#actors.get(actorId)];
    return wanted.flatMap((hosted) => (hosted === undefined ? [] : [hosted.stats()]));
  }

  /** @throws {SystemError} FRAME_INVALID, which resets the link. */
  #take(session: Session, items: readonly unknown[]): void {
    this.#turns.begin();
    try {
      for (const value of items) {
        const item = hostItem(value);
        switch (item[0]) {
          case CALL:
          case CALL_WITH:
            this.#call(session, item);
            break;
          case CANCEL:
            this.#cancel(session.calls.get(item[1]));
            break;
          case GRANT:
            this.#grant(session.calls.get(item[1]), item[2]);
            break;
          case SETTLED:
            this.#replies.settle(session.caller, item[1]);
            break;
          default:
            item satisfies never;
        }
      }
    } finally {
      this.#turns.end();
    }
  }

  #call(session: Session, item: CallItem | CallWithItem): void {
    const turns = this.#turns;
    // By index: taking an array apart by a pattern costs more than the call.
    const id = item[1];
    const actorId = item[2];
    const extras = item[0] === CALL ? NO_EXTRAS : item[5];
    if (extras.retry === true && this.#replies.isRepeated(session, id)) return;
    const hosted = this.#last?.actorId === actorId ? this.#last : this.#actors.get(actorId);
    if (hosted === undefined || !turns.checks(hosted)) {
      const where = { actorId };
      const error = new SystemError("ACTOR_DIED", "the actor isn't in this process", where);
      session.answer([GONE, id, error.toData()]);
      return;
    }
    this.#last = hosted;
    if (hosted.lastSession !== session) hosted.meet(session);
    if (item[0] === CALL && turns.isFree(session, hosted)) {
      turns.runNow(session, hosted, item);
      return;
    }
    const call = new TakenCall(this.#space, session, hosted, item);
    try {
      if (hosted.mailbox >= MAILBOX_MAX) {
        throw new SystemError("OVERLOADED", `${MAILBOX_MAX} calls wait already`, { actorId });
      }
      if (extras.retry === true) this.#replies.begin(call);
    } catch (thrown) {
      session.answer([ERROR, id, toSystemError(thrown).toData()]);
      return;
    }
    if (call.isNamed) session.calls.set(id, call);
    turns.enqueue(call);
  }

  /** The caller doesn't want it any more: it doesn't start, or its method is told. */
  #cancel(call: TakenCall | undefined, reason = "the caller gave the call up"): void {
    if (call === undefined || call.isOver) return;
    const error = new SystemError("CANCELLED", reason);
    const { outflow, hosted } = call;
    if (outflow !== undefined) {
      call.abort(error);
      outflow.isClosing = true;
      this.#turns.resume(call);
    } else if (call.isRunning) call.abort(error);
    else {
      call.answer([ERROR, call.id, error.toData()]);
      if (call.isHeld) call.session.held.noteOver(call);
      else hosted.waiting.noteOver();
    }
  }

  #grant(call: TakenCall | undefined, items: number): void {
    const outflow = call?.outflow;
    if (call === undefined || outflow === undefined) return;
    outflow.granted(items);
    if (outflow.mayGo) this.#turns.resume(call);
  }

  /** A link is over. */
  #close(session: Session, cause: SystemError): void {
    session.isOpen = false;
    const isOf = (call: TakenCall): boolean => call.session === session;
    for (const hosted of session.actors) {
      hosted.part(session);
      this.#letGo(session, hosted);
      const unstarted = (call: TakenCall): boolean => isOf(call) && call.outflow === undefined;
      for (const call of hosted.waiting.remove(unstarted)) call.drop();
      const reason = `the caller is gone: ${cause.what}`;
      for (const call of [...hosted.running, ...hosted.streams].filter(isOf)) {
        if (call.extras.retry !== true || call.isStream) this.#cancel(call, reason);
      }
    }
    session.actors.clear();
    this.#replies.part(session);
  }

  /** What waited for a link that is over: it doesn't begin, and streams that had begun end. */
  #letGo(session: Session, hosted: Hosted): void {
    for (const call of session.held.take(hosted)) {
      if (call.outflow === undefined) call.drop();
      else call.outflow.isParked = true;
    }
  }

  /** Whether its lease still holds; else it ends. */
  #mayRun(hosted: Hosted): boolean {
    if (hosted.isOver) return false;
    if (hosted.mayRun?.() !== false) return true;
    const { actorId, incarnation } = hosted;
    void this.end(actorId, incarnation, new SystemError("ACTOR_DIED", "its lease is over"));
    this.#onLeaseOver(actorId, incarnation);
    return false;
  }

  /** A call of an actor that ended; with retries, another life may run it again. */
  #answerGone(call: TakenCall, error: SystemError): void {
    this.#replies.drop(call);
    call.answer([GONE, call.id, error.toData()]);
  }

  async #dispose(hosted: Hosted): Promise<void> {
    const timer = Promise.withResolvers<void>();
    const stop = this.#clock.after(ACTOR_DISPOSE_MS, timer.resolve);
    await Promise.race([timer.promise, disposed(hosted)]);
    stop();
  }
}

/** What runs comes to its end, generators too, then the instance itself. */
async function disposed(hosted: Hosted): Promise<void> {
  if (hosted.active > 0) {
    await new Promise<void>((resolve) => {
      hosted.onIdle = resolve;
    });
  }
  const instance = hosted.instance as Partial<AsyncDisposable & Disposable>;
  try {
    if (typeof instance[Symbol.asyncDispose] === "function")
      await instance[Symbol.asyncDispose]?.();
    else instance[Symbol.dispose]?.();
  } catch (thrown) {
    process.stderr.write(`an actor's disposal failed: ${toSystemError(thrown).message}\n`);
  }
}
