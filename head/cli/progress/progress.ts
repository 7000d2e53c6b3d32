/**
 * Progress on a stream: on a terminal one line that is drawn over in place, a phase after the
 * other; elsewhere lines, when something changes and at least every 10 s.
 *
 * Invariant: between `say` and `end` the terminal's cursor stands behind the frame; after `end`, or
 * at the process's end, at the begin of a line of its own.
 */
import { PROGRESS_LINE_MS } from "../../../runtime/limits.ts";
import { frameOf, phaseOf, plainOf, redraw, type Said } from "./frame.ts";

/** Columns of a terminal that doesn't say. */
const WIDTH = 80;
/** Milliseconds between two frames of one phase: faster than an eye follows is wasted. */
const FRAME_MS = 90;
/** Milliseconds after which a phase that stands still is said again where nothing is drawn. */
const STILL_MS = 10_000;

/** The part of a stream that is used. */
export type Target = Pick<NodeJS.WriteStream, "isTTY" | "columns" | "write">;

export class Progress {
  readonly #stream: Target;
  readonly #now: () => number;
  readonly #onExit = (): void => this.end();
  #said: Said | undefined;
  /** What stands in the terminal's line; "" where nothing does. */
  #frame = "";
  #sinceMs = 0;
  #lastMs = 0;

  constructor(stream: Target, now: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#now = now;
  }

  /** Says what goes on; it may be called as often as one likes. */
  say(said: Said | string): void {
    const next = typeof said === "string" ? { line: said } : said;
    const isNew = this.#said === undefined || phaseOf(next) !== phaseOf(this.#said);
    const nowMs = this.#now();
    if (isNew) this.#sinceMs = nowMs;
    if (this.#stream.isTTY) this.#draw(next, isNew, nowMs);
    else this.#print(next, isNew, nowMs);
  }

  /** Leaves the terminal at the begin of a line. Whatever is written after it stands alone. */
  end(): void {
    if (this.#frame !== "") this.#stream.write("\n");
    this.#frame = "";
    this.#said = undefined;
    process.off("exit", this.#onExit);
  }

  #draw(said: Said, isNew: boolean, nowMs: number): void {
    if (!isNew && nowMs - this.#lastMs < FRAME_MS) return;
    const width = this.#stream.columns || WIDTH;
    const frame = frameOf(said, width);
    if (this.#frame === "") process.once("exit", this.#onExit);
    if (isNew && this.#frame !== "") {
      this.#stream.write(`${this.#last(width)}\n${frame}`);
    } else if (frame !== this.#frame) this.#stream.write(redraw(this.#frame, frame, width));
    this.#take(said, frame, nowMs);
  }

  /** The phase before, as it was last said, if its frame came too soon after another. */
  #last(width: number): string {
    if (this.#said === undefined) return "";
    const frame = frameOf(this.#said, width);
    return frame === this.#frame ? "" : redraw(this.#frame, frame, width);
  }

  #print(said: Said, isNew: boolean, nowMs: number): void {
    const line = plainOf(said);
    const isSame = this.#said !== undefined && line === plainOf(this.#said);
    const agoMs = nowMs - this.#lastMs;
    if (!isNew && agoMs < (isSame ? STILL_MS : PROGRESS_LINE_MS)) return;
    const so = isSame ? ` (for ${Math.round((nowMs - this.#sinceMs) / 1_000)} s)` : "";
    this.#stream.write(`${line}${so}\n`);
    this.#take(said, "", nowMs);
  }

  #take(said: Said, frame: string, nowMs: number): void {
    this.#said = said;
    this.#frame = frame;
    this.#lastMs = nowMs;
  }
}
