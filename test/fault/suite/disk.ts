/** A small disk of its own under a folder of the output, which can be filled to the last byte. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Job } from "./job.ts";

/** Holds the output twice: what the job writes, and what fills it. */
const DISK_MB = 160;
const CHUNK_BYTES = 1024 * 1024;
const BALLOON = ".balloon";

/** Whether this process may mount a disk. */
export function canMount(): boolean {
  return process.getuid?.() === 0;
}

/** An empty disk at the job's output folder, or at the state below it. */
export function mountDisk(job: Job, what: "output" | "state"): string {
  const folder = what === "output" ? job.output : job.state;
  mkdirSync(folder, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_MB}m`, "ligase-test", folder]);
  return folder;
}

export function unmountDisk(folder: string): void {
  execFileSync("umount", [folder]);
}

/** A file that takes all the room there is. */
export class Balloon {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** @param folder - on the disk to fill. */
  static fill(folder: string): Balloon {
    const path = join(folder, BALLOON);
    const file = openSync(path, "w");
    try {
      // Smaller and smaller pieces: no room is left for a small file either.
      for (let size = CHUNK_BYTES; size >= 1; ) {
        const isWritten = writes(file, Buffer.alloc(size));
        if (!isWritten) size = Math.floor(size / 2);
      }
    } finally {
      closeSync(file);
    }
    return new Balloon(path);
  }

  remove(): void {
    rmSync(this.#path, { force: true });
  }
}

function writes(file: number, bytes: Buffer): boolean {
  try {
    return writeSync(file, bytes) === bytes.length;
  } catch {
    return false;
  }
}
