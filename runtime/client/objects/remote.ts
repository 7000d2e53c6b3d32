/**
 * The objects of other machines for a process that has no store on its own: it fetches them into
 * its own memory, and puts its own at a node. Small ones need none of this: their refs carry them.
 */
import { randomBytes } from "node:crypto";
import * as v from "valibot";
import { SystemError } from "../../errors.ts";
import { ObjectRef } from "../../frame/object-ref.ts";
import type { Identity, ProcessId } from "../../ids.ts";
import { LIST_PAGE_MAX } from "../../limits.ts";
import { identity } from "../../bus/message-parts.ts";
import { parseMessage } from "../../messages.ts";
import { arrayOf, HEADER_BYTES, type ObjectHeader } from "../../objects/header.ts";
import type { OpenObject } from "../../objects/index.ts";
import { OBJECT_WAIT_MS } from "../../objects/limits.ts";
import type { ObjectPlace } from "../../objects/wire.ts";
import type { AskOptions, NodeAsks } from "../../transfer/asks.ts";
import { TransferConnection } from "../../transfer/connection.ts";
import { ASK_SILENT_MS } from "../../transfer/limits.ts";
import { type NodeAsk, offer, RELEASES_MAX } from "../../transfer/messages.ts";
import type { HeadClient } from "../head-client.ts";
import type { ObjectGetOptions, ObjectPutOptions, RemoteStore } from "./objects.ts";
import type { Payload } from "./payload.ts";

export interface RemoteParts {
  /** Who this client is. */
  readonly self: Identity;
  readonly asks: Pick<NodeAsks, "ask">;
  readonly head: Pick<HeadClient, "request">;
}

const nodePage = v.object({ entries: v.array(v.object({ worker: identity, state: v.string() })) });

export class RemoteObjects implements RemoteStore {
  readonly #parts: RemoteParts;
  #puts = 0;

  constructor(parts: RemoteParts) {
    this.#parts = parts;
  }

  /**
   * An object in this process's memory.
   * @throws {SystemError} OBJECT_LOST; TRANSFER_FAILED; CANCELLED.
   */
  async open(place: ObjectPlace, { signal }: ObjectGetOptions = {}): Promise<OpenObject> {
    const { node, id, bytes } = place;
    const want = { op: "object-want", object: id } as const;
    const { connection, token } = await this.#connect(node, want, { signal });
    try {
      return await connection.pull(token, async (header, fill) => {
        if (header.id !== id || header.bytes !== bytes) {
          throw new SystemError("TRANSFER_FAILED", "another object came than was asked for");
        }
        const file = new Uint8Array(HEADER_BYTES + bytes);
        await fill((offset, part) => file.set(part, HEADER_BYTES + offset));
        return { header, array: arrayOf(header, file.buffer), release: () => undefined };
      });
    } finally {
      connection.close();
    }
  }

  /**
   * Puts an object into the store of a node, the next one each time.
   * @throws {SystemError} NO_CAPACITY when there is no node; OBJECT_STORE_FULL; TRANSFER_FAILED;
   * CANCELLED.
   */
  async put(
    job: ProcessId,
    { kind, shape, parts }: Payload,
    { waitMs = OBJECT_WAIT_MS, signal }: ObjectPutOptions = {},
  ): Promise<ObjectRef> {
    const node = await this.#nextNode();
    const id = randomBytes(16).toString("hex");
    const header: ObjectHeader = { id, kind, shape, bytes: parts.bytes };
    const room = { op: "object-room", job, bytes: parts.bytes, waitMs: Math.ceil(waitMs) } as const;
    const how = { waitMs: waitMs + ASK_SILENT_MS, signal };
    const { connection, token } = await this.#connect(node, room, how);
    try {
      await connection.push(token, header, parts.parts);
      return new ObjectRef({ id, bytes: parts.bytes, job, node });
    } finally {
      connection.close();
    }
  }

  /** Ends objects; a node that answers nothing has none any more. */
  async release(places: readonly ObjectPlace[]): Promise<void> {
    const asked: Promise<unknown>[] = [];
    for (const [node, there] of Map.groupBy(places, (place) => place.node)) {
      for (let at = 0; at < there.length; at += RELEASES_MAX) {
        const objects = there.slice(at, at + RELEASES_MAX).map(({ id }) => id);
        asked.push(this.#parts.asks.ask(node, { op: "object-release", objects }));
      }
    }
    await Promise.allSettled(asked);
  }

  async #nextNode(): Promise<Identity> {
    const request = { op: "list", what: "nodes", filter: { state: "alive" } } as const;
    const page = { after: null, limit: LIST_PAGE_MAX };
    const answer = await this.#parts.head.request({ ...request, ...page });
    const { entries } = parseMessage(nodePage, answer);
    const chosen = entries[this.#puts % Math.max(1, entries.length)];
    this.#puts += 1;
    if (chosen !== undefined) return chosen.worker as Identity;
    throw new SystemError("NO_CAPACITY", "no worker of this cluster is there to hold an object");
  }

  async #connect(
    node: Identity,
    ask: NodeAsk,
    options: AskOptions,
  ): Promise<{ readonly connection: TransferConnection; readonly token: Uint8Array }> {
    const { asks, self } = this.#parts;
    const answer = await asks.ask(node, ask, options).catch((thrown: unknown) => {
      if (!(thrown instanceof SystemError) || thrown.code !== "DEADLINE_EXCEEDED") throw thrown;
      throw new SystemError("OBJECT_LOST", thrown.what, thrown.where, thrown);
    });
    const { token, ...door } = parseMessage(offer, answer);
    return { connection: await TransferConnection.open({ ...door, asker: self }), token };
  }
}
