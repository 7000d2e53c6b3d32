/**
 * Pure core. Lives of actors: where the next one starts, how one begins, ends or is given up, and
 * when another may follow. A named actor's next life follows the proof that the last one is over,
 * or the end of its lease (NAMED_RESTART_MS without a word of its worker); others' follow at once.
 * What a life holds of its worker is its own from its start until that worker says it is over.
 * Long because each end of a life may be the beginning of the next one.
 */
import { type ErrorData, ERRORS, SystemError } from "../../../runtime/errors.ts";
import {
  LIFE_DELAY_MAX_MS,
  LIFE_DELAY_MS,
  LIFE_YOUNG_MS,
  LIVES_AT_ONCE_MAX,
  WORKER_REFUSED_MS,
} from "../../../runtime/limits.ts";
import type {
  ActorAddress,
  ActorLife,
  ActorRecord,
  Assignment,
  Outcome,
} from "../../../runtime/messages.ts";
import { NO_RESOURCES } from "../../../runtime/resources/resources.ts";
import type { EndingLife, HeadState, Step, WorkerView } from "../events.ts";
import { type Grant, giveBack, hold, take } from "../placement/room.ts";
import { beginFlight, endFlight, outboxOf, record } from "../step.ts";
import { answerWaiters, enter, retire } from "./registry.ts";
import type { ActorEntry, ActorsState } from "./types.ts";
import { isAt, proveEnd } from "./unproven.ts";
import { viewOf } from "./views.ts";

/** What the worker's task of an actor is called; its attempt is the incarnation. */
export function hostTask(actorId: string): string {
  return `host/${actorId}`;
}

/** Puts an actor without a life where it waits for the next one. */
export function offer({ actors }: HeadState, entry: ActorEntry, nowMs: number): void {
  const { name } = entry.record.options;
  const isHeld = nowMs < entry.dueMs || (name !== null && actors.unproven.has(name));
  actors.delayed.delete(entry);
  if (isHeld) actors.delayed.add(entry);
  else enqueue(actors, entry);
}

function enqueue(actors: ActorsState, entry: ActorEntry): void {
  const queue = actors.queues.get(entry.queue) ?? new Set();
  if (queue.has(entry)) return;
  actors.queues.set(entry.queue, queue.add(entry));
  actors.queued += 1;
}

function withdraw({ actors }: HeadState, entry: ActorEntry): void {
  actors.delayed.delete(entry);
  const queue = actors.queues.get(entry.queue);
  if (queue?.delete(entry) !== true) return;
  actors.queued -= 1;
  if (queue.size === 0) actors.queues.delete(entry.queue);
}

/** What a life holds that its worker tells of. */
export function grantOf({ options }: ActorRecord, gpus: readonly number[]): Grant {
  return { resources: options.resources ?? NO_RESOURCES, gpus };
}

/** Sends an actor to a worker, which has room for it. */
export function startLife(
  state: HeadState,
  step: Step,
  entry: ActorEntry,
  worker: string,
  nowMs: number,
): void {
  const { actorId, program, options } = entry.record;
  const { incarnation, restarts } = entry;
  withdraw(state, entry);
  const view = state.workers.get(worker);
  if (options.name !== null && view !== undefined) {
    const { process, host } = view;
    const life = { incarnation, restarts, worker, process, host };
    record(state, step, { type: "actor.placed", actorId, ...life });
  }
  const work = { kind: "host", record: entry.record } as const;
  const grant = view && take(view.room, entry.shape.resources);
  entry.grant = grant ?? null;
  const assignment: Assignment = {
    ...{ task: hostTask(actorId), attempt: incarnation, program, work },
    ...(grant === undefined || grant.gpus.length === 0 ? {} : { gpus: [...grant.gpus] }),
  };
  const outbox = outboxOf(state, step, worker);
  outbox.assign.push(assignment);
  beginFlight(state, { worker, attempt: incarnation, sequence: outbox.sequence, assignment });
  entry.worker = worker;
  enter(state, entry, "starting", nowMs);
}

/** Whether this is the present life of the actor. */
function isPresent(entry: ActorEntry, worker: string, incarnation: number): boolean {
  return entry.worker === worker && entry.incarnation === incarnation;
}

/** How the start of a life went. */
export function takeHosted(
  state: HeadState,
  step: Step,
  worker: string,
  { actorId, incarnation }: ActorLife,
  outcome: Outcome,
  nowMs: number,
): void {
  const entry = state.actors.entries.get(actorId);
  // Of one that this leader doesn't know yet its worker's announcement tells.
  if (entry === undefined) return;
  if (outcome.kind === "hosted") {
    const life = { worker, incarnation, address: outcome.address, gpus: [] };
    adopt(state, step, entry, life, nowMs);
  } else if (outcome.kind === "failed" && entry.state === "starting") {
    if (isPresent(entry, worker, incarnation)) failStart(state, step, entry, outcome.error, nowMs);
  }
}

function becomeAlive(
  state: HeadState,
  step: Step,
  entry: ActorEntry,
  address: ActorAddress,
  nowMs: number,
): void {
  if (entry.state === "alive") return;
  const { actorId, options } = entry.record;
  endFlight(state, hostTask(actorId));
  const view = state.workers.get(entry.worker ?? "");
  if (view !== undefined && !view.lives.has(actorId)) {
    view.lives.add(actorId);
    if (options.hosting !== "shared") view.livesOwn += 1;
    if (options.name !== null) view.named += 1;
  }
  entry.address = address;
  enter(state, entry, "alive", nowMs);
  answerWaiters(step, entry);
}

/** A constructor's error is final; a worker that has no room costs nothing; others are a death. */
function failStart(
  state: HeadState,
  step: Step,
  entry: ActorEntry,
  error: ErrorData,
  nowMs: number,
): void {
  const view = state.workers.get(entry.worker ?? "");
  if (error.code === "NO_CAPACITY") {
    if (view !== undefined) view.refusedUntilMs = nowMs + WORKER_REFUSED_MS;
    loseLife(state, step, entry, { error, proven: true, counts: false }, nowMs);
  } else if (ERRORS[error.code].retry === "never") {
    leaveWorker(state, entry);
    die(state, step, entry, error, nowMs);
  } else {
    loseLife(state, step, entry, { error, proven: true, counts: true }, nowMs);
  }
}

/** A life as its worker tells of it. */
interface AnnouncedLife {
  readonly worker: string;
  readonly incarnation: number;
  /** Null while it starts. */
  readonly address: ActorAddress | null;
  readonly gpus: readonly number[];
}

/**
 * A life that a worker has and this leader didn't place there: taken up when the actor has no other
 * and this may be its present one, else ended.
 */
export function adopt(
  state: HeadState,
  step: Step,
  entry: ActorEntry,
  life: AnnouncedLife,
  nowMs: number,
): void {
  const { worker, incarnation, address, gpus } = life;
  const { record: actor, state: was } = entry;
  if (was !== "dead" && isPresent(entry, worker, incarnation)) {
    if (address !== null) becomeAlive(state, step, entry, address, nowMs);
    return;
  }
  if (!isAdoptable(state, entry, worker, incarnation)) {
    endLife(state, step, worker, { actorId: actor.actorId, incarnation }, grantOf(actor, gpus));
    return;
  }
  withdraw(state, entry);
  if (actor.options.name !== null) state.actors.unproven.delete(actor.options.name);
  const restarts = entry.restarts + incarnation - entry.incarnation;
  entry.restarts = Math.min(Math.max(0, restarts), actor.options.maxRestarts);
  entry.incarnation = incarnation;
  entry.worker = worker;
  entry.error = null;
  entry.grant = grantOf(actor, gpus);
  const room = state.workers.get(worker)?.room;
  if (room !== undefined) hold(room, entry.grant);
  if (address !== null) {
    becomeAlive(state, step, entry, address, nowMs);
    return;
  }
  const task = hostTask(actor.actorId);
  const work = { kind: "host", record: actor } as const;
  const assignment = { task, attempt: incarnation, program: actor.program, work };
  beginFlight(state, { worker, attempt: incarnation, sequence: 0, assignment });
  if (was !== "starting") enter(state, entry, "starting", nowMs);
}

function isAdoptable(
  state: HeadState,
  entry: ActorEntry,
  worker: string,
  incarnation: number,
): boolean {
  if (entry.state === "dead" || entry.worker !== null) return false;
  const { actorId, options } = entry.record;
  const view = state.workers.get(worker);
  if (view === undefined || view.ends.has(lifeKey({ actorId, incarnation }))) return false;
  // The life before the one that would be next was given up, and nothing has taken its place yet.
  if (options.name === null) return incarnation >= entry.incarnation - 1;
  const life = state.actors.unproven.get(options.name);
  return (
    life?.actorId === actorId &&
    life.incarnation === incarnation &&
    life.worker === worker &&
    isAt(life, view) &&
    !life.told
  );
}

/** How a life came to its end. */
export interface LifeEnd {
  readonly error: ErrorData;
  /** Whether it is certain that it is over. */
  readonly proven: boolean;
  /** Whether it costs a restart. */
  readonly counts: boolean;
  /** Whether its worker was told to end it. */
  readonly told?: boolean;
}

/** The present life is over or given up. */
export function loseLife(
  state: HeadState,
  step: Step,
  entry: ActorEntry,
  end: LifeEnd,
  nowMs: number,
): void {
  const { worker, incarnation } = entry;
  const { name } = entry.record.options;
  const view = state.workers.get(worker ?? "");
  const sent = state.flights.get(hostTask(entry.record.actorId))?.sequence;
  const isSeen = sent === undefined || (view !== undefined && sent <= view.seen);
  const isYoung = end.counts && nowMs - entry.sinceMs < LIFE_YOUNG_MS;
  entry.young = isYoung ? entry.young + 1 : 0;
  leaveWorker(state, entry);
  if (name === null || end.proven || view === undefined || worker === null) {
    follow(state, step, entry, end.error, end.counts, nowMs);
    return;
  }
  state.actors.unproven.set(name, {
    actorId: entry.record.actorId,
    incarnation,
    worker,
    process: isSeen ? view.process : null,
    host: view.host,
    sequence: sent ?? 0,
    error: end.error,
    counts: end.counts,
    heardMs: view.lastSeenMs,
    told: end.told ?? false,
  });
  entry.error = end.error;
  enter(state, entry, "restarting", nowMs);
  offer(state, entry, nowMs);
}

/** What follows a life that is over: the next one, or death. */
export function follow(
  state: HeadState,
  step: Step,
  entry: ActorEntry,
  error: ErrorData,
  counts: boolean,
  nowMs: number,
): void {
  withdraw(state, entry);
  if (counts && entry.restarts >= entry.record.options.maxRestarts) {
    die(state, step, entry, error, nowMs);
    return;
  }
  entry.incarnation += 1;
  if (counts) entry.restarts += 1;
  if (counts) entry.error = error;
  else entry.error ??= error;
  entry.dueMs = nowMs + delayAfter(entry.young);
  const isFirst = entry.state === "starting" && entry.restarts === 0;
  enter(state, entry, isFirst ? "pending" : "restarting", nowMs);
  offer(state, entry, nowMs);
}

/** Milliseconds before the next life: none but in a crash loop. */
function delayAfter(young: number): number {
  if (young <= LIVES_AT_ONCE_MAX) return 0;
  return Math.min(LIFE_DELAY_MS * 2 ** (young - LIVES_AT_ONCE_MAX - 1), LIFE_DELAY_MAX_MS);
}

function leaveWorker(state: HeadState, entry: ActorEntry): void {
  if (entry.worker === null) return;
  const { actorId, options } = entry.record;
  endFlight(state, hostTask(actorId));
  const view = state.workers.get(entry.worker);
  if (view?.lives.delete(actorId) === true) {
    if (options.hosting !== "shared") view.livesOwn -= 1;
    if (options.name !== null) view.named -= 1;
  }
  if (view !== undefined) leaveRoom(view, entry);
  entry.grant = null;
  entry.lastWorker = entry.worker;
  entry.worker = null;
  entry.address = null;
}

/** What a life held is free once it is over, and not when it is told to end. */
function leaveRoom(
  view: WorkerView,
  { grant, record: { actorId }, incarnation }: ActorEntry,
): void {
  if (grant === null) return;
  const ending = view.ends.get(lifeKey({ actorId, incarnation }));
  if (ending === undefined) giveBack(view.room, grant);
  else ending.grant = grant;
}

/** Ends an actor for good: its present life, and all others. */
export function die(
  state: HeadState,
  step: Step,
  entry: ActorEntry,
  error: ErrorData,
  nowMs: number,
): void {
  if (entry.state === "dead") return;
  const { worker, incarnation } = entry;
  const { actorId, options } = entry.record;
  if (worker !== null) {
    endLife(state, step, worker, { actorId, incarnation });
    const view = state.workers.get(worker);
    if (options.name !== null && view !== undefined) {
      const { host, lastSeenMs: heardMs } = view;
      const sent = state.flights.get(hostTask(actorId))?.sequence ?? 0;
      const process = sent <= view.seen ? view.process : null;
      const at = { worker, process, host, sequence: sent };
      const life = { actorId, incarnation, ...at, error, counts: true, heardMs, told: true };
      state.actors.unproven.set(options.name, life);
    }
  }
  withdraw(state, entry);
  leaveWorker(state, entry);
  entry.error = error;
  if (state.durable.actors.has(actorId)) {
    const last = state.actors.unproven.get(options.name ?? "");
    const gone = last?.actorId !== actorId;
    record(state, step, { type: "actor.ended", actorId, error, gone, atMs: nowMs });
  }
  retire(state, entry, nowMs);
  answerWaiters(step, entry);
}

export function lifeKey({ actorId, incarnation }: ActorLife): string {
  return `${actorId}#${incarnation}`;
}

/**
 * Tells a worker to end a life, until it says that it did.
 * @param grant - what a life holds that this leader doesn't count yet.
 */
export function endLife(
  state: HeadState,
  step: Step,
  worker: string,
  life: ActorLife,
  grant: Grant | null = null,
): void {
  const view = state.workers.get(worker);
  if (view === undefined || view.ends.has(lifeKey(life))) return;
  if (grant !== null) hold(view.room, grant);
  view.ends.set(lifeKey(life), { ...life, grant, killers: new Map() });
  outboxOf(state, step, worker).end.push(life);
}

/** Takes note of lives that a worker says are over. */
export function takeEnded(
  state: HeadState,
  step: Step,
  worker: string,
  ended: readonly (ActorLife & { readonly error: ErrorData })[],
  nowMs: number,
): void {
  const view = state.workers.get(worker);
  for (const { actorId, incarnation, error } of ended) {
    outboxOf(state, step, worker).endSeen.push({ actorId, incarnation });
    const ending = view?.ends.get(lifeKey({ actorId, incarnation }));
    view?.ends.delete(lifeKey({ actorId, incarnation }));
    if (view !== undefined && ending?.grant != null) giveBack(view.room, ending.grant);
    const entry = state.actors.entries.get(actorId);
    if (entry !== undefined && isPresent(entry, worker, incarnation)) {
      loseLife(state, step, entry, { error, proven: true, counts: true }, nowMs);
    } else {
      const name =
        entry?.record.options.name ?? state.durable.actors.get(actorId)?.record.options.name;
      const life = state.actors.unproven.get(name ?? "");
      const isIt = life?.actorId === actorId && life.incarnation === incarnation;
      if (name != null && isIt && life.worker === worker) proveEnd(state, step, name, nowMs);
    }
    if (ending !== undefined) answerKillers(state, step, ending);
  }
}

/** Answers those who killed a life: it is over, or was given up with its worker. */
export function answerKillers(
  state: HeadState,
  step: Step,
  { actorId, killers }: EndingLife,
): void {
  const entry = state.actors.entries.get(actorId);
  for (const caller of killers.values()) {
    const value = entry === undefined ? null : viewOf(entry);
    step.effects.push({ type: "reply", caller, value });
  }
}

/** The error of lives that end by the head's will or knowledge. */
export function died(what: string): ErrorData {
  return new SystemError("ACTOR_DIED", what).toData();
}
