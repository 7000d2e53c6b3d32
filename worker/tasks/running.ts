/** A task under way in an executor, as `callContext` tells of it, and those that came with it. */
import type { CallContext, ContextSource } from "../../runtime/actor/context.ts";
import type { TaskFunction } from "../../runtime/actor/registry.ts";
import type { Clock } from "../../runtime/clock.ts";
import { type SystemError, toSystemError } from "../../runtime/errors.ts";
import type { ProcessId } from "../../runtime/ids.ts";
import type { TaskWork } from "../../runtime/tasks/orders.ts";
import { taskId } from "../../runtime/tasks/wire.ts";
import type { OwnerLine } from "./owners.ts";

/** Tasks that came together. */
export interface Batch {
  readonly work: TaskWork;
  readonly line: OwnerLine;
  readonly deadlineAtMs: number;
  /** Known once its program is loaded; or why it never is. */
  fn: TaskFunction | undefined;
  error: SystemError | undefined;
}

/** One task, from its mark to its outcome. */
export class Running implements ContextSource {
  readonly batch: Batch;
  readonly index: number;
  readonly position: number;
  readonly startMs: number;
  readonly #clock: Clock;
  #abort: AbortController | undefined;
  #why: SystemError | undefined;
  isCancelled = false;
  /** What fails from now on is the function's doing. */
  isUsers = false;

  constructor(clock: Clock, batch: Batch, index: number, position: number) {
    this.#clock = clock;
    this.batch = batch;
    this.index = index;
    this.position = position;
    this.startMs = clock.now();
  }

  /** Whose the objects are that it puts. */
  get owner(): ProcessId {
    return this.batch.work.owner.process as ProcessId;
  }

  get number(): number {
    return this.batch.work.numbers[this.index] ?? 0;
  }

  get context(): CallContext {
    const { deadlineAtMs } = this.batch;
    this.#abort ??= new AbortController();
    if (this.#why !== undefined) this.#abort.abort(this.#why);
    return {
      signal: this.#abort.signal,
      remainingMs: Math.max(0, deadlineAtMs - this.#clock.now()),
      caller: this.owner,
      actorId: taskId(this.owner, this.number),
    };
  }

  abort(error: SystemError): void {
    this.#why ??= error;
    this.#abort?.abort(error);
  }

  /** What it throws after its deadline is the deadline's error. */
  failure(thrown: unknown): SystemError {
    return this.#why ?? toSystemError(thrown, "APPLICATION");
  }
}
