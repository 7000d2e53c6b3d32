/**
 * Output of actors' executors, as their agents send it to this process. Each stream has a number
 * that nobody can guess: what comes under another one is dropped.
 */
import { randomInt } from "node:crypto";
import { LOG_LINES_WAITING_MAX } from "../../limits.ts";
import { agentSays, parseMessage } from "../../messages.ts";

/** What an actor's executor wrote: whole lines. */
export interface LogText {
  readonly stream: "stdout" | "stderr";
  readonly text: string;
}

const REQUESTS = 2 ** 48 - 1;

export class LogStreams {
  readonly #open = new Map<number, LogStream>();

  /** A stream for an answer to come; close it. */
  open(): LogStream {
    const request = randomInt(REQUESTS);
    const stream = new LogStream(request, () => this.#open.delete(request));
    this.#open.set(request, stream);
    return stream;
  }

  /** What came from an agent. @throws {SystemError} FRAME_INVALID. */
  take(value: unknown): void {
    const said = parseMessage(agentSays, value);
    this.#open.get(said.request)?.push(said, said.end);
  }

  /** Ends every stream. */
  close(): void {
    for (const stream of this.#open.values()) stream.end();
  }
}

/** Texts in their order; those that nobody reads in time go, and a line says how many. */
export class LogStream {
  readonly request: number;
  readonly #close: () => void;
  readonly #waiting: LogText[] = [];
  #dropped = 0;
  #isOver = false;
  #isComplete = false;
  #wake: () => void = () => undefined;

  constructor(request: number, close: () => void) {
    this.request = request;
    this.#close = close;
  }

  push({ stream, text }: LogText, isLast: boolean): void {
    if (text !== "") this.#waiting.push({ stream, text });
    if (this.#waiting.length > LOG_LINES_WAITING_MAX) {
      this.#waiting.shift();
      this.#dropped += 1;
    }
    this.#isComplete ||= isLast;
    this.#isOver ||= isLast;
    this.#wake();
  }

  /** Nothing more is wanted. */
  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** The agent has sent the last of it. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** The next text; undefined at the end. */
  async next(): Promise<LogText | undefined> {
    for (;;) {
      if (this.#dropped > 0) return this.#gap();
      const text = this.#waiting.shift();
      if (text !== undefined) return text;
      if (this.#isOver) return undefined;
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
  }

  close(): void {
    this.#close();
  }

  #gap(): LogText {
    const text = `[${this.#dropped} messages weren't read in time]\n`;
    this.#dropped = 0;
    return { stream: "stderr", text };
  }
}
