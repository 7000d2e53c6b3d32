/**
 * Who may send what to whom: frames between this machine's executors and everybody else, forwarded
 * undecoded.
 *
 * Invariants: an executor sends as itself alone; nobody elsewhere sends as a process of this
 * machine, and only a head as the head (PROCESS_NONE); a process elsewhere belongs, as each
 * executor sees it, to the identity that the head named, else to the one it was first heard from.
 */
import { isIdentity } from "../runtime/bus/subjects.ts";
import { SystemError } from "../runtime/errors.ts";
import { decodeFrame, encodeFrame } from "../runtime/frame/codec.ts";
import { destinationOf, LANE_CONTROL, readPrefix, sourceOf } from "../runtime/frame/prefix.ts";
import { type Identity, PROCESS_NONE, type ProcessId } from "../runtime/ids.ts";
import { PEERS_MAX } from "../runtime/limits.ts";
import { actorItems, parseMessage } from "../runtime/messages.ts";

/** An executor's end of its connection. */
interface Receiver {
  send(frame: Uint8Array): unknown;
}

interface Box {
  readonly receiver: Receiver;
  /** Whom this executor exchanges frames with, and whose agent hosts it; size <= PEERS_MAX. */
  readonly peers: Map<ProcessId, Identity>;
}

export interface PostPorts {
  /** The agent's own process and identity. */
  readonly self: ProcessId;
  readonly identity: Identity;
  /** Carries a frame to another identity. */
  readonly toIdentity: (to: Identity, frame: Uint8Array) => void;
  /** Carries a request to whatever head leads. */
  readonly toHead: (frame: Uint8Array) => void;
}

export class Post {
  readonly #ports: PostPorts;
  /** By executor's process. */
  readonly #boxes = new Map<ProcessId, Box>();

  constructor(ports: PostPorts) {
    this.#ports = ports;
  }

  /**
   * Frames for this process go to the receiver from now on.
   * @throws {SystemError} FRAME_INVALID for a process that is another's.
   */
  admit(executor: ProcessId, receiver: Receiver): void {
    if (executor === PROCESS_NONE || this.#isLocal(executor)) {
      throw new SystemError("FRAME_INVALID", `process ${executor} is another's`);
    }
    this.#boxes.set(executor, { receiver, peers: new Map() });
  }

  /**
   * An executor says whose agent hosts a process that it is about to send frames to. It has that
   * from the head, so that it counts more than who spoke for that process before.
   */
  learn(executor: ProcessId, peer: ProcessId, identity: Identity): void {
    const box = this.#boxes.get(executor);
    if (box !== undefined) remember(box, peer, identity);
  }

  /** A frame of an executor, as it sent it: to the head, a neighbour, or behind another agent. */
  forward(frame: Uint8Array): void {
    const [source, destination] = [sourceOf(frame), destinationOf(frame)];
    if (destination === PROCESS_NONE) {
      this.#ports.toHead(frame);
      return;
    }
    const [own, neighbour] = [this.#boxes.get(source), this.#boxes.get(destination)];
    if (own === undefined) return;
    if (neighbour !== undefined) {
      bind(neighbour, source, this.#ports.identity);
      neighbour.receiver.send(frame);
      return;
    }
    const to = own.peers.get(destination);
    if (to !== undefined && to !== this.#ports.identity) this.#ports.toIdentity(to, frame);
    else this.#answerForTheDead(frame, this.#ports.identity);
  }

  /**
   * A frame from the bus: to the executor it names, else its calls are answered ACTOR_DIED.
   * @throws {SystemError} FRAME_INVALID for what isn't exactly one frame, or a forged source.
   */
  deliver(from: Identity, bytes: Uint8Array): void {
    // The whole prefix is checked: bytes behind its length would be a frame that nobody checked.
    const { source, destination } = readPrefix(bytes);
    const isForged = source === PROCESS_NONE ? !isIdentity(from, "head") : this.#isLocal(source);
    if (isForged) throw new SystemError("FRAME_INVALID", `${from} sends as ${source}`);
    const box = this.#boxes.get(destination);
    if (box === undefined) {
      this.#answerForTheDead(bytes, from);
      return;
    }
    if (source !== PROCESS_NONE) bind(box, source, from);
    box.receiver.send(Buffer.from(bytes));
  }

  /** An executor ended: everyone who sent it frames hears so. */
  mourn(dead: ProcessId, reason: string): void {
    const peers = this.#boxes.get(dead)?.peers ?? new Map<ProcessId, Identity>();
    this.#boxes.delete(dead);
    for (const [peer, identity] of peers) this.#notify(dead, peer, identity, reason);
  }

  #isLocal(process: ProcessId): boolean {
    return process === this.#ports.self || this.#boxes.has(process);
  }

  /** Frames for a process that is no more: whoever sent calls among them hears so. */
  #answerForTheDead(bytes: Uint8Array, from: Identity): void {
    const { prefix, value } = decodeFrame(bytes);
    const isCall = Array.isArray(value) && parseMessage(actorItems, value)[0]?.kind === "call";
    if (isCall) this.#notify(prefix.destination, prefix.source, from, "it isn't here");
  }

  #notify(source: ProcessId, destination: ProcessId, to: Identity, reason: string): void {
    const fields = { lane: LANE_CONTROL, flags: 0, link: 0, sequence: 0, ack: 0 } as const;
    const frame = encodeFrame({ ...fields, destination, source }, [{ kind: "died", reason }]);
    if (to === this.#ports.identity) this.#boxes.get(destination)?.receiver.send(frame);
    else this.#ports.toIdentity(to, frame);
  }
}

/** A process incarnation never moves, so that a second identity that speaks for it is a forger. */
function bind(box: Box, peer: ProcessId, identity: Identity): void {
  const known = box.peers.get(peer);
  if (known === identity) return;
  if (known !== undefined) {
    throw new SystemError("FRAME_INVALID", `${identity} speaks for a process of ${known}`);
  }
  remember(box, peer, identity);
}

function remember({ peers }: Box, peer: ProcessId, identity: Identity): void {
  peers.set(peer, identity);
  if (peers.size <= PEERS_MAX) return;
  const oldest = peers.keys().next().value;
  if (oldest !== undefined) peers.delete(oldest);
}
