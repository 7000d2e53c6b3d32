/** Commands of the head's scenarios, and how facts and effects read. Jobs go by their names. */
import type { Effect, HeadEvent } from "../../head/core/events.ts";
import type { Fact } from "../../head/core/facts.ts";
import { short12 } from "../../runtime/ids.ts";
import type { ActorLife, ActorRecord, Done, Report } from "../../runtime/messages.ts";
import { solve } from "../../solver/solve.ts";
import { jobIdOf, MANIFEST, PROGRAM, reportOf, specOf, TestHead } from "../unit/head/support.ts";
import { actorRequest, callerOf, processOf, workerId } from "./head-actors.ts";
import {
  addressOf,
  errorOf,
  outcomeOf,
  showEffect,
  showFactValue,
  slurmOf,
  standingOf,
  UNSAID,
} from "./head-words.ts";
import { taskReportOf, taskRequest } from "./head-tasks.ts";
import { demandIn, gpusIn, offerIn } from "./head-needs.ts";
import { type Command, fail, type Interpreter } from "./runner.ts";

/** A head at its start, leading epoch 1. */
export function headInterpreter(): Interpreter {
  const scene = new Scene();
  return (command) => scene.run(command);
}

/** Milliseconds between two events of a passing time. */
const PASS_MS = 500;
const NOTHING = { lines: [], advanceMs: 0 };

/** `crashes=5`: so many executors died before they were ready. */
function troubleOf({ crashes }: Command["options"]): Partial<Report> {
  return crashes === undefined ? {} : { trouble: { crashes: Number(crashes), reason: "SIGSEGV" } };
}

/** What every heartbeat is answered with, of a client or of a worker with named lives. */
function isIdle(line: string): boolean {
  return line === "reply 0 null" || /^to \w+ #\d+ \(nothing\)$/.test(line);
}

class Scene {
  #head = new TestHead();
  readonly #ids = new Map<string, string>();
  /** Records of actors, as they were sent to workers: what these announce. */
  readonly #records = new Map<string, ActorRecord>();
  /** The last report of each worker. */
  readonly #reports = new Map<string, Command>();
  #requests = 0;
  #actors = 0;
  #pools = 0;

  run(command: Command): string[] {
    this.#head.nowMs += command.advanceMs;
    if (command.name === "restart" || command.name === "config") return this.#restart(command);
    if (command.name === "pass") return this.#pass(command);
    if (command.name === "report") this.#reports.set(command.words[0] ?? "", command);
    return this.#feed(this.#eventOf(command));
  }

  #feed(event: HeadEvent): string[] {
    const { facts, effects } = this.#head.feed(event);
    this.#learn(effects);
    return [
      ...facts.map((fact) => `fact ${this.#fact(fact)}`),
      ...effects.map((it) => this.#effect(it)),
    ];
  }

  /** So many milliseconds, in which workers say what they last said, and clients that they live. */
  #pass({ words }: Command): string[] {
    const [totalMs = "0", ...workers] = words;
    const lines: string[] = [];
    for (let leftMs = Number(totalMs); leftMs > 0; leftMs -= PASS_MS) {
      this.#head.nowMs += Math.min(PASS_MS, leftMs);
      const reports = workers.map((name) => {
        if (name.startsWith("c")) return this.#alive(name);
        const last = this.#reports.get(name) ?? fail({ name, words, options: {}, ...NOTHING });
        const sequence = this.#head.state.workers.get(workerId(name))?.sequence ?? 0;
        const options = { ...last.options, seen: `${this.#head.epoch}:${sequence}` };
        return this.#eventOf({ ...last, options, lines: [] });
      });
      for (const event of [...reports, { type: "tick" } as const]) {
        const atMs = Number(totalMs) - Math.max(0, leftMs - PASS_MS);
        const said = this.#feed(event).filter((line) => !isIdle(line));
        lines.push(...said.map((line) => `+${atMs} ${line}`));
      }
    }
    return lines;
  }

  #alive(client: string): HeadEvent {
    const by = client === "c" ? undefined : client;
    return { type: "api", caller: { ...callerOf(by), id: 0 }, request: { op: "alive" } };
  }

  /** The next leader: it has the facts and nothing else. */
  #restart({ options }: Command): string[] {
    const { facts, nowMs, state } = this.#head;
    const slurm = options["slurm"] === "none" ? "none" : state.config.slurm;
    const solverSha256 = options["solver"] === "none" ? null : state.config.solverSha256;
    this.#head = new TestHead({ facts, nowMs, config: { ...state.config, slurm, solverSha256 } });
    return [`epoch ${this.#head.epoch}`];
  }

  #eventOf(command: Command): HeadEvent {
    const { name, words, options } = command;
    const [subject = "", code = ""] = words;
    switch (name) {
      case "tick":
        return { type: "tick" };
      case "absent":
        return { type: "absent", worker: workerId(subject) };
      case "report":
        return { type: "report", worker: workerId(subject), report: this.#report(command) };
      case "claimed": {
        const jobId = this.#id(subject);
        const said = options["standing"];
        const standing = said === undefined ? {} : { standing: standingOf(jobId, said) };
        return { type: "claimed", jobId, error: errorOf(code), ...standing };
      }
      case "excluded": {
        const [, input = "0", shard = "0"] = words;
        const positions = (options["records"] ?? "").split(",").map(Number);
        const records = positions.map((position) => ({ position, reason: "SIGSEGV" }));
        const exclusion = { number: Number(options["number"] ?? 1), records };
        const at = { jobId: this.#id(subject), input: Number(input), shard: Number(shard) };
        return { type: "excluded", ...at, exclusion, error: null };
      }
      case "task-report": {
        const process = (options["life"] ?? "1").padStart(16, "0");
        const report = { process, ...taskReportOf(command, this.#head.epoch) };
        return { type: "task-report", worker: workerId(subject), report };
      }
      case "sealed":
        return { type: "sealed", jobId: this.#id(subject), manifestSha256: MANIFEST };
      case "seal-failed":
        return {
          type: "seal-failed",
          jobId: this.#id(subject),
          error: errorOf(code) ?? fail(command),
        };
      case "slurm":
        return { type: "slurm", solveId: this.#solveId(subject), result: slurmOf(command) };
      default: {
        const id = Number(options["id"] ?? (this.#requests += 1));
        const caller = { ...callerOf(options["by"]), id };
        const request = taskRequest(command, this.#head.epoch) ?? this.#request(command);
        return { type: "api", caller, request };
      }
    }
  }

  #request(command: Command): Extract<HeadEvent, { type: "api" }>["request"] {
    const { name, words, options } = command;
    const [subject = ""] = words;
    switch (name) {
      case "submit": {
        const policy =
          options["bad"] === "quarantine" ? { onBadRecord: "quarantine" as const } : {};
        const spec = { ...specOf(subject, Number(options["inputs"] ?? 1)), ...policy };
        const limit = options["limit"];
        const limits = limit === undefined ? {} : { batchTimeoutMs: Number(limit) };
        const demand = demandIn(options);
        this.#ids.set(subject, jobIdOf(spec));
        const k = options["k"];
        const continuation =
          k === undefined ? null : { kind: "solve", spec: { ...solve().spec, k: Number(k) } };
        return { op: "submit-dataset", spec, continuation, ...limits, ...demand };
      }
      case "program":
        return { op: "submit-program", program: PROGRAM, argv: [subject] };
      case "cancel":
        return { op: "cancel", jobId: this.#id(subject) };
      default:
        return actorRequest(command, (id) => this.#ids.get(id) ?? id);
    }
  }

  #report({ options, lines }: Command): Report {
    const [epoch = "", sequence = ""] = (options["seen"] ?? `${this.#head.epoch}:0`).split(":");
    const list = (key: string) => (options[key] ?? "").split(",").filter((item) => item !== "");
    const about = (word: string) => lines.filter(({ name }) => name === word);
    return reportOf({
      process: (options["life"] ?? "1").padStart(16, "0"),
      number: Number(options["number"] ?? UNSAID),
      host: options["host"] ?? "m1",
      slots: Number(options["slots"] ?? 1),
      ...offerIn(options),
      hosting: Number(options["hosting"] ?? 0),
      sharing: Number(options["sharing"] ?? 0),
      announced: options["announced"] !== "no",
      processes: list("processes").map(processOf),
      seen: { epoch: Number(epoch), sequence: Number(sequence) },
      ...troubleOf(options),
      held: list("held").map((item) => this.#held(item)),
      done: lines.filter(({ name }) => name.includes("/")).map((line) => this.#done(line)),
      actors: about("actor").map((line) => this.#announced(line)),
      ended: about("ended").map((line) => this.#ended(line)),
    });
  }

  /** An attempt, with what it holds. */
  #held(text: string): Report["held"][number] {
    const attempt = this.#attempt(text);
    const { resources } = this.#records.get(attempt.task.split("/")[1] ?? "")?.options ?? {};
    const needs = resources === undefined ? {} : { resources };
    return { ...attempt, ...gpusIn(text), ...needs };
  }

  /** `x0#1` in full. */
  #life(text: string): ActorLife {
    const [name = "", incarnation = "0"] = (text.split("!")[0] ?? "").split("#");
    return { actorId: this.#ids.get(name) ?? name, incarnation: Number(incarnation) };
  }

  #announced(line: Command): Report["actors"][number] {
    const life = this.#life(line.words[0] ?? "");
    const record = this.#records.get(life.actorId) ?? fail(line);
    return { record, address: addressOf(life), ...gpusIn(line.words[0] ?? "") };
  }

  #ended(line: Command): Report["ended"][number] {
    const [life = "", code = "ACTOR_DIED"] = line.words;
    return { ...this.#life(life), error: errorOf(code) ?? fail(line) };
  }

  #done({ name, words, options }: Command): Done {
    const { task, attempt } = this.#attempt(name);
    const [kind = "", arg = ""] = words;
    return { task, attempt, outcome: outcomeOf(task, kind, arg, options) };
  }

  /** `shard/<job name>/0/1#2` in full. */
  #attempt(text: string): { task: string; attempt: number } {
    const [task = "", attempt = "0"] = (text.split("!")[0] ?? "").split("#");
    const parts = task.split("/");
    parts[1] = this.#ids.get(parts[1] ?? "") ?? parts[1] ?? "";
    return { task: parts.join("/"), attempt: Number(attempt) };
  }

  #id(name: string): string {
    return this.#ids.get(name) ?? name.padEnd(64, "0");
  }

  /** `a:0` is the first solve of job a. */
  #solveId(name: string): string {
    const [job = "", index = "0"] = name.split(":");
    return this.#head.state.durable.datasets.get(this.#id(job))?.solves[Number(index)] ?? "";
  }

  /** Programs become p0, p1, ..., actors x0, x1, ..., pools q0, q1, ... as they come. */
  #learn(effects: readonly Effect[]): void {
    const { durable, actors } = this.#head.state;
    const known = new Set(this.#ids.values());
    for (const [index, id] of [...durable.programs.keys()].entries())
      this.#ids.set(`p${index}`, id);
    for (const actorId of actors.entries.keys()) {
      if (known.has(actorId)) continue;
      this.#ids.set(`x${this.#actors}`, actorId);
      this.#actors += 1;
    }
    for (const poolId of actors.pools.keys()) {
      if (known.has(poolId)) continue;
      this.#ids.set(`q${this.#pools}`, poolId);
      this.#pools += 1;
    }
    for (const { work } of effects.flatMap((it) => (it.type === "command" ? it.assign : []))) {
      if (work.kind === "host") this.#records.set(work.record.actorId, work.record);
    }
  }

  /** A line with names instead of ids. */
  #named(text: string): string {
    let line = text.replaceAll(/\bw-0{10,11}(\d+)\b/g, "w$1");
    line = line.replaceAll(/\bc-0{10,11}(\d+)\/\w{16}\b/g, "c$1");
    for (const [name, id] of this.#ids) {
      const solves = this.#head.state.durable.datasets.get(id)?.solves ?? [];
      for (const [index, solveId] of solves.entries()) {
        const short = short12(solveId);
        line = line.replaceAll(solveId, `${name}:${index}`).replaceAll(short, `${name}:${index}`);
      }
      line = line.replaceAll(id, name);
    }
    return line;
  }

  #fact(fact: Fact): string {
    const { type, ...rest } = fact;
    const shown = Object.entries(rest)
      .filter(
        ([key]) =>
          !["spec", "program", "argv", "planSha256", "manifestSha256", "atMs"].includes(key),
      )
      .map(([key, value]) => showFactValue(key, value));
    return this.#named([type, ...shown].join(" "));
  }

  #effect(effect: Effect): string {
    return this.#named(showEffect(effect));
  }
}
