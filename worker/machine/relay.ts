/**
 * Executors' output where the agent's own goes. The agent never waits for who reads there (a pager,
 * a stopped terminal): what can't be written at once is lost there, and a line says how much.
 */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import type { Stream } from "./output.ts";

const DESCRIPTORS: Record<Stream, number> = { stdout: 1, stderr: 2 };

export class Relay {
  readonly #files: Record<Stream, number | undefined>;
  readonly #lost: Record<Stream, number> = { stdout: 0, stderr: 0 };

  /** @param paths - what to open; the process's own stdout and stderr unless given. */
  constructor(paths: Record<Stream, string> = ownPaths()) {
    this.#files = { stdout: openWithoutWait(paths.stdout), stderr: openWithoutWait(paths.stderr) };
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
      if (writeSome(file, line) === 0) {
        this.#lost[stream] = lost + chunk.length;
        return;
      }
    }
    this.#lost[stream] = chunk.length - writeSome(file, chunk);
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
