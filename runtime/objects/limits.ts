/** The bounds of a node's object store: value, unit, reason. */

/** Bytes of one object's payload: 64 GiB, which a typed array holds and a float64 counts. */
export const OBJECT_BYTES_MAX = 2 ** 36;
/** Dimensions of an object's shape: they fit its header. */
export const OBJECT_DIMENSIONS_MAX = 8;
/** Bytes copied between two turns of the event loop: ~2 ms where memory is warm, ~10 where not. */
export const OBJECT_STEP_BYTES = 16 * 1024 * 1024;
/** Bytes of a file up to which a reader gets a copy: below, it costs less than a mapping. */
export const OBJECT_COPY_BYTES = 64 * 1024;
/** Objects that one store holds, shared and spilled: ~500 bytes each in its process. */
export const OBJECTS_MAX = 1_000_000;
/** Puts and gets that wait for room; more is OBJECT_STORE_FULL at once. */
export const OBJECT_WAITERS_MAX = 10_000;
/** Milliseconds that a put or get waits for room before it is OBJECT_STORE_FULL. */
export const OBJECT_WAIT_MS = 10_000;
/** Milliseconds between two looks for room while readers, whose end nobody tells, pin all. */
export const OBJECT_ROOM_LOOK_MS = 10;
/** Pinned objects passed over in one look for something to spill: ~3 us each. */
export const OBJECT_SPILL_TRIES = 256;
/** Milliseconds for which a copy that came stays while anything else can be moved away. */
export const OBJECT_COPY_FRESH_MS = 1_000;
/** Objects of pure tasks that a process can have made again: ~300 bytes and its arguments each. */
export const RECIPES_MAX = 100_000;
/** Bytes of those arguments. */
export const RECIPES_BYTES_MAX = 64 * 1024 * 1024;
/** Times that one object is made again: nodes that are lost that often are lost for a reason. */
export const RECIPE_TRIES = 3;
/** Lost arguments that one attempt of a task tells of, ~200 bytes each; the next tells the rest. */
export const LOST_TOLD_MAX = 1_000;
/** Bytes from which an object's memory is used again: below, a new file costs less than a lock. */
export const OBJECT_REUSE_BYTES = 256 * 1024;
/** Regions kept open for their next use: each holds a descriptor. */
export const OBJECT_REGIONS_MAX = 1_024;
/** The same of a process that writes for its machine's store. */
export const OBJECT_WRITER_REGIONS_MAX = 128;
/** Removed objects looked at for readers in one go: ~1 us each. */
export const OBJECT_REST_LOOKS = 64;
/** Share of a region's bytes that may lie idle when it is used again. */
export const OBJECT_SLACK = 0.125;
/** Share of the limit that regions without an object may take. */
export const OBJECT_POOL_SHARE = 0.25;
/** Times that an open is tried again when its file changed hands meanwhile. */
export const OBJECT_OPEN_TRIES = 8;
/** Bytes of an object up to which its ref carries it: copied, it costs less than any store. */
export const OBJECT_INLINE_BYTES = 4_096;
/** Bytes of a value that is put as a frame: its lengths are signed 32-bit numbers on the way. */
export const OBJECT_VALUE_BYTES_MAX = 2 ** 31 - 4_096;
/** Ended objects whose end a store can tell: ~150 bytes each. */
export const OBJECT_ENDS_KEPT_MAX = 20_000;
/** Requests of one process that its agent serves at once; more is refused. */
export const OBJECT_ASKS_MAX = 20_000;
/** Refs in one message to an agent: 60 bytes each, within a frame's values. */
export const OBJECT_REFS_PER_ASK = 4_096;
/** Times that a get looks again for what was moved meanwhile. */
export const OBJECT_GET_TRIES = 100;
/** Milliseconds that a process tries to reach its agent's store. */
export const OBJECT_REACH_MS = 10_000;
/** Milliseconds for which a client's way into a store, once asked for, stands open unused. */
export const OBJECT_DOOR_MS = 30_000;
/** Ways into a store that stand open at once: one a client's process. */
export const OBJECT_DOORS_MAX = 10_000;
/** Share of the machine's shared memory that its store may take unless given. */
export const OBJECT_MEMORY_SHARE = 0.3;
/** Share of the spill folder's free space that objects may take unless given. */
export const OBJECT_SPILL_SHARE = 0.5;
/** Jobs that the error of a full store names: who reads it looks for the largest. */
export const OBJECT_HOLDERS_SAID = 3;
/** Jobs that ended here and aren't put for any more: ~100 bytes each. */
export const OBJECT_JOBS_ENDED_MAX = 10_000;
/** Jobs in one report of a worker: ~20 bytes each; the others' turn comes when these ended. */
export const OBJECT_JOBS_TOLD_MAX = 2_000;
/** Milliseconds between two looks whether a process ended whose connection has, and how many. */
export const OBJECT_END_LOOK_MS = 100;
export const OBJECT_END_LOOKS = 50;
/** Ids that one process released and knows of: another get of them fails at once. */
export const OBJECT_RELEASED_KEPT_MAX = 10_000;
/** Times that a store's folder is made again in a root that another's end took away. */
export const OBJECT_ROOT_TRIES = 10;
/** Milliseconds between two looks for the first worker of a cluster that has just begun. */
export const OBJECT_SEEK_MS = 50;
