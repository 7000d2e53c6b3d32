/** Nodes, tasks and summaries as rows of text; texts of others are made printable by `columns`. */
import type { ActorSummary, NodeView } from "../../../runtime/resources/node.ts";
import { UNITS } from "../../../runtime/resources/resources.ts";
import {
  bytesText,
  labelsText,
  resourcesText,
  selectorText,
} from "../../../runtime/resources/text.ts";
import type { TaskSummary, TaskView } from "../../../runtime/tasks/views.ts";
import { ageOf } from "./text.ts";

/** Nodes: what is free of what they have. */
export function nodesRows(nodes: readonly NodeView[], nowMs: number): string[][] {
  const head = ["NODE", "STATE", "HEARD", "CPU", "GPU", "MEMORY", "OTHERS", "LABELS", "ACTORS"];
  const rows = nodes.map((node) => [
    node.worker,
    node.trouble === null ? node.state : `${node.state}, executors die: ${node.trouble}`,
    ageOf(nowMs - node.lastSeenMs),
    `${amount(node.free.cpu)}/${amount(node.resources.cpu)}`,
    gpusText(node),
    `${bytesText(node.free.memory)}/${bytesText(node.resources.memory)}`,
    customText(node),
    labelsText(node.labels) || "-",
    String(node.actors),
    String(node.shards),
    node.host,
  ]);
  return [[...head, "SHARDS", "HOST"], ...rows];
}

/** Such as "1.5/2 (1 0.5)": free of all, and of each. */
function gpusText({ free, resources, gpusFree }: NodeView): string {
  if (resources.gpu === 0) return "-";
  const all = `${amount(free.gpu)}/${amount(resources.gpu)}`;
  return resources.gpu === UNITS ? all : `${all} (${gpusFree.map(amount).join(" ")})`;
}

function customText({ free, resources }: NodeView): string {
  const kinds = Object.keys(resources.custom);
  if (kinds.length === 0) return "-";
  const of = (all: Readonly<Record<string, number>>, kind: string): string =>
    amount(Object.hasOwn(all, kind) ? (all[kind] ?? 0) : 0);
  return kinds
    .map((kind) => `${kind} ${of(free.custom, kind)}/${of(resources.custom, kind)}`)
    .join(", ");
}

function amount(units: number): string {
  return String(Number((units / UNITS).toFixed(4)));
}

/** Tasks that aren't over. */
export function tasksRows(tasks: readonly TaskView[], nowMs: number): string[][] {
  const head = ["TASK", "NAME", "STATE", "FOR", "NEEDS", "PRIORITY", "RETRIES", "WORKER", "OWNER"];
  const rows = tasks.map((view) => [
    view.taskId,
    view.task,
    view.state,
    ageOf(nowMs - view.sinceMs),
    needsText(view),
    String(view.priority),
    `${view.retries}/${view.maxRetries}`,
    view.worker ?? "-",
    view.owner,
  ]);
  return [head, ...rows];
}

/** What a task takes, and of which nodes. */
export function needsText({ resources, labels }: Pick<TaskView, "resources" | "labels">): string {
  const where = selectorText(labels);
  return `${resourcesText(resources)}${where === "" ? "" : ` on ${where}`}`;
}

/** Tasks by name. */
export function taskSummaryRows({ tasks }: TaskSummary): string[][] {
  const head = ["NAME", "WAITING", "GIVEN", "DONE", "THREW", "FAILED", "CANCELLED", "RETRIED"];
  const rows = tasks.map((it) => [
    it.task,
    ...[it.waiting, it.given, it.done, it.threw, it.failed, it.cancelled, it.retried].map(String),
  ]);
  return [head, ...rows];
}

/** Actors by class. */
export function actorSummaryRows({ actors }: ActorSummary): string[][] {
  const head = ["CLASS", "PENDING", "STARTING", "ALIVE", "RESTARTING", "DEAD"];
  const rows = actors.map((it) => [
    it.actor,
    ...[it.pending, it.starting, it.alive, it.restarting, it.dead].map(String),
  ]);
  return [head, ...rows];
}
