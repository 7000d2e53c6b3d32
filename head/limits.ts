/**
 * The bounds of a head's log and lead: value, unit, reason. All others stand in the runtime's.
 */

/** Milliseconds that facts wait for others before a segment in S3: it costs 100 ms and $5e-6. */
export const LOG_LINGER_S3_MS = 50;
/** Segments after which a snapshot is made, if the log has grown by half. */
export const LOG_SNAPSHOT_SEGMENTS = 1_000;
/** Segments after which a snapshot is made anyhow. */
export const LOG_SNAPSHOT_SEGMENTS_MAX = 5_000;
/** Age in ms of a leader's last proof from which it appends no more: segments may be removed. */
export const LEAD_PROOF_MS = 3_600_000;
/** Milliseconds between two such looks of a leader that has nothing to append. */
export const LEAD_LOOK_MS = 600_000;
/** Milliseconds between two looks while named actors live: their leases are renewed behind them. */
export const LEASE_LOOK_MS = 1_000;
/** Milliseconds that a leader's turn may be late: after more it says nothing before a look. */
export const LEAD_LATE_MS = 500;
/** Milliseconds after a snapshot in which its segments stay. */
export const LOG_KEPT_MS = 24 * 3_600_000;
/** How often LEAD_PROOF_MS a leader has led before it removes segments: clocks may differ. */
export const LOG_KEPT_PROOFS = 2;
/** Milliseconds between two rounds of removal, and the names that one takes away. */
export const LOG_ROUND_MS = 60_000;
export const LOG_REMOVED_PER_ROUND = 100;
/** Milliseconds without a beacon after which a standby head wants to lead: four were missed. */
export const BEACON_SILENCE_MS = 1_000;
/** Milliseconds that a standby's tick may be late; later, what it missed is no silence. */
export const STANDBY_LATE_MS = 250;
/** Milliseconds that a new leader waits for the workers it knows to say what they hold. */
export const GATHER_MS = 500;
/** The same of a leader that heard of no worker before: all that live answer its first beacon. */
export const GATHER_UNKNOWN_MS = 50;
/** Milliseconds without a word of a worker after which nobody waits for it there. */
export const GATHER_HEARD_MS = 2_500;
/** Milliseconds in which a head that lost its lead may hear which head of its cluster took it. */
export const FENCED_LINGER_MS = 600;

/**
 * Milliseconds for which a worker's only slot is the shards' while tasks wait too, and then the
 * tasks': as long as a few shards, and short for people.
 */
export const SLOT_TURN_MS = 2_000;
