/**
 * The head's daemon: feeds events to the core, makes facts durable in groups, then carries effects
 * out. An effect leaves only after every fact before it is in the log. A failed append ends the
 * head.
 */
import { toSystemError } from "../../runtime/errors.ts";
import { LOG_SEGMENT_FACTS_MAX } from "../../runtime/limits.ts";
import { decide } from "../core/core.ts";
import type { Effect, HeadEvent, HeadState } from "../core/events.ts";
import type { Fact } from "../core/facts.ts";

export interface DaemonPorts {
  readonly now: () => number;
  /** Makes facts durable, in order. @throws when they aren't: the head doesn't lead any more. */
  readonly append: (facts: readonly Fact[]) => Promise<void>;
  /** Carries one effect out; what comes of it is fed back. Never throws. */
  readonly carryOut: (effect: Effect) => void;
  /** The head is to end: it lost its lead, or its log can't be written. */
  readonly fatal: (error: Error) => void;
}

export class HeadDaemon {
  readonly #state: HeadState;
  readonly #ports: DaemonPorts;
  #facts: Fact[] = [];
  #effects: Effect[] = [];
  #appending = false;
  #ended = false;

  constructor(state: HeadState, ports: DaemonPorts) {
    this.#state = state;
    this.#ports = ports;
  }

  get state(): HeadState {
    return this.#state;
  }

  feed(event: HeadEvent): void {
    if (this.#ended) return;
    try {
      const { facts, effects } = decide(this.#state, event, this.#ports.now());
      this.#facts.push(...facts);
      this.#effects.push(...effects);
    } catch (thrown) {
      this.#end(toSystemError(thrown));
      return;
    }
    this.#pump();
  }

  /** No fact is taken any more; what is durable stays. */
  stop(): void {
    this.#ended = true;
  }

  #pump(): void {
    if (this.#appending) return;
    if (this.#facts.length === 0) {
      const effects = this.#effects;
      this.#effects = [];
      for (const effect of effects) this.#ports.carryOut(effect);
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
    if (this.#ended) return;
    for (const effect of effects) this.#ports.carryOut(effect);
  }

  #end(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#ports.fatal(error);
  }
}
