/**
 * The name of an object: immutable bytes in a node's shared memory. It crosses; the bytes stay,
 * but those of a small one, which the ref carries itself.
 */
import { SystemError } from "../errors.ts";
import type { Identity, ProcessId } from "../ids.ts";

/** What a ref says; see `ObjectRef`. */
export interface ObjectRefFields {
  readonly id: string;
  readonly bytes: number;
  readonly job: ProcessId;
  readonly node: Identity | null;
  readonly inline?: Uint8Array | undefined;
}

declare const put: unique symbol;

/**
 * Names an object; two refs with one id name the same bytes.
 * `Put` is the type of what was put, for the compiler alone.
 */
export class ObjectRef<Put = unknown> {
  declare readonly [put]?: Put;
  /** 32 hex digits. */
  readonly id: string;
  /** Size of the object. 0 <= bytes <= Number.MAX_SAFE_INTEGER. */
  readonly bytes: number;
  /** The process whose end is the object's: the client's, the driver's, or a task's owner's. */
  readonly job: ProcessId;
  /** The worker whose store it was put into; null for one that is in no store. */
  readonly node: Identity | null;
  /** The whole object as its file would be, of one that is in no store. */
  readonly inline: Uint8Array | undefined;

  /** @throws {SystemError} USAGE when a field is out of its range. */
  constructor(fields: ObjectRefFields) {
    const { id, bytes, job, node, inline } = fields;
    if (!isHex(id, 32) || !isHex(job, 16)) {
      throw new SystemError("USAGE", "an ObjectRef needs an id of 32 and a job of 16 hex digits");
    }
    if (!Number.isSafeInteger(bytes) || bytes < 0) {
      throw new SystemError("USAGE", `an object of ${bytes} bytes`);
    }
    const isNode = node !== null && /^[hwc]-[0-9a-f]{12}$/.test(node);
    if (isNode === (inline !== undefined) || (node !== null && !isNode)) {
      throw new SystemError("USAGE", "an object is on one node, or in its ref");
    }
    this.id = id;
    this.bytes = bytes;
    this.job = job;
    this.node = node;
    this.inline = inline;
  }
}

function isHex(text: string, length: number): boolean {
  if (typeof text !== "string" || text.length !== length) return false;
  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at);
    if (!((code >= 48 && code <= 57) || (code >= 97 && code <= 102))) return false;
  }
  return true;
}
