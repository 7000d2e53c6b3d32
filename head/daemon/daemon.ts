/**
 * The head's daemon: feeds events to the core, makes facts durable in groups, then carries effects
 * out. What comes in one turn of the event loop is one decision, so that a worker gets one command
 * for all of it. An effect leaves only after every fact before it is in the log, but for those
 * that tell of no fact: they leave at once. A failed append ends the head.
 */
import { toSystemError } from "../../runtime/errors.ts";
import {
  HEAD_EVENTS_MAX,
  HEAD_EVENTS_WAITING_MAX,
  LOG_SEGMENT_FACTS_MAX,
} from "../../runtime/limits.ts";
import type { ApiRequest } from "../../runtime/messages.ts";
import { decideAll } from "../core/core.ts";
import { isFree } from "./effects.ts";
import type { Caller, Effect, HeadEvent, HeadState } from "../core/events.ts";
import type { DurableState, Fact } from "../core/facts.ts";

export interface DaemonPorts {
  readonly now: () => number;
  /** Makes facts durable, in order. @throws when they aren't: the head doesn't lead any more. */
  readonly append: (facts: readonly Fact[]) => Promise<void>;
  /** Carries effects out that leave together; what comes of them is fed back. Never throws. */
  readonly carryOut: (effects: readonly Effect[]) => void;
  /** The head is to end: it lost its lead, or its log can't be written. */
  readonly fatal: (error: Error) => void;
  /** Calls back when all that came in this turn was fed. */
  readonly defer: (run: () => void) => void;
  /**
   * Called before facts are appended, when the durable state is what they have made of it; what it
   * returns is called once they are durable.
   */
  readonly beforeAppend?: (state: DurableState) => (() => void) | undefined;
  /** Calls back after the time that facts wait for others; where there is none they don't wait. */
  readonly linger?: ((run: () => void) => void) | undefined;
}

type Request = Extract<HeadEvent, { type: "api" }>;

export class HeadDaemon {
  readonly #state: HeadState;
  readonly #ports: DaemonPorts;
  /** What came and isn't decided on: of workers and of time, and of clients. */
  readonly #events: HeadEvent[] = [];
  readonly #requests: Request[] = [];
  #facts: Fact[] = [];
  #effects: Effect[] = [];
  /** Their names. */
  readonly #asked = new Set<string>();
  /** Whether a decision on them is on its way. */
  #isDeferred = false;
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
    if (event.type === "api") this.#ask(event);
    else this.#events.push(event);
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.#ports.defer(() => this.#decide());
  }

  /** A client repeats what isn't answered soon: the answer to come is one to both. */
  #ask(request: Request): void {
    const name = nameOf(request.caller);
    if (this.#asked.has(name)) return;
    this.#asked.add(name);
    this.#requests.push(request);
  }

  /** No fact is taken any more; what is durable stays. */
  stop(): void {
    this.#ended = true;
  }

  /**
   * Decides on what came, a bounded number of events a turn: however much clients ask, beacons and
   * reports come in between.
   */
  #decide(): void {
    do {
      if (this.#ended) return;
      this.#decideOn(this.#nextEvents());
      // More than that came faster than it is decided on: who sends it waits for this turn's end.
    } while (this.#events.length + this.#requests.length > HEAD_EVENTS_WAITING_MAX);
    this.#isDeferred = this.#events.length + this.#requests.length > 0;
    if (this.#isDeferred) this.#ports.defer(() => this.#decide());
  }

  /**
   * As many as one decision takes; long answers count more. What clients ask comes last: a worker
   * whose report waited behind it would be taken for silent.
   */
  #nextEvents(): readonly HeadEvent[] {
    const events = this.#events.splice(0, HEAD_EVENTS_MAX);
    let weight = events.length;
    const end = this.#requests.findIndex((request) => {
      weight += weightOf(request.request);
      return weight > HEAD_EVENTS_MAX;
    });
    const requests = this.#requests.splice(0, end < 0 ? this.#requests.length : end);
    for (const { caller } of requests) this.#asked.delete(nameOf(caller));
    return [...events, ...requests];
  }

  #decideOn(events: readonly HeadEvent[]): void {
    try {
      const { facts, effects } = decideAll(this.#state, events, this.#ports.now());
      for (const fact of facts) this.#facts.push(fact);
      const free = effects.filter(isFree);
      for (const effect of effects) if (!isFree(effect)) this.#effects.push(effect);
      if (free.length > 0) this.#ports.carryOut(free);
    } catch (thrown) {
      this.#end(toSystemError(thrown));
      return;
    }
    this.#pump();
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
    const append = (): void => {
      this.#appendGroup().then(
        () => this.#pump(),
        (thrown: unknown) => this.#end(toSystemError(thrown)),
      );
    };
    if (this.#ports.linger === undefined) append();
    else this.#ports.linger(append);
  }

  /**
   * One group: all facts that came while the last one was under way, and the effects behind them.
   */
  async #appendGroup(): Promise<void> {
    if (this.#ended) return;
    const durable = this.#ports.beforeAppend?.(this.#state.durable);
    const facts = this.#facts;
    const effects = this.#effects;
    this.#facts = [];
    this.#effects = [];
    for (let i = 0; i < facts.length; i += LOG_SEGMENT_FACTS_MAX) {
      await this.#ports.append(facts.slice(i, i + LOG_SEGMENT_FACTS_MAX));
    }
    this.#appending = false;
    durable?.();
    if (!this.#ended && effects.length > 0) this.#ports.carryOut(effects);
  }

  #end(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#ports.fatal(error);
  }
}

/** Requests whose answers may fill a frame: 2-8 ms each, against ~20 us. */
const LONG: ReadonlySet<ApiRequest["op"]> = new Set(["list", "events", "status", "job", "explain"]);
const LONG_ANSWER_WEIGHT = 32;

function weightOf(request: ApiRequest): number {
  // ~0.5 us a task.
  if (request.op === "task-submit") return 1 + (request.numbers.length >> 6);
  return LONG.has(request.op) ? LONG_ANSWER_WEIGHT : 1;
}

function nameOf({ identity, process, id }: Caller): string {
  return `${identity}/${process}/${id}`;
}
