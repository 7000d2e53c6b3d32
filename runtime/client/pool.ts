/**
 * A pool from the side of the process that owns it: calls go straight to members, a head decides
 * how many there are from what this side reports. Calls that find no member free wait here, where
 * the next free one takes them; a call whose member died before it began goes to another.
 *
 * Invariants: a member that is to go gets no new call, and is ended when its last one is answered;
 * what is reported of calls answered is reported once.
 */
import { CALL_OPTIONS, type CallOptions, checkOptions, snapshot } from "../actor/calls/call.ts";
import { Line, type Passing } from "../actor/queues.ts";
import type { ActorClass } from "../actor/registry.ts";
import { ERRORS, errorFromData, SystemError, toSystemError } from "../errors.ts";
import {
  CALLS_PENDING_MAX,
  POOL_IDLE_REPORT_MS,
  POOL_MEMBER_TRIES,
  POOL_REPORT_MS,
} from "../limits.ts";
import {
  parseMessage,
  type PoolLoad,
  type PoolSpec,
  type PoolView,
  poolView,
} from "../messages.ts";
import { checkCount, checkNames } from "../usage.ts";
import { Balance } from "./actors/balance.ts";
import { type Member, Members, type PoolMember } from "./actors/members.ts";
import { MAP_OPTIONS, mapSettled, type PoolMapOptions, type Settled } from "./actors/map.ts";
import type { Args, PoolMethod, Result, SourceOf } from "./actors/methods.ts";
import { onAbort } from "./actors/signals.ts";
import type { HeadClient } from "./head-client.ts";
import type { CarrierChoice, Links } from "./links.ts";

export type { PoolMember } from "./actors/members.ts";
export type { PoolOptions } from "./actors/options.ts";

/** What a pool has of the process it is in. */
export interface PoolPorts {
  readonly head: Pick<HeadClient, "request">;
  readonly links: Pick<Links, "route" | "forget">;
  readonly carrier: CarrierChoice;
  readonly onClose: (pool: Pool) => void;
}

interface Waiting extends Passing {
  readonly method: string;
  args: readonly unknown[];
  readonly options: CallOptions;
  /** performance.now() at its deadline. */
  readonly dueMs: number;
  retries: number;
  tries: number;
  /** It failed while it waited for a member. */
  isOver: boolean;
  /** Takes off what bounds its wait. */
  release: () => void;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: SystemError) => void;
}

export class Pool<Class extends ActorClass = ActorClass> {
  readonly #ports: PoolPorts;
  readonly #spec: PoolSpec;
  readonly #members: Members;
  readonly #waiting = new Line<Waiting>();
  readonly #balance: Balance<Member>;
  readonly #closing = new AbortController();
  #poolId: string;
  #wanted: number;
  #inFlight = 0;
  #answered = 0;
  #busyMs = 0;
  #reporting: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The next report is the one of an idle pool. */
  #isIdle = false;

  constructor(spec: PoolSpec, opened: PoolView, ports: PoolPorts) {
    this.#ports = ports;
    this.#spec = spec;
    const { signal } = this.#closing;
    this.#members = new Members({ ...ports, signal, onAlive: () => this.#pump() });
    this.#balance = new Balance(spec.options.maxConcurrency);
    this.#poolId = opened.poolId;
    this.#wanted = opened.wanted;
    this.#take(opened);
    this.#schedule();
  }

  get poolId(): string {
    return this.#poolId;
  }

  /** Members that take calls now. */
  get size(): number {
    return this.#members.all.filter(({ takesCalls }) => takesCalls).length;
  }

  /** Members as this process sees them. */
  get members(): readonly PoolMember[] {
    return this.#members.all.map((member) => member.seen());
  }

  /**
   * One call, of the member with the fewest under way; without one it waits.
   *
   * @throws {SystemError} what the method threw; OVERLOADED; DEADLINE_EXCEEDED; CANCELLED;
   * OUTCOME_UNKNOWN when its member was lost and no `retries` are left.
   */
  call<Name extends PoolMethod<InstanceType<Class>>>(
    method: Name,
    args: Args<InstanceType<Class>, Name>,
    options: CallOptions = {},
  ): Promise<Result<InstanceType<Class>, Name>> {
    return this.#call(method, args, options) as never;
  }

  /**
   * A call for each item, as its only argument. Items are taken as results leave.
   *
   * @throws {SystemError} the first failure, its item's index in `where`; the rest is cancelled.
   */
  async *map<Name extends PoolMethod<InstanceType<Class>>>(
    items: SourceOf<Args<InstanceType<Class>, Name>[0]>,
    method: Name,
    options: PoolMapOptions = {},
  ): AsyncGenerator<Result<InstanceType<Class>, Name>, void, void> {
    for await (const settled of this.mapSettled(items, method, options)) {
      if (settled.error !== undefined) throw settled.error;
      yield settled.value;
    }
  }

  /** Like `map`, and a failure is a result as well: `{ index, value }` or `{ index, error }`. */
  mapSettled<Name extends PoolMethod<InstanceType<Class>>>(
    items: SourceOf<Args<InstanceType<Class>, Name>[0]>,
    method: Name,
    options: PoolMapOptions = {},
  ): AsyncGenerator<Settled<Result<InstanceType<Class>, Name>>, void, void> {
    checkNames(options, MAP_OPTIONS);
    const { ordered = true, inFlight, signal, ...rest } = options;
    if (inFlight !== undefined) checkCount("inFlight", inFlight, 1, CALLS_PENDING_MAX);
    return mapSettled(items, {
      call: (item: unknown, ending) =>
        this.#call(method, [item], { ...rest, signal: ending }) as never,
      bound: () => inFlight ?? this.#capacity(),
      ordered,
      signal,
    });
  }

  /** What the head knows: members, how many it wants and why. */
  async view(): Promise<PoolView> {
    await this.#report();
    const what = {
      what: "pools",
      filter: { poolId: this.#poolId },
      after: null,
      limit: 1,
    } as const;
    const page = await this.#ports.head.request({ op: "list", ...what });
    return parseMessage(poolView, (page as { entries: unknown[] }).entries[0]);
  }

  /** Ends every member at once; calls that aren't answered fail. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#end(new SystemError("CANCELLED", "the pool was closed"));
    await this.#ports.head.request({ op: "pool-close", poolId: this.#poolId });
  }

  /** Without a word to the head: this process ends. */
  abandon(error: SystemError): void {
    if (!this.#closing.signal.aborted) this.#end(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #end(error: SystemError): void {
    this.#closing.abort();
    clearTimeout(this.#timer);
    this.#failWaiting(error);
    this.#members.forget();
    this.#ports.onClose(this);
  }

  /** Twice what all members run at once, and more while calls are short. */
  #capacity(): number {
    const members = Math.max(1, this.size, this.#wanted);
    const each = Math.max(2 * this.#spec.options.maxConcurrency, this.#balance.depth);
    return Math.min(members * each, CALLS_PENDING_MAX);
  }

  async #call(method: string, args: unknown[], options: CallOptions): Promise<unknown> {
    checkNames(options, CALL_OPTIONS);
    checkOptions(options);
    if (this.#closing.signal.aborted) {
      throw new SystemError("CANCELLED", "the pool was closed");
    }
    if (this.#waiting.length >= CALLS_PENDING_MAX) {
      throw new SystemError("OVERLOADED", `${CALLS_PENDING_MAX} calls wait for a member`);
    }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const { deadlineMs = Number.POSITIVE_INFINITY, retries = 0 } = options;
    const dueMs = performance.now() + deadlineMs;
    const fresh = { tries: 0, isOver: false, release: () => undefined };
    const call: Waiting = { method, args, options, dueMs, retries, ...fresh, resolve, reject };
    const member = this.#waiting.length === 0 ? this.#balance.choose(this.#members.all) : undefined;
    if (member !== undefined) this.#start(call, member);
    else {
      call.args = snapshot(args);
      this.#wait(call);
    }
    if (this.#isIdle) this.#schedule();
    return promise;
  }

  /** Puts a call in the row: its deadline and signal hold there too. */
  #wait(call: Waiting, isFirst = false): void {
    const { signal } = call.options;
    const leave = (error: SystemError): void => {
      call.isOver = true;
      this.#waiting.noteOver();
      call.release();
      call.reject(error);
    };
    const abort = (): void =>
      leave(new SystemError("CANCELLED", String(signal?.reason), {}, signal?.reason));
    const late = (): void => leave(new SystemError("DEADLINE_EXCEEDED", "no member was free"));
    const remainingMs = call.dueMs - performance.now();
    const timer = Number.isFinite(remainingMs) ? setTimeout(late, remainingMs) : undefined;
    const unwatch = signal === undefined ? undefined : onAbort(signal, abort);
    call.release = () => {
      clearTimeout(timer);
      unwatch?.();
    };
    if (isFirst) this.#waiting.prepend([call]);
    else this.#waiting.push(call);
    if (signal?.aborted === true) abort();
    // An empty pool is wanted larger at once.
    else if (this.size === 0) void this.#report();
  }

  #pump(): void {
    while (this.#waiting.length > 0) {
      const member = this.#balance.choose(this.#members.all);
      if (member === undefined) return;
      const call = this.#waiting.take();
      if (call === undefined) return;
      call.release();
      this.#start(call, member);
    }
  }

  #start(call: Waiting, member: Member): void {
    const { target } = member;
    if (target === undefined) throw new SystemError("INTERNAL", "a member without a way to it");
    member.inFlight += 1;
    this.#inFlight += 1;
    const company = member.inFlight;
    const startMs = performance.now();
    const { signal } = call.options;
    const remainingMs = call.dueMs - startMs;
    target
      .call(call.method, [...call.args], {
        ...(signal === undefined ? {} : { signal }),
        ...(Number.isFinite(remainingMs) ? { deadlineMs: Math.max(0, remainingMs) } : {}),
      })
      .then(
        (value) => {
          this.#settled(member, startMs, company);
          call.resolve(value);
        },
        (thrown: unknown) => this.#failed(call, member, toSystemError(thrown), startMs, company),
      );
  }

  #settled(member: Member, startMs: number, company: number): void {
    this.#answered += 1;
    this.#busyMs += this.#balance.answered(performance.now() - startMs, company);
    this.#free(member);
  }

  #free(member: Member): void {
    member.inFlight -= 1;
    this.#inFlight -= 1;
    if (member.inFlight === 0) this.#members.emptied(member);
    this.#pump();
  }

  #failed(
    call: Waiting,
    member: Member,
    error: SystemError,
    startMs: number,
    company: number,
  ): void {
    // A method may throw these too, of an actor that it called itself.
    const isLoss = error.where["actorId"] === member.view.actorId;
    const never = isLoss && error.code === "ACTOR_DIED";
    const unknown = isLoss && error.code === "OUTCOME_UNKNOWN";
    if (never || unknown) member.lostAtMs = performance.now();
    const again = never ? call.tries < POOL_MEMBER_TRIES : unknown && call.retries > 0;
    if (!again || this.#closing.signal.aborted) {
      this.#settled(member, startMs, company);
      call.reject(error);
      return;
    }
    if (never) call.tries += 1;
    else call.retries -= 1;
    this.#free(member);
    void this.#report();
    this.#again(call);
  }

  /** Before all that came later. */
  #again(call: Waiting): void {
    const member = this.#balance.choose(this.#members.all);
    if (member !== undefined) this.#start(call, member);
    else this.#wait(call, true);
  }

  #failWaiting(error: SystemError): void {
    for (let call = this.#waiting.take(); call !== undefined; call = this.#waiting.take()) {
      call.release();
      call.reject(error);
    }
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closing.signal.aborted) return;
    this.#isIdle = this.#inFlight + this.#waiting.length + this.#answered === 0;
    const waitMs = this.#isIdle ? POOL_IDLE_REPORT_MS : POOL_REPORT_MS;
    this.#timer = setTimeout(() => void this.#report(), waitMs).unref();
  }

  /** Says what is called of the pool and hears what it is; one report at a time. */
  #report(): Promise<void> {
    this.#reporting ??= this.#exchange().finally(() => {
      this.#reporting = undefined;
      this.#schedule();
    });
    return this.#reporting;
  }

  async #exchange(): Promise<void> {
    // Calls of this turn belong to it.
    await Promise.resolve();
    const load: PoolLoad = {
      backlog: this.#waiting.length,
      inFlight: this.#inFlight,
      answered: this.#answered,
      busyMs: this.#busyMs,
    };
    this.#answered = 0;
    this.#busyMs = 0;
    const signal = this.#closing.signal;
    try {
      const request = { op: "pool-load", poolId: this.#poolId, load } as const;
      const view = await this.#ports.head.request(request, { signal });
      if (!signal.aborted) this.#take(parseMessage(poolView, view));
    } catch (thrown) {
      const { code } = toSystemError(thrown);
      this.#answered += load.answered;
      this.#busyMs += load.busyMs;
      // Another head leads: it knows the members that live, and not what the pool should be.
      if (code === "ACTOR_NOT_FOUND") await this.#reopen();
    }
  }

  async #reopen(): Promise<void> {
    const spec = { ...this.#spec, poolId: this.#poolId };
    const view = await this.#ports.head.request({ op: "pool-open", spec }).catch(() => undefined);
    if (view !== undefined && !this.#closing.signal.aborted)
      this.#take(parseMessage(poolView, view));
  }

  /** The pool as the head sees it now. */
  #take(view: PoolView): void {
    this.#poolId = view.poolId;
    this.#wanted = view.wanted;
    this.#members.take(view);
    this.#giveUp(view);
    this.#pump();
  }

  /** Without a living member, a failure that trying again doesn't mend is every waiting call's. */
  #giveUp({ members }: PoolView): void {
    if (members.some(({ state }) => state !== "dead")) return;
    const error = members.at(-1)?.error;
    if (error === undefined || error === null) return;
    if (ERRORS[error.code].retry === "never") this.#failWaiting(errorFromData(error));
  }
}
