/**
 * Pure core. What a worker's report says of actors: those it announces, those it is starting, the
 * processes that own some; and what follows when it contradicts what this leader knows.
 */
import { WORKER_TOLD_AGAIN_MS } from "../../../runtime/limits.ts";
import type { ActorLife, Report } from "../../../runtime/messages.ts";
import type { HeadState, Step, WorkerView } from "../events.ts";
import type { Grant } from "../placement/room.ts";
import { outboxOf } from "../step.ts";
import { adopt, died, endLife, grantOf, lifeKey, loseLife } from "./lives.ts";
import { endOwner, goneOf } from "./owners.ts";
import { adoptMember } from "../pools/pools.ts";
import { addActor } from "./registry.ts";
import { proveAbsent } from "./unproven.ts";

/** Why what was at a worker is there no more. */
export interface Loss {
  readonly what: string;
  readonly proven: boolean;
}

/** Takes up the actors that a worker announces, and ends those that aren't wanted any more. */
export function takeActors(
  state: HeadState,
  step: Step,
  worker: string,
  report: Report,
  nowMs: number,
): void {
  for (const { record, address, gpus = [] } of report.actors) {
    const { actorId, options } = record;
    const { incarnation } = address;
    const known = state.actors.entries.get(actorId);
    const isEnding =
      state.workers.get(worker)?.ends.has(lifeKey({ actorId, incarnation })) ?? false;
    if (known === undefined && (options.name !== null || isEnding)) {
      // No fact speaks of it, so it is dead: an earlier leader's word for that was lost. Or it was
      // told to end when it was starting.
      endLife(state, step, worker, { actorId, incarnation }, grantOf(record, gpus));
      continue;
    }
    const entry = known ?? addActor(state, record, nowMs);
    adopt(state, step, entry, { worker, incarnation, address, gpus }, nowMs);
    if (known === undefined) adoptMember(state, entry);
  }
}

/** A start that a worker holds and this leader didn't send there. */
export function adoptStart(
  state: HeadState,
  step: Step,
  worker: string,
  life: ActorLife & { readonly grant: Grant },
  nowMs: number,
): void {
  const entry = state.actors.entries.get(life.actorId);
  const { actorId, incarnation, grant } = life;
  const { gpus } = grant;
  if (entry === undefined) endLife(state, step, worker, { actorId, incarnation }, grant);
  else adopt(state, step, entry, { worker, incarnation, address: null, gpus }, nowMs);
}

/** What lived at a worker that is gone. */
export function loseLives(
  state: HeadState,
  step: Step,
  worker: WorkerView,
  { what, proven }: Loss,
  nowMs: number,
): void {
  for (const actorId of [...worker.lives]) {
    const entry = state.actors.entries.get(actorId);
    if (entry === undefined) continue;
    loseLife(state, step, entry, { error: died(what), proven, counts: true }, nowMs);
  }
}

/** A start that was lost on its way, or with its worker. */
export function loseStart(
  state: HeadState,
  step: Step,
  actorId: string,
  { what, proven }: Loss,
  nowMs: number,
): void {
  const entry = state.actors.entries.get(actorId);
  if (entry === undefined) return;
  loseLife(state, step, entry, { error: died(what), proven, counts: false }, nowMs);
}

/** What a whole report settles: absent lives, ends that weren't heard, owners that are gone. */
export function settleActors(
  state: HeadState,
  step: Step,
  worker: string,
  report: Report,
  nowMs: number,
): void {
  const view = state.workers.get(worker);
  if (view === undefined) return;
  repeatEnds(state, step, worker, view, nowMs);
  // One that this leader had given up may say that it announced all, and have told an earlier view.
  view.isTold ||=
    report.announced && view.hosting + view.sharing <= view.lives.size + view.ends.size;
  // A report that says all that happened: what isn't known after it was never said.
  if (report.announced && report.ended.length === 0 && report.done.length === 0) {
    const isKnown = view.hosting + view.sharing <= view.lives.size;
    const isToldUs = report.seen.epoch === state.durable.epoch.number;
    if (isKnown && isToldUs) proveAbsent(state, step, worker, view, nowMs);
    askForUnknown(state, step, worker, view, nowMs);
  }
  for (const owner of goneOf(state, worker, report.processes, nowMs)) {
    endOwner(state, step, owner, "the process that owned it ended", nowMs);
  }
}

function repeatEnds(
  state: HeadState,
  step: Step,
  worker: string,
  view: WorkerView,
  nowMs: number,
): void {
  if (view.ends.size === 0) view.endsToldMs = nowMs;
  if (nowMs - view.endsToldMs < WORKER_TOLD_AGAIN_MS) return;
  view.endsToldMs = nowMs;
  const { end } = outboxOf(state, step, worker);
  const told = new Set(end.map(lifeKey));
  for (const { actorId, incarnation } of view.ends.values()) {
    if (!told.has(lifeKey({ actorId, incarnation }))) end.push({ actorId, incarnation });
  }
}

/** More actors live there than this leader was told: the worker is asked to say all of them. */
function askForUnknown(
  state: HeadState,
  step: Step,
  worker: string,
  view: WorkerView,
  nowMs: number,
): void {
  const known = view.lives.size + view.ends.size;
  if (view.hosting + view.sharing <= known) {
    if (view.unknownSinceMs !== null) view.refusedUntilMs = 0;
    view.unknownSinceMs = null;
    return;
  }
  view.unknownSinceMs ??= nowMs;
  const isBack = view.lives.size === 0 && view.unknownSinceMs === nowMs;
  if (!isBack && nowMs - view.unknownSinceMs < WORKER_TOLD_AGAIN_MS) return;
  view.unknownSinceMs = nowMs;
  // What is about to start may be what lives there.
  if (isBack) view.refusedUntilMs = nowMs + WORKER_TOLD_AGAIN_MS;
  outboxOf(state, step, worker).announce = true;
}
