/**
 * A head's core with tasks, and what owners and workers say to it, for tests. It needs no test
 * runner: a process of its own measures with it too.
 */
import { decideAll, newHeadState } from "../../../head/core/core.ts";
import type {
  Caller,
  Effect,
  HeadConfig,
  HeadEvent,
  HeadState,
} from "../../../head/core/events.ts";
import { emptyState } from "../../../head/core/facts.ts";
import type { Report } from "../../../runtime/messages.ts";
import { ANY_NODE, NO_RESOURCES, ONE_CPU, UNITS } from "../../../runtime/resources/resources.ts";
import type {
  TaskEnds,
  TaskEvents,
  TaskGroup,
  TaskHeld,
  TaskOrder,
  TaskReport,
} from "../../../runtime/tasks/wire.ts";

const PROGRAM = { url: "file:///program.ts", sha256: "a".repeat(64) };
const CONFIG: HeadConfig = { stateFolder: "/state", solverSha256: null, slurm: "none" };

export const OWNER: Caller = { identity: "c-000000000001", process: "c".repeat(16), id: 1 };

export function ownerOf(n: number): Caller {
  const digits = n.toString(16);
  return {
    identity: `c-${digits.padStart(12, "0")}`,
    process: `c${digits.padStart(15, "0")}`,
    id: 1,
  };
}

export function groupOf(change: Partial<TaskGroup> = {}): TaskGroup {
  return {
    program: PROGRAM,
    task: "work",
    resources: ONE_CPU.resources,
    labels: ANY_NODE,
    priority: 0,
    maxRetries: 3,
    retryErrors: false,
    pure: false,
    result: "value",
    ...change,
  };
}

export function cpus(n: number): TaskGroup["resources"] {
  return { ...NO_RESOURCES, cpu: n * UNITS };
}

export function processOf(worker: string): string {
  return worker.slice(2).padStart(16, "0");
}

export function workerName(n: number): string {
  return `w-${String(n).padStart(12, "0")}`;
}

/** What a submit says besides its group. */
export interface Submission {
  readonly owner?: Caller;
  readonly job?: string;
  readonly group?: TaskGroup;
  readonly first: number;
  readonly n?: number;
  readonly again?: boolean;
  readonly deadlineMs?: number | null;
  readonly near?: { index: number; worker: string; bytes: number }[];
  readonly args?: (number: number) => Uint8Array;
}

/** A task as a worker has it. */
export interface Given {
  readonly owner: string;
  readonly process: string;
  readonly number: number;
  readonly attempt: number;
  readonly args: Uint8Array;
  readonly slots: number;
  readonly group: TaskGroup;
}

export class TaskHead {
  readonly state: HeadState;
  nowMs = 1_000_000;
  effects: Effect[] = [];
  #request = 0;

  constructor(epoch = 1) {
    const durable = emptyState();
    durable.epoch = { number: epoch, leader: `leader-${epoch}` };
    this.state = newHeadState(durable, CONFIG, this.nowMs);
  }

  get epoch(): number {
    return this.state.durable.epoch.number;
  }

  feed(...events: HeadEvent[]): readonly Effect[] {
    const { effects } = decideAll(this.state, events, this.nowMs);
    this.effects.push(...effects);
    return effects;
  }

  tick(ms = 100): readonly Effect[] {
    this.nowMs += ms;
    return this.feed({ type: "tick" });
  }

  /** A worker's report, and that it holds no task. */
  join(worker: string, slots = 1, change: Partial<Report> = {}): void {
    this.report(worker, slots, change);
    this.taskReport(worker, {});
  }

  report(worker: string, slots = 1, change: Partial<Report> = {}): void {
    const report: Report = {
      process: processOf(worker),
      number: 1,
      host: "m1",
      slots,
      hosting: 0,
      sharing: 0,
      actors: [],
      announced: true,
      ended: [],
      processes: [],
      seen: { epoch: this.epoch, sequence: Number.MAX_SAFE_INTEGER },
      held: [],
      done: [],
      ...change,
    };
    this.feed({ type: "report", worker, report });
  }

  taskReport(worker: string, change: Partial<TaskReport>): readonly Effect[] {
    const report: TaskReport = {
      kind: "tasks",
      process: processOf(worker),
      epoch: this.epoch,
      seen: 0,
      from: 1,
      events: [],
      held: [],
      heldFrom: 0,
      heldTo: change.held?.length ?? 0,
      announced: true,
      ...change,
    };
    return this.feed({ type: "task-report", worker, report });
  }

  submit(said: Submission): readonly Effect[] {
    return this.feed({ type: "api", ...this.submission(said) });
  }

  submission({
    owner = OWNER,
    job = owner.process,
    group = groupOf(),
    first,
    n = 1,
    again = false,
    deadlineMs = null,
    near = [],
    args = () => new Uint8Array(8),
  }: Submission): Omit<Extract<HeadEvent, { type: "api" }>, "type"> {
    this.#request += 1;
    const numbers = Uint32Array.from({ length: n }, (_, i) => first + i);
    const parts = Array.from(numbers, args);
    const ends = new Uint32Array(n);
    let bytes = 0;
    for (const [i, part] of parts.entries()) ends[i] = bytes += part.length;
    return {
      caller: { ...owner, id: this.#request },
      request: {
        op: "task-submit",
        epoch: this.epoch,
        job,
        group,
        deadlineMs,
        numbers,
        ends,
        args: Buffer.concat(parts),
        again,
        near,
      },
    };
  }

  ask(request: Extract<HeadEvent, { type: "api" }>["request"], owner = OWNER): unknown {
    this.#request += 1;
    const caller = { ...owner, id: this.#request };
    for (const effect of this.feed({ type: "api", caller, request })) {
      if (effect.type === "reply" && effect.caller.id === caller.id) return effect.value;
      if (effect.type === "refuse" && effect.caller.id === caller.id) return effect.error;
    }
    throw new Error("no answer");
  }

  cancel(numbers: number[], force = false, owner = OWNER): unknown {
    const list = Uint32Array.from(numbers);
    return this.ask({ op: "task-cancel", epoch: this.epoch, numbers: list, force }, owner);
  }
}

export function ordersOf(effects: readonly Effect[], worker?: string): TaskOrder[] {
  return effects.flatMap((effect) =>
    effect.type === "task-order" && (worker === undefined || effect.worker === worker)
      ? [effect.order]
      : [],
  );
}

export function givenIn(effects: readonly Effect[], worker?: string): Given[] {
  return ordersOf(effects, worker).flatMap(({ tasks }) =>
    tasks.flatMap(({ owner, group, numbers, attempts, ends, args, slots }) =>
      Array.from(numbers, (number, i) => ({
        owner: `${owner.identity}/${owner.process}`,
        process: owner.process,
        number,
        attempt: attempts[i] ?? 0,
        args: args.slice(ends[i - 1] ?? 0, ends[i] ?? 0),
        slots,
        group,
      })),
    ),
  );
}

export function endsIn(effects: readonly Effect[]): { number: number; code: string }[] {
  return effects.flatMap((effect) => (effect.type === "task-ends" ? endsOf(effect.ends) : []));
}

export function endsOf({ numbers, which, errors }: TaskEnds): { number: number; code: string }[] {
  return Array.from(numbers, (number, i) => ({
    number,
    code: errors[which[i] ?? 0]?.code ?? "none",
  }));
}

/** Events of one owner's tasks, all in one state. */
export function eventsOf(
  given: readonly Pick<Given, "number" | "attempt">[],
  state: number,
  { owner = OWNER, serviceUs = 0, code }: EventOptions = {},
): TaskEvents {
  const error = code && ({ code, what: "so it is", where: {} } as const);
  return {
    owner: { identity: owner.identity, process: owner.process },
    numbers: Uint32Array.from(given, ({ number }) => number),
    attempts: Uint8Array.from(given, ({ attempt }) => attempt),
    states: new Uint8Array(given.length).fill(state),
    serviceUs,
    errors: error ? given.map((_, index) => ({ index, error })) : [],
  };
}

interface EventOptions {
  readonly owner?: Caller;
  readonly serviceUs?: number;
  readonly code?:
    | "APPLICATION"
    | "DEADLINE_EXCEEDED"
    | "ACTOR_DIED"
    | "NOT_IN_PROGRAM"
    | "OUT_OF_MEMORY";
}

export function heldOf(
  given: readonly Pick<Given, "number" | "attempt">[],
  started: boolean,
  group = groupOf(),
  owner = OWNER,
): TaskHeld {
  return {
    owner: { identity: owner.identity, process: owner.process },
    job: owner.process,
    group,
    gpus: [],
    deadlineMs: null,
    numbers: Uint32Array.from(given, ({ number }) => number),
    attempts: Uint8Array.from(given, ({ attempt }) => attempt),
    started: new Uint8Array(given.length).fill(started ? 1 : 0),
  };
}
