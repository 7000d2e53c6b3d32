/**
 * A store's objects as another process of the machine has them: reads them without asking, and
 * writes what it was granted. An object that isn't found may be on disk: its store brings it back.
 */
import { regionStatus } from "../native/regions.ts";
import { CopiedFiles } from "./copied.ts";
import {
  copyIn,
  type ObjectFiles,
  ObjectFolder,
  type OpenObject,
  type Place,
  type Slot,
} from "./files.ts";
import { headerOf, type ObjectHeader, type PutArray } from "./header.ts";
import { OBJECT_STEP_BYTES, OBJECT_WRITER_REGIONS_MAX } from "./limits.ts";
import { MappedFiles } from "./mapped.ts";
import type { PutOptions } from "./store/types.ts";
import type { Parts } from "./value.ts";

export interface ReaderOptions {
  /** Whether to use the addon, where it is. */
  readonly native?: boolean;
  /** Whether to keep the memory of what is written here, until `forget`. */
  readonly keep?: boolean;
}

export class ObjectReader {
  readonly #files: ObjectFiles;
  readonly #mapped: MappedFiles | undefined;

  /** @param folder - `folder` of the store. */
  constructor(folder: string, { native = true, keep = false }: ReaderOptions = {}) {
    const addon = native ? regionStatus().addon : undefined;
    const names = new ObjectFolder(folder);
    if (addon !== undefined) {
      const [bytes, regions] = keep ? [Infinity, OBJECT_WRITER_REGIONS_MAX] : [0, 0];
      this.#mapped = new MappedFiles(addon, names, bytes, regions);
    }
    this.#files = this.#mapped ?? new CopiedFiles(names);
  }

  /** Whether what is written here is kept mapped for the next. */
  get keeps(): boolean {
    return this.#mapped !== undefined;
  }

  /**
   * A sealed object, pinned until its release; undefined when the store must be asked for it.
   * @throws {SystemError} OBJECT_INVALID for a file that is no object.
   */
  open(place: Place): OpenObject | undefined {
    return this.#files.open(place);
  }

  /** Whether its store needn't be asked for it, as it stands now. */
  has(place: Place): boolean {
    return this.#files.look(place)?.header.id === place.id;
  }

  /**
   * Seals an array under an id, within what the store granted; then tell the store (`adopt`).
   * @throws {SystemError} USAGE when the id is taken; OBJECT_STORE_FULL when the memory is full.
   */
  async write(place: Place, array: PutArray, options: PutOptions = {}): Promise<void> {
    const header = headerOf(place.id, array, options);
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    await this.writeParts(place.job, header, { bytes: bytes.length, parts: [[0, bytes]] });
  }

  /** The same of a payload in parts. @param slot - memory that the store granted again. */
  async writeParts(
    job: string,
    header: ObjectHeader,
    { parts }: Parts,
    slot?: Slot,
  ): Promise<void> {
    const kept = slot === undefined ? undefined : this.#mapped?.reclaim(slot);
    const fill = async (write: (offset: number, bytes: Uint8Array) => void): Promise<void> => {
      let written = 0;
      for (const [offset, bytes] of parts) {
        if (written + bytes.length > OBJECT_STEP_BYTES) {
          await new Promise((resolve) => void setImmediate(resolve));
          written = 0;
        }
        await copyIn(bytes, bytes.byteLength, (at, some) => write(offset + at, some));
        written += bytes.length;
      }
    };
    await this.#files.write(job, header, fill, kept);
  }

  /** Gives back what is kept of an object that was written here. */
  forget(id: string): void {
    this.#mapped?.forget(id);
  }

  /** Gives back all that is kept. */
  forgetAll(): void {
    this.#mapped?.forgetAll();
  }
}
