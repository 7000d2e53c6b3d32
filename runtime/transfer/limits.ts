/** The bounds of objects' ways between machines: value, unit, reason. */

/** Bytes given to a socket at once: they stay in the processor's cache while they are encrypted. */
export const TRANSFER_STEP_BYTES = 64 * 1024;
/** Bytes received before they are written: fresh pages come cheaper many at once. */
export const TRANSFER_STAGE_BYTES = 64 * 1024;
/** Milliseconds for a connection and its handshake; ~2 measured on one machine. */
export const TRANSFER_CONNECT_MS = 5_000;
/** Milliseconds in which no byte of a transfer came, until it is given up. */
export const TRANSFER_SILENT_MS = 10_000;
/** Milliseconds that an unused connection is kept: a handshake costs ~1.5 ms, both together. */
export const TRANSFER_IDLE_MS = 10_000;
/** Milliseconds that a token is good for: what is asked for is fetched at once. */
export const TRANSFER_TOKEN_MS = 30_000;
/** Connections that an agent serves: several of each node of a cluster of KEYS_MAX keys. */
export const TRANSFER_CONNECTIONS_MAX = 1_024;
/** Bytes of the words that a refusal holds. */
export const TRANSFER_REFUSAL_BYTES_MAX = 16 * 1024;
/** Milliseconds between two times that an agent is asked the same: the bus is at most once. */
export const ASK_REPEAT_MS = 500;
/**
 * Milliseconds without any answer until an agent that holds an object is taken for dead: as long
 * as a head waits for its heartbeat.
 */
export const ASK_SILENT_MS = 5_000;
/** Milliseconds until a question is given up even though its agent says that it is at it. */
export const ASK_ANSWER_MS = 60_000;
/** Questions of one process to agents that wait for an answer; more are OVERLOADED. */
export const ASKS_PENDING_MAX = 100_000;
