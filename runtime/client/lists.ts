/** What is asked about a cluster for people: pages of what there is, counts, and reasons. */
import * as v from "valibot";
import { LIST_PAGE_MAX } from "../limits.ts";
import { actorView, type ActorView, parseMessage, poolView, type PoolView } from "../messages.ts";
import { type ActorSummary, actorSummary, nodeView, type NodeView } from "../resources/node.ts";
import {
  taskExplanation,
  type TaskExplanation,
  taskPage,
  type TaskSummary,
  taskSummary,
  type TaskView,
} from "../tasks/views.ts";
import { checkCount } from "../usage.ts";
import type { HeadClient } from "./head-client.ts";
import { type JobView, jobView } from "./jobs/status.ts";

export interface ListOptions {
  /** Fields and the text that they must have, such as `{ state: "alive" }`; before any cut. */
  readonly filter?: Readonly<Record<string, string>>;
  /** `next` of the page before. */
  readonly after?: string | null;
  /** Entries of the page. Default and bound: 320. */
  readonly limit?: number;
}

export interface Page<Entry> {
  readonly entries: readonly Entry[];
  /** `after` of the next page; null at the end. */
  readonly next: string | null;
  /** Entries of all pages; null where counting them would take as long as reading them. */
  readonly total: number | null;
}

/** What there are lists of, and their entries. */
export interface Lists {
  readonly actors: ActorView;
  readonly pools: PoolView;
  readonly tasks: TaskView;
  readonly nodes: NodeView;
}

const pageOf = <Entry extends v.GenericSchema>(entry: Entry) =>
  v.object({ entries: v.array(entry), next: v.nullable(v.string()), total: v.number() });

const PAGES = {
  actors: pageOf(actorView),
  pools: pageOf(poolView),
  tasks: taskPage,
  nodes: pageOf(nodeView),
} as const;

const explanation = v.object({ view: actorView, reasons: v.array(v.string()) });
/** Why an actor is where and how it is; the most important reason first. */
export type Explanation = v.InferOutput<typeof explanation>;

/** A page, filtered before it is cut. @throws {SystemError} USAGE. */
export async function askPage<What extends keyof Lists>(
  head: HeadClient,
  what: What,
  { filter = {}, after = null, limit = LIST_PAGE_MAX }: ListOptions,
): Promise<Page<Lists[What]>> {
  checkCount("limit", limit, 1, LIST_PAGE_MAX);
  const answer = await head.request({ op: "list", what, filter: { ...filter }, after, limit });
  const schema: v.GenericSchema<unknown, Page<Lists[keyof Lists]>> = PAGES[what];
  return parseMessage(schema, answer) as Page<Lists[What]>;
}

/** What there are explanations of, and what they are. */
export interface Explanations {
  readonly actor: Explanation;
  readonly task: TaskExplanation;
  readonly job: JobView;
}

const EXPLANATIONS = { actor: explanation, task: taskExplanation, job: jobView } as const;

/**
 * Why something is where and how it is.
 * @throws {SystemError} ACTOR_NOT_FOUND, TASK_NOT_FOUND, JOB_NOT_FOUND.
 */
export async function askWhy<What extends keyof Explanations>(
  head: HeadClient,
  what: What,
  name: string,
): Promise<Explanations[What]> {
  const answer = await head.request({ op: "explain", what, name });
  const schema: v.GenericSchema<unknown, unknown> = EXPLANATIONS[what];
  return parseMessage(schema, answer) as Explanations[What];
}

/** What there are summaries of, and what they are. */
export interface Summaries {
  readonly tasks: TaskSummary;
  readonly actors: ActorSummary;
}

const SUMMARIES = { tasks: taskSummary, actors: actorSummary } as const;

/** How many there are, by name and state. */
export async function askSummary<What extends keyof Summaries>(
  head: HeadClient,
  what: What,
): Promise<Summaries[What]> {
  const answer = await head.request({ op: "summary", what });
  const schema: v.GenericSchema<unknown, unknown> = SUMMARIES[what];
  return parseMessage(schema, answer) as Summaries[What];
}
