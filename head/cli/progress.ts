/** One line of progress: rewritten in place on a terminal, else a line for each change. */
import { PROGRESS_LINE_MS } from "../../runtime/limits.ts";

export class Progress {
  readonly #stream: NodeJS.WriteStream;
  #last = "";
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /** Says what goes on; the same again says nothing. */
  say(line: string): void {
    if (line === this.#last) return;
    const samePhase = line.split(":")[0] === this.#last.split(":")[0];
    const nowMs = performance.now();
    // A file or a pipe gets each phase's first line at once and then a few of the same.
    if (!this.#stream.isTTY && samePhase && nowMs - this.#lastMs < PROGRESS_LINE_MS) return;
    if (this.#stream.isTTY && samePhase) this.#stream.write("\u001b[1A\u001b[2K");
    this.#stream.write(`${line}\n`);
    this.#last = line;
    this.#lastMs = nowMs;
  }
}
