/**
 * Pure core. What people see of tasks: how many there are of each name, pages of them, filtered
 * first. A page looks at a bounded number of rows, in the order of rows: who pages on sees each
 * task that is there all the while once, and may meet pages with fewer entries than asked for.
 */
import { SystemError } from "../../../runtime/errors.ts";
import { TASK_SLICE } from "../../../runtime/tasks/limits.ts";
import type { ApiRequest } from "../../../runtime/messages.ts";
import { resourcesText, selectorText } from "../../../runtime/resources/text.ts";
import type { TaskSummary, TaskView } from "../../../runtime/tasks/views.ts";
import { taskId } from "../../../runtime/tasks/wire.ts";
import type { Caller, HeadState, Step } from "../events.ts";
import { ASKED, CANCELLED, FREE, STARTED, WAITING } from "../task-store/columns.ts";
import { seriesOfRow } from "../task-store/registry.ts";
import type { ShapeQueue, TasksState } from "../task-store/types.ts";
import { laneOfRow } from "../tasks/lanes.ts";

/** Names in one summary: those with most tasks. */
const NAMES_MAX = 320;

/** How many tasks of each name wait, are with workers, and ended how under this leader. */
export function summaryOfTasks({ tasks }: HeadState): TaskSummary {
  const named = [...tasks.counts].map(([task, counts]) => ({ task, ...counts }));
  named.sort((a, b) => b.waiting + b.given - a.waiting - a.given || (a.task < b.task ? -1 : 1));
  return { tasks: named.slice(0, NAMES_MAX) };
}

/** All tasks together, for `status`. */
export function countTasks({ tasks }: HeadState): { waiting: number; given: number } {
  let waiting = 0;
  let given = 0;
  for (const counts of tasks.counts.values()) {
    waiting += counts.waiting;
    given += counts.given;
  }
  return { waiting, given };
}

const FIELDS: Readonly<Record<string, (tasks: TasksState, row: number) => string | null>> = {
  state: stateOfRow,
  task: (tasks, row) => seriesOfRow(tasks, row).group.group.task,
  taskId: taskIdOfRow,
  job: (tasks, row) => seriesOfRow(tasks, row).job.key,
  worker: (tasks, row) => laneOfRow(tasks, row)?.worker.name ?? null,
  owner: (tasks, row) => seriesOfRow(tasks, row).owner.key,
  priority: (tasks, row) => String(seriesOfRow(tasks, row).group.group.priority),
  shape: (tasks, row) => shapeText(seriesOfRow(tasks, row).group.shape),
};

function taskIdOfRow(tasks: TasksState, row: number): string {
  return taskId(seriesOfRow(tasks, row).owner.process, tasks.columns.numberOf(row));
}

/** In words: what people filter by. */
function shapeText({ shape }: ShapeQueue): string {
  const where = selectorText(shape.labels);
  return `${resourcesText(shape.resources)}${where === "" ? "" : ` on ${where}`}`;
}

export function stateOfRow({ columns }: TasksState, row: number): TaskView["state"] {
  if (columns.has(row, CANCELLED)) return "cancelling";
  const state = columns.stateOf(row);
  if (state === WAITING) return "waiting";
  if (state === ASKED) return "asked";
  return state === STARTED ? "running" : "given";
}

export function listTasks(
  state: HeadState,
  step: Step,
  caller: Caller,
  { filter, after, limit }: Extract<ApiRequest, { op: "list" }>,
): void {
  const { tasks } = state;
  const from = after === null ? 0 : Number(after);
  const wanted = Object.entries(filter);
  const unknown = wanted.find(([key]) => !Object.hasOwn(FIELDS, key))?.[0];
  if (unknown !== undefined || !Number.isSafeInteger(from) || from < 0) {
    const fault = unknown === undefined ? `no such page: ${after}` : `no field ${unknown}`;
    const what = `${fault}; tasks have ${Object.keys(FIELDS).join(", ")}`;
    const error = new SystemError("USAGE", what).toData();
    step.effects.push({ type: "refuse", free: true, caller, error });
    return;
  }
  const entries: TaskView[] = [];
  const last = Math.min(tasks.columns.high, from + TASK_SLICE);
  let row = from;
  for (; row < last && entries.length < limit; row += 1) {
    if (tasks.columns.stateOf(row) === FREE) continue;
    if (wanted.every(([key, value]) => FIELDS[key]?.(tasks, row) === value)) {
      entries.push(viewOfRow(tasks, row));
    }
  }
  const next = row < tasks.columns.high ? String(row) : null;
  // Without a filter it is known at once; counting what a filter lets through takes all pages.
  const total = wanted.length === 0 ? tasks.columns.used : null;
  step.effects.push({ type: "reply", free: true, caller, value: { entries, next, total } });
}

export function viewOfRow(tasks: TasksState, row: number): TaskView {
  const { columns } = tasks;
  const { owner, job, group } = seriesOfRow(tasks, row);
  return {
    taskId: taskIdOfRow(tasks, row),
    task: group.group.task,
    state: stateOfRow(tasks, row),
    job: job.key,
    owner: owner.key,
    worker: laneOfRow(tasks, row)?.worker.name ?? null,
    resources: group.group.resources,
    labels: group.group.labels,
    priority: group.group.priority,
    retries: columns.triesOf(row),
    maxRetries: group.group.maxRetries,
    sinceMs: columns.sinceMsOf(row),
  };
}
