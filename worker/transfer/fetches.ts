/**
 * Objects of other nodes, fetched into this one's store and kept there as copies. Those who ask for
 * one object share one fetch; jobs have their turns one after the other; room is reserved before a
 * byte comes. An object that can't be had is OBJECT_LOST: of whom it was, and since when.
 */
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import type { ObjectRef } from "../../runtime/frame/object-ref.ts";
import type { Identity } from "../../runtime/ids.ts";
import { parseMessage } from "../../runtime/messages.ts";
import type { Grant } from "../../runtime/objects/index.ts";
import { OBJECT_WAIT_MS } from "../../runtime/objects/limits.ts";
import type { NodeAsks } from "../../runtime/transfer/asks.ts";
import { offer } from "../../runtime/transfer/messages.ts";
import { FETCH_BYTES_SHARE, FETCH_TRIES, FETCHES_MAX, FETCHES_WAITING_MAX } from "./limits.ts";
import { slotOf, type Transfers, type TransferStore } from "./transfers.ts";
import { Turns } from "./turns.ts";

export interface FetchesParts {
  readonly self: Identity;
  readonly store: TransferStore;
  readonly limitBytes: number;
  readonly transfers: Pick<Transfers, "pull" | "writer">;
  readonly asks: Pick<NodeAsks, "ask">;
}

export interface FetchOptions {
  /** Milliseconds to wait for room in this node's store. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal | undefined;
}

interface Flight {
  readonly done: Promise<void>;
  readonly end: AbortController;
  waiters: number;
}

export class Fetches {
  readonly #parts: FetchesParts;
  readonly #turns: Turns;
  readonly #flights = new Map<string, Flight>();

  constructor(parts: FetchesParts) {
    this.#parts = parts;
    this.#turns = new Turns({
      most: FETCHES_MAX,
      weight: parts.limitBytes * FETCH_BYTES_SHARE,
      waiting: FETCHES_WAITING_MAX,
    });
  }

  /** Objects that are being fetched, and that wait. */
  get counts(): { readonly fetching: number; readonly queued: number } {
    return { fetching: this.#turns.running, queued: this.#turns.waiting };
  }

  /**
   * The object is in this node's store when this settles.
   * @throws {SystemError} OBJECT_LOST; OBJECT_STORE_FULL; TRANSFER_FAILED; CANCELLED.
   */
  async fetch(ref: ObjectRef, options: FetchOptions = {}): Promise<void> {
    const { self, store } = this.#parts;
    const { id, node } = ref;
    if (store.has(id)) return;
    if (node === null || node === self) {
      const what = `it isn't in the store of ${node ?? "any node"} any more`;
      throw new SystemError("OBJECT_LOST", what, { object: id, node: node ?? "none" });
    }
    const flight = this.#flights.get(id) ?? this.#begin(ref, node, options.waitMs);
    flight.waiters += 1;
    try {
      await bounded(flight.done, options.signal);
    } finally {
      flight.waiters -= 1;
      if (flight.waiters === 0) flight.end.abort();
    }
  }

  #begin(ref: ObjectRef, node: Identity, waitMs = OBJECT_WAIT_MS): Flight {
    const end = new AbortController();
    const done = this.#fly(ref, node, waitMs, end.signal).finally(() => {
      this.#flights.delete(ref.id);
    });
    // Whoever waits hears of a failure; it may be that nobody does any more.
    done.catch(() => undefined);
    const flight: Flight = { done, end, waiters: 0 };
    this.#flights.set(ref.id, flight);
    return flight;
  }

  async #fly(ref: ObjectRef, node: Identity, waitMs: number, signal: AbortSignal): Promise<void> {
    const { store, transfers } = this.#parts;
    const { id, job, bytes } = ref;
    const giveBack = await this.#turns.take(job, bytes, signal);
    try {
      const grant = await store.reserve(job, bytes, waitMs, transfers.writer);
      try {
        await this.#pull(ref, node, grant, signal);
      } catch (thrown) {
        store.giveBack(grant);
        throw thrown;
      }
      store.adopt(job, id, grant, true);
    } finally {
      giveBack();
    }
  }

  async #pull(
    { id, job, bytes }: ObjectRef,
    node: Identity,
    grant: Grant,
    signal: AbortSignal,
  ): Promise<void> {
    const { asks, transfers } = this.#parts;
    let slot = slotOf(grant);
    const ask = { op: "object-want", object: id } as const;
    for (let tries = 1; ; tries += 1) {
      const answer = await asks.ask(node, ask, { signal }).catch((thrown: unknown) => {
        throw lostWith(id, node, toSystemError(thrown));
      });
      const { token, ...door } = parseMessage(offer, answer);
      const at = { ...door, asker: this.#parts.self };
      try {
        await transfers.pull({ door: at, token, place: { job, id }, bytes, slot });
        return;
      } catch (thrown) {
        // What it had of kept memory went with the failed try.
        slot = undefined;
        const error = toSystemError(thrown);
        const isWorth = error.code === "TRANSFER_FAILED" || error.code === "NOT_AUTHORIZED";
        if (!isWorth || tries >= FETCH_TRIES || signal.aborted) throw lostWith(id, node, error);
      }
    }
  }
}

/** An agent that says nothing, or that lacks the object, has lost it: who, and when. */
function lostWith(id: string, node: Identity, error: SystemError): SystemError {
  const where = { object: id, node };
  if (error.code === "DEADLINE_EXCEEDED") {
    return new SystemError("OBJECT_LOST", `${error.what}: its objects are gone`, where, error);
  }
  if (error.code !== "OBJECT_LOST") return error;
  const at = new Date().toISOString();
  return new SystemError("OBJECT_LOST", `${node} said at ${at}: ${error.what}`, where, error);
}

function bounded(done: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return done;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new SystemError("CANCELLED", "nobody waits for it any more"));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    done.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
