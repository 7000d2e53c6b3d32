/**
 * The actors that live in this process. Each has a mailbox: one call at a time, in the order they
 * came from each caller; an async method holds the turn until it settles.
 */
import { SystemError, toSystemError } from "../errors.ts";
import { MAILBOX_MAX } from "../limits.ts";
import { type ActorItem, actorItems, parseMessage } from "../messages.ts";
import type { ActorType } from "./registry.ts";

type Call = Extract<ActorItem, { kind: "call" }>;
/** Carries a reply back to the caller; may be called after the caller is gone. */
export type Reply = (item: ReplyItem) => void;
export type ReplyItem = Extract<ActorItem, { kind: "ok" | "error" }>;

interface Hosted {
  readonly instance: object;
  readonly waiting: { readonly call: Call; readonly reply: Reply }[];
  busy: boolean;
}

/** Methods every object has, which are nobody's to call from afar. */
const FORBIDDEN = new Set(["constructor", ...Object.getOwnPropertyNames(Object.prototype)]);

export class ActorHost {
  readonly #actors = new Map<string, Hosted>();

  /** @throws {SystemError} APPLICATION with what the constructor threw. */
  create(actorId: string, type: ActorType, args: readonly unknown[]): void {
    try {
      const instance = new type.class(...(args as never[]));
      this.#actors.set(actorId, { instance, waiting: [], busy: false });
    } catch (thrown) {
      throw toSystemError(thrown, "APPLICATION");
    }
  }

  /** Calls that came in one frame. */
  take(value: unknown, reply: Reply): void {
    for (const item of parseMessage(actorItems, value)) {
      if (item.kind === "call") this.#receive(item, reply);
    }
  }

  #receive(call: Call, reply: Reply): void {
    const hosted = this.#actors.get(call.actorId);
    if (hosted === undefined) {
      reply(failed(call, new SystemError("ACTOR_NOT_FOUND", `no actor ${call.actorId} here`)));
    } else if (hosted.waiting.length >= MAILBOX_MAX) {
      reply(failed(call, new SystemError("OVERLOADED", `${MAILBOX_MAX} calls wait already`)));
    } else {
      hosted.waiting.push({ call, reply });
      if (!hosted.busy) void this.#work(hosted);
    }
  }

  async #work(hosted: Hosted): Promise<void> {
    hosted.busy = true;
    for (;;) {
      const next = hosted.waiting.shift();
      if (next === undefined) break;
      next.reply(await invoke(hosted.instance, next.call));
    }
    hosted.busy = false;
  }
}

async function invoke(instance: object, call: Call): Promise<ReplyItem> {
  try {
    const method: unknown = FORBIDDEN.has(call.method)
      ? undefined
      : Reflect.get(instance, call.method);
    if (typeof method !== "function") {
      throw new SystemError("ACTOR_NOT_FOUND", `the actor has no method ${call.method}`);
    }
    const value: unknown = await Reflect.apply(method, instance, call.args);
    return { kind: "ok", id: call.id, value };
  } catch (thrown) {
    return failed(call, toSystemError(thrown, "APPLICATION"));
  }
}

function failed(call: Call, error: SystemError): ReplyItem {
  return { kind: "error", id: call.id, error: error.toData() };
}
