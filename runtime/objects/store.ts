/**
 * The objects of one node: immutable arrays in shared memory, under a limit of bytes, spilled to
 * the local disk beyond it. One process has the store and accounts for all of it; others of the
 * machine read its folder (`ObjectReader`), and write into it what they were granted.
 *
 * Invariants: bytes granted, of objects in memory and of idle files together never exceed the
 * limit; a grant is used or given back once; an object is in one state, and moves between them one
 * step at a time (`moving`); what is pinned by a reader stays in memory. Long because every move
 * of an object changes the same few sums, which only hold together.
 */
import { randomBytes } from "node:crypto";
import { type Clock, processClock } from "../clock.ts";
import { SystemError } from "../errors.ts";
import type { ProcessId } from "../ids.ts";
import { ObjectRef } from "../frame/object-ref.ts";
import { regionStatus } from "../native/regions.ts";
import { CopiedFiles } from "./copied.ts";
import { type ObjectFiles, ObjectFolder, type OpenObject, type Slot, type Write } from "./files.ts";
import { headerOf, type PutArray, type ObjectHeader, type ObjectKind } from "./header.ts";
import {
  OBJECT_POOL_SHARE,
  OBJECT_SPILL_TRIES,
  OBJECT_STEP_BYTES,
  OBJECT_WAIT_MS,
  OBJECTS_MAX,
} from "./limits.ts";
import { MappedFiles } from "./mapped.ts";
import { type OwnFolder, ownFolder, sharedRoot, sweepDead } from "./owners.ts";
import { type Ask, Room } from "./room.ts";
import { SpillFolder } from "./spill.ts";

export interface StoreOptions {
  /** The process that refs of this store name. */
  readonly owner: ProcessId;
  /** Bytes of shared memory that it may take. */
  readonly limitBytes: number;
  /** Folder on the local disk; without one nothing is spilled. */
  readonly spillRoot?: string;
  /** Bytes on the disk. */
  readonly spillLimitBytes?: number;
  /** Folder on a memory file system; this user's in /dev/shm. */
  readonly root?: string;
  readonly clock?: Clock;
  /** Whether to use the addon, where it is. */
  readonly native?: boolean;
}

export interface PutOptions {
  /** How the bytes are to be read; `arrow` says that they are Arrow IPC. */
  readonly kind?: ObjectKind;
  /** Row-major; one dimension unless given. */
  readonly shape?: readonly number[];
  /** Milliseconds to wait for room. */
  readonly waitMs?: number;
}

/** Bytes of a store and what they are. */
export interface StoreUsage {
  readonly limitBytes: number;
  /** In shared memory: objects, idle and granted bytes. <= limitBytes */
  readonly sharedBytes: number;
  readonly idleBytes: number;
  readonly grantedBytes: number;
  readonly spilledBytes: number;
  readonly objects: number;
  readonly spilledObjects: number;
  readonly waiting: number;
}

/** Bytes that one object may take. Used by `adopt` or a write, or given back: once. */
export interface Grant {
  readonly job: string;
  readonly bytes: number;
  readonly slot: Slot | undefined;
}

interface Entry {
  readonly job: string;
  /** As the object takes them where it is. */
  bytes: number;
  isSpilled: boolean;
  /** Settles when the move that goes on has ended; never rejects. */
  moving: Promise<void> | undefined;
  isReleased: boolean;
}

export class ObjectStore {
  /** Where readers of this machine find the objects. */
  readonly folder: string;
  /** How objects are read and written here, as a line for people. */
  readonly how: string;
  readonly #options: StoreOptions;
  readonly #own: OwnFolder;
  readonly #ownSpill: OwnFolder | undefined;
  readonly #names: ObjectFolder;
  readonly #files: ObjectFiles;
  readonly #spill: SpillFolder | undefined;
  readonly #room: Room<Grant>;
  readonly #entries = new Map<string, Entry>();
  /** Those of `entries` that are in memory, in order of use, the longest unused first. */
  readonly #shared = new Map<string, Entry>();
  /** Those of ended jobs are used in vain. */
  readonly #grants = new Map<Grant, { isEnded: boolean }>();
  #sharedBytes = 0;
  #grantedBytes = 0;
  #spilledBytes = 0;
  #isClosed = false;

  /**
   * A store in folders of its own; what dead processes left in their roots is swept.
   * @throws {SystemError} STORAGE_FAILED when a folder can't be made; USAGE for a limit of none.
   */
  constructor(options: StoreOptions) {
    const { limitBytes, spillRoot, root = sharedRoot(), clock = processClock } = options;
    if (!Number.isSafeInteger(limitBytes) || limitBytes <= 0) {
      throw new SystemError("USAGE", "a store's limit is a positive number of bytes");
    }
    const status = regionStatus();
    const addon = options.native === false ? undefined : status.addon;
    for (const one of [root, spillRoot]) if (one !== undefined) sweepDead(one, addon);
    this.#options = options;
    this.#own = ownFolder(root, addon);
    this.#ownSpill = spillRoot === undefined ? undefined : ownFolder(spillRoot, addon);
    this.#spill = this.#ownSpill === undefined ? undefined : new SpillFolder(this.#ownSpill.path);
    this.folder = this.#own.path;
    this.#names = new ObjectFolder(this.folder);
    this.#names.make();
    this.#files =
      addon === undefined
        ? new CopiedFiles(this.#names)
        : new MappedFiles(addon, this.#names, limitBytes * OBJECT_POOL_SHARE);
    this.how = addon === undefined && status.addon !== undefined ? "copies asked for" : status.text;
    this.#room = new Room({
      clock,
      tryGrant: (ask) => this.#tryGrant(ask),
      makeRoom: () => this.#makeRoom(),
      state: () => this.#state(),
    });
  }

  /**
   * Seals a copy of an array as a new object.
   * @param array - not to be changed before the promise settles.
   * @throws {SystemError} OBJECT_STORE_FULL when no room came; USAGE; CANCELLED.
   */
  async put(job: string, array: PutArray, options: PutOptions = {}): Promise<ObjectRef> {
    const header = headerOf(randomBytes(16).toString("hex"), array, options);
    const grant = await this.#reserve(job, header.bytes, options.waitMs, true);
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    await this.#write(job, header, grant, (write) => copyIn(bytes, header.bytes, write));
    return new ObjectRef({ id: header.id, bytes: header.bytes, owner: this.#options.owner });
  }

  /**
   * Room for an object that another process writes.
   * @param bytes - of the payload.
   * @throws {SystemError} OBJECT_STORE_FULL; CANCELLED when the job ends meanwhile.
   */
  reserve(job: string, bytes: number, waitMs = OBJECT_WAIT_MS): Promise<Grant> {
    return this.#reserve(job, bytes, waitMs, false);
  }

  /** Gives a grant back that nothing was written for. */
  giveBack(grant: Grant): void {
    this.#settleGrant(grant);
    if (grant.slot !== undefined) this.#files.giveUp(grant.slot);
    this.#room.changed();
  }

  /**
   * Takes over an object that another process sealed under a grant.
   * @throws {SystemError} OBJECT_LOST when it isn't there, OBJECT_INVALID when it is larger than
   * the grant; the grant is given back then.
   */
  adopt(job: string, id: string, grant: Grant): ObjectRef {
    try {
      const found = this.#files.open({ job, id });
      if (found === undefined) throw new SystemError("OBJECT_LOST", "nothing was sealed");
      const { bytes } = found.header;
      found.release();
      const taken = this.#files.footprint(bytes);
      if (taken > grant.bytes || this.#entries.has(id)) {
        this.#files.remove({ job, id }, taken);
        throw new SystemError("OBJECT_INVALID", `${taken} bytes were sealed for ${grant.bytes}`);
      }
      this.#enter(job, id, taken, grant);
      return new ObjectRef({ id, bytes, owner: this.#options.owner });
    } catch (thrown) {
      if (this.#grants.has(grant)) this.giveBack(grant);
      throw thrown;
    }
  }

  /**
   * An object as a view, which pins it until its release; from the disk, if it was spilled.
   * @throws {SystemError} OBJECT_LOST for one that isn't here; OBJECT_STORE_FULL when no room came
   * to bring it back.
   */
  async get(id: string, waitMs = OBJECT_WAIT_MS): Promise<OpenObject> {
    for (;;) {
      const entry = this.#entries.get(id);
      if (entry === undefined) throw lost(id);
      if (entry.moving !== undefined) await entry.moving;
      else if (entry.isSpilled) await this.#restore(id, entry, waitMs);
      else {
        const found = this.#files.open({ job: entry.job, id });
        if (found === undefined) {
          this.#forget(id, entry);
          throw lost(id);
        }
        this.#touch(id, entry);
        return found;
      }
    }
  }

  /** Whether it is here, in memory or on disk. */
  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** The end of an object; views of it stay good. @returns whether it was here. */
  release(id: string): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#entries.delete(id);
    entry.isReleased = true;
    // What moves is dropped where it arrives.
    if (entry.moving === undefined) this.#drop(id, entry);
    return true;
  }

  /** The end of a job: all its objects, and all waits for room, end. */
  endJob(job: string): void {
    this.#room.cancel(job);
    for (const [grant, state] of this.#grants) if (grant.job === job) state.isEnded = true;
    for (const [id, entry] of this.#entries) if (entry.job === job) this.release(id);
    // Memory that was the job's is no other's: it goes back to the machine.
    while (this.#files.dropIdle());
    this.#names.removeJob(job);
    this.#room.changed();
  }

  /** Files that dead processes of this machine were writing here. @returns how many went. */
  sweep(): number {
    return this.#names.sweep();
  }

  usage(): StoreUsage {
    const idleBytes = this.#files.idleBytes();
    return {
      limitBytes: this.#options.limitBytes,
      sharedBytes: this.#sharedBytes + this.#grantedBytes + idleBytes,
      idleBytes,
      grantedBytes: this.#grantedBytes,
      spilledBytes: this.#spilledBytes,
      objects: this.#entries.size,
      spilledObjects: this.#entries.size - this.#shared.size,
      waiting: this.#room.waiting,
    };
  }

  /** Ends all objects and takes the folders away; views stay good. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#room.cancel();
    for (const state of this.#grants.values()) state.isEnded = true;
    const moves = [...this.#entries.values()].flatMap(({ moving }) => moving ?? []);
    for (const id of [...this.#entries.keys()]) this.release(id);
    await Promise.all(moves);
    while (this.#files.dropIdle());
    this.#own.remove();
    this.#ownSpill?.remove();
  }

  async #reserve(
    job: string,
    bytes: number,
    waitMs = OBJECT_WAIT_MS,
    mayReuse: boolean,
  ): Promise<Grant> {
    if (this.#isClosed) throw new SystemError("CANCELLED", "the store is closed");
    const isNever = this.#files.footprint(bytes) > this.#options.limitBytes;
    if (isNever || this.#entries.size >= OBJECTS_MAX) {
      const what = `${bytes} bytes beside ${this.#entries.size} objects: ${this.#state()}`;
      throw new SystemError("OBJECT_STORE_FULL", what);
    }
    return await this.#room.ask({ job, bytes, mayReuse }, waitMs);
  }

  #tryGrant(ask: Ask): Grant | undefined {
    const slot = ask.mayReuse ? this.#files.reuse(ask.bytes) : undefined;
    const bytes = slot?.bytes ?? this.#files.footprint(ask.bytes);
    const used = this.#sharedBytes + this.#grantedBytes + this.#files.idleBytes();
    if (used + bytes > this.#options.limitBytes) {
      if (slot !== undefined) this.#files.giveUp(slot);
      return undefined;
    }
    const grant = { job: ask.job, bytes, slot };
    this.#grants.set(grant, { isEnded: false });
    this.#grantedBytes += bytes;
    return grant;
  }

  /** @throws {SystemError} INTERNAL for a grant that was used or given back. */
  #settleGrant(grant: Grant): { readonly isEnded: boolean } {
    const state = this.#grants.get(grant);
    if (state === undefined) throw new SystemError("INTERNAL", "a grant used twice");
    this.#grants.delete(grant);
    this.#grantedBytes -= grant.bytes;
    return state;
  }

  async #write(
    job: string,
    header: ObjectHeader,
    grant: Grant,
    fill: (write: Write) => Promise<void>,
  ): Promise<void> {
    try {
      const bytes = await this.#files.write(job, header, fill, grant.slot);
      this.#enter(job, header.id, bytes, grant);
    } catch (thrown) {
      if (this.#grants.has(grant)) this.#settleGrant(grant);
      this.#room.changed();
      throw thrown;
    }
  }

  /** @throws {SystemError} CANCELLED when the job ended while the object was written. */
  #enter(job: string, id: string, bytes: number, grant: Grant): void {
    if (this.#settleGrant(grant).isEnded) {
      this.#files.remove({ job, id }, bytes);
      throw new SystemError("CANCELLED", "the job of this object ended");
    }
    const here = { job, bytes, isSpilled: false, moving: undefined, isReleased: false };
    this.#entries.set(id, here);
    this.#shared.set(id, here);
    this.#sharedBytes += bytes;
  }

  /** Used now: the last to be spilled. */
  #touch(id: string, entry: Entry): void {
    this.#shared.delete(id);
    this.#shared.set(id, entry);
  }

  /** One object out of memory; the longest unused of those that nobody reads. */
  async #makeRoom(): Promise<boolean> {
    if (this.#files.dropIdle()) return true;
    if (this.#spill === undefined) return false;
    const room = (this.#options.spillLimitBytes ?? 0) - this.#spilledBytes;
    let tries = Math.min(OBJECT_SPILL_TRIES, this.#shared.size);
    for (const [id, entry] of this.#shared) {
      if (tries === 0) return false;
      tries -= 1;
      if (entry.bytes > room || entry.moving !== undefined) continue;
      const taken = this.#files.take({ job: entry.job, id });
      if (taken !== undefined) {
        const done = this.#spillOne(this.#spill, id, entry, taken);
        entry.moving = done.then(() => undefined);
        return await done;
      }
      // It is being read: used now.
      this.#touch(id, entry);
    }
    return false;
  }

  async #spillOne(
    spill: SpillFolder,
    id: string,
    entry: Entry,
    taken: NonNullable<ReturnType<ObjectFiles["take"]>>,
  ): Promise<boolean> {
    this.#spilledBytes += entry.bytes;
    try {
      await spill.write(id, taken);
    } catch {
      // A disk that is full or broken: the object stays where it is, and room is made elsewhere.
      this.#spilledBytes -= entry.bytes;
      entry.moving = undefined;
      taken.giveBack();
      if (entry.isReleased) this.#drop(id, entry);
      else this.#touch(id, entry);
      return false;
    }
    entry.moving = undefined;
    this.#shared.delete(id);
    this.#sharedBytes -= entry.bytes;
    entry.isSpilled = true;
    taken.drop();
    if (entry.isReleased) this.#drop(id, entry);
    return true;
  }

  async #restore(id: string, entry: Entry, waitMs: number): Promise<void> {
    const { spill, job } = { spill: this.#spill, job: entry.job };
    if (spill === undefined) throw lost(id);
    let settle = (): void => undefined;
    entry.moving = new Promise((resolve) => {
      settle = resolve;
    });
    try {
      await spill.read(id, async (header, fill) => {
        const grant = await this.#reserve(job, header.bytes, waitMs, true);
        const before = entry.bytes;
        try {
          entry.bytes = await this.#files.write(job, header, fill, grant.slot);
        } finally {
          this.#settleGrant(grant);
          this.#room.changed();
        }
        this.#sharedBytes += entry.bytes;
        this.#spilledBytes -= before;
        entry.isSpilled = false;
        this.#shared.set(id, entry);
      });
      await spill.remove(id);
    } finally {
      entry.moving = undefined;
      settle();
      if (entry.isReleased) this.#drop(id, entry);
    }
  }

  /** Takes the bytes of a released object away. */
  #drop(id: string, entry: Entry): void {
    this.#shared.delete(id);
    if (entry.isSpilled) {
      this.#spilledBytes -= entry.bytes;
      void this.#spill?.remove(id).catch(() => undefined);
    } else {
      this.#sharedBytes -= entry.bytes;
      this.#files.remove({ job: entry.job, id }, entry.bytes);
    }
    this.#room.changed();
  }

  #forget(id: string, entry: Entry): void {
    this.#entries.delete(id);
    this.#shared.delete(id);
    this.#sharedBytes -= entry.bytes;
    this.#files.remove({ job: entry.job, id }, entry.bytes);
    this.#room.changed();
  }

  #state(): string {
    const { sharedBytes, limitBytes, idleBytes, spilledBytes } = this.usage();
    const shared = `${sharedBytes} of ${limitBytes} bytes are taken, ${idleBytes} of them idle`;
    if (this.#spill === undefined) return `${shared}; nothing is spilled here`;
    return `${shared}; ${spilledBytes} of ${this.#options.spillLimitBytes ?? 0} on disk`;
  }
}

/** Copies in steps, so that other work of this process goes on between them. */
async function copyIn(bytes: Uint8Array, length: number, write: Write): Promise<void> {
  for (let at = 0; at < length; at += OBJECT_STEP_BYTES) {
    if (at > 0) await new Promise((resolve) => void setImmediate(resolve));
    // The array's buffer was transferred away meanwhile: its bytes are nobody's.
    if (bytes.byteLength !== length) throw new SystemError("USAGE", "the array was detached");
    write(at, bytes.subarray(at, Math.min(at + OBJECT_STEP_BYTES, length)));
  }
}

function lost(id: string): SystemError {
  return new SystemError("OBJECT_LOST", "no such object is here", { object: id });
}
