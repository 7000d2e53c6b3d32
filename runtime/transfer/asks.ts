/**
 * Questions to agents themselves. The bus is at most once, so that a question is said again until
 * it is answered, and an agent that is at it says so. One that says nothing for ASK_SILENT_MS is
 * taken for dead; no head is needed for that.
 */
import { type Clock, every, processClock } from "../clock.ts";
import { errorFromData, SystemError } from "../errors.ts";
import { encodeFrame } from "../frame/codec.ts";
import { LANE_CONTROL } from "../frame/prefix.ts";
import { type Identity, PROCESS_NONE, type ProcessId } from "../ids.ts";
import { parseMessage } from "../messages.ts";
import { ASK_ANSWER_MS, ASK_REPEAT_MS, ASK_SILENT_MS, ASKS_PENDING_MAX } from "./limits.ts";
import { type NodeAsk, nodeAnswer } from "./messages.ts";

export interface AskOptions {
  /** Milliseconds in which the agent says nothing until it is taken for dead; ASK_SILENT_MS. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal | undefined;
}

interface Pending {
  readonly to: Identity;
  readonly settle: (outcome: { readonly value: unknown } | SystemError) => void;
  /** It is there, and at it. */
  readonly heard: () => void;
}

export class NodeAsks {
  readonly #self: ProcessId;
  readonly #send: (to: Identity, frame: Uint8Array) => void;
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();
  #next = 1;
  #closed: SystemError | undefined;

  /**
   * @param self - the process that answers come to.
   * @param send - carries a frame to an identity's links; may lose it.
   */
  constructor(
    self: ProcessId,
    send: (to: Identity, frame: Uint8Array) => void,
    clock: Clock = processClock,
  ) {
    this.#self = self;
    this.#send = send;
    this.#clock = clock;
  }

  /**
   * What an agent answers.
   * @throws {SystemError} DEADLINE_EXCEEDED when it doesn't in time: who, and since when; what it
   * answers; OVERLOADED; CANCELLED.
   */
  ask(to: Identity, ask: NodeAsk, options: AskOptions = {}): Promise<unknown> {
    const { waitMs = ASK_SILENT_MS, signal } = options;
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (this.#pending.size >= ASKS_PENDING_MAX) {
      const what = `${ASKS_PENDING_MAX} questions to agents wait`;
      return Promise.reject(new SystemError("OVERLOADED", what));
    }
    const call = this.#next;
    this.#next += 1;
    const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    const ends = { destination: PROCESS_NONE, source: this.#self };
    const frame = encodeFrame({ ...fields, ...ends }, { call, ask });
    let sinceMs = Date.now();
    return new Promise((resolve, reject) => {
      const endRepeats = every(this.#clock, ASK_REPEAT_MS, () => this.#send(to, frame));
      const late = (): void => settle(silent(to, waitMs, sinceMs));
      let endWait = this.#clock.after(waitMs, late);
      const endAll = this.#clock.after(Math.max(waitMs, ASK_ANSWER_MS), () => {
        settle(new SystemError("DEADLINE_EXCEEDED", `${to} is at it for too long`, { node: to }));
      });
      const abort = (): void => settle(new SystemError("CANCELLED", "nobody waits for it"));
      const settle = (outcome: { readonly value: unknown } | SystemError): void => {
        this.#pending.delete(call);
        endRepeats();
        endWait();
        endAll();
        signal?.removeEventListener("abort", abort);
        if (outcome instanceof SystemError) reject(outcome);
        else resolve(outcome.value);
      };
      const heard = (): void => {
        endWait();
        sinceMs = Date.now();
        endWait = this.#clock.after(waitMs, late);
      };
      this.#pending.set(call, { to, settle, heard });
      signal?.addEventListener("abort", abort);
      if (signal?.aborted === true) abort();
      else this.#send(to, frame);
    });
  }

  /**
   * An answer that came for this process; whether the value is one. A second one is dropped.
   * @param from - the server vouches for it: nobody answers for another.
   */
  take(from: Identity, value: unknown): boolean {
    const kind = (value as { kind?: unknown } | null)?.kind;
    if (typeof kind !== "string" || !kind.startsWith("node-")) return false;
    const answer = parseMessage(nodeAnswer, value);
    const pending = this.#pending.get(answer.call);
    if (pending === undefined || pending.to !== from) return true;
    if (answer.kind === "node-busy") pending.heard();
    else if (answer.kind === "node-ok") pending.settle({ value: answer.value });
    else pending.settle(errorFromData(answer.error));
    return true;
  }

  /** Fails all that wait or come later. */
  close(error: SystemError): void {
    this.#closed = error;
    for (const { settle } of this.#pending.values()) settle(error);
  }
}

function silent(to: Identity, waitMs: number, sinceMs: number): SystemError {
  const since = new Date(sinceMs).toISOString();
  const what = `${to} hasn't answered for ${waitMs} ms, since ${since}`;
  return new SystemError("DEADLINE_EXCEEDED", what, { node: to, since });
}
