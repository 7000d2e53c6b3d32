/**
 * Behaviour as text. A scenario begins with what it shows; then come steps: a command, `----`, what
 * came of it, an empty line. A command may go on in indented lines; `+500 ...` moves the clock
 * first. LIGASE_REWRITE=1 writes what came of the commands into the file, to be read before it is
 * kept.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

/** One command: its name, plain words, `key=value` words, and its indented lines' words. */
export interface Command {
  readonly name: string;
  readonly words: readonly string[];
  readonly options: Readonly<Record<string, string>>;
  readonly lines: readonly Command[];
  readonly advanceMs: number;
}

/** Carries a scenario's commands out; each gives the lines of what came of it. */
export type Interpreter = (command: Command) => readonly string[];

/** One test for each scenario of a folder. */
export function testScenarios(folder: URL, start: () => Interpreter): void {
  const path = folder.pathname;
  for (const file of readdirSync(path)
    .filter((name) => name.endsWith(".txt"))
    .sort()) {
    const text = readFileSync(join(path, file), "utf8");
    test(`${file.slice(0, -4)}: ${text.split("\n", 1)[0]}`, () => {
      const ran = runScenario(text, start());
      if (process.env["LIGASE_REWRITE"] === "1") writeFileSync(join(path, file), ran);
      else expect(ran).toBe(text);
    });
  }
}

/** The scenario with what really came of its commands. */
export function runScenario(text: string, interpret: Interpreter): string {
  return text
    .trimEnd()
    .split(/\n\n+/)
    .map((block) => (block.includes("\n----") ? runStep(block, interpret) : block))
    .join("\n\n")
    .concat("\n");
}

function runStep(block: string, interpret: Interpreter): string {
  const [said = ""] = block.split("\n----");
  const lines = said.split("\n").filter((line) => !line.startsWith("#"));
  const [first = "", ...rest] = lines;
  const came = interpret({ ...parse(first), lines: rest.map((line) => parse(line.trim())) });
  return [`${said}\n----`, ...came.map((line) => line.trimEnd())].join("\n");
}

function parse(line: string): Command {
  const all = line.split(" ").filter((word) => word !== "");
  const advanceMs = all[0]?.startsWith("+") === true ? Number(all.shift()) : 0;
  const [name = "", ...rest] = all;
  const options = rest.filter((word) => word.includes("=")).map((word) => word.split("=", 2));
  const words = rest.filter((word) => !word.includes("="));
  return { name, words, options: Object.fromEntries(options), lines: [], advanceMs };
}

/** @throws {Error} for a command that the interpreter doesn't have. */
export function fail(command: Command): never {
  throw new Error(`no such command: ${JSON.stringify(command)}`);
}
