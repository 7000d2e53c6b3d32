/**
 * Calls from this process to the actors of one other process, over one carrier: packed many a
 * frame, answered in any order. When the carrier ends, what was sent fails OUTCOME_UNKNOWN: it may
 * have run.
 */
import { errorFromData, SystemError } from "../errors.ts";
import { FrameBatcher } from "../frame/batcher.ts";
import { LANE_DATA } from "../frame/prefix.ts";
import type { ProcessId } from "../ids.ts";
import { CALLS_PENDING_MAX } from "../limits.ts";
import { actorItems, parseMessage } from "../messages.ts";

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: SystemError) => void;
}

/** Items from one process to another, many a frame, numbered in the order they leave. */
export function itemBatcher(
  source: ProcessId,
  destination: ProcessId,
  send: (frame: Uint8Array) => void,
): FrameBatcher {
  let sequence = 0;
  return new FrameBatcher({
    prefix: () => {
      sequence = (sequence + 1) >>> 0;
      return { lane: LANE_DATA, flags: 0, destination, source, link: 0, sequence, ack: 0 };
    },
    send,
  });
}

export class ActorLink {
  readonly #batcher: FrameBatcher;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #closed: SystemError | undefined;

  /** @param send - carries a frame to the other process. */
  constructor(self: ProcessId, other: ProcessId, send: (frame: Uint8Array) => void) {
    this.#batcher = itemBatcher(self, other, send);
  }

  /**
   * One call's result.
   * @throws {SystemError} what the method threw (APPLICATION), NOT_SERIALIZABLE, FRAME_TOO_LARGE,
   * OVERLOADED or ACTOR_DIED when it was never sent, OUTCOME_UNKNOWN when the actor was lost after.
   */
  call(actorId: string, method: string, args: unknown[]): Promise<unknown> {
    if (this.#closed !== undefined) return Promise.reject(neverSent(this.#closed));
    if (this.#pending.size >= CALLS_PENDING_MAX) {
      return Promise.reject(new SystemError("OVERLOADED", `${CALLS_PENDING_MAX} calls pending`));
    }
    const id = this.#nextId;
    this.#nextId += 1;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    try {
      this.#batcher.add({ kind: "call", id, actorId, method, args });
      this.#pending.set(id, { resolve, reject });
    } catch (thrown) {
      reject(thrown);
    }
    return promise;
  }

  /** Replies that came; those of calls nobody waits for are dropped. */
  take(value: unknown): void {
    for (const item of parseMessage(actorItems, value)) {
      if (item.kind === "call") continue;
      if (item.kind === "died") {
        this.close(new SystemError("ACTOR_DIED", `the actor's process ended: ${item.reason}`));
        return;
      }
      const pending = this.#pending.get(item.id);
      this.#pending.delete(item.id);
      if (item.kind === "ok") pending?.resolve(item.value);
      else pending?.reject(errorFromData(item.error));
    }
  }

  /** The carrier ended. */
  close(cause: SystemError): void {
    if (this.#closed !== undefined) return;
    this.#closed = cause;
    // Those that wait for the turn's end never left: they are the last ones.
    const sent = this.#pending.size - this.#batcher.discard();
    let index = 0;
    for (const { reject } of this.#pending.values()) {
      const lost = new SystemError("OUTCOME_UNKNOWN", "the actor was lost", cause.where, cause);
      reject(index < sent ? lost : neverSent(cause));
      index += 1;
    }
    this.#pending.clear();
  }
}

function neverSent(cause: SystemError): SystemError {
  return new SystemError("ACTOR_DIED", "the actor is gone", cause.where, cause);
}
