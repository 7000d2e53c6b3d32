/**
 * The head's daemon: feeds events to the core, makes facts durable in groups, then carries effects
 * out. What comes in one turn of the event loop is one decision, so that a worker gets one command
 * for all of it. An effect leaves only after every fact before it is in the log. A failed append
 * ends the head.
 */
import { toSystemError } from "../../runtime/errors.ts";
import { HEAD_EVENTS_MAX, LOG_SEGMENT_FACTS_MAX } from "../../runtime/limits.ts";
import { decideAll } from "../core/core.ts";
import type { Effect, HeadEvent, HeadState } from "../core/events.ts";
import type { Fact } from "../core/facts.ts";

export interface DaemonPorts {
  readonly now: () => number;
  /** Makes facts durable, in order. @throws when they aren't: the head doesn't lead any more. */
  readonly append: (facts: readonly Fact[]) => Promise<void>;
  /** Carries effects out that leave together; what comes of them is fed back. Never throws. */
  readonly carryOut: (effects: readonly Effect[]) => void;
  /** The head is to end: it lost its lead, or its log can't be written. */
  readonly fatal: (error: Error) => void;
  /** Calls back when all that came in this turn was fed; at its end by default. */
  readonly defer?: (run: () => void) => void;
}

export class HeadDaemon {
  readonly #state: HeadState;
  readonly #ports: DaemonPorts;
  readonly #defer: (run: () => void) => void;
  #events: HeadEvent[] = [];
  #facts: Fact[] = [];
  #effects: Effect[] = [];
  #appending = false;
  #ended = false;

  constructor(state: HeadState, ports: DaemonPorts) {
    this.#state = state;
    this.#ports = ports;
    this.#defer = ports.defer ?? ((run) => void setImmediate(run));
  }

  get state(): HeadState {
    return this.#state;
  }

  feed(event: HeadEvent): void {
    if (this.#ended) return;
    this.#events.push(event);
    if (this.#events.length === 1) this.#defer(() => this.#decide());
  }

  /** No fact is taken any more; what is durable stays. */
  stop(): void {
    this.#ended = true;
  }

  /** Decides on all that came, a bounded number of events at a time. */
  #decide(): void {
    const events = this.#events;
    this.#events = [];
    for (let i = 0; i < events.length && !this.#ended; i += HEAD_EVENTS_MAX) {
      try {
        const some = events.slice(i, i + HEAD_EVENTS_MAX);
        const { facts, effects } = decideAll(this.#state, some, this.#ports.now());
        for (const fact of facts) this.#facts.push(fact);
        for (const effect of effects) this.#effects.push(effect);
      } catch (thrown) {
        this.#end(toSystemError(thrown));
        return;
      }
      this.#pump();
    }
  }

  #pump(): void {
    if (this.#appending || this.#ended) return;
    if (this.#facts.length === 0) {
      const effects = this.#effects;
      this.#effects = [];
      if (effects.length > 0) this.#ports.carryOut(effects);
      return;
    }
    this.#appending = true;
    this.#appendGroup().then(
      () => this.#pump(),
      (thrown: unknown) => this.#end(toSystemError(thrown)),
    );
  }

  /**
   * One group: all facts that came while the last one was under way, and the effects behind them.
   */
  async #appendGroup(): Promise<void> {
    const facts = this.#facts;
    const effects = this.#effects;
    this.#facts = [];
    this.#effects = [];
    for (let i = 0; i < facts.length; i += LOG_SEGMENT_FACTS_MAX) {
      await this.#ports.append(facts.slice(i, i + LOG_SEGMENT_FACTS_MAX));
    }
    this.#appending = false;
    if (!this.#ended && effects.length > 0) this.#ports.carryOut(effects);
  }

  #end(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#ports.fatal(error);
  }
}
