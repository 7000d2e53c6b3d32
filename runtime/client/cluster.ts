/**
 * A client's view of a cluster: the same in an executor (through its agent) and outside (over the
 * bus). Requests to the head are repeated until answered; they are made so that repeating is
 * harmless.
 *
 * Invariant: while this process owns actors, pools or tasks it says so every CLIENT_ALIVE_MS; what
 * it owns ends with it.
 * Long because it is all that a program can ask of its cluster, documented.
 */
import * as v from "valibot";
import { newHandle, type RemoteActor, targetOf } from "../actor/handle.ts";
import {
  type ActorClass,
  type ActorType,
  actorOf,
  checkHosting,
  type LoadedProgram,
  type TaskFunction,
  taskOf,
  type TaskType,
} from "../actor/registry.ts";
import { SystemError } from "../errors.ts";
import { CLIENT_ALIVE_MS, EVENTS_PAGE_MAX, EVENTS_POLL_MS, LEAVE_MS, SPAWN_MS } from "../limits.ts";
import {
  type ActorEvent,
  type ActorView,
  actorEvent,
  actorView,
  parseMessage,
  poolView,
  type Program,
} from "../messages.ts";
import type { LogStreams, LogText } from "./actors/logs.ts";
import {
  actorOptionsOf,
  memberOptionsOf,
  type PoolOptions,
  type SpawnOptions,
} from "./actors/options.ts";
import type { HeadClient } from "./head-client.ts";
import type { JobView } from "./jobs/status.ts";
import type { Links } from "./links.ts";
import { SharedObjects } from "./objects/api.ts";
import type { Objects } from "./objects/objects.ts";
import {
  askPage,
  askSummary,
  askWhy,
  type Explanation,
  type ListOptions,
  type Lists,
  type Page,
  type Summaries,
} from "./lists.ts";
import { Pool } from "./pool.ts";
import type { ObjectRef } from "../frame/object-ref.ts";
import type { TaskClient } from "../tasks/client.ts";
import type { TaskHandle } from "../tasks/handle.ts";
import { mapTasks, type TaskArgs, type TaskResult } from "../tasks/map.ts";
import type { TaskExplanation } from "../tasks/views.ts";
import type { TaskMapOptions, TaskOptions } from "../tasks/options.ts";
import type { Settled } from "./actors/map.ts";

export type { PoolOptions, SpawnOptions } from "./actors/options.ts";
export type { Explanation, ListOptions, Page } from "./lists.ts";
export {
  clusterStatus,
  type ClusterStatus,
  type DatasetStatus,
  type SolveStatus,
} from "./jobs/status.ts";

/** An actor as plain data, which may be an argument or a result. */
export interface ActorRef {
  readonly kind: "actor-ref";
  readonly actorId: string;
  /** Name of its class. */
  readonly actor: string;
}

const eventPage = v.object({ events: v.array(actorEvent), next: v.number(), lost: v.number() });

export interface ClusterParts {
  readonly program: Program;
  readonly loaded: LoadedProgram;
  readonly head: HeadClient;
  readonly links: Links;
  readonly tasks: TaskClient;
  readonly objects: Objects;
  readonly logs: LogStreams;
  readonly close: () => Promise<void>;
  /** Settles when there is no such cluster any more, with the reason. */
  readonly lost?: Promise<SystemError> | undefined;
}

export class Cluster extends SharedObjects {
  readonly program: Program;
  readonly #parts: ClusterParts;
  readonly #pools = new Set<Pool>();
  readonly #closing = new AbortController();
  #alive: NodeJS.Timeout | undefined;

  constructor(parts: ClusterParts) {
    super(parts.head, parts.objects);
    parts.objects.onOwns = () => this.#owns();
    parts.tasks.recipes = parts.objects.recipes;
    this.program = parts.program;
    this.#parts = parts;
    void parts.lost?.then((error) => this.#lost(error));
  }

  /**
   * One actor of a class that the program exports; its constructor has run.
   *
   * @returns its handle: every method, returning a promise, or an async generator if it is one.
   * @throws {SystemError} NOT_IN_PROGRAM; USAGE; NAME_TAKEN; NO_CAPACITY; what the constructor
   * threw, as APPLICATION; DEADLINE_EXCEEDED.
   */
  async spawn<Class extends ActorClass>(
    type: ActorType<Class>,
    args: ConstructorParameters<Class>,
    options: SpawnOptions = {},
  ): Promise<RemoteActor<InstanceType<Class>>> {
    actorOf(this.#parts.loaded, type.name);
    const { deadlineMs = SPAWN_MS, signal } = options;
    const how = actorOptionsOf(options);
    checkHosting(type, how.hosting);
    const what = { program: this.program, actor: type.name, args: [...args], options: how };
    this.#owns();
    const { head } = this.#parts;
    const view = await head.request({ op: "spawn", ...what }, { deadlineMs, signal });
    return this.#handle(type, parseMessage(actorView, view), options);
  }

  /**
   * The living actor of a name, whoever spawned it; one that restarts is waited for.
   * @throws {SystemError} ACTOR_NOT_FOUND when none of this class has it.
   */
  async actor<Class extends ActorClass>(
    type: ActorType<Class>,
    name: string,
    options: Pick<SpawnOptions, "carrier" | "maxPendingCalls" | "signal"> = {},
  ): Promise<RemoteActor<InstanceType<Class>>> {
    const { signal } = options;
    const view = await this.#parts.head.request({ op: "actor", name }, { signal });
    return this.#handle(type, parseMessage(actorView, view), options);
  }

  /** A handle as plain data: handles don't cross processes, references do. */
  async refOf(handle: object): Promise<ActorRef> {
    const { actorId, actor } = await this.stateOf(handle);
    return { kind: "actor-ref", actorId, actor };
  }

  /** A handle of a reference. @throws {SystemError} ACTOR_NOT_FOUND. */
  async actorFrom<Class extends ActorClass>(
    type: ActorType<Class>,
    ref: ActorRef,
  ): Promise<RemoteActor<InstanceType<Class>>> {
    return this.#handle(type, await this.#viewOf(ref.actorId), {});
  }

  /**
   * Ends an actor now, amid whatever it does. With `restart` its next life follows, if one is
   * left.
   */
  async kill(
    handle: object,
    { restart = false }: { readonly restart?: boolean } = {},
  ): Promise<void> {
    const { actorId } = targetOf(handle);
    const view = await this.#parts.head.request({ op: "kill", actorId, restart });
    this.#parts.links.ended(parseMessage(actorView, view));
  }

  /** What the head knows of an actor now. @throws {SystemError} ACTOR_NOT_FOUND. */
  async stateOf(handle: object): Promise<ActorView> {
    return this.#viewOf(targetOf(handle).actorId);
  }

  /**
   * What happens to actors: from the oldest event that the head keeps, or after a number, and on
   * until `break` or the signal.
   */
  async *events(
    options: { readonly after?: number; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<ActorEvent, void, void> {
    const signal = this.#endOf(options.signal);
    let after = options.after ?? 0;
    while (!signal.aborted) {
      const request = { op: "events", after, limit: EVENTS_PAGE_MAX } as const;
      const answer = await this.#parts.head.request(request, { signal }).catch(unlessOver(signal));
      if (answer === undefined) return;
      const page = parseMessage(eventPage, answer);
      after = page.next;
      yield* page.events;
      if (page.events.length < EVENTS_PAGE_MAX) await pause(EVENTS_POLL_MS, signal);
    }
  }

  /**
   * What an actor's executor wrote so far, and with `follow` what it writes, over its next lives
   * too. An executor that actors share has one output.
   */
  async *logs(
    handle: object | string,
    options: { readonly follow?: boolean; readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<LogText, void, void> {
    const actorId = typeof handle === "string" ? handle : targetOf(handle).actorId;
    const { follow = false } = options;
    const signal = this.#endOf(options.signal);
    for (let after = 0; ; ) {
      yield* this.#logsOf(actorId, follow, signal);
      if (!follow || signal.aborted) return;
      const { incarnation } = await this.#viewOf(actorId);
      after = Math.max(after, incarnation) + 1;
      const request = { op: "locate", actorId, after } as const;
      const ends = { signal, deadlineMs: Number.POSITIVE_INFINITY };
      const answer = await this.#parts.head.request(request, ends).catch(unlessOver(signal));
      if (answer === undefined || parseMessage(actorView, answer).state === "dead") return;
    }
  }

  /** Actors of one class behind one name to call: see `Pool`. @throws as `spawn`. */
  async pool<Class extends ActorClass>(
    type: ActorType<Class>,
    args: ConstructorParameters<Class>,
    options: PoolOptions,
  ): Promise<Pool<Class>> {
    actorOf(this.#parts.loaded, type.name);
    const how = memberOptionsOf(options);
    checkHosting(type, how.hosting);
    const { size, carrier = "auto" } = options;
    const { program } = this;
    const { min, max } = size;
    const spec = { program, actor: type.name, args: [...args], size: { min, max }, options: how };
    this.#owns();
    const { head, links } = this.#parts;
    const opened = parseMessage(poolView, await head.request({ op: "pool-open", spec }));
    const onClose = (pool: Pool): void => void this.#pools.delete(pool);
    const pool = new Pool<Class>(spec, opened, { head, links, carrier, onClose });
    this.#pools.add(pool);
    return pool;
  }

  /**
   * A task: one call of a function that the program exports, queued and placed by the head. A task
   * that waits for others that it submits holds its place meanwhile.
   *
   * @param args - a top-level ObjectRef arrives as its value; the task starts where the largest is.
   * @throws {SystemError} NOT_IN_PROGRAM; USAGE; NOT_SERIALIZABLE; FRAME_TOO_LARGE; OVERLOADED.
   */
  submit<Fn extends TaskFunction>(
    type: TaskType<Fn>,
    args: TaskArgs<Fn>,
    options: TaskOptions & { readonly result: "object" },
  ): TaskHandle<ObjectRef>;
  submit<Fn extends TaskFunction>(
    type: TaskType<Fn>,
    args: TaskArgs<Fn>,
    options?: TaskOptions,
  ): TaskHandle<TaskResult<Fn>>;
  submit(type: TaskType, args: object, options?: TaskOptions): TaskHandle<unknown> {
    taskOf(this.#parts.loaded, type.name);
    this.#owns();
    return this.#parts.tasks.submit(this.program, type, args as readonly unknown[], options);
  }

  /**
   * A function's results for each item, in the items' order unless `ordered` is false. Items are
   * taken as results leave: a source may be endless. Ends with the first task that fails.
   * @throws {SystemError} as `submit`; what the first failed task's result rejects with.
   */
  async *map<Fn extends TaskFunction>(
    type: TaskType<Fn>,
    items: Iterable<TaskArgs<Fn>[0]> | AsyncIterable<TaskArgs<Fn>[0]>,
    options: TaskMapOptions = {},
  ): AsyncGenerator<TaskResult<Fn>, void, void> {
    for await (const settled of this.mapSettled(type, items, options)) {
      if (settled.error !== undefined) throw settled.error;
      // Awaited by the task's handle.
      yield settled.value as Awaited<TaskResult<Fn>>;
    }
  }

  /** As `map`, with each item's index and value or error: failures don't end it. */
  mapSettled<Fn extends TaskFunction>(
    type: TaskType<Fn>,
    items: Iterable<TaskArgs<Fn>[0]> | AsyncIterable<TaskArgs<Fn>[0]>,
    options: TaskMapOptions = {},
  ): AsyncGenerator<Settled<TaskResult<Fn>>, void, void> {
    return mapTasks<Fn>(items, options, (item, how) =>
      this.submit(type, [item] as unknown as TaskArgs<Fn>, how),
    );
  }

  /** A page of what there is, filtered before it is cut. @throws {SystemError} USAGE. */
  async list<What extends keyof Lists>(
    what: What,
    options: ListOptions = {},
  ): Promise<Page<Lists[What]>> {
    return askPage(this.#parts.head, what, options);
  }

  /** How many tasks or actors there are, by name and state. */
  async summary<What extends keyof Summaries>(what: What): Promise<Summaries[What]> {
    return askSummary(this.#parts.head, what);
  }

  /** Why an actor, by name or id, is where and how it is. @throws {SystemError} ACTOR_NOT_FOUND. */
  async explain(name: string): Promise<Explanation> {
    return askWhy(this.#parts.head, "actor", name);
  }

  /** Why a task, by its id, waits, or where it is. @throws {SystemError} TASK_NOT_FOUND. */
  async explainTask(taskId: string): Promise<TaskExplanation> {
    return askWhy(this.#parts.head, "task", taskId);
  }

  /** All that is known of a job, by its id or its beginning, and what it waits for. */
  async explainJob(jobId: string): Promise<JobView> {
    return askWhy(this.#parts.head, "job", jobId);
  }

  /** Ends this view, and what is owned with it. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const error = new SystemError("CANCELLED", "the client closed");
    this.#closing.abort(error);
    for (const pool of this.#pools) pool.abandon(error);
    this.#parts.logs.close();
    this.#parts.tasks.close(error);
    this.#parts.objects.close(error);
    this.#parts.links.close(error);
    if (this.#alive !== undefined) {
      clearInterval(this.#alive);
      const leaving = this.#parts.head.request({ op: "leave" }, { deadlineMs: LEAVE_MS });
      await leaving.catch(() => undefined);
    }
    await this.#parts.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Nobody will answer any more: what waits fails, and what comes. */
  #lost(error: SystemError): void {
    if (this.#closing.signal.aborted) return;
    const { head, links, logs, objects, tasks } = this.#parts;
    head.close(error);
    for (const pool of this.#pools) pool.abandon(error);
    tasks.close(error);
    objects.close(error);
    links.close(error);
    logs.close();
  }

  /** From now on the head must know that this process is there. */
  #owns(): void {
    if (this.#closing.signal.aborted) throw new SystemError("CANCELLED", "the client closed");
    this.#alive ??= setInterval(() => {
      const told = this.#parts.head.request({ op: "alive" }, { deadlineMs: CLIENT_ALIVE_MS });
      told.catch(() => undefined);
    }, CLIENT_ALIVE_MS).unref();
  }

  #handle<Class extends ActorClass>(
    type: ActorType<Class>,
    view: ActorView,
    options: Pick<SpawnOptions, "carrier" | "maxPendingCalls">,
  ): RemoteActor<InstanceType<Class>> {
    if (view.actor !== type.name) {
      const what = `${view.name ?? view.actorId} is of the class ${view.actor}, not ${type.name}`;
      throw new SystemError("ACTOR_NOT_FOUND", what, { actorId: view.actorId });
    }
    return newHandle<InstanceType<Class>>(type, this.#parts.links.route(view, options));
  }

  async #viewOf(actorId: string): Promise<ActorView> {
    const { entries } = await this.list("actors", { filter: { actorId }, limit: 1 });
    const [view] = entries;
    if (view !== undefined) return view;
    throw new SystemError("ACTOR_NOT_FOUND", `no actor ${actorId}`, { actorId });
  }

  /** The output of one executor, to its end or the signal. */
  async *#logsOf(
    actorId: string,
    follow: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<LogText, void, void> {
    const { head, logs } = this.#parts;
    const stream = logs.open();
    const stop = (): void => stream.end();
    signal.addEventListener("abort", stop, { once: true });
    const request = { op: "logs", actorId, request: stream.request } as const;
    try {
      await head.request({ ...request, follow }, { signal }).catch(unlessOver(signal));
      if (signal.aborted) return;
      for (let text = await stream.next(); text !== undefined; text = await stream.next()) {
        yield text;
      }
    } finally {
      signal.removeEventListener("abort", stop);
      stream.close();
      // Asked for again without `follow`, the agent ends what it sends.
      if (follow && !stream.isComplete && !this.#closing.signal.aborted) {
        const ending = head.request({ ...request, follow: false }, { deadlineMs: LEAVE_MS });
        await ending.catch(() => undefined);
      }
    }
  }

  #endOf(signal: AbortSignal | undefined): AbortSignal {
    const closing = this.#closing.signal;
    return signal === undefined ? closing : AbortSignal.any([signal, closing]);
  }
}

/** Waits, or less when the signal comes. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}

/** Lets an error pass, unless an end was asked for: then it is undefined. */
function unlessOver(signal: AbortSignal): (thrown: unknown) => undefined {
  return (thrown) => {
    if (!signal.aborted) throw thrown;
    return undefined;
  };
}
