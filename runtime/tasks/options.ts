/**
 * How a user says how a task is to run, and what that means to the head. The options of each kind
 * of task are looked at once.
 */
import type { TaskType } from "../actor/registry.ts";
import { DEADLINE_MS_MAX } from "../limits.ts";
import { TASK_RETRIES_MAX } from "./limits.ts";
import type { Program } from "../messages.ts";
import {
  ANY_NODE,
  type LabelRequest,
  ONE_CPU,
  type ResourceRequest,
  resourcesOf,
  selectorOf,
} from "../resources/resources.ts";
import { checkBoolean, checkChoice, checkCount, checkNames, usage } from "../usage.ts";
import type { TaskGroup } from "./wire.ts";

export interface TaskOptions {
  /** What it takes of a node while it runs. Default: one cpu, nothing else. */
  readonly resources?: ResourceRequest;
  /** Nodes that it may run on, by their labels. */
  readonly labels?: LabelRequest;
  /** Higher first. Default 0; Bounds: -1,000,000..1,000,000. */
  readonly priority?: number;
  /** Attempts after the first one that may have begun. Default 3; Bounds: 0..1,000. */
  readonly maxRetries?: number;
  /** Whether an error that the function throws costs a retry instead of being the result. */
  readonly retryErrors?: boolean;
  /** Whether running it again for the same arguments gives the same: its object can be remade. */
  readonly pure?: boolean;
  /** `object`: the value stays where it is made, and the result is its ObjectRef. */
  readonly result?: "value" | "object";
  /** Milliseconds from now until it fails with DEADLINE_EXCEEDED, waiting included. */
  readonly deadlineMs?: number;
  /** Ends it with CANCELLED. */
  readonly signal?: AbortSignal;
}

export interface TaskMapOptions extends Omit<TaskOptions, "result"> {
  /** Results in the order of the items (default), or as they come. */
  readonly ordered?: boolean;
  /** Items that may be taken and not given back. Default: MAP_TASKS_AHEAD. */
  readonly inFlight?: number;
}

/** Names of the fields of TaskOptions. */
export const TASK_OPTIONS: readonly (keyof TaskOptions)[] = [
  ...(["resources", "labels", "priority", "maxRetries", "retryErrors", "pure"] as const),
  ...(["result", "deadlineMs", "signal"] as const),
];
const PRIORITY_MAX = 1_000_000;
/** As many as Ray's: users' expectation. */
const RETRIES = 3;

/** What such tasks have in common. @throws {SystemError} USAGE naming what is off. */
export function groupOf(program: Program, type: TaskType, options: TaskOptions): TaskGroup {
  checkNames(options, TASK_OPTIONS);
  const { priority = 0, maxRetries = RETRIES, result = "value", deadlineMs } = options;
  const { retryErrors = false, pure = false, resources, labels } = options;
  checkCount("priority", priority, -PRIORITY_MAX, PRIORITY_MAX);
  checkCount("maxRetries", maxRetries, 0, TASK_RETRIES_MAX);
  checkChoice("result", result, ["value", "object"]);
  checkBoolean("retryErrors", retryErrors);
  checkBoolean("pure", pure);
  const isNumber = typeof deadlineMs === "number";
  const isInBounds = isNumber && deadlineMs >= 0 && deadlineMs <= DEADLINE_MS_MAX;
  const isDeadline = deadlineMs === undefined || isInBounds;
  if (!isDeadline) throw usage(`deadlineMs is 0 to ${DEADLINE_MS_MAX}, not ${deadlineMs}`);
  return {
    program,
    task: type.name,
    resources:
      resources === undefined
        ? ONE_CPU.resources
        : resourcesOf(resources, "resources", ONE_CPU.resources),
    labels: labels === undefined ? ANY_NODE : selectorOf(labels),
    priority,
    maxRetries,
    retryErrors,
    pure,
    result,
    ...(type.threads ? { threads: true } : {}),
  };
}

/** All options of such tasks are the same. */
export interface Kind {
  readonly key: string;
  readonly type: TaskType;
  readonly options: TaskOptions;
  readonly group: TaskGroup;
}

export const NO_OPTIONS: TaskOptions = {};
const NAMES: ReadonlySet<string> = new Set(TASK_OPTIONS);
const KINDS_KEPT_MAX = 1_000;

export class Kinds {
  readonly #kinds = new Map<string, Kind>();
  /** Of the last task: the next one is often alike. */
  #last: Kind | undefined;

  /** @throws {SystemError} USAGE naming what is off. */
  of(program: Program, type: TaskType, options: TaskOptions): Kind {
    const last = this.#last;
    const isLast = last !== undefined && last.type === type && last.group.program === program;
    if (isLast && isAlike(last.options, options)) return last;
    const { deadlineMs = null, ...rest } = options;
    const shared = { ...rest, signal: undefined };
    const key = `${program.sha256} ${type.name} ${deadlineMs} ${JSON.stringify(shared)}`;
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      kind = { key, type, options: { ...options }, group: groupOf(program, type, options) };
      if (this.#kinds.size >= KINDS_KEPT_MAX) this.#kinds.clear();
      this.#kinds.set(key, kind);
    }
    this.#last = kind;
    return kind;
  }
}

/** Whether options surely say the same; what may have been changed inside isn't looked into. */
function isAlike(one: TaskOptions, other: TaskOptions): boolean {
  // A name that there isn't is to be refused.
  for (const name in other) if (!NAMES.has(name)) return false;
  return (
    other.resources === undefined &&
    other.labels === undefined &&
    one.resources === undefined &&
    one.labels === undefined &&
    one.priority === other.priority &&
    one.maxRetries === other.maxRetries &&
    one.retryErrors === other.retryErrors &&
    one.pure === other.pure &&
    one.result === other.result &&
    one.deadlineMs === other.deadlineMs
  );
}
