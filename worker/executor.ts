/**
 * The executor's process: user code runs here. It holds no NATS connection and no key of the bus;
 * all it says goes to its agent's socket, or by socket to a process of this machine.
 */
import { setPriority } from "node:os";
import type { Reply } from "../runtime/actor/host.ts";
import { itemBatcher } from "../runtime/actor/link.ts";
import { type Channel, connectSocket, listenSocket } from "../runtime/bus/socket.ts";
import { markAsExecutor } from "../runtime/client/connect.ts";
import { HeadClient } from "../runtime/client/head-client.ts";
import { Links } from "../runtime/client/links.ts";
import { toSystemError } from "../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../runtime/frame/codec.ts";
import { LANE_CONTROL, sourceOf } from "../runtime/frame/prefix.ts";
import { type Identity, newProcessId, PROCESS_NONE, type ProcessId } from "../runtime/ids.ts";
import { PEERS_MAX, SOCKET_CONNECT_MS } from "../runtime/limits.ts";
import {
  type Assignment,
  type Done,
  executorOrder,
  type ExecutorOrder,
  type ExecutorSays,
  parseMessage,
} from "../runtime/messages.ts";
import { mapLigaseImports } from "./programs.ts";
import { Worksite } from "./work.ts";

/** What the agent tells an executor at its start, as JSON in LIGASE_EXECUTOR. */
export interface ExecutorConfig {
  /** The agent's socket, the token for it, and the agent's process. */
  readonly agentSocket: string;
  readonly agentToken: string;
  readonly agentProcess: ProcessId;
  /** Where this executor listens for calls of this machine, and the token callers need. */
  readonly socket: string;
  readonly token: string;
  readonly worker: Identity;
  readonly host: string;
}

/** User code may take all the processor it gets; heads and agents answer first. */
const NICE = 5;

class Executor {
  readonly #process = newProcessId();
  readonly #config: ExecutorConfig;
  readonly #agent: Channel;
  readonly #site: Worksite;
  readonly #head: HeadClient;
  readonly #links: Links;
  /** To callers that came through the agent. */
  readonly #repliers = new Map<ProcessId, Reply>();
  readonly #waiting: Assignment[] = [];
  readonly #aborts = new Map<string, AbortController>();
  #working = false;

  constructor(config: ExecutorConfig, agent: Channel) {
    this.#config = config;
    this.#agent = agent;
    this.#head = new HeadClient(this.#process, (frame) => void agent.send(frame));
    const { host } = config;
    this.#links = new Links({
      process: this.#process,
      host,
      remote: (address) => {
        this.#say({ op: "route", process: address.process, identity: address.worker });
        return (frame) => void agent.send(frame);
      },
    });
    this.#site = new Worksite({
      head: this.#head,
      links: this.#links,
      addressOf: (actorId) => {
        const { worker, socket, token } = config;
        return { worker, process: this.#process, actorId, host, socket, token };
      },
    });
    agent.onFrame((frame) => this.#hear(frame));
  }

  async start(): Promise<void> {
    const { socket, token } = this.#config;
    await listenSocket(socket, { token, onConnection: (channel) => this.#admit(channel) });
    this.#say({ op: "hello", pid: process.pid, token });
  }

  /** A caller of this machine. What it sends wrongly ends its own connection. */
  #admit(channel: Channel): void {
    let reply: Reply | undefined;
    channel.onFrame((frame) => {
      const { prefix, value } = decodeFrame(frame);
      reply ??= replier(this.#process, prefix.source, (bytes) => void channel.send(bytes));
      this.#site.host.take(value, reply);
    });
  }

  /** What came through the agent: its orders, or frames of others that it has forwarded. */
  #hear(frame: Uint8Array): void {
    if (sourceOf(frame) === this.#config.agentProcess) {
      this.#obey(parseMessage(executorOrder, decodeFrame(frame).value));
      return;
    }
    try {
      this.#take(frame);
    } catch (thrown) {
      // Somebody elsewhere sent it: that ends neither this process nor its way to the agent.
      process.stderr.write(`refused a frame: ${toSystemError(thrown).message}\n`);
    }
  }

  #take(frame: Uint8Array): void {
    const { prefix, value } = decodeFrame(frame);
    if (prefix.source === PROCESS_NONE) this.#head.take(value);
    else {
      this.#links.take(prefix.source, value);
      this.#site.host.take(value, this.#replierTo(prefix.source));
    }
  }

  #replierTo(caller: ProcessId): Reply {
    const known = this.#repliers.get(caller);
    if (known !== undefined) return known;
    const reply = replier(this.#process, caller, (bytes) => void this.#agent.send(bytes));
    this.#repliers.set(caller, reply);
    const oldest = this.#repliers.keys().next().value;
    if (this.#repliers.size > PEERS_MAX && oldest !== undefined) this.#repliers.delete(oldest);
    return reply;
  }

  #obey(order: ExecutorOrder): void {
    if (order.op === "run") {
      this.#waiting.push(order.assignment);
      if (!this.#working) void this.#work();
      return;
    }
    this.#aborts.get(order.task)?.abort();
    const index = this.#waiting.findIndex(({ task }) => task === order.task);
    if (index >= 0) this.#waiting.splice(index, 1);
  }

  async #work(): Promise<void> {
    this.#working = true;
    for (;;) {
      const assignment = this.#waiting.shift();
      if (assignment === undefined) break;
      const { task, attempt } = assignment;
      const abort = new AbortController();
      this.#aborts.set(task, abort);
      const outcome = await this.#site.run(assignment, abort.signal);
      this.#aborts.delete(task);
      this.#tell({ task, attempt, outcome });
    }
    this.#working = false;
  }

  /** What came of an assignment; a result that doesn't cross fails it. */
  #tell(done: Done): void {
    try {
      this.#say({ op: "done", done });
    } catch (thrown) {
      const error = toSystemError(thrown).toData();
      this.#say({ op: "done", done: { ...done, outcome: { kind: "failed", error } } });
    }
  }

  #say(value: ExecutorSays): void {
    const { agentProcess: destination } = this.#config;
    const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    this.#agent.send(encodeFrame({ ...fields, destination, source: this.#process }, value));
  }
}

/** Replies to one caller; a result that doesn't cross is answered by the error that says so. */
function replier(self: ProcessId, caller: ProcessId, send: (frame: Uint8Array) => void): Reply {
  const batcher = itemBatcher(self, caller, send);
  return (item) => {
    try {
      batcher.add(item);
    } catch (thrown) {
      batcher.add({ kind: "error", id: item.id, error: toSystemError(thrown).toData() });
    }
  };
}

async function main(): Promise<void> {
  const config = JSON.parse(process.env["LIGASE_EXECUTOR"] ?? "") as ExecutorConfig;
  // User code inherits the environment of what it starts: our secrets aren't in it.
  delete process.env["LIGASE_EXECUTOR"];
  setPriority(process.pid, NICE);
  markAsExecutor();
  mapLigaseImports();
  const { agentSocket, agentToken } = config;
  const deadlineMs = SOCKET_CONNECT_MS;
  const agent = await connectSocket(agentSocket, { token: agentToken, deadlineMs });
  agent.onClose(() => process.exit(0));
  process.on("SIGINT", () => undefined);
  await new Executor(config, agent).start();
}

main().catch((thrown: unknown) => {
  const error = toSystemError(thrown);
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
