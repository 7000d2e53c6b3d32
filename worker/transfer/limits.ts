/** The bounds of an agent's transfers: value, unit, reason. */

/** Objects that one agent fetches at once: two cores are busy with two, the others open files. */
export const FETCHES_MAX = 4;
/** Bytes of objects that are fetched at once, as a share of the store's limit: others need room. */
export const FETCH_BYTES_SHARE = 0.5;
/** Fetches that wait for their turn; more are OVERLOADED. */
export const FETCHES_WAITING_MAX = 100_000;
/** Times that one fetch is tried: connections break; an agent that is gone says nothing. */
export const FETCH_TRIES = 3;
/** Objects that may be fetched from one agent at once, by all others together. */
export const SENDS_MAX = 16;
/** Tokens that one asker may hold: each is a few hundred bytes here. */
export const TOKENS_PER_ASKER_MAX = 4_096;
/** Times that an object is looked for again when it moved between memory and disk meanwhile. */
export const LOCATE_TRIES = 8;
/** Milliseconds until the thread of transfers must listen; ~60 measured. */
export const THREAD_START_MS = 10_000;
/** Unused connections kept to each agent. */
export const CONNECTIONS_IDLE_MAX = 4;
/** Answers that are kept for askers whom they may not have reached. */
export const ANSWERS_KEPT_MAX = 10_000;
/** Milliseconds for which they are. */
export const ANSWERS_KEPT_MS = 10_000;
/** Milliseconds of looking through objects in one turn of the agent's loop. */
export const SCAN_TURN_MS = 3;
/** Objects looked at between two looks at the clock. */
export const SCAN_STEP = 512;
/** Jobs and objects that a view of memory names. */
export const MEMORY_ROWS = 10;
