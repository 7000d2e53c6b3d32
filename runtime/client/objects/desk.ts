/**
 * The connection of one process to the store of its machine: what it asks, packed, and the
 * answers. It opens at the first use, and again after it was lost; what was under way then fails
 * and may be asked again.
 */
import * as v from "valibot";
import { type Channel, connectSocket } from "../../bus/socket.ts";
import { errorFromData, SystemError } from "../../errors.ts";
import { FrameBatcher } from "../../frame/batcher.ts";
import { decodeFrame } from "../../frame/codec.ts";
import { LANE_CONTROL } from "../../frame/prefix.ts";
import { PROCESS_NONE, type ProcessId } from "../../ids.ts";
import { SOCKET_CONNECT_MS } from "../../limits.ts";
import { parseMessage } from "../../messages.ts";
import { ObjectReader } from "../../objects/index.ts";
import {
  type ObjectAsk,
  type ObjectReply,
  objectReply,
  type StoreDoor,
} from "../../objects/wire.ts";
import { identityOf } from "../../processes.ts";
import { onAbort } from "../actors/signals.ts";
import { cancelled } from "./signals.ts";

/** What is asked, but for its number. */
export type Question = ObjectAsk extends infer Ask
  ? Ask extends { readonly request: number }
    ? Omit<Ask, "request">
    : never
  : never;
export type Granted = Extract<ObjectReply, { op: "granted" }>;

interface Pending {
  readonly resolve: (reply: ObjectReply) => void;
  readonly reject: (error: SystemError) => void;
}

const replies = v.array(objectReply);

/** An open way to a store. */
export class StoreDesk {
  readonly door: StoreDoor;
  readonly reader: ObjectReader;
  readonly #channel: Channel;
  readonly #asks: FrameBatcher;
  readonly #pending = new Map<number, Pending>();
  #nextRequest = 1;
  #closed: SystemError | undefined;

  /** @throws {SystemError} SOCKET_FAILED, NOT_AUTHORIZED, DEADLINE_EXCEEDED. */
  static async open(self: ProcessId, door: StoreDoor): Promise<StoreDesk> {
    const { socket, token } = door;
    const channel = await connectSocket(socket, { token, deadlineMs: SOCKET_CONNECT_MS });
    return new StoreDesk(self, door, channel);
  }

  private constructor(self: ProcessId, door: StoreDoor, channel: Channel) {
    this.door = door;
    this.reader = new ObjectReader(door.folder, { keep: true });
    this.#channel = channel;
    const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    this.#asks = new FrameBatcher({
      prefix: () => ({ ...fields, destination: PROCESS_NONE, source: self }),
      send: (frame) => void channel.send(frame),
      schedule: queueMicrotask,
    });
    channel.onFrame((frame) => {
      for (const reply of parseMessage(replies, decodeFrame(frame).value)) this.#take(reply);
    });
    channel.onClose((reason) => {
      this.close(new SystemError("SOCKET_FAILED", "the way to the store ended", {}, reason));
    });
    const own = identityOf(process.pid);
    if (own !== undefined) {
      this.#tell({ op: "hello", pid: own.pid, startTicks: own.startTicks });
    }
  }

  get isOpen(): boolean {
    return this.#closed === undefined;
  }

  /**
   * The store's answer.
   * @throws {SystemError} what the store answers; CANCELLED by the signal; SOCKET_FAILED.
   */
  async ask(question: Question, signal?: AbortSignal): Promise<ObjectReply> {
    if (this.#closed !== undefined) throw this.#closed;
    if (signal?.aborted === true) throw cancelled(signal);
    const request = this.#nextRequest;
    this.#nextRequest += 1;
    const { promise, resolve, reject } = Promise.withResolvers<ObjectReply>();
    this.#pending.set(request, { resolve, reject });
    this.#tell({ ...question, request });
    if (signal === undefined) return await promise;
    const release = onAbort(signal, () => {
      this.#pending.delete(request);
      this.#tell({ op: "cancel", request });
      reject(cancelled(signal));
    });
    return await promise.finally(release);
  }

  /** Room for one object. @throws as `ask`. */
  async reserve(
    want: {
      readonly job: ProcessId;
      readonly bytes: number;
      readonly waitMs: number;
      readonly id?: string | undefined;
    },
    signal?: AbortSignal,
  ): Promise<Granted> {
    const reply = await this.ask({ op: "reserve", ...want }, signal);
    if (reply.op === "granted") return reply;
    throw new SystemError("FRAME_INVALID", `a ${reply.op} where room was asked for`);
  }

  giveBack({ grant }: Granted): void {
    if (this.#closed === undefined) this.#tell({ op: "give-back", grant });
  }

  /** Fails what is under way, and what comes. */
  close(error: SystemError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    this.reader.forgetAll();
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#channel.close();
  }

  #tell(ask: ObjectAsk): void {
    this.#asks.add(ask);
  }

  #take(reply: ObjectReply): void {
    if (reply.op === "forget") {
      this.reader.forget(reply.id);
      return;
    }
    const pending = this.#pending.get(reply.request);
    this.#pending.delete(reply.request);
    if (pending === undefined) {
      // Nobody waits for it any more.
      if (reply.op === "granted") this.giveBack(reply);
    } else if (reply.op === "failed") pending.reject(errorFromData(reply.error));
    else pending.resolve(reply);
  }
}
