/**
 * One node's objects as other nodes and outside clients deal with them: it answers what they ask,
 * fetches from them, and keeps its answers for a while, because the bus may have lost them.
 * A repeated question is answered as before, and does nothing again.
 */
import { type Clock, every } from "../../runtime/clock.ts";
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import type { ObjectRef } from "../../runtime/frame/object-ref.ts";
import type { Identity, ProcessId } from "../../runtime/ids.ts";
import { parseMessage } from "../../runtime/messages.ts";
import { NodeAsks } from "../../runtime/transfer/asks.ts";
import { type NodeAsk, nodeCall, RELEASES_MAX } from "../../runtime/transfer/messages.ts";
import { type FetchOptions, Fetches } from "./fetches.ts";
import { ANSWERS_KEPT_MAX, ANSWERS_KEPT_MS } from "./limits.ts";
import { listObjects, memoryOf, type ScannedStore } from "./scan.ts";
import { Transfers, type TransferStore } from "./transfers.ts";

export interface ExchangeOptions {
  readonly self: Identity;
  /** The agent's process: answers to its own questions come to it. */
  readonly process: ProcessId;
  readonly store: TransferStore & ScannedStore & { release(id: string, how?: string): boolean };
  readonly clock: Clock;
  /** Address of this node for others; loopback unless the node's address says otherwise. */
  readonly host?: string;
  /** Carries a frame to an identity's links; may lose it. */
  readonly sendFrame: (to: Identity, frame: Uint8Array) => void;
  /** Carries a value to a process of an identity, in the agent's name; may lose it. */
  readonly sendValue: (to: Identity, process: ProcessId, value: unknown) => void;
  /** @throws {SystemError} CANCELLED for a job that is over: nothing is put for it. */
  readonly checkJob?: (job: string) => void;
  /** Whether to use the addon, where it is. */
  readonly native?: boolean;
}

interface Answer {
  /** Undefined while it is being found. */
  value: object | undefined;
  readonly atMs: number;
}

const LOOPBACK = "127.0.0.1";

export class Exchange {
  readonly #options: ExchangeOptions;
  readonly #asks: NodeAsks;
  readonly #transfers: Transfers;
  readonly #fetches: Fetches;
  /** By who asks and the number of the question, the oldest first. */
  readonly #answers = new Map<string, Answer>();
  readonly #endForgetting: () => void;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    const { self, process, store, clock, host = LOOPBACK, sendFrame, native } = options;
    this.#asks = new NodeAsks(process, sendFrame, clock);
    this.#transfers = new Transfers({
      store,
      clock,
      host,
      ...(native === undefined ? {} : { native }),
    });
    this.#fetches = new Fetches({
      self,
      store,
      limitBytes: store.usage().limitBytes,
      transfers: this.#transfers,
      asks: this.#asks,
    });
    this.#endForgetting = every(clock, ANSWERS_KEPT_MS, () => this.#forget());
  }

  /** Ends all transfers. */
  async stop(): Promise<void> {
    this.#endForgetting();
    this.#asks.close(new SystemError("CANCELLED", "this node ends"));
    await this.#transfers.stop();
  }

  /**
   * The object is in this node's store when this settles.
   * @throws {SystemError} OBJECT_LOST; OBJECT_STORE_FULL; TRANSFER_FAILED; CANCELLED.
   */
  fetch(ref: ObjectRef, options?: FetchOptions): Promise<void> {
    return this.#fetches.fetch(ref, options);
  }

  /** Ends objects where they were put; a node that answers nothing has none any more. */
  releaseElsewhere(places: readonly { readonly id: string; readonly node: Identity }[]): void {
    const byNode = Map.groupBy(places, ({ node }) => node);
    for (const [node, there] of byNode) {
      for (let at = 0; at < there.length; at += RELEASES_MAX) {
        const objects = there.slice(at, at + RELEASES_MAX).map(({ id }) => id);
        this.#asks.ask(node, { op: "object-release", objects }).catch(() => undefined);
      }
    }
  }

  /**
   * What came for the agent itself on no link; whether it was a question or an answer of these.
   * @throws {SystemError} FRAME_INVALID for one that breaks their form.
   */
  take(from: Identity, process: ProcessId, value: unknown): boolean {
    if (this.#asks.take(from, value)) return true;
    if (typeof value !== "object" || value === null || !("ask" in value)) return false;
    const { call, ask } = parseMessage(nodeCall, value);
    const name = `${from}/${process}/${call}`;
    const known = this.#answers.get(name);
    if (known === undefined) void this.#answer(name, from, process, call, ask);
    else this.#options.sendValue(from, process, known.value ?? { kind: "node-busy", call });
    return true;
  }

  async #answer(
    name: string,
    from: Identity,
    process: ProcessId,
    call: number,
    ask: NodeAsk,
  ): Promise<void> {
    if (this.#answers.size >= ANSWERS_KEPT_MAX) this.#forget(1);
    const answer: Answer = { value: undefined, atMs: this.#options.clock.now() };
    this.#answers.set(name, answer);
    try {
      answer.value = { kind: "node-ok", call, value: await this.#carryOut(from, ask) };
    } catch (thrown) {
      answer.value = { kind: "node-error", call, error: toSystemError(thrown).toData() };
    }
    this.#options.sendValue(from, process, answer.value);
  }

  async #carryOut(from: Identity, ask: NodeAsk): Promise<unknown> {
    const { store } = this.#options;
    switch (ask.op) {
      case "object-want":
        return await this.#transfers.offerGet(ask.object, from);
      case "object-room":
        this.#options.checkJob?.(ask.job);
        return await this.#transfers.offerPut(ask.job, ask.bytes, from, ask.waitMs);
      case "object-release":
        return ask.objects.filter((id) => store.release(id, `released by ${from}`)).length;
      case "object-list":
        return await listObjects(store, ask);
      case "memory":
        return { ...(await memoryOf(store)), ...this.#fetches.counts };
      default:
        return ask satisfies never;
    }
  }

  /** @param least - of the oldest answers that go, whatever their age. */
  #forget(least = 0): void {
    const before = this.#options.clock.now() - ANSWERS_KEPT_MS;
    let left = least;
    for (const [name, { atMs, value }] of this.#answers) {
      if (left <= 0 && atMs > before) return;
      if (value === undefined) continue;
      this.#answers.delete(name);
      left -= 1;
    }
  }
}
