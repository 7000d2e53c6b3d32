/**
 * Pure core. What a worker tells the head: all that isn't acknowledged, whole, in every report,
 * except what is bounded by a page; the rest of that follows.
 */
import { REPORT_ACTORS_MAX, REPORT_DONE_MAX, REPORT_ENDED_MAX } from "../../runtime/limits.ts";
import type { Report } from "../../runtime/messages.ts";
import { troubleOf } from "./crashes.ts";
import type { WorkerState } from "./state.ts";

/** Entries of a report's lists; halved where a frame holds fewer. */
export interface ReportSize {
  readonly done: number;
  readonly ended: number;
  readonly actors: number;
}

/** The largest report. */
export const FULL_REPORT: ReportSize = {
  done: REPORT_DONE_MAX,
  ended: REPORT_ENDED_MAX,
  actors: REPORT_ACTORS_MAX,
};

/** A new leader knows of no actor here: from now on it is told page by page. */
export function announceAll(state: WorkerState): void {
  state.announce = [...state.lives.keys()];
  state.announced = 0;
}

/** What there is to say now. Nothing changes by saying it but `told`. */
export function reportOf(state: WorkerState, size: ReportSize = FULL_REPORT): Report {
  const { process, number, host, slots, epoch, sequence, lives, sharing } = state;
  const { announce, announced } = state;
  const trouble = troubleOf(state);
  const held: Report["held"] = [];
  for (const [task, executor] of state.tasks) {
    const assignment = executor === null ? state.queue.get(task) : executor.tasks.get(task);
    if (assignment === undefined) continue;
    const { attempt, gpus, work } = assignment;
    const needs = work.kind === "host" ? work.record.options.resources : undefined;
    held.push({
      ...{ task, attempt },
      ...(gpus === undefined ? {} : { gpus }),
      ...(needs === undefined ? {} : { resources: needs }),
    });
  }
  const done = [...state.done.values()];
  // What doesn't fit this report is held by this worker until the next one: it isn't lost.
  for (const { task, attempt } of done.splice(size.done)) held.push({ task, attempt });
  const processes: string[] = [];
  for (const executor of state.executors.values()) {
    if (executor.process !== null) processes.push(executor.process);
  }
  return {
    process,
    number,
    host,
    resources: state.resources,
    labels: state.labels,
    slots,
    hosting: lives.size - sharing,
    sharing,
    actors: announce.slice(announced, announced + size.actors).flatMap((actorId) => {
      const life = lives.get(actorId);
      if (life === undefined) return [];
      const { record, address, gpus } = life;
      return [gpus.length === 0 ? { record, address } : { record, address, gpus: [...gpus] }];
    }),
    announced: announced + size.actors >= announce.length,
    ended: [...state.ended.values()].slice(0, size.ended),
    processes,
    ...(trouble === undefined ? {} : { trouble }),
    tail: state.tail,
    seen: { epoch: epoch.number, sequence },
    held,
    done,
  };
}

/** A report of this size has left. Whether more pages wait to be told. */
export function told(state: WorkerState, size: ReportSize): boolean {
  state.number += 1;
  state.announced = Math.min(state.announced + size.actors, state.announce.length);
  if (state.announced < state.announce.length) return true;
  state.announce = [];
  state.announced = 0;
  return false;
}
