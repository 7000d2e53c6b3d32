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
import { regionStatus } from "../native/regions.ts";
import { CopiedFiles } from "./copied.ts";
import {
  copyIn,
  type ObjectFiles,
  ObjectFolder,
  type OpenObject,
  type Place,
  type Write,
  type Writer,
} from "./files.ts";
import { type JobUsage, Ledger } from "./store/ledger.ts";
import { headerOf, type PutArray, type ObjectHeader } from "./header.ts";
import {
  OBJECT_COPY_FRESH_MS,
  OBJECT_POOL_SHARE,
  OBJECT_SPILL_TRIES,
  OBJECT_WAIT_MS,
  OBJECTS_MAX,
} from "./limits.ts";
import { MappedFiles } from "./mapped.ts";
import { type OwnFolder, ownFolder, sharedRoot, sweepDead } from "./owners.ts";
import { type Ask, Room } from "./store/room.ts";
import { SpillFolder } from "./store/spill.ts";
import type {
  Grant,
  ObjectLocation,
  PutOptions,
  StoredObject,
  StoreOptions,
  StoreUsage,
} from "./store/types.ts";

interface Entry {
  readonly number: number;
  readonly job: string;
  readonly sinceMs: number;
  /** By the store's clock. */
  readonly cameMs: number;
  readonly writer: Writer | undefined;
  readonly isCopy: boolean;
  /** As the object takes them where it is. */
  bytes: number;
  isSpilled: boolean;
  /** Settles when the move that goes on has ended; never rejects. */
  moving: Promise<void> | undefined;
  isReleased: boolean;
  /** Its job ended while it was moved. */
  isOver: boolean;
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
  /** Objects whose originals are on other nodes, in order of their coming. */
  readonly #copies = new Set<string>();
  /** Those of ended jobs are used in vain. */
  readonly #grants = new Map<Grant, { isEnded: boolean }>();
  readonly #ledger = new Ledger();
  #grantedBytes = 0;
  #nextNumber = 1;
  readonly #clock: Clock;
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
    this.#clock = clock;
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
  async put(job: string, array: PutArray, options: PutOptions = {}): Promise<ObjectHeader> {
    const header = headerOf(randomBytes(16).toString("hex"), array, options);
    const grant = await this.#reserve(job, header.bytes, options.waitMs, true);
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    await this.#write(job, header, grant, (write) => copyIn(bytes, header.bytes, write));
    return header;
  }

  /**
   * Room for an object that another process writes.
   * @param bytes - of the payload. @param writer - that process, if it keeps the memory mapped.
   * @throws {SystemError} OBJECT_STORE_FULL; CANCELLED when the job ends meanwhile.
   */
  reserve(job: string, bytes: number, waitMs = OBJECT_WAIT_MS, writer?: Writer): Promise<Grant> {
    return this.#reserve(job, bytes, waitMs, writer !== undefined, writer);
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
   * @param isCopy - its original is on another node: it goes before anything is spilled.
   */
  adopt(job: string, id: string, grant: Grant, isCopy = false): ObjectHeader {
    try {
      const found = this.#files.look({ job, id });
      if (found === undefined) throw new SystemError("OBJECT_LOST", "nothing was sealed");
      const { header, bytes: taken } = found;
      if (header.id !== id) throw new SystemError("OBJECT_INVALID", "another object was sealed");
      // Its file is that object's, whoever says that it is another.
      if (this.#entries.has(id)) throw new SystemError("OBJECT_INVALID", "it is here already");
      if (taken > grant.bytes) {
        this.#files.remove({ job, id }, taken);
        throw new SystemError("OBJECT_INVALID", `${taken} bytes were sealed for ${grant.bytes}`);
      }
      this.#enter(job, id, taken, grant, isCopy);
      return header;
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
      if (entry === undefined) throw this.#ledger.lost(id);
      if (entry.moving !== undefined) await entry.moving;
      else if (entry.isSpilled) await this.#restore(id, entry, waitMs);
      else {
        const found = this.#files.open({ job: entry.job, id });
        if (found === undefined) {
          this.#forget(id, entry);
          throw this.#ledger.lost(id);
        }
        this.#touch(id, entry);
        return found;
      }
    }
  }

  /**
   * Where the bytes of an object are, for who sends them elsewhere; in its place until the end of
   * this turn.
   * @throws {SystemError} OBJECT_LOST for one that isn't here.
   */
  async locate(id: string): Promise<ObjectLocation> {
    for (;;) {
      const entry = this.#entries.get(id);
      if (entry === undefined) throw this.#ledger.lost(id);
      if (entry.moving !== undefined) await entry.moving;
      else if (!entry.isSpilled) {
        this.#touch(id, entry);
        return { kind: "shared", place: { job: entry.job, id } };
      } else if (this.#spill === undefined) throw this.#ledger.lost(id);
      else return { kind: "spilled", path: this.#spill.pathOf(id) };
    }
  }

  /** Whether it is here, in memory or on disk. */
  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** The error for an object that isn't on this node: who ended it and when, where known. */
  lostAt(id: string, node: string): SystemError {
    const { what, where } = this.#ledger.lost(id);
    return new SystemError("OBJECT_LOST", what, { ...where, node });
  }

  /** Takes away what another process began under a grant, if anything. */
  discard(place: Place): void {
    if (!this.#entries.has(place.id)) this.#names.unlink(place);
  }

  /**
   * The end of an object; views of it stay good.
   * @param how - it came to it, in words. @returns whether it was here.
   */
  release(id: string, how = "released"): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#leave(id, entry, how);
    entry.isReleased = true;
    // What moves is dropped where it arrives.
    if (entry.moving === undefined) this.#drop(id, entry);
    return true;
  }

  /** The end of a job: all its objects, and all waits for room, end. */
  endJob(job: string): void {
    this.#room.cancel(job);
    for (const [grant, state] of this.#grants) if (grant.job === job) state.isEnded = true;
    const { objects = 0 } = this.#ledger.jobs.get(job) ?? {};
    if (objects > 0) {
      for (const [id, entry] of this.#entries) {
        if (entry.job !== job) continue;
        entry.isOver = entry.moving !== undefined;
        this.release(id, `swept at the end of its job ${job}`);
      }
    }
    this.#files.dropJob(job);
    this.#names.removeJob(job);
    this.#room.changed();
  }

  /** Files that dead processes of this machine were writing here. @returns how many went. */
  sweep(): number {
    return this.#names.sweep();
  }

  /** The end of a process that wrote here: what it kept goes back. */
  endWriter(writer: Writer): void {
    this.#files.dropWriter(writer);
    this.#room.changed();
  }

  /** Looks again for memory that was read when its object ended. */
  settle(): void {
    this.#files.idleBytes();
  }

  /** What each job has here that has anything. */
  get jobs(): ReadonlyMap<string, Readonly<JobUsage>> {
    return this.#ledger.jobs;
  }

  /** All objects, the oldest first. */
  *objects(): Generator<StoredObject, void, void> {
    for (const [id, { number, job, bytes, isSpilled, isCopy, sinceMs }] of this.#entries) {
      yield { number, id, job, bytes, isSpilled, isCopy, sinceMs };
    }
  }

  usage(): StoreUsage {
    const idleBytes = this.#files.idleBytes();
    return {
      limitBytes: this.#options.limitBytes,
      sharedBytes: this.#ledger.sum.sharedBytes + this.#grantedBytes + idleBytes,
      idleBytes,
      grantedBytes: this.#grantedBytes,
      spilledBytes: this.#ledger.sum.spilledBytes,
      spillLimitBytes: this.#options.spillLimitBytes ?? 0,
      copyBytes: this.#ledger.sum.copyBytes,
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
    writer?: Writer,
  ): Promise<Grant> {
    if (this.#isClosed) throw new SystemError("CANCELLED", "the store is closed");
    const isNever = this.#files.footprint(bytes) > this.#options.limitBytes;
    if (isNever || this.#entries.size >= OBJECTS_MAX) {
      const what = `${bytes} bytes beside ${this.#entries.size} objects: ${this.#state()}`;
      throw new SystemError("OBJECT_STORE_FULL", what);
    }
    return await this.#room.ask({ job, bytes, mayReuse, writer }, waitMs);
  }

  #tryGrant(ask: Ask): Grant | undefined {
    const { job, writer } = ask;
    const slot = ask.mayReuse ? this.#files.reuse(ask.bytes, writer) : undefined;
    const bytes = slot?.bytes ?? this.#files.footprint(ask.bytes);
    const used = this.#ledger.sum.sharedBytes + this.#grantedBytes + this.#files.idleBytes();
    if (used + bytes > this.#options.limitBytes) {
      if (slot !== undefined) this.#files.giveUp(slot);
      return undefined;
    }
    const grant = { job, bytes, slot, writer };
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
  #enter(job: string, id: string, bytes: number, grant: Grant, isCopy = false): void {
    if (this.#settleGrant(grant).isEnded) {
      this.#files.remove({ job, id }, bytes);
      throw new SystemError("CANCELLED", "the job of this object ended");
    }
    const [sinceMs, { writer }] = [Date.now(), grant];
    const state = { isSpilled: false, moving: undefined, isReleased: false, isOver: false };
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    const cameMs = this.#clock.now();
    const here: Entry = { number, job, bytes, sinceMs, cameMs, writer, isCopy, ...state };
    if (isCopy) this.#copies.add(id);
    this.#entries.set(id, here);
    this.#shared.set(id, here);
    this.#ledger.count(job, { objects: 1 });
    this.#countShared(here, bytes);
  }

  /** It isn't here any more, whatever still holds its bytes. */
  #leave(id: string, { job }: Entry, how: string): void {
    this.#entries.delete(id);
    this.#copies.delete(id);
    this.#ledger.count(job, { objects: -1 });
    this.#ledger.ended(id, how);
  }

  /** The memory of an object comes or goes. */
  #countShared({ job, isCopy }: Entry, bytes: number): void {
    this.#ledger.count(job, { sharedBytes: bytes, copyBytes: isCopy ? bytes : 0 });
  }

  #countSpilled({ job }: Entry, bytes: number): void {
    this.#ledger.count(job, { spilledBytes: bytes });
  }

  /** Used now: the last to be spilled. */
  #touch(id: string, entry: Entry): void {
    this.#shared.delete(id);
    this.#shared.set(id, entry);
  }

  /** One object out of memory; the longest unused of those that nobody reads. */
  async #makeRoom(): Promise<boolean> {
    if (this.#files.dropIdle() || this.#dropCopy(OBJECT_COPY_FRESH_MS)) return true;
    // Who fetched it is about to read it; it goes when nothing else can.
    return (await this.#spillNext()) || this.#dropCopy(0);
  }

  /** Moves the longest unused object that nobody reads to the disk. */
  async #spillNext(): Promise<boolean> {
    if (this.#spill === undefined) return false;
    const room = (this.#options.spillLimitBytes ?? 0) - this.#ledger.sum.spilledBytes;
    let tries = Math.min(OBJECT_SPILL_TRIES, this.#shared.size);
    for (const [id, entry] of this.#shared) {
      if (tries === 0) return false;
      tries -= 1;
      if (entry.bytes > room || entry.moving !== undefined || entry.isCopy) continue;
      const taken = this.#files.take({ job: entry.job, id }, entry.writer);
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

  /** Ends the oldest copy that nobody reads. @param leastMs - for which it has been here. */
  #dropCopy(leastMs: number): boolean {
    let tries = OBJECT_SPILL_TRIES;
    const latestMs = this.#clock.now() - leastMs;
    for (const id of this.#copies) {
      if (tries === 0) return false;
      tries -= 1;
      const entry = this.#entries.get(id);
      if (entry === undefined) continue;
      if (entry.cameMs > latestMs) return false;
      const taken = this.#files.take({ job: entry.job, id }, entry.writer);
      if (taken === undefined) continue;
      this.#leave(id, entry, "dropped: it was a copy");
      this.#shared.delete(id);
      this.#countShared(entry, -entry.bytes);
      taken.drop();
      return true;
    }
    return false;
  }

  async #spillOne(
    spill: SpillFolder,
    id: string,
    entry: Entry,
    taken: NonNullable<ReturnType<ObjectFiles["take"]>>,
  ): Promise<boolean> {
    this.#countSpilled(entry, entry.bytes);
    try {
      await spill.write(id, taken);
    } catch {
      // A disk that is full or broken: the object stays where it is, and room is made elsewhere.
      this.#countSpilled(entry, -entry.bytes);
      entry.moving = undefined;
      taken.giveBack();
      if (entry.isReleased) this.#drop(id, entry);
      else this.#touch(id, entry);
      return false;
    }
    entry.moving = undefined;
    this.#shared.delete(id);
    this.#countShared(entry, -entry.bytes);
    entry.isSpilled = true;
    taken.drop();
    if (entry.isReleased) this.#drop(id, entry);
    return true;
  }

  async #restore(id: string, entry: Entry, waitMs: number): Promise<void> {
    const { spill, job } = { spill: this.#spill, job: entry.job };
    if (spill === undefined) throw this.#ledger.lost(id);
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
        this.#countShared(entry, entry.bytes);
        this.#countSpilled(entry, -before);
        entry.isSpilled = false;
        this.#shared.set(id, entry);
      });
      await spill.remove(id);
    } catch (thrown) {
      // What can't be read once is gone for all who ask, and takes no room any more.
      const isLost = thrown instanceof SystemError && thrown.code === "OBJECT_LOST";
      if (isLost && this.#entries.get(id) === entry) {
        this.#leave(id, entry, `lost: ${thrown.what}`);
        entry.isReleased = true;
      }
      throw thrown;
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
      this.#countSpilled(entry, -entry.bytes);
      void this.#spill?.remove(id).catch(() => undefined);
    } else {
      this.#countShared(entry, -entry.bytes);
      this.#files.remove({ job: entry.job, id }, entry.bytes, entry.writer);
    }
    // What was moved meanwhile comes to its end after its job's.
    if (entry.isOver) {
      this.#files.dropJob(entry.job);
      this.#names.leaveJob(entry.job);
    }
    this.#room.changed();
  }

  #forget(id: string, entry: Entry): void {
    this.#leave(id, entry, "lost: its file is gone");
    this.#drop(id, entry);
  }

  #state(): string {
    const { sharedBytes, limitBytes, idleBytes, spilledBytes } = this.usage();
    const shared = `${sharedBytes} of ${limitBytes} bytes are taken, ${idleBytes} of them idle`;
    const spilled =
      this.#spill === undefined
        ? "nothing is spilled here"
        : `${spilledBytes} of ${this.#options.spillLimitBytes ?? 0} on disk`;
    return `${shared}; ${spilled}${this.#ledger.holders()}`;
  }
}
