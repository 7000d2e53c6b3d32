/**
 * What asks a command to end: Ctrl-C, SIGTERM, SIGHUP, or the end of whoever started it (npm gone).
 * The first asks for an orderly end, the second one doesn't wait for it.
 */
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import { PARENT_POLL_MS } from "../../runtime/limits.ts";
import { printableLines } from "./actors/text.ts";
import { Starters } from "./starters.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const EXIT_INTERRUPTED = 130;

export class Interrupts {
  readonly #abort = new AbortController();
  readonly #starters = new Starters();
  readonly #timer: NodeJS.Timeout;
  readonly #onSignal = (): void => this.#ask("interrupted");
  #second: () => void = () => undefined;
  /** Rejects when an end is asked for; never resolves. */
  readonly asked: Promise<never>;

  constructor() {
    this.asked = new Promise((_, reject) => {
      this.signal.addEventListener("abort", () => reject(this.#error()), { once: true });
    });
    this.asked.catch(() => undefined);
    for (const name of SIGNALS) process.on(name, this.#onSignal);
    // A parent that was killed can't send a signal: we are handed to another one.
    this.#timer = setInterval(() => {
      if (this.#starters.gone()) this.#ask("the parent process is gone");
    }, PARENT_POLL_MS);
    this.#timer.unref();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Why an end was asked for, or undefined. */
  get reason(): SystemError | undefined {
    return this.signal.aborted ? this.#error() : undefined;
  }

  throwIfAsked(): void {
    if (this.reason !== undefined) throw this.reason;
  }

  /** What the second Ctrl-C does before this process ends at once; returns how to take it back. */
  onSecond(act: () => void): () => void {
    this.#second = act;
    return () => {
      this.#second = () => undefined;
    };
  }

  close(): void {
    clearInterval(this.#timer);
    for (const name of SIGNALS) process.off(name, this.#onSignal);
  }

  #ask(why: string): void {
    if (!this.signal.aborted) {
      this.#abort.abort(why);
      return;
    }
    if (why !== "interrupted") return;
    try {
      this.#second();
    } finally {
      process.exit(EXIT_INTERRUPTED);
    }
  }

  #error(): SystemError {
    return new SystemError("CANCELLED", String(this.signal.reason));
  }
}

/** What a command that can be interrupted gives: a table for people, and an object for `--json`. */
export interface Answer {
  readonly table: string;
  readonly result: object;
}

/** Runs a command and prints its answer or its error; the exit code. */
export async function answerWith(
  json: boolean | undefined,
  work: (interrupts: Interrupts) => Promise<Answer>,
): Promise<number> {
  const interrupts = new Interrupts();
  try {
    const { table, result } = await work(interrupts);
    process.stdout.write(printableLines(table));
    if (json === true) process.stdout.write(`${JSON.stringify(result)}\n`);
    return 0;
  } catch (thrown) {
    const error = interrupts.reason ?? toSystemError(thrown);
    process.stderr.write(`ligase: ${printableLines(error.message)}\n`);
    if (json === true) process.stdout.write(`${JSON.stringify({ error: error.toData() })}\n`);
    return error.exit;
  } finally {
    interrupts.close();
  }
}
