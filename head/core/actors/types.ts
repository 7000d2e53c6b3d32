/**
 * Pure core. What the head knows of actors: their present life, who waits for them, who owns them.
 * All of it is transient but the named ones' records, and rebuilt from what workers announce.
 *
 * Invariants: an actor that isn't dead has a life at a worker (`worker` isn't null), or waits in
 * exactly one of `queues` and `delayed`; a name in `names` belongs to one actor that isn't dead; no
 * life of a name starts while `unproven` holds an earlier one of it.
 */
import type { ErrorData } from "../../../runtime/errors.ts";
import type {
  ActorAddress,
  ActorEvent,
  ActorLife,
  ActorRecord,
  ActorState,
  Owner,
  PoolSpec,
} from "../../../runtime/messages.ts";
import type { Shape } from "../../../runtime/resources/resources.ts";
import type { Caller } from "../events.ts";
import type { Grant } from "../placement/room.ts";
import type { PoolHistory } from "../pools/size.ts";

/** A request that is answered once the actor lives, or is dead for good. */
export interface Waiter {
  readonly caller: Caller;
  /** The first life that will do. */
  readonly after: number;
  /** Whether a dead actor is an answer too, or a refusal. */
  readonly takesDead: boolean;
}

/** A life that was killed, and by which request. */
export interface Killed {
  readonly by: string;
  readonly worker: string;
  readonly life: ActorLife;
}

export interface ActorEntry {
  /** Without arguments once it is dead. */
  record: ActorRecord;
  /** Rises with each actor that this leader gets to know; a list's cursor. */
  readonly number: number;
  state: ActorState;
  /** The present life, or the one that comes next; a life given up without proof stays present. */
  incarnation: number;
  /** 0 <= restarts <= maxRestarts. */
  restarts: number;
  /** When it entered its state. */
  sinceMs: number;
  worker: string | null;
  /** What its present life holds of its worker; null without one. */
  grant: Grant | null;
  /** What a life needs, and the queue of those that need the same. */
  readonly shape: Shape;
  readonly queue: string;
  /** Where its last output is. */
  lastWorker: string | null;
  address: ActorAddress | null;
  /** Why it is dead, or why its last life ended. */
  error: ErrorData | null;
  /** Young lives in a row, up to the last one. */
  young: number;
  /** The next life isn't started before. */
  dueMs: number;
  readonly waiters: Map<string, Waiter>;
  /** The last request that ended a life of it, a repeated one doesn't end the next; and which. */
  killed: Killed | null;
}

/** A life of a named actor that may still go on: the next one of its name waits for its end. */
export interface Unproven {
  readonly actorId: string;
  readonly incarnation: number;
  readonly worker: string;
  /** The worker's own process; null when it isn't sure which one of that machine took it. */
  readonly process: string | null;
  readonly host: string;
  /** The command that placed it, when it isn't sure to have been taken; else 0. */
  readonly sequence: number;
  /** Why it was given up. */
  readonly error: ErrorData;
  /** Whether its end costs a restart: a life whose start was lost on the way costs none. */
  readonly counts: boolean;
  /** When its worker's process was last heard; counts while it is silent. */
  heardMs: number;
  /** Its worker was told to end it: it isn't taken up again, and its end will be reported. */
  readonly told: boolean;
}

/** A process that owns something, by `identity/process`. */
export interface OwnerView extends Owner {
  lastSeenMs: number;
  readonly actors: Set<string>;
  readonly pools: Set<string>;
}

export interface PoolMember {
  /** Since when it gets no new call; null while it does. */
  leavingMs: number | null;
  /** Since when this leader sees it alive; null before. */
  aliveMs: number | null;
}

export interface PoolState {
  readonly poolId: string;
  readonly number: number;
  readonly spec: PoolSpec;
  readonly owner: Owner;
  /** Living ones, by actor id, the oldest first. */
  readonly members: Map<string, PoolMember>;
  readonly history: PoolHistory;
  wanted: number;
  reason: string;
  /** Members made under this leader. */
  made: number;
  /** Members in a row that ended before they were steady; the next one waits. */
  failures: number;
  /** When the last of them ended. */
  failedMs: number;
  dueMs: number;
  /** When its size is looked at again, whatever happens. */
  checkMs: number;
  /** The last member that ended by itself. */
  lastDead: ActorEntry | null;
  /** Requests are repeated: the number of the last load that was taken. */
  lastLoad: number;
}

export interface ActorsState {
  /** All that aren't dead, and the last dead ones. */
  readonly entries: Map<string, ActorEntry>;
  readonly names: Map<string, string>;
  /** Those that wait for room, by what they need; each in the order in which they came. */
  readonly queues: Map<string, Set<ActorEntry>>;
  /** How many wait in them. */
  queued: number;
  /** Those that wait for a time or for a proof. */
  readonly delayed: Set<ActorEntry>;
  /** By name. */
  readonly unproven: Map<string, Unproven>;
  /** In the order in which they died. */
  readonly dead: Set<string>;
  readonly counts: Record<ActorState, number>;
  /** The one that was silent for the longest time first. */
  readonly owners: Map<string, OwnerView>;
  /** Keys of owners that are executors, by their worker. */
  readonly executors: Map<string, Set<string>>;
  readonly pools: Map<string, PoolState>;
  /** Pools of which a member changed its state. */
  readonly poolsChanged: Set<string>;
  /** The last events; event n stands at n % ACTOR_EVENTS_KEPT_MAX. */
  readonly events: ActorEvent[];
  /** Number of the last event. */
  lastEvent: number;
  lastNumber: number;
}

export function emptyActors(): ActorsState {
  return {
    entries: new Map(),
    names: new Map(),
    queues: new Map(),
    queued: 0,
    delayed: new Set(),
    unproven: new Map(),
    dead: new Set(),
    counts: { pending: 0, starting: 0, alive: 0, restarting: 0, dead: 0 },
    owners: new Map(),
    executors: new Map(),
    pools: new Map(),
    poolsChanged: new Set(),
    events: [],
    lastEvent: 0,
    lastNumber: 0,
  };
}
