/** What a store is made with, what it tells of itself, and what it grants. */
import type { Clock } from "../../clock.ts";
import type { Place, Slot, Writer } from "../files.ts";
import type { ObjectKind } from "../header.ts";

export interface StoreOptions {
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
  /** On the disk; 0 where nothing is spilled. */
  readonly spillLimitBytes: number;
  /** Of the shared ones those of copies, whose originals are on other nodes. */
  readonly copyBytes: number;
  readonly objects: number;
  readonly spilledObjects: number;
  readonly waiting: number;
}

/** Bytes that one object may take. Used by `adopt` or a write, or given back: once. */
export interface Grant {
  readonly job: string;
  readonly bytes: number;
  readonly slot: Slot | undefined;
  /** The other process that writes it, if it keeps its memory. */
  readonly writer: Writer | undefined;
}

/** One object of a store, for lists. */
export interface StoredObject {
  /** Rises from entry to entry of this store. */
  readonly number: number;
  readonly id: string;
  readonly job: string;
  /** As it takes them where it is. */
  readonly bytes: number;
  readonly isSpilled: boolean;
  /** Its original is on another node. */
  readonly isCopy: boolean;
  /** ms since 1970. */
  readonly sinceMs: number;
}

/** Where the bytes of an object are now. */
export type ObjectLocation =
  | { readonly kind: "shared"; readonly place: Place }
  | { readonly kind: "spilled"; readonly path: string };
