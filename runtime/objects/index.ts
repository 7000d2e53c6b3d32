/** The object store of one node, and what other processes of its machine need to read it. */
export type { ObjectFiles, OpenObject, Place } from "./files.ts";
export type { ObjectArray, ObjectHeader, ObjectKind, PutArray } from "./header.ts";
export { sharedRoot, sweepDead } from "./owners.ts";
export { ObjectReader } from "./reader.ts";
export {
  type Grant,
  ObjectStore,
  type PutOptions,
  type StoreOptions,
  type StoreUsage,
} from "./store.ts";
