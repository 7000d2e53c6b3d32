/** Commands of the head's scenarios, and how facts and effects read. Jobs go by their names. */
import type { Effect, HeadEvent } from "../../head/core/events.ts";
import type { Fact } from "../../head/core/facts.ts";
import { short12 } from "../../runtime/ids.ts";
import type { Done, Report } from "../../runtime/messages.ts";
import { solve } from "../../solver/solve.ts";
import { CALLER, jobIdOf, MANIFEST, PROGRAM, specOf, TestHead } from "../unit/head/support.ts";
import { errorOf, outcomeOf, showEffect, showFactValue, slurmOf } from "./head-words.ts";
import { type Command, fail, type Interpreter } from "./runner.ts";

/** A head at its start, leading epoch 1. */
export function headInterpreter(): Interpreter {
  const scene = new Scene();
  return (command) => scene.run(command);
}

class Scene {
  #head = new TestHead();
  readonly #ids = new Map<string, string>();
  #requests = 0;
  #actors = 0;

  run(command: Command): string[] {
    this.#head.nowMs += command.advanceMs;
    if (command.name === "restart" || command.name === "config") return this.#restart(command);
    const { facts, effects } = this.#head.feed(this.#eventOf(command));
    this.#learn();
    return [
      ...facts.map((fact) => `fact ${this.#fact(fact)}`),
      ...effects.map((it) => this.#effect(it)),
    ];
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
      case "report":
        return { type: "report", worker: subject, report: this.#report(command) };
      case "claimed":
        return { type: "claimed", jobId: this.#id(subject), error: errorOf(code) };
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
        return { type: "api", caller: { ...CALLER, id }, request: this.#request(command) };
      }
    }
  }

  #request(command: Command): Extract<HeadEvent, { type: "api" }>["request"] {
    const { name, words, options } = command;
    const [subject = ""] = words;
    switch (name) {
      case "submit": {
        const spec = specOf(subject, Number(options["inputs"] ?? 1));
        this.#ids.set(subject, jobIdOf(spec));
        const k = options["k"];
        const continuation =
          k === undefined ? null : { kind: "solve", spec: { ...solve().spec, k: Number(k) } };
        return { op: "submit-dataset", spec, continuation };
      }
      case "program":
        return { op: "submit-program", program: PROGRAM, argv: [subject] };
      case "spawn":
        return { op: "spawn", program: PROGRAM, actor: subject, args: [] };
      case "cancel":
        return { op: "cancel", jobId: this.#id(subject) };
      default:
        return fail(command);
    }
  }

  #report({ options, lines }: Command): Report {
    const [epoch = "", sequence = ""] = (options["seen"] ?? "1:0").split(":");
    const held = (options["held"] ?? "").split(",").filter((item) => item !== "");
    return {
      process: (options["life"] ?? "1").padStart(16, "0"),
      host: "m1",
      slots: Number(options["slots"] ?? 1),
      hosting: Number(options["hosting"] ?? 0),
      seen: { epoch: Number(epoch), sequence: Number(sequence) },
      held: held.map((item) => this.#attempt(item)),
      done: lines.map((line) => this.#done(line)),
    };
  }

  #done({ name, words, options }: Command): Done {
    const { task, attempt } = this.#attempt(name);
    const [kind = "", arg = ""] = words;
    return { task, attempt, outcome: outcomeOf(task, kind, arg, options) };
  }

  /** `shard/<job name>/0/1#2` in full. */
  #attempt(text: string): { task: string; attempt: number } {
    const [task = "", attempt = "0"] = text.split("#");
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

  /** Programs become p0, p1, ... and actors x0, x1, ... in the order in which they came. */
  #learn(): void {
    const { durable, spawns } = this.#head.state;
    for (const [index, id] of [...durable.programs.keys()].entries())
      this.#ids.set(`p${index}`, id);
    for (const task of spawns.keys()) {
      const actorId = task.slice("host/".length);
      if ([...this.#ids.values()].includes(actorId)) continue;
      this.#ids.set(`x${this.#actors}`, actorId);
      this.#actors += 1;
    }
  }

  /** A line with names instead of ids. */
  #named(text: string): string {
    let line = text;
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
