/**
 * Executors' output where the agent's own goes. The agent never waits for who reads there (a pager,
 * a stopped terminal): what can't be written at once is lost there, and a line says how much. A
 * file takes RELAY_FILE_BYTES_MAX an hour: one actor's loop would fill the disk.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { RELAY_FILE_BYTES_MAX } from "../../runtime/limits.ts";
import type { Stream } from "./output.ts";

const HOUR = 3_600_000;

const DESCRIPTORS: Record<Stream, number> = { stdout: 1, stderr: 2 };

export class Relay {
  readonly #files: Record<Stream, number | undefined>;
  readonly #lost: Record<Stream, number> = { stdout: 0, stderr: 0 };
  /** Which of them are files on a disk; both may be one. */
  readonly #onDisk: Record<Stream, boolean>;
  readonly #now: () => number;
  /** Bytes that files may take now, and when that was so. */
  #room = RELAY_FILE_BYTES_MAX;
  #roomMs: number;

  /** @param paths - what to open; the process's own stdout and stderr unless given. */
  constructor(paths: Record<Stream, string> = ownPaths(), now = () => performance.now()) {
    this.#files = { stdout: openWithoutWait(paths.stdout), stderr: openWithoutWait(paths.stderr) };
    this.#onDisk = { stdout: isOnDisk(this.#files.stdout), stderr: isOnDisk(this.#files.stderr) };
    this.#now = now;
    this.#roomMs = now();
    // Who read it is gone: that ends nobody here.
    for (const stream of ["stdout", "stderr"] as const) {
      if (this.#files[stream] === undefined) process[stream].on("error", () => undefined);
    }
  }

  write(stream: Stream, chunk: Buffer): void {
    const file = this.#files[stream];
    if (file === undefined) {
      process[stream].write(chunk);
      return;
    }
    const lost = this.#lost[stream];
    if (lost > 0) {
      const line = Buffer.from(`\n[${lost} bytes of executors' output were lost]\n`);
      // Half of this line is no harm; half of it again would be.
      if (this.#writeSome(stream, file, line, chunk.length) === 0) {
        this.#lost[stream] = lost + chunk.length;
        return;
      }
    }
    this.#lost[stream] = chunk.length - this.#writeSome(stream, file, chunk, chunk.length);
  }

  /** Bytes that were taken; none when a disk's file has no room for as many as `needed`. */
  #writeSome(stream: Stream, file: number, bytes: Buffer, needed: number): number {
    if (!this.#onDisk[stream]) return writeSome(file, bytes);
    if (!this.#hasRoom(needed)) return 0;
    const written = writeSome(file, bytes);
    this.#room -= written;
    return written;
  }

  #hasRoom(bytes: number): boolean {
    const nowMs = this.#now();
    const more = ((nowMs - this.#roomMs) / HOUR) * RELAY_FILE_BYTES_MAX;
    this.#room = Math.min(RELAY_FILE_BYTES_MAX, this.#room + more);
    this.#roomMs = nowMs;
    return bytes <= this.#room;
  }

  close(): void {
    for (const file of Object.values(this.#files)) if (file !== undefined) closeSync(file);
    this.#files.stdout = undefined;
    this.#files.stderr = undefined;
  }
}

function ownPaths(): Record<Stream, string> {
  return {
    stdout: `/proc/self/fd/${DESCRIPTORS.stdout}`,
    stderr: `/proc/self/fd/${DESCRIPTORS.stderr}`,
  };
}

/** Opened anew, so that who shares the old one isn't changed; not possible for every kind. */
function openWithoutWait(path: string): number | undefined {
  const { O_WRONLY, O_APPEND, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    return openSync(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY);
  } catch {
    return undefined;
  }
}

function isOnDisk(file: number | undefined): boolean {
  return file !== undefined && fstatSync(file).isFile();
}

/** Bytes that were taken before it would have had to wait. */
function writeSome(file: number, bytes: Buffer): number {
  let written = 0;
  while (written < bytes.length) {
    try {
      written += writeSync(file, bytes, written);
    } catch {
      break;
    }
  }
  return written;
}
