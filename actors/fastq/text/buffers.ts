/**
 * Buffers that texts are read through, used again by the next text: a shard's would else be
 * garbage after each shard, and memory grow with the input until somebody collects it.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Bytes that are kept for later, all in all: those of a few texts. */
const KEPT_BYTES_MAX = 16 * 1024 * 1024;
const kept: Buffer[] = [];

/** A buffer of `bytes`; what is in it means nothing. */
export function takeBuffer(bytes: number): Buffer {
  const at = kept.findIndex(({ length }) => length === bytes);
  return (at < 0 ? undefined : kept.splice(at, 1)[0]) ?? Buffer.allocUnsafeSlow(bytes);
}

/** Gives a buffer back that nobody looks at any more. */
export function giveBuffer(buffer: Buffer): void {
  const bytes = kept.reduce((sum, { length }) => sum + length, buffer.length);
  if (bytes <= KEPT_BYTES_MAX) kept.push(buffer);
}

/** Bytes of batches after which the young ones that nobody holds any more are collected. */
const COLLECT_BYTES = 24 * 1024 * 1024;
let handedOut = 0;
let collect: ((options: { readonly type: "minor" }) => void) | undefined;

/**
 * Counts what is handed to a consumer. V8 collects by what its own heap holds, and a batch is a few
 * small objects there with megabytes outside: on a busy machine they pile up. A minor collection
 * takes about a millisecond.
 */
export function countHandedOut(bytes: number): void {
  handedOut += bytes;
  if (handedOut < COLLECT_BYTES) return;
  handedOut = 0;
  collect ??= exposedCollector();
  collect({ type: "minor" });
}

function exposedCollector(): NonNullable<typeof collect> {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as NonNullable<typeof collect>;
}
