/** Waiting for some of many objects and tasks. */
import { SystemError } from "../../errors.ts";
import { ObjectRef } from "../../frame/object-ref.ts";
import { DEADLINE_MS_MAX } from "../../limits.ts";
import { checkCount } from "../../usage.ts";
import type { Objects } from "./objects.ts";
import { cancelled } from "./signals.ts";

export interface WaitOptions {
  /** How many are to be ready. Default: all. */
  readonly count?: number;
  /** Milliseconds until it ends with what is ready by then. Default: no end. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Each item is in one of both, in the order of the call. */
export interface Waited<Item> {
  readonly ready: Item[];
  readonly pending: Item[];
}

/**
 * Waits until `count` items are ready: an object is when it can be had here or never will be; what
 * has a `then`, as a task's handle, is when it has settled.
 * @throws {SystemError} USAGE; CANCELLED by the signal.
 */
export async function waitFor<Item extends ObjectRef | PromiseLike<unknown>>(
  objects: Objects,
  items: readonly Item[],
  { count = items.length, timeoutMs = Number.POSITIVE_INFINITY, signal }: WaitOptions,
): Promise<Waited<Item>> {
  checkCount("count", count, 0, items.length);
  if (Number.isNaN(timeoutMs) || timeoutMs < 0) {
    throw new SystemError("USAGE", "timeoutMs is a number of milliseconds");
  }
  if (signal?.aborted === true) throw cancelled(signal);
  const settled = new Array<boolean>(items.length).fill(false);
  const over = new AbortController();
  let left = count;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const note = (index: number): void => {
    // What comes after the end changes nothing.
    if (over.signal.aborted) return;
    settled[index] = true;
    left -= 1;
    if (left <= 0) resolve();
  };
  const stop = (): void => reject(signal === undefined ? undefined : cancelled(signal));
  signal?.addEventListener("abort", stop, { once: true });
  const timer = Number.isFinite(timeoutMs)
    ? setTimeout(resolve, Math.min(timeoutMs, DEADLINE_MS_MAX))
    : undefined;
  try {
    if (count === 0) resolve();
    for (const [index, item] of items.entries()) {
      // What failed is ready too: it never will be otherwise.
      const ready = readiness(objects, item, over.signal).catch(() => undefined);
      void ready.then(() => note(index));
    }
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    over.abort(new SystemError("CANCELLED", "nobody waits for it any more"));
  }
  const pick = (wanted: boolean): Item[] => items.filter((_, index) => settled[index] === wanted);
  return { ready: pick(true), pending: pick(false) };
}

function readiness(
  objects: Objects,
  item: ObjectRef | PromiseLike<unknown>,
  signal: AbortSignal,
): Promise<unknown> {
  if (item instanceof ObjectRef) return objects.bring(item, { signal });
  if (typeof item?.then === "function") return Promise.resolve(item);
  throw new SystemError("USAGE", "wait takes refs of objects and handles of tasks");
}
