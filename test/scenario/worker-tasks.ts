/** How the worker's scenarios order tasks, and how what comes of them reads. */
import type { TaskBlock, TaskNames, TaskOrder } from "../../runtime/tasks/wire.ts";
import { taskReportOf } from "../../worker/core/tasks/report.ts";
import type { HeldTask } from "../../worker/core/tasks/state.ts";
import type { WorkerEffect, WorkerEvent, WorkerState } from "../../worker/core/state.ts";
import { PROGRAM } from "../unit/head/support.ts";
import type { Command } from "./runner.ts";

const STATES = ["started", "done", "threw", "failed", "died", "returned", "aborted"];
const EVENTS_MAX = 1_000;

/** `tasks 1 A n=1 give=a:1-3/slots=2 revoke=a:4 abort=a:5! heard=2`; `!` = by force. */
export function taskOrderOf({ words, options }: Command): WorkerEvent {
  const [number = "", leader = ""] = words;
  const list = (name: string) => (options[name] ?? "").split(",").filter((it) => it !== "");
  const order: TaskOrder = {
    kind: "tasks",
    epoch: { number: Number(number), leader },
    process: "1".repeat(16),
    number: Number(options["n"] ?? 0),
    heard: Number(options["heard"] ?? 0),
    ...(options["announce"] === undefined ? {} : { announce: true }),
    tasks: list("give").map((one) => blockOf(one, options)),
    revoke: list("revoke").map((one) => namesOf(one)),
    abort: list("abort").map((one) => ({
      ...namesOf(one.replace("!", "")),
      force: one.endsWith("!"),
    })),
  };
  return { type: "task-order", order };
}

/** `a:1-3#1`: tasks 1 to 3 of owner a, attempt 1. */
function namesOf(text: string): TaskNames {
  const [name = "", attempt = "0"] = text.split("#");
  const [owner = "", range = ""] = name.split(":");
  const [first = 0, last = first] = range.split("-").map(Number);
  const numbers = Uint32Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const attempts = new Uint8Array(numbers.length).fill(Number(attempt));
  return { owner: { identity: `c-${owner}`, process: owner }, numbers, attempts };
}

function blockOf(text: string, options: Command["options"]): TaskBlock {
  const { owner, numbers, attempts } = namesOf(text);
  const sha256 = (options["program"] ?? "0").repeat(64);
  const cpu = 10_000 * Number(options["cpu"] ?? 1);
  const deadlineMs = options["deadline"] === undefined ? null : Number(options["deadline"]);
  return {
    ...{ owner, numbers, attempts, deadlineMs, job: owner.process, gpus: [] },
    group: {
      program: { ...PROGRAM, sha256 },
      task: "work",
      resources: { cpu, gpu: 0, memory: 0, custom: {} },
      labels: { in: {}, notIn: {} },
      priority: Number(options["priority"] ?? 0),
      ...{ maxRetries: 3, retryErrors: false, pure: false, result: "value" },
      ...(options["threads"] === undefined ? {} : { threads: true }),
    },
    slots: Number(options["slots"] ?? 1),
    ends: new Uint32Array(numbers.length),
    args: new Uint8Array(0),
  };
}

/** `said 0 1-2=done 3=returned us=100`: what executor 0 says of its positions. */
export function taskSaidOf({ words, options }: Command): WorkerEvent {
  const [key = ""] = words;
  const positions: number[] = [];
  const states: number[] = [];
  for (const [range, state] of Object.entries(options)) {
    if (range === "us") continue;
    const [first = 0, last = first] = range.split("-").map(Number);
    for (let at = first; at <= last; at++) {
      positions.push(at);
      states.push(STATES.indexOf(state));
    }
  }
  const us = Number(options["us"] ?? 0);
  const ran = us === 0 ? 0 : 1;
  const columns = { positions: Uint32Array.from(positions), states: Uint8Array.from(states) };
  const said = { op: "task-said" as const, ...columns, ran, us, errors: [] };
  return { type: "task-said", key: Number(key), said };
}

type TaskEffect = Extract<
  WorkerEffect,
  { type: "give-tasks" | "recall-tasks" | "abort-task" | "start-threads" | "task-report" }
>;

/** Empty for a report that says nothing. */
export function showTaskEffect(state: WorkerState, effect: TaskEffect, nowMs: number): string {
  switch (effect.type) {
    case "give-tasks":
      return `give ${effect.tasks.map(nameOf).join(" ")} to ${effect.key}`;
    case "recall-tasks":
      return `recall ${[...effect.positions].join(" ")} from ${effect.key}`;
    case "abort-task":
      return `abort ${effect.position} on ${effect.key}`;
    case "start-threads":
      return `start threads ${effect.keys.join(" ")}`;
    case "task-report":
      return showTaskReport(state, nowMs);
    default:
      return effect satisfies never;
  }
}

function showTaskReport(state: WorkerState, nowMs: number): string {
  const { seen, from, events, held, announced } = taskReportOf(state, EVENTS_MAX, nowMs);
  if (seen === 0 && events.length + held.length === 0 && announced) return "";
  const told = events.flatMap(({ owner, numbers, attempts, states }) =>
    [...numbers].map(
      (number, i) => `${owner.process}:${number}#${attempts[i]}=${STATES[states[i] ?? 0]}`,
    ),
  );
  const holds = held.flatMap(({ owner, numbers, attempts, started }) =>
    [...numbers].map(
      (number, i) => `${owner.process}:${number}#${attempts[i]}${started[i] === 1 ? "!" : ""}`,
    ),
  );
  const parts = [
    told.length === 0 ? "" : ` from ${from} ${told.join(" ")}`,
    holds.length === 0 ? "" : ` held ${holds.join(" ")}`,
    announced ? "" : " and more",
  ];
  return `tasks seen ${seen}${parts.join("")}`;
}

function nameOf({ of, number, attempt, position }: HeldTask): string {
  return `${of.block.owner.process}:${number}#${attempt}@${position}`;
}
