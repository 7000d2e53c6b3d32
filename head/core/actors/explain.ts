/** Pure core. Why an actor is where and how it is, in plain sentences, the most important first. */
import { SystemError } from "../../../runtime/errors.ts";
import {
  HOSTED_PER_WORKER_MAX,
  LIVES_AT_ONCE_MAX,
  NAMED_RESTART_MS,
  SHARED_PER_WORKER_MAX,
} from "../../../runtime/limits.ts";
import { isNothing } from "../../../runtime/resources/resources.ts";
import { resourcesText } from "../../../runtime/resources/text.ts";
import type { Caller, HeadState, Step } from "../events.ts";
import { wellWorkers } from "../step.ts";
import { isFree, workerFor } from "../placement/actors.ts";
import { whyNot } from "../placement/why.ts";
import { ownerKey } from "./owners.ts";
import { refuse } from "./registry.ts";
import type { ActorEntry, Unproven } from "./types.ts";
import { isHeard } from "./unproven.ts";
import { viewOf } from "./views.ts";

/** Digits of an id that are enough to ask by. */
const ID_DIGITS_MIN = 6;

/** The actor of a name, the last dead one of it, or that of an id or its unique beginning. */
export function findActor({ actors }: HeadState, name: string): ActorEntry | undefined {
  const { entries, names, dead } = actors;
  const exact = entries.get(names.get(name) ?? "") ?? entries.get(name);
  if (exact !== undefined) return exact;
  const last = [...dead].findLast((id) => entries.get(id)?.record.options.name === name);
  if (last !== undefined) return entries.get(last);
  if (name.length < ID_DIGITS_MIN) return undefined;
  const begun = [...entries.keys()].filter((id) => id.startsWith(name));
  return begun.length === 1 ? entries.get(begun[0] ?? "") : undefined;
}

export function explainActor(
  state: HeadState,
  step: Step,
  caller: Caller,
  name: string,
  nowMs: number,
): void {
  const entry = findActor(state, name);
  if (entry === undefined) {
    refuse(step, caller, new SystemError("ACTOR_NOT_FOUND", `no actor ${name} is known`));
    return;
  }
  const value = { view: viewOf(entry), reasons: reasonsOf(state, entry, nowMs) };
  step.effects.push({ type: "reply", caller, value });
}

/** Sentences for people. */
function reasonsOf(state: HeadState, entry: ActorEntry, nowMs: number): string[] {
  return [
    stateOf(state, entry, nowMs),
    ...waitOf(state, entry, nowMs),
    ...errorOf(entry),
    ...holdsOf(entry),
    ...livesOf(entry),
    ...poolOf(state, entry),
    lifetimeOf(state, entry, nowMs),
  ];
}

function stateOf({ actors }: HeadState, entry: ActorEntry, nowMs: number): string {
  const { state, worker, sinceMs, incarnation, record } = entry;
  const since = `since ${seconds(nowMs - sinceMs)}`;
  switch (state) {
    case "pending":
      return `It waits ${since} for a worker to start on.`;
    case "starting":
      return `Its constructor runs, or is about to, on ${worker ?? "a worker"} ${since}.`;
    case "alive":
      return `It is alive on ${worker ?? "a worker"} ${since}, in life ${incarnation}.`;
    case "restarting":
      if (actors.unproven.get(record.options.name ?? "")?.actorId === record.actorId) {
        return `${since.replace("s", "S")}, this head knows of no life of it.`;
      }
      return `Its last life ended ${seconds(nowMs - sinceMs)} ago and the next one hasn't begun.`;
    case "dead":
      return `It is dead ${since}.`;
    default:
      return state satisfies never;
  }
}

/** What it waits for, and what would change that. */
function waitOf(state: HeadState, entry: ActorEntry, nowMs: number): string[] {
  if (entry.worker !== null || entry.state === "dead") return [];
  const { name, hosting } = entry.record.options;
  const life = state.actors.unproven.get(name ?? "");
  if (life !== undefined) return [proofOf(state, life, nowMs)];
  if (nowMs < entry.dueMs) {
    const lives = `${entry.young} lives in a row ended within a second`;
    return [`${lives}, so the next one waits ${seconds(entry.dueMs - nowMs)} more.`];
  }
  if (state.workers.size === 0) return ["No worker is there; it starts when one comes."];
  const views = [...state.workers.values()];
  if (workerFor(state, entry, nowMs) !== undefined) {
    return ["It is about to be sent to a worker."];
  }
  const short = whyNot(entry.shape, wellWorkers(state));
  if (short.length > 0 && !isFree(entry.shape)) return short;
  const before = [...(state.actors.queues.get(entry.queue) ?? [])].indexOf(entry);
  const what =
    hosting !== "shared"
      ? `${HOSTED_PER_WORKER_MAX} actors and drivers with processes of their own`
      : `${SHARED_PER_WORKER_MAX} shared actors`;
  const full = `None of ${views.length} workers has room: each takes ${what}, or refused just now`;
  const next = "it starts when an actor there ends or another worker comes";
  return [`${full}; ${next} (${Math.max(0, before)} wait before it).`];
}

function proofOf(state: HeadState, life: Unproven, nowMs: number): string {
  const what = `Its name may still be in use by life ${life.incarnation} on ${life.worker}`;
  if (isHeard(state, life)) return `${what}, which is heard and is to say how that ended.`;
  const silentMs = nowMs - life.heardMs;
  const leftMs = Math.max(0, NAMED_RESTART_MS - silentMs);
  return `${what}, silent for ${seconds(silentMs)}; the next life starts in ${seconds(leftMs)}.`;
}

/** What it holds of its worker. */
function holdsOf({ grant, shape }: ActorEntry): string[] {
  if (grant === null || isNothing(shape.resources)) return [];
  const which = grant.gpus.length === 0 ? "" : ` (GPU ${grant.gpus.join(", ")})`;
  return [`It holds ${resourcesText(grant.resources)}${which} of its worker.`];
}

function errorOf({ error, state }: ActorEntry): string[] {
  if (error === null) return [];
  const what = state === "dead" ? "It died of" : "Its last life ended with";
  return [`${what} ${error.code}: ${error.what}`];
}

function livesOf({ restarts, young, record, state }: ActorEntry): string[] {
  const { maxRestarts } = record.options;
  const used = `${restarts} of ${maxRestarts} restarts are used`;
  const last = state !== "dead" && restarts === maxRestarts ? "; this is its last life" : "";
  const loop = young > LIVES_AT_ONCE_MAX ? "; its lives end early, one after the other" : "";
  return [`${used}${last}${loop}.`];
}

function poolOf({ actors }: HeadState, { record }: ActorEntry): string[] {
  if (record.pool === null) return [];
  const pool = actors.pools.get(record.pool);
  if (pool === undefined) return [`It was made for pool ${record.pool}, which isn't open.`];
  const member = pool.members.get(record.actorId);
  const isThere = member === undefined ? "It was a member of" : "It is a member of";
  const role = member?.leavingMs == null ? isThere : "It leaves";
  return [`${role} pool ${record.pool}, which wants ${pool.reason}.`];
}

function lifetimeOf({ actors }: HeadState, { record, state }: ActorEntry, nowMs: number): string {
  const key = ownerKey(record.owner);
  if (record.options.lifetime === "detached") return "It is detached: it ends when it is killed.";
  const owner = actors.owners.get(key);
  if (owner === undefined || state === "dead") return `It was owned by ${key}.`;
  const heard = `last heard ${seconds(nowMs - owner.lastSeenMs)} ago`;
  return `It ends with its owner ${key}, ${heard}.`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
