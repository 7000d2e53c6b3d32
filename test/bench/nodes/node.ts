/**
 * One node without a cluster: a store in its own folders and its own thread of transfers. Several
 * of them on one machine are as several machines to each other; who makes them carries frames.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, processClock } from "../../../runtime/clock.ts";
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { ObjectRef } from "../../../runtime/frame/object-ref.ts";
import { LANE_CONTROL } from "../../../runtime/frame/prefix.ts";
import {
  type Identity,
  newIdentity,
  newProcessId,
  PROCESS_NONE,
  type ProcessId,
} from "../../../runtime/ids.ts";
import { ObjectStore, type PutArray } from "../../../runtime/objects/index.ts";
import { Exchange } from "../../../worker/transfer/exchange.ts";

export const MB = 1_000_000;
export const JOB = "00000000000000aa" as ProcessId;

export interface NodeOptions {
  readonly limitBytes?: number;
  readonly spillBytes?: number;
  readonly native?: boolean;
  readonly identity?: Identity;
  /** Where its objects are; a new folder of shared memory unless given. */
  readonly root?: string;
  /** Of questions and tokens. */
  readonly clock?: Clock;
}

/** Carries a frame to an identity; may lose it. */
export type Send = (to: Identity, frame: Uint8Array) => void;

export class Node {
  readonly identity: Identity;
  readonly store: ObjectStore;
  readonly exchange: Exchange;
  readonly #process = newProcessId();
  readonly #folders: readonly string[];
  #isOver = false;

  constructor(send: Send, options: NodeOptions = {}) {
    const { limitBytes = 64 * MB, spillBytes, native = true, clock = processClock } = options;
    const root = options.root ?? mkdtempSync(join("/dev/shm", "ligase-test-"));
    const spillRoot = spillBytes === undefined ? root : mkdtempSync(join(tmpdir(), "ligase-test-"));
    this.#folders = [root, spillRoot];
    const spill = spillBytes === undefined ? {} : { spillRoot, spillLimitBytes: spillBytes };
    this.store = new ObjectStore({ limitBytes, root, native, ...spill });
    this.identity = options.identity ?? newIdentity("w");
    this.exchange = new Exchange({
      self: this.identity,
      process: this.#process,
      store: this.store,
      clock,
      native,
      sendFrame: send,
      sendValue: (to, destination, value) => {
        const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
        send(to, encodeFrame({ ...fields, destination, source: this.#process }, value));
      },
    });
  }

  /** A frame for this node itself. */
  deliver(from: Identity, frame: Uint8Array): void {
    if (this.#isOver) return;
    const { prefix, value } = decodeFrame(frame);
    if (prefix.destination !== this.#process && prefix.destination !== PROCESS_NONE) return;
    this.exchange.take(from, prefix.source, value);
  }

  /** Puts an object and gives its ref. */
  async put(array: PutArray, job = JOB): Promise<ObjectRef> {
    const { id, bytes } = await this.store.put(job, array);
    return new ObjectRef({ id, bytes, job, node: this.identity });
  }

  /** A copy of the bytes of an object of this node. */
  async read(id: string): Promise<Uint8Array> {
    const { array, release } = await this.store.get(id);
    const bytes = Uint8Array.from(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    release();
    return bytes;
  }

  /** It answers nothing and sends nothing any more. */
  async kill(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await this.exchange.stop();
    await this.store.close();
    for (const path of this.#folders) rmSync(path, { recursive: true, force: true });
  }
}

/** Bytes that differ from those of another seed almost everywhere. */
export function bytesOf(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0, x = seed | 1; at < length; at += 1) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = x >>> 24;
  }
  return bytes;
}
