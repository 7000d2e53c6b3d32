/** Bounds of tasks: at their owner, in the head, at their agent and their executor. */

/** Tasks of one process that have no result yet; each takes ~300 B beside its arguments. */
export const TASKS_OPEN_MAX = 4_000_000;
/** The last number of a process's tasks: 32 bits, less those that are open; 23 h at 50,000/s. */
export const TASK_NUMBER_MAX = 2 ** 32 - 1 - TASKS_OPEN_MAX;
/** Tasks in one frame from their owner: more would wait for each other. */
export const SUBMIT_TASKS_MAX = 4_096;
/** Of them those with an object: where it is takes ~50 B and 7 values of the frame. */
export const SUBMIT_NEAR_MAX = 1_024;
/** Bytes of their arguments: with numbers and group they fit a frame. */
export const SUBMIT_BYTES_MAX = 320 * 1024;
/** Frames of tasks that one process has on their way to the head. */
export const SUBMITS_UNDER_WAY_MAX = 8;
/** Milliseconds until a frame that the head had no room for is sent again; doubles up to _MAX. */
export const SUBMIT_RETRY_MS = 50;
export const SUBMIT_RETRY_MS_MAX = 1_000;
/** Milliseconds between two words of an owner of open tasks: it hears who leads. */
export const TASKS_ALIVE_MS = 1_000;
/** Items that a `map` takes ahead of the results that it gives. */
export const MAP_TASKS_AHEAD = 4_096;

/** Tasks that one executor is given ahead of the one it runs: 20 ms of the shortest ones. */
export const EXECUTOR_TASKS_AHEAD = 512;
/** Milliseconds that one program's tasks have a slot of which another program's wait for one. */
export const LANE_TURN_MS = 100;
/** Executors of tasks on one worker. */
export const TASK_EXECUTORS_MAX = 256;
/** Milliseconds that an executor of tasks beyond one a core is kept without any. */
export const TASK_EXECUTOR_IDLE_MS = 10_000;
/** Milliseconds that a task runs until the head is told that it has begun. */
export const TASK_LONG_MS = 100;
/** Milliseconds until task events that the head hasn't acknowledged are said again. */
export const TASK_EVENTS_REPEAT_MS = 500;
/** Milliseconds between two reports of task events: what ends meanwhile shares one. */
export const TASK_REPORT_MS = 1;
/** Milliseconds between two tries to reach an owner, and until it is given up. */
export const OWNER_RETRY_MS = 100;
export const OWNER_SILENCE_MS = 30_000;
/** Threads of one process that run tasks or actors: one a core, up to this. */
export const THREADS_MAX = 64;
/** Milliseconds that a thread has to end when it is told to, before its process is. */
export const THREAD_END_MS = 1_000;
/** Tasks that one head holds, waiting or under way; more are refused until some have ended. */
export const TASKS_QUEUED_MAX = 2_000_000;
/** Tasks in one frame: 32 B each beside their arguments fill it. */
export const TASKS_PER_FRAME_MAX = 16_384;
/** Bytes of one task's arguments: with its group they fit an order; larger ones are objects. */
export const TASK_ARGS_BYTES_MAX = 256 * 1024;
/** Retries of one task: what kills an executor that often isn't chance. */
export const TASK_RETRIES_MAX = 1_000;
/** Task events in one message: 10 B each, and a tenth with an error, fit a frame. */
export const TASK_EVENTS_MAX = 16_384;
/** Ends of tasks in one message to their owner. */
export const TASK_ENDS_MAX = 16_384;
/** Groups of tasks that a head knows; those without tasks are forgotten first. ~2 KB each. */
export const TASK_GROUPS_MAX = 16_384;
/** Bytes of arguments that tasks of one frame share a buffer for: as long as one of them lives. */
export const TASK_PIECE_BYTES = 16 * 1024;
/** Bytes of tasks' arguments that one head holds; more are refused until some have ended. */
export const TASKS_BYTES_MAX = 2 * 1024 ** 3;
/** Pages of owners' task numbers that one head holds, 4 KiB and 1,024 numbers each. */
export const TASK_PAGES_MAX = 65_536;
/** Milliseconds of work that each slot for tasks is given ahead: news travel meanwhile. */
export const TASK_AHEAD_MS = 20;
/** Tasks that one slot is given at least: one runs, one waits. */
export const TASK_DEPTH_MIN = 2;
/** And at most, however short they are: 512 on two slots reach 400,000/s. */
export const TASK_DEPTH_MAX = 256;
/** Slots of a worker for one shape: of what takes nothing there would be no end. */
export const TASK_SLOTS_MAX = 1_024;
/** Bytes of arguments and about of all else in one order: it fits a frame. */
export const TASK_ORDER_BYTES = 320 * 1024;
/** Blocks of one order: each takes up to ~1 KB beside its arguments. */
export const TASK_ORDER_BLOCKS_MAX = 128;
/** Milliseconds until an order that a worker hasn't seen is sent again. */
export const TASK_ORDER_AGAIN_MS = 500;
/** Events of a worker after which it is told at once that they came; else with the next order. */
export const TASK_HEARD_EVENTS = 2_048;
/** Milliseconds until ends that an owner hasn't acknowledged are sent again. */
export const TASK_ENDS_AGAIN_MS = 1_000;
/** Bytes of errors' texts in one message of ends. */
export const TASK_ENDS_BYTES = 256 * 1024;
/** Milliseconds that a task waits for others of its priority before a worker is cleared for it. */
export const TASK_CLAIM_MS = 1_000;
/** Milliseconds for which a task that waits behind others at its worker is left there. */
export const TASK_BEHIND_MS = 20;
/** Tasks that the head ends, settles or looks through in one step: ~10 ms of its time. */
export const TASK_SLICE = 20_000;
/** Milliseconds for which a new leader waits for workers to say which tasks they hold. */
export const TASK_GATHER_MS = 500;
