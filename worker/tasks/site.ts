/**
 * The tasks in one executor, one at a time, in the order of their positions. A short synchronous
 * function is run as its turn comes, without a promise of its own; between slices of time the
 * process looks at its sockets.
 *
 * Invariants: a task's position is marked before it begins; it is said to be done only when its
 * owner has its result; each is answered once, or taken back.
 */
import { calls, turn } from "../../runtime/actor/context.ts";
import { asyncFunction, isThenable } from "../../runtime/actor/hosting/methods.ts";
import { Fifo } from "../../runtime/actor/queues.ts";
import { type LoadedProgram, taskOf } from "../../runtime/actor/registry.ts";
import { ArgumentsLost } from "../../runtime/client/objects/arguments.ts";
import type { Clock } from "../../runtime/clock.ts";
import { ERRORS, SystemError, toSystemError } from "../../runtime/errors.ts";
import { ObjectRef } from "../../runtime/frame/object-ref.ts";
import type { ProcessId } from "../../runtime/ids.ts";
import { TURN_SLICE_MS } from "../../runtime/limits.ts";
import type { Program } from "../../runtime/messages.ts";
import { TASK_ERROR, TASK_LOST, TASK_VALUE } from "../../runtime/tasks/items.ts";
import type { TaskSaid, TaskWork } from "../../runtime/tasks/orders.ts";
import { decodeArguments } from "../../runtime/tasks/values.ts";
import {
  TASK_ABORTED,
  TASK_DIED,
  TASK_DONE,
  TASK_FAILED,
  TASK_RETURNED,
  TASK_STARTED,
  TASK_THREW,
} from "../../runtime/tasks/wire.ts";
import { type OwnerPorts, Owners } from "./owners.ts";
import { type Batch, Running } from "./running.ts";
import { Sayings } from "./sayings.ts";

/** What tasks have of the objects of their node. */
export interface TaskObjects {
  /** What is put while it runs belongs to this job. */
  readonly inJob: <Value>(job: ProcessId, work: () => Value) => Value;
  /** Arguments with values in place of refs. */
  readonly resolve: (args: readonly unknown[]) => Promise<readonly unknown[]>;
  /** @param id - of a lost object that it is, made again. */
  readonly put: (value: unknown, job: ProcessId, id?: string) => Promise<ObjectRef>;
}

export interface TaskSitePorts extends Pick<OwnerPorts, "clock" | "open"> {
  readonly clock: Clock;
  /** The task at this position begins; throws when that can't be marked. */
  readonly mark: (position: number) => void;
  readonly say: (said: TaskSaid) => void;
  /** A program's module, with its cluster there; `gpus` may be used. */
  readonly load: (program: Program, gpus: readonly number[]) => Promise<LoadedProgram>;
  readonly objects: TaskObjects;
  /** Nothing is left to run. */
  readonly onRest: () => void;
}

const NOT_LOADED = { fn: undefined, error: undefined };

export class TaskSite {
  readonly #ports: TaskSitePorts;
  readonly #owners: Owners;
  readonly #queue = new Fifo<{ readonly batch: Batch; readonly from: number }>();
  /** The batch whose tasks are run, and the next one of it. */
  #batch: Batch | undefined;
  #next = 0;
  /** Positions that are not to begin. */
  readonly #taken = new Set<number>();
  #begun = 0;
  #last = 0;
  #running: Running | undefined;
  #isPumping = false;
  #isPaused = false;
  readonly #programs = new Map<string, LoadedProgram>();
  readonly #sayings: Sayings;

  constructor(ports: TaskSitePorts) {
    this.#ports = ports;
    const { clock, open, say } = ports;
    this.#sayings = new Sayings(say);
    this.#owners = new Owners({
      clock,
      open,
      onHeard: (position, isError) => this.#sayings.add(position, isError ? TASK_THREW : TASK_DONE),
      onLost: (position, error) => this.#sayings.add(position, TASK_DIED, error.toData()),
      onHeardAll: () => this.#sayings.flush(),
    });
  }

  run(work: TaskWork): void {
    const { clock } = this.#ports;
    const line = this.#owners.lineTo(work.owner);
    const deadlineAtMs = work.deadlineMs === null ? Infinity : clock.now() + work.deadlineMs;
    this.#queue.push({ batch: { work, line, deadlineAtMs, ...NOT_LOADED }, from: work.from });
    this.#last = work.from + work.numbers.length - 1;
    this.#pump();
  }

  /** Gives back what hasn't begun. */
  recall(positions: Uint32Array): void {
    for (const position of positions) {
      if (position <= this.#begun) this.#sayings.add(position, TASK_STARTED);
      else this.#takeBack(position, TASK_RETURNED);
    }
    this.#sayings.flush();
  }

  abort(position: number): void {
    const running = this.#running;
    if (running?.position === position) {
      running.isCancelled = true;
      running.abort(new SystemError("CANCELLED", "the task was cancelled"));
    } else if (position > this.#begun) this.#takeBack(position, TASK_ABORTED);
    this.#sayings.flush();
  }

  #takeBack(position: number, state: number): void {
    if (this.#taken.has(position) || position > this.#last) return;
    this.#taken.add(position);
    this.#sayings.add(position, state);
  }

  /** Runs what waits, as long as nothing has to be waited for. */
  readonly #pump = (): void => {
    if (this.#isPumping || this.#isPaused || this.#running !== undefined) return;
    this.#isPumping = true;
    const endMs = this.#ports.clock.now() + TURN_SLICE_MS;
    try {
      while (this.#step()) {
        if (this.#ports.clock.now() < endMs) continue;
        this.#isPaused = true;
        setImmediate(this.#resume);
        return;
      }
    } finally {
      this.#isPumping = false;
      this.#sayings.flushSoon();
    }
    if (this.#batch === undefined) this.#ports.onRest();
  };

  readonly #resume = (): void => {
    this.#isPaused = false;
    this.#pump();
  };

  /** One task; false when there is none, or something has to be waited for. */
  #step(): boolean {
    const batch = this.#batch ?? this.#nextBatch();
    if (batch === undefined) return false;
    const { work, line } = batch;
    const index = this.#next;
    const position = work.from + index;
    if (this.#taken.delete(position)) {
      this.#advance(batch);
      return true;
    }
    if (line.isStalled(this.#resume)) {
      this.#isPaused = true;
      return false;
    }
    if (batch.fn === undefined && batch.error === undefined && !this.#find(batch)) return false;
    this.#advance(batch);
    return this.#begin(new Running(this.#ports.clock, batch, index, position));
  }

  #nextBatch(): Batch | undefined {
    this.#batch = this.#queue.take()?.batch;
    this.#next = 0;
    return this.#batch;
  }

  #advance({ work }: Batch): void {
    this.#next += 1;
    if (this.#next === work.numbers.length) this.#batch = undefined;
  }

  /** The batch's function, if its program is loaded; else it is fetched, and this goes on then. */
  #find(batch: Batch): boolean {
    const { program, task } = batch.work.group;
    const loaded = this.#programs.get(program.url);
    if (loaded !== undefined) {
      try {
        batch.fn = taskOf(loaded, task).fn;
      } catch (thrown) {
        batch.error = toSystemError(thrown);
      }
      return true;
    }
    this.#isPaused = true;
    this.#ports.load(program, batch.work.gpus).then(
      (found) => {
        this.#programs.set(program.url, found);
        this.#resume();
      },
      (thrown: unknown) => {
        batch.error = toSystemError(thrown);
        this.#resume();
      },
    );
    return false;
  }

  /** @returns whether it is over. */
  #begin(running: Running): boolean {
    const { batch, position } = running;
    try {
      this.#ports.mark(position);
    } catch (thrown) {
      this.#sayings.add(position, TASK_FAILED, toSystemError(thrown).toData());
      return true;
    }
    this.#begun = position;
    if (batch.deadlineAtMs <= running.startMs) {
      this.#fail(running, late());
      return true;
    }
    let value: unknown;
    try {
      const args = this.#argumentsOf(running);
      value = args.some(isRef) ? this.#withValues(running, args) : this.#call(running, args);
      if (batch.work.group.result === "object") value = this.#put(running, value);
      // Looking at what the function returned may run more of the user's code.
      if (isThenable(value)) {
        this.#wait(running, value);
        return false;
      }
    } catch (thrown) {
      this.#fail(running, running.failure(thrown));
      return true;
    }
    this.#succeed(running, value);
    return true;
  }

  #argumentsOf({ batch, index }: Running): readonly unknown[] {
    const { ends, args } = batch.work;
    return decodeArguments(args.subarray(index === 0 ? 0 : ends[index - 1], ends[index]));
  }

  async #withValues(running: Running, args: readonly unknown[]): Promise<unknown> {
    const { owner } = running;
    const values = await this.#ports.objects.inJob(owner, () => this.#ports.objects.resolve(args));
    return await this.#call(running, values);
  }

  async #put(running: Running, value: unknown): Promise<ObjectRef> {
    const { object } = running.batch.work.group;
    const made = await value;
    // That there is no room is not the function's doing.
    running.isUsers = false;
    return await this.#ports.objects.put(made, running.owner, object);
  }

  #call(running: Running, args: readonly unknown[]): unknown {
    const { fn, error } = running.batch;
    if (fn === undefined) throw error ?? new SystemError("INTERNAL", "a task without its function");
    running.isUsers = true;
    const invoke = (): unknown => Reflect.apply(fn, undefined, args);
    if (Object.getPrototypeOf(fn) === asyncFunction) {
      return calls.run(running, () => this.#ports.objects.inJob(running.owner, invoke));
    }
    const before = turn.source;
    turn.source = running;
    try {
      return this.#ports.objects.inJob(running.owner, invoke);
    } finally {
      turn.source = before;
    }
  }

  #wait(running: Running, value: PromiseLike<unknown>): void {
    this.#running = running;
    const { clock } = this.#ports;
    const { deadlineAtMs } = running.batch;
    const leftMs = deadlineAtMs - running.startMs;
    const stop = Number.isFinite(leftMs)
      ? clock.after(leftMs, () => running.abort(late()))
      : undefined;
    const over = (settle: () => void): void => {
      stop?.();
      this.#running = undefined;
      settle();
      this.#pump();
    };
    Promise.resolve(value).then(
      (settled) => over(() => this.#succeed(running, settled)),
      (thrown: unknown) => over(() => this.#fail(running, running.failure(thrown))),
    );
  }

  #succeed(running: Running, value: unknown): void {
    this.#count(running);
    const { batch, position, number } = running;
    batch.line.send(position, [TASK_VALUE, number, value]);
  }

  #fail(running: Running, error: SystemError): void {
    this.#count(running);
    const { batch, position, number } = running;
    if (running.isCancelled) {
      this.#sayings.add(position, TASK_ABORTED);
      return;
    }
    if (error instanceof ArgumentsLost && !running.isUsers) {
      batch.line.send(position, [TASK_LOST, number, error.lost]);
      return;
    }
    // What another attempt may mend is the head's business; the owner hears of all else here.
    const { retryErrors } = batch.work.group;
    const mayMend = running.isUsers ? retryErrors : ERRORS[error.code].retry !== "never";
    if (mayMend && error.code !== "DEADLINE_EXCEEDED") {
      this.#sayings.add(position, TASK_FAILED, error.toData());
    } else batch.line.send(position, [TASK_ERROR, number, error.toData()]);
  }

  #count({ startMs }: Running): void {
    this.#sayings.count(1_000 * (this.#ports.clock.now() - startMs));
  }
}

function isRef(value: unknown): boolean {
  return value instanceof ObjectRef;
}

function late(): SystemError {
  return new SystemError("DEADLINE_EXCEEDED", "the task's deadline passed");
}
