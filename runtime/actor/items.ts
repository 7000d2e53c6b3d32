/**
 * What crosses a link between a caller and the process that hosts actors: tuples, whose first
 * element says what they are. They are checked by hand, because this is the hot path: a schema
 * costs more than packing and unpacking together.
 *
 * Each call gets exactly one OK, ERROR, END or GONE, also when it was cancelled: that gives its
 * credit back. A stream's ITEMs come before.
 */
import { type ErrorData, SystemError } from "../errors.ts";
import type { ProcessId } from "../ids.ts";
import { DEADLINE_MS_MAX, STREAM_WINDOW_ITEMS } from "../limits.ts";

// From the caller.
export const CALL = 0;
export const CALL_WITH = 1;
export const CANCEL = 2;
export const GRANT = 3;
export const SETTLED = 4;
// From the host.
export const OK = 8;
export const ERROR = 9;
export const ITEM = 10;
export const END = 11;
export const WINDOW = 12;
export const GONE = 13;

/** Names of the elements that hold users' values, for the paths in errors. */
export const ITEM_NAMES: readonly string[] = ["kind", "id", "value", "method", "args"];

/** What a call says beside its arguments. */
export interface CallExtras {
  /** Milliseconds that are left for it when it leaves. */
  readonly deadlineMs?: number;
  /** It may come again under its id; it then isn't to run again. */
  readonly retry?: boolean;
  /** A CANCEL may follow. */
  readonly cancellable?: boolean;
  /** It is a stream, and so many items may come before a GRANT. */
  readonly window?: number;
}

/** A call: its number rises with each call of the calling process. */
export type CallItem = readonly [
  typeof CALL,
  id: number,
  actorId: string,
  method: string,
  args: readonly unknown[],
];
export type CallWithItem = readonly [
  typeof CALL_WITH,
  id: number,
  actorId: string,
  method: string,
  args: readonly unknown[],
  extras: CallExtras,
];

/** From caller to host. */
export type HostItem =
  | CallItem
  | CallWithItem
  /** The caller wants no result any more. */
  | readonly [typeof CANCEL, id: number]
  /** So many more items of a stream were consumed. */
  | readonly [typeof GRANT, id: number, items: number]
  /** The caller has what came of these calls with retries: their replies may be forgotten. */
  | readonly [typeof SETTLED, ids: readonly number[]];

/** From host to caller. */
export type CallerItem =
  | readonly [typeof OK, id: number, value: unknown]
  | readonly [typeof ERROR, id: number, error: ErrorData]
  | readonly [typeof ITEM, id: number, value: unknown]
  | readonly [typeof END, id: number]
  /** So many calls of this link may be unanswered at an actor. */
  | readonly [typeof WINDOW, actorId: string, calls: number]
  /** The actor isn't here: ACTOR_DIED when the call never started, OUTCOME_UNKNOWN when it had. */
  | readonly [typeof GONE, id: number, error: ErrorData];

/** What this layer asks of a link; `Link` of runtime/link is one. */
export interface ItemLink {
  /** The process at the other end. */
  readonly other: ProcessId;
  readonly isOpen: boolean;
  /** Whether data would wait; `onReady` tells when no more. */
  readonly stalled: boolean;
  /**
   * Packs an item; the bytes it takes. One that is due isn't refused for what waits already.
   * @throws {SystemError} when it doesn't cross or fit.
   */
  send(item: unknown, isDue?: boolean): number;
  sendControl(item: unknown): void;
  keepAlive(pending: boolean): void;
  reset(error: SystemError): void;
}

/** What a link asks of this layer. */
export interface ItemHandlers {
  onItems(items: readonly unknown[]): void;
  onReset(error: SystemError, unsent: number): void;
  onReady?(): void;
}

/** An item that a host received, in its shape. @throws {SystemError} FRAME_INVALID. */
export function hostItem(value: unknown): HostItem {
  if (!Array.isArray(value)) throw invalid("not a tuple");
  const item = value as readonly unknown[];
  switch (item[0]) {
    case CALL:
      if (item.length !== 5) throw invalid("a call of another length");
      checkCall(item);
      break;
    case CALL_WITH:
      if (item.length !== 6) throw invalid("a call of another length");
      checkCall(item);
      checkExtras(item[5]);
      break;
    case CANCEL:
      if (item.length !== 2 || !isId(item[1])) throw invalid("a broken cancel");
      break;
    case GRANT:
      if (item.length !== 3 || !isId(item[1]) || !isId(item[2])) throw invalid("a broken grant");
      break;
    case SETTLED: {
      const ids = item[1];
      if (item.length !== 2 || !Array.isArray(ids) || !ids.every(isId)) {
        throw invalid("a broken list of settled calls");
      }
      break;
    }
    default:
      throw invalid("an unknown kind");
  }
  return item as HostItem;
}

/** An item that a caller received, in its shape. @throws {SystemError} FRAME_INVALID. */
export function callerItem(value: unknown): CallerItem {
  if (!Array.isArray(value)) throw invalid("not a tuple");
  const item = value as readonly unknown[];
  const length = item[0] === END ? 2 : 3;
  if (item.length !== length) throw invalid("an answer of another length");
  switch (item[0]) {
    case OK:
    case ITEM:
    case END:
      if (!isId(item[1])) throw invalid("an answer without a number");
      break;
    case ERROR:
    case GONE:
      if (!isId(item[1]) || !isErrorData(item[2])) throw invalid("a broken error");
      break;
    case WINDOW:
      if (typeof item[1] !== "string" || !isId(item[2])) throw invalid("a broken window");
      break;
    default:
      throw invalid("an unknown kind");
  }
  return item as CallerItem;
}

/** Whole numbers from 1 on that a number holds exactly: ids and counts. */
function isId(value: unknown): value is number {
  return typeof value === "number" && value >= 1 && Number.isSafeInteger(value);
}

function checkCall(item: readonly unknown[]): void {
  const isCall =
    isId(item[1]) &&
    typeof item[2] === "string" &&
    typeof item[3] === "string" &&
    Array.isArray(item[4]);
  if (!isCall) throw invalid("a broken call");
}

function checkExtras(value: unknown): void {
  if (!isPlain(value)) throw invalid("extras that are no object");
  const { deadlineMs, retry, cancellable, window } = value;
  const isDeadline =
    deadlineMs === undefined ||
    (typeof deadlineMs === "number" && deadlineMs >= 0 && deadlineMs <= DEADLINE_MS_MAX);
  if (!isDeadline) throw invalid("a deadline out of range");
  if (!isFlag(retry) || !isFlag(cancellable)) throw invalid("a flag that is none");
  const isWindow = window === undefined || (isId(window) && window <= STREAM_WINDOW_ITEMS);
  if (!isWindow) throw invalid("a window out of range");
}

function isFlag(value: unknown): boolean {
  return value === undefined || typeof value === "boolean";
}

/** Whether a received value is an error as it crosses. */
export function isErrorData(value: unknown): boolean {
  if (!isPlain(value)) return false;
  const { code, what, where } = value;
  if (typeof code !== "string" || typeof what !== "string" || !isPlain(where)) return false;
  return Object.values(where).every((field) => {
    return field === undefined || typeof field === "string" || typeof field === "number";
  });
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}

function invalid(what: string): SystemError {
  return new SystemError("FRAME_INVALID", `broken item: ${what}`);
}
