/**
 * Every bound of the runtime: value, unit, reason. A queue, retry, wait or frame without a row here
 * is a mistake. Consumers import the constant by name; tests lower none of them.
 */

/**
 * Bytes of one frame, prefix included. NATS' own cap is 1 MiB; half leaves room and keeps latency
 * low.
 */
export const FRAME_BYTES_MAX = 512 * 1024;
/**
 * Values in one frame's header; msgpackr has no cap, and 512 KiB of empty arrays blocks it for
 * 38-160 ms.
 */
export const FRAME_VALUES_MAX = 64 * 1024;
/** Nesting of one frame's header. */
export const FRAME_DEPTH_MAX = 16;
/** Items of one frame: packing more of them gains nothing, and each waits for the last. */
export const FRAME_ITEMS_MAX = 256;
/** UTF-16 units of each text in an error that crosses; a longer one is cut, never refused. */
export const ERROR_TEXT_MAX = 16 * 1024;
/**
 * Milliseconds for a new socket's hello: both ends are on one machine; a paused one may try again.
 */
export const HELLO_MS = 2_000;
/**
 * Connections that one Unix socket serves: every process of a machine may open one to every other.
 */
export const SOCKET_CONNECTIONS_MAX = 4_096;
/**
 * Bytes that wait to be written to one socket; links stop at 8 MiB, so that reaching it is a
 * mistake.
 */
export const SOCKET_BUFFERED_BYTES_MAX = 64 * 1024 * 1024;
/** Milliseconds for the last bytes of a closing socket to leave. */
export const SOCKET_CLOSE_MS = 1_000;
/** Calls that one caller may have in flight to one actor. */
export const CALLS_PENDING_MAX = 10_000;
/** Calls waiting in one actor's mailbox. */
export const MAILBOX_MAX = 10_000;

/** Milliseconds between two beacons of the leading head. */
export const BEACON_INTERVAL_MS = 250;
/** Milliseconds without a heartbeat until a worker is taken for dead. */
export const WORKER_SILENCE_MS = 5_000;
/** Milliseconds between two heartbeats of an agent. */
export const HEARTBEAT_INTERVAL_MS = 1_000;
/** Milliseconds for a request to the head. */
export const API_TIMEOUT_MS = 30_000;
/**
 * Milliseconds until a started executor must have said hello: Node, program and ONNX load in ~1 s.
 */
export const EXECUTOR_START_MS = 30_000;
/** Milliseconds until the embedded cluster must answer. */
export const CLUSTER_START_MS = 20_000;
/** Milliseconds until nats-server must listen; 60-300 ms measured. */
export const NATS_START_MS = 10_000;
/** Milliseconds until a connection to NATS must stand; 5-30 ms measured on one machine. */
export const NATS_CONNECT_MS = 5_000;
/** Milliseconds between two tries to reconnect, and the most that chance adds. */
export const NATS_RECONNECT_MS = 100;
/** Milliseconds until a changed key must be in force; a reload takes ~10 ms. */
export const NATS_RELOAD_MS = 5_000;
/** Keys of one cluster: they stand in one file, which every change rewrites. */
export const KEYS_MAX = 250;
/** Milliseconds that a join token is good for. */
export const JOIN_TOKEN_MS = 15 * 60_000;
/** Join tokens waiting to be used. */
export const JOIN_TOKENS_MAX = 100;
/** Requests to join that are taken at once; one more becomes free each second. */
export const JOIN_BURST_MAX = 20;
/** Bytes of a request to join: a token and a public key. */
export const JOIN_BODY_BYTES_MAX = 4 * 1024;
/** Milliseconds for a whole request to join. */
export const JOIN_REQUEST_MS = 10_000;
/** Milliseconds of a client's ping; two unanswered ones make the connection stale after ~3 s. */
export const NATS_PING_MS = 1_000;

/** Shards that one worker runs at once: a report of more would make a head place without end. */
export const SLOTS_MAX = 1_024;
/** Shards assigned to one executor at a time: one running, one waiting. */
export const SHARDS_PER_EXECUTOR = 2;
/** Attempts of one shard before its job fails. */
export const SHARD_ATTEMPTS_MAX = 3;
/** Restarts of an embedded head by its supervisor within one command. */
export const HEAD_RESTARTS_MAX = 5;
/** Facts of one log segment. */
export const LOG_SEGMENT_FACTS_MAX = 10_000;

/**
 * Milliseconds for each call of a Slurm command: without a controller a client retries for ~9 s.
 */
export const SLURM_COMMAND_MS = 10_000;
/** Milliseconds between two polls of a slurm job. */
export const SLURM_POLL_MS = 200;
/** Milliseconds until a private Slurm must show idle nodes; 78-1,400 ms measured. */
export const SLURM_START_MS = 30_000;
/** Attempts of one solve. */
export const SOLVE_ATTEMPTS_MAX = 3;
/** Minutes that a slurm job may run unless the spec says otherwise. */
export const SOLVE_TIME_LIMIT_MINUTES = 60;

/** Tries to take the state lock while others take it too. */
export const LOCK_TRIES_MAX = 20;
/** Restarts of an embedded agent by its supervisor within one command. */
export const WORKER_RESTARTS_MAX = 5;
/** Restarts of an embedded nats-server by its supervisor within one command. */
export const NATS_RESTARTS_MAX = 5;
/** Milliseconds before the first restart of a process; doubles with each further one. */
export const RESTART_DELAY_MS = 100;
/** Bytes of one JSON line between a command, its supervisor and followers. */
export const LINE_BYTES_MAX = 1024 * 1024;
/** Followers of one run. */
export const FOLLOWERS_MAX = 32;
/** Bytes that may wait for one follower before it is cut off. */
export const FOLLOWER_BACKLOG_BYTES_MAX = 4 * 1024 * 1024;
/** Milliseconds until a follower must have said which run it wants, and must get an answer. */
export const FOLLOW_REQUEST_MS = 5_000;
/** Milliseconds for the scancel of our slurm jobs at the end. */
export const SCANCEL_MS = 2_000;
/** Milliseconds after which the end is forced: what still runs is killed. */
export const SHUTDOWN_FORCED_MS = 8_000;
/** Milliseconds for an orderly end after the first Ctrl-C or the parent's end. */
export const SHUTDOWN_MS = 5_000;
/** Milliseconds between SIGTERM and SIGKILL of our own processes. */
export const TERM_GRACE_MS = 1_500;
/** Finished tasks in one report of a worker; a receipt is ~1 KB, so 64 stay far below a frame. */
export const REPORT_DONE_MAX = 64;
/**
 * Milliseconds that a new leader waits for workers to say what they hold before it takes work for
 * lost.
 */
export const REANNOUNCE_MS = 2_000;
/** Drivers and actors that one worker hosts as processes. */
export const HOSTED_PER_WORKER_MAX = 64;
/** Bytes of a request to the head: the command that carries its work on must fit a frame too. */
export const API_REQUEST_BYTES_MAX = 384 * 1024;
/** Unanswered requests of one client to the head. */
export const API_PENDING_MAX = 1_000;
/** Milliseconds between two looks of a client at its job. */
export const JOB_POLL_MS = 100;
/** Milliseconds between two ticks of a daemon's core. */
export const TICK_MS = 100;

/**
 * Bytes of input text that one shard covers: ~25,000 short reads, ~0.3 s of work, ~6 MB of rows.
 */
export const SHARD_BYTES = 8 * 1024 * 1024;
/**
 * Bytes of one record: far over the longest nanopore read; its counts stay exact in float32 (<
 * 2^24).
 */
export const RECORD_BYTES_MAX = 16 * 1024 * 1024;
/**
 * Bytes of one read from an input; 256 KiB to 4 MiB differ by less than 5 %, and it must fit in
 * cache.
 */
export const READ_CHUNK_BYTES = 1024 * 1024;
/** Sequence bytes after which a batch is yielded, however few its records. */
export const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** Open one-stream inputs of one shard reader; each holds a file, an inflater and a chunk. */
export const INPUT_CURSORS_MAX = 4;
/** Records from whose mean size a one-stream input's records per shard are computed. */
export const PROBE_RECORDS = 1_000;
/** Bytes after which that probe stops, however few its records. */
export const PROBE_BYTES_MAX = 4 * 1024 * 1024;
/** Rows of one row group of a shard: 2 MB at 136 dimensions, 16 MB at 1,024. */
export const ROW_GROUP_ROWS = 4_096;
/**
 * Tokens, padding included, of one run of a model session: its intermediates stay in the L2 cache.
 */
export const SESSION_TOKENS_MAX = 64 * 1024;
/** Rows of one run of a model session; larger ones gain nothing measurable. */
export const SESSION_ROWS_MAX = 512;
/** Milliseconds before another executor is started after one died without a word. */
export const EXECUTOR_RESTART_MS = 1_000;

/**
 * Scans of one sweep; each finds only what the processes of the scan before started while ending.
 */
export const SWEEP_ROUNDS_MAX = 10;
/** Milliseconds that a killed process may take to vanish; longer means it hangs in the kernel. */
export const SWEEP_KILL_MS = 2_000;
/** Milliseconds between two scans that found nothing: a fork and its exec take less. */
export const SWEEP_PAUSE_MS = 20;
/** Milliseconds for the machine's own Slurm to answer; a bad configuration is retried for 60 s. */
export const SLURM_DETECT_MS = 3_000;
/** Milliseconds after an unknown answer of sbatch in which the job is searched by name. */
export const SLURM_SEARCH_MS = 15_000;
/** Starts of a private Slurm: its ports are chosen free, and may be taken before it listens. */
export const SLURM_START_TRIES = 3;
/** Bytes of a private Slurm's folder name: sockets below it take 45 more, and 107 is the cap. */
export const SLURM_FOLDER_BYTES_MAX = 60;
/** Milliseconds without an event after which a head slept or was stalled; ticks come every 100. */
export const HEAD_LATE_MS = 1_000;
/** Milliseconds for a worker's report to show that it saw a command: two heartbeats. */
export const COMMAND_SEEN_MS = 2_000;
/**
 * Actors whose address the head keeps for repeated requests; all that a client may have waiting.
 */
export const SPAWNS_KEPT_MAX = 1_000;
/**
 * Milliseconds that Slurm may not answer: a controller's restart takes minutes, a dead one for
 * ever.
 */
export const SLURM_SILENCE_MS = 10 * 60_000;
/** Milliseconds until a request to the head is sent again; a failover takes up to 2.5 s. */
export const API_REPEAT_MS = 1_000;
/** Milliseconds to open a Unix socket of another process of this machine. */
export const SOCKET_CONNECT_MS = 5_000;
/**
 * Processes that one executor exchanges frames with; an agent and the executor forget the oldest.
 */
export const PEERS_MAX = 1_024;
/** Milliseconds before a Slurm that didn't answer is asked again. */
export const SLURM_RETRY_MS = 1_000;
/** Milliseconds between two looks whether the parent process is still there. */
export const PARENT_POLL_MS = 500;
/** Milliseconds between two lines of progress of one phase where no terminal rewrites them. */
export const PROGRESS_LINE_MS = 2_000;
/** Milliseconds to wait for an output whose other command is just ending. */
export const OUTPUT_RETRY_MS = 15_000;
/** Drivers that a run submits again after one was lost with its agent or by a crash. */
export const DRIVER_RESTARTS_MAX = 3;
/** Milliseconds without a bus after which a worker ends: longer than any restart of nats-server. */
export const BUS_LOST_MS = 10_000;
