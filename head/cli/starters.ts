/**
 * Who started this command and has to stay: its parent and, in an npm script, npm itself, between
 * which and us stands a shell that outlives it.
 */
import { readFileSync } from "node:fs";

/** What npm puts into the environment of all that its script starts, and not into its own. */
const SCRIPT = "npm_lifecycle_event";
/** Processes between a command and the npm that runs its script; more is no npm. */
const STEPS_MAX = 8;

export class Starters {
  /** From our parent up to npm; without npm our parent alone. */
  readonly #line: readonly number[];

  constructor(env: NodeJS.ProcessEnv = process.env) {
    const script = env[SCRIPT];
    this.#line = script === undefined ? [process.ppid] : lineToNpm(script);
  }

  /** Whether one of them ended: its children then have another parent. */
  gone(): boolean {
    const [parent, ...above] = this.#line;
    if (process.ppid !== parent) return true;
    return above.some((pid, index) => parentOf(this.#line[index] ?? 0) !== pid);
  }
}

function lineToNpm(script: string): readonly number[] {
  const line = [process.ppid];
  while (line.length < STEPS_MAX) {
    const last = line.at(-1) ?? 0;
    const above = parentOf(last);
    if (above === undefined || !runs(last, script)) break;
    line.push(above);
  }
  return line;
}

function parentOf(pid: number): number | undefined {
  // The command's name, in parentheses, may hold any byte; state and parent follow the last one.
  const stat = readOr(`/proc/${pid}/stat`);
  return stat === undefined ? undefined : Number(stat.slice(stat.lastIndexOf(")")).split(" ")[2]);
}

/** Whether a process is part of that npm script. */
function runs(pid: number, script: string): boolean {
  return readOr(`/proc/${pid}/environ`)?.split("\0").includes(`${SCRIPT}=${script}`) === true;
}

/** Nothing where the process ended, is another user's, or there is no /proc. */
function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
