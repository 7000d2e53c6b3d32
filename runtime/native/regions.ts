/**
 * Regions: files in shared memory, mapped without copies by the addon. There is no policy here and
 * none in C++; a machine without the addon uses plain files and copies (`runtime/objects`).
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const FILE = fileURLToPath(new URL("./build/ligase_regions.node", import.meta.url));

/**
 * A file of a fixed size, open. Every method throws an Error once it is closed; those of the system
 * carry a `code` as `ENOSPC`. What is written or read lies in [0, bytes).
 */
export interface Region {
  readonly bytes: number;
  /** Copies in; the caller may change `bytes` afterwards. */
  write(offset: number, bytes: Uint8Array): void;
  /** A copy, of at most 16 MiB. */
  read(offset: number, length: number): Uint8Array<ArrayBuffer>;
  /**
   * The whole file without a copy. What is written into it changes this view alone. It pins the
   * file (a shared lock) until it is released or collected, or this process ends. A file with
   * holes is refused: to read one could end the process.
   * @param whole - its page tables at once: for who reads all of it soon.
   */
  view(whole?: boolean): ArrayBuffer;
  /** The file itself, to be written in place until `seal`; its bytes are reserved first. */
  writable(): ArrayBuffer;
  /** Keeps it mapped here, so that later writes go at the speed of memory. */
  keep(): void;
  /** The end of writing; what still holds a writable view writes for itself alone. */
  seal(): void;
  /** Writing again, by who made it: only with the lock alone, and under no reader's name. */
  reopen(): void;
  /** @param alone - or among readers. @returns whether it could be had at once. */
  tryLock(alone: boolean): boolean;
  unlock(): void;
  /** Gives the file up; views stay. Twice is once. */
  close(): void;
}

/** What C++ exports. */
export interface RegionAddon {
  /**
   * A new file of that many bytes, which nobody else has (EEXIST); without a size an existing one,
   * pinned: ENOENT, EAGAIN while somebody has it alone, ELOOP for a symbolic link, EPERM for what
   * is no regular file of this user.
   */
  readonly Region: new (
    path: string,
    bytes?: number,
  ) => Region;
  /**
   * Detaches a view; its memory is unmapped in the next turn.
   * @returns false for one that was detached already.
   * @throws {TypeError} for an ArrayBuffer of other origin.
   */
  readonly release: (view: ArrayBuffer) => boolean;
  /** Views of this process whose memory is mapped still. */
  readonly mapped: () => number;
  /** `process.versions.modules` of the Node whose headers it was built with. */
  readonly modules: string;
}

/** The addon, or why it isn't used, as a line for people. */
export interface RegionStatus {
  readonly addon: RegionAddon | undefined;
  readonly text: string;
}

let status: RegionStatus | undefined;

/** The addon of this process, loaded at the first call; LIGASE_NATIVE=off leaves it out. */
export function regionStatus(): RegionStatus {
  status ??= load();
  return status;
}

function load(): RegionStatus {
  const slower = "objects are copied out of files instead of mapped";
  if (process.env["LIGASE_NATIVE"] === "off") {
    return { addon: undefined, text: `LIGASE_NATIVE=off: ${slower}` };
  }
  if (!existsSync(FILE)) {
    return { addon: undefined, text: `the addon of shared memory isn't built: ${slower}` };
  }
  try {
    const addon = createRequire(import.meta.url)(FILE) as RegionAddon;
    return { addon, text: "objects are mapped from shared memory" };
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    return {
      addon: undefined,
      text: `the addon of shared memory doesn't load (${why}): ${slower}`,
    };
  }
}
