/**
 * The files of objects in one folder, which every process of the machine may read: an object's
 * name appears when it is sealed, whole, and never before. `jobs/<job>/<id>` are the objects; in
 * `idle` are files being written and those given up, named by who has them.
 */
import { linkSync, mkdirSync, renameSync, rmdirSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { SystemError } from "../errors.ts";
import { type ObjectArray, type ObjectHeader } from "./header.ts";
import { OBJECT_STEP_BYTES } from "./limits.ts";
import { ownName, sweepNames } from "./owners.ts";

/** Where an object is. */
export interface Place {
  /** 1 to 64 lower-case letters, digits and `-`. */
  readonly job: string;
  /** 32 hex digits. */
  readonly id: string;
}

/** Copies a part of an object's payload to `offset`. */
export type Write = (offset: number, bytes: Uint8Array) => void;

/** An object as its reader has it. */
export interface OpenObject {
  readonly header: ObjectHeader;
  /** Over shared memory where the addon is: what is written into it stays in this array. */
  readonly array: ObjectArray;
  /** Ends it: the array is empty afterwards where it was mapped. Twice is once. */
  release(): void;
}

/** An object taken off its name because nobody reads it: to be moved elsewhere. */
export interface TakenObject {
  readonly path: string;
  readonly bytes: number;
  /** Under its name again. */
  giveBack(): void;
  /** Its memory is free, or kept for the next object. */
  drop(): void;
}

/** A process that writes objects for a store and keeps their memory mapped. */
export interface Writer {
  /** Whether it ended: its memory is nobody's then. */
  readonly isGone: boolean;
  /** What it keeps of this object's memory goes back to the machine. */
  forget(id: string): void;
}

/** Memory that was an object's and is to be another's. */
export interface Slot {
  readonly bytes: number;
  readonly path: string;
  /** The object that was in it last. */
  readonly was: string;
}

/** How objects are written and read; with the addon by mapping (mapped.ts), else by copies. */
export interface ObjectFiles {
  /** Bytes that files without an object take: kept for the next, or still read by somebody. */
  idleBytes(): number;
  /** Bytes of shared memory that a payload takes in a new file. */
  footprint(payloadBytes: number): number;
  /**
   * Memory to write the next object into, if some of about that size is kept.
   * @param writer - who keeps it mapped; this process itself unless given.
   */
  reuse(payloadBytes: number, writer?: Writer): Slot | undefined;
  /** Gives memory that is kept back to the machine. @returns whether there was some. */
  dropIdle(): boolean;
  /** The same for all that a writer keeps. */
  dropWriter(writer: Writer): void;
  /** The same for all memory of a job's objects, of those that are read still when they aren't. */
  dropJob(job: string): void;
  /**
   * Writes an object and seals it.
   * @param fill - writes each byte of the payload; the caller's own failures pass through.
   * @returns the bytes that it takes.
   * @throws {SystemError} OBJECT_STORE_FULL when the memory itself is full, USAGE for a taken id.
   */
  write(
    job: string,
    header: ObjectHeader,
    fill: (write: Write) => Promise<void>,
    slot?: Slot,
  ): Promise<number>;
  /** Gives up what `reuse` gave. */
  giveUp(slot: Slot, writer?: Writer): void;
  /**
   * What an object's file says, and the bytes that it takes; undefined when there is none.
   * @throws {SystemError} OBJECT_INVALID for a file that is no object.
   */
  look(place: Place): { readonly header: ObjectHeader; readonly bytes: number } | undefined;
  /**
   * A sealed object, or undefined: there is none, or it is being moved.
   * @throws {SystemError} OBJECT_INVALID for a file that is no object.
   */
  open(place: Place): OpenObject | undefined;
  /**
   * Takes an object's name away; its memory goes when nobody reads it any more.
   * @param bytes - that it takes. @param writer - who wrote it, of another process.
   */
  remove(place: Place, bytes: number, writer?: Writer): void;
  /** The object, or undefined while somebody reads it. */
  take(place: Place, writer?: Writer): TakenObject | undefined;
}

const PAGE = 4096;

/** Whole pages: what a file on a memory file system takes. */
export function pagesOf(bytes: number): number {
  return Math.ceil(bytes / PAGE) * PAGE;
}

/** Names and moves of the files, the same for both ways of writing them. */
export class ObjectFolder {
  readonly #folder: string;
  readonly #jobs = new Set<string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** What the owner of the folder does first. */
  make(): void {
    for (const name of ["jobs", "idle"]) mkdirSync(join(this.#folder, name), { mode: 0o700 });
  }

  /** @throws {SystemError} USAGE for what is no name of a job or object. */
  pathOf({ job, id }: Place): string {
    if (!/^[a-z0-9-]{1,64}$/.test(job)) throw new SystemError("USAGE", "no name of a job");
    if (!/^[0-9a-f]{32}$/.test(id)) throw new SystemError("USAGE", "no id of an object");
    return join(this.#folder, "jobs", job, id);
  }

  /** A new path for a file without an object. */
  idlePath(): string {
    return join(this.#folder, "idle", ownName());
  }

  /** Gives a whole file its name, once. @throws {SystemError} USAGE when the name is taken. */
  publish(path: string, place: Place): void {
    const target = this.pathOf(place);
    this.#makeJob(place.job);
    try {
      linkSync(path, target);
    } catch (thrown) {
      if (codeOf(thrown) !== "EEXIST") throw thrown;
      throw new SystemError("USAGE", "an object of this id stands already", {}, thrown);
    }
    unlinkSync(path);
  }

  /** Not with its parents: a store that ended stays ended. */
  #makeJob(job: string): void {
    if (this.#jobs.has(job)) return;
    try {
      mkdirSync(join(this.#folder, "jobs", job), { mode: 0o700 });
    } catch (thrown) {
      if (codeOf(thrown) !== "EEXIST") throw thrown;
    }
    this.#jobs.add(job);
  }

  /** The end of an object that nobody maps. */
  unlink(place: Place): void {
    try {
      unlinkSync(this.pathOf(place));
    } catch (thrown) {
      if (codeOf(thrown) !== "ENOENT") throw thrown;
    }
  }

  /** Takes an object's name away. @returns where its file is now, or undefined: there was none. */
  withdraw(place: Place): string | undefined {
    const path = this.idlePath();
    try {
      renameSync(this.pathOf(place), path);
      return path;
    } catch (thrown) {
      if (codeOf(thrown) === "ENOENT") return undefined;
      throw thrown;
    }
  }

  /** The end of a job's folder, with whatever is left in it. */
  removeJob(job: string): void {
    const path = join(this.pathOf({ job, id: "0".repeat(32) }), "..");
    this.#jobs.delete(job);
    rmSync(path, { recursive: true, force: true });
  }

  /** The end of a job's folder that nothing is in. */
  leaveJob(job: string): void {
    this.#jobs.delete(job);
    try {
      rmdirSync(join(this.#folder, "jobs", job));
    } catch (thrown) {
      const code = codeOf(thrown);
      if (code !== "ENOTEMPTY" && code !== "ENOENT") throw thrown;
    }
  }

  /** Files that dead processes were writing. @returns how many there were. */
  sweep(): number {
    return sweepNames(join(this.#folder, "idle"));
  }
}

/** Copies in steps, so that other work of this process goes on between them. */
export async function copyIn(bytes: Uint8Array, length: number, write: Write): Promise<void> {
  for (let at = 0; at < length; at += OBJECT_STEP_BYTES) {
    if (at > 0) await new Promise((resolve) => void setImmediate(resolve));
    // The array's buffer was transferred away meanwhile: its bytes are nobody's.
    if (bytes.byteLength !== length) throw new SystemError("USAGE", "the array was detached");
    write(at, bytes.subarray(at, Math.min(at + OBJECT_STEP_BYTES, length)));
  }
}

/** The code of a system call's error. */
export function codeOf(thrown: unknown): unknown {
  return (thrown as { code?: unknown } | null)?.code;
}

/** What a failed write means to who puts an object. */
export function writeFailure(thrown: unknown): SystemError {
  if (thrown instanceof SystemError) return thrown;
  const code = codeOf(thrown);
  if (code !== "ENOSPC" && code !== "EDQUOT" && code !== "ENOMEM") {
    return new SystemError("STORAGE_FAILED", "an object can't be written", {}, thrown);
  }
  return new SystemError("OBJECT_STORE_FULL", "the memory file system is full", {}, thrown);
}
