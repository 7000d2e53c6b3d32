/**
 * One process of the machine at its node's store: what it asks and what it is answered. What it
 * was granted goes back when its connection ends; when it is seen to have ended itself, so do its
 * objects.
 */
import { randomBytes } from "node:crypto";
import * as v from "valibot";
import type { Channel } from "../../runtime/bus/socket.ts";
import type { Clock } from "../../runtime/clock.ts";
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import { FrameBatcher } from "../../runtime/frame/batcher.ts";
import { decodeFrame } from "../../runtime/frame/codec.ts";
import { LANE_CONTROL, sourceOf } from "../../runtime/frame/prefix.ts";
import { PROCESS_NONE, type ProcessId } from "../../runtime/ids.ts";
import { parseMessage } from "../../runtime/messages.ts";
import type { Grant, Writer } from "../../runtime/objects/index.ts";
import {
  OBJECT_ASKS_MAX,
  OBJECT_END_LOOK_MS,
  OBJECT_END_LOOKS,
} from "../../runtime/objects/limits.ts";
import { type ObjectAsk, type ObjectReply, objectAsk } from "../../runtime/objects/wire.ts";
import { identityOf, isAlive, type ProcessIdentity } from "../../runtime/processes.ts";
import type { NodeObjects } from "./node.ts";

interface DeskPorts {
  readonly objects: NodeObjects;
  readonly channel: Channel;
  readonly clock: Clock;
}

interface Granted {
  readonly grant: Grant;
  readonly job: string;
  readonly id: string;
}

type AskOf<Op extends ObjectAsk["op"]> = Extract<ObjectAsk, { op: Op }>;

const asks = v.array(objectAsk);

export class Desk implements Writer {
  readonly #ports: DeskPorts;
  readonly #replies: FrameBatcher;
  readonly #grants = new Map<number, Granted>();
  /** Requests under way, and those of them that nobody waits for any more. */
  readonly #pending = new Set<number>();
  readonly #cancelled = new Set<number>();
  #process: ProcessId = PROCESS_NONE;
  #identity: ProcessIdentity | undefined;
  #lastGrant = 0;
  #isGone = false;

  constructor(ports: DeskPorts) {
    this.#ports = ports;
    const { channel, objects } = ports;
    const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    this.#replies = new FrameBatcher({
      prefix: () => ({ ...fields, destination: this.#process, source: objects.process }),
      send: (frame) => void channel.send(frame),
      schedule: queueMicrotask,
    });
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  forget(id: string): void {
    if (!this.#isGone) this.#replies.add({ op: "forget", id } satisfies ObjectReply);
  }

  open(): void {
    const { channel } = this.#ports;
    channel.onFrame((frame) => this.#hear(frame));
    channel.onClose(() => this.#close());
  }

  #hear(frame: Uint8Array): void {
    const source = sourceOf(frame);
    if (this.#process === PROCESS_NONE) this.#process = source;
    else if (source !== this.#process) {
      throw new SystemError("FRAME_INVALID", `a frame of ${source} came from ${this.#process}`);
    }
    for (const ask of parseMessage(asks, decodeFrame(frame).value)) this.#take(ask);
  }

  #take(ask: ObjectAsk): void {
    switch (ask.op) {
      case "hello":
        this.#greet(ask);
        return;
      case "reserve":
        this.#serve(ask.request, async () => this.#reserve(ask));
        return;
      case "adopt":
        this.#serve(ask.request, async () => this.#adopt(ask));
        return;
      case "give-back":
        this.#giveBack(ask.grant);
        return;
      case "bring":
        this.#serve(ask.request, () => this.#ports.objects.bring(ask.object, ask.waitMs));
        return;
      case "release":
        this.#serve(ask.request, async () => {
          this.#ports.objects.release(ask.objects, `process ${this.#process}`);
        });
        return;
      case "cancel":
        if (this.#pending.has(ask.request)) this.#cancelled.add(ask.request);
        return;
      default:
        ask satisfies never;
    }
  }

  /** Where its entry can be seen; in another name space nothing is concluded from its absence. */
  #greet({ pid, startTicks }: AskOf<"hello">): void {
    const seen = identityOf(pid);
    if (seen?.startTicks === startTicks) this.#identity = seen;
  }

  /** Answers a request once, with what it gives or why it fails. */
  #serve(request: number, work: () => Promise<ObjectReply | void>): void {
    if (this.#pending.size >= OBJECT_ASKS_MAX) {
      const error = new SystemError("OVERLOADED", `${OBJECT_ASKS_MAX} requests are under way`);
      this.#replies.add({ op: "failed", request, error: error.toData() } satisfies ObjectReply);
      return;
    }
    this.#pending.add(request);
    const answer = (reply: ObjectReply): void => {
      this.#pending.delete(request);
      this.#cancelled.delete(request);
      if (!this.#isGone) this.#replies.add(reply);
    };
    work().then(
      (reply) => answer(reply ?? { op: "done", request }),
      (thrown: unknown) => answer({ op: "failed", request, error: toSystemError(thrown).toData() }),
    );
  }

  async #reserve({
    request,
    job,
    bytes,
    waitMs,
    id: given,
  }: AskOf<"reserve">): Promise<ObjectReply> {
    const { objects } = this.#ports;
    objects.checkJob(job);
    const grant = await objects.store.reserve(job, bytes, waitMs, this);
    if (this.#isGone || this.#cancelled.has(request)) {
      objects.store.giveBack(grant);
      throw new SystemError("CANCELLED", "nobody waits for it any more");
    }
    this.#lastGrant += 1;
    const number = this.#lastGrant;
    const id = given ?? randomBytes(16).toString("hex");
    this.#grants.set(number, { grant, job, id });
    const { slot } = grant;
    const reply = { op: "granted", request, grant: number, id } as const;
    if (slot === undefined) return reply;
    return { ...reply, slot: { bytes: slot.bytes, path: slot.path, was: slot.was } };
  }

  #adopt({ grant: number }: AskOf<"adopt">): void {
    const granted = this.#grants.get(number);
    if (granted === undefined) throw new SystemError("USAGE", `no grant ${number}`);
    this.#grants.delete(number);
    const { grant, job, id } = granted;
    const { store } = this.#ports.objects;
    try {
      store.adopt(job, id, grant);
    } catch (thrown) {
      store.discard({ job, id });
      throw thrown;
    }
  }

  /** What was begun under it goes as well. */
  #giveBack(number: number): void {
    const granted = this.#grants.get(number);
    if (granted === undefined) return;
    this.#grants.delete(number);
    const { grant, job, id } = granted;
    const { store } = this.#ports.objects;
    store.discard({ job, id });
    store.giveBack(grant);
  }

  #close(): void {
    this.#isGone = true;
    for (const number of [...this.#grants.keys()]) this.#giveBack(number);
    const { store } = this.#ports.objects;
    store.endWriter(this);
    store.sweep();
    this.#mourn(OBJECT_END_LOOKS);
  }

  /** A connection may end before its process does; and that may go on, with its objects. */
  #mourn(looks: number): void {
    const { objects, clock } = this.#ports;
    if (this.#identity === undefined || looks === 0) return;
    if (!isAlive(this.#identity)) objects.endJob(this.#process);
    else clock.after(OBJECT_END_LOOK_MS, () => this.#mourn(looks - 1));
  }
}
