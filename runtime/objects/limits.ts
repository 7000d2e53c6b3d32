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
/** Bytes from which an object's memory is used again: below, a new file costs less than a lock. */
export const OBJECT_REUSE_BYTES = 256 * 1024;
/** Regions kept open for their next use: each holds a descriptor. */
export const OBJECT_REGIONS_MAX = 1_024;
/** Removed objects looked at for readers in one go: ~1 us each. */
export const OBJECT_REST_LOOKS = 64;
/** Share of a region's bytes that may lie idle when it is used again. */
export const OBJECT_SLACK = 0.125;
/** Share of the limit that regions without an object may take. */
export const OBJECT_POOL_SHARE = 0.25;
/** Times that an open is tried again when its file changed hands meanwhile. */
export const OBJECT_OPEN_TRIES = 8;
