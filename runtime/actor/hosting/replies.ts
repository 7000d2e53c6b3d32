/**
 * Calls with retries, from their coming until their caller says that it has what came of them: a
 * second one of the same number isn't run, it hears what the first one gives or gave.
 */
import { SystemError } from "../../errors.ts";
import { decodeFrame, encodeFrame } from "../../frame/codec.ts";
import { LANE_DATA, type PrefixFields } from "../../frame/prefix.ts";
import { PROCESS_NONE, type ProcessId } from "../../ids.ts";
import { REPLIES_KEPT_BYTES_MAX, REPLIES_KEPT_MAX, REPLIES_KEPT_MS } from "../../limits.ts";
import type { LinkClock } from "../../link/clock.ts";
import { type CallerItem, ERROR } from "../items.ts";
import type { Session } from "./session.ts";
import type { TakenCall } from "./taken.ts";

const NOWHERE: PrefixFields = {
  ...{ lane: LANE_DATA, flags: 0, link: 0, sequence: 0, ack: 0 },
  ...{ destination: PROCESS_NONE, source: PROCESS_NONE },
};

/** A call that isn't over, the bytes of its answer, or that they were too many. */
type Kept = TakenCall | Uint8Array | "too much";

/** What is kept for one calling process. */
interface Caller {
  readonly kept: Map<number, Kept>;
  readonly sessions: Set<Session>;
  /** Takes back the end that follows its last link. */
  keepOn: (() => void) | undefined;
}

/** Invariant: `#bytes` is the sum over the answers kept. */
export class KeptReplies {
  readonly #clock: LinkClock;
  readonly #callers = new Map<ProcessId, Caller>();
  #bytes = 0;

  constructor(clock: LinkClock) {
    this.#clock = clock;
  }

  /** Answers or attaches a call that came before; false when it is new. */
  isRepeated(session: Session, id: number): boolean {
    const kept = this.#callers.get(session.caller)?.kept.get(id);
    if (kept === undefined) return false;
    this.#of(session);
    if (kept === "too much") {
      const error = new SystemError("OUTCOME_UNKNOWN", "it ran; its result was too large to keep");
      session.answer([ERROR, id, error.toData()]);
    } else if (kept instanceof Uint8Array) {
      session.answer(decodeFrame(kept).value as CallerItem);
    } else {
      // It waited for the link that is gone: the order in which they come again is the old one.
      const wasHeld = kept.isHeld;
      if (wasHeld) kept.session.held.remove(kept);
      kept.session.calls.delete(id);
      kept.session = session;
      if (wasHeld) session.held.add(kept);
      session.calls.set(id, kept);
      kept.hosted.meet(session);
    }
    return true;
  }

  /** A new call. @throws {SystemError} OVERLOADED. */
  begin(call: TakenCall): void {
    const { kept } = this.#of(call.session);
    if (kept.size >= REPLIES_KEPT_MAX) {
      const what = `${REPLIES_KEPT_MAX} calls with retries are under way or not settled`;
      throw new SystemError("OVERLOADED", what);
    }
    kept.set(call.id, call);
  }

  /** It was answered: the answer is kept as it is now. */
  finish(call: TakenCall, answer: CallerItem): void {
    const kept = this.#callers.get(call.session.caller)?.kept;
    if (kept?.get(call.id) !== call) return;
    const bytes = packed(answer);
    if (this.#bytes + bytes.length > REPLIES_KEPT_BYTES_MAX) kept.set(call.id, "too much");
    else {
      this.#bytes += bytes.length;
      kept.set(call.id, bytes);
    }
  }

  /** It never started, or its actor is gone: coming again, it is new. */
  drop(call: TakenCall): void {
    const kept = this.#callers.get(call.session.caller)?.kept;
    if (kept?.get(call.id) === call) kept.delete(call.id);
  }

  /** The caller has what came of them. */
  settle(caller: ProcessId, ids: readonly number[]): void {
    const kept = this.#callers.get(caller)?.kept;
    if (kept === undefined) return;
    for (const id of ids) {
      const one = kept.get(id);
      // One that still runs isn't settled, whatever is said.
      if (one === undefined || isCall(one)) continue;
      if (one instanceof Uint8Array) this.#bytes -= one.length;
      kept.delete(id);
    }
  }

  /** A link is over; without another one its caller's are kept for REPLIES_KEPT_MS. */
  part(session: Session): void {
    const caller = this.#callers.get(session.caller);
    if (caller === undefined || !caller.sessions.delete(session)) return;
    if (caller.sessions.size > 0) return;
    caller.keepOn = this.#clock.after(REPLIES_KEPT_MS, () => this.#end(session.caller));
  }

  #of(session: Session): Caller {
    const known = this.#callers.get(session.caller);
    const caller: Caller = known ?? { kept: new Map(), sessions: new Set(), keepOn: undefined };
    if (known === undefined) this.#callers.set(session.caller, caller);
    if (!caller.sessions.has(session)) {
      caller.sessions.add(session);
      caller.keepOn?.();
      caller.keepOn = undefined;
    }
    return caller;
  }

  #end(id: ProcessId): void {
    const caller = this.#callers.get(id);
    this.#callers.delete(id);
    for (const one of caller?.kept.values() ?? []) {
      if (one instanceof Uint8Array) this.#bytes -= one.length;
    }
  }
}

function isCall(kept: Kept): kept is TakenCall {
  return kept !== "too much" && !(kept instanceof Uint8Array);
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
