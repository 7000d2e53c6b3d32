/**
 * Calls with retries, from their coming until their caller says that it has what came of them: a
 * second one of the same number isn't run, it hears what the first one gives or gave.
 */
import { SystemError } from "../../errors.ts";
import { decodeFrame, encodeFrame } from "../../frame/codec.ts";
import { LANE_DATA, type PrefixFields } from "../../frame/prefix.ts";
import { PROCESS_NONE, type ProcessId } from "../../ids.ts";
import { REPLIES_KEPT_BYTES_MAX, REPLIES_KEPT_MAX, REPLIES_KEPT_MS } from "../../limits.ts";
import type { Clock } from "../../clock.ts";
import { type CallerItem, ERROR } from "../items.ts";
import type { Hosted } from "./hosted.ts";
import type { Session } from "./session.ts";
import type { TakenCall } from "./taken.ts";

const NOWHERE: PrefixFields = {
  ...{ lane: LANE_DATA, flags: 0, link: 0, sequence: 0, ack: 0 },
  ...{ destination: PROCESS_NONE, source: PROCESS_NONE },
};

/** A call that isn't over, the bytes of its answer, or that there are none to give again. */
type Outcome = TakenCall | Uint8Array | "too much" | "a stream";

interface Kept {
  outcome: Outcome;
  readonly hosted: Hosted;
  /** Over which its answer went, or will go. */
  session: Session;
  /** It was found answered, and its link over, a while ago. */
  isOld: boolean;
}

/** What is kept for one calling process, by the calls' numbers. */
type Caller = Map<number, Kept>;

/**
 * Invariants: `#bytes` is the sum over the answers kept; an answer goes when its caller has it, or
 * REPLIES_KEPT_MS after its link is over, at twice that. Its number is noted at its actor then: as
 * the calls of a caller come to an actor in their order, what comes with that number or a lower one
 * has come before.
 */
export class KeptReplies {
  readonly #clock: Clock;
  readonly #requeue: (call: TakenCall) => void;
  readonly #callers = new Map<ProcessId, Caller>();
  #bytes = 0;
  #hasTimer = false;

  /** @param requeue - takes a call that waited for a link which its caller has given up. */
  constructor(clock: Clock, requeue: (call: TakenCall) => void) {
    this.#clock = clock;
    this.#requeue = requeue;
  }

  /** Answers or attaches a call that came before; false when it is new. */
  isRepeated(session: Session, id: number): boolean {
    const kept = this.#callers.get(session.caller)?.get(id);
    if (kept === undefined) return false;
    const { outcome } = kept;
    kept.session = session;
    kept.isOld = false;
    if (outcome instanceof Uint8Array) session.answer(decodeFrame(outcome).value as CallerItem);
    else if (!isCall(outcome)) {
      session.answer(unknown(id, `it ran; ${outcome} isn't kept to be given again`));
    } else if (outcome.outflow !== undefined) {
      session.answer(unknown(id, "its stream had begun when the link was lost"));
    } else this.#move(outcome, session);
    return true;
  }

  /** A new call. @throws {SystemError} OVERLOADED; OUTCOME_UNKNOWN when it came long before. */
  begin(call: TakenCall): void {
    const { id, session, hosted } = call;
    if (id <= (hosted.forgotten.get(session.caller) ?? 0)) {
      const what = "it came before, so long ago that what came of it is forgotten";
      throw new SystemError("OUTCOME_UNKNOWN", what, { actorId: hosted.actorId });
    }
    let kept = this.#callers.get(session.caller);
    if (kept === undefined) this.#callers.set(session.caller, (kept = new Map()));
    if (kept.size >= REPLIES_KEPT_MAX) {
      const what = `${REPLIES_KEPT_MAX} calls with retries are under way or not settled`;
      throw new SystemError("OVERLOADED", what);
    }
    kept.set(id, { outcome: call, hosted, session, isOld: false });
  }

  /** It was answered: the answer is kept as it is now. */
  finish(call: TakenCall, answer: CallerItem): void {
    const kept = this.#callers.get(call.session.caller)?.get(call.id);
    if (kept?.outcome !== call) return;
    kept.session = call.session;
    kept.outcome = call.isStream ? "a stream" : this.#packed(answer);
    if (!call.session.isOpen) this.#lookLater();
  }

  /** It never started, or its actor is gone: coming again, it is new. */
  drop(call: TakenCall): void {
    const { caller } = call.session;
    if (this.#callers.get(caller)?.get(call.id)?.outcome === call) this.#remove(caller, call.id);
  }

  /** The caller has what came of them. */
  settle(caller: ProcessId, ids: readonly number[]): void {
    for (const id of ids) {
      const kept = this.#callers.get(caller)?.get(id);
      // One that still runs isn't settled, whatever is said.
      if (kept !== undefined && !isCall(kept.outcome)) this.#remove(caller, id);
    }
  }

  /** A link is over: its answers are kept a while, its caller may open another one. */
  part(session: Session): void {
    if (this.#callers.has(session.caller)) this.#lookLater();
  }

  /** A call that hasn't ended goes on for a newer link. */
  #move(call: TakenCall, session: Session): void {
    // It waited for the link that is gone: the order in which they come again is the old one.
    const wasHeld = call.isHeld;
    if (wasHeld) call.session.held.remove(call);
    call.session.calls.delete(call.id);
    call.session = session;
    session.calls.set(call.id, call);
    call.hosted.meet(session);
    if (wasHeld) this.#requeue(call);
  }

  #packed(answer: CallerItem): Outcome {
    const bytes = packed(answer);
    if (this.#bytes + bytes.length > REPLIES_KEPT_BYTES_MAX) return "too much";
    this.#bytes += bytes.length;
    return bytes;
  }

  #remove(caller: ProcessId, id: number): void {
    const kept = this.#callers.get(caller);
    const outcome = kept?.get(id)?.outcome;
    if (outcome instanceof Uint8Array) this.#bytes -= outcome.length;
    kept?.delete(id);
    if (kept?.size === 0) this.#callers.delete(caller);
  }

  #lookLater(): void {
    if (this.#hasTimer) return;
    this.#hasTimer = true;
    this.#clock.after(REPLIES_KEPT_MS, () => {
      this.#hasTimer = false;
      if (this.#forgetOld()) this.#lookLater();
    });
  }

  /** Drops answers whose link was over a look ago; whether others are to be looked at again. */
  #forgetOld(): boolean {
    let isMore = false;
    for (const [caller, calls] of this.#callers) {
      for (const [id, kept] of calls) {
        if (isCall(kept.outcome) || kept.session.isOpen) continue;
        if (kept.isOld) {
          kept.hosted.noteForgotten(caller, id);
          this.#remove(caller, id);
        } else {
          kept.isOld = true;
          isMore = true;
        }
      }
    }
    return isMore;
  }
}

function isCall(outcome: Outcome): outcome is TakenCall {
  return typeof outcome === "object" && !(outcome instanceof Uint8Array);
}

function unknown(id: number, what: string): CallerItem {
  return [ERROR, id, new SystemError("OUTCOME_UNKNOWN", what).toData()];
}

/** An answer on a link that was over wasn't packed yet: it may not cross. */
function packed(answer: CallerItem): Uint8Array {
  try {
    return encodeFrame(NOWHERE, answer);
  } catch (thrown) {
    const error = thrown instanceof SystemError ? thrown : new SystemError("INTERNAL", "packing");
    return encodeFrame(NOWHERE, [ERROR, answer[1], error.toData()]);
  }
}
