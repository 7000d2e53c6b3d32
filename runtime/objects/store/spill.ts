/**
 * Objects on the local disk: copies of their files, one each, in a folder of this process. They
 * last as long as the process: nothing is synced, and what a dead one left is swept.
 */
import { copyFile, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { SystemError, toSystemError } from "../../errors.ts";
import type { TakenObject, Write } from "../files.ts";
import { decodeHeader, HEADER_BYTES, type ObjectHeader } from "../header.ts";
import { OBJECT_STEP_BYTES } from "../limits.ts";

export class SpillFolder {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Copies an object's file. @throws {SystemError} STORAGE_FAILED; nothing is left then. */
  async write(id: string, taken: TakenObject): Promise<void> {
    const path = this.pathOf(id);
    try {
      await copyFile(taken.path, `${path}.new`);
      await rename(`${path}.new`, path);
    } catch (thrown) {
      await rm(`${path}.new`, { force: true });
      throw new SystemError("STORAGE_FAILED", "an object can't be spilled", { uri: path }, thrown);
    }
  }

  /**
   * Reads a copy back.
   * @param use - gets the header, and what writes the payload when it is called.
   * @throws {SystemError} OBJECT_LOST when the copy is gone, cut off or another's.
   */
  async read(
    id: string,
    use: (header: ObjectHeader, fill: (write: Write) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    const path = this.pathOf(id);
    const file = await open(path, "r").catch((thrown: unknown) => {
      throw new SystemError("OBJECT_LOST", "its copy on disk can't be read", { uri: path }, thrown);
    });
    try {
      const { size } = await file.stat();
      const head = new Uint8Array(HEADER_BYTES);
      const { bytesRead } = await file.read(head, 0, HEADER_BYTES, 0);
      const header = headerOf(head.subarray(0, bytesRead), size, path);
      if (header.id !== id) {
        throw new SystemError("OBJECT_LOST", "its copy on disk is another object's", { uri: path });
      }
      await use(header, async (write) => {
        const step = new Uint8Array(Math.min(OBJECT_STEP_BYTES, header.bytes));
        for (let at = 0; at < header.bytes; ) {
          const most = Math.min(step.length, header.bytes - at);
          const { bytesRead: read } = await file.read(step, 0, most, HEADER_BYTES + at);
          if (read === 0) throw new SystemError("OBJECT_LOST", "its copy on disk is cut off");
          write(at, step.subarray(0, read));
          at += read;
        }
      });
    } finally {
      await file.close();
    }
  }

  async remove(id: string): Promise<void> {
    await rm(this.pathOf(id), { force: true });
  }

  /** Where an object's copy is. */
  pathOf(id: string): string {
    return join(this.#path, id);
  }
}

/** @throws {SystemError} OBJECT_LOST saying what is wrong with it. */
function headerOf(head: Uint8Array, size: number, path: string): ObjectHeader {
  try {
    return decodeHeader(head, size);
  } catch (thrown) {
    const { what } = toSystemError(thrown);
    throw new SystemError("OBJECT_LOST", `its copy on disk: ${what}`, { uri: path }, thrown);
  }
}
