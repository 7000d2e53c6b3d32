/** A call as its host has it: waiting in a mailbox, running, or over. */
import { type SystemError, toSystemError } from "../../errors.ts";
import type { ProcessId } from "../../ids.ts";
import type { Clock } from "../../clock.ts";
import type { CallContext, ContextSource } from "../context.ts";
import {
  CALL,
  type CallerItem,
  type CallExtras,
  type CallItem,
  type CallWithItem,
} from "../items.ts";
import type { Timed } from "../queues.ts";
import type { Hosted } from "./hosted.ts";
import type { Outflow } from "./outflow.ts";
import type { KeptReplies } from "./replies.ts";
import type { Session } from "./session.ts";

const NO_EXTRAS: CallExtras = {};

/** What a call needs of its host. */
export interface HostSpace {
  readonly clock: Clock;
  readonly replies: KeptReplies;
  /** Aborts the call's signal at its deadline. */
  watchDeadline(call: TakenCall): void;
  /** It is over before that. */
  forgetDeadline(call: TakenCall): void;
}

/**
 * Invariants: `isOver` from its one last answer on; it stands in its session's `calls` while it
 * isn't over and something may be said about it.
 */
export class TakenCall implements Timed, ContextSource {
  readonly id: number;
  readonly hosted: Hosted;
  readonly method: string;
  args: readonly unknown[];
  readonly extras: CallExtras;
  readonly deadlineAtMs: number;
  /** Where its answer goes: with retries it may come again over a newer link. */
  session: Session;
  isOver = false;
  isTimed = false;
  isRunning = false;
  /** It waits for its caller's link; written by `Held` alone. */
  isHeld = false;
  /** Its generator, once it runs. */
  outflow: Outflow | undefined = undefined;
  readonly #space: HostSpace;
  #context: TakenContext | undefined = undefined;
  #aborted: SystemError | undefined = undefined;

  constructor(space: HostSpace, session: Session, hosted: Hosted, item: CallItem | CallWithItem) {
    this.#space = space;
    this.session = session;
    this.hosted = hosted;
    this.id = item[1];
    this.method = item[3];
    this.args = item[4];
    this.extras = item[0] === CALL ? NO_EXTRAS : item[5];
    const { deadlineMs } = this.extras;
    this.deadlineAtMs = deadlineMs === undefined ? Infinity : space.clock.now() + deadlineMs;
  }

  get isStream(): boolean {
    return this.extras.window !== undefined;
  }

  /** Something may be said about it later, so its session has to know it. */
  get isNamed(): boolean {
    return this.extras.cancellable === true || this.extras.retry === true || this.isStream;
  }

  get context(): CallContext {
    this.#context ??= new TakenContext(this.#space, this, this.#aborted);
    return this.#context;
  }

  /** Its one last answer. */
  answer(item: CallerItem): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.isTimed) this.#space.forgetDeadline(this);
    if (this.isNamed) this.session.calls.delete(this.id);
    const sent = this.session.answer(item);
    if (this.extras.retry === true) this.#space.replies.finish(this, sent);
  }

  /** Over without an answer: its caller is gone. */
  drop(): void {
    this.isOver = true;
    if (this.isTimed) this.#space.forgetDeadline(this);
    if (this.isNamed) this.session.calls.delete(this.id);
    if (this.extras.retry === true) this.#space.replies.drop(this);
  }

  /** The method's signal tells it to stop. */
  abort(error: SystemError): void {
    this.#aborted ??= error;
    this.#context?.abort(error);
  }

  /** Why it failed: what a method throws because it was told to stop isn't its own error. */
  failure(thrown: unknown): SystemError {
    return this.#aborted ?? toSystemError(thrown, "APPLICATION");
  }
}

/** Made when a method asks for it. */
class TakenContext implements CallContext {
  readonly #space: HostSpace;
  readonly #call: TakenCall;
  #controller: AbortController | undefined;
  #aborted: SystemError | undefined;

  constructor(space: HostSpace, call: TakenCall, aborted: SystemError | undefined) {
    this.#space = space;
    this.#call = call;
    this.#aborted = aborted;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted);
      else if (this.#call.deadlineAtMs !== Infinity && !this.#call.isOver) {
        this.#space.watchDeadline(this.#call);
      }
    }
    return this.#controller.signal;
  }

  get remainingMs(): number {
    const { deadlineAtMs } = this.#call;
    if (deadlineAtMs === Infinity) return Infinity;
    return Math.max(0, deadlineAtMs - this.#space.clock.now());
  }

  get caller(): ProcessId {
    return this.#call.session.caller;
  }

  get actorId(): string {
    return this.#call.hosted.actorId;
  }

  abort(error: SystemError): void {
    this.#aborted ??= error;
    this.#controller?.abort(error);
  }
}
