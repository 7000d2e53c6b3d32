/**
 * The executor, a process or a thread: user code runs here. It holds no NATS connection and no key
 * of the bus; all it says goes to its agent's socket, or by socket to a process of this machine.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { isMainThread, workerData } from "node:worker_threads";
import * as v from "valibot";
import { ITEM_NAMES } from "../runtime/actor/items.ts";
import { type Channel, connectSocket, listenSocket } from "../runtime/bus/socket.ts";
import { LogStreams } from "../runtime/client/actors/logs.ts";
import { HeadClient } from "../runtime/client/head-client.ts";
import { Links } from "../runtime/client/links.ts";
import { putResult, resolveArguments } from "../runtime/client/objects/arguments.ts";
import { Objects } from "../runtime/client/objects/objects.ts";
import { markAsExecutor } from "../runtime/client/nested.ts";
import { processClock } from "../runtime/clock.ts";
import { SystemError, toSystemError } from "../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../runtime/frame/codec.ts";
import { isLinkFrame, LANE_CONTROL, sourceOf } from "../runtime/frame/prefix.ts";
import { type Identity, newProcessId, PROCESS_NONE, type ProcessId } from "../runtime/ids.ts";
import { SOCKET_CONNECT_MS, TURN_SLICE_MS } from "../runtime/limits.ts";
import { agentCarrier, type Carrier, socketCarrier } from "../runtime/link/carrier.ts";
import type { Link } from "../runtime/link/link.ts";
import type { LinkHandlers } from "../runtime/link/ports.ts";
import { LinkTable } from "../runtime/link/table.ts";
import {
  type ActorLife,
  type Done,
  executorOrder,
  type ExecutorSays,
  parseMessage,
} from "../runtime/messages.ts";
import { TaskClient } from "../runtime/tasks/client.ts";
import { isResult } from "../runtime/tasks/items.ts";
import type { StoreDoor } from "../runtime/objects/wire.ts";
import { RefusalLog } from "../runtime/refusals.ts";
import { ProgressFile } from "./machine/progress.ts";
import { Orders } from "./orders.ts";
import { Packer } from "./packing.ts";
import { mapLigaseImports } from "./programs.ts";
import { TaskMark } from "./tasks/mark.ts";
import { TaskSite } from "./tasks/site.ts";
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
  /** Where it says which batch its stage is at, and which task. */
  readonly progress: string;
  readonly mark: string;
  /** Where this executor listens for calls of this machine, and the token callers need. */
  readonly socket: string;
  readonly callToken: string;
  /** The way into the store of this machine. */
  readonly objects: StoreDoor | null;
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
  readonly #tasks: TaskClient;
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
    this.#tasks = new TaskClient({ self: this.#process, head: this.#head });
    this.#table = new LinkTable({
      self: this.#process,
      accept: (link) => this.#accept(link),
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
    const door = Promise.resolve(config.objects ?? undefined);
    const objects = new Objects({ self: this.#process, door: () => door });
    this.#site = new Worksite({
      head: this.#head,
      links,
      objects,
      tasks: this.#tasks,
      logs: this.#logs,
      addressOf: (life) => this.#addressOf(life),
      onBatch: (assignment, place) => {
        this.#progress.write(assignment.task, assignment.attempt, place);
      },
      onEnded: (life, error) => this.#say({ op: "ended", ...life, error: error.toData() }),
      onOver: () => process.exit(0),
    });
    this.#orders = new Orders({
      tasks: this.#newTasks(objects),
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

  #newTasks(objects: Objects): TaskSite {
    const mark = new TaskMark(this.#config.mark);
    return new TaskSite({
      clock: processClock,
      open: ({ process, identity }, handlers) => {
        this.#say({ op: "route", process, identity });
        return this.#table.open(process as ProcessId, this.#way, handlers);
      },
      mark: (position) => mark.write(position),
      say: (said) => this.#say(said),
      load: (program, gpus) => this.#site.load(program, gpus),
      objects: {
        inJob: (job, work) => objects.inJob(job, work),
        resolve: (args) => resolveArguments(objects, args),
        put: (value, job, id) => putResult(objects, value, job, id),
      },
      onRest: keepCompiled,
    });
  }

  /** Calls of actors here, or what came of tasks that code here has submitted. */
  #accept(link: Link): LinkHandlers {
    let handlers: LinkHandlers | undefined;
    return {
      onItems: (items) => {
        handlers ??= (isResult(items[0]) ? this.#tasks : this.#site.host).accept(link);
        handlers.onItems(items);
      },
      onReset: (error, unsent) => handlers?.onReset(error, unsent),
      onReady: () => handlers?.onReady?.(),
    };
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

/** A process reads it from its standard input, a thread has it from its process. */
function configHere(): ExecutorConfig {
  if (!isMainThread) return workerData as ExecutorConfig;
  return JSON.parse(readFileSync(STDIN, "utf8")) as ExecutorConfig;
}

async function main(): Promise<void> {
  const config = configHere();
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
