/** Tasks over a sequence: items are taken as results leave, so that memory is bounded. */
import type { TaskFunction } from "../actor/registry.ts";
import { mapSettled, type Settled } from "../client/actors/map.ts";
import type { ObjectRef } from "../frame/object-ref.ts";
import type { TaskHandle } from "./handle.ts";
import { MAP_TASKS_AHEAD, TASKS_OPEN_MAX } from "./limits.ts";
import type { TaskMapOptions, TaskOptions } from "./options.ts";
import { checkCount } from "../usage.ts";

type OrRefs<Args extends readonly unknown[]> = {
  [Index in keyof Args]: Args[Index] | ObjectRef;
};

/** What a function takes as a task: an ObjectRef in place of a value arrives as that value. */
export type TaskArgs<Fn extends TaskFunction> = OrRefs<Parameters<Fn>>;

/** What the handle of a function's task gives. */
export type TaskResult<Fn extends TaskFunction> = Awaited<ReturnType<Fn>>;

/**
 * What came of each item's task, failures included.
 * @throws {SystemError} USAGE; CANCELLED; what `items` throws.
 */
export async function* mapTasks<Fn extends TaskFunction>(
  items: Iterable<TaskArgs<Fn>[0]> | AsyncIterable<TaskArgs<Fn>[0]>,
  { ordered = true, inFlight = MAP_TASKS_AHEAD, signal, ...options }: TaskMapOptions,
  submit: (item: TaskArgs<Fn>[0], options: TaskOptions) => TaskHandle<TaskResult<Fn>>,
): AsyncGenerator<Settled<TaskResult<Fn>>, void, void> {
  checkCount("inFlight", inFlight, 1, TASKS_OPEN_MAX);
  yield* mapSettled(items, {
    call: (item: TaskArgs<Fn>[0], ending) => submit(item, { ...options, signal: ending }).result,
    bound: () => inFlight,
    ordered,
    signal,
  });
}
