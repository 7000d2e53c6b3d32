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

const NO_NAMES: readonly string[] = [];

/**
 * Packers that no batcher uses now. A batcher has one only while items wait in it, so that a
 * process with thousands of quiet links holds a few buffers.
 */
const idle: Packer[] = [];
const IDLE_MAX = 16;

export interface FrameBatcherOptions {
  /** The prefix of the frame that leaves now. */
  readonly prefix: () => PrefixFields;
  /** Takes a full frame, in memory of its own, and the number of its counted items. */
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
  readonly #names: readonly string[];
  readonly #schedule: (flush: () => void) => void;
  readonly #onTurnEnd: () => void;
  #packer: Packer | undefined;
  #items = 0;
  #counted = 0;
  #scheduled = false;

  constructor(options: FrameBatcherOptions) {
    this.#options = options;
    this.#names = options.names ?? NO_NAMES;
    this.#schedule = options.schedule ?? ((flush) => void setImmediate(flush));
    this.#onTurnEnd = () => {
      this.#scheduled = false;
      this.flush();
    };
  }

  /** Items that wait for the next frame. */
  get pending(): number {
    return this.#items;
  }

  /** Bytes of the frame around them. */
  get pendingBytes(): number {
    const packer = this.#packer;
    return packer === undefined ? 0 : packer.blobs.frameBytes(packer.position);
  }

  /**
   * Packs an item as it is now: later changes to it, blobs included, don't cross.
   *
   * @param isCounted - whether `send` and `discard` count it.
   * @returns the bytes that it takes, blobs included.
   * @throws {SystemError} NOT_SERIALIZABLE with the path, or FRAME_TOO_LARGE when not even a
   * frame of its own would hold it. The other items aren't touched.
   */
  add(item: unknown, isCounted = true): number {
    let bytes = this.#pack(item);
    if (bytes === 0) {
      this.flush();
      bytes = this.#pack(item);
    }
    this.#items++;
    if (isCounted) this.#counted++;
    if (this.#items >= FRAME_ITEMS_MAX) this.flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      this.#schedule(this.#onTurnEnd);
    }
    return bytes;
  }

  /** Sends what waits, now. */
  flush(): void {
    const packer = this.#packer;
    if (packer === undefined || this.#items === 0) return;
    const [items, counted] = [this.#items, this.#counted];
    packer.assertIdle();
    packer.buffer[VALUE_START] = wire.ARRAY16;
    packer.buffer[VALUE_START + 1] = items >>> 8;
    packer.buffer[VALUE_START + 2] = items;
    const frame = sealFrame(packer, this.#options.prefix());
    this.#reset(packer);
    this.#options.send(frame, counted);
  }

  /** Forgets what waits, as after a link's reset; the number of counted items. */
  discard(): number {
    const counted = this.#counted;
    if (this.#packer !== undefined) this.#reset(this.#packer);
    return counted;
  }

  /** Bytes of the packed item; 0 when it doesn't fit behind the others and has to wait. */
  #pack(item: unknown): number {
    const packer = (this.#packer ??= borrow(this.#names));
    const mark = packer.mark();
    try {
      packer.write(item, VALUE_DEPTH + 1);
    } catch (thrown) {
      packer.rewind(mark);
      const isFull = thrown instanceof SystemError && thrown.code === "FRAME_TOO_LARGE";
      if (isFull && this.#items > 0) return 0;
      throw thrown;
    }
    let bytes = packer.position - mark.position;
    const { views } = packer.blobs;
    for (let i = mark.blobs; i < views.length; i++) {
      const view = views[i] as Uint8Array;
      bytes += view.length;
      // The sender may write to its array before the turn ends.
      views[i] = view.slice();
    }
    return bytes;
  }

  #reset(packer: Packer): void {
    packer.assertIdle();
    this.#packer = undefined;
    this.#items = 0;
    this.#counted = 0;
    packer.reset(ITEMS_START, HEADER_VALUES + 1);
    if (idle.length < IDLE_MAX) idle.push(packer);
  }
}

/** An empty packer that nobody else uses. */
function borrow(names: readonly string[]): Packer {
  let packer = idle.pop();
  if (packer === undefined) {
    packer = new Packer({ limit: FRAME_BYTES_MAX });
    packer.reset(ITEMS_START, HEADER_VALUES + 1);
  }
  packer.names = names;
  return packer;
}
