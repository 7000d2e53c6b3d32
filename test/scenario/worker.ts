/** Commands of the worker's scenarios, and how its effects read. */
import type {
  ActorLife,
  Assignment,
  Command as WorkerCommand,
  Outcome,
} from "../../runtime/messages.ts";
import { decide } from "../../worker/core/core.ts";
import { type ReportSize, reportOf, told } from "../../worker/core/reports.ts";
import {
  newWorkerState,
  type WorkerEffect,
  type WorkerEvent,
  type WorkerState,
} from "../../worker/core/state.ts";
import { PROGRAM, receiptOf } from "../unit/head/support.ts";
import { type Command, fail, type Interpreter } from "./runner.ts";
import { showTaskEffect, taskOrderOf, taskSaidOf } from "./worker-tasks.ts";

/** A small report, so that few actors make several pages. */
const SIZE: ReportSize = { done: 64, ended: 64, actors: 2 };

/** A worker of one slot at its start; `slots N` begins another. */
export function workerInterpreter(): Interpreter {
  let state = newWorker(1);
  let nowMs = 0;
  return (command) => {
    nowMs += command.advanceMs;
    if (command.name === "slots") {
      state = newWorker(Number(command.words[0]));
      return ["ok"];
    }
    if (command.name === "page") return [showReport(state)];
    const { effects } = decide(state, eventOf(command), nowMs);
    const shown = effects.map((effect) => show(state, effect, nowMs)).filter((it) => it !== "");
    return [...shown, ...(command.words.includes("state") ? showState(state) : [])];
  };
}

/** A worker as the tests have it: without a leader, with nothing. */
export function newWorker(slots: number): WorkerState {
  return newWorkerState({ slots, process: "1".repeat(16), host: "m1" });
}

function eventOf(command: Command): WorkerEvent {
  const { name, words, options } = command;
  const [first = "", second = "", third = ""] = words;
  const key = Number(first);
  const epoch = { number: Number(first), leader: second };
  switch (name) {
    case "tick":
    case "lease-over":
      return { type: name };
    case "leader":
      return { type: "leader", epoch, tail: 0 };
    case "command":
      return {
        type: "command",
        command: { epoch, sequence: Number(options["seq"]), ...orders(options) },
      };
    case "ready":
      return { type: "ready", key, process: processOf(key) };
    case "done":
      return { type: "done", key, done: { ...attemptOf(second), outcome: outcomeOf(third) } };
    case "ended":
      return { type: "ended", key, ended: { ...lifeOf(second), error: ERROR } };
    case "exited":
      return {
        type: "exited",
        key,
        reason: second,
        ...batchOf(options),
        begun: third === "" ? 0 : Number(third),
      };
    case "out-of-memory":
      return { type: "exited", key, reason: "SIGKILL", code: "OUT_OF_MEMORY" };
    case "tasks":
      return taskOrderOf(command);
    case "said":
      return taskSaidOf(command);
    case "begun":
      return { type: "begun", key, begun: Number(second) };
    case "busy":
      return { type: "busy", key, busy: second !== "no" };
    default:
      return fail(command);
  }
}

/** `batch=shard/a/0/0#1@8+4`: the executor was at records 8 to 11 of that attempt. */
function batchOf({ batch }: Command["options"]) {
  if (batch === undefined) return {};
  const [attempt = "", place = ""] = batch.split("@");
  const [first = 0, records = 0] = place.split("+").map(Number);
  return { batch: { ...attemptOf(attempt), first, records } };
}

const ERROR = { code: "ACTOR_DIED", what: "by itself", where: {} } as const;

function processOf(key: number): string {
  return key.toString(16).padStart(16, "0");
}

function orders(options: Command["options"]): Omit<WorkerCommand, "epoch" | "sequence"> {
  const list = (name: string) => (options[name] ?? "").split(",").filter((item) => item !== "");
  return {
    assign: list("assign").map(assignmentOf),
    heard: Number(options["heard"] ?? 0),
    cancel: list("cancel"),
    ack: list("ack").map(attemptOf),
    end: list("end").map(lifeOf),
    endSeen: list("endSeen").map(lifeOf),
    logs: list("logs").map((actorId) => ({
      to: "client-1" as const,
      process: "2".repeat(16),
      request: 1,
      actorId,
      follow: false,
    })),
    ...(options["announce"] === undefined ? {} : { announce: true }),
  };
}

/** A command with these orders and no others. */
export function commandOf(
  sequence: number,
  options: Command["options"],
  epoch = { number: 1, leader: "A" },
): WorkerEvent {
  return { type: "command", command: { epoch, sequence, ...orders(options) } };
}

function attemptOf(text: string): { task: string; attempt: number } {
  const [task = "", attempt = "0"] = text.split("#");
  return { task, attempt: Number(attempt) };
}

function lifeOf(text: string): ActorLife {
  const { task, attempt } = attemptOf(text);
  return { actorId: task, incarnation: attempt };
}

/**
 * `<task>#<attempt>`, or `<task>@<program>#<attempt>` for one of another program; `!0+1` at the end
 * for one with a grant and these GPUs, `!` for one without any.
 */
export function assignmentOf(text: string): Assignment {
  const [about = "", granted] = text.split("!");
  const { task: named, attempt } = attemptOf(about);
  const [task = "", other] = named.split("@");
  const program = other === undefined ? PROGRAM : { ...PROGRAM, sha256: other.repeat(64) };
  const assignment = { task, attempt, program, work: workOf(task, program) };
  if (granted === undefined) return assignment;
  return { ...assignment, gpus: granted === "" ? [] : granted.split("+").map(Number) };
}

/** Actors whose id begins with `s` share an executor; those with `n` in it have a name. */
function workOf(task: string, program: Assignment["program"]): Assignment["work"] {
  const [kind, actorId = ""] = task.split("/");
  if (kind === "drive") return { kind, argv: [] };
  if (kind === "probe") {
    const jobId = "a".repeat(64);
    const where = { jobId, jobFolder: "/jobs", planSha256: jobId, input: 0, shard: 0 };
    return { kind, ...where, first: 0, records: 1, run: true };
  }
  if (kind !== "host") {
    const jobId = "a".repeat(64);
    return { kind: "shard", jobId, jobFolder: "/jobs", planSha256: jobId, input: 0, shard: 0 };
  }
  const options = {
    name: actorId.includes("n") ? actorId : null,
    getIfExists: false,
    lifetime: "owned",
    hosting: actorId.startsWith("s") ? "shared" : "process",
    maxRestarts: 0,
    maxConcurrency: 1,
  } as const;
  const owner = { identity: "client-1", process: "2".repeat(16) };
  const record = { actorId, program, actor: "embedder", args: [], options, owner, pool: null };
  return { kind, record };
}

function outcomeOf(kind: string): Outcome {
  if (kind === "failed") return { kind, error: { code: "APPLICATION", what: "no", where: {} } };
  if (kind === "returned") return { kind, value: null };
  if (kind === "committed") return { kind, receipt: receiptOf(0, 0), end: null };
  const place = { worker: "worker-1", host: "m1", socket: "/s", token: "t" } as const;
  const process = "1".repeat(16);
  return { kind: "hosted", address: { ...place, process, pid: 1, actorId: "x", incarnation: 0 } };
}

function show(state: WorkerState, effect: WorkerEffect, nowMs: number): string {
  switch (effect.type) {
    case "start":
    case "kill":
    case "lease":
      return `${effect.type} ${effect.key}`;
    case "confirmed":
      return `confirmed ${effect.number}`;
    case "run":
      return showRun(effect.assignment, effect.key);
    case "cancel":
      return `cancel ${effect.task} on ${effect.key}`;
    case "end":
      return `end ${effect.life.actorId}#${effect.life.incarnation} on ${effect.key}`;
    case "logs":
      return `logs of ${effect.wanted.actorId} on ${effect.key ?? "nothing"}`;
    case "report":
      return showReport(state);
    case "give-tasks":
    case "recall-tasks":
    case "abort-task":
    case "start-threads":
    case "task-report":
      return showTaskEffect(state, effect, nowMs);
    default:
      return effect satisfies never;
  }
}

function showRun({ task, attempt, gpus = [] }: Assignment, key: number): string {
  const granted = gpus.length === 0 ? "" : ` with GPU ${gpus.join(" ")}`;
  return `run ${task}#${attempt} on ${key}${granted}`;
}

function showReport(state: WorkerState): string {
  const report = reportOf(state, SIZE);
  told(state, SIZE);
  const { seen, held, done, actors, announced, ended, hosting, sharing, trouble } = report;
  const list = (label: string, items: readonly string[]) =>
    items.length === 0 ? "" : ` ${label} ${items.join(" ")}`;
  const outcomes = done.map(
    ({ task, attempt, outcome }) =>
      `${task}#${attempt}=${outcome.kind === "failed" ? showFailure(outcome) : outcome.kind}`,
  );
  const holds = held.map(({ task, attempt }) => `${task}#${attempt}`);
  const ends = ended.map((it) => `${it.actorId}#${it.incarnation}=${it.error.code}`);
  const alive = actors.map(({ record }) => record.actorId);
  const counts = hosting + sharing === 0 ? [] : [`${hosting}+${sharing}`];
  const parts = [
    list("held", holds),
    list("done", outcomes),
    list("hosts", counts),
    list("actors", alive),
    trouble === undefined ? "" : ` trouble ${trouble.crashes}`,
    announced ? "" : " and more",
    list("ended", ends),
  ];
  return `report seen ${seen.epoch}:${seen.sequence}${parts.join("")}`;
}

function showFailure({ error, batch }: Extract<Outcome, { kind: "failed" }>): string {
  return batch === undefined ? error.code : `${error.code}@${batch.first}+${batch.records}`;
}

function showState({ queue, executors }: WorkerState): string[] {
  const list = (items: Iterable<Assignment>) =>
    [...items].map(({ task, attempt }) => `${task}#${attempt}`).join(" ");
  return [
    `queue ${list(queue.values())}`,
    ...[...executors.values()].map(({ key, role, tasks, actors }) => {
      const lives = actors.size === 0 ? "" : ` with ${[...actors].join(" ")}`;
      return `executor ${key} ${role} ${list(tasks.values())}${lives}`;
    }),
  ];
}
