/**
 * A link: items between two process incarnations, each way once and in order, over a carrier that
 * may drop, repeat and reorder frames. It ends once, for both sides alike, by a reset.
 *
 * Both lanes share one sequence a direction, so that what is sent later never overtakes. The data
 * lane waits while LINK_UNACKED_BYTES_MAX are out; the control lane goes on, and who sends data on
 * a stalled link all the same must expect control to pass it.
 *
 * Invariants: a frame is numbered when it is handed to the carrier, and held until it is
 * acknowledged; an ack says received and given to the handler, not processed. Frames handed over
 * aren't changed: a resend is a copy.
 */
import { SystemError } from "../errors.ts";
import { FrameBatcher } from "../frame/batcher.ts";
import { decodeFrame, decodeValue } from "../frame/codec.ts";
import {
  bareFrame,
  FLAG_ACCEPTOR,
  FLAG_PING,
  FLAG_PONG,
  FLAG_RESEND,
  FLAG_RESET,
  FLAG_SYNC,
  LANE_CONTROL,
  LANE_DATA,
  type Lane,
  type Prefix,
  writeAck,
  writeSequence,
} from "../frame/prefix.ts";
import type { ProcessId } from "../ids.ts";
import {
  LINK_CARRIER_BYTES_MAX,
  LINK_RESEND_BYTES,
  LINK_RESEND_MS,
  LINK_UNACKED_BYTES_MAX,
  LINK_WAITING_BYTES_MAX,
} from "../limits.ts";
import { Acks } from "./acks.ts";
import type { Carrier } from "./carrier.ts";
import { Inbox } from "./inbox.ts";
import { Outbox } from "./outbox.ts";
import type { LinkHandlers, LinkPorts } from "./ports.ts";
import { distance } from "./sequence.ts";
import { Watch } from "./watch.ts";

/** A frame that the data lane holds back, and the items in it. */
interface Waiting {
  readonly frame: Uint8Array;
  readonly items: number;
}

export class Link {
  readonly other: ProcessId;
  readonly id: number;
  readonly carrier: Carrier;
  /** Whether this process opened it. */
  readonly isOpener: boolean;
  readonly #ports: LinkPorts;
  readonly #inbox = new Inbox();
  readonly #outbox = new Outbox();
  readonly #acks: Acks;
  readonly #watch: Watch;
  readonly #data: FrameBatcher;
  #control: FrameBatcher | undefined;
  #handlers: LinkHandlers | undefined;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #error: SystemError | undefined;
  #wasSeenStalled = false;
  #delivering = false;
  /** The missing frame was asked for, and the answer may still be coming. */
  #asked = false;
  /** Where the last resend began, and when. */
  #resentFrom: number | undefined;
  #resentAt = 0;

  constructor(
    ports: LinkPorts,
    way: {
      readonly other: ProcessId;
      readonly id: number;
      readonly carrier: Carrier;
      /** Of the side that opened it; the other side's come with the first frame. */
      readonly handlers: LinkHandlers | undefined;
    },
  ) {
    this.#ports = ports;
    this.other = way.other;
    this.id = way.id;
    this.carrier = way.carrier;
    this.#handlers = way.handlers;
    this.isOpener = way.handlers !== undefined;
    this.#data = this.#batcher(LANE_DATA);
    this.#acks = new Acks(ports.clock, () => this.#bare(0, 0));
    this.#watch = new Watch(ports.clock, {
      unacked: () => this.#outbox.size > 0,
      waiting: () => this.#waiting.length > 0 && this.#outbox.bytes < LINK_UNACKED_BYTES_MAX,
      gap: () => this.#inbox.hasGap,
      onSync: () => this.#bare(FLAG_SYNC, (this.#outbox.following - 1) >>> 0),
      onGap: () => this.#ask(),
      onRoom: () => this.#goOn(),
      onPing: () => this.#bare(FLAG_PING, this.#outbox.oldest),
      onSilence: (ms) => this.#onSilence(ms),
    });
  }

  get isOpen(): boolean {
    return this.#error === undefined;
  }

  /** Whether data would wait: hold it back, so that it can still be taken back; see `onReady`. */
  get stalled(): boolean {
    const isStalled =
      this.#waiting.length > 0 ||
      this.#outbox.bytes + this.#data.pendingBytes >= LINK_UNACKED_BYTES_MAX;
    if (isStalled) this.#wasSeenStalled = true;
    return isStalled;
  }

  /** When the other side was last heard, on the clock. */
  get heardAt(): number {
    return this.#watch.heardAt;
  }

  /** Whether nothing is under way either way, as far as this side knows. */
  get isIdle(): boolean {
    return this.#outbox.size === 0 && this.#waiting.length === 0 && !this.#watch.isKeptAlive;
  }

  /**
   * Packs an item as it is now; it leaves when the turn ends or a frame is full.
   *
   * @param isDue - it answers the other side and is bounded by what that asked for: it is taken
   * whatever waits.
   * @returns the bytes that the item takes in its frame, its blobs included.
   * @throws {SystemError} NOT_SERIALIZABLE or FRAME_TOO_LARGE with the place, OVERLOADED when
   * LINK_WAITING_BYTES_MAX wait on a stalled link, or what ended the link.
   */
  send(item: unknown, isDue = false): number {
    if (this.#error !== undefined) throw this.#error;
    if (!isDue && this.#waitingBytes > LINK_WAITING_BYTES_MAX) {
      throw new SystemError("OVERLOADED", "the other process takes nothing", this.#where());
    }
    return this.#data.add(item);
  }

  /** As `send`, on the lane that doesn't wait. Not counted in `unsent`. */
  sendControl(item: unknown): void {
    if (this.#error !== undefined) throw this.#error;
    if (this.#mayLeave()) {
      // The data frame under way leaves this turn: together they are one frame less.
      this.#data.add(item, false);
      return;
    }
    this.#data.flush();
    this.#control ??= this.#batcher(LANE_CONTROL);
    this.#control.add(item, false);
  }

  /** Sends what waits for the turn's end, now. */
  flush(): void {
    this.#data.flush();
    this.#control?.flush();
  }

  /** Whether the other side's silence matters now, though nothing waits for an ack. */
  keepAlive(pending: boolean): void {
    if (this.isOpen) this.#watch.keepAlive(pending);
  }

  /** Ends the link, and tells the other side. */
  reset(error: SystemError): void {
    if (!this.isOpen) return;
    this.#bare(FLAG_RESET, 0);
    this.end(error);
  }

  /** Ends the link without a word: the other side knows, or is gone. */
  end(error: SystemError): void {
    if (!this.isOpen) return;
    this.#error = error;
    this.#ports.counters.resets++;
    let unsent = this.#data.discard();
    this.#control?.discard();
    for (const { items } of this.#waiting) unsent += items;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#inbox.clear();
    this.#outbox.clear();
    this.#watch.stop();
    this.#ports.onEnd(this);
    this.#handlers?.onReset(error, unsent);
  }

  /** A frame of this link, its prefix read. @throws {SystemError} FRAME_... after a reset. */
  receive(prefix: Prefix, frame: Uint8Array): void {
    this.#watch.heard();
    if ((prefix.flags & FLAG_RESET) !== 0) {
      this.end(new SystemError("LINK_RESET", "the other process gave it up", this.#where()));
      return;
    }
    // An agent may answer in the process's name: it knows nothing of acks.
    if ((prefix.flags & FLAG_PONG) !== 0) return;
    try {
      this.#takeAck(prefix.ack);
      if (prefix.headerLength === 0) this.#takeBare(prefix);
      else this.#take(prefix, frame);
    } catch (thrown) {
      // It would never be delivered, however often it came again.
      if (thrown instanceof SystemError) this.reset(thrown);
      throw thrown;
    }
  }

  #takeBare({ flags, sequence }: Prefix): void {
    if ((flags & FLAG_PING) !== 0) {
      // What the other side can't send again was received here, or this isn't that link any more.
      if (distance(sequence, this.#inbox.due) > 0) {
        this.reset(new SystemError("LINK_RESET", "frames are lost for good", this.#where()));
      } else this.#bare(FLAG_PONG, 0);
    } else if ((flags & FLAG_RESEND) !== 0) this.#resend(sequence);
    else if ((flags & FLAG_SYNC) !== 0) {
      if (distance(sequence, this.#inbox.due) >= 0) this.#ask();
      else this.#acks.thisTurn();
    }
  }

  #takeAck(ack: number): void {
    const count = this.#outbox.acknowledge(ack);
    if (count === undefined) {
      throw new SystemError("FRAME_INVALID", `an ack of ${ack}, which never left`, this.#where());
    }
    if (count === 0) return;
    this.#watch.progressed();
    if (this.#waiting.length > 0 || this.#wasSeenStalled) this.#goOn();
  }

  /** Data that waited leaves as far as it may. */
  #goOn(): void {
    let n = 0;
    while (n < this.#waiting.length && this.#hasRoom()) {
      const { frame } = this.#waiting[n++] as Waiting;
      this.#waitingBytes -= frame.length;
      this.#hand(frame);
    }
    if (n > 0) this.#waiting = this.#waiting.slice(n);
    if (!this.#wasSeenStalled || this.stalled) return;
    this.#wasSeenStalled = false;
    this.#handlers?.onReady?.();
  }

  #take(prefix: Prefix, frame: Uint8Array): void {
    const { counters } = this.#ports;
    const placement = this.#inbox.place(prefix.sequence, frame);
    this.#acks.received(frame.length, this.#watch.heardAt);
    if (placement === "due" && !this.#delivering) {
      this.#deliver(decodeValue(frame, prefix));
      if (this.isOpen) this.#acks.owe();
    } else if (placement === "duplicate") {
      counters.duplicates++;
      this.#acks.thisTurn();
    } else {
      if (!this.#asked) {
        counters.gaps++;
        this.#ask();
      }
      this.#watch.look();
    }
  }

  /** Gives the due frame's items to the handler, and those of the frames that waited for it. */
  #deliver(first: unknown): void {
    this.#delivering = true;
    try {
      let value = first;
      for (;;) {
        if (!Array.isArray(value)) {
          throw new SystemError("FRAME_INVALID", "a link's frame without items", this.#where());
        }
        this.#handlers ??= this.#ports.accept(this);
        this.#inbox.advance();
        this.#handlers.onItems(value);
        const kept = this.isOpen ? this.#inbox.pull() : undefined;
        if (kept === undefined) break;
        value = decodeFrame(kept).value;
      }
    } finally {
      this.#delivering = false;
    }
    if (!this.#inbox.hasGap) this.#asked = false;
  }

  /** Asks for the frame that is due, and all behind it. */
  #ask(): void {
    this.#asked = true;
    this.#bare(FLAG_RESEND, this.#inbox.due);
  }

  #resend(sequence: number): void {
    const { clock, counters } = this.#ports;
    if (distance(sequence, this.#outbox.oldest) < 0) {
      // Acknowledged before: an ask that came late, or the other side forgot this link. A ping
      // that says what can be sent again lets it find out.
      this.#bare(FLAG_PING, this.#outbox.oldest);
      return;
    }
    const now = clock.now();
    const isRepeated = this.#resentFrom === sequence && now - this.#resentAt < LINK_RESEND_MS / 2;
    if (isRepeated || this.carrier.bufferedBytes > LINK_CARRIER_BYTES_MAX) return;
    this.#resentFrom = sequence;
    this.#resentAt = now;
    const frames = this.#outbox.from(sequence, LINK_RESEND_BYTES);
    for (const frame of frames) {
      const copy = Uint8Array.from(frame);
      writeAck(copy, this.#inbox.last);
      counters.resent++;
      this.carrier.send(copy);
    }
    if (frames.length > 0) this.#bare(FLAG_SYNC, (this.#outbox.following - 1) >>> 0);
  }

  #onSilence(ms: number): void {
    if (this.#ports.vouch(this.other) === true) {
      this.#watch.heard();
      return;
    }
    this.reset(new SystemError("LINK_RESET", `nothing heard for ${ms} ms`, this.#where()));
  }

  #batcher(lane: Lane): FrameBatcher {
    const { self, clock, names } = this.#ports;
    const flags = this.isOpener ? 0 : FLAG_ACCEPTOR;
    // Number and ack are filled in when it leaves.
    const ends = { destination: this.other, source: self };
    const prefix = { lane, flags, ...ends, link: this.id, sequence: 0, ack: 0 };
    return new FrameBatcher({
      prefix: () => prefix,
      send: (frame, items) => this.#depart(lane, frame, items),
      schedule: (flush) => clock.soon(flush),
      names,
    });
  }

  #depart(lane: Lane, frame: Uint8Array, items: number): void {
    if (!this.isOpen) return;
    if (lane === LANE_DATA && !this.#mayLeave()) {
      this.#waiting.push({ frame, items });
      this.#waitingBytes += frame.length;
      this.#wasSeenStalled = true;
      this.#watch.look();
    } else if (this.#outbox.bytes > 2 * LINK_UNACKED_BYTES_MAX) {
      this.reset(new SystemError("OVERLOADED", "the control lane is full", this.#where()));
    } else this.#hand(frame);
  }

  #mayLeave(): boolean {
    return this.#waiting.length === 0 && this.#hasRoom();
  }

  #hasRoom(): boolean {
    return (
      this.#outbox.bytes < LINK_UNACKED_BYTES_MAX &&
      this.carrier.bufferedBytes < LINK_CARRIER_BYTES_MAX
    );
  }

  #hand(frame: Uint8Array): void {
    writeSequence(frame, this.#outbox.following);
    writeAck(frame, this.#inbox.last);
    this.#acks.left();
    this.#outbox.push(frame);
    this.#watch.sent(this.#outbox.size);
    this.carrier.send(frame);
  }

  #bare(flag: number, sequence: number): void {
    if (!this.isOpen) return;
    const flags = flag | (this.isOpener ? 0 : FLAG_ACCEPTOR);
    const ends = { destination: this.other, source: this.#ports.self };
    const ack = this.#inbox.last;
    this.#acks.left();
    this.carrier.send(
      bareFrame({ lane: LANE_CONTROL, flags, ...ends, link: this.id, sequence, ack }),
    );
  }

  #where(): { readonly process: string; readonly link: number } {
    return { process: this.other, link: this.id };
  }
}
