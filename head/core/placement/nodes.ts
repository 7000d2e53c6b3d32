/** Pure core. What people see of nodes, of classes of actors, and of jobs that wait. */
import { SystemError } from "../../../runtime/errors.ts";
import type { ApiRequest } from "../../../runtime/messages.ts";
import type { ActorSummary, NodeView } from "../../../runtime/resources/node.ts";
import type { Caller, HeadState, Step, WorkerView } from "../events.ts";
import { freeGpus } from "./room.ts";
import { viewOfJob } from "../resume/view.ts";

/** How filters by a label begin: `labels.zone=a`. */
const LABEL = "labels.";
/** Classes in one summary: those with most actors. */
const CLASSES_MAX = 320;

const FIELDS: Readonly<Record<string, (node: NodeView) => string>> = {
  worker: ({ worker }) => worker,
  process: ({ process }) => process,
  host: ({ host }) => host,
  state: ({ state }) => state,
};

/** A page of nodes, filtered first, by name. */
export function listNodes(
  state: HeadState,
  step: Step,
  caller: Caller,
  { filter, after, limit }: Extract<ApiRequest, { op: "list" }>,
): void {
  const wanted = Object.entries(filter);
  const strange = wanted.find(([key]) => !Object.hasOwn(FIELDS, key) && !key.startsWith(LABEL));
  if (strange !== undefined) {
    const known = [...Object.keys(FIELDS), `${LABEL}NAME`].join(", ");
    const what = `no field ${strange[0]}; nodes have ${known}`;
    step.effects.push({ type: "refuse", caller, error: new SystemError("USAGE", what).toData() });
    return;
  }
  const names = [...state.workers.keys()].sort(byText);
  const entries: NodeView[] = [];
  let [total, isMore] = [0, false];
  for (const name of names) {
    const view = state.workers.get(name);
    if (view === undefined) continue;
    const node = nodeViewOf(state, name, view);
    if (!wanted.every(([key, value]) => fieldOf(node, key) === value)) continue;
    total += 1;
    if (after !== null && name <= after) continue;
    if (entries.length < limit) entries.push(node);
    else isMore = true;
  }
  const next = isMore ? (entries.at(-1)?.worker ?? null) : null;
  step.effects.push({ type: "reply", caller, value: { entries, next, total } });
}

function fieldOf(node: NodeView, key: string): string | undefined {
  if (key.startsWith(LABEL)) {
    const label = key.slice(LABEL.length);
    return Object.hasOwn(node.labels, label) ? node.labels[label] : undefined;
  }
  return FIELDS[key]?.(node);
}

function nodeViewOf(state: HeadState, worker: string, view: WorkerView): NodeView {
  const { room, lives, load, tasks, trouble } = view;
  let starting = 0;
  for (const task of tasks) {
    if (state.flights.get(task)?.assignment.work.kind === "host") starting += 1;
  }
  return {
    ...{ worker, process: view.process, host: view.host, state: stateOf(view), slots: view.slots },
    ...{ labels: room.labels, resources: room.total },
    free: room.free,
    gpusFree: [...freeGpus(room)],
    actors: lives.size + starting,
    shards: Math.max(load, tasks.size - starting),
    trouble: trouble?.reason ?? null,
    lastSeenMs: view.lastSeenMs,
  };
}

function stateOf({ isAbsent, isTold }: WorkerView): NodeView["state"] {
  if (isAbsent) return "absent";
  return isTold ? "alive" : "starting";
}

/** How many actors of each class are in which state. */
export function summarizeActors({ actors }: HeadState): ActorSummary {
  const classes = new Map<string, ActorSummary["actors"][number]>();
  for (const { record, state } of actors.entries.values()) {
    const none = { pending: 0, starting: 0, alive: 0, restarting: 0, dead: 0 };
    const counts = classes.get(record.actor) ?? { actor: record.actor, ...none };
    counts[state] += 1;
    classes.set(record.actor, counts);
  }
  const size = ({ pending, starting, alive, restarting, dead }: ActorSummary["actors"][number]) =>
    pending + starting + alive + restarting + dead;
  const all = [...classes.values()].sort((a, b) => size(b) - size(a) || byText(a.actor, b.actor));
  return { actors: all.slice(0, CLASSES_MAX) };
}

/** Why a job isn't over: by its id, or the unique beginning of one. */
export function explainJob(state: HeadState, step: Step, caller: Caller, id: string): void {
  const { programs, datasets } = state.durable;
  const ids = [...programs.keys(), ...datasets.keys()].filter((one) => one.startsWith(id));
  const [jobId, another] = ids;
  const view = jobId === undefined || another !== undefined ? undefined : viewOfJob(state, jobId);
  if (view === undefined) {
    const what = another === undefined ? `no job ${id} is known` : `${ids.length} jobs begin so`;
    const error = new SystemError("JOB_NOT_FOUND", what, { job: id }).toData();
    step.effects.push({ type: "refuse", caller, error });
    return;
  }
  step.effects.push({ type: "reply", caller, value: view });
}

function byText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
