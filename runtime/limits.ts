/**
 * Every bound of the runtime: value, unit, reason. A queue, retry, wait or frame without a row here
 * is a mistake. Consumers import the constant by name; tests lower none of them. Long because they
 * all stand in this one place, but for those of a head's log and lead (`head/limits.ts`).
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
/**
 * What decoding one frame's header may cost, in units of ~25 ns (wire.ts says what costs how much):
 * no frame of any sender stalls a process for 5 ms (2-3.5 ms measured for the worst). That is 64 k
 * numbers, 20 k short strings, 3 k objects of three fields of one shape, or 2.2 k keys that all
 * differ: numbers in bulk go as typed arrays, which cost nothing.
 */
export const FRAME_COST_MAX = 100 * 1024;
/** Nesting of one frame's header. */
export const FRAME_DEPTH_MAX = 16;
/** Items of one frame: packing more of them gains nothing, and each waits for the last. */
export const FRAME_ITEMS_MAX = 256;
/** UTF-16 units of each text in an error that crosses; a longer one is cut, never refused. */
export const ERROR_TEXT_MAX = 16 * 1024;
/** UTF-16 units of each key and text of an error's place: a path of 4,096 bytes, the longest. */
export const ERROR_FIELD_TEXT_MAX = 4_096;
/** Fields of an error's place that cross: with their texts they stay far below a frame. */
export const ERROR_FIELDS_MAX = 16;
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
/**
 * Unanswered calls of one caller at one actor until the actor says otherwise; the others wait at
 * the caller. Four frames of calls are under way each way then: more gains nothing.
 */
export const CALL_WINDOW = 1_024;
/** Milliseconds of a deadline: what a timer takes. */
export const DEADLINE_MS_MAX = 2 ** 31 - 1;
/** Times that one call may be sent again. */
export const RETRIES_MAX = 1_000;
/** Items of a stream on their way or not yet consumed. */
export const STREAM_WINDOW_ITEMS = 16;
/** Bytes of them: after so many the stream waits, however few its items. */
export const STREAM_WINDOW_BYTES = 1024 * 1024;
/** Streams that one actor has open; each holds a generator. */
export const STREAMS_OPEN_MAX = 10_000;
/** Settled calls with retries of which the actor's process is told at once; fewer wait a little. */
export const SETTLED_ITEMS_MAX = 64;
/** Milliseconds that they wait. */
export const SETTLED_MS = 50;
/** Replies to calls with retries that one process keeps for one caller until it has them. */
export const REPLIES_KEPT_MAX = 10_000;
/** Bytes of such replies that one process keeps in all. */
export const REPLIES_KEPT_BYTES_MAX = 64 * 1024 * 1024;
/** Milliseconds that they are kept after their link is over: its caller may open another one. */
export const REPLIES_KEPT_MS = 60_000;
/** Milliseconds for an ended actor's generators and its own disposal. */
export const ACTOR_DISPOSE_MS = 2_000;
/**
 * Milliseconds of short calls in a row before the process looks at its sockets again: a cancel must
 * be able to overtake the calls that wait.
 */
export const TURN_SLICE_MS = 5;

/** Milliseconds between two beacons of the leading head. */
export const BEACON_INTERVAL_MS = 250;
/** Milliseconds without a heartbeat until a worker is taken for dead. */
export const WORKER_SILENCE_MS = 5_000;
/** Milliseconds between two knocks of a head at each worker's door: empty messages. */
export const KNOCK_INTERVAL_MS = 200;
/** Knocks in a row that nobody hears until a worker is gone: one returns within 100-400 ms. */
export const KNOCKS_UNHEARD_MAX = 3;
/** Milliseconds after a head's own return to the bus in which its workers may return too. */
export const RECONNECT_GRACE_MS = 2_000;
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
/** Milliseconds of work that a worker has ahead: what a failover may take, with room. */
export const QUEUE_COVER_MS = 2_500;
/** Shards that one worker is given ahead for it: every report names them, ~60 bytes each. */
export const QUEUE_AHEAD_MAX = 512;
/** Shards of an input without a known end that one slot is given ahead: some are behind its end. */
export const QUEUE_BLIND = 8;
/**
 * Standing shards that one `verify` task reads: its receipts (~0.7 KB each) stay far below a frame,
 * and a task of 16 x 4 MB takes ~0.1 s, so that all executors end together.
 */
export const VERIFY_SHARDS_MAX = 16;
/**
 * UTF-16 units of the inputs that one answer about a job lists: it stays within a frame, and what
 * its header costs to decode within its budget.
 */
export const JOB_VIEW_TEXT_MAX = 64 * 1024;
/** Bytes of a shard that are read at once to be digested: two such pieces are in memory. */
export const SET_PIECE_BYTES = 4 * 1024 * 1024;
/** Attempts of one shard before its job fails. */
export const SHARD_ATTEMPTS_MAX = 3;
/** Deaths of one shard's executors in batches that differ, before its job fails. */
export const SHARD_DEATHS_MAX = 8;
/** Milliseconds that one batch may take: a large model's on a processor takes minutes. */
export const BATCH_TIMEOUT_MS = 60 * 60_000;
/** Milliseconds between two looks how long an executor is at its batch; less for low limits. */
export const BATCH_LOOK_MS = 1_000;
/** Times that a shard's batches are cut in half for want of memory: 65,536 records become one. */
export const HALVINGS_MAX = 16;
/** Records of one shard that may be excluded; more is no accident of a record. */
export const POISON_RECORDS_MAX = 64;
/** Probes of one shard: ~13 find one record of a batch of 1,024. */
export const POISON_PROBES_MAX = 1_024;
/** Probes of one job at a time: each has an executor to itself, with the model. */
export const PROBES_AT_ONCE_MAX = 4;
/** Times that a shard's suspected batch may prove harmless: then no record is to blame. */
export const ACQUITTALS_MAX = 3;
/** Bytes of bad records that one shard puts aside: eight times what it reads. */
export const QUARANTINE_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes of one bad record that are kept; its true length is said. */
export const QUARANTINE_RECORD_BYTES_MAX = 1024 * 1024;
/** Executors in a row that may die before they are ready; then their worker hands back its work. */
export const EXECUTOR_CRASHES_MAX = 5;
/**
 * Milliseconds before a job's next work after two executors in a row died of it outside of any
 * batch; doubles up to EXECUTOR_RESTART_MAX_MS, and a shard that is made ends it.
 */
export const JOB_CRASH_WAIT_MS = 250;
/** Milliseconds before a crashing executor's next start; EXECUTOR_RESTART_MS doubles up to it. */
export const EXECUTOR_RESTART_MAX_MS = 30_000;
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
/** Bytes from the end of a solver's log in which its last line of a kind is looked for. */
export const LOG_TAIL_BYTES_MAX = 64 * 1024;
/** Milliseconds that `ligase solve cancel` waits for a slurm job to end; KillWait is 30 s. */
export const SOLVE_CANCEL_MS = 60_000;
/** Attempts of one solve. */
export const SOLVE_ATTEMPTS_MAX = 3;
/** Milliseconds between two beats of a solve's wrapper: each is one small write to its folder. */
export const SOLVE_BEAT_MS = 2_000;
/** Milliseconds without a beat that could be written after which a wrapper ends its ranks. */
export const SOLVE_LEASE_MS = 10_000;
/**
 * Milliseconds that a head sees no new beat before it takes a wrapper for ended: its lease, a beat,
 * a write that hangs (5 s) and the ranks' end (3 s), twice over.
 */
export const SOLVE_SILENT_MS = 40_000;
/** Milliseconds that a released wrapper looks for its release: shared folders show names late. */
export const SOLVE_FENCE_MS = 15_000;
/**
 * Milliseconds without a step of the solver after which its ranks are taken for stuck, and ended
 * within 60 s in all; and rows of the set for each of which it may take another millisecond.
 */
export const SOLVE_STALL_MS = 45_000;
export const SOLVE_STALL_ROWS = 100;
/** Submissions of one attempt that got no clear answer and left no job. */
export const SLURM_SUBMITS_MAX = 3;
/** Milliseconds after which Slurm is asked again to cancel a job that hasn't ended. */
export const SLURM_CANCEL_MS = 5_000;
/** Minutes that a slurm job may run unless the spec says otherwise. */
export const SOLVE_TIME_LIMIT_MINUTES = 60;

/** Tries to take the state lock while others take it too. */
export const LOCK_TRIES_MAX = 20;
/** Restarts of an embedded agent by its supervisor within one command. */
export const WORKER_RESTARTS_MAX = 5;
/** Restarts of an embedded nats-server by its supervisor within one command. */
export const NATS_RESTARTS_MAX = 5;
/** Milliseconds of a life after which the restarts before it don't count any more. */
export const RESTARTS_FORGOTTEN_MS = 60_000;
/** Standby heads of an embedded cluster: each holds the state once more. */
export const STANDBY_HEADS_MAX = 4;
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
/** Requests of one client that wait for their turn: it may spawn 10,000s of actors at once. */
export const API_WAITING_MAX = 100_000;
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
/** Bytes of one ranged read of an input in S3: its first byte takes ~30 ms, its rest no longer. */
export const S3_READ_BYTES = 4 * 1024 * 1024;
/** Such reads under way for one open input: they hold 16 MiB, and one is ready before its turn. */
export const S3_READS_AHEAD = 4;
/** Bytes of a key's UTF-8: S3's own bound. */
export const S3_KEY_BYTES_MAX = 1_024;
/** Bytes up to which an object is made by one request; what fails is sent again as a whole. */
export const S3_PUT_BYTES_MAX = 32 * 1024 * 1024;
/** Bytes of one part of a larger one; S3 takes 5 MiB to 5 GiB, and 10,000 parts. */
export const S3_PART_BYTES = 16 * 1024 * 1024;
/** Parts of one object on their way at once. */
export const S3_PARTS_IN_FLIGHT = 4;
/** Bytes of an object that is read whole: what node reads of a file. */
export const S3_WHOLE_BYTES_MAX = 2 * 1024 * 1024 * 1024;
/** Connections of one process to S3: all parts and reads ahead of a few shards. */
export const S3_CONNECTIONS_MAX = 64;
/** Milliseconds until a connection to S3 must stand. */
export const S3_CONNECT_MS = 5_000;
/** Milliseconds for S3 to answer, and for the next bytes of a body to come. */
export const S3_ANSWER_MS = 20_000;
/** Bytes a millisecond that an upload is given time for at least. */
export const S3_UPLOAD_BYTES_PER_MS = 256;
/** Times that one request is made until its answer is clear. */
export const S3_TRIES = 8;
/** Milliseconds before the second time at most; doubles up to S3_RETRY_MS_MAX, by full jitter. */
export const S3_RETRY_MS = 100;
export const S3_RETRY_MS_MAX = 20_000;
/** Milliseconds after which one call of ours begins no further request: a short outage passes. */
export const S3_PATIENCE_MS = 120_000;
/** Milliseconds that a retired upload's parts are worth waiting for: a sweep finds it otherwise. */
export const S3_ABORT_MS = 30_000;
/** Sequence bytes after which a batch is yielded, however few its records. */
export const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** Places of one input that are looked at at once for record starts: each is a round trip in S3. */
export const INPUT_LOOKS_AHEAD = 16;

/** Files of a folder that are looked at at once: what a shared file system answers in one trip. */
export const FOLDER_LOOKS_MAX = 16;
/** Open one-stream inputs of one shard reader; each holds a file, an inflater and a chunk. */
export const INPUT_CURSORS_MAX = 4;
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
/** Calls of one actor that may run at once: more is a design without turns. */
export const CONCURRENCY_MAX = 1_000;
/** Entries of one page of a list: a view costs ~250 units, and a page must fit a frame. */
export const LIST_PAGE_MAX = 320;
/** Members of one pool: its view, at ~250 units of FRAME_COST_MAX a member, must fit a frame. */
export const POOL_MEMBERS_MAX = 320;
/** Milliseconds between two signs of life of a client that owns actors. */
export const CLIENT_ALIVE_MS = 2_000;
/** Milliseconds without one after which what it owns ends: it may compute for long in one turn. */
export const CLIENT_SILENCE_MS = 30_000;
/**
 * Milliseconds for which an executor's named actors go on after its agent sent the last report that
 * a head has confirmed: three times what a failover of the head takes.
 */
export const NAMED_LEASE_MS = 8_000;
/** Milliseconds of a worker's silence before its named actors start elsewhere: past the lease. */
export const NAMED_RESTART_MS = 10_000;
/** Milliseconds without any frame after which a link is over, unless its other end is seen busy. */
export const LINK_SILENCE_MS = 10_000;
/** Bytes sent on a link and not yet acknowledged; the data lane waits behind them. */
export const LINK_UNACKED_BYTES_MAX = 8 * 1024 * 1024;
/**
 * Bytes packed on a stalled link's data lane that haven't left; beyond them senders are refused.
 */
export const LINK_WAITING_BYTES_MAX = 8 * 1024 * 1024;
/**
 * Bytes that may wait in a carrier before links hold their data back: many links share one to an
 * agent, and it ends at SOCKET_BUFFERED_BYTES_MAX.
 */
export const LINK_CARRIER_BYTES_MAX = 16 * 1024 * 1024;
/** Milliseconds that an ack waits for a frame to travel with; a reply is mostly quicker. */
export const LINK_ACK_MS = 5;
/** Bytes received after which an ack no longer waits: an eighth of what the sender may have out. */
export const LINK_ACK_BYTES = 1024 * 1024;
/** Milliseconds before a missing frame is asked for again: far over a round trip on one site. */
export const LINK_RESEND_MS = 50;
/** Bytes resent for one ask; the sender then asks how far the other side is. */
export const LINK_RESEND_BYTES = 1024 * 1024;
/** Milliseconds without an ack until the sender asks for one; doubles up to LINK_SYNC_MAX_MS. */
export const LINK_SYNC_MS = 100;
/** The longest time between two such asks: a lost tail is found within it. */
export const LINK_SYNC_MAX_MS = 1_000;
/** Milliseconds of silence after which a link with something pending asks for a sign of life. */
export const LINK_PING_MS = 2_000;
/** Milliseconds that a link's timer may be late; later than that, this process itself slept. */
export const LINK_LATE_MS = 1_000;
/** Milliseconds before a link looks again whether its carrier has room. */
export const LINK_ROOM_MS = 10;
/** Links that one process accepts from one other: one by socket, one through agents, and spares. */
export const LINKS_PER_PEER_MAX = 16;
/** Ended links that an acceptor remembers, so that a late first frame doesn't open one again. */
export const LINKS_ENDED_KEPT_MAX = 4_096;
/** Actors that one shared executor holds: ~2 KB each, and one crash ends them all. */
export const ACTORS_PER_EXECUTOR_MAX = 4_096;
/** Actors of one worker whose constructors haven't run yet: each report names them. */
export const HOSTS_STARTING_MAX = 512;
/** Such actors from which a worker refuses more: a head keeps to a quarter of them. */
export const HOSTS_REFUSED_FROM = 2_048;
/** Ended actors of which a worker knows whose output theirs was. */
export const FORMER_ACTORS_MAX = 10_000;
/** Actors of one page that a worker announces; a record and its address are ~700 bytes. */
export const REPORT_ACTORS_MAX = 128;
/** Ended lives of one report. */
export const REPORT_ENDED_MAX = 128;
/** Milliseconds between two pages: a new leader takes one in ~2 ms. */
export const REPORT_PAGE_MS = 5;
/**
 * Executors that start at once, for each processor: more start no sooner, and 60 on two processors
 * left the agent none for over 5 s (measured), so that it was taken for dead.
 */
export const EXECUTORS_STARTING_PER_CORE = 2;
/** Executors kept ready for what comes next; each is ~15 MB. */
export const SPARE_EXECUTORS = 1;
/** Milliseconds that an actor with an executor of its own has to end by itself when it is to. */
export const END_GRACE_MS = 500;
/**
 * Milliseconds in which a process whose actor's lease is over answers callers and disposes of it.
 */
export const LEASE_LEAVE_MS = 500;
/** Milliseconds after a lease's end in which executors must have ended their named actors. */
export const LEASE_GRACE_MS = 1_000;
/** Milliseconds after which a shared executor without actors ends. */
export const SHARED_IDLE_MS = 60_000;
/** Share of a processor from which a shared executor is too busy for more actors. */
export const SHARED_BUSY_SHARE = 0.5;
/** Numbers that an agent's first report may have: a chance of ~1e-12 that two agents share one. */
export const REPORT_FIRST_MAX = 2 ** 40;
/** Bytes of one executor's output that are kept; the oldest are lost first. */
export const LOG_BYTES_MAX = 1024 * 1024;
/** Bytes of executors' output that an agent's log file takes an hour: no loop fills a disk. */
export const RELAY_FILE_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes of one line of output; a longer one is cut into several. */
export const LOG_LINE_BYTES_MAX = 16 * 1024;
/** Bytes of output in one message to who asked for it. */
export const LOG_MESSAGE_BYTES = 64 * 1024;
/** Bytes of output that one who asked gets within a tick; the rest waits, and may be lost. */
export const LOG_BYTES_PER_TICK = 512 * 1024;
/** Runs of lines of one stream that an executor's output is kept in; the oldest are lost first. */
export const LOG_BLOCKS_MAX = 16_384;
/** Ended executors whose output is kept. */
export const LOGS_KEPT_MAX = 32;
/** Those who are sent output by one agent. */
export const LOG_FOLLOWERS_MAX = 64;
/** Milliseconds after which following output ends unless it is asked for again. */
export const LOGS_FOLLOW_MS = 30_000;
/** Bytes that wait for one executor; more are dropped, and links send them again. */
export const POST_BUFFERED_BYTES_MAX = 32 * 1024 * 1024;
/** Milliseconds after an executor's end in which its output may still come from what it started. */
export const OUTPUT_CLOSE_MS = 1_000;
/** Milliseconds after an executor's end in which others' ends are looked at with it. */
export const ORPHANS_MS = 100;
/** Milliseconds between two looks at the machine's memory: 2 GB/s fills 200 MB in between. */
export const MEMORY_WATCH_MS = 100;
/** Share of the machine's memory (or the cgroup's) that is kept free, up to the next limit. */
export const MEMORY_FLOOR_SHARE = 0.05;
/** Bytes kept free on a large machine: what all executors can fill between two looks. */
export const MEMORY_FLOOR_BYTES_MAX = 512 * 1024 * 1024;
/** Milliseconds over which an executor's growth counts. */
export const MEMORY_GROWTH_MS = 5_000;
/** Milliseconds that the memory of an ended executor has to come back. */
export const MEMORY_SETTLE_MS = 1_000;
/** Milliseconds before the way to a lost actor is looked for again; doubles up to the next row. */
export const ROUTE_RETRY_MS = 10;
export const ROUTE_RETRY_MS_MAX = 1_000;
/** Failed looks for a socket before calls go through agents, which know what became of it. */
export const ROUTE_SOCKET_TRIES = 5;
/** Milliseconds for a head to say why an actor without a further life ended; calls wait for it. */
export const ROUTE_FINAL_MS = 2_000;
/** Shared actors of one worker: ~2 KB each there and ~1 KB in the head. */
export const SHARED_PER_WORKER_MAX = 16_384;
/** Actors that wait for a worker; each holds its arguments. */
export const ACTORS_PENDING_MAX = 65_536;
/** Dead actors that the head still lists and explains, without their arguments: ~1 KB each. */
export const ACTORS_DEAD_KEPT_MAX = 4_096;
/** Actor events kept for those who follow: the three of 10,000 actors that start, ~6 MB. */
export const ACTOR_EVENTS_KEPT_MAX = 32_768;
/** Requests that wait for one actor to live: as many processes may ask for one name. */
export const ACTOR_WAITERS_MAX = 4_096;
/** Milliseconds before a worker is told again to end a life, or to announce what lives there. */
export const WORKER_TOLD_AGAIN_MS = 2_000;
/** Milliseconds for which a worker that refused an actor gets no other. */
export const WORKER_REFUSED_MS = 1_000;
/** Milliseconds within which a life is young when it ends. */
export const LIFE_YOUNG_MS = 1_000;
/** Young lives in a row that are followed by the next one at once: one bad call kills few. */
export const LIVES_AT_ONCE_MAX = 10;
/** Milliseconds before the next life after one more; doubles up to LIFE_DELAY_MAX_MS. */
export const LIFE_DELAY_MS = 100;
/** Milliseconds between two lives of an actor that never lives long: a person sees it by then. */
export const LIFE_DELAY_MAX_MS = 30_000;
/** Pools of one cluster. */
export const POOLS_MAX = 4_096;
/** Milliseconds within which a pool's size is to work its backlog off. */
export const POOL_DRAIN_MS = 1_000;
/** Milliseconds of load that a pool's measured service time and rate are taken from. */
export const POOL_WINDOW_MS = 5_000;
/** Reports of load that a pool keeps; 10 a second for as long as it looks back. */
export const POOL_SAMPLES_MAX = 256;
/** Milliseconds for which a pool keeps the most members that it needed: load comes in waves. */
export const POOL_SHRINK_MS = 15_000;
/** Milliseconds without a call after which a pool of `min` 0 has no members. */
export const POOL_IDLE_MS = 30_000;
/** Milliseconds for calls under way at a member that leaves its pool; then it is ended. */
export const POOL_LEAVE_MS = 10 * 60_000;
/** Milliseconds after which a member's end is no part of a crash loop. */
export const POOL_STEADY_MS = 10_000;
/** Milliseconds between two looks at a pool of which nobody reports anything. */
export const POOL_CHECK_MS = 1_000;
/** Members in the pools of one page of a list; see POOL_MEMBERS_MAX. */
export const LIST_MEMBERS_MAX = 320;
/** Requests or replies in one frame between a process and the head. */
export const API_ITEMS_MAX = 256;
/** Events that the head takes in one decision: what came in one turn, ~20 us each. */
export const HEAD_EVENTS_MAX = 512;
/** Events that wait for the head's next turns; it takes more at once, so that senders wait. */
export const HEAD_EVENTS_WAITING_MAX = 8_192;
/** Milliseconds for an actor to be alive: its constructor may load a model. */
export const SPAWN_MS = 120_000;
/** Milliseconds that a client's end waits for a head to hear of it; silence tells it as well. */
export const LEAVE_MS = 500;
/** Milliseconds between two looks for new events of actors. */
export const EVENTS_POLL_MS = 200;
/** Events asked for at once: one is ~300 bytes, or 16 KiB more with an error. */
export const EVENTS_PAGE_MAX = 200;
/** Lines of an actor's output that wait for their reader; the oldest go, and that is said. */
export const LOG_LINES_WAITING_MAX = 10_000;
/** Milliseconds between two reports of a pool's load while calls are made of it. */
export const POOL_REPORT_MS = 250;
/** Milliseconds between two reports of an idle pool: its head sees that nothing is called. */
export const POOL_IDLE_REPORT_MS = 1_000;
/** Milliseconds of work that a pool's member is given ahead: more would wait for it in vain. */
export const POOL_AHEAD_MS = 20;
/** Calls that one member may hold however short they are: they fill a frame. */
export const POOL_MEMBER_CALLS_MAX = 256;
/** Members that one call is given to when they die before it begins; then it fails. */
export const POOL_MEMBER_TRIES = 8;
/** Lines a second about refused frames: their sender decides how many there are. */
export const REFUSAL_LINES_MAX = 5;
/** Milliseconds for a running cluster to give a client its key: nats-server reloads meanwhile. */
export const CLIENT_KEY_MS = 10_000;
/** Clients that one cluster gave keys to through its socket, of the KEYS_MAX in all. */
export const CLIENT_KEYS_MAX = 100;
/** Milliseconds for which a new spare leaves the processor to the actor that got the last one. */
export const SPARE_START_MS = 50;
/** Milliseconds for which a head knows of a process whose objects no worker names any more. */
export const OBJECT_JOB_KEPT_MS = 60_000;
