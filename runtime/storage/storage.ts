/**
 * The port to storage: a folder, a shared file system, S3, or the simulator's. Its one rule: a name
 * is created once, with all its bytes, or not at all, and never changed. Names are URIs: an
 * absolute path, or `s3://bucket/key`.
 */
import type { CreateOutcome } from "./local.ts";

export type { CreateOutcome } from "./local.ts";

/** What a name stands for now. */
export interface Look {
  readonly bytes: number;
  /** Changes when the bytes do: `<size>-<mtimeNs>` of a file, S3's own else. */
  readonly etag: string;
}

/** A name in a folder, and how many bytes stand under it. */
export interface Listed {
  readonly name: string;
  readonly bytes: number;
}

export interface Storage {
  /**
   * Creates `uri` with `bytes` unless it stands already; a folder is made when missing. When this
   * settles the name survives a power cut. An unclear answer is resolved before it does.
   *
   * @returns whose bytes stand under the name now.
   * @throws {SystemError} OUTPUT_UNWRITABLE, STORAGE_FAILED: then it may stand, or not.
   */
  createIfAbsent(uri: string, bytes: Uint8Array): Promise<CreateOutcome>;

  /**
   * All bytes under a name, or undefined when there is none.
   * @throws {SystemError} STORAGE_FAILED.
   */
  readIfPresent(uri: string): Promise<Buffer | undefined>;

  /**
   * Bytes [from, to) of a name, fewer at its end.
   * @param etag - of the version that is meant; another one is INPUT_CHANGED.
   * @throws {SystemError} INPUT_NOT_FOUND, INPUT_CHANGED, INPUT_UNREADABLE.
   */
  readRange(uri: string, from: number, to: number, etag?: string): Promise<Buffer>;

  /** Undefined when there is none. @throws {SystemError} STORAGE_FAILED. */
  look(uri: string): Promise<Look | undefined>;

  /**
   * Names that stand directly in a folder, as JavaScript sorts them; none when it is missing.
   * Folders in it and what writers haven't finished are no names.
   */
  list(folder: string): Promise<string[]>;

  /** `list` with sizes: as cheap on S3, one more look a name in a folder. */
  listSized(folder: string): Promise<Listed[]>;

  /** Takes a name away, if it is there. Only what nothing refers to any more. */
  remove(uri: string): Promise<void>;

  /**
   * Takes away what dead writers left directly in a folder: temp files, unfinished uploads. Only
   * when nobody creates names there any more: the one of a living writer would go as well.
   */
  sweep(folder: string): Promise<void>;
}
