/**
 * Who may send what to whom: frames between this machine's executors and everybody else, forwarded
 * undecoded. It reads prefixes alone, and answers in its executors' name what they can't: that they
 * run while their own turn is long, and that they ended.
 *
 * Invariants: an executor sends as itself alone, and on no link to heads alone; nobody elsewhere
 * sends as a process of this machine, only a head as the head (PROCESS_NONE), and only workers on
 * no link; a process elsewhere belongs, as each executor sees it, to the identity that the head
 * named, else to the one it was first heard from.
 * Death notices, resets, pongs and acks are never answered: no two agents answer each other for
 * ever.
 */
import { isIdentity } from "../runtime/bus/subjects.ts";
import { SystemError } from "../runtime/errors.ts";
import { encodeFrame } from "../runtime/frame/codec.ts";
import {
  bareFrame,
  FLAG_ACCEPTOR,
  FLAG_DIED,
  FLAG_PING,
  FLAG_PONG,
  FLAG_RESEND,
  FLAG_RESET,
  FLAG_SYNC,
  isLinkFrame,
  LANE_CONTROL,
  type Prefix,
  readPrefix,
} from "../runtime/frame/prefix.ts";
import { type Identity, PROCESS_NONE, type ProcessId } from "../runtime/ids.ts";
import { PEERS_MAX } from "../runtime/limits.ts";

/** An executor's end of its connection. */
interface Receiver {
  send(frame: Uint8Array): unknown;
}

interface Box {
  readonly receiver: Receiver;
  /**
   * Whom this executor exchanges frames with, and whose agent hosts it; the one heard of longest
   * ago first. size <= PEERS_MAX.
   */
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
  /** Whether an executor runs: alive, and not stopped by a signal. */
  readonly isRunning: (executor: ProcessId) => boolean;
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

  /**
   * A frame of an executor, as it sent it: to the head, a neighbour, or behind another agent.
   * @throws {SystemError} FRAME_... for what isn't exactly one frame, or a forged source.
   */
  forward(frame: Uint8Array): void {
    const prefix = readPrefix(frame);
    const { source, destination } = prefix;
    if (destination === PROCESS_NONE) {
      this.#ports.toHead(frame);
      return;
    }
    if (prefix.link === 0) throw new SystemError("FRAME_INVALID", "on no link, to no head");
    const { identity } = this.#ports;
    const [own, neighbour] = [this.#boxes.get(source), this.#boxes.get(destination)];
    if (own === undefined) return;
    if (neighbour !== undefined) {
      bind(neighbour, source, identity);
      // Whoever of the two ends first, the other hears so.
      bind(own, destination, identity);
      this.#hand(prefix, frame, neighbour, identity);
      return;
    }
    const to = own.peers.get(destination);
    if (to !== undefined && to !== identity) this.#ports.toIdentity(to, frame);
    else this.#answerForTheDead(prefix, identity);
  }

  /**
   * A frame from the bus: to the executor it names, else its link hears that the process ended.
   * @throws {SystemError} FRAME_... for what isn't exactly one frame, or a forged source.
   */
  deliver(from: Identity, bytes: Uint8Array): void {
    // The whole prefix is checked: bytes behind its length would be a frame that nobody checked.
    const prefix = readPrefix(bytes);
    const { source, destination } = prefix;
    const isForged = source === PROCESS_NONE ? !isIdentity(from, "head") : this.#isLocal(source);
    if (isForged) throw new SystemError("FRAME_INVALID", `${from} sends as ${source}`);
    const isAgents = source === PROCESS_NONE || isIdentity(from, "worker");
    if (!isAgents && !isLinkFrame(bytes)) {
      throw new SystemError("FRAME_INVALID", "only agents and heads speak on no link");
    }
    const box = this.#boxes.get(destination);
    if (box === undefined) {
      this.#answerForTheDead(prefix, from);
      return;
    }
    if (source !== PROCESS_NONE) bind(box, source, from);
    this.#hand(prefix, bytes, box, from);
  }

  /** An executor ended: everyone it exchanged frames with hears so, at once. */
  mourn(dead: ProcessId, reason: string): void {
    const peers = this.#boxes.get(dead)?.peers ?? new Map<ProcessId, Identity>();
    this.#boxes.delete(dead);
    for (const [peer, identity] of peers) this.#notify(dead, peer, identity, reason);
  }

  #isLocal(process: ProcessId): boolean {
    return process === this.#ports.self || this.#boxes.has(process);
  }

  /** To an executor. It gets pings too: it alone knows whether it still has that link. */
  #hand(prefix: Prefix, frame: Uint8Array, box: Box, from: Identity): void {
    box.receiver.send(frame);
    const isPing = prefix.link !== 0 && (prefix.flags & FLAG_PING) !== 0;
    if (!isPing || !this.#ports.isRunning(prefix.destination)) return;
    const pong = bareFrame({
      lane: LANE_CONTROL,
      flags: FLAG_PONG | ((prefix.flags & FLAG_ACCEPTOR) ^ FLAG_ACCEPTOR),
      destination: prefix.source,
      source: prefix.destination,
      link: prefix.link,
      sequence: 0,
      ack: 0,
    });
    this.#send(prefix.source, from, pong);
  }

  /** A frame for a process that isn't here: whoever holds a link to it hears so. */
  #answerForTheDead(prefix: Prefix, from: Identity): void {
    const { link, flags, headerLength, source, destination } = prefix;
    const isLost = (flags & (FLAG_DIED | FLAG_RESET | FLAG_PONG)) === 0;
    const asks = headerLength !== 0 || (flags & (FLAG_PING | FLAG_SYNC | FLAG_RESEND)) !== 0;
    if (link === 0 || !isLost || !asks || destination === this.#ports.self) return;
    this.#notify(destination, source, from, "it isn't here");
  }

  #notify(dead: ProcessId, destination: ProcessId, to: Identity, reason: string): void {
    const fields = { lane: LANE_CONTROL, flags: FLAG_DIED, link: 0, sequence: 0, ack: 0 } as const;
    this.#send(destination, to, encodeFrame({ ...fields, destination, source: dead }, reason));
  }

  #send(destination: ProcessId, to: Identity, frame: Uint8Array): void {
    if (to === this.#ports.identity) this.#boxes.get(destination)?.receiver.send(frame);
    else this.#ports.toIdentity(to, frame);
  }
}

/** A process incarnation never moves, so that a second identity that speaks for it is a forger. */
function bind(box: Box, peer: ProcessId, identity: Identity): void {
  const known = box.peers.get(peer);
  if (known !== undefined && known !== identity) {
    throw new SystemError("FRAME_INVALID", `${identity} speaks for a process of ${known}`);
  }
  remember(box, peer, identity);
}

function remember({ peers }: Box, peer: ProcessId, identity: Identity): void {
  // Set anew, it stands last: peers in use aren't forgotten.
  peers.delete(peer);
  peers.set(peer, identity);
  if (peers.size <= PEERS_MAX) return;
  const oldest = peers.keys().next().value;
  if (oldest !== undefined) peers.delete(oldest);
}
