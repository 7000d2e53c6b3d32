/**
 * Objects as one process has them: it puts arrays and values, gets views of them, waits for and
 * releases them. A small object is in its ref; others are in the store of a node, whose files this
 * process maps itself.
 *
 * Invariants: a ref is given out when its object is sealed; a view stays good for as long as it is
 * reachable, whatever becomes of the object; an object put within `inJob` belongs to that job.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { isIdentity } from "../../bus/subjects.ts";
import { SystemError } from "../../errors.ts";
import { ObjectRef } from "../../frame/object-ref.ts";
import type { ProcessId } from "../../ids.ts";
import { DEADLINE_MS_MAX } from "../../limits.ts";
import type { ObjectKind, OpenObject } from "../../objects/index.ts";
import {
  OBJECT_BYTES_MAX,
  OBJECT_GET_TRIES,
  OBJECT_INLINE_BYTES,
  OBJECT_REFS_PER_ASK,
  OBJECT_RELEASED_KEPT_MAX,
  OBJECT_WAIT_MS,
} from "../../objects/limits.ts";
import type { ObjectPlace, StoreDoor } from "../../objects/wire.ts";
import { Recipes } from "./recipes.ts";
import type { NodeAsks } from "../../transfer/asks.ts";
import { StoreDesk } from "./desk.ts";
import { imageOf, openImage, type Payload, payloadOf, valueOf } from "./payload.ts";
import { cancelled } from "./signals.ts";

export interface ObjectPutOptions {
  /** How bytes are to be read: `arrow` says that they are Arrow IPC. */
  readonly kind?: ObjectKind;
  /** Row-major; one dimension unless given. */
  readonly shape?: readonly number[];
  /** Milliseconds to wait for room before OBJECT_STORE_FULL. Default 10,000. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

export interface ObjectGetOptions {
  /** Milliseconds to wait for room to bring it here. Default 10,000. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
}

/** An object and what it was put as. */
export interface ObjectView {
  readonly kind: ObjectKind;
  readonly shape: readonly number[];
  /** The payload's bytes as the array they were put as. What is written into it stays here. */
  readonly array: OpenObject["array"];
  /** Ends the view before it is collected: the array is empty afterwards where it was mapped. */
  release(): void;
}

/** Where objects are that no store of this machine may have. */
export interface RemoteStore {
  put(job: ProcessId, payload: Payload, options: ObjectPutOptions): Promise<ObjectRef>;
  open(object: ObjectPlace, options: ObjectGetOptions): Promise<OpenObject>;
  release(objects: readonly ObjectPlace[]): Promise<void>;
}

export interface ObjectsParts {
  readonly self: ProcessId;
  /** The way into the store of this machine; undefined when it has none. */
  readonly door: () => Promise<StoreDoor | undefined>;
  /** Without a store here. */
  readonly remote?: RemoteStore | undefined;
  /** Questions to agents; none in executors. */
  readonly asks?: NodeAsks | undefined;
}

/** A store of this machine, or the way to one elsewhere. */
type Reached = StoreDesk | RemoteStore;

export class Objects {
  readonly #parts: ObjectsParts;
  readonly #jobs = new AsyncLocalStorage<ProcessId>();
  readonly #released = new Set<string>();
  /** Of this process's pure tasks. */
  readonly recipes = new Recipes();
  #reaching: Promise<Reached> | undefined;
  #desk: StoreDesk | undefined;
  #closed: SystemError | undefined;
  /** Small objects put so far. */
  #inlines = 0;
  /** Called before an object is put: the head must know that this process is there. */
  onOwns: (() => void) | undefined;
  /** The job of what is put outside of `inJob`: this process unless set. */
  job: ProcessId;

  /** Questions to agents; undefined in executors. */
  get asks(): NodeAsks | undefined {
    return this.#parts.asks;
  }

  constructor(parts: ObjectsParts) {
    this.#parts = parts;
    this.job = parts.self;
  }

  /** Runs something whose objects belong to a job of another process. */
  inJob<Result>(job: ProcessId, run: () => Result): Result {
    return this.#jobs.run(job, run);
  }

  /**
   * The name of a sealed copy of a value: an array as such, anything else that crosses as a value.
   * @throws {SystemError} OBJECT_STORE_FULL when no room came; USAGE; NOT_SERIALIZABLE; CANCELLED.
   */
  async put(value: unknown, options: ObjectPutOptions = {}, id?: string): Promise<ObjectRef> {
    this.#check(options.signal);
    checkWait(options.waitMs);
    const job = this.#jobs.getStore() ?? this.job;
    const payload = payloadOf(value, options);
    if (payload.parts.bytes <= OBJECT_INLINE_BYTES) return this.#inline(job, payload);
    this.onOwns?.();
    const store = await this.#reach();
    if (!(store instanceof StoreDesk)) return await store.put(job, payload, options);
    return await putHere(store, job, payload, options, id);
  }

  /**
   * The value of an object: without a copy where it is large, for as long as the result is
   * reachable. What is written into it stays here.
   * @throws {SystemError} OBJECT_LOST saying who and when; OBJECT_STORE_FULL; OBJECT_INVALID;
   * CANCELLED; USAGE for what is no ref.
   */
  async get(ref: ObjectRef, options: ObjectGetOptions = {}): Promise<unknown> {
    return valueOf(await this.#open(ref, options));
  }

  /** An object with what it was put as, and a way to end the view. @throws as `get`. */
  async view(ref: ObjectRef, options: ObjectGetOptions = {}): Promise<ObjectView> {
    const open = await this.#open(ref, options);
    const { kind, shape } = open.header;
    return { kind, shape, array: open.array, release: () => open.release() };
  }

  /** Has an object in this machine's memory. @throws as `get`. */
  async bring(ref: ObjectRef, options: ObjectGetOptions = {}): Promise<void> {
    (await this.#open(ref, options)).release();
  }

  /** The end of objects, wherever they are; views stay good. Twice is once. */
  async release(refs: readonly ObjectRef[]): Promise<void> {
    this.#check();
    const stored: ObjectPlace[] = [];
    for (const ref of refs) {
      checkRef(ref);
      if (ref.node !== null) placeOf(ref);
    }
    for (const ref of refs) {
      this.#remember(ref.id);
      const latest = this.recipes.latest(ref);
      // What is being made again just now goes when it is there.
      void this.recipes.forget(ref.id)?.then(
        (made) => this.release([made]),
        () => undefined,
      );
      if (latest.node !== null) stored.push(placeOf(latest));
    }
    if (stored.length === 0) return;
    const store = await this.#reach();
    if (!(store instanceof StoreDesk)) return await store.release(stored);
    for (let at = 0; at < stored.length; at += OBJECT_REFS_PER_ASK) {
      await store.ask({ op: "release", objects: stored.slice(at, at + OBJECT_REFS_PER_ASK) });
    }
  }

  /** Fails what is under way, and what comes. Views stay good. */
  close(error: SystemError): void {
    this.#closed ??= error;
    this.#desk?.close(error);
  }

  /** Its id is this process's and a number: random ones cost as much as all else of it. */
  #inline(job: ProcessId, payload: Payload): ObjectRef {
    this.#inlines += 1;
    const id = `${this.#parts.self}${this.#inlines.toString(16).padStart(16, "0")}`;
    const { bytes } = payload.parts;
    return new ObjectRef({ id, bytes, job, node: null, inline: imageOf(id, payload) });
  }

  /** Where it was put, or, of a pure task of this process, made again. */
  async #open(ref: ObjectRef, options: ObjectGetOptions): Promise<OpenObject> {
    const latest = this.recipes.latest(ref);
    try {
      return await this.#openAt(latest, options);
    } catch (thrown) {
      const isLost = thrown instanceof SystemError && thrown.code === "OBJECT_LOST";
      const again = isLost ? this.recipes.rebuild(latest) : undefined;
      if (again === undefined) throw thrown;
      return await this.#openAt(await again, options);
    }
  }

  async #openAt(ref: ObjectRef, options: ObjectGetOptions): Promise<OpenObject> {
    this.#check(options.signal);
    checkRef(ref);
    checkWait(options.waitMs);
    if (this.#released.has(ref.id)) {
      throw new SystemError("OBJECT_LOST", "this process released it", { object: ref.id });
    }
    if (ref.inline !== undefined) return openImage(ref.id, ref.inline);
    const place = placeOf(ref);
    const { id, job } = place;
    const store = await this.#reach();
    if (!(store instanceof StoreDesk)) return await store.open(place, options);
    const { waitMs = OBJECT_WAIT_MS, signal } = options;
    // Between the store's word and the look it may be moved again.
    for (let tries = 0; tries < OBJECT_GET_TRIES; tries += 1) {
      const found = store.reader.open({ job, id });
      if (found !== undefined) return found;
      await store.ask({ op: "bring", object: place, waitMs }, signal);
    }
    throw new SystemError("OBJECT_STORE_FULL", "it is moved to disk again and again", {
      object: id,
    });
  }

  /** The store of this machine, or the way to others. One that was lost is sought again. */
  async #reach(): Promise<Reached> {
    if (this.#desk?.isOpen === true) return this.#desk;
    this.#reaching ??= this.#seek().finally(() => {
      this.#reaching = undefined;
    });
    return await this.#reaching;
  }

  async #seek(): Promise<Reached> {
    const { door: find, remote, self } = this.#parts;
    const door = await find();
    if (door === undefined) {
      if (remote !== undefined) return remote;
      throw new SystemError("NO_CAPACITY", "no worker of this cluster runs on this machine");
    }
    const desk = await StoreDesk.open(self, door);
    if (this.#closed !== undefined) desk.close(this.#closed);
    this.#desk = desk;
    return desk;
  }

  #check(signal?: AbortSignal): void {
    if (this.#closed !== undefined) throw this.#closed;
    if (signal?.aborted === true) throw cancelled(signal);
  }

  #remember(id: string): void {
    this.#released.add(id);
    const [oldest] = this.#released;
    if (this.#released.size > OBJECT_RELEASED_KEPT_MAX && oldest !== undefined) {
      this.#released.delete(oldest);
    }
  }
}

/** @throws {SystemError} USAGE for what is no ref. */
function checkRef(ref: unknown): void {
  if (!(ref instanceof ObjectRef)) throw new SystemError("USAGE", "an ObjectRef is needed");
}

/** Where it is, as a store takes it. @throws {SystemError} USAGE for what no store gave out. */
function placeOf({ id, bytes, job, node }: ObjectRef): ObjectPlace {
  if (node !== null && isIdentity(node, "worker") && bytes <= OBJECT_BYTES_MAX) {
    return { id, bytes, job, node };
  }
  const what = `no store gave out a ref of ${bytes} bytes on ${node ?? "no node"}`;
  throw new SystemError("USAGE", what, { object: id });
}

/** @throws {SystemError} USAGE */
function checkWait(waitMs = 0): void {
  // The message that holds it is refused as a whole elsewhere, with all that others asked.
  if (typeof waitMs === "number" && waitMs >= 0 && waitMs <= DEADLINE_MS_MAX) return;
  const what = `waitMs is a number of milliseconds from 0 to ${DEADLINE_MS_MAX}`;
  throw new SystemError("USAGE", what);
}

async function putHere(
  desk: StoreDesk,
  job: ProcessId,
  { parts, kind, shape }: Payload,
  { waitMs = OBJECT_WAIT_MS, signal }: ObjectPutOptions,
  given?: string,
): Promise<ObjectRef> {
  const { bytes } = parts;
  if (given !== undefined && desk.reader.has({ job, id: given })) {
    return new ObjectRef({ id: given, bytes, job, node: desk.door.node });
  }
  const granted = await desk.reserve({ job, bytes, waitMs, id: given }, signal);
  const { id, slot } = granted;
  try {
    await desk.reader.writeParts(job, { id, kind, shape, bytes }, parts, slot);
  } catch (thrown) {
    desk.giveBack(granted);
    throw thrown;
  }
  await desk.ask({ op: "adopt", grant: granted.grant });
  return new ObjectRef({ id, bytes, job, node: desk.door.node });
}
