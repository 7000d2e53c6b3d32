/**
 * The way of results from an executor to the tasks' owners: one link an owner, opened with the
 * first result. A result is kept until its owner has said that it has it; over a new link those
 * that it hasn't are sent again, in their order.
 *
 * Invariant: `unheard` begins with the first result of the present link that its owner hasn't
 * confirmed.
 */
import { type ItemHandlers, type ItemLink } from "../../runtime/actor/items.ts";
import { Fifo } from "../../runtime/actor/queues.ts";
import type { Clock } from "../../runtime/clock.ts";
import { SystemError, toSystemError } from "../../runtime/errors.ts";
import { decodeEncoded, encodeValue } from "../../runtime/frame/codec.ts";
import { PEERS_MAX } from "../../runtime/limits.ts";
import type { Owner } from "../../runtime/messages.ts";
import { heardItem, type ResultItem, TASK_ERROR, TASK_VALUE } from "../../runtime/tasks/items.ts";
import { OWNER_RETRY_MS, OWNER_SILENCE_MS } from "../../runtime/tasks/limits.ts";

export interface OwnerPorts {
  readonly clock: Clock;
  /** A link to an owner's process. */
  readonly open: (owner: Owner, handlers: ItemHandlers) => ItemLink;
  /** The owner has the result of the task at this position, or is gone for good. */
  readonly onHeard: (position: number, isError: boolean) => void;
  /** The owner is there, as far as is known, and couldn't be given the result of this task. */
  readonly onLost: (position: number, error: SystemError) => void;
  /** After all of a frame were heard. */
  readonly onHeardAll: () => void;
}

/** A result on its way. */
interface Unheard {
  readonly position: number;
  item: ResultItem;
  /** Its value as it was when the task ended; undefined when that can't change. */
  readonly value: Uint8Array | undefined;
}

export class Owners {
  readonly #ports: OwnerPorts;
  readonly #lines = new Map<string, OwnerLine>();

  constructor(ports: OwnerPorts) {
    this.#ports = ports;
  }

  lineTo(owner: Owner): OwnerLine {
    const known = this.#lines.get(owner.process);
    if (known !== undefined) return known;
    if (this.#lines.size >= PEERS_MAX) this.#forgetOne();
    const line = new OwnerLine(this.#ports, owner);
    this.#lines.set(owner.process, line);
    return line;
  }

  /** The longest known one that waits for nothing. */
  #forgetOne(): void {
    for (const [process, line] of this.#lines) {
      if (!line.isIdle) continue;
      line.close();
      this.#lines.delete(process);
      return;
    }
  }
}

export class OwnerLine {
  readonly owner: Owner;
  readonly #ports: OwnerPorts;
  readonly #unheard = new Fifo<Unheard>();
  #link: ItemLink | undefined;
  /** Results of the present link that were heard. */
  #heard = 0;
  /** Since when it has been tried to reach the owner in vain. */
  #lostSinceMs: number | undefined;
  /** The next try comes by itself. */
  #isWaiting = false;
  #isGone = false;
  #onReady: (() => void) | undefined;

  constructor(ports: OwnerPorts, owner: Owner) {
    this.#ports = ports;
    this.owner = owner;
  }

  get isIdle(): boolean {
    return this.#unheard.length === 0;
  }

  /** Its process has ended: nobody wants its results. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Whether it takes no more now; then `onReady` is called once when it does. */
  isStalled(onReady: () => void): boolean {
    if (this.#isGone) return false;
    // While the link is lost nothing more is made for an owner that may be gone.
    const stalled = this.#link === undefined ? this.#unheard.length > 0 : this.#link.stalled;
    this.#onReady = stalled ? onReady : undefined;
    return stalled;
  }

  /** Sends a result; one that doesn't cross becomes the error that says so. */
  send(position: number, item: ResultItem): void {
    if (this.#isGone) {
      this.#ports.onHeard(position, item[0] !== TASK_VALUE);
      this.#ports.onHeardAll();
      return;
    }
    const result = { position, item, value: keptValue(item) };
    this.#unheard.push(result);
    if (this.#link === undefined) this.#open();
    else this.#give(this.#link, result);
  }

  close(): void {
    this.#link?.reset(new SystemError("CANCELLED", "it was quiet, and others need its place"));
  }

  #open(): void {
    if (this.#isWaiting) return;
    this.#heard = 0;
    const link = this.#ports.open(this.owner, {
      onItems: (items) => this.#hear(items),
      onReset: (error) => this.#lost(error),
      onReady: () => this.#ready(),
    });
    this.#link = link;
    const all = this.#unheard.takeAll();
    this.#unheard.prepend(all);
    for (const result of all) this.#give(link, asItWas(result));
  }

  #give(link: ItemLink, result: Unheard): void {
    try {
      link.send(result.item, true);
    } catch (thrown) {
      if (!link.isOpen) return;
      const number = result.item[1];
      result.item = [TASK_ERROR, number, refusal(toSystemError(thrown)).toData()];
      link.send(result.item, true);
    }
    if (this.#unheard.length === 1) link.keepAlive(true);
  }

  #hear(items: readonly unknown[]): void {
    for (const item of items) {
      const heard = heardItem(item);
      for (; this.#heard < heard; this.#heard++) {
        const result = this.#unheard.take();
        if (result === undefined) throw new SystemError("FRAME_INVALID", "results never sent");
        this.#ports.onHeard(result.position, result.item[0] !== TASK_VALUE);
      }
    }
    this.#lostSinceMs = undefined;
    if (this.#unheard.length === 0) this.#link?.keepAlive(false);
    this.#ports.onHeardAll();
  }

  #lost(error: SystemError): void {
    this.#link = undefined;
    if (error.code === "ACTOR_DIED") {
      this.#giveUp();
      return;
    }
    if (this.#unheard.length === 0) {
      this.#lostSinceMs = undefined;
      this.#ready();
      return;
    }
    const now = this.#ports.clock.now();
    this.#lostSinceMs ??= now;
    if (now - this.#lostSinceMs >= OWNER_SILENCE_MS) this.#giveBack(error);
    else {
      this.#isWaiting = true;
      this.#ports.clock.after(OWNER_RETRY_MS, () => {
        this.#isWaiting = false;
        this.#open();
        this.#ready();
      });
    }
  }

  /**
   * Nobody is known to have these results: the head decides what becomes of their tasks. Later ones
   * are tried anew, for the owner may be back.
   */
  #giveBack(error: SystemError): void {
    this.#lostSinceMs = undefined;
    const what = `the task's owner took no result for ${OWNER_SILENCE_MS} ms: ${error.what}`;
    const unknown = new SystemError("OUTCOME_UNKNOWN", what, error.where);
    for (const { position } of this.#unheard.takeAll()) this.#ports.onLost(position, unknown);
    this.#ports.onHeardAll();
    this.#ready();
  }

  #giveUp(): void {
    this.#isGone = true;
    for (const { position, item } of this.#unheard.takeAll()) {
      this.#ports.onHeard(position, item[0] !== TASK_VALUE);
    }
    this.#ports.onHeardAll();
    this.#ready();
  }

  #ready(): void {
    const onReady = this.#onReady;
    this.#onReady = undefined;
    onReady?.();
  }
}

/** What the function returned may be written to once it has returned. */
function keptValue([what, , value]: ResultItem): Uint8Array | undefined {
  if (what !== TASK_VALUE || typeof value !== "object" || value === null) return undefined;
  try {
    return encodeValue(value);
  } catch {
    // Then it doesn't cross, and its error does.
    return undefined;
  }
}

function asItWas(result: Unheard): Unheard {
  const { item, value } = result;
  if (value === undefined || item[0] !== TASK_VALUE) return result;
  return Object.assign(result, { item: [TASK_VALUE, item[1], decodeEncoded(value)] as const });
}

function refusal(error: SystemError): SystemError {
  if (error.code !== "FRAME_TOO_LARGE") return error;
  const what = `the task's result takes ${error.what}; put() it, or submit with result: "object"`;
  return new SystemError("FRAME_TOO_LARGE", what);
}
