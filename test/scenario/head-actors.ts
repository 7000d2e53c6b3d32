/** Requests about actors in the head's scenarios, and who makes them. */
import type { Caller, HeadEvent } from "../../head/core/events.ts";
import type { ActorOptions } from "../../runtime/messages.ts";
import { CALLER, PROGRAM } from "../unit/head/support.ts";
import { needIn } from "./head-needs.ts";
import { type Command, fail } from "./runner.ts";

type Request = Extract<HeadEvent, { type: "api" }>["request"];

/** `w1` in full: owners that are executors are told by their worker's identity. */
export function workerId(name: string): string {
  return `w-${name.slice(1).padStart(12, "0")}`;
}

/** `e3` in full: a process. */
export function processOf(name: string): string {
  return name.slice(1).padStart(16, "0");
}

/** `c2` is a client's process, `w1:e3` an executor; without a word the first client's. */
export function callerOf(text: string | undefined): Omit<Caller, "id"> {
  if (text === undefined) return { identity: CALLER.identity, process: CALLER.process };
  const [name = "", executor] = text.split(":");
  if (executor !== undefined) return { identity: workerId(name), process: processOf(executor) };
  return { identity: `c-${name.slice(1).padStart(12, "0")}`, process: processOf(name) };
}

/** @param idOf - the id that a scenario's name stands for. */
export function actorRequest(command: Command, idOf: (name: string) => string): Request {
  const { name, words, options } = command;
  const [subject = ""] = words;
  const number = (key: string, otherwise = 0): number => Number(options[key] ?? otherwise);
  const actorId = idOf(subject);
  const spec = { program: PROGRAM, actor: subject, args: [], options: optionsOf(command) };
  switch (name) {
    case "spawn":
      return { op: "spawn", ...spec };
    case "locate":
      return { op: "locate", actorId, after: number("after") };
    case "actor":
      return { op: "actor", name: subject };
    case "kill":
      return { op: "kill", actorId, restart: words.includes("restart") };
    case "alive":
    case "leave":
      return { op: name };
    case "logs":
      return { op: "logs", actorId, request: 1, follow: words.includes("follow") };
    case "explain":
      return { op: "explain", what: words.includes("job") ? "job" : "actor", name: actorId };
    case "events":
      return { op: "events", after: number("after"), limit: number("limit", 100) };
    case "list": {
      const { limit = "100", after = null, ...others } = options;
      const asked = Object.entries(others).filter(([key]) => key !== "by" && key !== "id");
      const filter = Object.fromEntries(asked);
      const what = subject === "pools" || subject === "nodes" ? subject : "actors";
      return { op: "list", what, filter, after, limit: Number(limit) };
    }
    case "pool-open": {
      const size = { min: number("min"), max: number("max", 4) };
      const poolId = options["pool"];
      const again = poolId === undefined ? {} : { poolId: idOf(poolId) };
      return { op: "pool-open", spec: { ...spec, size, ...again } };
    }
    case "pool-load": {
      const load = {
        backlog: number("backlog"),
        inFlight: number("inFlight"),
        answered: number("answered"),
        busyMs: number("busyMs"),
      };
      return { op: "pool-load", poolId: actorId, load };
    }
    case "pool-close":
      return { op: "pool-close", poolId: actorId };
    default:
      return fail(command);
  }
}

function optionsOf({ words, options }: Command): ActorOptions {
  return {
    name: options["name"] ?? null,
    getIfExists: words.includes("get"),
    lifetime: words.includes("detached") ? "detached" : "owned",
    hosting: words.includes("shared") ? "shared" : "process",
    maxRestarts: Number(options["restarts"] ?? 0),
    maxConcurrency: Number(options["concurrency"] ?? 1),
    ...needIn(options),
  };
}
