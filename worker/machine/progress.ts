/**
 * Which batch an executor is at: one small file each, written in place before every call of its
 * stage and blank between them. What was written outlives any end of the process, where a message
 * might still be in it; a write costs ~2 us, and nobody reads it unless the executor dies or may be
 * stuck.
 */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import * as v from "valibot";
import { BATCH_LOOK_MS } from "../../runtime/limits.ts";
import type { BatchPlace } from "../../runtime/messages.ts";
import type { TaskBatch } from "../core/state.ts";

/** Bytes of the file: one block of any file system, so that a process's end never tears it. */
const PROGRESS_BYTES = 512;

/** Looks within a limit, so that none is passed by much. */
const LOOKS_PER_LIMIT = 8;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const progressSchema = v.tuple([v.string(), count, count, count]);

/** Says where an executor is; says nothing when there is no file for it. */
export class ProgressFile {
  readonly #path: string;
  readonly #block = Buffer.alloc(PROGRESS_BYTES, " ");
  #file: number | undefined;
  #used = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Null: at no batch. */
  write(task: string, attempt: number, place: BatchPlace | null): void {
    const text = place === null ? "" : JSON.stringify([task, attempt, place.first, place.records]);
    if (text.length > PROGRESS_BYTES) return;
    this.#block.fill(" ", 0, this.#used);
    this.#used = this.#block.write(text, "latin1");
    try {
      this.#file ??= openSync(this.#path, "w", 0o600);
      writeSync(this.#file, this.#block, 0, PROGRESS_BYTES, 0);
    } catch {
      // A full disk: then its death counts as one outside of any batch.
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

/** Where an executor is, or was at its end; undefined when at no batch. */
export function readProgress(path: string): TaskBatch | undefined {
  try {
    const said = v.safeParse(progressSchema, JSON.parse(readFileSync(path, "latin1")));
    if (!said.success) return undefined;
    const [task, attempt, first, records] = said.output;
    return { task, attempt, first, records };
  } catch {
    return undefined;
  }
}

/** Takes an ended executor's file away. */
export function removeProgress(path: string): void {
  rmSync(path, { force: true });
}

/** How long executors have been at their batch, by what was seen of it. */
export class BatchWatch {
  /** Limits by task, in milliseconds; 0 = none. */
  readonly #limits = new Map<string, number>();
  #at: TaskBatch | undefined;
  /** Milliseconds for which it has been seen there. */
  #ms = 0;
  #lookedMs = 0;

  /** An attempt was given out with this limit. */
  limit(task: string, limitMs: number): void {
    this.#limits.set(task, limitMs);
  }

  /** An attempt is over. */
  forget(task: string): void {
    this.#limits.delete(task);
  }

  /**
   * One more look, when one is due.
   * @returns the limit, in milliseconds, when the batch is over it.
   */
  look(nowMs: number, read: () => TaskBatch | undefined): number | undefined {
    if (this.#limits.size === 0 || nowMs - this.#lookedMs < this.#everyMs()) return undefined;
    const pastMs = nowMs - this.#lookedMs;
    this.#lookedMs = nowMs;
    const at = read();
    const isSame = at !== undefined && sameBatch(at, this.#at);
    this.#at = at;
    // Time that this process itself slept is nobody's.
    this.#ms = isSame ? this.#ms + Math.min(pastMs, 2 * BATCH_LOOK_MS) : 0;
    const limitMs = at === undefined ? 0 : (this.#limits.get(at.task) ?? 0);
    return limitMs > 0 && this.#ms >= limitMs ? limitMs : undefined;
  }

  #everyMs(): number {
    const limited = [...this.#limits.values()].filter((limitMs) => limitMs > 0);
    return Math.min(BATCH_LOOK_MS, ...limited.map((limitMs) => limitMs / LOOKS_PER_LIMIT));
  }
}

function sameBatch(one: TaskBatch, other: TaskBatch | undefined): boolean {
  if (one.task !== other?.task || one.attempt !== other.attempt) return false;
  return one.first === other.first && one.records === other.records;
}
