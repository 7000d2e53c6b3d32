/**
 * Objects by the addon: read without a copy, and written into memory that an earlier object left,
 * because fresh pages cost several times the copy; small ones are read by a copy. Memory is used
 * again only when its lock, which every reader's mapping holds, can be had alone; a reader that
 * comes late sees another id.
 *
 * A store keeps memory of its own and of other processes that write for it (`Writer`): such a
 * process alone has that memory mapped, and gets it again by `reclaim`.
 */
import { chmodSync, rmSync, truncateSync } from "node:fs";
import { SystemError } from "../errors.ts";
import type { Region, RegionAddon } from "../native/regions.ts";
import {
  codeOf,
  type ObjectFiles,
  ObjectFolder,
  type OpenObject,
  pagesOf,
  type Place,
  type Slot,
  type TakenObject,
  type Write,
  type Writer,
  writeFailure,
} from "./files.ts";
import { arrayOf, decodeHeader, encodeHeader, HEADER_BYTES, type ObjectHeader } from "./header.ts";
import {
  OBJECT_COPY_BYTES,
  OBJECT_OPEN_TRIES,
  OBJECT_REGIONS_MAX,
  OBJECT_REST_LOOKS,
  OBJECT_REUSE_BYTES,
  OBJECT_SLACK,
} from "./limits.ts";

/** A file without an object. */
interface Idle extends Slot {
  readonly region: Region;
  /** Made here, so that it can be written again here. */
  readonly isOwn: boolean;
  /** Made there, so that it can be written again there. */
  readonly writer: Writer | undefined;
  /** Of the object that was in it; null once that is over: its memory is no other's. */
  job: string | null;
}

export class MappedFiles implements ObjectFiles {
  readonly #addon: RegionAddon;
  readonly #folder: ObjectFolder;
  /** Bytes that may be kept for coming objects. */
  readonly #poolBytesMax: number;
  readonly #regionsMax: number;
  /** Regions of living objects that are worth to be used again, by id. */
  readonly #own = new Map<string, Region>();
  /** Locked alone: nobody reads them. Oldest first. */
  readonly #pool: Idle[] = [];
  #poolBytes = 0;
  /** Somebody may read them still; the longest not looked at first. */
  readonly #resting: Idle[] = [];
  #restingBytes = 0;

  /** @param regionsMax - of living objects that are kept open. */
  constructor(
    addon: RegionAddon,
    folder: ObjectFolder,
    poolBytesMax: number,
    regionsMax = OBJECT_REGIONS_MAX,
  ) {
    this.#addon = addon;
    this.#folder = folder;
    this.#poolBytesMax = poolBytesMax;
    this.#regionsMax = regionsMax;
  }

  idleBytes(): number {
    this.#settle();
    return this.#poolBytes + this.#restingBytes;
  }

  footprint(payloadBytes: number): number {
    return pagesOf(HEADER_BYTES + payloadBytes);
  }

  reuse(payloadBytes: number, writer?: Writer): Idle | undefined {
    const bytes = this.footprint(payloadBytes);
    if (bytes < OBJECT_REUSE_BYTES) return undefined;
    this.#settle();
    const most = bytes * (1 + OBJECT_SLACK);
    // The last one is the likeliest to be in the processor's cache.
    const index = this.#pool.findLastIndex(
      (one) => one.writer === writer && one.bytes >= bytes && one.bytes <= most,
    );
    const [found] = index < 0 ? [] : this.#pool.splice(index, 1);
    this.#poolBytes -= found?.bytes ?? 0;
    // Its writer locks it now; by its name nobody finds it any more.
    if (found?.writer !== undefined) found.region.close();
    return found;
  }

  /** Memory that a store granted again to this process, if it is kept here and nobody reads it. */
  reclaim({ path, was, bytes }: Slot): Slot | undefined {
    const region = this.#own.get(was);
    this.#own.delete(was);
    if (region?.bytes === bytes && region.tryLock(true)) {
      const idle: Idle = { region, path, bytes, was, isOwn: true, writer: undefined, job: null };
      return idle;
    }
    region?.close();
    rmSync(path, { force: true });
    return undefined;
  }

  /** Gives back what is kept of an object that was written here. */
  forget(id: string): void {
    this.#own.get(id)?.close();
    this.#own.delete(id);
  }

  /** The same of all objects. */
  forgetAll(): void {
    for (const id of [...this.#own.keys()]) this.forget(id);
  }

  dropIdle(): boolean {
    const oldest = this.#pool.shift();
    if (oldest === undefined) return false;
    this.#poolBytes -= oldest.bytes;
    discard(oldest);
    return true;
  }

  dropWriter(writer: Writer): void {
    for (const idle of this.#pool.filter((one) => one.writer === writer)) {
      this.#pool.splice(this.#pool.indexOf(idle), 1);
      this.#poolBytes -= idle.bytes;
      discard(idle);
    }
  }

  dropJob(job: string): void {
    while (this.dropIdle());
    for (const idle of this.#resting) if (idle.job === job) idle.job = null;
    this.#settle();
  }

  giveUp(slot: Slot): void {
    // Not emptied: its writer may be amid it.
    (slot as Idle).region.close();
    rmSync(slot.path, { force: true });
  }

  look(place: Place): { header: ObjectHeader; bytes: number } | undefined {
    const region = this.#openRegion(this.#folder.pathOf(place));
    if (region === undefined) return undefined;
    try {
      const head = region.read(0, Math.min(HEADER_BYTES, region.bytes));
      return { header: decodeHeader(head, region.bytes), bytes: region.bytes };
    } finally {
      region.close();
    }
  }

  async write(
    job: string,
    header: ObjectHeader,
    fill: (write: Write) => Promise<void>,
    slot?: Slot,
  ): Promise<number> {
    const idle = slot === undefined ? undefined : (slot as Idle);
    const path = idle?.path ?? this.#folder.idlePath();
    let region = idle?.region;
    try {
      if (region === undefined) region = this.#create(path, header.bytes);
      else {
        region.reopen();
        region.keep();
      }
      const into = region;
      into.write(0, encodeHeader(header));
      await fill((offset, bytes) => into.write(HEADER_BYTES + offset, bytes));
      into.seal();
      into.unlock();
      this.#folder.publish(path, { job, id: header.id });
      this.#remember(header.id, into);
      return into.bytes;
    } catch (thrown) {
      region?.close();
      rmSync(path, { force: true });
      throw writeFailure(thrown);
    }
  }

  open(place: Place): OpenObject | undefined {
    const path = this.#folder.pathOf(place);
    for (let tries = 0; tries < OBJECT_OPEN_TRIES; tries += 1) {
      const region = this.#openRegion(path);
      if (region === undefined) return undefined;
      try {
        const found = this.#read(region);
        if (found.header.id === place.id) return found;
        // The file was another object's before we had its lock: look by name again.
        found.release();
      } finally {
        region.close();
      }
    }
    throw new SystemError("OBJECT_INVALID", "a file holds another object than its name says");
  }

  remove(place: Place, bytes: number, writer?: Writer): void {
    // Nobody maps a small one.
    if (bytes <= OBJECT_COPY_BYTES) return this.#folder.unlink(place);
    const path = this.#folder.withdraw(place);
    const own = this.#own.get(place.id);
    this.#own.delete(place.id);
    if (path === undefined) return own?.close();
    const region = own ?? this.#openRegion(path);
    if (region === undefined) return rmSync(path, { force: true });
    const idle = idleOf(place, { region, path, isOwn: own !== undefined, writer });
    if (region.tryLock(true)) return this.#settleOne(idle);
    this.#resting.push(idle);
    this.#restingBytes += idle.bytes;
  }

  take(place: Place, writer?: Writer): TakenObject | undefined {
    const own = this.#own.get(place.id);
    const region = own ?? this.#openRegion(this.#folder.pathOf(place));
    if (region === undefined) return undefined;
    const path = region.tryLock(true) ? this.#folder.withdraw(place) : undefined;
    if (path === undefined) {
      if (own === undefined) region.close();
      return undefined;
    }
    this.#own.delete(place.id);
    const idle = idleOf(place, { region, path, isOwn: own !== undefined, writer });
    return {
      path,
      bytes: idle.bytes,
      giveBack: () => {
        this.#folder.publish(path, place);
        region.unlock();
        if (own === undefined) region.close();
        else this.#own.set(place.id, own);
      },
      drop: () => this.#settleOne(idle),
    };
  }

  #create(path: string, payloadBytes: number): Region {
    return new this.#addon.Region(path, this.footprint(payloadBytes));
  }

  #remember(id: string, region: Region): void {
    // Who keeps no pool doesn't hear of an object's end: an open file would hold its memory.
    const isKept = isWorth(region.bytes) && region.bytes <= this.#poolBytesMax;
    if (isKept && this.#own.size < this.#regionsMax) this.#own.set(id, region);
    else region.close();
  }

  /** @throws {SystemError} OBJECT_INVALID for what is no file of this user. */
  #openRegion(path: string): Region | undefined {
    try {
      return new this.#addon.Region(path);
    } catch (thrown) {
      const code = codeOf(thrown);
      if (code === "ENOENT" || code === "EAGAIN") return undefined;
      throw new SystemError("OBJECT_INVALID", "an object's file can't be opened", {}, thrown);
    }
  }

  #read(region: Region): OpenObject {
    if (region.bytes < HEADER_BYTES) {
      throw new SystemError("OBJECT_INVALID", `an object's file of ${region.bytes} bytes`);
    }
    if (region.bytes <= OBJECT_COPY_BYTES) {
      const bytes = region.read(0, region.bytes);
      const header = decodeHeader(bytes, bytes.length);
      return { header, array: arrayOf(header, bytes.buffer), release: () => undefined };
    }
    const view = region.view();
    try {
      const header = decodeHeader(new Uint8Array(view, 0, HEADER_BYTES), region.bytes);
      const array = arrayOf(header, view);
      return { header, array, release: () => void this.#addon.release(view) };
    } catch (thrown) {
      this.#addon.release(view);
      throw thrown;
    }
  }

  /** Looks again at some of what was read when it was removed. */
  #settle(): void {
    for (let looks = Math.min(OBJECT_REST_LOOKS, this.#resting.length); looks > 0; looks -= 1) {
      const idle = this.#resting.shift();
      if (idle === undefined) return;
      if (idle.region.tryLock(true)) {
        this.#restingBytes -= idle.bytes;
        this.#settleOne(idle);
      } else this.#resting.push(idle);
    }
  }

  /** @param idle - locked alone. */
  #settleOne(idle: Idle): void {
    const fits = this.#poolBytes + idle.bytes <= this.#poolBytesMax;
    const isKept = idle.isOwn || (idle.writer?.isGone === false && isWorth(idle.bytes));
    if (!isKept || !fits || idle.job === null) return discard(idle);
    this.#pool.push(idle);
    this.#poolBytes += idle.bytes;
  }
}

function isWorth(bytes: number): boolean {
  return bytes >= OBJECT_REUSE_BYTES;
}

function idleOf({ job, id }: Place, of: Pick<Idle, "region" | "path" | "isOwn" | "writer">): Idle {
  return { ...of, bytes: of.region.bytes, was: id, job };
}

/**
 * Under its lock to the end: a reader that has opened the file and gets the lock next finds a file
 * without a name, and never maps what is cut off under it.
 */
function discard({ region, path, writer, was }: Idle): void {
  if (writer !== undefined) {
    // Its writer may stand still with the file open: the memory is free all the same.
    emptyFile(path);
    writer.forget(was);
  }
  rmSync(path, { force: true });
  region.close();
}

/** Takes a file's memory away under who has it mapped: nobody may read it any more. */
function emptyFile(path: string): void {
  try {
    chmodSync(path, 0o600);
    truncateSync(path, 0);
  } catch (thrown) {
    if (codeOf(thrown) !== "ENOENT") throw thrown;
  }
}
