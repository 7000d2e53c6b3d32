/**
 * Ids that a shard has more than once. Its ids are told apart by 64 bits of hash, so that memory is
 * 8 bytes an id; two unlike ids of one shard of 10^5 are taken for one in 1 of 10^9 shards.
 */
import type { Reads } from "./batch.ts";

const SLOTS_MIN = 4096;

/** Counts ids that were there before in the same shard; of pairs, those of first reads. */
export class IdCounter {
  /** Two halves of a hash a slot; both 0: free. */
  #slots = new Int32Array(2 * SLOTS_MIN);
  #ids = 0;
  #repeated = 0;

  add({ names, nameEnds, records }: Reads): void {
    const view = new DataView(names.buffer, names.byteOffset, names.byteLength);
    for (let i = 0; i < records; i++) {
      const end = nameEnds[i + 1] as number;
      let at = nameEnds[i] as number;
      let low = Math.imul(end - at, 0x2545_f491);
      let high = 0x1b87_3593;
      for (; at + 4 <= end; at += 4) {
        const four = view.getInt32(at, true);
        low = Math.imul(low ^ four, 0x9e37_79b1);
        low ^= low >>> 15;
        high = Math.imul(high + four, 0x85eb_ca6b);
        high ^= high >>> 13;
      }
      let rest = 0;
      for (; at < end; at++) rest = (rest << 8) | (names[at] as number);
      low = Math.imul(low ^ rest, 0x9e37_79b1);
      high = Math.imul(high + rest, 0x85eb_ca6b);
      this.#addHash(mixed(low), mixed(high ^ (high >>> 13)) || 1);
    }
  }

  /** What a shard says of them. */
  warnings(): Readonly<Record<string, number>> {
    return this.#repeated === 0 ? {} : { duplicateIds: this.#repeated };
  }

  #addHash(low: number, high: number): void {
    const slot = this.#slotOf(low, high);
    if (this.#slots[slot + 1] !== 0) {
      this.#repeated += 1;
      return;
    }
    this.#slots[slot] = low;
    this.#slots[slot + 1] = high;
    this.#ids += 1;
    if (this.#ids * 4 > this.#slots.length) this.#grow();
  }

  /** The slot of a hash, or the free one where it goes. */
  #slotOf(low: number, high: number): number {
    const mask = this.#slots.length / 2 - 1;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const other = this.#slots[2 * slot + 1] as number;
      if (other === 0 || (other === high && this.#slots[2 * slot] === low)) return 2 * slot;
    }
  }

  #grow(): void {
    const slots = this.#slots;
    this.#slots = new Int32Array(2 * slots.length);
    for (let slot = 0; slot < slots.length; slot += 2) {
      const [low, high] = [slots[slot] as number, slots[slot + 1] as number];
      if (high === 0) continue;
      const at = this.#slotOf(low, high);
      this.#slots[at] = low;
      this.#slots[at + 1] = high;
    }
  }
}

/** All bits of a hash by all others (MurmurHash3's last step). */
function mixed(hash: number): number {
  let mixing = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  mixing = Math.imul(mixing ^ (mixing >>> 13), 0xc2b2_ae35);
  return mixing ^ (mixing >>> 16);
}
