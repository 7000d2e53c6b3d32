/**
 * What ends calls from the caller's side: deadlines, by one timer for all calls of the process, and
 * abort signals, by one listener each, however many calls share a signal.
 */
import type { Clock } from "../../clock.ts";
import { type Call, cancelled, deadlineExceeded } from "./call.ts";
import { Deadlines } from "../queues.ts";

interface Watched {
  /** Calls that end with the signal. */
  readonly calls: Set<Call>;
  readonly listener: () => void;
}

export class Watches {
  readonly clock: Clock;
  readonly #deadlines: Deadlines<Call>;
  readonly #signals = new Map<AbortSignal, Watched>();

  constructor(clock: Clock) {
    this.clock = clock;
    this.#deadlines = new Deadlines(clock, (call) => {
      call.port.giveUp(call, deadlineExceeded(call.port.actorId));
    });
  }

  /** Gives the call up when its deadline passes or its signal is aborted. */
  watch(call: Call): void {
    if (call.isOver) return;
    if (call.deadlineAtMs !== Infinity) this.#deadlines.add(call);
    if (call.signal !== undefined) this.#watchedBy(call.signal).calls.add(call);
  }

  /** The call is over. */
  forget(call: Call): void {
    this.#deadlines.noteOver(call);
    const { signal } = call;
    if (signal === undefined) return;
    const watched = this.#signals.get(signal);
    if (watched === undefined || !watched.calls.delete(call) || watched.calls.size > 0) return;
    // A signal that is listened to is kept alive, with all it was made from.
    signal.removeEventListener("abort", watched.listener);
    this.#signals.delete(signal);
  }

  #watchedBy(signal: AbortSignal): Watched {
    const known = this.#signals.get(signal);
    if (known !== undefined) return known;
    const calls = new Set<Call>();
    const listener = (): void => {
      for (const call of [...calls]) {
        call.port.giveUp(call, cancelled(call.port.actorId, signal.reason));
      }
    };
    signal.addEventListener("abort", listener);
    const watched = { calls, listener };
    this.#signals.set(signal, watched);
    return watched;
  }
}
