/** Requests and reports about tasks in the head's scenarios, and how orders and ends read. */
import type { Effect, HeadEvent } from "../../head/core/events.ts";
import type { ErrorCode } from "../../runtime/errors.ts";
import { UNITS } from "../../runtime/resources/resources.ts";
import {
  TASK_ABORTED,
  TASK_DIED,
  TASK_DONE,
  TASK_FAILED,
  TASK_RETURNED,
  TASK_STARTED,
  TASK_THREW,
  type TaskEvents,
  type TaskGroup,
  type TaskHeld,
  type TaskNames,
  type TaskReport,
} from "../../runtime/tasks/wire.ts";
import { endsOf, givenIn, groupOf } from "../unit/head-tasks/support.ts";
import { callerOf, workerId } from "./head-actors.ts";
import { type Command, fail } from "./runner.ts";

type Request = Extract<HeadEvent, { type: "api" }>["request"];
type Options = Command["options"];

const STATES: Readonly<Record<string, number>> = {
  started: TASK_STARTED,
  done: TASK_DONE,
  threw: TASK_THREW,
  failed: TASK_FAILED,
  died: TASK_DIED,
  returned: TASK_RETURNED,
  aborted: TASK_ABORTED,
};

/** A request about tasks, or undefined: the command is another one. */
export function taskRequest(command: Command, leads: number): Request | undefined {
  const { name, words, options } = command;
  const [subject = ""] = words;
  const epoch = Number(options["epoch"] ?? leads);
  switch (name) {
    case "tasks":
      return submitOf(command, epoch);
    case "task-cancel":
      return {
        op: "task-cancel",
        epoch,
        numbers: numbersOf(subject),
        force: words.includes("force"),
      };
    case "task-ends":
      return {
        op: "task-ends",
        epoch,
        life: Number(options["life"] ?? 1),
        upTo: Number(subject),
        below: 0,
      };
    case "drain":
      return { op: "drain", worker: workerId(subject), on: !words.includes("off") };
    case "summary":
      return { op: "summary", what: "tasks" };
    case "explain-task": {
      const { process } = callerOf(options["by"]);
      return { op: "explain", what: "task", name: `${process}-${subject}` };
    }
    default:
      return undefined;
  }
}

function submitOf({ words, options }: Command, epoch: number): Request {
  const numbers = numbersOf(words[0] ?? "");
  const near = options["near"];
  return {
    op: "task-submit",
    epoch,
    job: options["job"] ?? callerOf(options["by"]).process,
    group: groupIn(options),
    deadlineMs: options["deadline"] === undefined ? null : Number(options["deadline"]),
    numbers,
    ends: numbers.map((_, i) => 4 * (i + 1)),
    args: new Uint8Array(numbers.slice().buffer),
    again: words.includes("again"),
    near:
      near === undefined
        ? []
        : Array.from(numbers, (_, index) => ({ index, worker: workerId(near), bytes: 9 })),
  };
}

function groupIn({ name = "work", cpu = "1", priority = "0", retries = "3" }: Options): TaskGroup {
  return groupOf({
    task: name,
    resources: { cpu: Number(cpu) * UNITS, gpu: 0, memory: 0, custom: {} },
    priority: Number(priority),
    maxRetries: Number(retries),
  });
}

/** `1-3,7` */
function numbersOf(text: string): Uint32Array {
  return Uint32Array.from(
    text.split(",").flatMap((part) => {
      const [first = 0, last = first] = part.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    }),
  );
}

/** What a worker says of tasks: lines are `done 1#1 2#1`, `failed 3#1 error=CODE`, `held 4#2`. */
export function taskReportOf(
  { options, lines }: Command,
  leads: number,
): Omit<TaskReport, "process"> {
  const held = lines.filter(({ name }) => name === "held" || name === "holds");
  const events = lines.filter((line) => !held.includes(line));
  return {
    kind: "tasks",
    epoch: Number(options["epoch"] ?? leads),
    seen: Number(options["seen"] ?? 0),
    from: Number(options["from"] ?? 1),
    events: events.map(eventsIn),
    held: held.map(heldIn),
    heldFrom: Number(options["heldFrom"] ?? 0),
    heldTo: Number(options["heldFrom"] ?? 0) + held.length,
    announced: options["announced"] !== "no",
  };
}

function namesIn({ words, options }: Command): TaskNames {
  const { identity, process } = callerOf(options["by"]);
  const pairs = words.map((word) => word.split("#").map(Number));
  return {
    owner: { identity, process },
    numbers: Uint32Array.from(pairs, ([number = 0]) => number),
    attempts: Uint8Array.from(pairs, ([, attempt = 0]) => attempt),
  };
}

function eventsIn(line: Command): TaskEvents {
  const state = STATES[line.name] ?? fail(line);
  const { service = "0", error } = line.options;
  const said = { code: error as ErrorCode, what: "so it is", where: {} };
  return {
    ...namesIn(line),
    states: new Uint8Array(line.words.length).fill(state),
    serviceUs: Number(service),
    errors: error === undefined ? [] : line.words.map((_, index) => ({ index, error: said })),
  };
}

/** `holds` has begun. */
function heldIn(line: Command): TaskHeld {
  return {
    ...namesIn(line),
    job: line.options["job"] ?? callerOf(line.options["by"]).process,
    group: groupIn(line.options),
    gpus: [],
    deadlineMs: null,
    started: new Uint8Array(line.words.length).fill(line.name === "holds" ? 1 : 0),
  };
}

type TaskEffect = Extract<Effect, { type: "task-order" | "task-ends" | "more" }>;

export function showTaskEffect(effect: TaskEffect): string {
  switch (effect.type) {
    case "task-order": {
      const { number, tasks, revoke, abort, heard, announce } = effect.order;
      const given = givenIn([effect]).map((one) => `${one.number}#${one.attempt}`);
      const [block] = tasks;
      const parts = [
        ...(block === undefined ? [] : [`run ${given.join(" ")} in ${block.slots}`]),
        ...revoke.map((names) => `give back ${showNames(names)}`),
        ...abort.map((names) => `${names.force ? "kill" : "abort"} ${showNames(names)}`),
        ...(announce === true ? ["announce"] : []),
        ...(heard > 0 ? [`heard ${heard}`] : []),
      ];
      return `tasks to ${effect.worker} #${number}: ${parts.join(", ")}`;
    }
    case "task-ends": {
      const ends = endsOf(effect.ends).map(({ number, code }) => `${number} ${code}`);
      return `ends from ${effect.ends.from}: ${ends.join(", ")}`;
    }
    case "more":
      return "more";
    default:
      return effect satisfies never;
  }
}

function showNames({ numbers, attempts }: TaskNames): string {
  return Array.from(numbers, (number, i) => `${number}#${attempts[i]}`).join(" ");
}
