/**
 * How a leading head speaks and listens on the bus: commands, replies and beacons out; reports,
 * requests and other heads' beacons in. What comes in is checked before the core sees it. A head
 * speaks as PROCESS_NONE: whoever leads is asked there, and agents let only heads send as it.
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
import { LANE_CONTROL, type Prefix, type PrefixFields } from "../../runtime/frame/prefix.ts";
import { type Identity, PROCESS_NONE, type ProcessId } from "../../runtime/ids.ts";
import { API_REQUEST_BYTES_MAX } from "../../runtime/limits.ts";
import {
  type ApiReply,
  type ApiRequest,
  apiCall,
  beacon,
  type Command,
  type Epoch,
  parseMessage,
  report,
} from "../../runtime/messages.ts";
import type { HeadDaemon } from "./daemon.ts";
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
  #sequence = 0;

  constructor(bus: Bus, cluster: string, epoch: Epoch) {
    this.#bus = bus;
    this.#cluster = cluster;
    this.epoch = epoch;
  }

  /**
   * Sends a command; one over a frame's bound leaves in parts of the same number. If one of them is
   * lost, what it carried is placed again.
   */
  command(worker: string, command: Omit<Command, "epoch">): void {
    const subject = commandSubject(this.#cluster, worker as Identity, this.#bus.identity);
    try {
      this.#publish(subject, PROCESS_NONE, { epoch: this.epoch, ...command });
    } catch (thrown) {
      const { assign } = command;
      if (assign.length < 2) throw thrown;
      const half = assign.length >> 1;
      this.command(worker, { ...command, assign: assign.slice(0, half) });
      this.command(worker, { ...command, assign: assign.slice(half), cancel: [], ack: [] });
    }
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
    const prefix = { ...PREFIX, destination, sequence: this.#sequence };
    this.#bus.publish(subject, encodeFrame(prefix, value));
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
    const caller = { identity, process: prefix.source, id };
    const error = faultOf(request);
    if (error === null) daemon.feed({ type: "api", caller, request });
    else mouth.refuse(caller, error);
  });
  hear(hearing.beacons(cluster), (_from, value) => {
    const { epoch } = parseMessage(beacon, value);
    if (epoch.number <= mouth.epoch.number) return;
    end(new SystemError("LOG_FENCED", `another head leads epoch ${epoch.number}`));
  });
}

/**
 * Why a request is refused: what it asks for travels on in a command, deeper and among other
 * things, and must still fit a frame there.
 */
function faultOf(request: ApiRequest): ErrorData | null {
  try {
    const frame = encodeFrame(PREFIX, [[[request]], COMPANY]);
    if (frame.length <= API_REQUEST_BYTES_MAX) return null;
    const what = `a request of ${frame.length} bytes; at most ${API_REQUEST_BYTES_MAX}`;
    return new SystemError("FRAME_TOO_LARGE", what).toData();
  } catch (thrown) {
    return toSystemError(thrown).toData();
  }
}

/** As many values as a command says besides what it carries, and more. */
const COMPANY = new Array<null>(1_024).fill(null);
