/**
 * How a head speaks and listens on the bus: commands, replies and beacons out; reports, requests
 * and other heads' beacons in. What comes in is checked before the head sees it. A head speaks as
 * PROCESS_NONE: whoever leads is asked there, and agents let only heads send as it.
 */
import * as v from "valibot";
import type { Bus } from "../../runtime/bus/bus.ts";
import {
  beaconSubject,
  commandSubject,
  hearing,
  linkSubject,
  parseSubject,
} from "../../runtime/bus/subjects.ts";
import { type ErrorData, SystemError, toSystemError } from "../../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../../runtime/frame/codec.ts";
import { LANE_CONTROL, type Prefix, type PrefixFields } from "../../runtime/frame/prefix.ts";
import { type Identity, PROCESS_NONE, type ProcessId } from "../../runtime/ids.ts";
import { API_ITEMS_MAX, API_REQUEST_BYTES_MAX } from "../../runtime/limits.ts";
import {
  type ApiReply,
  type ApiRequest,
  apiCall,
  type Beacon,
  beacon,
  type Command,
  type Epoch,
  type Owner,
  parseMessage,
  type Report,
  report,
} from "../../runtime/messages.ts";
import {
  type TaskEnds,
  type TaskOrder,
  type TaskReport,
  taskReport,
} from "../../runtime/tasks/wire.ts";
import type { Caller } from "../core/events.ts";

const PREFIX: PrefixFields = {
  lane: LANE_CONTROL,
  flags: 0,
  destination: PROCESS_NONE,
  source: PROCESS_NONE,
  link: 0,
  sequence: 0,
  ack: 0,
};

export class HeadMouth {
  readonly #bus: Bus;
  readonly #cluster: string;
  readonly epoch: Epoch;
  /** Answers that wait for `flush`, by the process that asked. */
  readonly #answers = new Map<string, { readonly caller: Caller; readonly replies: ApiReply[] }>();
  /** Number of the last command to each worker. */
  readonly #commanded = new Map<string, number>();
  #sequence = 0;

  constructor(bus: Bus, cluster: string, epoch: Epoch) {
    this.#bus = bus;
    this.#cluster = cluster;
    this.epoch = epoch;
  }

  /**
   * Sends a command; one over a frame's bound leaves in parts of the same number. If one of them is
   * lost, what it carried is placed again or said again.
   */
  command(worker: string, command: Omit<Command, "epoch">): void {
    const subject = commandSubject(this.#cluster, worker as Identity, this.#bus.identity);
    this.#commanded.set(worker, command.sequence);
    try {
      this.#publish(subject, PROCESS_NONE, { epoch: this.epoch, ...command });
    } catch (thrown) {
      const parts = halves(command);
      if (parts === undefined) throw thrown;
      for (const part of parts) this.command(worker, part);
    }
  }

  /**
   * Confirms a report and says nothing else. It needs no number of its own: whatever has the last
   * one came before it, or is lost, and that a worker that has seen this says.
   */
  confirm(worker: string, heard: number): void {
    const sequence = this.#commanded.get(worker);
    if (sequence !== undefined) this.command(worker, { sequence, heard, ...NOTHING });
  }

  /** Tells a worker's process of tasks; the order fits a frame. */
  taskOrder(worker: string, order: TaskOrder): void {
    const subject = commandSubject(this.#cluster, worker as Identity, this.#bus.identity);
    this.#publish(subject, PROCESS_NONE, order);
  }

  /** Tells an owner of ends, as an answer to nothing. */
  taskEnds({ identity, process }: Owner, ends: TaskEnds): void {
    const subject = linkSubject(this.#cluster, identity as Identity, this.#bus.identity);
    this.#publish(subject, process as ProcessId, ends);
  }

  /** Answers a request with the next `flush`. */
  reply(caller: Caller, value: unknown): void {
    this.#answer(caller, { kind: "ok", id: caller.id, epoch: this.epoch.number, value });
  }

  refuse(caller: Caller, error: ErrorData): void {
    this.#answer(caller, { kind: "error", id: caller.id, epoch: this.epoch.number, error });
  }

  /** Sends the answers that wait: one frame for each process, or as many as it takes. */
  flush(): void {
    for (const { caller, replies } of this.#answers.values()) this.#send(caller, replies);
    this.#answers.clear();
  }

  beacon(tail: number): void {
    const subject = beaconSubject(this.#cluster, this.#bus.identity);
    this.#publish(subject, PROCESS_NONE, { epoch: this.epoch, tail, head: this.#bus.identity });
  }

  #answer(caller: Caller, reply: ApiReply): void {
    const key = `${caller.identity}/${caller.process}`;
    const waiting = this.#answers.get(key);
    if (waiting === undefined) this.#answers.set(key, { caller, replies: [reply] });
    else waiting.replies.push(reply);
  }

  /** An answer that is over a frame's bound by itself becomes the error that says so. */
  #send(caller: Caller, replies: readonly ApiReply[]): void {
    const [first, ...others] = replies;
    if (first === undefined) return;
    const subject = linkSubject(this.#cluster, caller.identity as Identity, this.#bus.identity);
    const to = caller.process as ProcessId;
    try {
      if (replies.length > API_ITEMS_MAX) throw new SystemError("FRAME_TOO_LARGE", "many answers");
      this.#publish(subject, to, others.length === 0 ? first : replies);
    } catch (thrown) {
      if (others.length > 0) {
        const half = replies.length >> 1;
        this.#send(caller, replies.slice(0, half));
        this.#send(caller, replies.slice(half));
      } else {
        const error = toSystemError(thrown).toData();
        const epoch = this.epoch.number;
        this.#publish(subject, to, { kind: "error", id: first.id, epoch, error });
      }
    }
  }

  #publish(subject: string, destination: ProcessId, value: unknown): void {
    this.#sequence = (this.#sequence + 1) >>> 0;
    const prefix = { ...PREFIX, destination, sequence: this.#sequence };
    this.#bus.publish(subject, encodeFrame(prefix, value));
  }
}

/** What a frame of requests holds: one, or all that a process asked in one turn. */
const apiCalls = v.pipe(v.array(apiCall), v.maxLength(API_ITEMS_MAX));

/** A command in two with half the items each; undefined when it has but one. */
function halves(command: Omit<Command, "epoch">): Omit<Command, "epoch">[] | undefined {
  // Said again with each report: none of it waits for another frame.
  const { sequence, heard, announce, assign, cancel, ack, end, endSeen, logs } = command;
  const lists = { assign, cancel, ack, end, endSeen, logs };
  const size = Object.values(lists).reduce((sum, list) => sum + list.length, 0);
  if (size < 2) return undefined;
  let room = size >> 1;
  const first = <T>(items: readonly T[]): T[] => {
    const taken = items.slice(0, room);
    room -= taken.length;
    return taken;
  };
  const a = {
    assign: first(lists.assign),
    cancel: first(lists.cancel),
    ack: first(lists.ack),
    end: first(lists.end),
    endSeen: first(lists.endSeen),
    logs: first(lists.logs),
  };
  const b = {
    assign: lists.assign.slice(a.assign.length),
    cancel: lists.cancel.slice(a.cancel.length),
    ack: lists.ack.slice(a.ack.length),
    end: lists.end.slice(a.end.length),
    endSeen: lists.endSeen.slice(a.endSeen.length),
    logs: lists.logs.slice(a.logs.length),
  };
  return [
    { sequence, heard, ...a },
    { sequence, heard, ...b, announce },
  ];
}

/** A command that carries nothing. */
const NOTHING = { assign: [], cancel: [], ack: [], end: [], endSeen: [], logs: [] };

/** What a head makes of what it hears; all of it is of the right form. */
export interface HeadEar {
  readonly report: (worker: string, report: Report) => void;
  readonly taskReport: (worker: string, report: TaskReport) => void;
  /** A request, or why it can't be carried out. */
  readonly request: (caller: Caller, request: ApiRequest, fault: ErrorData | null) => void;
  readonly beacon: (said: Beacon) => void;
  /** A message was refused. */
  readonly refused: (what: string) => void;
}

/** Subscribes to all that a head hears, whether it leads or not. */
export function listenAsHead(bus: Bus, cluster: string, ear: HeadEar): void {
  const hear = (subject: string, take: (from: string, value: unknown, prefix: Prefix) => void) =>
    bus.subscribe(subject, (on, bytes) => {
      const from = parseSubject(cluster, on)?.from;
      if (from === undefined) return;
      try {
        const { prefix, value } = decodeFrame(bytes);
        take(from, value, prefix);
      } catch (thrown) {
        ear.refused(`a message on ${on}: ${toSystemError(thrown).message}`);
      }
    });
  hear(hearing.events(cluster), (worker, value) => {
    if (isOfTasks(value)) ear.taskReport(worker, parseMessage(taskReport, value));
    else ear.report(worker, parseMessage(report, value));
  });
  hear(hearing.requests(cluster), (identity, value, prefix) => {
    const calls = parseMessage(apiCalls, Array.isArray(value) ? value : [value]);
    for (const { id, request } of calls) {
      ear.request({ identity, process: prefix.source, id }, request, faultOf(request));
    }
  });
  hear(hearing.beacons(cluster), (_from, value) => ear.beacon(parseMessage(beacon, value)));
}

/** Whether a worker's message is about tasks alone. */
function isOfTasks(value: unknown): boolean {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "tasks";
}

/** Requests whose values travel on, to a worker or into the log; the others are small. */
const CARRIED: ReadonlySet<ApiRequest["op"]> = new Set([
  "submit-program",
  "submit-dataset",
  "spawn",
  "pool-open",
]);

/**
 * Why a request is refused: what it asks for travels on in a command, deeper and among other
 * things, and must still fit a frame there.
 */
function faultOf(request: ApiRequest): ErrorData | null {
  if (!CARRIED.has(request.op)) return null;
  try {
    const frame = encodeFrame(PREFIX, [[[[request]]], COMPANY]);
    if (frame.length <= API_REQUEST_BYTES_MAX) return null;
    const what = `a request of ${frame.length} bytes; at most ${API_REQUEST_BYTES_MAX}`;
    return new SystemError("FRAME_TOO_LARGE", what).toData();
  } catch (thrown) {
    return toSystemError(thrown).toData();
  }
}

/** As many values as a command says besides what it carries, and more. */
const COMPANY = new Array<null>(1_024).fill(null);
