/** Commands of the worker's scenarios, and how its effects read. */
import type { Assignment, Command as WorkerCommand, Outcome } from "../../runtime/messages.ts";
import {
  decide,
  newWorkerState,
  type WorkerEffect,
  type WorkerEvent,
  type WorkerState,
} from "../../worker/core.ts";
import { PROGRAM, receiptOf } from "../unit/head/support.ts";
import { type Command, fail, type Interpreter } from "./runner.ts";

/** A worker of one slot at its start; `slots N` begins another. */
export function workerInterpreter(): Interpreter {
  let state = newWorkerState(1, "1".repeat(16), "m1");
  let nowMs = 0;
  return (command) => {
    nowMs += command.advanceMs;
    if (command.name === "slots") {
      state = newWorkerState(Number(command.words[0]), "1".repeat(16), "m1");
      return ["ok"];
    }
    const effects = decide(state, eventOf(command), nowMs).effects.map(show);
    return [...effects, ...(command.words.includes("state") ? showState(state) : [])];
  };
}

function eventOf(command: Command): WorkerEvent {
  const { name, words, options } = command;
  const [first = "", second = "", third = ""] = words;
  const key = Number(first);
  const epoch = { number: Number(first), leader: second };
  switch (name) {
    case "tick":
      return { type: "tick" };
    case "leader":
      return { type: "leader", epoch };
    case "command":
      return {
        type: "command",
        command: { epoch, sequence: Number(options["seq"]), ...orders(options) },
      };
    case "ready":
      return { type: "ready", key };
    case "done":
      return { type: "done", key, done: { ...attemptOf(second), outcome: outcomeOf(third) } };
    case "exited":
      return { type: "exited", key, reason: second };
    default:
      return fail(command);
  }
}

function orders(options: Command["options"]): Pick<WorkerCommand, "assign" | "cancel" | "ack"> {
  const list = (name: string) => (options[name] ?? "").split(",").filter((item) => item !== "");
  return {
    assign: list("assign").map(assignmentOf),
    cancel: list("cancel"),
    ack: list("ack").map(attemptOf),
  };
}

function attemptOf(text: string): { task: string; attempt: number } {
  const [task = "", attempt = "0"] = text.split("#");
  return { task, attempt: Number(attempt) };
}

/** `<task>#<attempt>`, or `<task>@<program>#<attempt>` for one of another program. */
export function assignmentOf(text: string): Assignment {
  const { task: named, attempt } = attemptOf(text);
  const [task = "", other] = named.split("@");
  const program = other === undefined ? PROGRAM : { ...PROGRAM, sha256: other.repeat(64) };
  const [kind] = task.split("/");
  return { task, attempt, program, work: workOf(kind ?? "") };
}

function workOf(kind: string): Assignment["work"] {
  if (kind === "drive") return { kind, argv: [] };
  if (kind === "host") return { kind, actorId: "x", actor: "embedder", args: [] };
  const jobId = "a".repeat(64);
  return { kind: "shard", jobId, jobFolder: "/jobs", planSha256: jobId, input: 0, shard: 0 };
}

function outcomeOf(kind: string): Outcome {
  if (kind === "failed") return { kind, error: { code: "APPLICATION", what: "no", where: {} } };
  if (kind === "returned") return { kind, value: null };
  if (kind === "committed") return { kind, receipt: receiptOf(0, 0), end: null };
  const address = { worker: "w1", process: "1".repeat(16), actorId: "x", host: "m1" };
  return { kind: "hosted", address: { ...address, socket: "/s", token: "t" } };
}

function show(effect: WorkerEffect): string {
  switch (effect.type) {
    case "start":
    case "kill":
      return `${effect.type} ${effect.key}`;
    case "run":
      return `run ${effect.assignment.task}#${effect.assignment.attempt} on ${effect.key}`;
    case "cancel":
      return `cancel ${effect.task} on ${effect.key}`;
    case "report": {
      const { seen, held, done } = effect.report;
      const list = (label: string, items: readonly string[]) =>
        items.length === 0 ? "" : ` ${label} ${items.join(" ")}`;
      const outcomes = done.map(
        ({ task, attempt, outcome }) =>
          `${task}#${attempt}=${outcome.kind === "failed" ? outcome.error.code : outcome.kind}`,
      );
      const holds = held.map(({ task, attempt }) => `${task}#${attempt}`);
      const what = `${list("held", holds)}${list("done", outcomes)}`;
      return `report seen ${seen.epoch}:${seen.sequence}${what}`;
    }
    default:
      return effect satisfies never;
  }
}

function showState({ queue, executors }: WorkerState): string[] {
  const list = (items: readonly Assignment[]) =>
    items.map(({ task, attempt }) => `${task}#${attempt}`).join(" ");
  return [
    `queue ${list(queue)}`,
    ...[...executors.values()].map(
      ({ key, role, tasks }) => `executor ${key} ${role} ${list(tasks)}`,
    ),
  ];
}
