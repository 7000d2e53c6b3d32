/**
 * The objects of one node: its agent's store, and the socket by which processes of the machine ask
 * for room in it and for what isn't in its memory. They map the store's files themselves: no byte
 * of an object passes here.
 *
 * Invariants: each process has a token of its own; what a connection was granted goes back with
 * it; an object that several want at once is fetched once; nothing is put for a job that ended.
 */
import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { type Channel, listenSocket, type SocketServer } from "../../runtime/bus/socket.ts";
import { type Clock, processClock } from "../../runtime/clock.ts";
import { SystemError } from "../../runtime/errors.ts";
import type { Identity, ProcessId } from "../../runtime/ids.ts";
import { ObjectStore, type StoreOptions } from "../../runtime/objects/index.ts";
import {
  OBJECT_DOOR_MS,
  OBJECT_DOORS_MAX,
  OBJECT_ENDS_KEPT_MAX,
  OBJECT_JOBS_ENDED_MAX,
} from "../../runtime/objects/limits.ts";
import type { ObjectPlace, StoreDoor } from "../../runtime/objects/wire.ts";
import { Desk } from "./desk.ts";

export interface NodeObjectsOptions extends Omit<StoreOptions, "clock"> {
  /** The worker whose node it is, and its agent's process. */
  readonly node: Identity;
  readonly process: ProcessId;
  /** Folder of the socket. */
  readonly runtimeDir: string;
  readonly clock?: Clock;
}

/** Brings an object of another node into the store, under its own id and job. */
export type Fetch = (object: ObjectPlace, signal: AbortSignal) => Promise<void>;

export class NodeObjects {
  readonly store: ObjectStore;
  readonly node: Identity;
  readonly process: ProcessId;
  /** Set by who can reach other nodes. @throws {SystemError} OBJECT_LOST and others. */
  fetch: Fetch | undefined;
  /** Set by the same: objects of other nodes are to end there. */
  releaseElsewhere: ((objects: readonly ObjectPlace[]) => void) | undefined;
  readonly #socket: string;
  readonly #clock: Clock;
  readonly #tokens = new Set<string>();
  readonly #ended = new Set<string>();
  /** Where objects were that were released here, the last ones. */
  readonly #releasedFrom = new Map<string, string>();
  readonly #fetches = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  #server: SocketServer | undefined;

  /** @throws {SystemError} STORAGE_FAILED when the store's folders can't be made. */
  constructor(options: NodeObjectsOptions) {
    const { node, process, runtimeDir, clock = processClock } = options;
    this.node = node;
    this.process = process;
    this.#clock = clock;
    this.#socket = join(runtimeDir, `${process}-objects.sock`);
    this.store = new ObjectStore({ ...options, clock });
  }

  /** Serves processes of this machine from now on. */
  async open(): Promise<void> {
    this.#server = await listenSocket(this.#socket, {
      token: this.#tokens,
      onConnection: (channel) => this.#admit(channel),
    });
  }

  /**
   * A way in for one process. It stands until that process is gone; unused, for a while.
   * @throws {SystemError} OVERLOADED when too many stand open.
   */
  door(): StoreDoor {
    if (this.#tokens.size >= OBJECT_DOORS_MAX) {
      throw new SystemError("OVERLOADED", `${OBJECT_DOORS_MAX} processes use this store`);
    }
    const token = randomUUID();
    this.#tokens.add(token);
    return { socket: this.#socket, token, folder: this.store.folder, node: this.node };
  }

  /** A way in is used no more. */
  shut(token: string): void {
    this.#tokens.delete(token);
  }

  /** A door for a process that asked from afar: shut unless it comes soon. */
  lend(): StoreDoor {
    const door = this.door();
    this.#clock.after(OBJECT_DOOR_MS, () => this.shut(door.token));
    return door;
  }

  /** Processes that have objects here, whose ends are these objects'; asked at each report. */
  jobs(): string[] {
    this.store.settle();
    return [...this.store.jobs.keys()];
  }

  /** A job is over: nothing of it is left here, and nothing is put for it any more. */
  endJob(job: string): void {
    this.#ended.add(job);
    const [oldest] = this.#ended;
    if (this.#ended.size > OBJECT_JOBS_ENDED_MAX && oldest !== undefined) {
      this.#ended.delete(oldest);
    }
    this.store.endJob(job);
  }

  /** @throws {SystemError} CANCELLED when the job is over. */
  checkJob(job: string): void {
    if (this.#ended.has(job)) throw new SystemError("CANCELLED", `job ${job} is over`, { job });
  }

  /**
   * Has an object in this store's memory, from the disk or another node.
   * @throws {SystemError} OBJECT_LOST; OBJECT_STORE_FULL when no room came.
   */
  async bring(object: ObjectPlace, waitMs: number): Promise<void> {
    const { id, job, node } = object;
    if (this.store.has(id)) {
      const view = await this.store.get(id, waitMs);
      view.release();
      return;
    }
    // What was released at another place than the ref's was made again there since.
    if (node === this.node || this.#releasedFrom.get(id) === node) {
      throw this.store.lostAt(id, this.node);
    }
    if (this.#ended.has(job)) {
      throw new SystemError("OBJECT_LOST", `its job ${job} is over`, { object: id, node });
    }
    if (this.fetch === undefined) {
      const what = "it is on another node, and none can be reached from here";
      throw new SystemError("OBJECT_LOST", what, { object: id, node });
    }
    const fetching = this.#fetches.get(id) ?? this.fetch(object, this.#closing.signal);
    this.#fetches.set(id, fetching);
    await fetching.finally(() => {
      if (this.#fetches.get(id) === fetching) this.#fetches.delete(id);
    });
  }

  /** Ends objects, here and where they were put. @param by - who says so, in words. */
  release(objects: readonly ObjectPlace[], by: string): void {
    const elsewhere: ObjectPlace[] = [];
    for (const object of objects) {
      // What was never here is asked for where it was: that node knows who ended it, and when.
      if (this.store.has(object.id)) this.#noteReleased(object);
      this.store.release(object.id, `released by ${by}`);
      if (object.node !== this.node) elsewhere.push(object);
    }
    if (elsewhere.length > 0) this.releaseElsewhere?.(elsewhere);
  }

  #noteReleased({ id, node }: ObjectPlace): void {
    this.#releasedFrom.set(id, node);
    const [oldest] = this.#releasedFrom.keys();
    if (this.#releasedFrom.size > OBJECT_ENDS_KEPT_MAX && oldest !== undefined) {
      this.#releasedFrom.delete(oldest);
    }
  }

  /** Ends the store with all that is in it; views of others stay good. */
  async close(): Promise<void> {
    this.#closing.abort(new SystemError("CANCELLED", "the agent ends"));
    this.#tokens.clear();
    const closed = this.#server?.close();
    rmSync(this.#socket, { force: true });
    await this.store.close();
    await closed;
  }

  #admit(channel: Channel): void {
    const desk = new Desk({ objects: this, channel, clock: this.#clock });
    desk.open();
  }
}
