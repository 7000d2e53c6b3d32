/** Objects as arguments and results of calls that the head places. */
import { SystemError } from "../../errors.ts";
import { ObjectRef } from "../../frame/object-ref.ts";
import type { ProcessId } from "../../ids.ts";
import { LOST_TOLD_MAX } from "../../objects/limits.ts";
import type { LostObject } from "../../tasks/items.ts";
import type { ObjectGetOptions, Objects } from "./objects.ts";

/** Nothing but the loss of objects keeps a function from its arguments: their owner may help. */
export class ArgumentsLost extends SystemError {
  readonly lost: readonly LostObject[];

  constructor(first: SystemError, lost: readonly LostObject[]) {
    super("OBJECT_LOST", first.what, first.where, first);
    this.lost = lost;
  }
}

/**
 * Arguments as the function gets them: a top-level ref as its object's value; a nested one stays.
 * All are tried, so that those that are lost are known together.
 * @throws {SystemError} as `Objects.get`; ArgumentsLost when that is all there is to throw.
 */
export async function resolveArguments(
  objects: Pick<Objects, "get">,
  args: readonly unknown[],
  options: ObjectGetOptions = {},
): Promise<unknown[]> {
  const settled = await Promise.allSettled(
    args.map((arg) => (arg instanceof ObjectRef ? objects.get(arg, options) : arg)),
  );
  const lost = new Map<string, SystemError>();
  const values = settled.map((one, index) => {
    if (one.status === "fulfilled") return one.value;
    const [ref, reason] = [args[index], one.reason as unknown];
    const isLoss = reason instanceof SystemError && reason.code === "OBJECT_LOST";
    if (!isLoss || !(ref instanceof ObjectRef)) throw reason;
    lost.set(ref.id, reason);
    return undefined;
  });
  const [first] = lost.values();
  if (first === undefined) return values;
  const told = [...lost].slice(0, LOST_TOLD_MAX);
  throw new ArgumentsLost(
    first,
    told.map(([id, error]) => [id, error.toData()]),
  );
}

/**
 * A result put at the node where it was made; one that is a ref already is passed on.
 * @param job - the owner's. @param id - of a lost object that it is, made again.
 * @throws {SystemError} as `Objects.put`.
 */
export async function putResult(
  objects: Objects,
  value: unknown,
  job: ProcessId,
  id?: string,
): Promise<ObjectRef> {
  if (value instanceof ObjectRef) return value;
  return await objects.inJob(job, () => objects.put(value, {}, id));
}

/** Refs that a call's arguments name themselves, for who places it near them. */
export function refsAmong(args: readonly unknown[]): ObjectRef[] {
  return args.filter((arg) => arg instanceof ObjectRef);
}
