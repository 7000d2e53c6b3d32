/**
 * One call of this process: where it stands between its promise, its queue and its link, and how
 * it fails.
 */
import { SystemError } from "../../errors.ts";
import { decodeFrame, encodeFrame } from "../../frame/codec.ts";
import { LANE_DATA, type PrefixFields } from "../../frame/prefix.ts";
import { PROCESS_NONE } from "../../ids.ts";
import { DEADLINE_MS_MAX, RETRIES_MAX, STREAM_WINDOW_ITEMS } from "../../limits.ts";
import type { Clock } from "../../clock.ts";
import { CALL, CALL_WITH, type CallExtras, type CallItem, type CallWithItem } from "../items.ts";
import type { Timed } from "../queues.ts";
import type { Port } from "./port.ts";
import type { RemoteStream } from "./stream.ts";

/** How a call is to be made. */
export interface CallOptions {
  /** Aborted: the call rejects CANCELLED at once, and the method's own signal is aborted. */
  readonly signal?: AbortSignal;
  /** Milliseconds for the call, its wait included; then it rejects DEADLINE_EXCEEDED. */
  readonly deadlineMs?: number;
  /**
   * How often it may be sent again when the actor or the way to it is lost: a new life of the actor
   * may run it again, the same life doesn't. 0 unless said.
   */
  readonly retries?: number;
}

/** Names of the fields of CallOptions. */
export const CALL_OPTIONS: readonly (keyof CallOptions)[] = ["signal", "deadlineMs", "retries"];

/** The two functions of a promise. */
export interface Settler {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: SystemError) => void;
}

/** Invariant: `isOver` from the moment its promise settled; nothing is told to it after. */
export class Call implements Timed {
  readonly id: number;
  readonly port: Port;
  readonly #settler: Settler | undefined;
  /** Kept while it may have to be sent again, else let go when it is sent. */
  method: string;
  args: readonly unknown[] | undefined;
  isOver = false;
  isTimed = false;
  deadlineAtMs = Infinity;
  signal: AbortSignal | undefined = undefined;
  isRetry = false;
  retriesLeft = 0;
  /** Its place among the items of its link; 0 while it is on none. */
  ordinal = 0;
  /** It left this process once: it may have run. */
  mayHaveRun = false;
  /** Where its items go, if it is a stream. */
  stream: RemoteStream | undefined = undefined;
  /** Items of it have come: it can't start again, and it holds no credit. */
  hasItems = false;

  /** @param settler - of its promise, unless it is a stream. */
  constructor(id: number, port: Port, method: string, args: unknown[], settler?: Settler) {
    this.id = id;
    this.port = port;
    this.method = method;
    this.args = args;
    this.#settler = settler;
  }

  succeed(value: unknown): void {
    this.isOver = true;
    this.args = undefined;
    if (this.stream === undefined) this.#settler?.resolve(value);
    else this.stream.finish();
  }

  /** @param atOnce - a stream's items that came before aren't wanted either. */
  fail(error: SystemError, atOnce: boolean): void {
    this.isOver = true;
    this.args = undefined;
    if (this.stream === undefined) this.#settler?.reject(error);
    else this.stream.fail(error, atOnce);
  }

  /** As it crosses now. */
  item(clock: Clock): CallItem | CallWithItem {
    const { id, method, args = [] } = this;
    const { actorId } = this.port;
    const isCancellable = this.signal !== undefined || this.deadlineAtMs !== Infinity;
    if (!isCancellable && !this.isRetry && this.stream === undefined) {
      return [CALL, id, actorId, method, args];
    }
    const extras: { -readonly [Key in keyof CallExtras]: CallExtras[Key] } = {};
    if (this.deadlineAtMs !== Infinity) {
      extras.deadlineMs = Math.max(0, this.deadlineAtMs - clock.now());
    }
    if (this.isRetry) extras.retry = true;
    if (isCancellable || this.stream !== undefined) extras.cancellable = true;
    if (this.stream !== undefined) extras.window = STREAM_WINDOW_ITEMS;
    return [CALL_WITH, id, actorId, method, args, extras];
  }
}

/** @throws {SystemError} USAGE for options out of range. */
export function checkOptions({ deadlineMs = 1, retries = 0 }: CallOptions): void {
  if (!(deadlineMs >= 0 && deadlineMs <= DEADLINE_MS_MAX)) {
    throw new SystemError("USAGE", `deadlineMs is 0 to ${DEADLINE_MS_MAX}, not ${deadlineMs}`);
  }
  if (!(Number.isInteger(retries) && retries >= 0 && retries <= RETRIES_MAX)) {
    throw new SystemError("USAGE", `retries is 0 to ${RETRIES_MAX}, not ${retries}`);
  }
}

const NOWHERE: PrefixFields = {
  ...{ lane: LANE_DATA, flags: 0, link: 0, sequence: 0, ack: 0 },
  ...{ destination: PROCESS_NONE, source: PROCESS_NONE },
};

/**
 * Arguments as they are now, for a call that leaves later: what the caller does to them doesn't
 * cross. @throws {SystemError} NOT_SERIALIZABLE or FRAME_TOO_LARGE, as sending would.
 */
export function snapshot(args: unknown[]): readonly unknown[] {
  if (args.every((arg) => typeof arg !== "object" || arg === null)) return args;
  const { value } = decodeFrame(encodeFrame(NOWHERE, { args }));
  return (value as { readonly args: readonly unknown[] }).args;
}

/** The caller's signal was aborted. */
export function cancelled(actorId: string, reason: unknown): SystemError {
  return new SystemError("CANCELLED", "the call's signal was aborted", { actorId }, reason);
}

export function deadlineExceeded(actorId: string): SystemError {
  return new SystemError("DEADLINE_EXCEEDED", "the call's deadline passed", { actorId });
}

/** For a call that left, of which no answer will come. Its cause is always ACTOR_DIED. */
export function outcomeUnknown(actorId: string, cause: SystemError): SystemError {
  const died = cause.code === "ACTOR_DIED" ? cause : neverSent(actorId, cause);
  const where = { ...cause.where, actorId };
  return new SystemError(
    "OUTCOME_UNKNOWN",
    "the actor was lost while it had the call",
    where,
    died,
  );
}

/** For a call that never left. */
export function neverSent(actorId: string, cause: SystemError): SystemError {
  const where = { ...cause.where, actorId };
  return new SystemError("ACTOR_DIED", `the actor is gone: ${cause.what}`, where, cause);
}
