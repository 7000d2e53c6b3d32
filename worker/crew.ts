/**
 * An agent's executors: started, greeted, given orders in packed frames, measured, ended. What they
 * say to the agent is checked by its form and comes to `onSaid`; their other frames to `onForeign`.
 * Long because all that can end an executor, and why it ended, is one story.
 */
import { rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import type { Channel } from "../runtime/bus/socket.ts";
import { type ErrorCode, SystemError, toSystemError } from "../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../runtime/frame/codec.ts";
import { destinationOf, isLinkFrame, LANE_CONTROL, sourceOf } from "../runtime/frame/prefix.ts";
import { canonicalJson, type Identity, PROCESS_NONE, type ProcessId } from "../runtime/ids.ts";
import {
  BATCH_TIMEOUT_MS,
  EXECUTORS_STARTING_PER_CORE,
  HEARTBEAT_INTERVAL_MS,
  POST_BUFFERED_BYTES_MAX,
  SHARED_BUSY_SHARE,
} from "../runtime/limits.ts";
import {
  type ActorAddress,
  type Done,
  type ExecutorOrder,
  type ExecutorSays,
  executorSays,
  parseMessage,
} from "../runtime/messages.ts";
import { hostTask } from "./core/lives.ts";
import type { WorkerEvent } from "./core/state.ts";
import type { ExecutorConfig } from "./executor.ts";
import { type ExecutorChild, startExecutor, startThreads } from "./executors.ts";
import type { LogDesk } from "./machine/logs.ts";
import {
  describeVerdict,
  type ExecutorLook,
  isNear,
  judge,
  newMemoryState,
} from "./machine/memory.ts";
import { OutputLog } from "./machine/output.ts";
import {
  familyOf,
  isRunning,
  lookAtMemory,
  oomKills,
  ownBytesOf,
  wantedMsOf,
} from "./machine/procfs.ts";
import { BatchWatch, readProgress, removeProgress } from "./machine/progress.ts";
import type { NodeObjects } from "./objects/node.ts";
import { Orphans } from "./machine/orphans.ts";
import { Relay } from "./machine/relay.ts";
import { Packer } from "./packing.ts";
import { readMark, removeMark } from "./tasks/mark.ts";

export interface CrewPorts {
  /** The agent's process. */
  readonly self: ProcessId;
  readonly place: { readonly worker: Identity; readonly host: string };
  readonly runtimeDir: string;
  readonly mark: string;
  readonly memoryFloorBytes: number | undefined;
  readonly logBytesMax: number | undefined;
  readonly desk: LogDesk;
  /** The store of this node; each executor has a way into it. */
  readonly objects?: Pick<NodeObjects, "door" | "shut"> | undefined;
  readonly onSaid: (key: number, says: ExecutorSays) => void;
  readonly onForeign: (frame: Uint8Array) => void;
  /** An executor said hello; frames for it go to the receiver. */
  readonly onAdmitted: (
    process: ProcessId,
    receiver: { readonly send: (frame: Uint8Array) => unknown },
  ) => void;
  /** It ended. */
  readonly onGone: (process: ProcessId, reason: string) => void;
  readonly feed: (event: WorkerEvent) => void;
}

/** Why an executor ended. */
interface Cause {
  readonly code: ErrorCode;
  readonly reason: string;
}

interface Member {
  readonly child: ExecutorChild;
  readonly orders: Packer<ExecutorOrder>;
  /** Why the agent itself ended it, for want of memory. */
  verdict: Cause | undefined;
  /** Whether the agent has ended it, for whatever reason. */
  wasKilled: boolean;
  /** Whether it said that its JavaScript heap is full. */
  isHeapFull: boolean;
  readonly batches: BatchWatch;
  /** Milliseconds for which it had wanted a processor at the last look. */
  wantedMs: number;
  busy: boolean;
}

const sayings = v.array(executorSays);
/** How the tasks of actors begin. */
const HOST = hostTask("");

/** How V8 ends a process whose heap is full, and what it says then. */
const V8_END = "SIGABRT";
const HEAP_FULL = "JavaScript heap out of memory";

const STARTING_MAX = EXECUTORS_STARTING_PER_CORE * availableParallelism();

export class Crew {
  /** Guards the agent's socket; every executor of it knows it. */
  readonly token = crypto.randomUUID();
  readonly #ports: CrewPorts;
  readonly #members = new Map<number, Member>();
  readonly #keys = new Map<ProcessId, number>();
  /** Those whose start waits for that of others, in order. */
  readonly #toStart = new Set<number>();
  /** Those that ended as V8 does and whose output isn't read yet. */
  readonly #aborted = new Set<number>();
  readonly #relay = new Relay();
  readonly #orphans = new Orphans();
  readonly #memory;
  #oomKills = oomKills();
  #measuredMs = 0;
  #stopped = false;

  constructor(ports: CrewPorts) {
    this.#ports = ports;
    this.#memory = newMemoryState(ports.memoryFloorBytes ?? null);
  }

  /** Where executors find their agent. */
  get socket(): string {
    return join(this.#ports.runtimeDir, `${this.#ports.self}.sock`);
  }

  /**
   * Starts one after `waitMs`, or when others have: a crowd at once would leave the agent no
   * processor.
   */
  start(key: number, waitMs = 0): void {
    this.#toStart.add(key);
    if (waitMs === 0) this.#startNext();
    else setTimeout(() => this.#startNext(), waitMs);
  }

  #startNext(): void {
    let starting = 0;
    for (const { child } of this.#members.values()) if (child.process === undefined) starting++;
    for (const key of this.#toStart) {
      if (starting >= STARTING_MAX) return;
      starting++;
      this.#toStart.delete(key);
      this.#begin(key);
    }
  }

  #begin(key: number): void {
    const { runtimeDir, mark, desk } = this.#ports;
    const path = join(runtimeDir, this.#idOf(key));
    const output = this.#openOutput(key, `${path}.log`);
    if (output === undefined) return;
    desk.open(key, output);
    const child = startExecutor({
      config: this.#configOf(key),
      mark,
      id: this.#idOf(key),
      onOutput: (stream, chunk) => {
        this.#relay.write(stream, chunk);
        output.take(stream, chunk);
        const member = this.#members.get(key);
        if (member !== undefined && chunk.includes(HEAP_FULL)) member.isHeapFull = true;
      },
      onExit: (reason) => {
        // What V8 says of an end of its own may still be on its way.
        if (reason === V8_END) this.#aborted.add(key);
        else this.#bury(key, reason);
      },
      onOutputEnd: () => {
        if (this.#aborted.delete(key)) this.#bury(key, V8_END);
        output.close();
        if (!this.#stopped) desk.retire(key);
      },
    });
    this.#add(key, child);
  }

  /** Executors that are threads of one process, and have one output. */
  startThreads(keys: readonly number[]): void {
    const { runtimeDir, mark, desk } = this.#ports;
    const [first = 0] = keys;
    const id = `${this.#idOf(first)}-threads`;
    const output = this.#openOutput(first, join(runtimeDir, `${id}.log`));
    if (output === undefined) {
      for (const key of keys.slice(1)) this.#neverStarted(key, "its process had no output");
      return;
    }
    for (const key of keys) desk.open(key, output);
    const children = startThreads({
      configs: keys.map((key) => this.#configOf(key)),
      mark,
      id,
      onOutput: (stream, chunk) => {
        this.#relay.write(stream, chunk);
        output.take(stream, chunk);
      },
      onThreadExit: (index, reason) => this.#bury(keys[index] ?? first, reason),
      onExit: () => this.#orphans.end(id),
      onOutputEnd: () => {
        output.close();
        if (!this.#stopped) for (const key of keys) desk.retire(key);
      },
    });
    children.forEach((child, index) => this.#add(keys[index] ?? first, child));
  }

  #add(key: number, child: ExecutorChild): void {
    const orders = new Packer<ExecutorOrder>(
      (packed) => this.#sendOrders(child, packed),
      (order, error) => this.#refuse(key, order, error),
    );
    const unused = { verdict: undefined, wasKilled: false, isHeapFull: false };
    const idle = { wantedMs: 0, busy: false };
    this.#members.set(key, { child, orders, batches: new BatchWatch(), ...unused, ...idle });
  }

  #configOf(key: number): ExecutorConfig {
    const { runtimeDir, self, place } = this.#ports;
    const path = join(runtimeDir, this.#idOf(key));
    return {
      agentSocket: this.socket,
      agentToken: this.token,
      agentProcess: self,
      progress: `${path}.at`,
      mark: `${path}.mark`,
      helloToken: crypto.randomUUID(),
      socket: `${path}.sock`,
      callToken: crypto.randomUUID(),
      objects: this.#ports.objects?.door() ?? null,
      ...place,
    };
  }

  #idOf(key: number): string {
    return `${this.#ports.self}-${key}`;
  }

  /** At the end of the turn, with all others of it. */
  order(key: number, order: ExecutorOrder): void {
    const member = this.#members.get(key);
    member?.orders.add(order);
    if (order.op !== "run") return;
    const { task, work } = order.assignment;
    if (work.kind !== "shard" && work.kind !== "probe") return;
    member?.batches.limit(task, work.batchTimeoutMs ?? BATCH_TIMEOUT_MS);
  }

  kill(key: number): void {
    if (this.#toStart.delete(key)) this.#neverStarted(key, "it was ended before it started");
    const member = this.#members.get(key);
    if (member === undefined) return;
    member.wasKilled = true;
    member.child.kill();
  }

  /** A frame of the agent's own to an executor; dropped when there is none. */
  send(process: ProcessId, frame: Uint8Array): void {
    const key = this.#keys.get(process);
    const channel = key === undefined ? undefined : this.#members.get(key)?.child.channel;
    if (channel !== undefined) sendBounded(channel, frame);
  }

  /** The position of the last task that an executor has begun; 0 before the first. */
  begunOf(key: number): number {
    const mark = this.#members.get(key)?.child.config.mark;
    return mark === undefined ? 0 : readMark(mark);
  }

  processOf(key: number): ProcessId | undefined {
    return this.#members.get(key)?.child.process;
  }

  /** Whether an executor goes on: there, and not stopped by a signal. */
  isRunning(process: ProcessId): boolean {
    const key = this.#keys.get(process);
    const pid = key === undefined ? undefined : this.#members.get(key)?.child.pid;
    return pid !== undefined && isRunning(pid);
  }

  /** What all addresses of an executor's actors have in common. */
  placeOf(key: number): Omit<ActorAddress, "actorId" | "incarnation"> {
    const child = this.#members.get(key)?.child;
    const { socket = "", callToken: token = "" } = child?.config ?? {};
    const process = child?.process ?? PROCESS_NONE;
    return { ...this.#ports.place, process, pid: child?.pid ?? 0, socket, token };
  }

  /** A connection with the right token; its first frame says which executor it is. */
  admit(channel: Channel): void {
    let key: number | undefined;
    let self: ProcessId | undefined;
    channel.onFrame((frame) => {
      const source = sourceOf(frame);
      if (key === undefined) {
        key = this.#greet(channel, source, frame);
        self = source;
        this.#ports.feed({ type: "ready", key, process: source });
      } else if (source !== self) {
        throw new SystemError("FRAME_INVALID", `a frame of ${source} came from ${self}`);
      } else if (destinationOf(frame) === this.#ports.self && !isLinkFrame(frame)) {
        for (const says of parseMessage(sayings, decodeFrame(frame).value)) {
          if (says.op === "done") this.#members.get(key)?.batches.forget(says.done.task);
          this.#ports.onSaid(key, says);
        }
      } else this.#ports.onForeign(frame);
    });
    // Without its connection it can neither be given work nor say what came of it.
    channel.onClose(() => {
      if (key !== undefined) this.#members.get(key)?.child.kill();
    });
  }

  /** Looks which executors use a processor for themselves; every HEARTBEAT_INTERVAL_MS. */
  measure(nowMs: number): void {
    this.#watchBatches(nowMs);
    const pastMs = nowMs - this.#measuredMs;
    if (pastMs < HEARTBEAT_INTERVAL_MS) return;
    this.#measuredMs = nowMs;
    // Only what the kernel does between here and an executor's end tells of that.
    this.#oomKills = oomKills();
    for (const [key, member] of this.#members) {
      const { pid } = member.child;
      const wantedMs = pid === undefined ? undefined : wantedMsOf(pid);
      if (wantedMs === undefined) continue;
      const busy = wantedMs - member.wantedMs > SHARED_BUSY_SHARE * pastMs;
      member.wantedMs = wantedMs;
      if (busy === member.busy) continue;
      member.busy = busy;
      this.#ports.feed({ type: "busy", key, busy });
    }
  }

  /** Ends executors that are stuck in a batch. */
  #watchBatches(nowMs: number): void {
    for (const member of this.#members.values()) {
      const { child, batches, verdict } = member;
      const limitMs = batches.look(nowMs, () => readProgress(child.config.progress));
      if (limitMs === undefined || verdict !== undefined) continue;
      const reason = `it was at one batch for over ${limitMs / 1000} s`;
      this.#relay.write("stderr", Buffer.from(`executor ${child.pid} is ended: ${reason}\n`));
      member.verdict = { code: "BATCH_TIMEOUT", reason };
      child.kill();
    }
  }

  /** Ends the executor that takes most when memory is short; every MEMORY_WATCH_MS. */
  watchMemory(nowMs: number): void {
    const look = lookAtMemory();
    if (look === undefined || !isNear(this.#memory, look)) return;
    const looks: ExecutorLook[] = [];
    for (const [key, { child }] of this.#members) {
      if (child.pid === undefined) continue;
      const sizes = familyOf(child.pid).map(ownBytesOf);
      looks.push({ key, bytes: sizes.reduce((sum, bytes) => sum + bytes, 0) });
    }
    const verdict = judge(this.#memory, look, looks, nowMs);
    const member = verdict === undefined ? undefined : this.#members.get(verdict.key);
    if (verdict === undefined || member?.child.pid === undefined) return;
    const reason = describeVerdict(verdict);
    process.stderr.write(`executor ${member.child.pid} is ended: ${reason}\n`);
    member.verdict = { code: "OUT_OF_MEMORY", reason };
    for (const pid of familyOf(member.child.pid).slice(1)) endProcess(pid);
    member.child.killProcess();
  }

  /** Ends all of them; nothing is told of it any more. */
  stop(): void {
    this.#stopped = true;
    this.#toStart.clear();
    this.#relay.close();
    for (const { child } of this.#members.values()) {
      child.killProcess();
      rmSync(child.config.socket, { force: true });
      removeProgress(child.config.progress);
      removeMark(child.config.mark);
    }
  }

  /** Without a file for its output an executor doesn't start: the next try may find one. */
  #openOutput(key: number, path: string): OutputLog | undefined {
    try {
      return new OutputLog(path, this.#ports.logBytesMax);
    } catch (thrown) {
      this.#neverStarted(key, toSystemError(thrown).what);
      return undefined;
    }
  }

  /** The executor that says hello. @throws {SystemError} FRAME_INVALID when it isn't our child. */
  #greet(channel: Channel, source: ProcessId, frame: Uint8Array): number {
    const [hello] = parseMessage(sayings, decodeFrame(frame).value);
    if (hello?.op !== "hello") throw new SystemError("FRAME_INVALID", `no hello, but ${hello?.op}`);
    for (const [key, { child }] of this.#members) {
      const isNew = child.process === undefined;
      const isIt = child.pid === hello.pid && child.config.helloToken === hello.token;
      if (!isNew || !isIt) continue;
      this.#ports.onAdmitted(source, { send: (frame) => sendBounded(channel, frame) });
      child.channel = channel;
      child.process = source;
      this.#keys.set(source, key);
      this.#startNext();
      return key;
    }
    throw new SystemError("FRAME_INVALID", `pid ${hello.pid} isn't an executor of ours`);
  }

  #bury(key: number, exit: string): void {
    const member = this.#members.get(key);
    if (member === undefined) return;
    this.#members.delete(key);
    const { child, verdict } = member;
    // Killed, it couldn't remove it itself.
    rmSync(child.config.socket, { force: true });
    this.#orphans.end(this.#idOf(key));
    const { objects } = child.config;
    if (objects !== null) this.#ports.objects?.shut(objects.token);
    const { code, reason } = verdict ?? this.#causeOf(member, exit);
    // An end that somebody asked for is no batch's doing.
    const isOfBatch = verdict !== undefined || !member.wasKilled;
    const batch = isOfBatch ? readProgress(child.config.progress) : undefined;
    removeProgress(child.config.progress);
    const begun = readMark(child.config.mark);
    removeMark(child.config.mark);
    if (child.process !== undefined) {
      this.#keys.delete(child.process);
      this.#ports.onGone(child.process, reason);
    }
    const of = batch === undefined ? {} : { batch };
    this.#ports.feed({ type: "exited", key, reason, code, begun, ...of });
    if (!this.#stopped) this.#startNext();
  }

  #neverStarted(key: number, reason: string): void {
    setImmediate(() => this.#ports.feed({ type: "exited", key, reason, code: "ACTOR_DIED" }));
  }

  /** What the kernel does for memory looks like anybody's SIGKILL, but it counts them. */
  #causeOf({ wasKilled, isHeapFull }: Member, exit: string): Cause {
    if (isHeapFull && exit === V8_END) {
      return { code: "OUT_OF_MEMORY", reason: "its JavaScript heap was full" };
    }
    const kills = exit === "SIGKILL" && !wasKilled ? oomKills() : 0;
    if (kills <= this.#oomKills) return { code: "ACTOR_DIED", reason: exit };
    return { code: "OUT_OF_MEMORY", reason: "the kernel ended it for memory" };
  }

  #sendOrders({ process: destination, channel }: ExecutorChild, orders: readonly unknown[]): void {
    if (destination === undefined) return;
    const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    const ends = { destination, source: this.#ports.self };
    channel?.send(encodeFrame({ ...fields, ...ends }, orders));
  }

  /** An order that doesn't fit a frame: what was to run didn't. */
  #refuse(key: number, order: ExecutorOrder, error: SystemError): void {
    if (order.op !== "run") throw error;
    const { task, attempt } = order.assignment;
    const outcome = { kind: "failed" as const, error: error.toData() };
    this.#ports.feed({ type: "done", key, done: { task, attempt, outcome } });
  }
}

/** Frames of others: links send again what is dropped here while an executor reads nothing. */
function sendBounded(channel: Channel, frame: Uint8Array): void {
  if (channel.bufferedBytes <= POST_BUFFERED_BYTES_MAX) channel.send(frame);
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}

/** An actor answers where its executor does. @throws {SystemError} FRAME_INVALID. */
export function checkAddress(
  { task, attempt, outcome }: Done,
  place: Omit<ActorAddress, "actorId" | "incarnation">,
): void {
  // Anything else would be a start that costs no restart, again and again.
  if (task.startsWith(HOST) && outcome.kind !== "hosted" && outcome.kind !== "failed") {
    throw new SystemError("FRAME_INVALID", `an actor's start that ${outcome.kind}`);
  }
  if (outcome.kind !== "hosted") return;
  const { address } = outcome;
  const expected = { ...place, actorId: task.slice(HOST.length), incarnation: attempt };
  if (canonicalJson(expected) === canonicalJson(address)) return;
  throw new SystemError("FRAME_INVALID", "an actor of another executor");
}
