/**
 * A store's objects as another process of the machine has them: reads them without asking, and
 * writes what it was granted. An object that isn't found may be on disk: its store brings it back.
 */
import { regionStatus } from "../native/regions.ts";
import { CopiedFiles } from "./copied.ts";
import { type ObjectFiles, ObjectFolder, type OpenObject, type Place } from "./files.ts";
import { headerOf, type PutArray } from "./header.ts";
import { MappedFiles } from "./mapped.ts";
import type { PutOptions } from "./store.ts";

export class ObjectReader {
  readonly #files: ObjectFiles;

  /** @param folder - `folder` of the store. @param native - whether to use the addon. */
  constructor(folder: string, native = true) {
    const addon = native ? regionStatus().addon : undefined;
    const names = new ObjectFolder(folder);
    this.#files = addon === undefined ? new CopiedFiles(names) : new MappedFiles(addon, names, 0);
  }

  /**
   * A sealed object, pinned until its release; undefined when the store must be asked for it.
   * @throws {SystemError} OBJECT_INVALID for a file that is no object.
   */
  open(place: Place): OpenObject | undefined {
    return this.#files.open(place);
  }

  /**
   * Seals an array under an id, within what the store granted; then tell the store (`adopt`).
   * @throws {SystemError} USAGE when the id is taken; OBJECT_STORE_FULL when the memory is full.
   */
  async write(place: Place, array: PutArray, options: PutOptions = {}): Promise<void> {
    const header = headerOf(place.id, array, options);
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    await this.#files.write(place.job, header, async (write) => write(0, bytes));
  }
}
