/** The object store of one node, and what other processes of its machine need to read it. */
export type { ObjectFiles, OpenObject, Place, Slot, Writer } from "./files.ts";
export type { ObjectArray, ObjectHeader, ObjectKind, PutArray } from "./header.ts";
export { SHARED_MEMORY, sharedRoot, spillRoot, sweepDead, sweepObjects } from "./owners.ts";
export { ObjectReader } from "./reader.ts";
export { ObjectStore } from "./store.ts";
export type { JobUsage, ObjectEnd } from "./store/ledger.ts";
export type {
  Grant,
  ObjectLocation,
  PutOptions,
  StoredObject,
  StoreOptions,
  StoreUsage,
} from "./store/types.ts";
