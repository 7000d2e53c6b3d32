/** A task as its owner sees it: what `submit` gives back. */
import { SystemError } from "../errors.ts";
import { taskId } from "./wire.ts";
import type { ProcessId } from "../ids.ts";

/** A task that was submitted. It is a promise of the task's result, too. */
export interface TaskHandle<Result> extends PromiseLike<Result> {
  /**
   * What lists and `ligase explain task` call it by. Another one once it had to leave again,
   * because an argument was lost and made again.
   */
  readonly id: string;
  /** `waiting`: not with the head yet. `submitted`: waits for a worker there, or runs. */
  readonly state: "waiting" | "submitted" | "done" | "failed";
  /**
   * What the function returned. Rejects with APPLICATION and the text of what it threw, CANCELLED,
   * DEADLINE_EXCEEDED; ACTOR_DIED, OUT_OF_MEMORY or OUTCOME_UNKNOWN naming its worker when its
   * executor died and no retry was left; OBJECT_LOST for an argument that is gone.
   */
  readonly result: Promise<Result>;
  /**
   * Ends it: a task that waits doesn't begin, one that runs has its signal aborted. It is CANCELLED
   * when that is done, unless its result was quicker.
   *
   * @param options.force - ends its executor if it runs and doesn't stop.
   * @returns when the head has taken note, or the task is over.
   */
  cancel(options?: { readonly force?: boolean }): Promise<void>;
}

/** What an open task has of its owner. */
export interface TaskSpace {
  readonly self: ProcessId;
  /** Gives the tasks that were made in this turn their numbers. */
  number(): void;
  cancel(task: OpenTask, force: boolean): Promise<void>;
  /** The task is over. */
  closed(task: OpenTask): void;
}

/** Tasks of one frame share this; see `TaskFrame`. */
export interface FrameOfTasks {
  readonly isAccepted: boolean;
}

/** One of many: it holds what every task needs and makes the rest when it is asked for. */
export class OpenTask implements TaskHandle<unknown> {
  readonly #space: TaskSpace;
  /** 0 while it isn't in a frame that has left. */
  number = 0;
  /** Its owner asked for its end. */
  isCancelling = false;
  frame: FrameOfTasks | undefined;
  /** Takes its deadline or signal back. */
  release: (() => void) | undefined;
  isOver = false;
  #failed = false;
  /** The value or error once it is over. */
  #outcome: unknown;
  #promise: PromiseWithResolvers<unknown> | undefined;

  constructor(space: TaskSpace) {
    this.#space = space;
  }

  get id(): string {
    if (this.number === 0) this.#space.number();
    return taskId(this.#space.self, this.number);
  }

  get state(): TaskHandle<unknown>["state"] {
    if (this.isOver) return this.#failed ? "failed" : "done";
    return this.frame?.isAccepted === true ? "submitted" : "waiting";
  }

  get result(): Promise<unknown> {
    if (this.#promise === undefined) {
      this.#promise = Promise.withResolvers();
      if (this.isOver) this.#settle();
    }
    return this.#promise.promise;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- It is a promise of its result.
  then<One = unknown, Other = never>(
    onValue?: ((value: unknown) => One | PromiseLike<One>) | null,
    onError?: ((error: unknown) => Other | PromiseLike<Other>) | null,
  ): Promise<One | Other> {
    return this.result.then(onValue, onError);
  }

  async cancel({ force = false }: { readonly force?: boolean } = {}): Promise<void> {
    if (!this.isOver) await this.#space.cancel(this, force);
  }

  /** The first outcome counts; whether this was it. */
  succeed(value: unknown): boolean {
    return this.#close(false, value);
  }

  fail(error: SystemError): boolean {
    return this.#close(true, error);
  }

  #close(failed: boolean, outcome: unknown): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    this.#failed = failed;
    this.#outcome = outcome;
    this.release?.();
    this.release = undefined;
    this.#space.closed(this);
    this.frame = undefined;
    if (this.#promise !== undefined) this.#settle();
    return true;
  }

  #settle(): void {
    if (this.#failed) this.#promise?.reject(this.#outcome);
    else this.#promise?.resolve(this.#outcome);
  }
}
