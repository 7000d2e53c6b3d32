/**
 * How a client outside of executors finds the store of its machine: the head says which worker runs
 * here, and that worker's agent, asked over the bus, opens a way in for this client alone.
 */
import * as v from "valibot";
import { type Clock, every, processClock } from "../../clock.ts";
import { SystemError } from "../../errors.ts";
import type { Identity, ProcessId } from "../../ids.ts";
import { API_REPEAT_MS } from "../../limits.ts";
import { identity, processId } from "../../bus/message-parts.ts";
import { parseMessage } from "../../messages.ts";
import { OBJECT_REACH_MS, OBJECT_SEEK_MS } from "../../objects/limits.ts";
import { doorReply, type StoreDoor } from "../../objects/wire.ts";
import type { HeadClient } from "../head-client.ts";

export interface DoorPorts {
  readonly head: Pick<HeadClient, "request">;
  /** This machine. */
  readonly host: string;
  /** Sends a value to a worker's agent, on no link. */
  readonly send: (to: Identity, agent: ProcessId, value: unknown) => void;
  readonly clock?: Clock;
}

/** Agents of one machine that are asked: tests run several. */
const NODES_ASKED = 32;

const nodePage = v.object({
  entries: v.array(v.object({ worker: identity, process: processId })),
});

export class DoorSeeker {
  readonly #ports: DoorPorts;
  readonly #pending = new Map<number, (door: StoreDoor | undefined) => void>();
  #nextRequest = 1;

  constructor(ports: DoorPorts) {
    this.#ports = ports;
  }

  /**
   * The way in, or undefined: no worker runs here, or the one that does has no store.
   * @throws {SystemError} DEADLINE_EXCEEDED when the head or all agents here stay silent.
   */
  async seek(): Promise<StoreDoor | undefined> {
    const { clock = processClock, host } = this.#ports;
    const lateMs = clock.now() + OBJECT_REACH_MS;
    let entries = await this.#nodes({ host });
    // A cluster that has just begun has a head before it has a worker.
    while (entries.length === 0 && clock.now() < lateMs && (await this.#nodes({})).length === 0) {
      await new Promise<void>((resolve) => void clock.after(OBJECT_SEEK_MS, resolve));
      entries = await this.#nodes({ host });
    }
    for (const { worker, process } of entries) {
      const door = await this.#ask(worker as Identity, process as ProcessId);
      if (door !== undefined) return door;
    }
    return undefined;
  }

  async #nodes(filter: { readonly host?: string }) {
    const list = { op: "list", what: "nodes", filter, after: null, limit: NODES_ASKED } as const;
    return parseMessage(nodePage, await this.#ports.head.request(list)).entries;
  }

  /** An agent's answer. @returns whether it was one. */
  take(value: unknown): boolean {
    const parsed = v.safeParse(doorReply, value);
    if (!parsed.success) return false;
    this.#pending.get(parsed.output.request)?.(parsed.output.door ?? undefined);
    return true;
  }

  /** The bus may lose it: asked again until answered. */
  async #ask(worker: Identity, agent: ProcessId): Promise<StoreDoor | undefined> {
    const { clock = processClock, send } = this.#ports;
    const request = this.#nextRequest;
    this.#nextRequest += 1;
    const ask = (): void => send(worker, agent, { op: "objects-door", request });
    const { promise, resolve, reject } = Promise.withResolvers<StoreDoor | undefined>();
    this.#pending.set(request, resolve);
    const stop = every(clock, API_REPEAT_MS, ask);
    const late = clock.after(OBJECT_REACH_MS, () => {
      reject(new SystemError("DEADLINE_EXCEEDED", `worker ${worker} gives no way into its store`));
    });
    ask();
    return await promise.finally(() => {
      stop();
      late();
      this.#pending.delete(request);
    });
  }
}
