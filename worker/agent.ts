/**
 * The agent: one machine's worker. It feeds its core and carries its effects out; the executors it
 * starts are its `Crew`. What an executor says is checked: user code runs there.
 * Long because every effect of the core and every word of an executor has its place here.
 */
import { randomInt } from "node:crypto";
import * as v from "valibot";
import type { Bus } from "../runtime/bus/bus.ts";
import {
  apiSubject,
  eventSubject,
  hearing,
  linkSubject,
  parseSubject,
} from "../runtime/bus/subjects.ts";
import { type Clock, every, processClock } from "../runtime/clock.ts";
import { SystemError, toSystemError } from "../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../runtime/frame/codec.ts";
import { destinationOf, isLinkFrame, LANE_CONTROL } from "../runtime/frame/prefix.ts";
import { type Identity, newProcessId, PROCESS_NONE, type ProcessId } from "../runtime/ids.ts";
import {
  LEASE_GRACE_MS,
  MEMORY_WATCH_MS,
  REPORT_FIRST_MAX,
  REPORT_PAGE_MS,
  SPARE_START_MS,
  TICK_MS,
} from "../runtime/limits.ts";
import { machineId } from "../runtime/machine.ts";
import {
  type AgentSays,
  type Assignment,
  beacon,
  type Command,
  command,
  type Done,
  type ExecutorSays,
  parseMessage,
} from "../runtime/messages.ts";
import { OBJECT_JOBS_TOLD_MAX } from "../runtime/objects/limits.ts";
import { doorAsk } from "../runtime/objects/wire.ts";
import type { Labels, Resources } from "../runtime/resources/resources.ts";
import { taskOrder } from "../runtime/tasks/wire.ts";
import { RefusalLog } from "../runtime/refusals.ts";
import { decide } from "./core/core.ts";
import { FULL_REPORT, type ReportSize, reportOf, told } from "./core/reports.ts";
import {
  isNamed,
  newWorkerState,
  type WorkerEffect,
  type WorkerEvent,
  type WorkerState,
} from "./core/state.ts";
import { checkAddress, type CrewPorts } from "./crew.ts";
import { type CrewPort, processCrew } from "./crew-port.ts";
import { bootMs, ReportTimes } from "./lease.ts";
import { LogDesk } from "./machine/logs.ts";
import type { NodeObjects } from "./objects/node.ts";
import { Post } from "./post.ts";
import { isTaskOrder, orderOf, TaskDesk } from "./tasks/desk.ts";

/** What an agent lives by: its own process's, unless given. */
export interface AgentPorts {
  readonly clock: Clock;
  /** Milliseconds since the machine's boot, its sleep included. */
  readonly bootMs: () => number;
  readonly crew: (ports: CrewPorts) => CrewPort;
  /** The agent's process, as frames name it. */
  readonly process: ProcessId;
  /** Which machine this is. */
  readonly host: string;
  /** Number of its first report; no two processes begin with the same one. */
  readonly number: number;
  /** Takes a line about what was refused. */
  readonly warn: (line: string) => void;
}

export interface AgentOptions {
  readonly bus: Bus;
  readonly cluster: string;
  readonly runtimeDir: string;
  /** Shards that run at once. */
  readonly slots: number;
  /** What it has for work; a processor a slot unless given. */
  readonly resources?: Resources | undefined;
  readonly labels?: Labels | undefined;
  /** LIGASE_MARK of every child. */
  readonly mark: string;
  /** The objects of this node; their process is the agent's. None, and executors have none. */
  readonly objects?: NodeObjects | undefined;
  /** Takes what agents and clients say to this agent itself, on no link. */
  readonly control?: (from: Identity, process: ProcessId, value: unknown) => void;
  /** Executors kept ready beyond those for shards; SPARE_EXECUTORS unless given. */
  readonly spares?: number | undefined;
  /** Bytes of memory under which the largest executor is ended; a share of it unless given. */
  readonly memoryFloorBytes?: number | undefined;
  /** Bytes of each executor's output that are kept; LOG_BYTES_MAX unless given. */
  readonly logBytesMax?: number | undefined;
  readonly ports?: Partial<AgentPorts>;
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #process: ProcessId;
  readonly #clock: Clock;
  readonly #bootMs: () => number;
  readonly #state;
  readonly #crew: CrewPort;
  readonly #post: Post;
  readonly #desk = new LogDesk((to, says) => this.#sendLog(to, says));
  readonly #refusals: RefusalLog;
  /** Take its timers back. */
  readonly #timers: (() => void)[] = [];
  #reportIsDue = false;
  readonly #tasksDesk: TaskDesk;
  readonly #reports: ReportTimes;
  #stopped = false;

  constructor(options: AgentOptions) {
    this.#options = options;
    const { bus, cluster, runtimeDir, mark, slots, spares, resources, labels } = options;
    const { memoryFloorBytes, logBytesMax } = options;
    const { identity } = bus;
    const ports = portsOf(options.ports);
    const { clock, host, number } = ports;
    this.#process = ports.process;
    this.#clock = clock;
    this.#bootMs = ports.bootMs;
    this.#reports = new ReportTimes(ports.bootMs);
    this.#refusals = new RefusalLog({ write: ports.warn, now: () => clock.now() });
    this.#state = newWorkerState({
      ...{ slots, spares, process: this.#process, host, number },
      ...{ resources, labels },
    });
    this.#tasksDesk = new TaskDesk({
      clock,
      state: this.#state,
      send: (report) => {
        bus.publish(eventSubject(cluster, identity), this.#frame(PROCESS_NONE, report));
      },
      note: (what) => this.#refusals.note(what),
    });
    this.#crew = ports.crew({
      self: this.#process,
      place: { worker: identity, host },
      runtimeDir,
      mark,
      objects: options.objects,
      memoryFloorBytes,
      logBytesMax,
      desk: this.#desk,
      onSaid: (key, says) => this.#hear(key, says),
      onForeign: (frame) => this.#post.forward(frame),
      onAdmitted: (process, receiver) => this.#post.admit(process, receiver),
      onGone: (process, reason) => this.#post.mourn(process, reason),
      feed: (event) => this.#feed(event),
    });
    this.#post = new Post({
      self: this.#process,
      identity,
      toIdentity: (to, frame) => bus.publish(linkSubject(cluster, to, identity), frame),
      toHead: (frame) => bus.publish(apiSubject(cluster, identity), frame),
      isRunning: (process) => this.#crew.isRunning(process),
    });
  }

  /** What it knows, for who looks and changes nothing. */
  get state(): Readonly<WorkerState> {
    return this.#state;
  }

  /** Listens for executors and the bus, then starts executors and says that it is here. */
  async start(): Promise<void> {
    const { bus, cluster } = this.#options;
    await this.#crew.open();
    await this.#options.objects?.open();
    bus.subscribe(hearing.beacons(cluster), (_subject, bytes) => this.#listen(bytes, "beacon"));
    bus.subscribe(hearing.commands(cluster, bus.identity), (_subject, bytes) =>
      this.#listen(bytes, "command"),
    );
    bus.subscribe(hearing.links(cluster, bus.identity), (subject, bytes) =>
      this.#deliver(subject, bytes),
    );
    this.#timers.push(
      every(this.#clock, TICK_MS, () => this.#tick()),
      every(this.#clock, MEMORY_WATCH_MS, () => this.#crew.watchMemory(this.#clock.now())),
    );
    this.#tick();
    // A bus that is lost meanwhile comes back with all subscriptions, and hears the next report.
    await bus.flush().catch(() => undefined);
  }

  /** Ends every executor, starts none any more, and leaves no file. */
  stop(): void {
    this.#stopped = true;
    this.#tasksDesk.stop();
    for (const cancel of this.#timers) cancel();
    this.#crew.stop();
    this.#desk.close();
  }

  #tick(): void {
    this.#feed({ type: "tick" });
    this.#lookAtTasks();
    if (this.#reports.isOverFor(LEASE_GRACE_MS)) this.#feed({ type: "lease-over" });
    this.#crew.measure(this.#clock.now());
    this.#desk.tick(this.#clock.now());
  }

  /** Which task each executor of tasks is at: who runs one for long is told of. */
  #lookAtTasks(): void {
    for (const { view, tasks } of this.#state.work.executors.values()) {
      if (tasks.size === 0) continue;
      this.#feed({ type: "begun", key: view.key, begun: this.#crew.begunOf(view.key) });
    }
  }

  #feed(event: WorkerEvent): void {
    if (this.#stopped) return;
    const { effects } = decide(this.#state, event, this.#clock.now());
    // What replaces an executor that was just given work: it would take the processor from that.
    const isSpare = effects.some(({ type }) => type === "run");
    for (const effect of effects) {
      if (effect.type === "start") this.#crew.start(effect.key, isSpare ? SPARE_START_MS : 0);
      else this.#carryOut(effect);
    }
  }

  #carryOut(effect: Exclude<WorkerEffect, { readonly type: "start" }>): void {
    switch (effect.type) {
      case "run":
        this.#run(effect.key, effect.assignment);
        return;
      case "cancel":
        this.#crew.order(effect.key, { op: "cancel", task: effect.task });
        return;
      case "end":
        this.#crew.order(effect.key, { op: "end", ...effect.life });
        return;
      case "kill":
        this.#crew.kill(effect.key);
        return;
      case "confirmed":
        this.#reports.confirm(effect.number);
        return;
      case "lease":
        this.#crew.order(effect.key, { op: "lease", fromMs: this.#reports.leaseMs });
        return;
      case "logs":
        this.#desk.answer(effect.wanted, effect.key, this.#clock.now());
        return;
      case "report":
        this.#reportSoon();
        return;
      case "start-threads":
        this.#crew.startThreads(effect.keys);
        return;
      case "give-tasks":
        this.#crew.order(effect.key, orderOf(effect.tasks, this.#clock.now()));
        return;
      case "recall-tasks":
        this.#crew.order(effect.key, { op: "task-recall", positions: effect.positions });
        return;
      case "abort-task":
        this.#crew.order(effect.key, { op: "task-abort", position: effect.position });
        return;
      case "task-report":
        this.#tasksDesk.reportSoon();
        return;
      default:
        effect satisfies never;
    }
  }

  /** A named actor's lease counts from the last confirmed report, not from this order. */
  #run(key: number, assignment: Assignment): void {
    const { work } = assignment;
    if (work.kind === "host" && isNamed(work.record)) {
      this.#crew.order(key, { op: "lease", fromMs: this.#reports.leaseMs });
    }
    this.#crew.order(key, { op: "run", assignment });
  }

  #hear(key: number, says: ExecutorSays): void {
    switch (says.op) {
      case "hello":
        throw new SystemError("FRAME_INVALID", "a second hello");
      case "route": {
        const process = this.#crew.processOf(key);
        if (process === undefined) return;
        this.#post.learn(process, says.process as ProcessId, says.identity as Identity);
        return;
      }
      case "done":
        checkAddress(says.done, this.#crew.placeOf(key));
        this.#feed({ type: "done", key, done: this.#reportable(says.done) });
        return;
      case "ended":
        this.#feed({ type: "ended", key, ended: says });
        return;
      case "task-said":
        this.#feed({ type: "task-said", key, said: says });
        return;
      default:
        says satisfies never;
    }
  }

  /** A result as a report can hold it. Twice, so that there is room for all else it says. */
  #reportable(done: Done): Done {
    // An address is small and ours; a receipt is of a known form.
    if (done.outcome.kind !== "returned" && done.outcome.kind !== "failed") return done;
    try {
      this.#frame(PROCESS_NONE, { done: [done, done] });
      return done;
    } catch (thrown) {
      const error = toSystemError(thrown).toData();
      return { ...done, outcome: { kind: "failed", error } };
    }
  }

  /** At the end of the turn, so that all that came in it is one report. */
  #reportSoon(): void {
    if (this.#reportIsDue) return;
    this.#reportIsDue = true;
    this.#clock.soon(() => {
      this.#reportIsDue = false;
      if (!this.#stopped) this.#report();
    });
  }

  /** Sends a report, as large as its frame holds; what didn't fit comes with a later one. */
  #report(): void {
    // Before it is made: it never leaves earlier than its lease begins.
    const sentMs = this.#bootMs();
    for (let size: ReportSize = FULL_REPORT; ; size = halved(size)) {
      let frame: Uint8Array;
      try {
        frame = this.#frame(PROCESS_NONE, { ...reportOf(this.#state, size), ...this.#jobs() });
      } catch (thrown) {
        if (size.done + size.ended + size.actors > 0) continue;
        // Nothing is lost: the next heartbeat says it, with whatever has ended until then.
        this.#refusals.note(`a report of its own: ${toSystemError(thrown).message}`);
        return;
      }
      const { bus, cluster } = this.#options;
      this.#reports.sent(this.#state.number, sentMs);
      bus.publish(eventSubject(cluster, bus.identity), frame);
      const hasMore = told(this.#state, size);
      if (hasMore && size.actors > 0) this.#clock.after(REPORT_PAGE_MS, () => this.#reportSoon());
      return;
    }
  }

  /** Says something to another agent or a client itself, on no link. */
  sendControl(to: Identity, process: ProcessId, value: unknown): void {
    const { bus, cluster } = this.#options;
    bus.publish(linkSubject(cluster, to, bus.identity), this.#frame(process, value));
  }

  /** What another agent or a client says to this agent itself. */
  #takeControl(from: Identity, bytes: Uint8Array): void {
    const { prefix, value } = decodeFrame(bytes);
    const asked = v.safeParse(doorAsk, value);
    if (!asked.success) {
      this.#options.control?.(from, prefix.source, value);
      return;
    }
    const door = this.#options.objects?.lend() ?? null;
    this.sendControl(from, prefix.source, { ...asked.output, door });
  }

  /** Whose objects are here, for the head to say which of them are no more. */
  #jobs(): { objectJobs?: string[] } {
    const jobs = this.#options.objects?.jobs() ?? [];
    return jobs.length === 0 ? {} : { objectJobs: jobs.slice(0, OBJECT_JOBS_TOLD_MAX) };
  }

  #deliver(subject: string, bytes: Uint8Array): void {
    const from = parseSubject(this.#options.cluster, subject)?.from;
    if (from === undefined) return;
    try {
      const to = isLinkFrame(bytes) ? undefined : destinationOf(bytes);
      // Who knows a node by its identity alone says PROCESS_NONE.
      if (to === this.#process || to === PROCESS_NONE) {
        this.#takeControl(from, bytes);
        return;
      }
      this.#post.deliver(from, bytes);
    } catch (thrown) {
      this.#refusals.note(`a frame on ${subject}: ${toSystemError(thrown).message}`);
    }
  }

  #listen(bytes: Uint8Array, kind: "beacon" | "command"): void {
    // A head's knock: that somebody hears it is all that it asks.
    if (bytes.length === 0) return;
    try {
      const { value } = decodeFrame(bytes);
      if (kind === "beacon") {
        const { epoch, tail } = parseMessage(beacon, value);
        this.#feed({ type: "leader", epoch, tail });
      } else if (isTaskOrder(value)) {
        this.#feed({ type: "task-order", order: parseMessage(taskOrder, value) });
      } else this.#obey(parseMessage(command, value));
    } catch (thrown) {
      this.#refusals.note(`a ${kind}: ${toSystemError(thrown).message}`);
    }
  }

  #obey(order: Command): void {
    for (const job of order.endJobs ?? []) this.#options.objects?.endJob(job);
    this.#feed({ type: "command", command: order });
  }

  /** Output, to who asked for it: an executor of this machine, or somebody behind the bus. */
  #sendLog({ to, process }: Command["logs"][number], says: AgentSays): void {
    const { bus, cluster } = this.#options;
    const frame = this.#frame(process as ProcessId, says);
    if (to === bus.identity) this.#crew.send(process as ProcessId, frame);
    else bus.publish(linkSubject(cluster, to as Identity, bus.identity), frame);
  }

  #frame(destination: ProcessId, value: unknown): Uint8Array {
    const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    return encodeFrame({ ...fields, destination, source: this.#process }, value);
  }
}

function portsOf(given: Partial<AgentPorts> = {}): AgentPorts {
  return {
    clock: given.clock ?? processClock,
    bootMs: given.bootMs ?? bootMs,
    crew: given.crew ?? processCrew,
    process: given.process ?? newProcessId(),
    host: given.host ?? machineId(),
    // A command for an earlier process of this worker confirms no report of this one.
    number: given.number ?? randomInt(1, REPORT_FIRST_MAX),
    warn: given.warn ?? ((line) => void process.stderr.write(line)),
  };
}

function halved({ done, ended, actors }: ReportSize): ReportSize {
  return { done: done >> 1, ended: ended >> 1, actors: actors >> 1 };
}
