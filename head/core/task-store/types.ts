/**
 * Pure core. What the head knows of tasks besides their columns; all of it is transient.
 *
 * Invariants:
 * - a waiting row stands in the queue of its series' shape, priority and job, a given one in its
 *   lane's list, and in no other;
 * - a lane's load is the sum of its rows' weights, a job's load of a shape that of its rows there;
 * - a lane has at most as many grants as rows: what has nothing to do keeps nothing;
 * - a piece lives while one of its rows does.
 */
import type { ErrorData } from "../../../runtime/errors.ts";
import type { Shape } from "../../../runtime/resources/resources.ts";
import type { TaskGroup, TaskOrder } from "../../../runtime/tasks/wire.ts";
import type { Grant } from "../placement/room.ts";
import { emptyList, type RowList, TaskColumns } from "./columns.ts";
import type { OwnerNumbers } from "./numbers.ts";

/** Tasks of one name, by what they are at and how they ended under this leader. */
export interface TaskCounts {
  waiting: number;
  /** Given to a worker. */
  given: number;
  done: number;
  /** Its function threw. */
  threw: number;
  failed: number;
  cancelled: number;
  retried: number;
}

/** Equal groups of whatever owner. */
export interface GroupView {
  readonly key: string;
  readonly group: TaskGroup;
  readonly shape: ShapeQueue;
  readonly counts: TaskCounts;
  /** Microseconds that one takes, in a running mean; 0 until measured. */
  serviceUs: number;
  /** How many are given to one slot. */
  depth: number;
  /** Rows of it. */
  open: number;
}

/** Whose share of the cluster is taken. */
export interface JobView {
  readonly key: string;
  /** Slots that it has, by shape. */
  readonly loads: Map<ShapeQueue, number>;
  /** The sum of `loads`, each times its shape's cost. */
  share: number;
  open: number;
}

/** What rows of one owner have in common. */
export interface Series {
  readonly owner: TaskOwner;
  readonly job: JobView;
  readonly group: GroupView;
  /** When those that wait then end with DEADLINE_EXCEEDED; null = never. */
  readonly dueMs: number | null;
}

/** Arguments of some rows of a frame. */
export interface Piece {
  readonly series: Series;
  readonly bytes: Uint8Array;
  /** Rows that it is for; only where there is a deadline. */
  readonly numbers: Uint32Array | null;
  open: number;
}

/** An end that the head decided. */
export interface DecidedEnd {
  readonly number: number;
  readonly error: ErrorData;
}

export interface TaskOwner {
  readonly key: string;
  readonly identity: string;
  readonly process: string;
  readonly numbers: OwnerNumbers;
  /** Series without a deadline, by job and group. */
  readonly series: Map<string, Series>;
  /** Of which its ends are numbered; another one if it was forgotten and is known again. */
  readonly life: number;
  lastSeenMs: number;
  /** Its process is over: its tasks are ended, and it hears of none. */
  gone: boolean;
  open: number;
  /** What it hasn't acknowledged; the first has the number `endsFrom`. */
  ends: DecidedEnd[];
  endsFrom: number;
  /** The last one that was sent, and when. */
  endsSent: number;
  endsSentMs: number;
}

/** Tasks of one shape and priority. */
export interface Level {
  readonly priority: number;
  /** Jobs that have some waiting; the one that has waited for longest comes first. */
  readonly queues: Map<JobView, RowList>;
  waiting: number;
}

/** All that need the same of a worker. */
export interface ShapeQueue {
  readonly key: string;
  readonly shape: Shape;
  /** Part of the cluster that one of it takes, of the resource of which that is most. */
  cost: number;
  /** Highest priority first; only those with something waiting. */
  readonly levels: Level[];
  waiting: number;
  readonly lanes: Set<Lane>;
  /** Lanes that may take more. */
  readonly open: Set<Lane>;
  /** The state of `news` in which no worker had room for one more slot; -1 = some may have. */
  fullAt: number;
  /** Whether it fits an empty worker. */
  fits: boolean;
  /** Groups of this shape. */
  groups: number;
  /** The first priority that came, and whether others did. */
  priority: number | null;
  isMixed: boolean;
}

/** What one worker does of one shape, on one set of GPUs. */
export interface Lane {
  readonly index: number;
  readonly worker: TaskWorker;
  readonly shape: ShapeQueue;
  /** One a slot. */
  readonly grants: Grant[];
  readonly gpus: readonly number[];
  /** Rows given, the first given first. */
  readonly given: RowList;
  /** Slots' worth of them, by priority. */
  readonly loads: Map<number, number>;
}

/** Rows for one worker in the step under way, in the order in which they were given. */
export interface Departing {
  readonly tasks: { readonly lane: Lane; readonly series: Series; readonly rows: number[] }[];
  readonly revoke: Named[];
  readonly abort: Named[];
  announce: boolean;
}

/** One assignment of one task: its row may be gone by the time that it is spoken of. */
export interface Named {
  readonly owner: TaskOwner;
  readonly number: number;
  readonly attempt: number;
  readonly force: boolean;
}

/** A worker as far as tasks go; one incarnation of it. */
export interface TaskWorker {
  readonly name: string;
  readonly process: string;
  /** Whether this leader knows all that it holds: it gets nothing before. */
  announced: boolean;
  /** How much of its announcement has come. */
  heldTo: number;
  /** The order that asks it to announce all again; 0 = none. What it says before is old. */
  announceOrder: number;
  readonly lanes: Set<Lane>;
  /** Units of processors that its lanes keep. */
  cpu: number;
  /** Orders that it hasn't said to have seen. */
  unseen: TaskOrder[];
  /** Number of the last order, 0 before the first. */
  orders: number;
  /** When orders that weren't seen were last sent. */
  sentMs: number;
  /** The last of its events that was taken; null before its first report. */
  heard: number | null;
  /** What of that it was told. */
  told: number;
  departing: Departing | undefined;
  /** What keeps this worker from lower priorities: it makes room for a shape that waits. */
  claim: Claim | undefined;
}

/** A worker is kept for a shape until that fits. */
export interface Claim {
  readonly shape: ShapeQueue;
  readonly priority: number;
}

/** A piece whose rows end when they are late. */
export interface Due {
  readonly dueMs: number;
  readonly piece: Piece;
}

export interface TasksState {
  readonly columns: TaskColumns;
  /** By number; freed numbers are used again. */
  readonly pieces: (Piece | undefined)[];
  readonly freePieces: number[];
  readonly lanes: (Lane | undefined)[];
  readonly freeLanes: number[];
  readonly owners: Map<string, TaskOwner>;
  readonly groups: Map<string, GroupView>;
  readonly shapes: Map<string, ShapeQueue>;
  readonly jobs: Map<string, JobView>;
  readonly counts: Map<string, TaskCounts>;
  readonly workers: Map<string, TaskWorker>;
  /** Workers that get nothing more, by name. */
  readonly draining: Set<string>;
  /** Names of workers that tasks' objects are at; a row has a place in it, from 1. */
  readonly places: string[];
  readonly placeOf: Map<string, number>;
  /** A heap of what has a deadline: the earliest is the first. */
  readonly due: Due[];
  /** Pieces of it that are still open. */
  dueOpen: number;
  /** Lives of owners that were given, as numbers. */
  lives: number;
  /** Bytes of all pieces, and pages of all owners' numbers. */
  bytes: number;
  pages: number;
  /** Changes whenever some worker may have more room than before. */
  news: number;
  /** Rows that were announced and that no worker was found to hold yet. */
  readonly asked: RowList;
  /** Whether workers are still being asked what they hold. */
  gathering: boolean;
  /** Shapes with something waiting that may have become placeable. */
  readonly ready: Set<ShapeQueue>;
  /** Shapes with something waiting for which no worker had room when it was last looked for. */
  readonly stuck: Set<ShapeQueue>;
  /** Lanes that lost a row in this step: they may keep too much. */
  readonly loosened: Set<Lane>;
  /** Workers and owners to whom this step has something to say. */
  readonly speaking: Set<TaskWorker>;
  readonly ending: Set<TaskOwner>;
  /** Workers with a claim. */
  readonly claimed: Set<TaskWorker>;
  /** Owners that are gone and have rows that weren't looked at yet. */
  readonly leaving: Map<TaskOwner, Iterator<number>>;
}

export function emptyTasks(): TasksState {
  return {
    columns: new TaskColumns(),
    pieces: [],
    freePieces: [],
    lanes: [],
    freeLanes: [],
    owners: new Map(),
    groups: new Map(),
    shapes: new Map(),
    jobs: new Map(),
    counts: new Map(),
    workers: new Map(),
    draining: new Set(),
    places: [],
    placeOf: new Map(),
    due: [],
    dueOpen: 0,
    lives: 0,
    bytes: 0,
    pages: 0,
    news: 0,
    asked: emptyList(),
    gathering: false,
    ready: new Set(),
    stuck: new Set(),
    loosened: new Set(),
    speaking: new Set(),
    ending: new Set(),
    claimed: new Set(),
    leaving: new Map(),
  };
}
