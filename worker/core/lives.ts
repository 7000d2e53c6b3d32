/**
 * Pure core. The actors of this worker: how a life begins, how it ends, and how it is told of until
 * the head has seen it.
 */
import { type ErrorCode, SystemError } from "../../runtime/errors.ts";
import { FORMER_ACTORS_MAX } from "../../runtime/limits.ts";
import type { ActorAddress, ActorLife, Assignment, Report } from "../../runtime/messages.ts";
import {
  type ExecutorView,
  isNamed,
  isShared,
  type Life,
  lifeKey,
  release,
  type WorkerEffect,
  type WorkerState,
} from "./state.ts";

/** The task that hosts an actor. */
export function hostTask(actorId: string): string {
  return `host/${actorId}`;
}

/** An actor answers from now on. */
export function beginLife(
  state: WorkerState,
  executor: ExecutorView,
  { work, attempt, gpus = [] }: Assignment,
  address: ActorAddress,
): void {
  if (work.kind !== "host") return;
  const { record } = work;
  const { actorId } = record;
  const older = state.lives.get(actorId);
  if (older !== undefined) endLife(state, older, diedOf("its next life began"));
  state.lives.set(actorId, { record, incarnation: attempt, address, gpus, key: executor.key });
  executor.actors.add(actorId);
  if (isShared(record)) state.sharing += 1;
  if (isNamed(record)) executor.named += 1;
}

/** A life is over, and nobody has told the head yet. */
export function endLife(state: WorkerState, life: Life, error: SystemError): void {
  const { record, incarnation, key } = life;
  const { actorId } = record;
  state.lives.delete(actorId);
  const executor = state.executors.get(key);
  executor?.actors.delete(actorId);
  if (isShared(record)) state.sharing -= 1;
  if (executor !== undefined && isNamed(record)) executor.named -= 1;
  rememberKey(state, actorId, key);
  const said = state.ending.get(lifeKey({ actorId, incarnation }));
  say(state, { actorId, incarnation }, said === undefined ? error : diedOf(said));
}

/** All of an executor's actors ended with it. */
export function endLives(state: WorkerState, executor: ExecutorView, error: SystemError): boolean {
  const any = executor.actors.size > 0;
  for (const actorId of [...executor.actors]) {
    const life = state.lives.get(actorId);
    if (life !== undefined) endLife(state, life, error);
  }
  return any;
}

/** An executor says that an actor of it ended; said of a life that isn't here, it means nothing. */
export function takeEnded(
  state: WorkerState,
  effects: WorkerEffect[],
  key: number,
  { actorId, incarnation, error }: Report["ended"][number],
): boolean {
  const life = state.lives.get(actorId);
  if (life?.key !== key || life.incarnation !== incarnation) return false;
  endLife(state, life, new SystemError(error.code, error.what, error.where));
  // What one actor left behind isn't used for another.
  if (!isShared(life.record)) effects.push({ type: "kill", key });
  return true;
}

/**
 * A life that a head wants ended. Whatever there is of it here, an end follows: at once when there
 * is nothing (any more), else when it is really over. True when it was said at once.
 *
 * @param killDueMs - when an executor of its own is killed if it doesn't end the actor by itself.
 */
export function orderEnd(
  state: WorkerState,
  effects: WorkerEffect[],
  life: ActorLife,
  killDueMs: number,
): boolean {
  const task = hostTask(life.actorId);
  const alive = state.lives.get(life.actorId);
  if (alive?.incarnation === life.incarnation) {
    const { key } = alive;
    state.ending.set(lifeKey(life), ON_REQUEST);
    effects.push({ type: "end", key, life });
    const executor = state.executors.get(key);
    if (executor?.role === "own") executor.killDueMs = Math.min(executor.killDueMs, killDueMs);
    return false;
  }
  const executor = state.tasks.get(task);
  const assignment = executor?.tasks.get(task) ?? state.queue.get(task);
  if (assignment?.attempt === life.incarnation) {
    if (executor != null) {
      // It may stand still, and begin the life later: only its word, or its end, is proof.
      state.ending.set(lifeKey(life), ON_REQUEST);
      endStarting(effects, executor, life);
      return false;
    }
    release(state, task);
  }
  if (!state.ended.has(lifeKey(life))) say(state, life, diedOf(ON_REQUEST));
  return true;
}

/** An assignment is over without a life: true when that life was to end, and its end is told. */
export function endUnbegun(state: WorkerState, { work, attempt }: Assignment): boolean {
  if (work.kind !== "host") return false;
  const life = { actorId: work.record.actorId, incarnation: attempt };
  if (!state.ending.has(lifeKey(life))) return false;
  say(state, life, diedOf(ON_REQUEST));
  return true;
}

/** A constructor under way is cut off with its executor, or undone where others live too. */
export function endStarting(
  effects: WorkerEffect[],
  { role, key }: ExecutorView,
  life: ActorLife,
): void {
  if (role === "shared") effects.push({ type: "end", key, life });
  else effects.push({ type: "kill", key });
}

/** The head knows. */
export function forgetEnded(state: WorkerState, lives: readonly ActorLife[]): void {
  for (const life of lives) state.ended.delete(lifeKey(life));
}

/** Whose output an actor's is: its executor's, or its former one's. */
export function outputOf(state: WorkerState, actorId: string): number | null {
  const starting = state.tasks.get(hostTask(actorId));
  return state.lives.get(actorId)?.key ?? starting?.key ?? state.formerKeys.get(actorId) ?? null;
}

/** What a life or an attempt died of when its executor did. */
export function executorDied(reason: string, code: ErrorCode = "ACTOR_DIED"): SystemError {
  return new SystemError(code, `the executor ended: ${reason}`);
}

export function rememberKey(state: WorkerState, actorId: string, key: number): void {
  state.formerKeys.delete(actorId);
  state.formerKeys.set(actorId, key);
  if (state.formerKeys.size <= FORMER_ACTORS_MAX) return;
  const oldest = state.formerKeys.keys().next().value;
  if (oldest !== undefined) state.formerKeys.delete(oldest);
}

const ON_REQUEST = "it was ended on request";

function diedOf(what: string): SystemError {
  return new SystemError("ACTOR_DIED", what);
}

function say(state: WorkerState, life: ActorLife, error: SystemError): void {
  const { actorId, incarnation } = life;
  state.ending.delete(lifeKey(life));
  state.ended.set(lifeKey(life), { actorId, incarnation, error: error.toData() });
}
