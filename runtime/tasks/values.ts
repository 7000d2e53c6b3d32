/**
 * A task's arguments as bytes: packed once by the owner, read by the executor alone, never by what
 * lies between. No arguments are no bytes.
 */
import { SystemError } from "../errors.ts";
import { decodeEncoded, encodeValue } from "../frame/codec.ts";
import { ObjectRef } from "../frame/object-ref.ts";
import { TASK_ARGS_BYTES_MAX } from "./limits.ts";

const EMPTY = new Uint8Array(0);

/**
 * @throws {SystemError} NOT_SERIALIZABLE naming the path, FRAME_TOO_LARGE over
 * TASK_ARGS_BYTES_MAX.
 */
export function encodeArguments(args: readonly unknown[]): Uint8Array {
  if (args.length === 0) return EMPTY;
  let bytes: Uint8Array;
  try {
    bytes = encodeValue(args);
  } catch (thrown) {
    throw tooLarge(thrown) ?? thrown;
  }
  if (bytes.length <= TASK_ARGS_BYTES_MAX) return bytes;
  throw largeArguments(`${bytes.length} bytes`);
}

/** @throws {SystemError} FRAME_INVALID. */
export function decodeArguments(bytes: Uint8Array): readonly unknown[] {
  if (bytes.length === 0) return [];
  const args = decodeEncoded(bytes);
  if (Array.isArray(args)) return args as unknown[];
  throw new SystemError("FRAME_INVALID", "a task's arguments are no list");
}

/** The largest object among the arguments themselves that lies on some node. */
export function largestObject(
  args: readonly unknown[],
): { readonly worker: string; readonly bytes: number } | undefined {
  let largest: ObjectRef | undefined;
  for (const arg of args) {
    if (!(arg instanceof ObjectRef) || arg.node === null) continue;
    if (largest === undefined || arg.bytes > largest.bytes) largest = arg;
  }
  if (largest === undefined || largest.node === null) return undefined;
  return { worker: largest.node, bytes: largest.bytes };
}

function tooLarge(thrown: unknown): SystemError | undefined {
  if (!(thrown instanceof SystemError) || thrown.code !== "FRAME_TOO_LARGE") return undefined;
  return largeArguments(thrown.what);
}

function largeArguments(what: string): SystemError {
  const bound = `at most ${TASK_ARGS_BYTES_MAX} bytes`;
  const text = `a task's arguments take ${what}; ${bound}: put() what is large and pass its ref`;
  return new SystemError("FRAME_TOO_LARGE", text);
}
