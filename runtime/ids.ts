/**
 * Names that cross processes. All are lower-case letters, digits and `-`, so that each is at once a
 * file name, a NATS subject token and a Slurm job name.
 */
import { createHash, randomBytes } from "node:crypto";

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/**
 * One process incarnation, 64 random bits as 16 hex digits: the destination or source of a frame.
 */
export type ProcessId = Brand<string, "ProcessId">;
/** Who a NATS key belongs to: `h-`, `w-` or `c-` and 12 hex digits. */
export type Identity = Brand<string, "Identity">;
export type SolveId = Brand<string, "SolveId">;

export const PROCESS_NONE = "0000000000000000" as ProcessId;

/** 8 random bytes as 16 hex digits; never PROCESS_NONE. */
export function newProcessId(): ProcessId {
  const id = randomBytes(8).toString("hex") as ProcessId;
  return id === PROCESS_NONE ? newProcessId() : id;
}

export function newIdentity(role: "h" | "w" | "c"): Identity {
  return `${role}-${randomBytes(6).toString("hex")}` as Identity;
}

/** sha256 of bytes or text, as 64 hex digits. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/**
 * JSON with sorted keys, without spaces: equal values give equal text.
 * @throws {TypeError} for values that JSON can't hold (undefined in arrays, functions, bigint,
 * NaN).
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") {
    return JSON.stringify(value);
  }
  if (typeof value === "number" && Number.isFinite(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonicalJson(v)}`).join(",")}}`;
  }
  throw new TypeError(`no canonical JSON for a ${typeof value}`);
}

/** The first 12 hex digits of an id, as they stand in file and slurm job names. */
export function short12(id: string): string {
  return id.slice(0, 12);
}
