/**
 * The agent: one machine's worker. It feeds its core, starts executors and forwards their frames
 * undecoded: what leaves is checked to come from the child that sent it, what arrives goes to the
 * child it names.
 */
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
import { type Identity, newProcessId, PROCESS_NONE, type ProcessId } from "../runtime/ids.ts";
import { ROUTES_MAX, TICK_MS } from "../runtime/limits.ts";
import { machineId } from "../runtime/machine.ts";
import {
  actorItems,
  beacon,
  command,
  type ExecutorSays,
  executorSays,
  parseMessage,
} from "../runtime/messages.ts";
import { decide, newWorkerState, type WorkerEffect, type WorkerEvent } from "./core.ts";
import { type ExecutorChild, startExecutor } from "./executors.ts";

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
  /** Executors that have said hello, by their process. */
  readonly #channels = new Map<string, Channel>();
  /** Who elsewhere sent frames to a child, and so hears of its end. */
  readonly #peers = new Map<ProcessId, Map<ProcessId, Identity>>();
  /** Which identity's agent hosts a process elsewhere; the oldest is forgotten at the bound. */
  readonly #routes = new Map<string, Identity>();

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#state = newWorkerState(options.slots, this.#process, machineId());
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

  /** Ends every executor. */
  stop(): void {
    for (const child of this.#children.values()) child.kill();
  }

  #feed(event: WorkerEvent): void {
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
      case "report": {
        const subject = eventSubject(this.#options.cluster, this.#options.bus.identity);
        this.#publish(subject, effect.report);
        return;
      }
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
        if (child.process !== undefined) this.#mourn(child.process, reason);
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
      if (self !== undefined && source !== self) {
        throw new SystemError("FRAME_INVALID", `a frame of ${source} came from ${self}`);
      }
      if (destinationOf(frame) !== this.#process) {
        if (self !== undefined) this.#forward(frame);
        return;
      }
      const said = parseMessage(executorSays, decodeFrame(frame).value);
      if (said.op === "hello") {
        key = this.#greet(channel, said);
        self = source;
        this.#feed({ type: "ready", key });
      } else if (key !== undefined) this.#hear(key, said);
    });
  }

  /** The executor that says hello. @throws {SystemError} FRAME_INVALID when it isn't our child. */
  #greet(channel: Channel, hello: Extract<ExecutorSays, { op: "hello" }>): number {
    for (const [key, child] of this.#children) {
      if (child.pid !== hello.pid || child.config.token !== hello.token) continue;
      child.channel = channel;
      child.process = hello.process as ProcessId;
      this.#channels.set(hello.process, channel);
      return key;
    }
    throw new SystemError("FRAME_INVALID", `pid ${hello.pid} isn't an executor of ours`);
  }

  #hear(key: number, said: Exclude<ExecutorSays, { op: "hello" }>): void {
    if (said.op === "done") this.#feed({ type: "done", key, done: said.done });
    else this.#learn(said.process, said.identity as Identity);
  }

  /** A child's frame for elsewhere: the head, another child, or a process behind another agent. */
  #forward(frame: Uint8Array): void {
    const { bus, cluster } = this.#options;
    const destination = destinationOf(frame);
    const neighbour = this.#channels.get(destination);
    if (neighbour !== undefined) {
      neighbour.send(frame);
      return;
    }
    if (destination === PROCESS_NONE) bus.publish(apiSubject(cluster, bus.identity), frame);
    else {
      const to = this.#routes.get(destination);
      if (to !== undefined) bus.publish(linkSubject(cluster, to, bus.identity), frame);
    }
  }

  /** A frame from the bus: to the child it names, else its calls are answered ACTOR_DIED. */
  #deliver(subject: string, bytes: Uint8Array): void {
    const from = parseSubject(this.#options.cluster, subject)?.from;
    if (from === undefined) return;
    try {
      const source = sourceOf(bytes);
      const destination = destinationOf(bytes);
      this.#learn(source, from);
      const channel = this.#channels.get(destination);
      if (channel === undefined) return this.#answerForTheDead(bytes, from);
      this.#peersOf(destination).set(source, from);
      channel.send(Buffer.from(bytes));
    } catch (thrown) {
      process.stderr.write(`refused a frame on ${subject}: ${toSystemError(thrown).message}\n`);
    }
  }

  /** Frames for a process that is no more: whoever sent them hears so. */
  #answerForTheDead(bytes: Uint8Array, from: Identity): void {
    const { prefix, value } = decodeFrame(bytes);
    const isCall = Array.isArray(value) && parseMessage(actorItems, value)[0]?.kind === "call";
    if (isCall) this.#notify(prefix.destination, prefix.source, from, "it isn't here");
  }

  /** Tells everyone elsewhere who sent frames to a process of ours that it ended. */
  #mourn(dead: ProcessId, reason: string): void {
    this.#channels.delete(dead);
    for (const [peer, identity] of this.#peers.get(dead) ?? []) {
      this.#notify(dead, peer, identity, reason);
    }
    this.#peers.delete(dead);
  }

  #notify(source: ProcessId, destination: ProcessId, to: Identity, reason: string): void {
    const { bus, cluster } = this.#options;
    const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    const items = [{ kind: "died", reason }];
    const frame = encodeFrame({ ...fields, destination, source }, items);
    bus.publish(linkSubject(cluster, to, bus.identity), frame);
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

  #peersOf(processId: ProcessId): Map<ProcessId, Identity> {
    const known = this.#peers.get(processId) ?? new Map<ProcessId, Identity>();
    this.#peers.set(processId, known);
    return known;
  }

  #learn(processId: string, identity: Identity): void {
    this.#routes.delete(processId);
    this.#routes.set(processId, identity);
    if (this.#routes.size <= ROUTES_MAX) return;
    const oldest = this.#routes.keys().next().value;
    if (oldest !== undefined) this.#routes.delete(oldest);
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
