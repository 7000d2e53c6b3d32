/**
 * One line of progress: rewritten in place on a terminal, with a bar where it is known how much is
 * done; else a line for each change.
 */
import { printableLine } from "./actors/text.ts";
import { PROGRESS_LINE_MS } from "../../runtime/limits.ts";

/** Characters of a bar, and those of a line that it may not push it over. */
const BAR_WIDTH = 20;
const LINE_WIDTH = 80;

export class Progress {
  readonly #stream: NodeJS.WriteStream;
  #last = "";
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /**
   * Says what goes on; the same again says nothing.
   * @param fraction - how much of it is done, 0..1, for the bar; the line says it too.
   */
  say(said: string, fraction?: number): void {
    const line = printableLine(said);
    if (line === this.#last) return;
    const samePhase = line.split(":")[0] === this.#last.split(":")[0];
    const nowMs = performance.now();
    // A file or a pipe gets each phase's first line at once and then a few of the same.
    if (!this.#stream.isTTY && samePhase && nowMs - this.#lastMs < PROGRESS_LINE_MS) return;
    if (this.#stream.isTTY && samePhase) this.#stream.write("\u001b[1A\u001b[2K");
    this.#stream.write(`${this.#stream.isTTY ? this.#drawn(line, fraction) : line}\n`);
    this.#last = line;
    this.#lastMs = nowMs;
  }

  /** A line that is rewritten in place must be one line of the terminal. */
  #drawn(line: string, fraction: number | undefined): string {
    const width = this.#stream.columns || LINE_WIDTH;
    const room = width - line.length - BAR_WIDTH - 4;
    if (fraction === undefined || room < 0) return line.slice(0, width - 1);
    const done = Math.round(Math.min(1, Math.max(0, fraction)) * BAR_WIDTH);
    return `${line} [${"#".repeat(done)}${"-".repeat(BAR_WIDTH - done)}]`;
  }
}
