/**
 * Calls and steps of streams that wait because their caller's link takes no more: an answer needs
 * no credit, so that what would give one doesn't begin while none can leave. Calls of other callers
 * go on.
 *
 * Invariants: a call stands in at most one of these, and then in no mailbox; those of one actor
 * stay in the order in which they came.
 */
import { Line } from "../queues.ts";
import type { Hosted } from "./hosted.ts";
import type { TakenCall } from "./taken.ts";

export class Held {
  readonly #lines = new Map<Hosted, Line<TakenCall>>();

  /** Whether some of this actor's wait here: later ones belong behind them. */
  has(hosted: Hosted): boolean {
    return this.#lines.has(hosted);
  }

  /** Actors whose calls wait here. */
  get actors(): Hosted[] {
    return [...this.#lines.keys()];
  }

  add(call: TakenCall): void {
    const { hosted } = call;
    const line = this.#lines.get(hosted) ?? new Line<TakenCall>();
    this.#lines.set(hosted, line);
    line.push(call);
    call.isHeld = true;
    hosted.held++;
  }

  /** All of one actor's that aren't over, in order, which leave. */
  take(hosted: Hosted): TakenCall[] {
    const calls = this.#lines.get(hosted)?.takeAll() ?? [];
    this.#lines.delete(hosted);
    for (const call of calls) call.isHeld = false;
    hosted.held -= calls.length;
    return calls;
  }

  /** One of them leaves. */
  remove(call: TakenCall): void {
    this.#lines.get(call.hosted)?.remove((one) => one === call);
    this.#left(call);
  }

  /** One of them is over where it stands; to be said once. */
  noteOver(call: TakenCall): void {
    this.#lines.get(call.hosted)?.noteOver();
    this.#left(call);
  }

  #left(call: TakenCall): void {
    const { hosted } = call;
    call.isHeld = false;
    hosted.held--;
    if (this.#lines.get(hosted)?.length === 0) this.#lines.delete(hosted);
  }
}
