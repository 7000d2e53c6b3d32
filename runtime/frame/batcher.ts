/**
 * Many items to one destination in one frame, whose value is the array of them. Each item is packed
 * once, when it is added; its bytes then only move.
 */
import { SystemError } from "../errors.ts";
import { FRAME_BYTES_MAX, FRAME_ITEMS_MAX } from "../limits.ts";
import { HEADER_VALUES, sealFrame, VALUE_DEPTH, VALUE_START } from "./codec.ts";
import { Packer } from "./pack.ts";
import type { PrefixFields } from "./prefix.ts";
import * as wire from "./wire.ts";

/** The items' array always has its wide header, so that its count can be filled in at the end. */
const ITEMS_START = VALUE_START + 3;

export interface FrameBatcherOptions {
  /** The prefix of the frame that leaves now. */
  readonly prefix: () => PrefixFields;
  /** Takes a full frame, in memory of its own, and the number of its items. */
  readonly send: (frame: Uint8Array, items: number) => void;
  /** Names of an item's fields where items are tuples: `$.args[0]` instead of `$[4][0]`. */
  readonly names?: readonly string[];
  /** Runs the flush after the current turn; setImmediate unless a test has its own. */
  readonly schedule?: (flush: () => void) => void;
}

/**
 * Collects items and sends them when the turn ends, when FRAME_ITEMS_MAX are there, or when the
 * next one doesn't fit.
 *
 * Invariant: the frame around the items that wait fits FRAME_BYTES_MAX and FRAME_VALUES_MAX.
 */
export class FrameBatcher {
  readonly #options: FrameBatcherOptions;
  readonly #packer: Packer;
  readonly #schedule: (flush: () => void) => void;
  readonly #onTurnEnd: () => void;
  #items = 0;
  #scheduled = false;

  constructor(options: FrameBatcherOptions) {
    this.#options = options;
    this.#packer = new Packer({ limit: FRAME_BYTES_MAX, names: options.names ?? [] });
    this.#schedule = options.schedule ?? ((flush) => void setImmediate(flush));
    this.#onTurnEnd = () => {
      this.#scheduled = false;
      this.flush();
    };
    this.#reset();
  }

  /** Items that wait for the next frame. */
  get pending(): number {
    return this.#items;
  }

  /**
   * Packs an item as it is now: later changes to it, blobs included, don't cross.
   *
   * @throws {SystemError} NOT_SERIALIZABLE with the path, or FRAME_TOO_LARGE when not even a
   * frame of its own would hold it. The other items aren't touched.
   */
  add(item: unknown): void {
    if (!this.#pack(item)) {
      this.flush();
      this.#pack(item);
    }
    this.#items++;
    if (this.#items >= FRAME_ITEMS_MAX) this.flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      this.#schedule(this.#onTurnEnd);
    }
  }

  /** Sends what waits, now. */
  flush(): void {
    const items = this.#items;
    if (items === 0) return;
    const packer = this.#packer;
    packer.assertIdle();
    packer.buffer[VALUE_START] = wire.ARRAY16;
    packer.buffer[VALUE_START + 1] = items >>> 8;
    packer.buffer[VALUE_START + 2] = items;
    const frame = sealFrame(packer, this.#options.prefix());
    this.#reset();
    this.#options.send(frame, items);
  }

  /** Forgets what waits, as after a link's reset; the number of items. */
  discard(): number {
    const items = this.#items;
    this.#reset();
    return items;
  }

  /** False when the item doesn't fit behind the others and has to wait for the next frame. */
  #pack(item: unknown): boolean {
    const packer = this.#packer;
    const { position, values } = packer;
    const blobs = packer.blobs.views.length;
    try {
      packer.write(item, VALUE_DEPTH + 1);
    } catch (thrown) {
      packer.rewind({ position, values, blobs });
      const isFull = thrown instanceof SystemError && thrown.code === "FRAME_TOO_LARGE";
      if (isFull && this.#items > 0) return false;
      throw thrown;
    }
    const { views } = packer.blobs;
    // The sender may write to its array before the turn ends.
    for (let i = blobs; i < views.length; i++) views[i] = (views[i] as Uint8Array).slice();
    return true;
  }

  #reset(): void {
    this.#packer.reset(ITEMS_START, HEADER_VALUES + 1);
    this.#items = 0;
  }
}
