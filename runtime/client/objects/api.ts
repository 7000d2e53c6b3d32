/** A client's objects: what a cluster's handle offers of them. */
import { SystemError } from "../../errors.ts";
import { ObjectRef } from "../../frame/object-ref.ts";
import type { HeadClient } from "../head-client.ts";
import { Jobs } from "../jobs/jobs.ts";
import type { ObjectGetOptions, ObjectPutOptions, Objects, ObjectView } from "./objects.ts";
import {
  askMemory,
  askObjects,
  type NodeMemory,
  type NodeObjectPage,
  type ObjectListOptions,
  type ViewParts,
} from "./views.ts";
import { type Waited, waitFor, type WaitOptions } from "./wait.ts";

/** What `get` gives of what was put: bytes of any form come back as Uint8Array. */
export type ObjectValue<Put> = Put extends ArrayBuffer | SharedArrayBuffer | Buffer
  ? Uint8Array<ArrayBuffer>
  : Put;

/** Values of several refs, in their order. */
export type ObjectValues<Refs extends readonly ObjectRef[]> = {
  -readonly [Index in keyof Refs]: Refs[Index] extends ObjectRef<infer Put>
    ? ObjectValue<Put>
    : never;
};

/** See the members. */
export class SharedObjects extends Jobs {
  readonly #objects: Objects;

  readonly #views: ViewParts;

  constructor(head: HeadClient, objects: Objects) {
    super(head);
    this.#objects = objects;
    this.#views = { head, asks: objects.asks };
  }

  /**
   * Puts a copy of a value where every process of the cluster can get it: an array of bytes or
   * numbers, Arrow IPC (`kind: "arrow"`), or anything else that an argument may be. It lives until
   * it is released or this client's (or driver's, or task's owner's) process ends.
   *
   * @param value - not to be changed before the promise settles.
   * @throws {SystemError} OBJECT_STORE_FULL when no room came in time, saying who holds what; USAGE
   * for a detached array, or a kind or shape that doesn't fit; NOT_SERIALIZABLE; CANCELLED.
   */
  put<Value>(value: Value, options: ObjectPutOptions = {}): Promise<ObjectRef<Value>> {
    return this.#objects.put(value, options) as Promise<ObjectRef<Value>>;
  }

  /**
   * What was put; of several refs, an array. A large one isn't copied: it is a view of the node's
   * shared memory, stays good for as long as it is reachable, and what is written into it stays
   * in this process.
   *
   * @throws {SystemError} OBJECT_LOST saying who and when; OBJECT_STORE_FULL when no room came to
   * bring it here; OBJECT_INVALID; CANCELLED; USAGE for what is no ref.
   */
  get<Put>(ref: ObjectRef<Put>, options?: ObjectGetOptions): Promise<ObjectValue<Put>>;
  get<const Refs extends readonly ObjectRef[]>(
    refs: Refs,
    options?: ObjectGetOptions,
  ): Promise<ObjectValues<Refs>>;
  async get(refs: ObjectRef | readonly ObjectRef[], options: ObjectGetOptions = {}) {
    if (refs instanceof ObjectRef) return (await this.#objects.get(refs, options)) as never;
    if (!Array.isArray(refs))
      throw new SystemError("USAGE", "get takes a ref, or an array of them");
    const all = (refs as readonly ObjectRef[]).map((ref) => this.#objects.get(ref, options));
    return (await Promise.all(all)) as never;
  }

  /** An object with its kind and shape, and a way to end the view early. @throws as `get`. */
  view(ref: ObjectRef, options?: ObjectGetOptions): Promise<ObjectView> {
    return this.#objects.view(ref, options);
  }

  /**
   * Waits until `count` of the items (all unless given) are ready, or for `timeoutMs`: an object is
   * when it can be had on this machine without waiting or never will be, a task's handle when it
   * has settled.
   * @throws {SystemError} USAGE; CANCELLED by the signal.
   */
  wait<Item extends ObjectRef | PromiseLike<unknown>>(
    items: readonly Item[],
    options: WaitOptions = {},
  ): Promise<Waited<Item>> {
    return waitFor(this.#objects, items, options);
  }

  /**
   * The end of objects, here and where they were put; views stay good. Twice is once. Copies that
   * other nodes fetched go when their memory is needed, or with the job.
   */
  release(refs: ObjectRef | readonly ObjectRef[]): Promise<void> {
    return this.#objects.release(refs instanceof ObjectRef ? [refs] : refs);
  }

  /** A page of the cluster's objects, filtered before it is cut. @throws {SystemError} USAGE. */
  objects(options: ObjectListOptions = {}): Promise<NodeObjectPage> {
    return askObjects(this.#views, options);
  }

  /** What the nodes' memory for objects is used for. @param node - that one alone. */
  memory(node?: string): Promise<NodeMemory[]> {
    return askMemory(this.#views, node);
  }
}
