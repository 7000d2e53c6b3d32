/**
 * Who started this command and has to stay: its parent and, in an npm script, npm itself, between
 * which and us stands a shell that outlives it.
 */
import { carries, parentOf } from "../../runtime/processes.ts";

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
    if (above === undefined || !carries(last, `${SCRIPT}=${script}`)) break;
    line.push(above);
  }
  return line;
}
