/**
 * The links of one process, opened by it or by others, over any carriers. It finds a frame's link,
 * opens one for a first frame, and answers frames of links that are no more.
 *
 * Invariants: a link belongs to one carrier, and only frames that come by it reach it: who claims
 * another's process on a socket of his own reaches his own links alone. A link that this process
 * ended is never opened again by a late frame. Nothing is answered to RESET, PONG, acks and death
 * notices, so that no two processes answer each other for ever.
 */
import { SystemError } from "../errors.ts";
import { decodeValue } from "../frame/codec.ts";
import {
  bareFrame,
  FLAG_ACCEPTOR,
  FLAG_DIED,
  FLAG_PING,
  FLAG_PONG,
  FLAG_RESEND,
  FLAG_RESET,
  FLAG_SYNC,
  LANE_CONTROL,
  type Prefix,
  readPrefix,
} from "../frame/prefix.ts";
import type { ProcessId } from "../ids.ts";
import { LINKS_ENDED_KEPT_MAX, LINKS_PER_PEER_MAX, PEERS_MAX } from "../limits.ts";
import type { Carrier } from "./carrier.ts";
import { type Clock, processClock } from "../clock.ts";
import { Link } from "./link.ts";
import type { LinkCounters, LinkHandlers, LinkPorts } from "./ports.ts";
import { distance } from "./sequence.ts";

export interface LinkTableOptions {
  readonly self: ProcessId;
  readonly clock?: Clock;
  /**
   * Takes a link that another process opened, when its first items are there. Without it this
   * process accepts none.
   */
  readonly accept?: (link: Link) => LinkHandlers;
  /** Whether a process that is silent is seen to run, asked after LINK_SILENCE_MS. */
  readonly vouch?: (process: ProcessId) => boolean | undefined;
  /** Names of an item's fields where items are tuples, for the paths in errors. */
  readonly names?: readonly string[];
}

/** Links with one process over one carrier: number and side in one key. */
type PeerLinks = Map<number, Link>;

function keyOf(id: number, isOpener: boolean): number {
  return id * 2 + (isOpener ? 1 : 0);
}

export class LinkTable {
  readonly counters: LinkCounters = {
    opened: 0,
    accepted: 0,
    resent: 0,
    duplicates: 0,
    gaps: 0,
    resets: 0,
    refused: 0,
  };
  readonly #self: ProcessId;
  readonly #accept: ((link: Link) => LinkHandlers) | undefined;
  readonly #ports: LinkPorts;
  readonly #carriers = new Map<Carrier, Map<ProcessId, PeerLinks>>();
  /** Accepted links, oldest first; size <= PEERS_MAX. */
  readonly #inbound = new Set<Link>();
  /** Accepted links that ended, by carrier, oldest first; size <= LINKS_ENDED_KEPT_MAX each. */
  readonly #ended = new WeakMap<Carrier, Set<string>>();
  #lastId = 0;

  constructor(options: LinkTableOptions) {
    const { self, accept } = options;
    this.#self = self;
    this.#accept = accept;
    this.#ports = {
      self,
      clock: options.clock ?? processClock,
      counters: this.counters,
      names: options.names ?? [],
      vouch: options.vouch ?? (() => undefined),
      accept: (link) => {
        this.counters.accepted++;
        if (accept === undefined) throw new SystemError("INTERNAL", "nobody accepts links here");
        return accept(link);
      },
      onEnd: (link) => this.#forget(link),
    };
  }

  /** A new link to another process. Nothing is sent before its first item. */
  open(other: ProcessId, carrier: Carrier, handlers: LinkHandlers): Link {
    this.counters.opened++;
    // 0 means no link; a wrap would take 2^32 of them.
    this.#lastId = (this.#lastId + 1) >>> 0 || 1;
    const link = new Link(this.#ports, { other, id: this.#lastId, carrier, handlers });
    this.#remember(link);
    return link;
  }

  /**
   * A frame of some link, as it came by a carrier.
   *
   * @throws {SystemError} FRAME_VERSION, FRAME_TOO_LARGE, FRAME_INVALID; its link, if it has one,
   * is reset then. The caller refuses the frame, or closes the socket that it came by.
   */
  take(frame: Uint8Array, carrier: Carrier): void {
    try {
      this.#take(readPrefix(frame), frame, carrier);
    } catch (thrown) {
      if (thrown instanceof SystemError) this.counters.refused++;
      throw thrown;
    }
  }

  /** A process ended: so do its links over this carrier, or over all. */
  died(process: ProcessId, reason: string, carrier?: Carrier): void {
    const what = `its process ended: ${reason}`;
    const error = new SystemError("ACTOR_DIED", what, { process });
    for (const link of this.#linksOf(carrier)) if (link.other === process) link.end(error);
  }

  /** A carrier closed: its links are over. */
  carrierClosed(carrier: Carrier, error: SystemError): void {
    for (const link of this.#linksOf(carrier)) link.end(error);
  }

  /** Ends every link and tells the others. */
  close(error: SystemError): void {
    for (const link of this.#linksOf()) link.reset(error);
  }

  /** Links that are open, those that wait for their first frame among them. */
  get size(): number {
    return this.#linksOf().length;
  }

  #take(prefix: Prefix, frame: Uint8Array, carrier: Carrier): void {
    const { source, destination, flags, link: id } = prefix;
    if (destination !== this.#self) {
      throw new SystemError("FRAME_INVALID", `a frame for ${destination}, not ${this.#self}`);
    }
    if ((flags & FLAG_DIED) !== 0) {
      const reason = decodeValue(frame, prefix);
      if (typeof reason !== "string") throw new SystemError("FRAME_INVALID", "dead for no reason");
      this.died(source, reason, carrier);
      return;
    }
    if (id === 0) throw new SystemError("FRAME_INVALID", "a frame of no link");
    const isOpener = (flags & FLAG_ACCEPTOR) !== 0;
    const link = this.#carriers.get(carrier)?.get(source)?.get(keyOf(id, isOpener));
    if (link !== undefined) link.receive(prefix, frame);
    else this.#takeUnknown(prefix, frame, carrier);
  }

  /** A frame of a link that isn't open: one to come, or one that is over. */
  #takeUnknown(prefix: Prefix, frame: Uint8Array, carrier: Carrier): void {
    const { source, flags, link: id, sequence, headerLength } = prefix;
    if ((flags & (FLAG_RESET | FLAG_PONG)) !== 0) return;
    const isNumbered = headerLength !== 0;
    if (!isNumbered && (flags & (FLAG_PING | FLAG_SYNC | FLAG_RESEND)) === 0) return;
    const mayOpen =
      this.#accept !== undefined &&
      (flags & FLAG_ACCEPTOR) === 0 &&
      this.#ended.get(carrier)?.has(nameOf(source, id)) !== true;
    // A ping says what can be sent again: without the first frame the link is one that ended.
    const isOver = (flags & FLAG_PING) !== 0 && distance(sequence, 1) > 0;
    if (!mayOpen || isOver || (isNumbered && !this.#hasRoom(source))) {
      this.#answer(prefix, carrier, FLAG_RESET, 0);
    } else if (isNumbered) {
      const link = new Link(this.#ports, { other: source, id, carrier, handlers: undefined });
      this.#remember(link);
      this.#inbound.add(link);
      link.receive(prefix, frame);
    } else {
      // Its first frame was lost, or is still to come.
      if ((flags & FLAG_PING) !== 0) this.#answer(prefix, carrier, FLAG_PONG, 0);
      this.#answer(prefix, carrier, FLAG_RESEND, 1);
    }
  }

  /** A bare frame back to where one came from, for a link that isn't open here. */
  #answer(prefix: Prefix, carrier: Carrier, flag: number, sequence: number): void {
    carrier.send(
      bareFrame({
        lane: LANE_CONTROL,
        flags: flag | ((prefix.flags & FLAG_ACCEPTOR) ^ FLAG_ACCEPTOR),
        destination: prefix.source,
        source: this.#self,
        link: prefix.link,
        sequence,
        ack: 0,
      }),
    );
  }

  /** Whether one more link of a process may be accepted; a quiet one of another may go for it. */
  #hasRoom(source: ProcessId): boolean {
    let ofSource = 0;
    let quietest: Link | undefined;
    if (this.#inbound.size < LINKS_PER_PEER_MAX) return true;
    for (const link of this.#inbound) {
      if (link.other === source) ofSource++;
      if (link.isIdle && (quietest === undefined || link.heardAt < quietest.heardAt)) {
        quietest = link;
      }
    }
    if (ofSource >= LINKS_PER_PEER_MAX) return false;
    if (this.#inbound.size < PEERS_MAX) return true;
    if (quietest === undefined) return false;
    quietest.reset(new SystemError("LINK_RESET", "it was quiet, and others need its place"));
    return true;
  }

  #remember(link: Link): void {
    let peers = this.#carriers.get(link.carrier);
    if (peers === undefined) this.#carriers.set(link.carrier, (peers = new Map()));
    let links = peers.get(link.other);
    if (links === undefined) peers.set(link.other, (links = new Map()));
    links.set(keyOf(link.id, link.isOpener), link);
  }

  #forget(link: Link): void {
    const peers = this.#carriers.get(link.carrier);
    const links = peers?.get(link.other);
    links?.delete(keyOf(link.id, link.isOpener));
    if (links?.size === 0) peers?.delete(link.other);
    if (peers?.size === 0) this.#carriers.delete(link.carrier);
    if (!this.#inbound.delete(link)) return;
    const ended = this.#ended.get(link.carrier) ?? new Set<string>();
    this.#ended.set(link.carrier, ended.add(nameOf(link.other, link.id)));
    const oldest = ended.values().next().value;
    if (ended.size > LINKS_ENDED_KEPT_MAX && oldest !== undefined) ended.delete(oldest);
  }

  #linksOf(carrier?: Carrier): Link[] {
    const peers = carrier === undefined ? undefined : this.#carriers.get(carrier);
    const all = carrier === undefined ? [...this.#carriers.values()] : [peers ?? new Map()];
    return all.flatMap((one) => [...one.values()].flatMap((links) => [...links.values()]));
  }
}

function nameOf(process: ProcessId, link: number): string {
  return `${process}/${link}`;
}
