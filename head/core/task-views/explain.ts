/** Pure core. Why a task is where and how it is, in plain sentences, the most important first. */
import { SystemError } from "../../../runtime/errors.ts";
import { TASK_SLICE } from "../../../runtime/tasks/limits.ts";
import type { TaskExplanation } from "../../../runtime/tasks/views.ts";
import { parseTaskId } from "../../../runtime/tasks/wire.ts";
import type { Caller, HeadState, Step } from "../events.ts";
import { whyNot } from "../placement/why.ts";
import { wellWorkers } from "../step.ts";
import { ASKED, BLANK, CANCELLED, NONE, REVOKED, STARTED, WAITING } from "../task-store/columns.ts";
import { seriesOfRow } from "../task-store/registry.ts";
import type { GroupView, TasksState } from "../task-store/types.ts";
import { laneOfRow } from "../tasks/lanes.ts";
import { headOf } from "../tasks/queues.ts";
import { viewOfRow } from "./views.ts";

export function explainTask(
  state: HeadState,
  step: Step,
  caller: Caller,
  id: string,
  nowMs: number,
): void {
  const row = rowOf(state.tasks, id);
  if (row < 0) {
    const what = `no task ${id} waits or runs: it is over, or was never submitted`;
    const error = new SystemError("TASK_NOT_FOUND", what, { task: id }).toData();
    step.effects.push({ type: "refuse", free: true, caller, error });
    return;
  }
  const view = viewOfRow(state.tasks, row);
  const value: TaskExplanation = { view, reasons: reasonsOf(state, row, nowMs) };
  step.effects.push({ type: "reply", free: true, caller, value });
}

function rowOf({ owners }: TasksState, id: string): number {
  const named = parseTaskId(id);
  if (named === undefined) return -1;
  for (const owner of owners.values()) {
    if (owner.process === named.process) return owner.numbers.rowOf(named.number);
  }
  return -1;
}

function reasonsOf(state: HeadState, row: number, nowMs: number): string[] {
  const { columns } = state.tasks;
  const { group } = seriesOfRow(state.tasks, row);
  const tries = columns.triesOf(row);
  const most = group.group.maxRetries;
  const tried = tries === 0 ? [] : [`${tries} of its attempts are over; it may have ${most + 1}.`];
  const at = columns.stateOf(row);
  if (at === WAITING) return [...whyWaiting(state, row, nowMs), ...tried];
  if (at === ASKED) {
    return ["The head was replaced: it asks the workers whether one holds it.", ...tried];
  }
  return [...withWorker(state, row, nowMs), ...tried];
}

function withWorker({ tasks }: HeadState, row: number, nowMs: number): string[] {
  const { columns } = tasks;
  const name = laneOfRow(tasks, row)?.worker.name ?? "its worker";
  const since = seconds(nowMs - columns.sinceMsOf(row));
  const is = columns.stateOf(row) === STARTED ? `runs on ${name}` : `was given to ${name}`;
  const more: string[] = [];
  if (columns.has(row, CANCELLED)) more.push("It was cancelled: it ends when its worker lets go.");
  if (columns.has(row, REVOKED)) more.push("It was asked back, unless it has begun.");
  if (columns.has(row, BLANK)) more.push("Its owner hasn't announced it to this leader yet.");
  return [`It ${is}, ${since} ago.`, ...more];
}

function whyWaiting(state: HeadState, row: number, nowMs: number): string[] {
  const { tasks } = state;
  const { group, job } = seriesOfRow(tasks, row);
  const well = wellWorkers(state);
  const since = seconds(nowMs - tasks.columns.sinceMsOf(row));
  const lacks = whyNot(group.shape.shape, well);
  const first = lacks.length > 0 ? lacks : ["It fits now: it is given out when its turn comes."];
  return [
    `It has waited for ${since}.`,
    ...first,
    placeText(tasks, row, group),
    ...shareText(job.share, group),
    ...keptText(state, group),
  ];
}

/** How many go before it, as far as that is looked at. */
function placeText({ columns, jobs }: TasksState, row: number, group: GroupView): string {
  const { priority } = group.group;
  let before = 0;
  let one = columns.previousOf(row);
  for (; one !== NONE && before < TASK_SLICE; one = columns.previousOf(one)) before += 1;
  const more = one === NONE ? String(before) : `more than ${before}`;
  let urgent = 0;
  for (const level of group.shape.levels) if (level.priority > priority) urgent += level.waiting;
  const others = group.shape.waiting - urgent;
  const above = urgent === 0 ? "" : `, and ${urgent} that need the same are more urgent`;
  const own = `${more} of its job and priority ${priority} come before it`;
  const all = `${jobs.size} job${jobs.size === 1 ? "" : "s"}`;
  const rest = `${others} wait for the same and no more urgently, of ${all} in all`;
  return `${own}${above}; ${rest}.`;
}

/** Whose turn it is among jobs of its priority. */
function shareText(share: number, { shape, group }: GroupView): string[] {
  const head = headOf(shape);
  const level = shape.levels.find(({ priority }) => priority === group.priority);
  if (head === undefined || level === undefined || level.queues.size < 2) return [];
  const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;
  const has = `Its job has ${percent(share)} of the cluster`;
  return [
    `${has}; of ${level.queues.size} jobs the one with ${percent(head.job.share)} goes next.`,
  ];
}

/** Workers that would do and are kept for something else. */
function keptText({ tasks }: HeadState, { shape, group }: GroupView): string[] {
  const said: string[] = [];
  for (const { name, claim } of tasks.claimed) {
    if (claim === undefined || claim.shape === shape || claim.priority < group.priority) continue;
    said.push(`${name} makes room for what is more urgent or has waited for longer.`);
  }
  for (const name of tasks.draining) said.push(`${name} is drained: it gets nothing new.`);
  return said.slice(0, SAID_MAX);
}

/** Such sentences in one explanation. */
const SAID_MAX = 8;

function seconds(ms: number): string {
  return `${(Math.max(0, ms) / 1_000).toFixed(1)} s`;
}
