/**
 * Pure core: how fast shards and reads come, from looks at their counts. Both come by whole shards,
 * so that a rate is over the last half minute, up to now: it sinks while nothing comes.
 *
 * Invariant: looks stand in the order of their times; the first is no later than the window's
 * begin, unless none is so old.
 */

/** Counts at a moment. */
export interface Look {
  readonly atMs: number;
  /** Shards and reads of them so far; they never fall. */
  readonly done: number;
  readonly reads: number;
}

const WINDOW_MS = 30_000;
/** Before that a rate would say more about the start than about the work. */
const LEAST_MS = 500;

export class Pace {
  #looks: Look[] = [];

  /** Reads a second, and seconds until `total` shards are done; undefined while nobody knows. */
  add(
    look: Look,
    total: number | null,
  ): { readonly readsPerS: number | undefined; readonly leftS: number | undefined } {
    const last = this.#looks.at(-1);
    // What stays the same needs no look of its own: the next change shows how long it took.
    if (last?.done !== look.done || last.reads !== look.reads) this.#looks.push(look);
    while ((this.#looks[1]?.atMs ?? Infinity) <= look.atMs - WINDOW_MS) this.#looks.shift();
    const first = this.#looks[0] ?? look;
    const tookMs = look.atMs - first.atMs;
    const done = look.done - first.done;
    if (tookMs < LEAST_MS || done === 0) return { readsPerS: undefined, leftS: undefined };
    const readsPerS = ((look.reads - first.reads) * 1_000) / tookMs;
    const leftS = total === null ? undefined : ((total - look.done) * tookMs) / done / 1_000;
    return { readsPerS, leftS };
  }
}
