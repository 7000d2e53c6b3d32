/**
 * The executor's process: user code runs here. It holds no NATS connection and no key of the bus;
 * all it says goes to its agent's socket, or by socket to a process of this machine.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import * as v from "valibot";
import { ITEM_NAMES } from "../runtime/actor/items.ts";
import { type Channel, connectSocket, listenSocket } from "../runtime/bus/socket.ts";
import { LogStreams } from "../runtime/client/actors/logs.ts";
import { HeadClient } from "../runtime/client/head-client.ts";
import { Links } from "../runtime/client/links.ts";
import { markAsExecutor } from "../runtime/client/nested.ts";
import { SystemError, toSystemError } from "../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../runtime/frame/codec.ts";
import { isLinkFrame, LANE_CONTROL, sourceOf } from "../runtime/frame/prefix.ts";
import { type Identity, newProcessId, PROCESS_NONE, type ProcessId } from "../runtime/ids.ts";
import { SOCKET_CONNECT_MS, TURN_SLICE_MS } from "../runtime/limits.ts";
import { agentCarrier, type Carrier, socketCarrier } from "../runtime/link/carrier.ts";
import { LinkTable } from "../runtime/link/table.ts";
import {
  type ActorLife,
  type Done,
  executorOrder,
  type ExecutorSays,
  parseMessage,
} from "../runtime/messages.ts";
import { RefusalLog } from "../runtime/refusals.ts";
import { ProgressFile } from "./machine/progress.ts";
import { Orders } from "./orders.ts";
import { Packer } from "./packing.ts";
import { mapLigaseImports } from "./programs.ts";
import { Worksite } from "./work.ts";

/**
 * What the agent tells an executor at its start, as JSON on its standard input: an environment is
 * readable to every process of this user for as long as its process lives.
 */
export interface ExecutorConfig {
  /** The agent's socket, the token for it, and the agent's process. */
  readonly agentSocket: string;
  readonly agentToken: string;
  readonly agentProcess: ProcessId;
  /** Only the agent and this executor know it: who shows it is this child. */
  readonly helloToken: string;
  /** Where it says which batch its stage is at. */
  readonly progress: string;
  /** Where this executor listens for calls of this machine, and the token callers need. */
  readonly socket: string;
  readonly callToken: string;
  readonly worker: Identity;
  readonly host: string;
}

/** When the kernel runs short of memory, it takes user code before what answers for it. */
const OOM_SCORE = "500";

const STDIN = 0;

const orders = v.array(executorOrder);

class Executor {
  readonly #process = newProcessId();
  readonly #config: ExecutorConfig;
  readonly #agent: Channel;
  readonly #way: Carrier;
  readonly #table: LinkTable;
  readonly #site: Worksite;
  readonly #head: HeadClient;
  readonly #logs = new LogStreams();
  readonly #progress: ProgressFile;
  readonly #sayings: Packer<ExecutorSays>;
  readonly #orders: Orders;
  readonly #refusals = new RefusalLog();
  /** When calls get their turn between two assignments. */
  #sliceEndMs = 0;

  constructor(config: ExecutorConfig, agent: Channel) {
    this.#config = config;
    this.#agent = agent;
    this.#progress = new ProgressFile(config.progress);
    this.#way = agentCarrier(agent);
    this.#sayings = new Packer(
      (sayings) => this.#send(sayings),
      (saying, error) => this.#sayFailed(saying, error),
    );
    const { host } = config;
    this.#head = new HeadClient(this.#process, (frame) => void agent.send(frame));
    this.#table = new LinkTable({
      self: this.#process,
      accept: (link) => this.#site.host.accept(link),
      vouch: (process) => links.vouch(process),
      names: ITEM_NAMES,
    });
    const links = new Links({
      host,
      table: this.#table,
      head: this.#head,
      remote: ({ process, worker }) => {
        this.#say({ op: "route", process, identity: worker });
        return this.#way;
      },
    });
    this.#site = new Worksite({
      head: this.#head,
      links,
      logs: this.#logs,
      addressOf: (life) => this.#addressOf(life),
      onBatch: (assignment, place) => {
        this.#progress.write(assignment.task, assignment.attempt, place);
      },
      onEnded: (life, error) => this.#say({ op: "ended", ...life, error: error.toData() }),
      onOver: () => process.exit(0),
    });
    this.#orders = new Orders({
      run: (assignment, signal) => this.#site.run(assignment, signal),
      end: (life) => this.#site.end(life),
      renew: (fromMs) => this.#site.lease.renew(fromMs),
      onBegin: () => this.#beginSlice(),
      onDone: (done, isLast) => this.#done(done, isLast),
      onRest: keepCompiled,
    });
    agent.onFrame((frame) => this.#hear(frame));
  }

  async start(): Promise<void> {
    const { socket, callToken, helloToken } = this.#config;
    await listenSocket(socket, {
      token: callToken,
      onConnection: (channel) => this.#admit(channel),
    });
    this.#send([{ op: "hello", pid: process.pid, token: helloToken }]);
  }

  #addressOf({ actorId, incarnation }: ActorLife) {
    const { worker, host, socket, callToken: token } = this.#config;
    const { pid } = process;
    return { worker, process: this.#process, pid, actorId, incarnation, host, socket, token };
  }

  /** A caller of this machine. What it sends wrongly ends its own connection. */
  #admit(channel: Channel): void {
    const carrier = socketCarrier(channel);
    channel.onFrame((frame) => this.#table.take(frame, carrier));
    channel.onClose((reason) => {
      const error = new SystemError("ACTOR_DIED", "the caller's connection ended", {}, reason);
      this.#table.carrierClosed(carrier, error);
    });
  }

  /** What came through the agent: its orders, or frames of others that it has forwarded. */
  #hear(frame: Uint8Array): void {
    if (sourceOf(frame) === this.#config.agentProcess && !isLinkFrame(frame)) {
      const { value } = decodeFrame(frame);
      if (!Array.isArray(value)) this.#logs.take(value);
      else for (const order of parseMessage(orders, value)) this.#orders.obey(order);
      return;
    }
    try {
      this.#take(frame);
    } catch (thrown) {
      // Somebody elsewhere sent it: that ends neither this process nor its way to the agent.
      const error = toSystemError(thrown);
      if (!error.code.startsWith("FRAME_")) throw thrown;
      this.#refusals.note(`a frame: ${error.message}`);
    }
  }

  #take(frame: Uint8Array): void {
    if (isLinkFrame(frame)) {
      this.#table.take(frame, this.#way);
      return;
    }
    const { prefix, value } = decodeFrame(frame);
    if (prefix.source === PROCESS_NONE) this.#head.take(value);
    else this.#logs.take(value);
  }

  /** Says what came of an assignment; between thousands of them calls to those that live come. */
  #done(done: Done, isLast: boolean): Promise<void> | undefined {
    this.#say({ op: "done", done });
    if (isLast) this.#sayings.flush();
    if (performance.now() < this.#sliceEndMs) return undefined;
    this.#sayings.flush();
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#beginSlice();
        resolve();
      });
    });
  }

  #beginSlice(): void {
    this.#sliceEndMs = performance.now() + TURN_SLICE_MS;
  }

  #say(saying: ExecutorSays): void {
    this.#sayings.add(saying);
    // What follows it would pass it by.
    if (saying.op === "route") this.#sayings.flush();
  }

  /** A result that doesn't cross fails its assignment. */
  #sayFailed(saying: ExecutorSays, error: SystemError): void {
    if (saying.op !== "done") throw error;
    const done: Done = { ...saying.done, outcome: { kind: "failed", error: error.toData() } };
    this.#send([{ op: "done", done }]);
  }

  #send(sayings: readonly ExecutorSays[]): void {
    const { agentProcess: destination } = this.#config;
    const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    this.#agent.send(encodeFrame({ ...fields, destination, source: this.#process }, sayings));
  }
}

/** Executors are killed, not left to end: what they have compiled is written while they live. */
function keepCompiled(): void {
  setImmediate(() => flushCompileCache());
}

/** Not every container lets a process say so. */
function goFirst(): void {
  try {
    writeFileSync("/proc/self/oom_score_adj", OOM_SCORE);
  } catch {
    // Then the kernel takes the largest, which is this one too.
  }
}

async function main(): Promise<void> {
  const config = JSON.parse(readFileSync(STDIN, "utf8")) as ExecutorConfig;
  goFirst();
  markAsExecutor();
  mapLigaseImports();
  const { agentSocket, agentToken } = config;
  const deadlineMs = SOCKET_CONNECT_MS;
  const agent = await connectSocket(agentSocket, { token: agentToken, deadlineMs });
  agent.onClose(() => process.exit(0));
  process.on("SIGINT", () => undefined);
  await new Executor(config, agent).start();
  // What programs import by name is there before one comes: 4 ms of an actor's start.
  await import("../runtime/index.ts");
  keepCompiled();
}

main().catch((thrown: unknown) => {
  const error = toSystemError(thrown);
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
