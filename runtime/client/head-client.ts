/**
 * Requests to whatever head leads. The bus is at most once and heads come and go, so a request is
 * repeated until answered; the head knows a repeated one by (identity, process, id). Requests of
 * one turn share frames; a crowd of them goes API_PENDING_MAX at a time, in the order they came.
 */
import { Fifo } from "../actor/queues.ts";
import { type Clock, every, processClock } from "../clock.ts";
import { errorFromData, SystemError, toSystemError } from "../errors.ts";
import { FrameBatcher } from "../frame/batcher.ts";
import { encodeFrame } from "../frame/codec.ts";
import { LANE_CONTROL } from "../frame/prefix.ts";
import { PROCESS_NONE, type ProcessId } from "../ids.ts";
import { API_PENDING_MAX, API_REPEAT_MS, API_TIMEOUT_MS, API_WAITING_MAX } from "../limits.ts";
import { type ApiRequest, apiReply, parseMessage } from "../messages.ts";
import { type TaskEnds, taskEnds } from "../tasks/wire.ts";
import { onAbort } from "./actors/signals.ts";

interface Call {
  readonly id: number;
  readonly request: ApiRequest;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: SystemError) => void;
}

/** What the head says besides answers. */
export interface HeadListener {
  /** Another head leads. */
  readonly onEpoch: (epoch: number) => void;
  readonly onTaskEnds: (ends: TaskEnds) => void;
}

export interface RequestOptions {
  /** Milliseconds until DEADLINE_EXCEEDED, waiting for a turn included; Infinity for none. */
  readonly deadlineMs?: number;
  /** Ends it with CANCELLED; the head may carry it out all the same. */
  readonly signal?: AbortSignal | undefined;
}

export class HeadClient {
  readonly #prefix;
  readonly #send: (frame: Uint8Array) => void;
  readonly #batcher: FrameBatcher;
  readonly #clock: Clock;
  /** What this turn asks. */
  #leaving: Call[] = [];
  readonly #pending = new Map<number, Pending>();
  /** Requests whose turn hasn't come; each starts itself, or is over: then it says false. */
  readonly #waiting = new Fifo<() => boolean>();
  #nextId = 1;
  /** The highest epoch of an answer. */
  #epoch = 0;
  #listener: HeadListener | undefined;
  #closed: SystemError | undefined;

  /** @param send - carries a frame to the head's subject; may lose it. */
  constructor(
    processId: ProcessId,
    send: (frame: Uint8Array) => void,
    clock: Clock = processClock,
  ) {
    const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    this.#prefix = { ...fields, destination: PROCESS_NONE, source: processId };
    this.#send = send;
    this.#clock = clock;
    this.#batcher = new FrameBatcher({ prefix: () => this.#prefix, send });
  }

  /**
   * @throws {SystemError} what the head answers; OVERLOADED; DEADLINE_EXCEEDED when none does in
   * time; CANCELLED; what it was closed with.
   */
  async request(request: ApiRequest, options: RequestOptions = {}): Promise<unknown> {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#waiting.length >= API_WAITING_MAX) {
      throw new SystemError("OVERLOADED", `${API_WAITING_MAX} requests wait for the head`);
    }
    const id = this.#nextId;
    this.#nextId += 1;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    let endRepeats: (() => void) | undefined;
    let over = false;
    const begin = (): boolean => {
      if (over) return false;
      if (this.#closed !== undefined) {
        reject(this.#closed);
        return false;
      }
      this.#pending.set(id, { resolve, reject });
      endRepeats = every(this.#clock, API_REPEAT_MS, () => this.#leave({ id, request }));
      this.#leave({ id, request });
      return true;
    };
    const release = bound(request.op, this.#clock, options, (error) => {
      // At once: its turn may come before its promise is heard of.
      over = true;
      reject(error);
    });
    if (this.#pending.size < API_PENDING_MAX) begin();
    else this.#waiting.push(begin);
    return promise.finally(() => {
      over = true;
      release();
      endRepeats?.();
      if (this.#pending.delete(id)) this.#next();
    });
  }

  /** Answers that came for this process; a second one of the same request is dropped. */
  take(value: unknown): void {
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (isEnds(one)) {
        const ends = parseMessage(taskEnds, one);
        if (this.#follows(ends.epoch)) this.#listener?.onTaskEnds(ends);
        continue;
      }
      const reply = parseMessage(apiReply, one);
      if (!this.#follows(reply.epoch ?? this.#epoch)) continue;
      const pending = this.#pending.get(reply.id);
      if (reply.kind === "ok") pending?.resolve(reply.value);
      else pending?.reject(errorFromData(reply.error));
    }
  }

  /** Who hears of a new leader and of ends of tasks; one a process. */
  listen(listener: HeadListener): void {
    this.#listener = listener;
    if (this.#epoch > 0) listener.onEpoch(this.#epoch);
  }

  /**
   * Whether what is of this epoch counts. A head that was replaced while it stood still may not
   * know that yet: its successor answers.
   */
  #follows(epoch: number): boolean {
    if (epoch < this.#epoch) return false;
    if (epoch === this.#epoch) return true;
    this.#epoch = epoch;
    this.#listener?.onEpoch(epoch);
    return true;
  }

  /** Fails all that wait or come later. */
  close(error: SystemError): void {
    this.#closed = error;
    for (const { reject } of this.#pending.values()) reject(error);
    for (const begin of this.#waiting.takeAll()) begin();
  }

  /** Starts the next one that isn't over. */
  #next(): void {
    while (this.#waiting.length > 0) if (this.#waiting.take()?.() === true) return;
  }

  #leave(call: Call): void {
    this.#leaving.push(call);
    if (this.#leaving.length === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const calls = this.#leaving;
    this.#leaving = [];
    for (const call of calls) {
      try {
        if (calls.length > 1) this.#batcher.add(call);
        else this.#send(encodeFrame(this.#prefix, call));
      } catch (thrown) {
        this.#pending.get(call.id)?.reject(toSystemError(thrown));
      }
    }
    this.#batcher.flush();
  }
}

function isEnds(value: unknown): boolean {
  return (
    typeof value === "object" && value !== null && "kind" in value && value.kind === "task-ends"
  );
}

/** Puts a deadline and a signal on a request; what it returns takes them off. */
function bound(
  op: string,
  clock: Clock,
  { deadlineMs = API_TIMEOUT_MS, signal }: RequestOptions,
  reject: (error: SystemError) => void,
): () => void {
  const cancel = (): void => reject(new SystemError("CANCELLED", `${op}: ${whyOf(signal)}`));
  const late = (): void =>
    reject(new SystemError("DEADLINE_EXCEEDED", `no head answered ${op} in ${deadlineMs} ms`));
  const endWait = Number.isFinite(deadlineMs) ? clock.after(deadlineMs, late) : undefined;
  if (signal?.aborted === true) cancel();
  const release = signal === undefined ? undefined : onAbort(signal, cancel);
  return () => {
    endWait?.();
    release?.();
  };
}

function whyOf(signal: AbortSignal | undefined): string {
  const reason: unknown = signal?.reason;
  return reason instanceof Error ? reason.message : String(reason);
}
