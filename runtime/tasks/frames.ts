/**
 * Tasks of one group that leave together. The bytes of their arguments stay here until the last of
 * them is over: a new head may have to hear of them again.
 */
import type { Identity } from "../ids.ts";
import type { FrameOfTasks, OpenTask } from "./handle.ts";
import { SUBMIT_BYTES_MAX, SUBMIT_NEAR_MAX, SUBMIT_TASKS_MAX } from "./limits.ts";
import type { TaskGroup, TaskSubmit } from "./wire.ts";

/** Where a task's largest object is. */
export interface Near {
  readonly worker: string;
  readonly bytes: number;
}

const NONE = new Uint32Array(0);
const NO_BYTES = new Uint8Array(0);

/** Tasks that are being made; they get their numbers when the frame is sealed. */
export class OpenFrame {
  readonly group: TaskGroup;
  /** On the owner's clock; Infinity without one. */
  readonly deadlineAtMs: number;
  /** Objects that had been made again when its arguments were packed: see `Recipes`. */
  readonly knew: number;
  readonly #tasks: OpenTask[] = [];
  readonly #args: Uint8Array[] = [];
  readonly #near = new Map<number, Near>();
  #bytes = 0;

  constructor(group: TaskGroup, deadlineAtMs: number, knew = 0) {
    this.group = group;
    this.deadlineAtMs = deadlineAtMs;
    this.knew = knew;
  }

  /** Whether one more task has room. */
  hasRoom(bytes: number): boolean {
    const n = this.#tasks.length;
    if (this.#near.size >= SUBMIT_NEAR_MAX) return false;
    return n === 0 || (n < SUBMIT_TASKS_MAX && this.#bytes + bytes <= SUBMIT_BYTES_MAX);
  }

  add(task: OpenTask, args: Uint8Array, near: Near | undefined): void {
    if (near !== undefined) this.#near.set(this.#tasks.length, near);
    this.#tasks.push(task);
    this.#args.push(args);
    this.#bytes += args.length;
  }

  /**
   * The frame of those that are still wanted; undefined when none is.
   * @param number - gives a task its number.
   */
  seal(number: (task: OpenTask) => number): TaskFrame | undefined {
    const wanted = this.#tasks.length;
    const numbers = new Uint32Array(wanted);
    const ends = new Uint32Array(wanted);
    const args = new Uint8Array(this.#bytes);
    const near: { index: number; worker: Identity; bytes: number }[] = [];
    const kept: OpenTask[] = [];
    let at = 0;
    this.#tasks.forEach((task, i) => {
      if (task.isOver) return;
      const bytes = this.#args[i] ?? NO_BYTES;
      args.set(bytes, at);
      at += bytes.length;
      const index = kept.length;
      numbers[index] = number(task);
      ends[index] = at;
      const place = this.#near.get(i);
      if (place !== undefined) {
        near.push({ index, worker: place.worker as Identity, bytes: place.bytes });
      }
      kept.push(task);
    });
    const n = kept.length;
    if (n === 0) return undefined;
    const all = { numbers: numbers.subarray(0, n), ends: ends.subarray(0, n) };
    const frame = new TaskFrame(this, { ...all, args: args.subarray(0, at), near });
    for (const task of kept) task.frame = frame;
    return frame;
  }
}

type Columns = Pick<TaskSubmit, "numbers" | "ends" | "args" | "near">;

export class TaskFrame implements FrameOfTasks {
  readonly group: TaskGroup;
  readonly deadlineAtMs: number;
  readonly knew: number;
  /** Tasks of it that aren't over. */
  open: number;
  /** The head has it. */
  isAccepted = false;
  /** It waits to be sent. */
  isQueued = false;
  /** Epoch under which it left last; 0 before it has. */
  leftUnder = 0;
  /** Words that the owner had said to the head when it was accepted. */
  acceptedAt = 0;
  #columns: Columns;

  constructor({ group, deadlineAtMs, knew }: OpenFrame, columns: Columns) {
    this.group = group;
    this.deadlineAtMs = deadlineAtMs;
    this.knew = knew;
    this.#columns = columns;
    this.open = columns.numbers.length;
  }

  get numbers(): Uint32Array {
    return this.#columns.numbers;
  }

  /** What a head is to hear of: those that are open. */
  columns(isOpen: (number: number) => boolean): Columns {
    const { numbers, ends, args, near } = this.#columns;
    if (this.open === numbers.length) return this.#columns;
    const kept: number[] = [];
    numbers.forEach((number, index) => {
      if (isOpen(number)) kept.push(index);
    });
    const slices = kept.map((i) => args.subarray(i === 0 ? 0 : ends[i - 1], ends[i]));
    const places = new Map(near.map((place) => [place.index, place]));
    let at = 0;
    const left: Columns = {
      numbers: Uint32Array.from(kept, (i) => numbers[i] ?? 0),
      ends: Uint32Array.from(slices, (slice) => (at += slice.length)),
      args: joined(slices),
      near: kept.flatMap((i, index) => {
        const place = places.get(i);
        return place === undefined ? [] : [{ ...place, index }];
      }),
    };
    this.#columns = left;
    return left;
  }

  /** The arguments of one task; undefined for one that isn't in it. */
  argumentsOf(number: number): Uint8Array | undefined {
    const { numbers, ends, args } = this.#columns;
    const index = numbers.indexOf(number);
    if (index === -1) return undefined;
    return args.subarray(index === 0 ? 0 : ends[index - 1], ends[index]);
  }

  /** Nothing of it is needed any more. */
  clear(): void {
    this.#columns = { numbers: NONE, ends: NONE, args: NO_BYTES, near: [] };
  }
}

/** In memory of its own: what a pool lends keeps all of the pool. */
function joined(slices: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(slices.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const slice of slices) {
    all.set(slice, at);
    at += slice.length;
  }
  return all;
}
