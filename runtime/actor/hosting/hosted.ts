/** One living actor: its instance, its mailbox, who calls it, and what it has done. */
import type { ProcessId } from "../../ids.ts";
import { CALL_WINDOW, MAILBOX_MAX, PEERS_MAX } from "../../limits.ts";
import { Line } from "../queues.ts";
import type { Session } from "./session.ts";
import type { TakenCall } from "./taken.ts";

/** What an actor is made of. */
export interface Life {
  readonly actorId: string;
  readonly incarnation: number;
  /** Calls of it that may run at once; 1 unless said. */
  readonly maxConcurrency?: number;
  /** Asked once per turn that takes calls of it; false ends it. */
  readonly mayRun?: () => boolean;
}

/** What an actor has done and has to do. */
export interface ActorStats {
  readonly actorId: string;
  readonly incarnation: number;
  /** Calls in its mailbox, steps of streams included. */
  readonly waiting: number;
  /** Calls that run, and streams that are open. */
  readonly running: number;
  readonly streams: number;
  /** Calls answered with a result, and with an error. */
  readonly answered: number;
  readonly failed: number;
  /** Milliseconds that calls held a turn, answers included. */
  readonly busyMs: number;
}

/** Invariant: 0 <= active <= maxConcurrency; `active` calls hold a turn. */
export class Hosted {
  readonly actorId: string;
  readonly incarnation: number;
  readonly instance: object;
  readonly maxConcurrency: number;
  readonly mayRun: (() => boolean) | undefined;
  readonly waiting = new Line<TakenCall>();
  /** Calls under way that didn't return at once. */
  readonly running = new Set<TakenCall>();
  readonly streams = new Set<TakenCall>();
  readonly sessions = new Set<Session>();
  /** The last one that called: most calls come many in a row. */
  lastSession: Session | undefined = undefined;
  /** The last method called, known to be callable. */
  lastMethod = "";
  active = 0;
  /** Calls and steps that wait for their caller's link. */
  held = 0;
  /** It waits for the next slice of time. */
  isReady = false;
  isOver = false;
  /** The turn in which `mayRun` was asked. */
  checkedTurn = 0;
  window = CALL_WINDOW;
  answered = 0;
  failed = 0;
  busyMs = 0;
  /** Of each caller the highest number of a call with retries whose answer is kept no longer. */
  readonly forgotten = new Map<ProcessId, number>();
  /** Told when it is over and nothing runs any more. */
  onIdle: (() => void) | undefined = undefined;

  constructor(life: Life, instance: object) {
    this.actorId = life.actorId;
    this.incarnation = life.incarnation;
    this.maxConcurrency = life.maxConcurrency ?? 1;
    this.mayRun = life.mayRun;
    this.instance = instance;
  }

  get hasRoom(): boolean {
    return this.active < this.maxConcurrency;
  }

  /** Calls and steps that wait, for their turn or for their caller's link. */
  get mailbox(): number {
    return this.waiting.length + this.held;
  }

  stats(): ActorStats {
    const { actorId, incarnation, answered, failed, busyMs } = this;
    const counts = { waiting: this.mailbox, running: this.active };
    const { size } = this.streams;
    return { actorId, incarnation, ...counts, streams: size, answered, failed, busyMs };
  }

  /** A link that hasn't called it yet. */
  meet(session: Session): void {
    this.lastSession = session;
    if (this.sessions.has(session)) return;
    this.sessions.add(session);
    session.actors.add(this);
    if (!this.#shareWindow() && this.window !== CALL_WINDOW) {
      session.sayWindow(this.actorId, this.window);
    }
  }

  part(session: Session): void {
    if (this.lastSession === session) this.lastSession = undefined;
    this.sessions.delete(session);
    if (!this.isOver) this.#shareWindow();
  }

  /** An answer to a caller is kept no longer. */
  noteForgotten(caller: ProcessId, id: number): void {
    const { forgotten } = this;
    forgotten.set(caller, Math.max(id, forgotten.get(caller) ?? 0));
    const oldest = forgotten.keys().next().value;
    if (forgotten.size > PEERS_MAX && oldest !== undefined) forgotten.delete(oldest);
  }

  /** Divides the mailbox among all links that call; whether they were told something new. */
  #shareWindow(): boolean {
    const window = windowFor(this.sessions.size);
    if (window === this.window) return false;
    this.window = window;
    for (const session of this.sessions) session.sayWindow(this.actorId, window);
    return true;
  }
}

/** The unanswered calls of each of so many links: a power of two, so that it seldom changes. */
function windowFor(links: number): number {
  let window = CALL_WINDOW;
  while (window > 1 && window * links > MAILBOX_MAX) window >>= 1;
  return window;
}
