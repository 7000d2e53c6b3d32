/**
 * The agent: one machine's worker. It feeds its core, starts executors and admits them to the post,
 * which forwards their frames. What an executor says is checked: user code runs there.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Bus } from "../runtime/bus/bus.ts";
import { type Channel, listenSocket } from "../runtime/bus/socket.ts";
import {
  apiSubject,
  eventSubject,
  hearing,
  linkSubject,
  parseSubject,
} from "../runtime/bus/subjects.ts";
import { SystemError, toSystemError } from "../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../runtime/frame/codec.ts";
import { destinationOf, LANE_CONTROL, sourceOf } from "../runtime/frame/prefix.ts";
import {
  canonicalJson,
  type Identity,
  newProcessId,
  PROCESS_NONE,
  type ProcessId,
} from "../runtime/ids.ts";
import { TICK_MS } from "../runtime/limits.ts";
import { machineId } from "../runtime/machine.ts";
import {
  type ActorAddress,
  beacon,
  command,
  type Done,
  type ExecutorSays,
  executorSays,
  parseMessage,
  type Report,
} from "../runtime/messages.ts";
import { decide, newWorkerState, type WorkerEffect, type WorkerEvent } from "./core.ts";
import { type ExecutorChild, startExecutor } from "./executors.ts";
import { Post } from "./post.ts";

export interface AgentOptions {
  readonly bus: Bus;
  readonly cluster: string;
  readonly runtimeDir: string;
  /** Shards that run at once. */
  readonly slots: number;
  /** LIGASE_MARK of every child. */
  readonly mark: string;
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #process = newProcessId();
  readonly #token = crypto.randomUUID();
  readonly #state;
  readonly #children = new Map<number, ExecutorChild>();
  readonly #post: Post;
  #stopped = false;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#state = newWorkerState(options.slots, this.#process, machineId());
    const { bus, cluster } = options;
    const { identity } = bus;
    this.#post = new Post({
      self: this.#process,
      identity,
      toIdentity: (to, frame) => bus.publish(linkSubject(cluster, to, identity), frame),
      toHead: (frame) => bus.publish(apiSubject(cluster, identity), frame),
    });
  }

  get #socket(): string {
    return join(this.#options.runtimeDir, `${this.#process}.sock`);
  }

  /** Listens for executors and the bus, then starts executors and says that it is here. */
  async start(): Promise<void> {
    const { bus, cluster } = this.#options;
    await listenSocket(this.#socket, {
      token: this.#token,
      onConnection: (channel) => this.#admit(channel),
    });
    bus.subscribe(hearing.beacons(cluster), (_subject, bytes) => this.#listen(bytes, "beacon"));
    bus.subscribe(hearing.commands(cluster, bus.identity), (_subject, bytes) =>
      this.#listen(bytes, "command"),
    );
    bus.subscribe(hearing.links(cluster, bus.identity), (subject, bytes) =>
      this.#deliver(subject, bytes),
    );
    setInterval(() => this.#feed({ type: "tick" }), TICK_MS);
    this.#feed({ type: "tick" });
    await bus.flush();
  }

  /** Ends every executor, and starts none any more. */
  stop(): void {
    this.#stopped = true;
    for (const child of this.#children.values()) child.kill();
  }

  #feed(event: WorkerEvent): void {
    if (this.#stopped) return;
    for (const effect of decide(this.#state, event, performance.now()).effects)
      this.#carryOut(effect);
  }

  #carryOut(effect: WorkerEffect): void {
    switch (effect.type) {
      case "start":
        this.#startExecutor(effect.key);
        return;
      case "run":
        this.#order(effect.key, { op: "run", assignment: effect.assignment });
        return;
      case "cancel":
        this.#order(effect.key, { op: "cancel", task: effect.task });
        return;
      case "kill":
        this.#children.get(effect.key)?.kill();
        return;
      case "report":
        this.#report(effect.report);
        return;
      default:
        effect satisfies never;
    }
  }

  #startExecutor(key: number): void {
    const { runtimeDir, mark, bus } = this.#options;
    const child = startExecutor({
      config: {
        agentSocket: this.#socket,
        agentToken: this.#token,
        agentProcess: this.#process,
        socket: join(runtimeDir, `${this.#process}-${key}.sock`),
        token: crypto.randomUUID(),
        worker: bus.identity,
        host: this.#state.host,
      },
      mark,
      onExit: (reason) => {
        this.#children.delete(key);
        // Killed, it couldn't remove it itself.
        rmSync(child.config.socket, { force: true });
        if (child.process !== undefined) this.#post.mourn(child.process, reason);
        this.#feed({ type: "exited", key, reason });
      },
    });
    this.#children.set(key, child);
  }

  /** A connection with the right token; its first frame says which executor it is. */
  #admit(channel: Channel): void {
    let key: number | undefined;
    let self: ProcessId | undefined;
    channel.onFrame((frame) => {
      const source = sourceOf(frame);
      if (key === undefined) {
        key = this.#greet(channel, source, frame);
        self = source;
        this.#feed({ type: "ready", key });
      } else if (source !== self) {
        throw new SystemError("FRAME_INVALID", `a frame of ${source} came from ${self}`);
      } else if (destinationOf(frame) === this.#process) {
        this.#hear(key, parseMessage(executorSays, decodeFrame(frame).value));
      } else this.#post.forward(frame);
    });
    // Without its connection it can neither be given work nor say what came of it.
    channel.onClose(() => {
      if (key !== undefined) this.#children.get(key)?.kill();
    });
  }

  /** The executor that says hello. @throws {SystemError} FRAME_INVALID when it isn't our child. */
  #greet(channel: Channel, source: ProcessId, frame: Uint8Array): number {
    const hello = parseMessage(executorSays, decodeFrame(frame).value);
    if (hello.op !== "hello") throw new SystemError("FRAME_INVALID", `${hello.op} before hello`);
    for (const [key, child] of this.#children) {
      // Callers of an actor know its token too, but only after its executor has said hello.
      const isNew = child.process === undefined;
      if (!isNew || child.pid !== hello.pid || child.config.token !== hello.token) continue;
      this.#post.admit(source, channel);
      child.channel = channel;
      child.process = source;
      return key;
    }
    throw new SystemError("FRAME_INVALID", `pid ${hello.pid} isn't an executor of ours`);
  }

  #hear(key: number, said: ExecutorSays): void {
    const child = this.#children.get(key);
    if (child?.process === undefined) return;
    switch (said.op) {
      case "hello":
        throw new SystemError("FRAME_INVALID", "a second hello");
      case "route":
        this.#post.learn(child.process, said.process as ProcessId, said.identity as Identity);
        return;
      case "done":
        checkAddress(said.done, this.#addressOf(child));
        this.#feed({ type: "done", key, done: this.#reportable(said.done) });
        return;
      default:
        said satisfies never;
    }
  }

  #addressOf({ process, config }: ExecutorChild): Omit<ActorAddress, "actorId"> {
    const { worker, host, socket, token } = config;
    return { worker, process: process ?? PROCESS_NONE, host, socket, token };
  }

  /** A result as a report can hold it. Twice, so that there is room for all else it says. */
  #reportable(done: Done): Done {
    try {
      this.#frame(PROCESS_NONE, { done: [done, done] });
      return done;
    } catch (thrown) {
      const error = toSystemError(thrown).toData();
      return { ...done, outcome: { kind: "failed", error } };
    }
  }

  /** Sends a report; results that don't fit its frame are held until the next one. */
  #report(report: Report): void {
    const subject = eventSubject(this.#options.cluster, this.#options.bus.identity);
    for (let count = report.done.length; ; count >>= 1) {
      const rest = report.done.slice(count).map(({ task, attempt }) => ({ task, attempt }));
      const done = report.done.slice(0, count);
      try {
        this.#publish(subject, { ...report, held: [...report.held, ...rest], done });
        return;
      } catch (thrown) {
        if (count === 0) throw thrown;
      }
    }
  }

  #deliver(subject: string, bytes: Uint8Array): void {
    const from = parseSubject(this.#options.cluster, subject)?.from;
    if (from === undefined) return;
    try {
      this.#post.deliver(from, bytes);
    } catch (thrown) {
      process.stderr.write(`refused a frame on ${subject}: ${toSystemError(thrown).message}\n`);
    }
  }

  #listen(bytes: Uint8Array, kind: "beacon" | "command"): void {
    try {
      const { value } = decodeFrame(bytes);
      if (kind === "beacon") {
        this.#feed({ type: "leader", epoch: parseMessage(beacon, value).epoch });
      } else this.#feed({ type: "command", command: parseMessage(command, value) });
    } catch (thrown) {
      process.stderr.write(`refused a ${kind}: ${toSystemError(thrown).message}\n`);
    }
  }

  #order(key: number, order: unknown): void {
    const child = this.#children.get(key);
    if (child?.process === undefined) return;
    child.channel?.send(this.#frame(child.process, order));
  }

  #publish(subject: string, value: unknown): void {
    this.#options.bus.publish(subject, this.#frame(PROCESS_NONE, value));
  }

  #frame(destination: ProcessId, value: unknown): Uint8Array {
    const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    return encodeFrame({ ...fields, destination, source: this.#process }, value);
  }
}

/** An actor answers where its executor does. @throws {SystemError} FRAME_INVALID. */
function checkAddress({ outcome }: Done, own: Omit<ActorAddress, "actorId">): void {
  if (outcome.kind !== "hosted") return;
  const { address } = outcome;
  if (canonicalJson({ ...own, actorId: address.actorId }) === canonicalJson(address)) return;
  throw new SystemError("FRAME_INVALID", "an actor of another executor");
}
