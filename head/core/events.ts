/**
 * Pure core. What happens to a head (`HeadEvent`), what it wants done (`Effect`), and its transient
 * state, which is rebuilt from what workers say and never logged.
 */
import type { ErrorData } from "../../runtime/errors.ts";
import type {
  ActorLife,
  ApiRequest,
  Assignment,
  Command,
  Continuation,
  DatasetSpec,
  Exclusion,
  Owner,
  Report,
  ReportFile,
  Work,
} from "../../runtime/messages.ts";
import type { Resources } from "../../runtime/resources/resources.ts";
import type { Listed } from "../../runtime/storage/storage.ts";
import type { Manifest } from "../../solver/manifest.ts";
import type { ActorsState } from "./actors/types.ts";
import type { TaskEnds, TaskOrder, TaskReport } from "../../runtime/tasks/wire.ts";
import type { TasksState } from "./task-store/types.ts";
import type { AttemptEnd, DurableState, Fact } from "./facts.ts";
import type { ObjectJob } from "./objects/jobs.ts";
import type { Grant, Room } from "./placement/room.ts";
import type { Looker } from "./resume/submit.ts";

/** Where a reply goes. */
export interface Caller {
  readonly identity: string;
  readonly process: string;
  readonly id: number;
}

/** Where an attempt is: Slurm's word for its job, and the solver's last one for what it does. */
export interface AttemptPlace {
  readonly slurmState: string;
  /** Why it waits, or `None`. */
  readonly reason: string;
  readonly progress: {
    readonly phase: string;
    /** Of the phase; 0 <= fraction <= 1. */
    readonly fraction: number;
    readonly seconds: number;
  } | null;
}

/** What one Slurm step gave. `ready` knows the cluster; `ended` is an attempt's end. */
export type SlurmResult =
  | { readonly kind: "ready"; readonly clusterName: string; readonly launcher: string }
  | { readonly kind: "submitted"; readonly slurmJobId: string; readonly resources?: string }
  | { readonly kind: "running"; readonly at?: AttemptPlace }
  /** Not yet known, or not yet over; the step is due again. */
  | { readonly kind: "waiting"; readonly why: string }
  /** Slurm didn't answer now; the step is due again. */
  | { readonly kind: "unreachable"; readonly why: string }
  | { readonly kind: "ended"; readonly end: AttemptEnd; readonly error: ErrorData | null }
  | { readonly kind: "failed"; readonly error: ErrorData };

export type HeadEvent =
  | { readonly type: "api"; readonly caller: Caller; readonly request: ApiRequest }
  | { readonly type: "report"; readonly worker: string; readonly report: Report }
  /** Nobody hears what is said to a worker: its process, or its way to the bus, is gone. */
  | { readonly type: "absent"; readonly worker: string }
  | { readonly type: "task-report"; readonly worker: string; readonly report: TaskReport }
  | { readonly type: "tick" }
  /** A step had more to do than it took on. */
  | { readonly type: "more" }
  | {
      readonly type: "claimed";
      readonly jobId: string;
      readonly error: ErrorData | null;
      /** What stands in the output; left out where nobody looked. */
      readonly standing?: readonly Listed[];
    }
  /** What stands as the exclusion now: another leader may have made it. */
  | {
      readonly type: "excluded";
      readonly jobId: string;
      readonly input: number;
      readonly shard: number;
      readonly exclusion: Exclusion | null;
      readonly error: ErrorData | null;
    }
  | { readonly type: "sealed"; readonly jobId: string; readonly manifestSha256: string }
  | { readonly type: "seal-failed"; readonly jobId: string; readonly error: ErrorData }
  | { readonly type: "slurm"; readonly solveId: string; readonly result: SlurmResult };

/** One step of a solve, done by the daemon; each answers with one `slurm` event. */
export type SlurmStep =
  | { readonly op: "ready" }
  | { readonly op: "submit"; readonly attempt: number; readonly name: string }
  | { readonly op: "release"; readonly attempt: number; readonly slurmJobId: string }
  | {
      readonly op: "cancel";
      readonly attempt: number;
      readonly slurmJobId: string;
      readonly clusterName: string;
    }
  | {
      readonly op: "poll";
      readonly attempt: number;
      readonly name: string;
      readonly slurmJobId: string;
      readonly clusterName: string;
    };

export type Effect =
  | ({ readonly type: "command"; readonly worker: string; readonly heard: number } & Outbox)
  /** `free`: it tells of nothing that a fact makes so, and waits for none. */
  | {
      readonly type: "reply";
      readonly caller: Caller;
      readonly value: unknown;
      readonly free?: true;
    }
  | {
      readonly type: "refuse";
      readonly caller: Caller;
      readonly error: ErrorData;
      readonly free?: true;
    }
  /** The next three are free too: tasks are no facts. */
  | { readonly type: "task-order"; readonly worker: string; readonly order: TaskOrder }
  | { readonly type: "task-ends"; readonly to: Owner; readonly ends: TaskEnds }
  /** A `more` event is due at once. */
  | { readonly type: "more" }
  /** Puts the job's name on its output folder, once and for ever, and looks what stands there. */
  | {
      readonly type: "claim";
      readonly jobId: string;
      readonly uri: string;
      readonly spec: DatasetSpec;
      /** Other jobs that had this output, the latest last. */
      readonly earlier: readonly { readonly jobId: string; readonly spec: DatasetSpec }[];
    }
  /** Makes an exclusion's file, once and for ever. */
  | {
      readonly type: "exclude";
      readonly jobId: string;
      readonly input: number;
      readonly shard: number;
      readonly uri: string;
      readonly exclusion: Exclusion;
    }
  | {
      readonly type: "seal";
      readonly jobId: string;
      readonly uri: string;
      readonly manifest: Manifest;
    }
  | {
      readonly type: "slurm";
      readonly solveId: string;
      readonly spec: Continuation["spec"];
      readonly manifest: string;
      /** Of the manifest's bytes, where the set isn't one that this log's head sealed. */
      readonly manifestSha256?: string;
      readonly step: SlurmStep;
    };

export interface WorkerView {
  readonly process: string;
  readonly host: string;
  slots: number;
  lastSeenMs: number;
  /** Nobody heard what was said to it since its last report: it gets nothing more till the next. */
  isAbsent: boolean;
  /** Number of the last command sent, 0 before the first, and when it was. */
  sequence: number;
  commandedMs: number;
  /** The last command that it said to have seen. */
  seen: number;
  /** Number of its last report: every command confirms it. */
  heard: number;
  /** Tasks of its flights. */
  readonly tasks: Set<string>;
  /** What it has for work, and what of that nobody holds. */
  readonly room: Room;
  /** Whether it has told this leader all that lives there: before, nobody knows what is free. */
  isTold: boolean;
  /** Slots that are the shards' while tasks and they wait for the same. */
  shardShare: number;
  /** Slots that shards may use now: fewer than there are while something else is to have some. */
  shardSlots: number;
  /** Flights that wait for or occupy a slot; 0 <= load <= queueMax of it. */
  load: number;
  /** Slots that they occupy, a processor each; seats = min(load, slots). */
  seats: number;
  /** What all shards hold there together. */
  shardsHold: Resources;
  /** Milliseconds that one slot takes for such a flight, by what it did last; 0 until known. */
  shardMs: number;
  /** When it last finished one, or got one while it had none. */
  pacedMs: number;
  /** Flights of drivers, and of actors with a process of their own. */
  hosted: number;
  /** Flights of actors that share executors. */
  opening: number;
  /** Actors that live there by what it last said: in processes of their own, and sharing. */
  hosting: number;
  sharing: number;
  /** Actors that live there by what this leader knows. */
  readonly lives: Set<string>;
  /** How many of them have a process of their own. */
  livesOwn: number;
  /** Flights and lives of named actors there: a lease holds them. */
  named: number;
  /** Lives it was told to end and hasn't said so of, by `actorId#incarnation`. */
  readonly ends: Map<string, EndingLife>;
  /** When it was last told of them again. */
  endsToldMs: number;
  /** Since when it says that more actors live there than this leader knows; null while not. */
  unknownSinceMs: number | null;
  /** It refused an actor: it gets no other before. */
  refusedUntilMs: number;
  /** Executors there that die before they are ready; null while they don't. */
  trouble: { readonly crashes: number; readonly reason: string } | null;
}

/** A life that its worker was told to end. */
export interface EndingLife extends ActorLife {
  /** What it holds until it is over. */
  grant: Grant | null;
  /** Whose kill is answered when it is over, by request. */
  readonly killers: Map<string, Caller>;
}

/** One attempt under way. */
export interface Flight {
  readonly worker: string;
  readonly attempt: number;
  /** What it holds of its worker beyond a slot, or a place among the actors there. */
  readonly grant?: Grant;
  /** Command that carried it; 0 when a worker brought it along from an earlier leader. */
  readonly sequence: number;
  readonly assignment: Assignment;
}

/** What goes to one worker at the end of the step under way. */
export interface Outbox {
  readonly sequence: number;
  readonly assign: Assignment[];
  readonly cancel: string[];
  readonly ack: { task: string; attempt: number }[];
  readonly end: ActorLife[];
  readonly endSeen: ActorLife[];
  readonly logs: Command["logs"];
  /** Whether it is to announce its actors again. */
  announce: boolean;
  /** Processes that are no more and whose objects it holds. */
  endJobs?: string[];
}

export interface HeadConfig {
  readonly stateFolder: string;
  /** sha256 of the solver's binary; null when there is none. */
  readonly solverSha256: string | null;
  readonly slurm: "auto" | "system" | "private" | "none";
}

export interface HeadState {
  readonly durable: DurableState;
  readonly config: HeadConfig;
  /** Since when it leads, but for what it slept meanwhile. */
  sinceMs: number;
  /** When the last event was taken. */
  lastMs: number;
  /** Commands sent to all workers together: a number never comes twice under one leader. */
  commands: number;
  readonly workers: Map<string, WorkerView>;
  readonly flights: Map<string, Flight>;
  /** Tasks of flights, by the job they are part of. */
  readonly tasksOf: Map<string, Set<string>>;
  /** Attempts begun of a task under this leader. */
  readonly attempts: Map<string, number>;
  /** Failures of a task under this leader that are worth another attempt. */
  readonly failures: Map<string, number>;
  /** Why such a task failed last. */
  readonly reasons: Map<string, ErrorData>;
  readonly claims: Map<string, "asked" | "ours">;
  readonly sealing: Set<string>;
  /** Files that are made of shards' summaries before the seal, by job. */
  readonly merges: Map<string, MergeProgress>;
  /** Files of jobs that stand and that nobody has looked at or can take, by job. */
  readonly standing: Map<string, Standing>;
  /** Files of receipts that came since a claim was asked for, by job. */
  readonly arrived: Map<string, Set<string>>;
  /** Who submitted a sealed job while it is looked whether all of it stands, by job. */
  readonly lookers: Map<string, Looker[]>;
  /** Deaths of shards' executors in a batch, by task, until the shard is made or suspected. */
  readonly deaths: Map<string, Death[]>;
  /** Executors in a row that died of a job outside of any batch, and until when it waits. */
  readonly crashes: Map<string, { readonly count: number; readonly dueMs: number }>;
  /** How many of a job's attempts found another variant in their place, by job. */
  readonly outdone: Map<string, number>;
  /** Shards whose exclusion is being made, by task. */
  readonly excluding: Set<string>;
  /** Jobs and solves that aren't over, by id. */
  readonly open: OpenJobs;
  /** Whether shards that would fit somewhere wait, and tasks: neither takes all from the other. */
  shardsWait: boolean;
  tasksWait: boolean;
  readonly actors: ActorsState;
  readonly tasks: TasksState;
  /** Processes that have objects on workers, by id. */
  readonly objectJobs: Map<string, ObjectJob>;
  /** Steps of solves under way or due. */
  readonly slurm: Map<string, SlurmView>;
  /** Programs submitted under this leader: it alone may start their drivers. */
  readonly fresh: Set<string>;
  /** First shard per input that may still have to be placed, by job. */
  readonly cursors: Map<string, number[]>;
}

/** An executor died while its stage was at records [first, first + records) of a shard. */
export interface Death {
  readonly worker: string;
  readonly first: number;
  readonly records: number;
}

/** Shards [from, to) of an input. */
export interface ShardRange {
  readonly input: number;
  readonly from: number;
  readonly to: number;
}

/** How far the files of a job's samples are; the last unit is of all samples. */
export interface MergeProgress {
  readonly units: readonly MergeUnit[];
  /** By unit, once it is made. */
  readonly made: Map<number, readonly ReportFile[]>;
}

/** A sample's inputs with their shards; null: all samples. */
export type MergeUnit = Extract<Work, { kind: "merge" }>["inputs"];

/** What is found in a job's output without a receipt, or isn't what its receipt says. */
export interface Standing {
  /** Shards that nobody has looked at, by input; none of them is made. */
  readonly unseen: readonly Set<number>[];
  /** What isn't being looked at, a task's each, the next one last. */
  readonly batches: ShardRange[][];
  /** What is wrong with it, by file. */
  readonly damaged: Map<string, string>;
}

/** What there may be something to do for; all else is only looked up. */
export interface OpenJobs {
  readonly programs: Set<string>;
  readonly datasets: Set<string>;
  readonly solves: Set<string>;
  /** Shards whose batches are searched for poison, by `trialKey`, by job. */
  readonly searches: Map<string, Set<string>>;
}

/** What this leader knows of a solve's Slurm; rebuilt by asking. */
export interface SlurmView {
  busy: boolean;
  dueMs: number;
  /** Since when Slurm hasn't answered; null while it does. */
  silentSinceMs: number | null;
  /** Empty until Slurm was found or started. */
  clusterName: string;
  launcher: string;
  released: boolean;
  /** Where its attempt was last seen; null before its release was answered. */
  at: AttemptPlace | null;
  /** What its slurm job asked for, for people; null when another leader submitted it. */
  resources: string | null;
  /** What it waits for besides its place in the queue, and since when; null while nothing. */
  waits: { readonly why: string; readonly sinceMs: number } | null;
  /** When its attempt was last told to end; null before. */
  cancelledMs: number | null;
}

/** What one decision gives: facts already applied to the state, and effects that wait for them. */
export interface Step {
  readonly facts: Fact[];
  readonly effects: Effect[];
  readonly outboxes: Map<string, Outbox>;
}
