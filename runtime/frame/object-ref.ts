/** The name of an object: immutable bytes in a node's shared memory. It crosses; the bytes stay. */
import { SystemError } from "../errors.ts";
import type { ProcessId } from "../ids.ts";

/** Names an object; two refs with one id name the same bytes. */
export class ObjectRef {
  /** 32 hex digits. */
  readonly id: string;
  /** Size of the object. 0 <= bytes <= Number.MAX_SAFE_INTEGER. */
  readonly bytes: number;
  /** The process that put it, whom to ask for it. */
  readonly owner: ProcessId;

  /** @throws {SystemError} USAGE when a field is out of its range. */
  constructor(fields: { readonly id: string; readonly bytes: number; readonly owner: ProcessId }) {
    if (!/^[0-9a-f]{32}$/.test(fields.id) || !/^[0-9a-f]{16}$/.test(fields.owner)) {
      throw new SystemError(
        "USAGE",
        "an ObjectRef needs an id of 32 and an owner of 16 hex digits",
      );
    }
    if (!Number.isSafeInteger(fields.bytes) || fields.bytes < 0) {
      throw new SystemError("USAGE", `an object of ${fields.bytes} bytes`);
    }
    this.id = fields.id;
    this.bytes = fields.bytes;
    this.owner = fields.owner;
  }
}
