/**
 * Pure core. Arguments of named actors in the log, which is JSON: as they are when JSON gives them
 * back unchanged, and else as a frame in base64.
 */
import { decodeFrame, encodeFrame } from "../../../runtime/frame/codec.ts";
import { LANE_CONTROL } from "../../../runtime/frame/prefix.ts";
import { PROCESS_NONE } from "../../../runtime/ids.ts";
import type { StoredArgs } from "../facts.ts";

export function storedArgs(args: readonly unknown[]): StoredArgs {
  if (isExact(args)) return { json: args };
  const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
  const ends = { source: PROCESS_NONE, destination: PROCESS_NONE };
  return { frame: Buffer.from(encodeFrame({ ...fields, ...ends }, args)).toString("base64") };
}

export function argsOf(stored: StoredArgs): unknown[] {
  if ("json" in stored) return [...stored.json];
  return decodeFrame(Buffer.from(stored.frame, "base64")).value as unknown[];
}

/** Whether JSON holds a value exactly. */
function isExact(value: unknown): boolean {
  if (value === null || typeof value === "boolean") return true;
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  if (Array.isArray(value)) return value.every(isExact);
  if (typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) return false;
  return Object.entries(value).every(([key, item]) => key !== "__proto__" && isExact(item));
}
