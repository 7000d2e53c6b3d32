/**
 * The one closed table of failures. A failure is a code; its text, its place (`where`) and its
 * cause travel as data, because errors cross processes. Switch on `code`, never on the class or the
 * text.
 */

import { ERROR_FIELD_TEXT_MAX, ERROR_FIELDS_MAX, ERROR_TEXT_MAX } from "./limits.ts";

/** What a caller may do about a failure: `never` repeat it, repeat it `later`, or `elsewhere`. */
export type RetryAdvice = "never" | "later" | "elsewhere";

interface ErrorEntry {
  /** What the failure means, for people. */
  readonly meaning: string;
  readonly retry: RetryAdvice;
  /**
   * Exit code of `ligase run`: 1 internal, 2 usage, 3 input, 4 environment, 5 phase 1, 6 solve, 130
   * interrupted.
   */
  readonly exit: 1 | 2 | 3 | 4 | 5 | 6 | 130;
}

export const ERRORS = {
  INTERNAL: { meaning: "A mistake of ours.", retry: "never", exit: 1 },
  USAGE: { meaning: "The command line or an argument is wrong.", retry: "never", exit: 2 },
  CANCELLED: { meaning: "Somebody asked for an end.", retry: "never", exit: 130 },

  INPUT_NOT_FOUND: { meaning: "No such input file.", retry: "never", exit: 3 },
  INPUT_UNREADABLE: { meaning: "The input can't be read.", retry: "later", exit: 3 },
  INPUT_EMPTY: { meaning: "The input holds no record.", retry: "never", exit: 3 },
  INPUT_CHANGED: { meaning: "The input changed since it was planned.", retry: "never", exit: 3 },
  FASTQ_NOT_FASTQ: { meaning: "The input isn't FASTQ.", retry: "never", exit: 3 },
  FASTQ_TRUNCATED: { meaning: "The last record is cut off.", retry: "never", exit: 3 },
  FASTQ_LENGTHS_DIFFER: {
    meaning: "Sequence and quality of a record differ in length.",
    retry: "never",
    exit: 3,
  },
  FASTQ_BAD_RECORD: { meaning: "A record breaks the FASTQ format.", retry: "never", exit: 3 },
  FASTQ_LINE_TOO_LONG: { meaning: "A record is longer than its bound.", retry: "never", exit: 3 },
  SHEET_INVALID: { meaning: "A sample sheet can't be read.", retry: "never", exit: 2 },
  FASTA_BAD_RECORD: { meaning: "A record breaks the FASTA format.", retry: "never", exit: 3 },
  GZIP_CORRUPT: { meaning: "The gzip stream is damaged or cut off.", retry: "never", exit: 3 },
  ZSTD_CORRUPT: {
    meaning: "The Zstandard stream is damaged or cut off.",
    retry: "never",
    exit: 3,
  },
  PAIRS_DIFFER: {
    meaning: "A read of a pair has no mate, or another one.",
    retry: "never",
    exit: 3,
  },
  NO_ROWS: { meaning: "No read was left to embed.", retry: "never", exit: 3 },

  OUTPUT_UNWRITABLE: { meaning: "The output folder can't be written.", retry: "never", exit: 4 },
  OUTPUT_BUSY: { meaning: "Another command works on this output.", retry: "later", exit: 4 },
  OUTPUT_OF_ANOTHER_JOB: {
    meaning: "The output folder holds another job's results.",
    retry: "never",
    exit: 4,
  },
  NATS_SERVER_MISSING: { meaning: "No usable nats-server was found.", retry: "never", exit: 4 },
  NATS_PORT_TAKEN: { meaning: "The asked-for NATS port is taken.", retry: "later", exit: 4 },
  NATS_UNREACHABLE: { meaning: "The NATS server doesn't answer.", retry: "later", exit: 4 },
  NOT_AUTHORIZED: {
    meaning: "The key is missing, unknown or not allowed this.",
    retry: "never",
    exit: 4,
  },
  JOIN_REFUSED: { meaning: "The join token is wrong, used or expired.", retry: "never", exit: 4 },
  SETUP_MISSING: {
    meaning: "A part that the set-up installs is missing.",
    retry: "never",
    exit: 4,
  },
  SLURM_MISSING: { meaning: "No Slurm answers and none can be started.", retry: "never", exit: 4 },
  SLURM_START_FAILED: { meaning: "The private Slurm didn't start.", retry: "later", exit: 4 },
  CLUSTER_FAILED: {
    meaning: "A process of the embedded cluster kept ending.",
    retry: "later",
    exit: 4,
  },
  CLUSTER_NOT_FOUND: { meaning: "No such cluster runs here.", retry: "later", exit: 4 },
  CLUSTER_START_FAILED: { meaning: "The embedded cluster didn't start.", retry: "later", exit: 4 },

  FRAME_TOO_LARGE: {
    meaning: "A message is over the frame's bound: send parts, or a stream.",
    retry: "never",
    exit: 1,
  },
  FRAME_INVALID: { meaning: "A received frame breaks the format.", retry: "never", exit: 1 },
  FRAME_VERSION: { meaning: "A received frame has another version.", retry: "never", exit: 1 },
  SOCKET_FAILED: { meaning: "A socket between two processes failed.", retry: "later", exit: 1 },
  LINK_RESET: {
    meaning: "The link between two processes was given up.",
    retry: "later",
    exit: 1,
  },
  NOT_SERIALIZABLE: {
    meaning: "A value of this type doesn't cross processes.",
    retry: "never",
    exit: 1,
  },

  NOT_IN_PROGRAM: { meaning: "The program doesn't export this actor.", retry: "never", exit: 2 },
  PROGRAM_INVALID: {
    meaning: "The program can't be loaded or has no main.",
    retry: "never",
    exit: 2,
  },
  NESTED_DRIVER: { meaning: "connect() was called inside an executor.", retry: "never", exit: 2 },
  ACTOR_DIED: { meaning: "The actor ended before the call was sent.", retry: "elsewhere", exit: 5 },
  OUTCOME_UNKNOWN: {
    meaning: "The call was sent; whether it ran is unknown.",
    retry: "never",
    exit: 5,
  },
  ACTOR_NOT_FOUND: { meaning: "No such actor or method.", retry: "never", exit: 1 },
  NAME_TAKEN: { meaning: "A living actor has this name.", retry: "never", exit: 2 },
  OUT_OF_MEMORY: {
    meaning: "The machine ran short of memory: its largest executor was ended.",
    retry: "elsewhere",
    exit: 5,
  },
  APPLICATION: { meaning: "User code threw.", retry: "never", exit: 5 },
  DEADLINE_EXCEEDED: { meaning: "The deadline passed.", retry: "later", exit: 1 },
  OVERLOADED: { meaning: "Too many calls or requests wait already.", retry: "later", exit: 1 },
  NO_CAPACITY: { meaning: "No worker can host this.", retry: "later", exit: 4 },

  LEADER_CHANGED: {
    meaning: "Another head leads: what it is to know has to be said again.",
    retry: "later",
    exit: 1,
  },
  TASK_NOT_FOUND: { meaning: "No such task waits or runs.", retry: "never", exit: 2 },

  JOB_NOT_FOUND: { meaning: "No such job.", retry: "never", exit: 2 },
  SHARD_FAILED: { meaning: "A shard failed more often than allowed.", retry: "never", exit: 5 },
  POISON_RECORD: {
    meaning: "A record ends every executor that is given it.",
    retry: "never",
    exit: 3,
  },
  BATCH_TIMEOUT: {
    meaning: "A batch took longer than its limit: its executor was ended.",
    retry: "elsewhere",
    exit: 5,
  },
  CRASH_LOOP: {
    meaning: "A worker's executors die before they are ready.",
    retry: "elsewhere",
    exit: 5,
  },
  QUARANTINE_FULL: {
    meaning: "A shard has more bad records than its quarantine holds.",
    retry: "never",
    exit: 3,
  },
  DETERMINISM_ALARM: {
    meaning: "Two computations of one shard gave different bytes.",
    retry: "never",
    exit: 5,
  },
  PLAN_DAMAGED: {
    meaning: "A job's plan isn't what was planned: its state is lost, what it has made isn't.",
    retry: "never",
    exit: 4,
  },
  SHARD_DAMAGED: {
    meaning: "A shard's file is damaged: nothing takes its place until it is moved away.",
    retry: "never",
    exit: 5,
  },
  MODEL_INVALID: {
    meaning: "The model file isn't the pinned one or doesn't load.",
    retry: "never",
    exit: 4,
  },
  OBJECT_STORE_FULL: {
    meaning: "A node's memory for objects is full, and nothing of it can be moved to disk.",
    retry: "later",
    exit: 5,
  },
  OBJECT_LOST: { meaning: "An object is gone with its node.", retry: "never", exit: 5 },
  OBJECT_INVALID: { meaning: "A file in shared memory is no object.", retry: "never", exit: 5 },
  TRANSFER_FAILED: {
    meaning: "An object's way from one node to another broke.",
    retry: "later",
    exit: 5,
  },
  STORAGE_FAILED: { meaning: "Storage refused an operation.", retry: "later", exit: 4 },

  LOG_FENCED: { meaning: "Another head leads: its segment stands.", retry: "never", exit: 1 },
  LOG_CORRUPT: { meaning: "The log or a snapshot is damaged.", retry: "never", exit: 4 },
  LOG_TAIL_LOST: { meaning: "The end of the log is gone.", retry: "never", exit: 4 },
  LOG_UNPROVEN: {
    meaning: "This head couldn't see for too long whether it leads.",
    retry: "later",
    exit: 1,
  },

  SOLVE_FAILED: { meaning: "The solver ended with an error.", retry: "never", exit: 6 },
  SOLVE_CANCELLED: { meaning: "The slurm job was cancelled.", retry: "later", exit: 6 },
  SOLVE_TIMEOUT: { meaning: "The slurm job ran into its time limit.", retry: "later", exit: 6 },
  SOLVE_OUT_OF_MEMORY: {
    meaning: "The slurm job used more memory than Slurm gave it.",
    retry: "elsewhere",
    exit: 6,
  },
  SOLVE_LOST: {
    meaning: "Machines or Slurm took the slurm job away, as often as it was tried.",
    retry: "later",
    exit: 6,
  },
  SLURM_REFUSED: { meaning: "Slurm takes no such job.", retry: "never", exit: 6 },
  SLURM_FAILED: { meaning: "A Slurm command failed.", retry: "later", exit: 6 },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** Where a failure lies; every field is optional, all of it is data for people and programs. */
export interface Where {
  readonly uri?: string;
  readonly byteOffset?: number;
  /** 1-based number of a record in its file. */
  readonly record?: number;
  readonly rank?: number;
  readonly [key: string]: string | number | undefined;
}

/** How an error crosses a process or lands in `--json`. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly what: string;
  readonly where: Where;
}

/** The only error class of the project; its code names a row of `ERRORS`. */
export class SystemError extends Error {
  readonly code: ErrorCode;
  readonly what: string;
  readonly where: Where;

  constructor(code: ErrorCode, what: string, where: Where = {}, cause?: unknown) {
    super(`${code}: ${what}${formatWhere(where)}`, cause === undefined ? undefined : { cause });
    this.name = "SystemError";
    this.code = code;
    this.what = what;
    this.where = where;
  }

  get retry(): RetryAdvice {
    return ERRORS[this.code].retry;
  }

  /** The exit code of a command that ends with this error. */
  get exit(): number {
    return ERRORS[this.code].exit;
  }

  /**
   * As it crosses: texts and number of fields are cut to their bounds, and what user code put in
   * that is neither text nor number becomes text. What this gives always packs and passes checks.
   */
  toData(): ErrorData {
    const code = Object.hasOwn(ERRORS, this.code) ? this.code : "INTERNAL";
    return { code, what: cut(textOf(this.what), ERROR_TEXT_MAX), where: crossing(this.where) };
  }
}

/** The error again, from how it crossed a process. Unknown codes become INTERNAL. */
export function errorFromData(data: ErrorData): SystemError {
  const code = Object.hasOwn(ERRORS, data.code) ? data.code : "INTERNAL";
  return new SystemError(code, data.what, data.where);
}

/**
 * The error again, for those that come by thousands: a stack would tell of the decoder only, and
 * cost eight times the rest.
 */
export function errorWithoutStack(data: ErrorData): SystemError {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return errorFromData(data);
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/**
 * Anything thrown, as a SystemError: itself, or `fallback` with the thrown text; an error of user
 * code also with its class and where it was made. Never throws, whatever getters and conversions of
 * a user's value do.
 */
export function toSystemError(thrown: unknown, fallback: ErrorCode = "INTERNAL"): SystemError {
  try {
    if (thrown instanceof SystemError) return thrown;
    const what = textOf(thrown instanceof Error ? thrown.message : thrown);
    const where = fallback === "APPLICATION" && thrown instanceof Error ? originOf(thrown) : {};
    return new SystemError(fallback, what, where, thrown);
  } catch {
    return new SystemError(fallback, NO_TEXT, {}, thrown);
  }
}

/** Frames of a stack that are no user's: this project's own, and those of packages. */
const OURS = new URL(".", import.meta.url).href;
const PACKAGES = "/node_modules/";

/** An error's class, if it says more than `Error`, and the first line of user code in its stack. */
function originOf(thrown: Error): Where {
  const { name, stack } = thrown;
  const text = cut(textOf(stack), ERROR_FIELD_TEXT_MAX);
  const frames = text.matchAll(/^ {4}at .*?(file:\S+:\d+:\d+)\)?$/gm);
  const isUsers = (place: string): boolean => !place.startsWith(OURS) && !place.includes(PACKAGES);
  const at = frames.map(([, place = ""]) => place).find(isUsers);
  return {
    ...(name === "Error" || typeof name !== "string" ? {} : { error: name }),
    ...(at === undefined ? {} : { at }),
  };
}

const NO_TEXT = "something was thrown that has no text";

function textOf(value: unknown): string {
  try {
    return typeof value === "string" ? value : String(value);
  } catch {
    return NO_TEXT;
  }
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : text.slice(0, most).toWellFormed();
}

/** A place as data alone. User code may have made it, and not by its type. */
function crossing(where: unknown): Where {
  const crosses: Record<string, string | number> = {};
  try {
    for (const [key, value] of Object.entries(where ?? {}).slice(0, ERROR_FIELDS_MAX)) {
      if (value === undefined) continue;
      const field = typeof value === "number" ? value : cut(textOf(value), ERROR_FIELD_TEXT_MAX);
      crosses[cut(key, ERROR_FIELD_TEXT_MAX)] = field;
    }
  } catch {
    // A getter that throws: the place has what came before it.
  }
  return crosses;
}

function formatWhere(where: Where): string {
  const parts = Object.entries(where).filter(([, value]) => value !== undefined);
  if (parts.length === 0) return "";
  return ` (${parts.map(([key, value]) => `${key} ${value}`).join(", ")})`;
}
