/**
 * What one executor wrote to stdout and stderr: whole lines in two files, the older of which goes
 * when the newer one is full. A position counts all bytes ever kept; those before `start` are lost.
 *
 * Invariants: each block is of one stream, in one file, and ends with a line's end; blocks follow
 * each other from `start` to `end`, without a gap but for what a full disk didn't take.
 */
import { closeSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import {
  LOG_BLOCKS_MAX,
  LOG_BYTES_MAX,
  LOG_LINE_BYTES_MAX,
  LOG_MESSAGE_BYTES,
} from "../../runtime/limits.ts";

export type Stream = "stdout" | "stderr";

interface Block {
  readonly stream: Stream;
  readonly at: number;
  bytes: number;
}

/** Lines of one stream, and the position behind them. */
export interface OutputPart {
  readonly stream: Stream;
  readonly text: string;
  readonly bytes: number;
  readonly next: number;
  /** Bytes between the position asked for and these lines that are kept no more. */
  readonly lost: number;
}

const LINE_END = 0x0a;

export class OutputLog {
  readonly #path: string;
  readonly #half: number;
  #file: number;
  /** Where the present file begins, and the one before it. */
  #fileStart = 0;
  #olderStart = 0;
  #older: number | undefined;
  readonly #blocks: Block[] = [];
  readonly #partial: Record<Stream, Buffer> = { stdout: NOTHING, stderr: NOTHING };
  #end = 0;
  #ended = false;
  #onGrown: () => void = () => undefined;

  /** @param path - of a new file; a second one beside it ends with `.1`. */
  constructor(path: string, bytesMax = LOG_BYTES_MAX) {
    this.#path = path;
    this.#half = Math.floor(bytesMax / 2);
    this.#file = openSync(path, "w+", 0o600);
  }

  /** The oldest position that is kept. */
  get start(): number {
    return this.#blocks[0]?.at ?? this.#end;
  }

  /** The position behind the last whole line. */
  get end(): number {
    return this.#end;
  }

  /** Whether nothing comes any more. */
  get isOver(): boolean {
    return this.#ended;
  }

  /** Called whenever lines came, or the end. */
  onGrown(handler: () => void): void {
    this.#onGrown = handler;
  }

  /** Bytes as they came. */
  take(stream: Stream, chunk: Buffer): void {
    if (this.#ended) return;
    const last = chunk.lastIndexOf(LINE_END);
    const partial = this.#partial[stream];
    if (last >= 0) {
      const whole = chunk.subarray(0, last + 1);
      this.#partial[stream] = NOTHING;
      this.#keep(stream, partial.length === 0 ? whole : Buffer.concat([partial, whole]));
    }
    const rest = chunk.subarray(last + 1);
    if (rest.length > 0) this.#keepPartial(stream, Buffer.concat([this.#partial[stream], rest]));
    this.#onGrown();
  }

  /** Nothing comes any more: lines without an end get one. */
  close(): void {
    if (this.#ended) return;
    for (const stream of ["stdout", "stderr"] as const) {
      const partial = this.#partial[stream];
      this.#partial[stream] = NOTHING;
      if (partial.length > 0) this.#keep(stream, Buffer.concat([partial, NEW_LINE]));
    }
    this.#ended = true;
    this.#onGrown();
  }

  /** The files go; nothing can be read any more. */
  remove(): void {
    this.#ended = true;
    this.#blocks.length = 0;
    closeSync(this.#file);
    if (this.#older !== undefined) closeSync(this.#older);
    rmSync(this.#path, { force: true });
    rmSync(olderOf(this.#path), { force: true });
  }

  /** The next lines from a position on; undefined when there are none yet. */
  read(position: number): OutputPart | undefined {
    const block = this.#blocks[this.#blockAt(position)];
    if (block === undefined) return undefined;
    const from = Math.max(position, block.at);
    const { stream, at, bytes } = block;
    const buffer = Buffer.alloc(at + bytes - from);
    if (from >= this.#fileStart)
      readSync(this.#file, buffer, 0, buffer.length, from - this.#fileStart);
    else if (this.#older !== undefined) {
      readSync(this.#older, buffer, 0, buffer.length, from - this.#olderStart);
    }
    const lost = from - position;
    return { stream, text: buffer.toString("utf8"), bytes: buffer.length, next: at + bytes, lost };
  }

  /** Index of the block that holds a position, or of none. */
  #blockAt(position: number): number {
    let [low, high] = [0, this.#blocks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const block = this.#blocks[middle];
      if (block !== undefined && block.at + block.bytes <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** What has no end yet; a line that is too long is cut, between two characters. */
  #keepPartial(stream: Stream, bytes: Buffer): void {
    let rest = bytes;
    while (rest.length >= LOG_LINE_BYTES_MAX) {
      const cut = characterStart(rest, LOG_LINE_BYTES_MAX - 1);
      this.#keep(stream, Buffer.concat([rest.subarray(0, cut), NEW_LINE]));
      rest = rest.subarray(cut);
    }
    // A copy: a chunk is a view into a larger buffer.
    this.#partial[stream] = Buffer.from(rest);
  }

  /** Whole lines, in blocks that fit a message and a file. */
  #keep(stream: Stream, lines: Buffer): void {
    for (let rest = lines; rest.length > 0; ) {
      const last = rest.lastIndexOf(LINE_END, LOG_MESSAGE_BYTES - 1);
      const bytes = last < 0 ? characterStart(rest, LOG_LINE_BYTES_MAX - 1) : last + 1;
      const part = rest.subarray(0, bytes);
      this.#append(stream, last < 0 ? Buffer.concat([part, NEW_LINE]) : part);
      rest = rest.subarray(bytes);
    }
  }

  #append(stream: Stream, lines: Buffer): void {
    if (this.#write(lines)) this.#note(stream, lines.length);
    this.#end += lines.length;
  }

  /** Whether the lines are in the file; on a full disk they are lost, and nothing else is. */
  #write(lines: Buffer): boolean {
    try {
      const isFull = this.#end + lines.length > this.#fileStart + this.#half;
      if (isFull && this.#end > this.#fileStart) this.#rotate();
      const at = this.#end - this.#fileStart;
      return writeSync(this.#file, lines, 0, lines.length, at) === lines.length;
    } catch {
      return false;
    }
  }

  #note(stream: Stream, bytes: number): void {
    const last = this.#blocks.at(-1);
    const goesOn =
      last !== undefined &&
      last.stream === stream &&
      last.at >= this.#fileStart &&
      last.at + last.bytes === this.#end &&
      last.bytes + bytes <= LOG_MESSAGE_BYTES;
    if (goesOn) last.bytes += bytes;
    else this.#blocks.push({ stream, at: this.#end, bytes });
    if (this.#blocks.length > LOG_BLOCKS_MAX) this.#blocks.shift();
  }

  /** Nothing has changed when it throws. */
  #rotate(): void {
    const fresh = openSync(`${this.#path}.0`, "w+", 0o600);
    renameSync(this.#path, olderOf(this.#path));
    renameSync(`${this.#path}.0`, this.#path);
    if (this.#older !== undefined) closeSync(this.#older);
    this.#older = this.#file;
    this.#olderStart = this.#fileStart;
    this.#file = fresh;
    this.#fileStart = this.#end;
    const kept = this.#blocks.findIndex(({ at }) => at >= this.#olderStart);
    this.#blocks.splice(0, kept < 0 ? this.#blocks.length : kept);
  }
}

const NOTHING = Buffer.alloc(0);
const NEW_LINE = Buffer.of(LINE_END);

function olderOf(path: string): string {
  return `${path}.1`;
}

/** The start of the character that a position is in: bytes of the form 10xxxxxx go on. */
function characterStart(bytes: Buffer, position: number): number {
  for (let start = position; start > position - 4 && start > 0; start -= 1) {
    if (((bytes[start] ?? 0) & 0xc0) !== 0x80) return start;
  }
  return position;
}
