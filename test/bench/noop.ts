/** The program of the bench of tasks. */
import { task } from "ligase";

export const Noop = task("noop", () => undefined);

/** The same in threads. */
export const NoopThread = task("noop-thread", () => undefined, { threads: true });

/** The id of its process, and whether it is one of many threads there. */
export const Where = task("where", () => process.pid);
export const WhereThread = task("where-thread", () => process.pid, { threads: true });

/** One with an argument. */
export const Numbered = task("numbered", (number: number) => number);
