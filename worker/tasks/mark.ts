/**
 * How far an executor has come in its tasks: the position of the last one that it began, in a small
 * file, written before each begins. It outlives any end of the process: what an executor had begun
 * may have had effects, what it hadn't runs elsewhere for nothing. A write costs ~1.5 us.
 */
import { openSync, readFileSync, rmSync, writeSync } from "node:fs";

const BYTES = 8;

export class TaskMark {
  readonly #path: string;
  readonly #block = new Float64Array(1);
  readonly #bytes = new Uint8Array(this.#block.buffer);
  #file: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** The task at this position begins. @throws what the file system throws: it must not begin. */
  write(position: number): void {
    this.#file ??= openSync(this.#path, "w", 0o600);
    this.#block[0] = position;
    writeSync(this.#file, this.#bytes, 0, BYTES, 0);
  }
}

/** The position of the last task that an executor began; 0 before the first. */
export function readMark(path: string): number {
  try {
    const bytes = readFileSync(path);
    if (bytes.length < BYTES) return 0;
    return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true);
  } catch {
    return 0;
  }
}

/** Takes an ended executor's mark away. */
export function removeMark(path: string): void {
  rmSync(path, { force: true });
}
