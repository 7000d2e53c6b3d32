/**
 * What the link between a task's executor and its owner carries. The executor opens it and sends
 * results; the owner says how many it has. The first field says what an item is; no item of calls
 * begins with such a number.
 */
import { type ErrorData, SystemError } from "../errors.ts";
import { isErrorData } from "../actor/items.ts";

/** What the function returned; of a task whose result is an object, its ref. */
export const TASK_VALUE = 20;
/** What it threw. */
export const TASK_ERROR = 21;
/** From the owner: it has so many results of this link. */
export const TASK_HEARD = 22;
/** Objects among its arguments are gone, and it hasn't begun. */
export const TASK_LOST = 23;

/** An object that is gone, and who ended it when. */
export type LostObject = readonly [id: string, error: ErrorData];

export type ResultItem =
  | readonly [typeof TASK_VALUE, number: number, value: unknown]
  | readonly [typeof TASK_ERROR, number: number, error: ErrorData]
  | readonly [typeof TASK_LOST, number: number, lost: readonly LostObject[]];

/** Whether a link whose first item this is brings results of tasks. */
export function isResult(item: unknown): boolean {
  const [what] = Array.isArray(item) ? item : [];
  return what === TASK_VALUE || what === TASK_ERROR || what === TASK_LOST;
}

/** A result that an owner received, in its shape. @throws {SystemError} FRAME_INVALID. */
export function resultItem(value: unknown): ResultItem {
  if (!Array.isArray(value) || value.length !== 3 || !isCount(value[1])) throw broken();
  const [what, , content] = value as unknown[];
  const isGood =
    what === TASK_VALUE ||
    (what === TASK_ERROR && isErrorData(content)) ||
    (what === TASK_LOST && Array.isArray(content) && content.length > 0 && content.every(isLost));
  if (!isGood) throw broken();
  return value as unknown as ResultItem;
}

/** How many results the owner has, as it says. @throws {SystemError} FRAME_INVALID. */
export function heardItem(value: unknown): number {
  if (!Array.isArray(value) || value.length !== 2) throw broken();
  if (value[0] !== TASK_HEARD || !isCount(value[1])) throw broken();
  return value[1];
}

function isLost(value: unknown): boolean {
  return Array.isArray(value) && typeof value[0] === "string" && isErrorData(value[1]);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && value >= 1 && Number.isSafeInteger(value);
}

function broken(): SystemError {
  return new SystemError("FRAME_INVALID", "a broken item of a task's result");
}
