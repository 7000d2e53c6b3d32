/** Pure core. What a worker tells a leader of its tasks. */
import type { ErrorData } from "../../../runtime/errors.ts";
import { TASK_EVENTS_REPEAT_MS } from "../../../runtime/tasks/limits.ts";
import type { TaskEvents, TaskHeld, TaskReport } from "../../../runtime/tasks/wire.ts";
import type { WorkerState } from "../state.ts";
import { heldAs, type HeldTask, type TaskEvent, type TasksState } from "./state.ts";

/** Whether there is something to say, and it may be said. */
export function taskReportIsDue({ work, epoch }: WorkerState): boolean {
  if (epoch.number === 0) return false;
  const isNew = work.nextToSay < work.eventsFrom + work.events.length;
  return isNew || work.isReportDue || work.announce.length > 0;
}

/** What no leader has acknowledged in time is said again. */
export function repeatEvents({ work }: WorkerState, nowMs: number): void {
  if (work.events.length === 0 || nowMs - work.saidAtMs < TASK_EVENTS_REPEAT_MS) return;
  work.nextToSay = work.eventsFrom;
}

/** Another leader is to hear all. */
export function tellAll(work: TasksState): void {
  work.seen = 0;
  work.nextToSay = work.eventsFrom;
  work.isReportDue = true;
}

/**
 * The next report, of at most so many events and held tasks; from then on it counts as said.
 * Whether there is more shows `taskReportIsDue`.
 */
export function taskReportOf(state: WorkerState, max: number, nowMs: number): TaskReport {
  const { work, process, epoch } = state;
  const from = Math.max(work.nextToSay, work.eventsFrom);
  const first = from - work.eventsFrom;
  const events = work.events.slice(first, first + max);
  const page = work.announce.slice(0, max - events.length);
  const heldFrom = work.announceTotal - work.announce.length;
  work.announce = work.announce.slice(page.length);
  work.nextToSay = from + events.length;
  work.saidAtMs = nowMs;
  work.isReportDue = false;
  return {
    kind: "tasks",
    process,
    epoch: epoch.number,
    seen: work.seen,
    from,
    events: blocksOf(events),
    held: heldOf(work, page, nowMs),
    heldFrom,
    heldTo: heldFrom + page.length,
    announced: work.announce.length === 0,
  };
}

/** Events in their order, those of one block together. */
function blocksOf(events: readonly TaskEvent[]): TaskEvents[] {
  const blocks: TaskEvents[] = [];
  for (let at = 0; at < events.length; ) {
    const { of } = events[at] as TaskEvent;
    let until = at + 1;
    while (events[until]?.of.owner === of.owner && isSameGroup(events[until], of)) until += 1;
    blocks.push(blockOf(events.slice(at, until)));
    at = until;
  }
  return blocks;
}

function isSameGroup(event: TaskEvent | undefined, of: TaskEvent["of"]): boolean {
  if (event === undefined) return false;
  const { group } = event.of.block;
  const other = of.block.group;
  return group === other || (group.task === other.task && event.of.queue === of.queue);
}

function blockOf(events: readonly TaskEvent[]): TaskEvents {
  const n = events.length;
  const [numbers, attempts, states] = [new Uint32Array(n), new Uint8Array(n), new Uint8Array(n)];
  const errors: { index: number; error: ErrorData }[] = [];
  let [sumUs, ran] = [0, 0];
  events.forEach(({ number, attempt, state, serviceUs, error }, i) => {
    numbers[i] = number;
    attempts[i] = attempt;
    states[i] = state;
    if (serviceUs > 0) {
      sumUs += serviceUs;
      ran += 1;
    }
    if (error !== null) errors.push({ index: i, error });
  });
  const { owner } = (events[0] as TaskEvent).of.block;
  return { owner, numbers, attempts, states, serviceUs: ran === 0 ? 0 : sumUs / ran, errors };
}

function heldOf(work: TasksState, page: readonly HeldTask[], nowMs: number): TaskHeld[] {
  const byBlock = new Map<HeldTask["of"], HeldTask[]>();
  for (const task of page) {
    if (heldAs(work, task.of.owner, task.number, task.attempt) !== task) continue;
    const known = byBlock.get(task.of);
    if (known === undefined) byBlock.set(task.of, [task]);
    else known.push(task);
  }
  return [...byBlock].map(([{ block, deadlineAtMs }, tasks]) => {
    const { owner, job, group, gpus } = block;
    const deadlineMs = deadlineAtMs === Infinity ? null : Math.max(0, deadlineAtMs - nowMs);
    return {
      ...{ owner, job, group, gpus, deadlineMs },
      numbers: Uint32Array.from(tasks, ({ number }) => number),
      attempts: Uint8Array.from(tasks, ({ attempt }) => attempt),
      // What an executor has may have begun: it begins it without asking.
      started: Uint8Array.from(tasks, ({ executor }) => (executor === null ? 0 : 1)),
    };
  });
}
