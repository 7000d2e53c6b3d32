/**
 * Objects without the addon: plain files in the same format and folders, read by a copy. Nobody
 * pins one: a reader has its own bytes. What is written stands whole before its name appears.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  linkSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { SystemError } from "../errors.ts";
import {
  codeOf,
  type ObjectFiles,
  ObjectFolder,
  type OpenObject,
  pagesOf,
  type Place,
  type TakenObject,
  type Write,
  writeFailure,
} from "./files.ts";
import { arrayOf, decodeHeader, encodeHeader, HEADER_BYTES, type ObjectHeader } from "./header.ts";

const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export class CopiedFiles implements ObjectFiles {
  readonly #folder: ObjectFolder;

  constructor(folder: ObjectFolder) {
    this.#folder = folder;
  }

  idleBytes(): number {
    return 0;
  }

  footprint(payloadBytes: number): number {
    return pagesOf(HEADER_BYTES + payloadBytes);
  }

  reuse(): undefined {}

  dropIdle(): boolean {
    return false;
  }

  dropWriter(): void {}

  dropJob(): void {}

  giveUp(): void {}

  look(place: Place): { header: ObjectHeader; bytes: number } | undefined {
    const found = this.open(place);
    if (found === undefined) return undefined;
    return { header: found.header, bytes: this.footprint(found.header.bytes) };
  }

  async write(
    job: string,
    header: ObjectHeader,
    fill: (write: Write) => Promise<void>,
  ): Promise<number> {
    const path = this.#folder.idlePath();
    let file: number | undefined;
    try {
      const into = openSync(path, "wx", 0o600);
      file = into;
      writeAll(into, 0, encodeHeader(header));
      await fill((offset, bytes) => writeAll(into, HEADER_BYTES + offset, bytes));
      fchmodSync(into, 0o400);
      this.#folder.publish(path, { job, id: header.id });
      return this.footprint(header.bytes);
    } catch (thrown) {
      rmSync(path, { force: true });
      throw writeFailure(thrown);
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }

  open(place: Place): OpenObject | undefined {
    const bytes = readWhole(this.#folder.pathOf(place));
    if (bytes === undefined) return undefined;
    const header = decodeHeader(bytes, bytes.length);
    if (header.id !== place.id) {
      throw new SystemError("OBJECT_INVALID", "a file holds another object than its name says");
    }
    return { header, array: arrayOf(header, bytes.buffer), release: () => undefined };
  }

  remove(place: Place): void {
    this.#folder.unlink(place);
  }

  take(place: Place): TakenObject | undefined {
    const path = this.#folder.withdraw(place);
    if (path === undefined) return undefined;
    return {
      path,
      bytes: pagesOf(statSync(path).size),
      giveBack: () => {
        linkSync(path, this.#folder.pathOf(place));
        unlinkSync(path);
      },
      drop: () => rmSync(path, { force: true }),
    };
  }
}

function writeAll(file: number, offset: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(file, bytes, done, bytes.length - done, offset + done);
  }
}

/** @throws {SystemError} OBJECT_INVALID for anything but a file of this user. */
function readWhole(path: string): Uint8Array<ArrayBuffer> | undefined {
  let file: number;
  try {
    file = openSync(path, READ);
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return undefined;
    throw new SystemError("OBJECT_INVALID", "an object's file can't be opened", {}, thrown);
  }
  try {
    const about = fstatSync(file);
    if (!about.isFile() || about.uid !== process.geteuid?.()) {
      throw new SystemError("OBJECT_INVALID", "an object's file isn't a file of this user");
    }
    const bytes = new Uint8Array(about.size);
    for (let done = 0; done < bytes.length; ) {
      const read = readSync(file, bytes, done, bytes.length - done, done);
      if (read === 0) throw new SystemError("OBJECT_INVALID", "an object's file is cut off");
      done += read;
    }
    return bytes;
  } finally {
    closeSync(file);
  }
}
