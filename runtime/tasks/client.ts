/**
 * The tasks that one process owns: numbered, packed into frames at the end of a turn, told to the
 * head until it has them, and to a new head again; results come over links that executors open.
 *
 * Invariants: a number is given when its task leaves for the first time, and never twice; a task is
 * open from its `submit` to its first outcome, wherever that comes from; a frame is kept while a
 * task of it is open. Nothing leaves before it is known who leads.
 * Long because a change of leaders concerns all that is under way at once.
 */
import * as v from "valibot";
import type { TaskType } from "../actor/registry.ts";
import { Deadlines, Fifo } from "../actor/queues.ts";
import { onAbort } from "../client/actors/signals.ts";
import type { HeadClient } from "../client/head-client.ts";
import type { Recipes } from "../client/objects/recipes.ts";
import { type Clock, every, processClock } from "../clock.ts";
import { errorFromData, errorWithoutStack, SystemError, toSystemError } from "../errors.ts";
import { ObjectRef } from "../frame/object-ref.ts";
import type { ProcessId } from "../ids.ts";
import type { Program } from "../messages.ts";
import type { ItemHandlers, ItemLink } from "../actor/items.ts";
import { Cancels } from "./cancels.ts";
import { type Near, OpenFrame, type TaskFrame } from "./frames.ts";
import { OpenTask, type TaskSpace } from "./handle.ts";
import { type LostObject, resultItem, TASK_ERROR, TASK_HEARD, TASK_VALUE } from "./items.ts";
import {
  SUBMIT_RETRY_MS,
  SUBMIT_RETRY_MS_MAX,
  SUBMITS_UNDER_WAY_MAX,
  TASK_NUMBER_MAX,
  TASKS_ALIVE_MS,
  TASKS_OPEN_MAX,
} from "./limits.ts";
import { type Kind, Kinds, NO_OPTIONS, type TaskOptions } from "./options.ts";
import { decodeArguments, encodeArguments, largestObject } from "./values.ts";
import type { TaskEnds, TaskGroup } from "./wire.ts";

export interface TaskClientOptions {
  readonly self: ProcessId;
  readonly head: Pick<HeadClient, "request" | "listen">;
  /** Whose share of the cluster its tasks take: its own process's unless given. */
  readonly job?: string;
  readonly clock?: Clock;
}

/** A deadline that is watched here too: no head may lead when it passes. */
class TaskDeadline {
  readonly task: OpenTask;
  readonly deadlineAtMs: number;
  isTimed = false;

  constructor(task: OpenTask, deadlineAtMs: number) {
    this.task = task;
    this.deadlineAtMs = deadlineAtMs;
  }

  get isOver(): boolean {
    return this.task.isOver;
  }
}

/** What `task-ends` is answered with: tasks of this owner that the head has. */
const openCount = v.object({ open: v.number() });

/** Ends that the head was told are here. */
interface Heard {
  readonly epoch: number;
  readonly life: number;
  readonly upTo: number;
}

/** A frame of which so small a part is open is packed anew. */
const FRAME_SHRINKS_AT = 4;

/** An epoch under which nothing leaves. */
const UNKNOWN = -1;
const FOREVER = { deadlineMs: Number.POSITIVE_INFINITY };

export class TaskClient implements TaskSpace {
  readonly self: ProcessId;
  /** How objects of pure tasks are made again; without it none are. */
  recipes: Recipes | undefined;
  readonly #head: TaskClientOptions["head"];
  readonly #job: string;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines<TaskDeadline>;
  /** Open tasks that have a number. */
  readonly #tasks = new Map<number, OpenTask>();
  /** Open tasks of which arguments were lost, while those are made again. */
  readonly #mending = new Set<OpenTask>();
  /** Open tasks in all. */
  #open = 0;
  /** Frames with an open task that were sealed. */
  readonly #frames = new Set<TaskFrame>();
  readonly #queue = new Fifo<TaskFrame>();
  /** Frames in the making, by kind. */
  readonly #making = new Map<string, OpenFrame>();
  readonly #kinds = new Kinds();
  readonly #cancels: Cancels;
  #isSealing = false;
  #nextNumber = 1;
  #underWay = 0;
  #epoch = 0;
  /** Ends that were taken of this epoch, and of which life of this owner there. */
  #endsUpTo = 0;
  #life = 0;
  #isSaying = false;
  /** Times that the head was told of ends. */
  #words = 0;
  #retryMs = SUBMIT_RETRY_MS;
  #pause: (() => void) | undefined;
  #alive: (() => void) | undefined;
  #closed: SystemError | undefined;

  constructor({ self, head, job, clock = processClock }: TaskClientOptions) {
    this.self = self;
    this.#head = head;
    this.#job = job ?? self;
    this.#clock = clock;
    this.#cancels = new Cancels(clock, (numbers, force) =>
      head.request({ op: "task-cancel", epoch: this.#epoch, numbers, force }, FOREVER),
    );
    this.#deadlines = new Deadlines(clock, ({ task }) => {
      this.#giveUp(task, new SystemError("DEADLINE_EXCEEDED", "the task's deadline passed"));
    });
    head.listen({
      onEpoch: (epoch) => this.#follow(epoch),
      onTaskEnds: (ends) => this.#takeEnds(ends),
    });
  }

  /** Tasks without an outcome. */
  get open(): number {
    return this.#open;
  }

  /**
   * One more task.
   * @throws {SystemError} USAGE, NOT_SERIALIZABLE, FRAME_TOO_LARGE, OVERLOADED over
   * TASKS_OPEN_MAX, or what it was closed with.
   */
  submit(
    program: Program,
    type: TaskType,
    args: readonly unknown[],
    options: TaskOptions = NO_OPTIONS,
  ): OpenTask {
    if (this.#closed !== undefined) throw this.#closed;
    if (this.#open >= TASKS_OPEN_MAX) {
      throw new SystemError("OVERLOADED", `${TASKS_OPEN_MAX} tasks of this process are open`);
    }
    if (this.#nextNumber > TASK_NUMBER_MAX) {
      throw new SystemError("OVERLOADED", `${TASK_NUMBER_MAX} tasks are of this process already`);
    }
    const kind = this.#kinds.of(program, type, options);
    const sent = this.recipes?.latestAmong(args) ?? args;
    const bytes = encodeArguments(sent);
    const task = new OpenTask(this);
    this.#open += 1;
    if (options !== NO_OPTIONS) this.#bound(task, options);
    if (task.isOver) return task;
    const frame = this.#frameFor(kind, bytes.length, options.deadlineMs);
    frame.add(task, bytes, bytes.length === 0 ? undefined : largestObject(sent));
    this.#alive ??= this.#stayAlive();
    if (this.#isSealing) return task;
    this.#isSealing = true;
    // At the end of the turn, with all others of it.
    queueMicrotask(() => this.#seal());
    return task;
  }

  /** Takes the results that come over a link. */
  accept(link: ItemLink): ItemHandlers {
    let received = 0;
    return {
      onItems: (items) => {
        for (const value of items) {
          const item = resultItem(value);
          const task = this.#tasks.get(item[1]);
          received += 1;
          if (item[0] === TASK_VALUE) {
            if (task !== undefined && item[2] instanceof ObjectRef) this.#noteObject(task, item[2]);
            task?.succeed(item[2]);
          } else if (item[0] === TASK_ERROR) task?.fail(errorWithoutStack(item[2]));
          else if (task !== undefined) this.#mend(task, item[2]);
        }
        if (link.isOpen) link.sendControl([TASK_HEARD, received]);
      },
      onReset: () => undefined,
    };
  }

  /** What it takes to run an open or just ended task of this process again. */
  recipeOf(task: OpenTask): { readonly group: TaskGroup; readonly args: Uint8Array } | undefined {
    const frame = task.frame as TaskFrame | undefined;
    const args = frame?.argumentsOf(task.number);
    return frame === undefined || args === undefined ? undefined : { group: frame.group, args };
  }

  /** An object of a pure task can be made again, under its id. */
  #noteObject(task: OpenTask, ref: ObjectRef): void {
    const recipe = this.recipes === undefined ? undefined : this.recipeOf(task);
    if (recipe?.group.pure !== true || ref.node === null) return;
    const args = recipe.args.slice();
    const group = { ...recipe.group, object: ref.id };
    this.recipes?.keep(ref, { bytes: args.length, again: () => this.#again(group, args) });
  }

  #again(group: TaskGroup, args: Uint8Array): Promise<unknown> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const task = new OpenTask(this);
    this.#open += 1;
    this.#alive ??= this.#stayAlive();
    const near = args.length === 0 ? undefined : largestObject(decodeArguments(args));
    this.#leave(task, this.#newFrame(group, Number.POSITIVE_INFINITY), args, near);
    return task.result;
  }

  /**
   * Objects among its arguments are gone, and it hasn't begun: those of this owner's pure tasks are
   * made again, then it leaves anew, under another number. One level deep: no task that makes an
   * object again is mended.
   */
  #mend(task: OpenTask, lost: readonly LostObject[]): void {
    const { recipes } = this;
    const { group, knew, deadlineAtMs } = task.frame as TaskFrame;
    const args = this.recipeOf(task)?.args.slice();
    const isOnce = group.object === undefined && args !== undefined;
    const hopeless = lost.find(([id]) => !isOnce || recipes?.canRebuild(id, knew) !== true);
    if (task.isCancelling) task.fail(new SystemError("CANCELLED", "the task was cancelled"));
    else if (hopeless !== undefined) task.fail(errorWithoutStack(hopeless[1]));
    if (task.isOver || recipes === undefined || args === undefined) return;
    this.#takeOut(task);
    this.#mending.add(task);
    Promise.all(lost.map(async ([id]) => await recipes.rebuildSince(id, knew)))
      .then(() => {
        if (!this.#mending.delete(task)) return;
        const now = recipes.latestAmong(decodeArguments(args));
        const frame = this.#newFrame(group, deadlineAtMs);
        this.#leave(task, frame, encodeArguments(now), largestObject(now));
      })
      .catch((thrown: unknown) => task.fail(toSystemError(thrown)));
  }

  /** A task that leaves alone. */
  #leave(task: OpenTask, frame: OpenFrame, args: Uint8Array, near: Near | undefined): void {
    frame.add(task, args, near);
    this.#sealOne(frame);
    this.#pump();
  }

  /** Fails all that is open and comes later. */
  close(error: SystemError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    this.#seal();
    for (const task of [...this.#tasks.values(), ...this.#mending]) task.fail(error);
    this.#queue.takeAll();
    this.#pause?.();
    this.#alive?.();
  }

  // What open tasks ask.

  number(): void {
    this.#seal();
  }

  async cancel(task: OpenTask, force: boolean): Promise<void> {
    if (task.number === 0) {
      // It hasn't left, or is to leave again: nobody else knows of it.
      task.fail(new SystemError("CANCELLED", "the task was cancelled"));
      return;
    }
    task.isCancelling = true;
    await this.#cancels.add(task.number, force);
  }

  closed(task: OpenTask): void {
    this.#open -= 1;
    this.#mending.delete(task);
    this.#forget(task);
    if (this.#open > 0) return;
    this.#alive?.();
    this.#alive = undefined;
  }

  /** Its number is nobody's any more. */
  #forget(task: OpenTask): void {
    if (task.number === 0) return;
    this.#tasks.delete(task.number);
    this.#cancels.forget(task.number);
    const frame = task.frame as TaskFrame | undefined;
    if (frame === undefined) return;
    frame.open -= 1;
    if (frame.open === 0) {
      this.#frames.delete(frame);
      frame.clear();
    } else if (frame.open <= frame.numbers.length / FRAME_SHRINKS_AT) {
      // What one that is long open keeps of its frame shrinks with it.
      frame.columns((number) => this.#tasks.has(number));
    }
  }

  /** An open task that is to leave again. */
  #takeOut(task: OpenTask): void {
    this.#forget(task);
    task.number = 0;
    task.frame = undefined;
  }

  #bound(task: OpenTask, { deadlineMs, signal }: TaskOptions): void {
    const deadline =
      deadlineMs === undefined ? undefined : new TaskDeadline(task, this.#clock.now() + deadlineMs);
    if (deadline !== undefined) this.#deadlines.add(deadline);
    const abort = (): void => {
      const reason: unknown = signal?.reason;
      const why = reason instanceof Error ? reason.message : String(reason);
      this.#giveUp(task, new SystemError("CANCELLED", why, {}, reason));
    };
    const unwatch = signal === undefined ? undefined : onAbort(signal, abort);
    task.release = () => {
      unwatch?.();
      if (deadline !== undefined) this.#deadlines.noteOver(deadline);
    };
    if (signal?.aborted === true) abort();
  }

  /** The owner wants no result any more, whether a head leads or not. */
  #giveUp(task: OpenTask, error: SystemError): void {
    if (task.number > 0) this.cancel(task, false).catch(() => undefined);
    task.fail(error);
  }

  #frameFor({ key, group }: Kind, bytes: number, deadlineMs: number | undefined): OpenFrame {
    const known = this.#making.get(key);
    if (known?.hasRoom(bytes) === true) return known;
    if (known !== undefined) this.#sealOne(known);
    const atMs = this.#clock.now() + (deadlineMs ?? Number.POSITIVE_INFINITY);
    const frame = this.#newFrame(group, atMs);
    this.#making.set(key, frame);
    return frame;
  }

  #newFrame(group: TaskGroup, deadlineAtMs: number): OpenFrame {
    return new OpenFrame(group, deadlineAtMs, this.recipes?.rebuilt);
  }

  #seal(): void {
    this.#isSealing = false;
    const all = [...this.#making.values()];
    this.#making.clear();
    for (const making of all) this.#sealOne(making);
    this.#pump();
  }

  #sealOne(making: OpenFrame): void {
    const frame = making.seal((task) => {
      task.number = this.#nextNumber;
      this.#nextNumber += 1;
      this.#tasks.set(task.number, task);
      return task.number;
    });
    if (frame === undefined) return;
    this.#frames.add(frame);
    this.#enqueue(frame);
  }

  #enqueue(frame: TaskFrame): void {
    if (frame.isQueued) return;
    frame.isQueued = true;
    this.#queue.push(frame);
  }

  /** Sends what waits, as far as it may. */
  #pump(): void {
    if (this.#closed !== undefined || this.#pause !== undefined) return;
    if (this.#epoch === 0) {
      if (this.#queue.length > 0) this.#say();
      return;
    }
    while (this.#underWay < SUBMITS_UNDER_WAY_MAX) {
      const frame = this.#queue.take();
      if (frame === undefined) return;
      frame.isQueued = false;
      if (frame.open > 0) void this.#send(frame);
    }
  }

  async #send(frame: TaskFrame): Promise<void> {
    const epoch = this.#epoch;
    const left = frame.deadlineAtMs - this.#clock.now();
    const again = frame.leftUnder !== 0 && frame.leftUnder !== epoch;
    frame.leftUnder = epoch;
    this.#underWay += 1;
    try {
      await this.#head.request(
        {
          op: "task-submit",
          epoch,
          job: this.#job,
          group: frame.group,
          deadlineMs: Number.isFinite(left) ? Math.max(0, left) : null,
          again,
          ...frame.columns((number) => this.#tasks.has(number)),
        },
        FOREVER,
      );
      frame.isAccepted = true;
      frame.acceptedAt = this.#words;
      this.#retryMs = SUBMIT_RETRY_MS;
      // Its head may have been replaced just now.
      if (epoch !== this.#epoch) this.#enqueue(frame);
    } catch (thrown) {
      this.#refused(frame, toSystemError(thrown));
    } finally {
      this.#underWay -= 1;
      this.#pump();
    }
  }

  #refused(frame: TaskFrame, error: SystemError): void {
    if (this.#closed !== undefined) return;
    if (error.code === "LEADER_CHANGED") {
      this.#enqueue(frame);
      // The same leader still: it has to be asked who leads.
      if (frame.leftUnder === this.#epoch) this.#wait();
    } else if (error.code === "OVERLOADED") {
      frame.isQueued = true;
      this.#queue.prepend([frame]);
      this.#wait();
    } else {
      for (const number of [...frame.numbers]) this.#tasks.get(number)?.fail(error);
    }
  }

  /** Nothing is sent for a while: the head has no room. */
  #wait(): void {
    if (this.#pause !== undefined) return;
    const stop = this.#clock.after(this.#retryMs, () => {
      this.#pause = undefined;
      this.#pump();
    });
    this.#pause = stop;
    this.#retryMs = Math.min(2 * this.#retryMs, SUBMIT_RETRY_MS_MAX);
  }

  /** Another head leads: it knows nothing of what an earlier one was told. */
  #follow(epoch: number): void {
    const isFirst = this.#epoch === 0;
    this.#epoch = epoch;
    this.#endsUpTo = 0;
    this.#life = 0;
    if (!isFirst) {
      // Those under way are refused or answered, and follow then.
      for (const frame of this.#frames) if (frame.isAccepted) this.#enqueue(frame);
    }
    this.#pump();
    this.#cancels.sayAgain();
  }

  /** Ends that the head decided. */
  #takeEnds({ epoch, life, from, numbers, which, errors }: TaskEnds): void {
    if (epoch !== this.#epoch || life < this.#life) return;
    // The head took this owner for gone, and knows it again.
    if (life > this.#life) [this.#life, this.#endsUpTo] = [life, 0];
    // Behind a gap nothing is taken: it comes again.
    if (from <= this.#endsUpTo + 1) {
      const isNew = this.#endsUpTo + 1 - from;
      for (let i = isNew; i < numbers.length; i++) {
        const error = errors[which[i] ?? 0];
        if (error !== undefined) this.#tasks.get(numbers[i] ?? 0)?.fail(errorFromData(error));
      }
      this.#endsUpTo = Math.max(this.#endsUpTo, from + numbers.length - 1);
    }
    this.#say();
  }

  /** Says which ends are here; the answer says who leads. One word at a time. */
  #say(): void {
    if (this.#isSaying || this.#closed !== undefined) return;
    this.#isSaying = true;
    this.#words += 1;
    const said = { epoch: this.#epoch, life: this.#life, upTo: this.#endsUpTo };
    // Numbers rise: the first one that is open is the lowest.
    const below = this.#tasks.keys().next().value ?? this.#nextNumber;
    this.#head.request({ op: "task-ends", ...said, below }, FOREVER).then(
      (answer) => this.#said(said, answer),
      () => this.#unsaid(),
    );
  }

  #said({ epoch, life, upTo }: Heard, answer: unknown): void {
    this.#isSaying = false;
    const { success, output } = v.safeParse(openCount, answer);
    if (success && output.open === 0 && epoch === this.#epoch) this.#sayAgain();
    const isOfIt = this.#epoch === epoch && this.#life === life;
    if (this.#epoch === epoch && !(isOfIt && this.#endsUpTo === upTo)) this.#say();
    else this.#pump();
  }

  /** Too many requests wait for the head: at once it would be refused again, for ever. */
  #unsaid(): void {
    this.#isSaying = false;
    if (this.#closed === undefined) this.#wait();
  }

  /** The head has nothing of what it took before it was asked: it took this owner for gone. */
  #sayAgain(): void {
    for (const frame of this.#frames) {
      if (!frame.isAccepted || frame.acceptedAt >= this.#words) continue;
      frame.leftUnder = UNKNOWN;
      this.#enqueue(frame);
    }
    this.#cancels.sayAgain();
  }

  /** While tasks are open: their owner is there, and hears who leads. */
  #stayAlive(): () => void {
    return every(this.#clock, TASKS_ALIVE_MS, () => this.#say());
  }
}
