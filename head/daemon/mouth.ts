/**
 * How a leading head speaks and listens on the bus: commands, replies and beacons out; reports,
 * requests and other heads' beacons in. What comes in is checked before the core sees it.
 */
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
import { LANE_CONTROL, type Prefix } from "../../runtime/frame/prefix.ts";
import { type Identity, PROCESS_NONE, type ProcessId } from "../../runtime/ids.ts";
import {
  type ApiReply,
  apiCall,
  beacon,
  type Command,
  type Epoch,
  parseMessage,
  report,
} from "../../runtime/messages.ts";
import type { HeadDaemon } from "./daemon.ts";
import type { Caller } from "../core/events.ts";

export class HeadMouth {
  readonly #bus: Bus;
  readonly #cluster: string;
  readonly #process: ProcessId;
  readonly epoch: Epoch;
  #sequence = 0;

  constructor(bus: Bus, cluster: string, processId: ProcessId, epoch: Epoch) {
    this.#bus = bus;
    this.#cluster = cluster;
    this.#process = processId;
    this.epoch = epoch;
  }

  command(worker: string, command: Omit<Command, "epoch">): void {
    const subject = commandSubject(this.#cluster, worker as Identity, this.#bus.identity);
    this.#publish(subject, PROCESS_NONE, { epoch: this.epoch, ...command });
  }

  /** Answers a request; an answer over a frame's bound becomes the error that says so. */
  reply(caller: Caller, value: unknown): void {
    try {
      this.#answer(caller, { kind: "ok", id: caller.id, value });
    } catch (thrown) {
      this.refuse(caller, toSystemError(thrown).toData());
    }
  }

  refuse(caller: Caller, error: ErrorData): void {
    this.#answer(caller, { kind: "error", id: caller.id, error });
  }

  beacon(tail: number): void {
    const subject = beaconSubject(this.#cluster, this.#bus.identity);
    this.#publish(subject, PROCESS_NONE, { epoch: this.epoch, tail, head: this.#bus.identity });
  }

  #answer(caller: Caller, reply: ApiReply): void {
    const to = caller.identity as Identity;
    const subject = linkSubject(this.#cluster, to, this.#bus.identity);
    this.#publish(subject, caller.process as ProcessId, reply);
  }

  #publish(subject: string, destination: ProcessId, value: unknown): void {
    this.#sequence = (this.#sequence + 1) >>> 0;
    const source = this.#process;
    const sequence = this.#sequence;
    const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence, ack: 0 } as const;
    this.#bus.publish(subject, encodeFrame({ ...fields, destination, source }, value));
  }
}

/** Subscribes to all that a head hears. A beacon of a higher epoch ends this head. */
export function listenAsHead(
  bus: Bus,
  cluster: string,
  head: {
    readonly daemon: HeadDaemon;
    readonly mouth: HeadMouth;
    readonly end: (error: Error) => void;
  },
): void {
  const { daemon, mouth, end } = head;
  const hear = (subject: string, take: (from: string, value: unknown, prefix: Prefix) => void) =>
    bus.subscribe(subject, (on, bytes) => {
      const from = parseSubject(cluster, on)?.from;
      if (from === undefined) return;
      try {
        const { prefix, value } = decodeFrame(bytes);
        take(from, value, prefix);
      } catch (thrown) {
        process.stderr.write(`refused a message on ${on}: ${toSystemError(thrown).message}\n`);
      }
    });
  hear(hearing.events(cluster), (worker, value) =>
    daemon.feed({ type: "report", worker, report: parseMessage(report, value) }),
  );
  hear(hearing.requests(cluster), (identity, value, prefix) => {
    const { id, request } = parseMessage(apiCall, value);
    daemon.feed({ type: "api", caller: { identity, process: prefix.source, id }, request });
  });
  hear(hearing.beacons(cluster), (_from, value) => {
    const { epoch } = parseMessage(beacon, value);
    if (epoch.number <= mouth.epoch.number) return;
    end(new SystemError("LOG_FENCED", `another head leads epoch ${epoch.number}`));
  });
}
